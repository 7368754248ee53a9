/* SPDX-License-Identifier: BSD-3-Clause */

/* Directories as containers.
 *
 * A name is looked up in the file system only here.  realpath(3) removes the
 * links, the result must lie in an allowed directory with a '/' at the
 * boundary, and it is then opened below that directory without following any
 * link, so that a link that is exchanged between the two calls does not
 * matter.
 */

#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "container-internal.h"
#include "v2v-utils.h"

#define MAX_DEPTH 16

static int
list_dir (struct container *c, int dfd, const char *prefix, int depth,
          struct diag *d)
{
  DIR *dir = fdopendir (dfd);
  struct dirent *e;
  int r = 0;

  if (dir == NULL) {
    diag_error (d, "%s/%s: %m", c->path, prefix);
    close (dfd);
    return -1;
  }
  if (depth > MAX_DEPTH)
    r = diag_error (d, "%s: directories deeper than %d", c->path, MAX_DEPTH);
  while (r == 0 && (e = readdir (dir)) != NULL) {
    CLEANUP_FREE char *name = NULL;
    struct stat st;
    int fd;

    if (strcmp (e->d_name, ".") == 0 || strcmp (e->d_name, "..") == 0)
      continue;
    if (fstatat (dirfd (dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1)
      continue;
    if (asprintf (&name, "%s%s", prefix, e->d_name) == -1) {
      name = NULL;
      r = diag_memory (d);
    }
    else if (S_ISREG (st.st_mode) || S_ISLNK (st.st_mode))
      r = container_add_member (c, name, NULL, d);
    else if (S_ISDIR (st.st_mode)) {
      CLEANUP_FREE char *sub = NULL;

      fd = openat (dirfd (dir), e->d_name,
                   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (fd == -1)
        continue;
      if (asprintf (&sub, "%s/", name) == -1) {
        sub = NULL;
        close (fd);
        r = diag_memory (d);
      }
      else
        r = list_dir (c, fd, sub, depth + 1, d);
    }
  }
  closedir (dir);
  return r;
}

static int
list (struct container *c, struct diag *d)
{
  int fd;

  if (c->listed)
    return 0;
  fd = open (c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd == -1)
    return diag_error (d, "%s: %m", c->path);
  if (list_dir (c, fd, "", 0, d) == -1)
    return -1;
  c->listed = true;
  return 0;
}

/* PATH lies below DIR: returns what follows "DIR/", otherwise NULL. */
static const char *
below (const char *dir, const char *path)
{
  size_t n = strlen (dir);

  if (strcmp (dir, "/") == 0)
    return path[0] == '/' && path[1] ? path + 1 : NULL;
  if (strncmp (dir, path, n) != 0 || path[n] != '/')
    return NULL;
  return path + n + 1;
}

/* REST has no links: it comes from realpath. */
static int
open_below (const char *dir, const char *rest)
{
  struct open_how how = {
    .flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
    .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
  };
  CLEANUP_CLOSE int dfd = open (dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
  CLEANUP_FREE char *full = NULL;
  char link[64], now[PATH_MAX];
  ssize_t n;
  int fd;

  if (dfd == -1)
    return -1;
  fd = syscall (SYS_openat2, dfd, rest, &how, sizeof how);
  if (fd != -1 || (errno != ENOSYS && errno != EPERM))
    return fd;

  /* Kernels before 5.6, and sandboxes that do not know the call: open,
   * then ask what was opened.
   */
  fd = openat (dfd, rest,
               O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
  if (fd == -1)
    return -1;
  snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  n = readlink (link, now, sizeof now - 1);
  if (n > 0)
    now[n] = '\0';
  if (n <= 0 ||
      asprintf (&full, "%s/%s", strcmp (dir, "/") ? dir : "", rest) == -1 ||
      strcmp (full, now) != 0) {
    close (fd);
    errno = EXDEV;
    return -1;
  }
  return fd;
}

static int
find_in_dir (struct container *c, const char *base, const char *name,
             struct blob *r, struct diag *d)
{
  CLEANUP_FREE char *full = NULL, *real = NULL;
  const char *rest = NULL;
  size_t i;
  int fd = -1;

  if (name[0] == '/')
    full = strdup (name);
  else if (base && base[0] == '/'
             ? asprintf (&full, "%.*s%s", (int)container_dir_len (base), base,
                         name) == -1
             : asprintf (&full, "%s/%.*s%s", c->path,
                         (int)container_dir_len (base), base ? base : "",
                         name) == -1)
    full = NULL;
  if (full == NULL)
    return diag_memory (d);
  real = realpath (full, NULL);
  if (real == NULL) {
    if (errno == ENOENT || errno == ENOTDIR)
      return 0;
    return diag_error (d, "%s: %m", full);
  }
  rest = below (c->path, real);
  if (rest)
    fd = open_below (c->path, rest);
  for (i = 0; rest == NULL && c->allow_dirs && c->allow_dirs[i]; ++i) {
    rest = below (c->allow_dirs[i], real);
    if (rest)
      fd = open_below (c->allow_dirs[i], rest);
  }
  if (rest == NULL)
    return diag_error (d,
                       "\"%s\" leads to %s, outside of %s: refused; "
                       "say allow-dir=DIRECTORY if that is meant",
                       name, real, c->path);
  if (fd == -1)
    return diag_error (d, "%s: %m", real);
  if (blob_from_fd (fd, real, r, d) == -1) {
    close (fd);
    return -1;
  }
  if (container_adopt (c, fd) == -1)
    return diag_memory (d);
  return 1;
}

struct container *
container_new_dir (const char *path, const struct container_options *opts,
                   struct diag *d)
{
  struct container *c = container_new (path, opts, d);

  if (c) {
    c->list = list;
    c->find = find_in_dir;
    c->in_place = true;
  }
  return c;
}
