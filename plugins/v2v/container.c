/* SPDX-License-Identifier: BSD-3-Clause */

/* Containers: what directories and archives share.
 *
 * Invariants:
 * 1. A name never reaches the file system except through container-dir.c.
 * 2. Every blob lies inside its file: offset + size <= size of the file.
 * 3. Members: at most 65536, names at most 4096 bytes; directories at most
 *    16 deep; what is unpacked is at most unpack_limit.
 *
 * No locks: a container is filled in by one thread; afterwards blobs are
 * read with pread only.
 */

#include <config.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "container-internal.h"

#define MAX_MEMBERS 65536
#define MAX_NAME 4096

struct container *
container_new (const char *path, const struct container_options *opts,
               struct diag *d)
{
  struct container *c = calloc (1, sizeof *c);

  if (c == NULL) {
    diag_memory (d);
    return NULL;
  }
  c->tmpfd = -1;
  c->tmpdir = opts->tmpdir ? opts->tmpdir : "/var/tmp";
  c->unpack_limit = opts->unpack_limit;
  c->allow_dirs = opts->allow_dirs;
  c->path = realpath (path, NULL);
  if (c->path == NULL) {
    diag_error (d, "%s: %m", path);
    free (c);
    return NULL;
  }
  return c;
}

void
container_free (struct container *c)
{
  size_t i;

  if (c == NULL)
    return;
  for (i = 0; i < c->nr; ++i)
    free (c->names[i]);
  for (i = 0; i < c->nr_fds; ++i)
    close (c->fds[i]);
  free (c->names);
  free (c->blobs);
  free (c->fds);
  free (c->path);
  free (c);
}

bool
container_in_place (const struct container *c)
{
  return c->in_place;
}

int
container_adopt (struct container *c, int fd)
{
  int *p = reallocarray (c->fds, c->nr_fds + 1, sizeof *p);

  if (p == NULL) {
    close (fd);
    return -1;
  }
  c->fds = p;
  p[c->nr_fds++] = fd;
  return 0;
}

int
container_add_member (struct container *c, const char *name,
                      const struct blob *b, struct diag *d)
{
  size_t n;
  void *p;

  if (c->nr >= MAX_MEMBERS)
    return diag_error (d, "more than %d files", MAX_MEMBERS);
  if (strlen (name) > MAX_NAME)
    return diag_error (d, "a file's name is longer than %d bytes", MAX_NAME);
  if (c->nr == c->alloc) {
    n = c->alloc ? c->alloc * 2 : 64;
    p = reallocarray (c->names, n, sizeof *c->names);
    if (p == NULL)
      return diag_memory (d);
    c->names = p;
    p = reallocarray (c->blobs, n, sizeof *c->blobs);
    if (p == NULL)
      return diag_memory (d);
    c->blobs = p;
    c->alloc = n;
  }
  c->names[c->nr] = strdup (name);
  if (c->names[c->nr] == NULL)
    return diag_memory (d);
  c->blobs[c->nr++] = b ? *b : (struct blob){ .fd = -1 };
  return 0;
}

size_t
container_dir_len (const char *name)
{
  const char *p = name ? strrchr (name, '/') : NULL;

  return p ? (size_t)(p - name + 1) : 0;
}

int
container_list (struct container *c, char *const **names, size_t *nr,
                struct diag *d)
{
  if (c->list (c, d) == -1)
    return -1;
  *names = c->names;
  *nr = c->nr;
  return 0;
}

int
container_find (struct container *c, const char *base, const char *name,
                struct blob *r, struct diag *d)
{
  if (name[0] == '\0')
    return diag_error (d, "an empty file name");
  if (strlen (name) > MAX_NAME)
    return diag_error (d, "a file's name is longer than %d bytes", MAX_NAME);
  return c->find (c, base, name, r, d);
}
