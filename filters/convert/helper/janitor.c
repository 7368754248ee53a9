/* SPDX-License-Identifier: BSD-3-Clause */

/* See janitor.h.
 *
 * It reads the names from a pipe until the end of file, which comes when
 * the last process that can write to it has ended.  It has a session of
 * its own, because a supervisor kills our process group; it keeps no other
 * file descriptor, because a supervisor waits for ours to be closed; and it
 * ignores what would end it early.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "janitor.h"

#define MAX_DIRS 64

static int pipe_fd = -1;
static pid_t pid;

static int
remove_one (const char *path, const struct stat *st, int type, struct FTW *ftw)
{
  (void)st;
  (void)type;
  (void)ftw;
  (void)!remove (path);
  return 0;
}

void
remove_tree (const char *dir)
{
  nftw (dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void __attribute__ ((noreturn)) janitor (int fd)
{
  static const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGQUIT };
  char *dirs[MAX_DIRS], *line = NULL;
  size_t nr_dirs = 0, cap = 0, i;
  FILE *fp;
  int null;

  setsid ();
  prctl (PR_SET_NAME, "v2v-janitor");
  for (i = 0; i < sizeof ignored / sizeof ignored[0]; ++i)
    signal (ignored[i], SIG_IGN);
  null = open ("/dev/null", O_RDWR);
  dup2 (fd, 3);
  dup2 (null, 0);
  dup2 (null, 1);
  dup2 (null, 2);
  close_range (4, ~0U, 0);
  if (chdir ("/") == -1)
    _exit (1);
  fp = fdopen (3, "r");
  if (fp == NULL)
    _exit (1);
  while (getdelim (&line, &cap, '\0', fp) > 0)
    if (line[0] == '/' && nr_dirs < MAX_DIRS)
      dirs[nr_dirs++] = strdup (line);
  for (i = 0; i < nr_dirs; ++i)
    if (dirs[i] != NULL)
      remove_tree (dirs[i]);
  _exit (0);
}

int
janitor_start (void)
{
  int fd[2];

  if (pipe2 (fd, O_CLOEXEC) == -1)
    return -1;
  pid = fork ();
  if (pid == -1) {
    close (fd[0]);
    close (fd[1]);
    return -1;
  }
  if (pid == 0) {
    close (fd[1]);
    janitor (fd[0]);
  }
  close (fd[0]);
  pipe_fd = fd[1];
  return 0;
}

pid_t
janitor_pid (void)
{
  return pid;
}

void
janitor_add (const char *dir)
{
  size_t len = strlen (dir) + 1;

  /* A write of this size to a pipe is not divided. */
  if (pipe_fd >= 0 && len <= PIPE_BUF)
    while (write (pipe_fd, dir, len) == -1 && errno == EINTR)
      ;
}

void
janitor_end (void)
{
  int status;

  if (pipe_fd == -1)
    return;
  close (pipe_fd);
  pipe_fd = -1;
  while (waitpid (pid, &status, 0) == -1 && errno == EINTR)
    ;
}
