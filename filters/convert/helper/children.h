/* SPDX-License-Identifier: BSD-3-Clause */

/* The processes that this program has started: QEMU, and what libguestfs
 * runs beside it.  The handle is locked while libguestfs works, so that
 * they are found in /proc.
 */

#ifndef V2V_CHILDREN_H
#define V2V_CHILDREN_H

#include <stdbool.h>
#include <sys/types.h>

/* -1 if there is no such process any more. */
extern pid_t children_parent_of (pid_t pid);

/* The child that is QEMU with the appliance, or 0; then *SOCKDIR is the
 * directory of its socket (allocated, or NULL).
 */
extern pid_t children_find_appliance (char **sockdir);

/* Kill the appliance, but not libguestfs' recovery process.  Any thread. */
extern void children_kill (void);

/* The same, and the recovery process too.  Any thread. */
extern void children_kill_all (void);

#endif /* V2V_CHILDREN_H */
