/* SPDX-License-Identifier: BSD-3-Clause */

/* Units of sizes in documents. */

#ifndef V2V_UNITS_H
#define V2V_UNITS_H

#include <stdint.h>

/* The bytes in one unit; 0 if it is not known. */
extern uint64_t units_libvirt (const char *s); /* "KiB", "GB" */
extern uint64_t units_dsp0004 (const char *s); /* "byte * 2^20", "MegaBytes" */

#endif /* V2V_UNITS_H */
