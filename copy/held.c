/* SPDX-License-Identifier: BSD-3-Clause */

/* The files that the server reads.
 *
 * A source may only name its disks (libvirt XML, VMX, a directory), so
 * that comparing a target with the source's own name is not enough to
 * keep from replacing what is being read.  What the server and its
 * children have open, while an export is open, is exactly what must stay:
 * disks, their backing files, containers.  It is asked of /proc, whatever
 * the plugin is.
 */

#include <config.h>

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include <sys/stat.h>

#include "copy.h"
#include "v2v-utils.h"

/* Servers have children, which have few; a loop cannot be. */
#define MAX_DEPTH 8

static void
add (struct held *h, const struct stat *st)
{
  size_t i;

  for (i = 0; i < h->n; ++i)
    if (h->v[i].dev == st->st_dev && h->v[i].ino == st->st_ino)
      return;
  h->v = xrealloc (h->v, (h->n + 1) * sizeof *h->v);
  h->v[h->n].dev = st->st_dev;
  h->v[h->n++].ino = st->st_ino;
}

static void
add_files (struct held *h, const char *proc)
{
  CLEANUP_FREE char *dir = xasprintf ("%s/fd", proc);
  DIR *d = opendir (dir);
  const struct dirent *e;
  struct stat st;

  if (d == NULL)
    return; /* it has ended */
  while ((e = readdir (d)) != NULL)
    if (isdigit ((unsigned char)e->d_name[0]) &&
        fstatat (dirfd (d), e->d_name, &st, 0) == 0 && S_ISREG (st.st_mode))
      add (h, &st);
  closedir (d);
}

static void
add_process (struct held *h, pid_t pid, unsigned depth)
{
  CLEANUP_FREE char *proc = xasprintf ("/proc/%ld", (long)pid);
  CLEANUP_FREE char *tasks = xasprintf ("%s/task", proc);
  DIR *d;
  const struct dirent *e;

  add_files (h, proc);
  if (depth == MAX_DEPTH || (d = opendir (tasks)) == NULL)
    return;
  while ((e = readdir (d)) != NULL) {
    CLEANUP_FREE char *path = NULL;
    FILE *fp;
    long child;

    if (!isdigit ((unsigned char)e->d_name[0]))
      continue;
    path = xasprintf ("%s/%s/children", tasks, e->d_name);
    fp = fopen (path, "re");
    if (fp == NULL)
      continue;
    while (fscanf (fp, "%ld", &child) == 1)
      add_process (h, (pid_t)child, depth + 1);
    fclose (fp);
  }
  closedir (d);
}

void
held_add (struct held *h, pid_t server)
{
  add_process (h, server, 0);
}

bool
held_has (const struct held *h, const char *path)
{
  struct stat st;
  size_t i;

  if (stat (path, &st) == -1)
    return false;
  for (i = 0; i < h->n; ++i)
    if (h->v[i].dev == st.st_dev && h->v[i].ino == st.st_ino)
      return true;
  return false;
}

void
held_clear (struct held *h)
{
  free (h->v);
  h->v = NULL;
  h->n = 0;
}
