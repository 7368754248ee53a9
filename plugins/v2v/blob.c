/* SPDX-License-Identifier: BSD-3-Clause */

/* Blobs (see blob.h). */

#include <config.h>

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blob.h"

bool
blob_pread (const struct blob *b, void *buf, size_t len, uint64_t offset)
{
  char *p = buf;

  if (offset > b->size || len > b->size - offset)
    return false;
  offset += b->offset;
  if (b->server)
    return len == 0 ||
           b->server->pread (b->server->opaque, buf, len, offset) == 0;
  while (len > 0) {
    ssize_t r = pread (b->fd, p, len, offset);

    if (r == -1 && errno == EINTR)
      continue;
    if (r <= 0)
      return false;
    p += r;
    len -= r;
    offset += r;
  }
  return true;
}

int
blob_read_all (const struct blob *b, size_t limit, char **text, size_t *len,
               struct diag *d)
{
  char *p;

  if (b->size > limit)
    return diag_error (d, "larger than %zu bytes", limit);
  p = malloc (b->size + 1);
  if (p == NULL)
    return diag_memory (d);
  if (!blob_pread (b, p, b->size, 0)) {
    free (p);
    return diag_error (d, "cannot be read: %m");
  }
  p[b->size] = '\0';
  *text = p;
  *len = b->size;
  return 0;
}

int
blob_from_fd (int fd, const char *name, struct blob *r, struct diag *d)
{
  struct stat st;
  uint64_t size = 0;

  if (fstat (fd, &st) == -1)
    return diag_error (d, "%s: fstat: %m", name);
  if (S_ISBLK (st.st_mode)) {
    if (ioctl (fd, BLKGETSIZE64, &size) == -1)
      return diag_error (d, "%s: BLKGETSIZE64: %m", name);
  }
  else if (S_ISREG (st.st_mode))
    size = st.st_size;
  else
    return diag_error (d, "%s: neither a regular file nor a block device",
                       name);
  *r = (struct blob){ .fd = fd, .offset = 0, .size = size };
  return 0;
}
