/* SPDX-License-Identifier: BSD-3-Clause */

/* The format is described in cpio-read.c.  Names are written as given:
 * relative, without "./".  Times are zero by default, so that the same
 * input gives the same bytes.
 *
 * nlink is 1 except for directories, where nobody looks.  Thus the kernel never looks an entry of ours up in
 * its table of hard links, which an earlier archive without a trailer may
 * have left filled, and our inode numbers cannot collide with its.
 */

#include <config.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cpio-write.h"

static size_t
padding (size_t size, size_t to)
{
  return (to - size % to) % to;
}

static int
put (struct cpio_writer *w, const char *name, uint32_t ino, uint32_t nlink,
     const struct cpio_meta *m, const void *data, size_t size)
{
  size_t name_size = strlen (name) + 1;
  char header[111];

  if (size > UINT32_MAX || name_size > 4096)
    return -1;
  snprintf (header, sizeof header,
            "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", ino,
            m->mode, m->uid, m->gid, nlink, m->mtime, (unsigned)size, 0U, 0U,
            m->rdev_major, m->rdev_minor, (unsigned)name_size, 0U);
  if (initrd_buf_append (&w->buf, header, 110) == -1 ||
      initrd_buf_append (&w->buf, name, name_size) == -1 ||
      initrd_buf_zeroes (&w->buf, padding (110 + name_size, 4)) == -1 ||
      initrd_buf_append (&w->buf, data, size) == -1 ||
      initrd_buf_zeroes (&w->buf, padding (size, 4)) == -1)
    return -1;
  return 0;
}

int
cpio_write (struct cpio_writer *w, const char *name,
            const struct cpio_meta *meta, const void *data, size_t size)
{
  return put (w, name, ++w->ino, S_ISDIR (meta->mode) ? 2 : 1, meta, data,
              size);
}

int
cpio_write_dir (struct cpio_writer *w, const char *name, uint32_t mode)
{
  struct cpio_meta meta = { .mode = S_IFDIR | mode };

  return cpio_write (w, name, &meta, NULL, 0);
}

int
cpio_write_file (struct cpio_writer *w, const char *name, uint32_t mode,
                 const void *data, size_t size)
{
  struct cpio_meta meta = { .mode = S_IFREG | mode };

  return cpio_write (w, name, &meta, data, size);
}

int
cpio_write_symlink (struct cpio_writer *w, const char *name, const char *target)
{
  struct cpio_meta meta = { .mode = S_IFLNK | 0777 };

  return cpio_write (w, name, &meta, target, strlen (target));
}

int
cpio_write_end (struct cpio_writer *w)
{
  struct cpio_meta meta = { 0 };

  if (put (w, "TRAILER!!!", 0, 1, &meta, NULL, 0) == -1)
    return -1;
  return initrd_buf_zeroes (&w->buf, padding (w->buf.size, 512));
}
