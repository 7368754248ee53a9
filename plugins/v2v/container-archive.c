/* SPDX-License-Identifier: BSD-3-Clause */

/* Archives as containers.
 *
 * They are read with libarchive, in this process, never with tar(1) or a
 * shell: a member's name is only ever compared.  A plain tar stays where it
 * is: libarchive gives the members' headers, the data's position follows
 * from how far it has read, and is checked against the header's checksum
 * (the header is the 512 bytes before the data).  Everything else is
 * unpacked.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "container-internal.h"
#include "v2v-utils.h"

/* Names are compared after normalisation, "a/./b" = "a/b";
 * NULL if the name leads out of the archive.
 */
static char *
normalise (const char *base, const char *name)
{
  size_t blen = name[0] == '/' ? 0 : container_dir_len (base);
  char *in, *out, *p, *save = NULL, *word;

  if (name[0] == '/')
    return NULL;
  if (asprintf (&in, "%.*s%s", (int)blen, base ? base : "", name) == -1)
    return NULL;
  out = malloc (strlen (in) + 2);
  if (out == NULL) {
    free (in);
    return NULL;
  }
  p = out;
  *p = '\0';
  for (word = strtok_r (in, "/", &save); word;
       word = strtok_r (NULL, "/", &save)) {
    if (strcmp (word, ".") == 0)
      continue;
    if (strcmp (word, "..") == 0) {
      char *q;

      if (p == out) {
        free (in);
        free (out);
        return NULL;
      }
      *p = '\0';
      q = strrchr (out, '/');
      p = q ? q : out;
      *p = '\0';
      continue;
    }
    if (p != out)
      *p++ = '/';
    p = stpcpy (p, word);
  }
  free (in);
  return out;
}

static int
list (struct container *c, struct diag *d)
{
  (void)c;
  (void)d;
  return 0;
}

static int
find (struct container *c, const char *base, const char *name, struct blob *r,
      struct diag *d)
{
  CLEANUP_FREE char *wanted = normalise (base, name);
  size_t i;

  if (wanted == NULL)
    return diag_error (d, "\"%s\" leads out of the archive: refused", name);
  for (i = 0; i < c->nr; ++i)
    if (strcmp (c->names[i], wanted) == 0) {
      *r = c->blobs[i];
      return 1;
    }
  return 0;
}

/* The 512 bytes before a member's data are its header: the checksum says
 * whether that is so.
 */
static bool
tar_header_before (int fd, uint64_t offset)
{
  unsigned char h[512];
  unsigned sum = 0, i;
  struct blob b = { .fd = fd, .offset = 0, .size = offset };

  if (offset < 512 || !blob_pread (&b, h, 512, offset - 512))
    return false;
  for (i = 0; i < 512; ++i)
    sum += i >= 148 && i < 156 ? ' ' : h[i];
  h[156] = '\0';
  return strtoul ((char *)h + 148, NULL, 8) == sum;
}

static int
read_archive (struct container *c, struct archive *a, int fd,
              const struct blob *whole, struct diag *d)
{
  struct archive_entry *e;
  struct blob b;
  bool tar, plain;
  int ret;

  while ((ret = archive_read_next_header (a, &e)) == ARCHIVE_OK ||
         ret == ARCHIVE_WARN) {
    const char *name = archive_entry_pathname_utf8 (e);
    CLEANUP_FREE char *norm = NULL;
    size_t i;

    tar = (archive_format (a) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_TAR;
    plain = archive_filter_code (a, 0) == ARCHIVE_FILTER_NONE;
    if (name == NULL)
      name = archive_entry_pathname (e);
    if (name == NULL)
      return diag_error (d, "a member without a name");
    if (archive_entry_hardlink (e) || archive_entry_symlink (e) ||
        archive_entry_filetype (e) != AE_IFREG)
      continue;
    if (archive_entry_is_encrypted (e))
      return diag_error (d, "member \"%s\" is encrypted", name);
    norm = normalise (NULL, name);
    if (norm == NULL || norm[0] == '\0')
      return diag_error (d, "member \"%s\" leads out of the archive: refused",
                         name);
    for (i = 0; i < c->nr; ++i)
      if (strcmp (c->names[i], norm) == 0)
        return diag_error (d, "member \"%s\" is there twice: refused", name);
    if (tar && plain && archive_entry_sparse_count (e) == 0) {
      b = (struct blob){ .fd = fd,
                         .offset = archive_filter_bytes (a, 0),
                         .size = archive_entry_size (e) };
      if (b.offset > whole->size || b.size > whole->size - b.offset)
        return diag_error (d, "the archive ends inside member \"%s\"", name);
      if (!tar_header_before (fd, b.offset))
        return diag_error (d, "no tar header before member \"%s\"", name);
    }
    else {
      c->in_place = false;
      if (container_unpack (c, a, &b, d) == -1)
        return diag_prefix (d, name);
    }
    if (container_add_member (c, norm, &b, d) == -1)
      return -1;
  }
  if (ret != ARCHIVE_EOF)
    return diag_error (d, "damaged archive: %s", archive_error_string (a));
  return 0;
}

struct container *
container_new_archive (const char *path, const struct container_options *opts,
                       struct diag *d)
{
  struct container *c = container_new (path, opts, d);
  struct archive *a;
  struct blob whole = { .fd = -1 };
  int fd, r;

  if (c == NULL)
    return NULL;
  c->list = list;
  c->find = find;
  c->in_place = true;
  fd = open (c->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd == -1) {
    diag_error (d, "%s: %m", path);
    goto error;
  }
  if (container_adopt (c, fd) == -1) {
    diag_memory (d);
    goto error;
  }
  if (blob_from_fd (fd, path, &whole, d) == -1)
    goto error;
  a = archive_read_new ();
  if (a == NULL) {
    diag_memory (d);
    goto error;
  }
  /* Anything but ARCHIVE_OK would mean an external program. */
  if (archive_read_support_format_tar (a) != ARCHIVE_OK ||
      archive_read_support_format_zip_seekable (a) != ARCHIVE_OK ||
      archive_read_support_filter_gzip (a) != ARCHIVE_OK ||
      archive_read_support_filter_xz (a) != ARCHIVE_OK ||
      archive_read_support_filter_zstd (a) != ARCHIVE_OK ||
      archive_read_open_fd (a, fd, 65536) != ARCHIVE_OK)
    r = diag_error (d, "%s: %s", path,
                    archive_error_string (a)
                      ? archive_error_string (a)
                      : "libarchive lacks gzip, xz or zstd");
  else {
    r = read_archive (c, a, fd, &whole, d);
    if (r == -1)
      diag_prefix (d, path);
  }
  archive_read_free (a);
  if (r == -1)
    goto error;
  c->listed = true;
  return c;

error:
  container_free (c);
  return NULL;
}
