/* SPDX-License-Identifier: BSD-3-Clause */

/* The temporary file of a container: one without a name, in which what is
 * unpacked or copied lies one after the other at 4096-byte boundaries, zero
 * blocks left out as holes.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "container-internal.h"
#include "v2v-utils.h"

static int
open_tmp (struct container *c, struct diag *d)
{
  CLEANUP_FREE char *name = NULL;
  int fd;

  if (c->tmpfd != -1)
    return 0;
  fd = open (c->tmpdir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd == -1 && (errno == EOPNOTSUPP || errno == EISDIR)) {
    if (asprintf (&name, "%s/v2vXXXXXX", c->tmpdir) == -1) {
      name = NULL;
      return diag_memory (d);
    }
    fd = mkostemp (name, O_CLOEXEC);
    if (fd != -1)
      unlink (name);
  }
  if (fd == -1)
    return diag_error (d, "tmpdir=%s: cannot make a temporary file: %m",
                       c->tmpdir);
  if (container_adopt (c, fd) == -1)
    return diag_memory (d);
  c->tmpfd = fd;
  return 0;
}

static bool
is_zero (const char *buf, size_t len)
{
  return len == 0 || (buf[0] == 0 && memcmp (buf, buf + 1, len - 1) == 0);
}

/* Append at OFFSET from the end of the temporary file; zeroes as holes. */
static int
tmp_write (struct container *c, const char *buf, size_t len, uint64_t offset,
           struct diag *d)
{
  if (offset > c->unpack_limit - c->unpacked ||
      len > c->unpack_limit - c->unpacked - offset)
    return diag_error (d,
                       "unpacked, it would be larger than %llu bytes; "
                       "raise unpack-limit if that is meant",
                       (unsigned long long)c->unpack_limit);
  while (len > 0) {
    size_t n = V2V_MIN (len, 65536);
    size_t done = 0;

    while (!is_zero (buf, n) && done < n) {
      ssize_t r = pwrite (c->tmpfd, buf + done, n - done,
                          c->tmp_end + offset + done);

      if (r == -1 && errno == EINTR)
        continue;
      if (r == -1)
        return diag_error (d,
                           "writing the unpacked data in %s: %m; "
                           "choose a larger place with tmpdir",
                           c->tmpdir);
      done += r;
    }
    buf += n;
    len -= n;
    offset += n;
  }
  return 0;
}

static int
tmp_finish (struct container *c, uint64_t size, struct blob *r, struct diag *d)
{
  uint64_t end = v2v_round_up (c->tmp_end + size, 4096);

  *r = (struct blob){ .fd = c->tmpfd, .offset = c->tmp_end, .size = size };
  if (ftruncate (c->tmpfd, end) == -1)
    return diag_error (d, "temporary file in %s: %m", c->tmpdir);
  c->tmp_end = end;
  c->unpacked += size;
  return 0;
}

int
container_unpack (struct container *c, struct archive *a, struct blob *r,
                  struct diag *d)
{
  const void *buf;
  size_t len;
  la_int64_t offset;
  uint64_t size = 0;
  int ret;

  if (open_tmp (c, d) == -1)
    return -1;
  while ((ret = archive_read_data_block (a, &buf, &len, &offset)) ==
         ARCHIVE_OK) {
    if (offset < 0)
      return diag_error (d, "a negative offset in the archive");
    if (tmp_write (c, buf, len, offset, d) == -1)
      return -1;
    size = V2V_MAX (size, (uint64_t)offset + len);
  }
  if (ret != ARCHIVE_EOF)
    return diag_error (d, "damaged archive: %s", archive_error_string (a));
  return tmp_finish (c, size, r, d);
}

/*--------------------------------------------------------------------
 * Copies: chunks joined, gzip removed.
 */
struct parts {
  const struct blob *parts;
  size_t nr, i;
  uint64_t offset;
  char *buf;
};

#define PARTS_BUF (256 * 1024)

static la_ssize_t
parts_read (struct archive *a, void *opaque, const void **buf)
{
  struct parts *p = opaque;
  size_t n;

  while (p->i < p->nr && p->offset == p->parts[p->i].size) {
    p->i++;
    p->offset = 0;
  }
  *buf = p->buf;
  if (p->i == p->nr)
    return 0;
  n = V2V_MIN (PARTS_BUF, p->parts[p->i].size - p->offset);
  if (!blob_pread (&p->parts[p->i], p->buf, n, p->offset)) {
    archive_set_error (a, EIO, "read error");
    return -1;
  }
  p->offset += n;
  return n;
}

int
container_copy (struct container *c, const struct blob *parts, size_t nr,
                bool gunzip, struct blob *r, struct diag *d)
{
  CLEANUP_FREE char *buf = malloc (PARTS_BUF);
  struct parts p = { .parts = parts, .nr = nr, .buf = buf };
  struct archive *a = archive_read_new ();
  struct archive_entry *e;
  int ret = -1;

  if (a == NULL || buf == NULL)
    diag_memory (d);
  else if (archive_read_support_format_raw (a) != ARCHIVE_OK ||
           (gunzip && archive_read_support_filter_gzip (a) != ARCHIVE_OK) ||
           archive_read_open (a, &p, NULL, parts_read, NULL) != ARCHIVE_OK ||
           archive_read_next_header (a, &e) != ARCHIVE_OK)
    diag_error (d, "%s", archive_error_string (a));
  else if (gunzip && archive_filter_code (a, 0) != ARCHIVE_FILTER_GZIP)
    diag_error (d, "the data is not compressed with gzip, "
                   "as the description says");
  else
    ret = container_unpack (c, a, r, d);
  if (a)
    archive_read_free (a);
  return ret;
}

int
container_copy_alone (struct container *c, const struct blob *b, struct blob *r,
                      struct diag *d)
{
  int fd = c->tmpfd, ret;
  uint64_t end = c->tmp_end;
  struct blob copy = *b;

  c->tmpfd = -1;
  c->tmp_end = 0;
  ret = container_copy (c, &copy, 1, false, r, d);
  if (ret == 0 && ftruncate (r->fd, r->size) == -1)
    ret = diag_error (d, "temporary file in %s: %m", c->tmpdir);
  c->tmpfd = fd;
  c->tmp_end = end;
  return ret;
}
