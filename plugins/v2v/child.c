/* SPDX-License-Identifier: BSD-3-Clause */

/* Servers that we start: a process, its listening socket, and the connections
 * to it.
 *
 * A child gets its listening socket as descriptor 3.  We connect as often as
 * there will be connections before it has even started (the backlog takes
 * them), then remove the socket's name: nothing is left behind in /tmp
 * whatever happens, and nobody else can connect.  When one connection is
 * lost, the whole child is replaced and its connections are claimed anew
 * ("generation").
 *
 * A child may stand on another one, its upstream, of which it inherits a
 * connection.  When it is replaced the upstream is too, if that still is the
 * one which it had.
 *
 * Lock: child->lock protects what is below it.  It is taken before the lock
 * of the upstream, and that before the supervisor's.
 */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "child.h"
#include "process.h"
#include "v2v-utils.h"

#define BACKOFF_FIRST_MS 100
#define BACKOFF_LAST_MS 5000

struct child {
  struct process process; /* its fds: under lock; the rest is constant */
  bool added;             /* the supervisor knows the process */
  unsigned nr_connections;
  struct child *upstream; /* or NULL */
  unsigned upstream_index, upstream_fd;

  pthread_mutex_t lock;
  unsigned generation; /* 0 = never started */
  unsigned upstream_generation;
  int *socks;        /* connected, not yet claimed; -1 */
  unsigned failures; /* since it last worked */
};

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
  struct process *p;
  size_t n;
  unsigned i;

  if (c == NULL)
    return NULL;
  p = &c->process;
  pthread_mutex_init (&c->lock, NULL);
  c->upstream = cfg->upstream;
  c->upstream_index = cfg->upstream_index;
  c->upstream_fd = cfg->upstream_fd;
  p->memory = cfg->memory;
  p->name = strdup (cfg->name);
  p->argv = copy_strings (cfg->argv, 0, &n);
  p->envp = child_environment (cfg->activation, cfg->no_proxy, &p->listen_pid);
  p->fds = calloc (2 * cfg->nr_fds + 1, sizeof *p->fds);
  p->rewind_fds = calloc (cfg->nr_rewind_fds + 1, sizeof *p->rewind_fds);
  c->socks = calloc (cfg->nr_connections + 1, sizeof *c->socks);
  if (p->name == NULL || p->argv == NULL || p->envp == NULL || p->fds == NULL ||
      c->socks == NULL || p->rewind_fds == NULL) {
    child_free (c);
    errno = ENOMEM;
    return NULL;
  }
  c->nr_connections = cfg->nr_connections;
  p->nr_fds = cfg->nr_fds;
  p->nr_rewind_fds = cfg->nr_rewind_fds;
  if (cfg->nr_fds)
    memcpy (p->fds, cfg->fds, cfg->nr_fds * sizeof *p->fds);
  if (cfg->nr_rewind_fds)
    memcpy (p->rewind_fds, cfg->rewind_fds,
            cfg->nr_rewind_fds * sizeof *p->rewind_fds);
  for (i = 0; i < c->nr_connections; ++i)
    c->socks[i] = -1;
  process_add (p);
  c->added = true;
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
  struct process *p;

  if (c == NULL)
    return;
  p = &c->process;
  if (c->added)
    process_remove (p);
  if (c->socks)
    close_socks (c);
  free_strings (p->argv);
  free_strings (p->envp);
  free (p->fds);
  free (p->rewind_fds);
  free (c->socks);
  free (p->name);
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

/* Wait before the next start.  False if the server shuts down. */
static bool
backoff (unsigned failures)
{
  unsigned ms = BACKOFF_FIRST_MS, i;

  for (i = 1; i < failures && ms < BACKOFF_LAST_MS; ++i)
    ms *= 2;
  return supervisor_sleep (V2V_MIN (ms, BACKOFF_LAST_MS));
}

/* c->lock held. */
static int
restart (struct child *c, char **error)
{
  int fd, up = -1, r, e;

  process_end (&c->process);
  close_socks (c);
  if (c->failures > 0 && !backoff (c->failures))
    return failed (error, "%s: the server is shutting down", c->process.name);
  c->failures++;
  if (c->upstream) {
    up = child_connect (c->upstream, c->upstream_index, c->upstream_generation,
                        &c->upstream_generation, error);
    if (up == -1)
      return -1;
    c->process.fds[c->upstream_fd] = up;
  }
  fd = make_sockets (c, error);
  r = fd == -1 ? -1 : process_start (&c->process, fd);
  e = errno;
  if (fd != -1)
    close (fd);
  if (up != -1) {
    close (up);
    c->process.fds[c->upstream_fd] = -1;
  }
  if (r == -1) {
    close_socks (c);
    if (fd == -1)
      return -1;
    errno = e;
    return failed (error, "%s: cannot be started: %m", c->process.name);
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
  if (!process_started (&c->process) || c->generation == bad ||
      c->socks[i] == -1)
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
  if (c->upstream)
    child_works (c->upstream);
}

bool
child_upstream_replaced (struct child *c)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&c->lock);

  if (c->upstream == NULL)
    return false;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&c->upstream->lock);
  return c->upstream->generation != c->upstream_generation;
}

char *
child_last_words (struct child *c)
{
  char *words;

  if (c->upstream) {
    words = child_last_words (c->upstream);
    if (words && words[0])
      return words;
    free (words);
  }
  return process_last_words (&c->process);
}
