/* SPDX-License-Identifier: BSD-3-Clause */

/* Read "newc" cpio archives entry by entry, as the kernel does. */

#ifndef V2V_CPIO_READ_H
#define V2V_CPIO_READ_H

#include <stddef.h>
#include <stdint.h>

struct cpio_entry {
  const char *name; /* NUL-terminated, inside the archive */
  uint32_t ino, mode, uid, gid, nlink, mtime;
  uint32_t size; /* of data */
  uint32_t dev_major, dev_minor;
  uint32_t rdev_major, rdev_minor;
  const uint8_t *data; /* inside the archive; for a symlink its
                                   target, not NUL-terminated */
};

enum cpio_result {
  CPIO_ENTRY,   /* *e is filled */
  CPIO_IGNORED, /* an entry that the kernel skips */
  CPIO_TRAILER, /* end of one archive */
  CPIO_BAD,     /* *err says why */
};

/* The longest name or symlink target, with its NUL. */
#define CPIO_PATH_MAX 4096

/* Read the entry at ARCHIVE + *pos and move *pos after it and its padding
 * (never beyond SIZE).  *pos must be a multiple of 4; *err is static.
 */
extern enum cpio_result
cpio_next (const uint8_t *archive, size_t size, size_t *pos,
           struct cpio_entry *e, const char **err);

#endif /* V2V_CPIO_READ_H */
