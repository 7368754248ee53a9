/* SPDX-License-Identifier: BSD-3-Clause */

/* A copy of libguestfs' appliance whose kernel is not compressed. */

#ifndef V2V_FIXED_H
#define V2V_FIXED_H

#include <guestfs.h>

/* Its directory, for guestfs_set_path (allocated), or NULL if there can be
 * none.  It is made if it is not there.
 */
extern char *fixed_appliance (guestfs_h *g);

#endif /* V2V_FIXED_H */
