/* SPDX-License-Identifier: BSD-3-Clause */

/* The disks of an OVF, for ovf.c. */

#ifndef V2V_OVF_DISK_H
#define V2V_OVF_DISK_H

#include "ovf-items.h"

/* Add the disk of the item I to M.  0, or -1 with an error that names the
 * line.
 */
extern int ovf_get_disk (const struct ovf *o, const struct item *i,
                         struct machine *m, struct diag *d);

#endif /* V2V_OVF_DISK_H */
