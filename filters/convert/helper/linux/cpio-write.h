/* SPDX-License-Identifier: BSD-3-Clause */

/* Write a "newc" cpio archive. */

#ifndef V2V_CPIO_WRITE_H
#define V2V_CPIO_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "initrd-buf.h"

struct cpio_writer {
  struct initrd_buf buf; /* the archive so far */
  uint32_t ino;          /* the last inode number given */
};

/* What of an entry is not its name or data. */
struct cpio_meta {
  uint32_t mode; /* with the type */
  uint32_t uid, gid, mtime;
  uint32_t rdev_major, rdev_minor;
};

/* Append an entry; for a symlink DATA is the target without NUL.  Every
 * entry has an inode number of its own and one link.  0, or -1 when out
 * of memory or if it does not fit the format.
 */
extern int
cpio_write (struct cpio_writer *w, const char *name,
            const struct cpio_meta *meta, const void *data, size_t size);
/* Owned by root, mtime 0. */
extern int
cpio_write_dir (struct cpio_writer *w, const char *name, uint32_t mode);
extern int cpio_write_file (struct cpio_writer *w, const char *name,
                            uint32_t mode, const void *data, size_t size);
extern int cpio_write_symlink (struct cpio_writer *w, const char *name,
                               const char *target);
/* Trailer and zeroes to a multiple of 512. */
extern int cpio_write_end (struct cpio_writer *w);

#endif /* V2V_CPIO_WRITE_H */
