/* SPDX-License-Identifier: BSD-3-Clause */

/* Supervised servers.
 *
 * One thread, the supervisor, forks all of them: PR_SET_PDEATHSIG is sent
 * when the *thread* that forked ends, and nbdkit's connection threads end
 * long before nbdkit.  The supervisor also reads the children's standard
 * error, line by line, so that what they complain about can be told.
 *
 * A child gets its listening socket as descriptor 3.  We connect as often as
 * there will be connections before it has even started (the backlog takes
 * them), then remove the socket's name: nothing is left behind in /tmp
 * whatever happens, and nobody else can connect.  When one connection is
 * lost, the whole child is replaced and its connections are claimed anew
 * ("generation").
 *
 * What a child may do is limited: address space, no core files, no writing
 * of files, its own process group (so that ^C does not kill it before us),
 * SIGKILL when we die.
 *
 * Locks: sup.lock protects sup.*, and of each child pid, err_fd, line.
 * child->lock protects the rest of a child and is taken before sup.lock.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "v2v-utils.h"

#define MAX_LINE 512
#define MAX_FDS 4200
#define BACKOFF_FIRST_MS 100
#define BACKOFF_LAST_MS 5000

struct child {
  /* Constant. */
  char *name;
  char **argv, **envp;
  char *listen_pid; /* in envp: where the child writes its id */
  int *fds, *rewind_fds;
  size_t nr_fds, nr_rewind_fds;
  unsigned nr_connections;
  uint64_t memory;

  pthread_mutex_t lock;
  unsigned generation; /* 0 = never started */
  int *socks;          /* connected, not yet claimed; -1 */
  unsigned failures;   /* since it last worked */

  /* Under sup.lock. */
  pid_t pid; /* 0 = not running */
  int err_fd;
  char line[MAX_LINE], last[MAX_LINE];
  size_t line_len;
  int listen_fd; /* of a start that is asked for */
  bool start, started;
  int start_errno;
  struct child *next;
};

static struct {
  pthread_mutex_t lock;
  pthread_cond_t cond; /* a start was done */
  pthread_t thread;
  bool running, quit;
  int wake;
  void (*log) (const char *message);
  struct child *children;
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
run_child (struct child *c, pid_t parent, int err_fd)
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
  for (i = 0; i <= c->nr_fds; ++i) {
    fd = fcntl (i == 0 ? c->listen_fd : c->fds[i - 1], F_DUPFD,
                (int)c->nr_fds + 64);
    if (fd == -1)
      _exit (126);
    c->fds[c->nr_fds + i] = fd;
  }
  err_fd = fcntl (err_fd, F_DUPFD, (int)c->nr_fds + 64);
  null = open ("/dev/null", O_RDWR);
  if (null == -1 || err_fd == -1 || dup2 (null, 0) == -1 ||
      dup2 (null, 1) == -1 || dup2 (err_fd, 2) == -1)
    _exit (126);
  for (i = 0; i <= c->nr_fds; ++i)
    if (dup2 (c->fds[c->nr_fds + i], 3 + (int)i) == -1)
      _exit (126);
  fd = 4 + (int)c->nr_fds;
#ifdef SYS_close_range
  if (syscall (SYS_close_range, fd, ~0U, 0) == -1)
#endif
    for (; fd < MAX_FDS + 2000; ++fd)
      close (fd);

  limit (RLIMIT_CORE, 0);
  if (c->memory) {
    limit (RLIMIT_FSIZE, 0);
    signal (SIGXFSZ, SIG_IGN);
    limit (RLIMIT_AS, c->memory);
  }
  if (c->listen_pid)
    write_number (c->listen_pid, getpid ());
  execvpe (c->argv[0], c->argv, c->envp);
  if (write (2, failed, sizeof failed - 1) == -1)
    _exit (125);
  _exit (127);
}

/* In the supervisor, sup.lock held. */
static void
start_child (struct child *c)
{
  pid_t parent = getpid (), pid;
  int p[2];
  size_t i;

  c->start = false;
  c->started = true;
  c->start_errno = 0;
  c->line_len = 0;
  c->last[0] = '\0';
  for (i = 0; i < c->nr_rewind_fds; ++i)
    lseek (c->rewind_fds[i], 0, SEEK_SET);
  if (pipe2 (p, O_CLOEXEC | O_NONBLOCK) == -1) {
    c->start_errno = errno;
    return;
  }
  pid = fork ();
  if (pid == 0)
    run_child (c, parent, p[1]);
  close (p[1]);
  if (pid == -1) {
    c->start_errno = errno;
    close (p[0]);
    return;
  }
  c->pid = pid;
  c->err_fd = p[0];
}

/*--------------------------------------------------------------------
 * The supervisor.
 */
static void
end_line (struct child *c)
{
  char message[MAX_LINE + 64];

  if (c->line_len == 0)
    return;
  c->line[c->line_len] = '\0';
  memcpy (c->last, c->line, c->line_len + 1);
  c->line_len = 0;
  snprintf (message, sizeof message, "%.40s: %s", c->name, c->last);
  if (sup.log)
    sup.log (message);
}

static void
read_errors (struct child *c)
{
  char buf[1024];
  ssize_t n, i;

  while ((n = read (c->err_fd, buf, sizeof buf)) > 0)
    for (i = 0; i < n; ++i)
      if (buf[i] == '\n')
        end_line (c);
      else if (c->line_len < sizeof c->line - 1)
        c->line[c->line_len++] = (unsigned char)buf[i] < ' ' ? ' ' : buf[i];
  if (n == 0) {
    end_line (c);
    close (c->err_fd);
    c->err_fd = -1;
  }
}

static void *
supervise (void *opaque)
{
  (void)opaque;
  pthread_mutex_lock (&sup.lock);
  while (!sup.quit) {
    struct child *c;
    struct pollfd *p;
    size_t n = 1, i;
    uint64_t count;

    for (c = sup.children; c; c = c->next)
      n += c->err_fd >= 0;
    p = calloc (n, sizeof *p);
    if (p == NULL)
      n = 0;
    else {
      p[0] = (struct pollfd){ .fd = sup.wake, .events = POLLIN };
      n = 1;
      for (c = sup.children; c; c = c->next)
        if (c->err_fd >= 0)
          p[n++] = (struct pollfd){ .fd = c->err_fd, .events = POLLIN };
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
        for (c = sup.children; c; c = c->next)
          if (c->err_fd == p[i].fd)
            read_errors (c);
    free (p);
    for (c = sup.children; c; c = c->next)
      if (c->start) {
        start_child (c);
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
end_child (struct child *c)
{
  if (c->pid > 0) {
    kill (c->pid, SIGKILL);
    while (waitpid (c->pid, NULL, 0) == -1 && errno == EINTR)
      ;
    c->pid = 0;
  }
  if (c->err_fd >= 0) {
    read_errors (c);
    if (c->err_fd >= 0) {
      end_line (c);
      close (c->err_fd);
    }
    c->err_fd = -1;
  }
}

void
supervisor_stop (void)
{
  struct child *c;

  if (!sup.running)
    return;
  pthread_mutex_lock (&sup.lock);
  sup.quit = true;
  for (c = sup.children; c; c = c->next)
    end_child (c);
  pthread_cond_broadcast (&sup.cond);
  pthread_mutex_unlock (&sup.lock);
  wake_supervisor ();
  pthread_join (sup.thread, NULL);
  close (sup.wake);
  sup.wake = -1;
  sup.running = false;
}

/*--------------------------------------------------------------------*/

static void
free_strings (char **p)
{
  size_t i;

  for (i = 0; p && p[i]; ++i)
    free (p[i]);
  free (p);
}

static char **
copy_strings (char **from, size_t extra, size_t *n)
{
  char **p;

  for (*n = 0; from[*n]; ++*n)
    ;
  p = calloc (*n + extra + 1, sizeof *p);
  for (*n = 0; p && from[*n]; ++*n)
    if ((p[*n] = strdup (from[*n])) == NULL) {
      free_strings (p);
      return NULL;
    }
  return p;
}

static bool
begins_with_any (const char *s, const char *const *words)
{
  for (; *words; ++words)
    if (strncasecmp (s, *words, strlen (*words)) == 0)
      return true;
  return false;
}

/* Our environment without what is meant for us alone. */
static char **
child_environment (bool activation, bool no_proxy, char **listen_pid)
{
  static const char *const proxies[] = {
    "https_proxy=", "http_proxy=", "all_proxy=", "no_proxy=", NULL,
  };
  static const char *const drop[] = {
    "LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES=", "LC_ALL=", "LANG=",
    "LD_PRELOAD=", NULL,
  };
  const char *const ours[] = {
    "LC_ALL=C",
    activation ? "LISTEN_FDS=1" : NULL,
    "LISTEN_PID=00000000000000000000",
  };
  size_t n, i, k = 0;
  char **p = copy_strings (environ, V2V_ARRAY_SIZE (ours), &n);

  if (p == NULL)
    return NULL;
  for (i = 0; i < n; ++i)
    if (begins_with_any (p[i], drop) ||
        (no_proxy && begins_with_any (p[i], proxies)))
      free (p[i]);
    else
      p[k++] = p[i];
  p[k] = NULL;
  for (i = 0; i < V2V_ARRAY_SIZE (ours) && ours[i]; ++i) {
    p[k] = strdup (ours[i]);
    p[k + 1] = NULL;
    if (p[k] == NULL) {
      free_strings (p);
      return NULL;
    }
    k++;
  }
  if (activation)
    *listen_pid = p[k - 1] + strlen ("LISTEN_PID=");
  return p;
}

struct child *
child_new (const struct child_config *cfg)
{
  struct child *c = calloc (1, sizeof *c);
  size_t n;
  unsigned i;

  if (c == NULL)
    return NULL;
  pthread_mutex_init (&c->lock, NULL);
  c->err_fd = c->listen_fd = -1;
  c->nr_connections = cfg->nr_connections;
  c->memory = cfg->memory;
  c->name = strdup (cfg->name);
  c->argv = copy_strings (cfg->argv, 0, &n);
  c->envp = child_environment (cfg->activation, cfg->no_proxy, &c->listen_pid);
  /* The second half is the child's scratch space. */
  c->fds = calloc (2 * cfg->nr_fds + 1, sizeof *c->fds);
  c->rewind_fds = calloc (cfg->nr_rewind_fds + 1, sizeof *c->rewind_fds);
  c->socks = calloc (cfg->nr_connections + 1, sizeof *c->socks);
  if (c->name == NULL || c->argv == NULL || c->envp == NULL || c->fds == NULL ||
      c->socks == NULL || c->rewind_fds == NULL) {
    child_free (c);
    errno = ENOMEM;
    return NULL;
  }
  c->nr_fds = cfg->nr_fds;
  c->nr_rewind_fds = cfg->nr_rewind_fds;
  if (cfg->nr_fds)
    memcpy (c->fds, cfg->fds, cfg->nr_fds * sizeof *c->fds);
  if (cfg->nr_rewind_fds)
    memcpy (c->rewind_fds, cfg->rewind_fds,
            cfg->nr_rewind_fds * sizeof *c->rewind_fds);
  for (i = 0; i < c->nr_connections; ++i)
    c->socks[i] = -1;
  pthread_mutex_lock (&sup.lock);
  c->next = sup.children;
  sup.children = c;
  pthread_mutex_unlock (&sup.lock);
  return c;
}

static void
close_socks (struct child *c)
{
  unsigned i;

  for (i = 0; i < c->nr_connections; ++i) {
    if (c->socks[i] >= 0)
      close (c->socks[i]);
    c->socks[i] = -1;
  }
}

void
child_free (struct child *c)
{
  struct child **p;

  if (c == NULL)
    return;
  pthread_mutex_lock (&sup.lock);
  for (p = &sup.children; *p; p = &(*p)->next)
    if (*p == c) {
      *p = c->next;
      break;
    }
  end_child (c);
  pthread_mutex_unlock (&sup.lock);
  if (c->socks)
    close_socks (c);
  free_strings (c->argv);
  free_strings (c->envp);
  free (c->fds);
  free (c->rewind_fds);
  free (c->socks);
  free (c->name);
  pthread_mutex_destroy (&c->lock);
  free (c);
}

static int __attribute__ ((format (printf, 2, 3)))
failed (char **error, const char *fmt, ...)
{
  va_list ap;

  va_start (ap, fmt);
  if (vasprintf (error, fmt, ap) == -1)
    *error = NULL;
  va_end (ap);
  return -1;
}

/* A listening socket, and all connections to it; then its name goes. */
static int
make_sockets (struct child *c, char **error)
{
  char dir[] = "/tmp/v2vXXXXXX";
  struct sockaddr_un a = { .sun_family = AF_UNIX };
  unsigned i;
  int fd, r = -1;

  if (mkdtemp (dir) == NULL)
    return failed (error, "mkdtemp: %s: %m", dir);
  snprintf (a.sun_path, sizeof a.sun_path, "%s/s", dir);
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd == -1 || bind (fd, (struct sockaddr *)&a, sizeof a) == -1 ||
      listen (fd, (int)c->nr_connections + 1) == -1) {
    failed (error, "%s: %m", a.sun_path);
    goto out;
  }
  for (i = 0; i < c->nr_connections; ++i) {
    c->socks[i] = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                          0);
    if (c->socks[i] == -1 ||
        connect (c->socks[i], (struct sockaddr *)&a, sizeof a) == -1) {
      failed (error, "connect: %m");
      goto out;
    }
  }
  r = fd;
out:
  unlink (a.sun_path);
  rmdir (dir);
  if (r == -1 && fd >= 0)
    close (fd);
  return r;
}

/* Sleep, unless the supervisor is told to stop.  sup.lock is not held. */
static bool
backoff (unsigned failures)
{
  struct timespec t;
  unsigned ms = BACKOFF_FIRST_MS, i;
  bool quit;

  for (i = 1; i < failures && ms < BACKOFF_LAST_MS; ++i)
    ms *= 2;
  ms = V2V_MIN (ms, BACKOFF_LAST_MS);
  clock_gettime (CLOCK_REALTIME, &t);
  t.tv_sec += ms / 1000;
  t.tv_nsec += (ms % 1000) * 1000000L;
  if (t.tv_nsec >= 1000000000L) {
    t.tv_nsec -= 1000000000L;
    t.tv_sec++;
  }
  pthread_mutex_lock (&sup.lock);
  while (!sup.quit &&
         pthread_cond_timedwait (&sup.cond, &sup.lock, &t) != ETIMEDOUT)
    ;
  quit = sup.quit;
  pthread_mutex_unlock (&sup.lock);
  return !quit;
}

/* c->lock held. */
static int
restart (struct child *c, char **error)
{
  int fd, e;

  pthread_mutex_lock (&sup.lock);
  end_child (c);
  pthread_mutex_unlock (&sup.lock);
  close_socks (c);
  if (c->failures > 0 && !backoff (c->failures))
    return failed (error, "%s: the server is shutting down", c->name);
  c->failures++;
  fd = make_sockets (c, error);
  if (fd == -1) {
    close_socks (c);
    return -1;
  }
  pthread_mutex_lock (&sup.lock);
  if (!sup.running || sup.quit)
    e = ESHUTDOWN;
  else {
    c->listen_fd = fd;
    c->started = false;
    c->start = true;
    wake_supervisor ();
    while (!c->started && !sup.quit)
      pthread_cond_wait (&sup.cond, &sup.lock);
    e = c->started ? c->start_errno : ESHUTDOWN;
    c->start = false;
    c->listen_fd = -1;
  }
  pthread_mutex_unlock (&sup.lock);
  close (fd);
  if (e) {
    close_socks (c);
    errno = e;
    return failed (error, "%s: cannot be started: %m", c->name);
  }
  c->generation++;
  return 0;
}

int
child_connect (struct child *c, unsigned i, unsigned bad, unsigned *generation,
               char **error)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&c->lock);
  int fd;

  *error = NULL;
  if (c->generation == 0 || c->generation == bad || c->socks[i] == -1)
    if (restart (c, error) == -1)
      return -1;
  fd = c->socks[i];
  c->socks[i] = -1;
  *generation = c->generation;
  return fd;
}

void
child_works (struct child *c)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&c->lock);

  c->failures = 0;
}

char *
child_last_words (struct child *c)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&sup.lock);

  if (c->err_fd >= 0)
    read_errors (c);
  return strdup (c->last);
}

int
child_pid (struct child *c)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&sup.lock);

  return c->pid;
}
