/* SPDX-License-Identifier: BSD-3-Clause */

/* Checksums of whole disks. */

#ifndef V2V_SOURCE_CHECKSUM_H
#define V2V_SOURCE_CHECKSUM_H

#include "source.h"

/* Read every disk that has one, and compare: 0, or -1 with an error.  Servers
 * may be started; supervised as source_supervise says.
 */
extern int source_check_checksums (struct source *s, struct diag *d);

#endif /* V2V_SOURCE_CHECKSUM_H */
