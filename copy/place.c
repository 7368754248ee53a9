/* SPDX-License-Identifier: BSD-3-Clause */

/* Files get their final names all together or not at all.
 *
 * A new file gets its name only if there is still none (RENAME_NOREPLACE);
 * one that replaces another changes names with it (RENAME_EXCHANGE), so
 * that the old one waits under our temporary name.  Until place_done
 * everything can be taken back, and then what was there is there again,
 * under its own name, and what is ours has its temporary name.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include "copy.h"

static int
rename_new (const char *from, const char *to)
{
  struct stat st;

  if (renameat2 (AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
    return 0;
  /* Some file systems (NFS) do not know it: then the look comes first. */
  if (errno != EINVAL && errno != ENOSYS)
    return -1;
  if (lstat (to, &st) == 0) {
    errno = EEXIST;
    return -1;
  }
  return rename (from, to);
}

static int
exchange (const char *a, const char *b)
{
  return renameat2 (AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
}

int
place (struct places *p, const char *part, const char *path, bool replace)
{
  struct stat st;
  int r;

  replace = replace && lstat (path, &st) == 0 && S_ISREG (st.st_mode);
  r = replace ? exchange (part, path) : rename_new (part, path);
  if (r == -1) {
    if (errno == EEXIST)
      show_error ("output-exists", "%s appeared meanwhile: it is left alone",
                  path);
    else if (replace && (errno == EINVAL || errno == ENOSYS))
      show_error ("output",
                  "the file system of %s cannot replace files safely: remove "
                  "it first, instead of using --force",
                  path);
    else
      show_error ("output", "%s: %s", path, strerror (errno));
    return EXIT_OUTPUT;
  }
  p->v = xrealloc (p->v, (p->n + 1) * sizeof *p->v);
  p->v[p->n].part = xstrdup (part);
  p->v[p->n].path = xstrdup (path);
  p->v[p->n++].exchanged = replace;
  return 0;
}

static void
clear (struct places *p)
{
  size_t i;

  for (i = 0; i < p->n; ++i) {
    free (p->v[i].part);
    free (p->v[i].path);
  }
  free (p->v);
  p->v = NULL;
  p->n = 0;
}

void
place_undo (struct places *p)
{
  size_t i;

  for (i = p->n; i-- > 0;) {
    const char *part = p->v[i].part, *path = p->v[i].path;

    if ((p->v[i].exchanged ? exchange (part, path) : rename (path, part)) == -1)
      show_error ("output", "%s could not be taken back: %s", path,
                  strerror (errno));
  }
  clear (p);
}

void
place_done (struct places *p)
{
  size_t i;

  for (i = 0; i < p->n; ++i)
    if (p->v[i].exchanged && unlink (p->v[i].part) == -1)
      show_error ("output", "%s, the file that was replaced: %s", p->v[i].part,
                  strerror (errno));
  clear (p);
}
