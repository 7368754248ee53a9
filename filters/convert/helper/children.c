/* SPDX-License-Identifier: BSD-3-Clause */

/* See children.h. */

#include <config.h>

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "children.h"
#include "janitor.h"

pid_t
children_parent_of (pid_t pid)
{
  char path[64], buf[512], *p;
  ssize_t n;
  int fd;

  snprintf (path, sizeof path, "/proc/%ld/stat", (long)pid);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd == -1)
    return -1;
  n = read (fd, buf, sizeof buf - 1);
  close (fd);
  if (n <= 0)
    return -1;
  buf[n] = '\0';
  p = strrchr (buf, ')'); /* the name may contain anything */
  if (p == NULL || strlen (p) < 5)
    return -1;
  return (pid_t)strtol (p + 4, NULL, 10);
}

static bool
is_our_program (pid_t pid)
{
  char path[64], a[PATH_MAX], b[PATH_MAX];
  ssize_t n, m;

  snprintf (path, sizeof path, "/proc/%ld/exe", (long)pid);
  n = readlink (path, a, sizeof a);
  m = readlink ("/proc/self/exe", b, sizeof b);
  return n > 0 && n == m && memcmp (a, b, n) == 0;
}

/* Does its command line have "-kernel"?  Then it is QEMU with the
 * appliance, not one that libguestfs asks for its features.  *SOCKDIR gets
 * the directory of its socket (allocated, or NULL).
 */
static bool
is_appliance (pid_t pid, char **sockdir)
{
  static const char mark[] = "socket,path=", tail[] = "/guestfsd.sock";
  char *p, *end;
  char path[64], buf[65536];
  ssize_t n;
  int fd;

  snprintf (path, sizeof path, "/proc/%ld/cmdline", (long)pid);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd == -1)
    return false;
  n = read (fd, buf, sizeof buf);
  close (fd);
  if (n <= 0 || memmem (buf, n, "\0-kernel\0", 9) == NULL)
    return false;
  *sockdir = NULL;
  p = memmem (buf, n, mark, strlen (mark));
  if (p != NULL) {
    p += strlen (mark);
    end = memmem (p, n - (p - buf), tail, strlen (tail));
    if (end != NULL && *p == '/')
      *sockdir = strndup (p, end - p);
  }
  return true;
}

/* Call FN for each child of ours. */
static void
for_each_child (void (*fn) (pid_t pid, void *opaque), void *opaque)
{
  DIR *dir = opendir ("/proc");
  struct dirent *d;
  pid_t me = getpid ();

  if (dir == NULL)
    return;
  while ((d = readdir (dir)) != NULL) {
    pid_t pid;

    if (!isdigit ((unsigned char)d->d_name[0]))
      continue;
    pid = (pid_t)strtol (d->d_name, NULL, 10);
    if (pid > 1 && pid != me && children_parent_of (pid) == me)
      fn (pid, opaque);
  }
  closedir (dir);
}

static void
kill_child (pid_t pid, void *opaque)
{
  (void)opaque;
  /* Not libguestfs's recovery process: it is a fork of this program, and
   * guestfs_close ends it.
   */
  if (!is_our_program (pid))
    kill (pid, SIGKILL);
}

void
children_kill (void)
{
  for_each_child (kill_child, NULL);
}

static void
kill_any_child (pid_t pid, void *opaque)
{
  (void)opaque;
  if (pid != janitor_pid ())
    kill (pid, SIGKILL);
}

void
children_kill_all (void)
{
  for_each_child (kill_any_child, NULL);
}

struct found {
  pid_t pid;
  char *sockdir;
};

static void
find_appliance (pid_t pid, void *opaque)
{
  struct found *f = opaque;

  if (f->pid == 0 && is_appliance (pid, &f->sockdir))
    f->pid = pid;
}

pid_t
children_find_appliance (char **sockdir)
{
  struct found f = { 0, NULL };

  for_each_child (find_appliance, &f);
  *sockdir = f.sockdir;
  return f.pid;
}
