/* SPDX-License-Identifier: BSD-3-Clause */

/* Processes.
 *
 * One thread, the supervisor, forks all of them: PR_SET_PDEATHSIG is sent
 * when the *thread* that forked ends, and nbdkit's connection threads end
 * long before nbdkit.  The supervisor also reads the processes' standard
 * error, line by line, so that what they complain about can be told.
 *
 * What a process may do is limited: address space, no core files, no writing
 * of files, its own process group (so that ^C does not kill it before us),
 * SIGKILL when we die.
 *
 * Lock: sup.lock protects sup.*, and of each process what process.h says.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "process.h"
#include "v2v-utils.h"

#define MAX_FDS 4200

static struct {
  pthread_mutex_t lock;
  pthread_cond_t cond; /* a start was done */
  pthread_t thread;
  bool running, quit;
  int wake;
  void (*log) (const char *message);
  struct process *processes;
} sup = {
  .lock = PTHREAD_MUTEX_INITIALIZER,
  .cond = PTHREAD_COND_INITIALIZER,
  .wake = -1,
};

static void
wake_supervisor (void)
{
  uint64_t one = 1;

  /* Cannot fail: the counter would need 2^64 starts. */
  if (write (sup.wake, &one, sizeof one) == -1)
    return;
}

/*--------------------------------------------------------------------
 * The child's side of the fork: async-signal-safe calls only.
 */
static void
write_number (char *p, unsigned long n)
{
  char digits[24];
  int i = 0;

  do
    digits[i++] = '0' + n % 10;
  while ((n /= 10) > 0);
  while (i > 0)
    *p++ = digits[--i];
  *p = '\0';
}

static void
limit (int resource, rlim_t value)
{
  struct rlimit r = { value, value }, now;

  if (getrlimit (resource, &now) == 0 && now.rlim_max != RLIM_INFINITY &&
      now.rlim_max < value)
    r.rlim_cur = r.rlim_max = now.rlim_max;
  setrlimit (resource, &r);
}

static void __attribute__ ((noreturn))
run_process (struct process *proc, pid_t parent, int err_fd)
{
  static const char failed[] = "cannot be started: is it installed?\n";
  size_t i;
  sigset_t none;
  int null, fd;

  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != parent)
    _exit (127);
  setpgid (0, 0);
  sigemptyset (&none);
  pthread_sigmask (SIG_SETMASK, &none, NULL);

  /* First out of the way, then into place: 3 is the socket. */
  for (i = 0; i <= proc->nr_fds; ++i) {
    fd = fcntl (i == 0 ? proc->listen_fd : proc->fds[i - 1], F_DUPFD,
                (int)proc->nr_fds + 64);
    if (fd == -1)
      _exit (126);
    proc->fds[proc->nr_fds + i] = fd;
  }
  err_fd = fcntl (err_fd, F_DUPFD, (int)proc->nr_fds + 64);
  null = open ("/dev/null", O_RDWR);
  if (null == -1 || err_fd == -1 || dup2 (null, 0) == -1 ||
      dup2 (null, 1) == -1 || dup2 (err_fd, 2) == -1)
    _exit (126);
  for (i = 0; i <= proc->nr_fds; ++i)
    if (dup2 (proc->fds[proc->nr_fds + i], 3 + (int)i) == -1)
      _exit (126);
  fd = 4 + (int)proc->nr_fds;
#ifdef SYS_close_range
  if (syscall (SYS_close_range, fd, ~0U, 0) == -1)
#endif
    for (; fd < MAX_FDS + 2000; ++fd)
      close (fd);

  limit (RLIMIT_CORE, 0);
  if (proc->memory) {
    limit (RLIMIT_FSIZE, 0);
    signal (SIGXFSZ, SIG_IGN);
    limit (RLIMIT_AS, proc->memory);
  }
  if (proc->listen_pid)
    write_number (proc->listen_pid, getpid ());
  execvpe (proc->argv[0], proc->argv, proc->envp);
  if (write (2, failed, sizeof failed - 1) == -1)
    _exit (125);
  _exit (127);
}

/* In the supervisor, sup.lock held. */
static void
start_process (struct process *proc)
{
  pid_t parent = getpid (), pid;
  int p[2];
  size_t i;

  proc->start = false;
  proc->started = true;
  proc->start_errno = 0;
  proc->line_len = 0;
  proc->last[0] = '\0';
  for (i = 0; i < proc->nr_rewind_fds; ++i)
    lseek (proc->rewind_fds[i], 0, SEEK_SET);
  if (pipe2 (p, O_CLOEXEC | O_NONBLOCK) == -1) {
    proc->start_errno = errno;
    return;
  }
  pid = fork ();
  if (pid == 0)
    run_process (proc, parent, p[1]);
  close (p[1]);
  if (pid == -1) {
    proc->start_errno = errno;
    close (p[0]);
    return;
  }
  proc->pid = pid;
  proc->err_fd = p[0];
}

/*--------------------------------------------------------------------
 * The supervisor.
 */
static void
end_line (struct process *proc)
{
  char message[PROCESS_LINE + 64];

  if (proc->line_len == 0)
    return;
  proc->line[proc->line_len] = '\0';
  memcpy (proc->last, proc->line, proc->line_len + 1);
  proc->line_len = 0;
  snprintf (message, sizeof message, "%.40s: %s", proc->name, proc->last);
  if (sup.log)
    sup.log (message);
}

static void
read_errors (struct process *proc)
{
  char buf[1024];
  ssize_t n, i;

  while ((n = read (proc->err_fd, buf, sizeof buf)) > 0)
    for (i = 0; i < n; ++i)
      if (buf[i] == '\n')
        end_line (proc);
      else if (proc->line_len < sizeof proc->line - 1)
        proc->line[proc->line_len++] = (unsigned char)buf[i] < ' ' ? ' '
                                                                   : buf[i];
  if (n == 0) {
    end_line (proc);
    close (proc->err_fd);
    proc->err_fd = -1;
  }
}

static void *
supervise (void *opaque)
{
  (void)opaque;
  pthread_mutex_lock (&sup.lock);
  while (!sup.quit) {
    struct process *proc;
    struct pollfd *p;
    size_t n = 1, i;
    uint64_t count;

    for (proc = sup.processes; proc; proc = proc->next)
      n += proc->err_fd >= 0;
    p = calloc (n, sizeof *p);
    if (p == NULL)
      n = 0;
    else {
      p[0] = (struct pollfd){ .fd = sup.wake, .events = POLLIN };
      n = 1;
      for (proc = sup.processes; proc; proc = proc->next)
        if (proc->err_fd >= 0)
          p[n++] = (struct pollfd){ .fd = proc->err_fd, .events = POLLIN };
    }
    pthread_mutex_unlock (&sup.lock);
    if (poll (p, n, n ? -1 : 100) == -1 && errno != EINTR)
      poll (NULL, 0, 100);
    pthread_mutex_lock (&sup.lock);
    if (read (sup.wake, &count, sizeof count) == -1)
      count = 0;
    for (i = 1; i < n; ++i)
      if (p[i].revents)
        /* It may have been closed, or be another's meanwhile; reading does
         * not block.
         */
        for (proc = sup.processes; proc; proc = proc->next)
          if (proc->err_fd == p[i].fd)
            read_errors (proc);
    free (p);
    for (proc = sup.processes; proc; proc = proc->next)
      if (proc->start) {
        start_process (proc);
        pthread_cond_broadcast (&sup.cond);
      }
  }
  pthread_mutex_unlock (&sup.lock);
  return NULL;
}

int
supervisor_start (void (*log) (const char *message))
{
  sigset_t all, old;
  int r;

  sup.log = log;
  sup.quit = false;
  sup.wake = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (sup.wake == -1)
    return -1;
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &old);
  r = pthread_create (&sup.thread, NULL, supervise, NULL);
  pthread_sigmask (SIG_SETMASK, &old, NULL);
  if (r != 0) {
    close (sup.wake);
    sup.wake = -1;
    errno = r;
    return -1;
  }
  sup.running = true;
  return 0;
}

/* sup.lock held. */
static void
end_process (struct process *proc)
{
  if (proc->pid > 0) {
    kill (proc->pid, SIGKILL);
    while (waitpid (proc->pid, NULL, 0) == -1 && errno == EINTR)
      ;
    proc->pid = 0;
  }
  if (proc->err_fd >= 0) {
    read_errors (proc);
    if (proc->err_fd >= 0) {
      end_line (proc);
      close (proc->err_fd);
    }
    proc->err_fd = -1;
  }
}

void
supervisor_stop (void)
{
  struct process *proc;

  if (!sup.running)
    return;
  pthread_mutex_lock (&sup.lock);
  sup.quit = true;
  for (proc = sup.processes; proc; proc = proc->next)
    end_process (proc);
  pthread_cond_broadcast (&sup.cond);
  pthread_mutex_unlock (&sup.lock);
  wake_supervisor ();
  pthread_join (sup.thread, NULL);
  close (sup.wake);
  sup.wake = -1;
  sup.running = false;
}

/*--------------------------------------------------------------------*/

void
process_add (struct process *proc)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&sup.lock);

  proc->err_fd = proc->listen_fd = -1;
  proc->next = sup.processes;
  sup.processes = proc;
}

void
process_remove (struct process *proc)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&sup.lock);
  struct process **p;

  for (p = &sup.processes; *p; p = &(*p)->next)
    if (*p == proc) {
      *p = proc->next;
      break;
    }
  end_process (proc);
}

void
process_end (struct process *proc)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&sup.lock);

  end_process (proc);
}

int
process_start (struct process *proc, int listen_fd)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&sup.lock);
  int e;

  if (!sup.running || sup.quit)
    e = ESHUTDOWN;
  else {
    proc->listen_fd = listen_fd;
    proc->started = false;
    proc->start = true;
    wake_supervisor ();
    while (!proc->started && !sup.quit)
      pthread_cond_wait (&sup.cond, &sup.lock);
    e = proc->started ? proc->start_errno : ESHUTDOWN;
    proc->start = false;
    proc->listen_fd = -1;
  }
  if (e == 0)
    return 0;
  errno = e;
  return -1;
}

bool
process_started (struct process *proc)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&sup.lock);

  return proc->pid > 0;
}

char *
process_last_words (struct process *proc)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&sup.lock);

  if (proc->err_fd >= 0)
    read_errors (proc);
  return strdup (proc->last);
}

bool
supervisor_sleep (unsigned ms)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&sup.lock);
  struct timespec t;

  clock_gettime (CLOCK_REALTIME, &t);
  t.tv_sec += ms / 1000;
  t.tv_nsec += (ms % 1000) * 1000000L;
  if (t.tv_nsec >= 1000000000L) {
    t.tv_nsec -= 1000000000L;
    t.tv_sec++;
  }
  while (!sup.quit &&
         pthread_cond_timedwait (&sup.cond, &sup.lock, &t) != ETIMEDOUT)
    ;
  return !sup.quit;
}
