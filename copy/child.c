/* SPDX-License-Identifier: BSD-3-Clause */

/* Programs that we run, and the one place where we wait.
 *
 * Signals are blocked and read from a signalfd, so that there is no
 * handler and no race: SIGCHLD reaps, SIGINT, SIGTERM and SIGHUP set a
 * flag that ends everything in an orderly way.  All children share one
 * pipe as standard error; its lines are shown as they come.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "copy.h"
#include "v2v-utils.h"

#define MAX_FDS 64

static int signal_fd = -1, lines[2] = { -1, -1 };
static sigset_t old_mask;
static bool told_to_end;

bool
interrupted (void)
{
  return told_to_end;
}

int
children_init (void)
{
  sigset_t mask;

  sigemptyset (&mask);
  sigaddset (&mask, SIGCHLD);
  sigaddset (&mask, SIGINT);
  sigaddset (&mask, SIGTERM);
  sigaddset (&mask, SIGHUP);
  signal (SIGPIPE, SIG_IGN);
  if (sigprocmask (SIG_BLOCK, &mask, &old_mask) == -1 ||
      (signal_fd = signalfd (-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK)) == -1 ||
      pipe2 (lines, O_CLOEXEC) == -1 ||
      fcntl (lines[0], F_SETFL, O_NONBLOCK) == -1) {
    show_error ("internal", "cannot prepare to run programs: %s",
                strerror (errno));
    return -1;
  }
  return 0;
}

static void __attribute__ ((noreturn))
run (char *const argv[], int out_fd, int pass_fd, pid_t parent)
{
  int null = open ("/dev/null", O_RDONLY);

  setpgid (0, 0);
  prctl (PR_SET_PDEATHSIG, SIGTERM);
  if (getppid () != parent) /* it ended before we asked */
    _exit (127);
  sigprocmask (SIG_SETMASK, &old_mask, NULL);
  signal (SIGPIPE, SIG_DFL);
  if (null == -1 || dup2 (null, 0) == -1 ||
      dup2 (out_fd >= 0 ? out_fd : lines[1], 1) == -1 ||
      dup2 (lines[1], 2) == -1 ||
      (pass_fd >= 0 && fcntl (pass_fd, F_SETFD, 0) == -1))
    _exit (127);
  execvp (argv[0], argv);
  dprintf (2, "%s: %s\n", argv[0], strerror (errno));
  _exit (127);
}

int
child_start (struct child *c, const char *what, char *const argv[], int out_fd,
             int pass_fd)
{
  pid_t parent = getpid ();

  show_command (argv);
  memset (c, 0, sizeof *c);
  c->what = what;
  c->pid = fork ();
  if (c->pid == 0)
    run (argv, out_fd, pass_fd, parent);
  if (c->pid == -1) {
    c->pid = 0;
    show_error ("internal", "cannot start %s: %s", what, strerror (errno));
    return -1;
  }
  return 0;
}

bool
child_ok (const struct child *c)
{
  return c->ended && WIFEXITED (c->status) && WEXITSTATUS (c->status) == 0;
}

static void
reap (struct child *c)
{
  if (c->pid > 0 && waitpid (c->pid, &c->status, WNOHANG) == c->pid) {
    c->pid = 0;
    c->ended = true;
  }
}

static void
read_lines (void)
{
  static char buf[8192];
  static size_t used;
  char *nl;

  for (;;) {
    ssize_t r = read (lines[0], buf + used, sizeof buf - 1 - used);

    if (r <= 0)
      return;
    used += r;
    buf[used] = '\0';
    while ((nl = memchr (buf, '\n', used)) != NULL) {
      *nl = '\0';
      show_child_line (buf);
      used -= nl + 1 - buf;
      memmove (buf, nl + 1, used + 1);
    }
    if (used == sizeof buf - 1) { /* a line without end */
      show_child_line (buf);
      used = 0;
    }
  }
}

static void
read_signals (void)
{
  struct signalfd_siginfo si;

  while (read (signal_fd, &si, sizeof si) == sizeof si)
    if (si.ssi_signo != SIGCHLD)
      told_to_end = true;
}

bool
children_wait (struct child *const *children, size_t nr_children,
               const int *fds, bool *ready, size_t n, int timeout)
{
  struct pollfd p[MAX_FDS + 2];
  size_t i;

  if (n > MAX_FDS)
    n = MAX_FDS;
  p[0] = (struct pollfd){ .fd = signal_fd, .events = POLLIN };
  p[1] = (struct pollfd){ .fd = lines[0], .events = POLLIN };
  for (i = 0; i < n; ++i)
    p[i + 2] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
  if (poll (p, n + 2, timeout) == -1 && errno != EINTR)
    show_error ("internal", "poll: %s", strerror (errno));
  for (i = 0; i < n; ++i)
    ready[i] = (p[i + 2].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
  read_signals ();
  for (i = 0; i < nr_children; ++i)
    reap (children[i]);
  /* After reaping: what a child wrote before its end is shown before
   * anyone draws conclusions from that end.
   */
  read_lines ();
  return !told_to_end;
}

/* What must not be left half done goes on after a signal, but not for ever. */
#define UNHEEDED_SECONDS 60

int
child_run (const char *what, char *const argv[], bool heed, char **out)
{
  struct child c = { .pid = 0 }, *cp = &c;
  struct timespec start, now;
  int fd[2];
  size_t n = 0;
  bool ready, open = true;
  ssize_t r;

  heed = heed && !told_to_end;
  if (pipe2 (fd, O_CLOEXEC) == -1 || fcntl (fd[0], F_SETFL, O_NONBLOCK) == -1) {
    show_error ("internal", "pipe: %s", strerror (errno));
    return EXIT_USAGE;
  }
  *out = xrealloc (NULL, 1);
  if (child_start (&c, what, argv, fd[1], -1) == -1)
    c.ended = true;
  close (fd[1]);
  clock_gettime (CLOCK_MONOTONIC, &start);
  /* Until it has ended and everything it wrote was read. */
  while (!c.ended || open) {
    const bool go_on = children_wait (&cp, 1, &fd[0], &ready, open, 1000);

    clock_gettime (CLOCK_MONOTONIC, &now);
    if (heed ? !go_on : now.tv_sec - start.tv_sec > UNHEEDED_SECONDS) {
      child_stop (&c);
      break;
    }
    while (open) {
      *out = xrealloc (*out, n + 4097);
      r = read (fd[0], *out + n, 4096);
      if (r > 0)
        n += r;
      else {
        /* What it started may hold the pipe open: that is not waited for. */
        open = r == -1 && (errno == EAGAIN || errno == EINTR) && !c.ended;
        break;
      }
    }
  }
  close (fd[0]);
  (*out)[n] = '\0';
  return heed && told_to_end ? EXIT_INTERRUPTED
         : child_ok (&c)     ? 0
                             : EXIT_OUTPUT;
}

void
child_stop (struct child *c)
{
  struct timespec start, now;
  bool asked = false;

  if (c->pid <= 0)
    return;
  kill (c->pid, SIGTERM);
  clock_gettime (CLOCK_MONOTONIC, &start);
  while (c->pid > 0) {
    children_wait (&c, 1, NULL, NULL, 0, 100);
    clock_gettime (CLOCK_MONOTONIC, &now);
    if (c->pid > 0 && !asked && now.tv_sec - start.tv_sec > 5) {
      kill (c->pid, SIGKILL);
      asked = true;
    }
  }
}
