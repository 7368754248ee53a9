/* SPDX-License-Identifier: BSD-3-Clause */

/* What the parts of v2v-initrd share. */

#ifndef V2V_INITRD_TOOL_H
#define V2V_INITRD_TOOL_H

#include <stddef.h>
#include <stdint.h>

/* Exit status, besides 0; see v2v-initrd(1). */
#define MISSING 1
#define TROUBLE 2

struct tool_options {
  const char *kernel;        /* --kernel, or NULL */
  const char *modules;       /* --modules, or NULL */
  const char *const *wanted; /* drivers, NULL-ended */
};

extern void tool_complain (const char *file, const char *text);

/* Read all of a regular file of at most MAX bytes, with a NUL after it.
 * NULL with the error printed.
 */
extern uint8_t *tool_read_file (const char *path, size_t *size, size_t max);

/* 0, or -1 with errno set. */
extern int tool_write_all (int fd, const uint8_t *data, size_t size);

/* ARGS: the image and the new file.  Return the exit status. */
extern int tool_add (const struct tool_options *o, char **args);

#endif /* V2V_INITRD_TOOL_H */
