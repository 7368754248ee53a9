/* SPDX-License-Identifier: BSD-3-Clause */

#ifndef V2V_LINUX_HOST_H
#define V2V_LINUX_HOST_H

#include <stdbool.h>
#include <stddef.h>

struct linux_state;

/* Read a file of the host that the user named in OPTION.  Return 0, or -1
 * with an error reported.  *EXECUTABLE may be NULL.
 */
extern int
host_read (struct linux_state *st, const char *option, const char *path,
           size_t max, char **data, size_t *size, bool *executable);

#endif /* V2V_LINUX_HOST_H */
