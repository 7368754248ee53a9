/* SPDX-License-Identifier: BSD-3-Clause */

/* A source in the making: its containers and disks, and the documents that it
 * is read from.  What all kinds of source stand on.
 */

#include <config.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "image-format.h"
#include "image.h"
#include "process.h"
#include "source-build.h"
#include "v2v-utils.h"

#define MAX_DISKS 1024

struct container *
source_add_container (struct source *s, struct container *c, struct diag *d)
{
  struct container **p;

  if (c == NULL)
    return NULL;
  p = reallocarray (s->containers, s->nr_containers + 1, sizeof (void *));
  if (p == NULL) {
    container_free (c);
    diag_memory (d);
    return NULL;
  }
  s->containers = p;
  p[s->nr_containers++] = c;
  return c;
}

void
source_container_options (const struct source_options *opts,
                          struct container_options *r)
{
  *r = (struct container_options){
    .tmpdir = opts->tmpdir,
    .unpack_limit = opts->unpack_limit,
    .allow_dirs = opts->allow_dirs,
  };
}

int
source_add_disk (struct source *s, struct disk *disk, struct diag *d)
{
  struct disk **p;

  if (disk == NULL)
    return diag_error (d, "a disk: %m");
  p = s->nr_disks < MAX_DISKS
        ? reallocarray (s->disks, s->nr_disks + 1, sizeof (void *))
        : NULL;
  if (p == NULL) {
    disk_free (disk);
    return diag_error (d, "more than %d disks", MAX_DISKS);
  }
  s->disks = p;
  p[s->nr_disks++] = disk;
  return 0;
}

int
source_add_image (struct source *s, const struct source_options *opts,
                  struct container *c, const struct blob *b, const char *name,
                  const char *format, struct diag *d)
{
  struct image_options io = { .allow_backing = opts->allow_backing };
  struct plan plan;

  if (image_plan (c, b, name, opts->format ? opts->format : format, &io, &plan,
                  d) == -1) {
    plan_free (&plan);
    return -1;
  }
  return source_add_disk (s, disk_new_plan (name, &plan), d);
}

int
source_add_zeroes (struct source *s, uint64_t size, struct diag *d)
{
  struct plan plan = { 0 };

  if (plan_add (&plan, SEGMENT_ZERO, 0, 0, size, d) == -1) {
    plan_free (&plan);
    return -1;
  }
  return source_add_disk (s, disk_new_plan ("blank", &plan), d);
}

int
source_supervise (struct source *s, struct diag *d)
{
  if (s->supervised)
    return 0;
  if (supervisor_start (NULL) == -1)
    return diag_error (d, "cannot start a thread: %m");
  s->supervised = true;
  return 0;
}

int
source_add_server_image (struct source *s, const struct source_options *opts,
                         struct disk *server, const char *name,
                         const char *format, struct diag *d)
{
  struct image_options io = { .allow_backing = opts->allow_backing };
  struct plan plan = { 0 };
  struct blob b;
  int r = -1;

  if (server == NULL)
    return -1;
  if (source_supervise (s, d) == 0) {
    if (disk_blob (server, &b) == -1)
      diag_error (d, "%s: cannot be opened", name);
    else
      r = image_plan (NULL, &b, name, format, &io, &plan, d);
    disk_rest (server);
  }
  if (r == -1) {
    plan_free (&plan);
    disk_free (server);
    return -1;
  }
  return source_add_disk (s, disk_new_server_plan (name, &plan, server), d);
}

/* The directory that FILE lies in, as a container. */
static struct container *
dir_of (struct source *s, const struct source_options *opts, const char *file,
        struct diag *d)
{
  struct container_options co;
  CLEANUP_FREE char *real = realpath (file, NULL);
  char *p;

  if (real == NULL) {
    diag_error (d, "%s: %m", file);
    return NULL;
  }
  p = strrchr (real, '/');
  p[p == real] = '\0';
  source_container_options (opts, &co);
  return source_add_container (s, container_new_dir (real, &co, d), d);
}

/* Open a file that the user named. */
static int
open_path (struct container *c, const char *path, struct blob *r,
           struct diag *d)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

  if (fd == -1)
    return diag_error (d, "%s: %m", path);
  if (blob_from_fd (fd, path, r, d) == -1) {
    close (fd);
    return -1;
  }
  return container_adopt (c, fd) == -1 ? diag_memory (d) : 0;
}

int
source_add_path (struct source *s, const struct source_options *opts,
                 const char *path, const char *format, struct diag *d)
{
  struct container *c = dir_of (s, opts, path, d);
  CLEANUP_FREE char *real = realpath (path, NULL);
  struct blob b;

  if (c == NULL || open_path (c, path, &b, d) == -1)
    return -1;
  /* The name's ending is what the user wrote. */
  return source_add_image (s, opts, c, &b,
                           image_format_of_name (path) ? path
                           : real                      ? real
                                                       : path,
                           format, d);
}

int
source_read (struct source *s, const struct source_options *opts,
             const char *path, struct container **c, char **text, size_t *len,
             struct diag *d)
{
  struct blob b;

  *c = dir_of (s, opts, path, d);
  if (*c == NULL || open_path (*c, path, &b, d) == -1)
    return -1;
  if (blob_read_all (&b, MAX_DOCUMENT, text, len, d) == -1)
    return diag_prefix (d, path);
  return 0;
}

char *
source_stem (const char *path)
{
  static const char *const endings[] = {
    ".tar.gz", ".tar.xz", ".tar.zst", ".img", ".ova", ".ovf",
    ".qcow2",  ".raw",    ".vmdk",    ".vmx", ".vdi", ".vhd",
    ".vhdx",   ".xml",    ".tar",     ".tgz", ".zip", "-sda",
  };
  const char *p;
  size_t n = strlen (path), i, m;

  while (n > 1 && path[n - 1] == '/')
    n--;
  for (p = path + n; p > path && p[-1] != '/'; --p)
    ;
  n = path + n - p;
  for (i = 0; i < V2V_ARRAY_SIZE (endings); ++i) {
    m = strlen (endings[i]);
    if (n > m && strncasecmp (p + n - m, endings[i], m) == 0) {
      n -= m;
      break;
    }
  }
  return n ? strndup (p, n) : strdup ("unknown");
}
