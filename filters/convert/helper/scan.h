/* SPDX-License-Identifier: BSD-3-Clause */

/* Find the guest's block devices and open those that are encrypted. */

#ifndef V2V_SCAN_H
#define V2V_SCAN_H

#include <stdbool.h>
#include <stddef.h>

struct device;
struct devices;
struct guest;
struct keys;

/* Fill D: disks, partitions, arrays, logical volumes, and what KEYS open,
 * on every level.  A container that none opens is left closed.  Return 0,
 * or -1 with the error reported.
 */
extern int scan_all (struct guest *gst, struct devices *d, size_t nr_disks,
                     const struct keys *keys);

/* Is V a LUKS container that is not open? */
extern bool scan_is_locked (const struct devices *d, const struct device *v);

#endif /* V2V_SCAN_H */
