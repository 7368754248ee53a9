/* SPDX-License-Identifier: BSD-3-Clause */

/* How large the sectors of the guest's disks are.  NBD does not tell, and
 * the appliance must be told before it starts: a partition table counts in
 * sectors, and one that was written for others is not seen.
 */

#ifndef V2V_SECTORS_H
#define V2V_SECTORS_H

#include <stddef.h>

struct report;
struct vm;

/* 512 or 4096 for each of the N disks (allocated), in their order; NULL with
 * the error reported.  SOURCE may be NULL.
 */
extern unsigned *
sectors_find (struct report *r, char **uris, size_t n, const struct vm *source);

#endif /* V2V_SECTORS_H */
