/* SPDX-License-Identifier: BSD-3-Clause */

/* NBD client.
 *
 *   worker threads --nbd_aio_pread--> handle <--notify_read/write-- pump
 *
 * The pump is one thread per connection: it polls the socket and an eventfd
 * with which workers tell it that there is something to send.  A worker
 * waits for its own command on a semaphore, which the completion callback
 * posts.  libnbd completes every command when a connection dies, so that no
 * worker waits for ever and no buffer is written after its owner left.
 *
 * Connection lost: workers come back with an error while the handle is dead.
 * Whoever is first takes the lock for writing, replaces the handle, and all
 * repeat their command.  An error that the server itself reports is final,
 * unless the server has lost the one on which it stands (its upstream).
 *
 * Server that hangs: whoever has waited longer than the limit shuts the
 * socket down, which makes of it a connection that is lost.  The buffers of
 * all who wait stay theirs until libnbd has completed their commands.
 *
 * Locks: LOCK is held for reading while the handle is used, for writing
 * while it is replaced; it protects nbd, pump, generation, size, extents_ok.
 */

#include <config.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <libnbd.h>

#include "remote.h"
#include "v2v-utils.h"

#define MAX_ATTEMPTS 5
#define HANG_COUNTS 2      /* attempts: waiting is dear */
#define CONNECT_TIMEOUT 60 /* seconds */
#define MAX_COUNT (32 * 1024 * 1024)

struct remote {
  struct child *child; /* or NULL */
  unsigned index;
  char *export, *uri;
  struct remote *upstream; /* or NULL */
  int wake;
  atomic_bool stop;

  pthread_rwlock_t lock;
  struct nbd_handle *nbd; /* NULL = not connected */
  pthread_t pump;
  unsigned generation; /* of the child */
  unsigned serial;     /* of the connection, from 1 */
  uint64_t size;
  bool size_known, extents_ok;
  char reason[512]; /* why it could not be connected */
};

static void (*log_fn) (const char *message);
static unsigned time_limit = 600; /* seconds */

void
remote_set_log (void (*log) (const char *message))
{
  log_fn = log;
}

void
remote_set_timeout (unsigned seconds)
{
  time_limit = seconds;
}

/* Said when the last attempt has failed.  LOCK held for writing. */
static void __attribute__ ((format (printf, 2, 3)))
set_reason (struct remote *r, const char *fmt, ...)
{
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (r->reason, sizeof r->reason, fmt, ap);
  va_end (ap);
}

static const char *
remote_name (const struct remote *r)
{
  return r->uri ? r->uri : r->export;
}

/*--------------------------------------------------------------------*/

static void *
pump (void *opaque)
{
  struct remote *r = opaque;
  struct nbd_handle *nbd = r->nbd;
  struct pollfd p[2];
  uint64_t count;
  unsigned dir;

  while (!atomic_load (&r->stop) && !nbd_aio_is_dead (nbd) &&
         !nbd_aio_is_closed (nbd)) {
    dir = nbd_aio_get_direction (nbd);
    p[0] = (struct pollfd){ .fd = nbd_aio_get_fd (nbd) };
    if (dir & LIBNBD_AIO_DIRECTION_READ)
      p[0].events |= POLLIN;
    if (dir & LIBNBD_AIO_DIRECTION_WRITE)
      p[0].events |= POLLOUT;
    p[1] = (struct pollfd){ .fd = r->wake, .events = POLLIN };
    if (poll (p, 2, -1) == -1) {
      if (errno == EINTR)
        continue;
      break;
    }
    if (p[1].revents && read (r->wake, &count, sizeof count) == -1 &&
        errno != EAGAIN)
      break;
    /* The direction may have changed while we were polling. */
    dir = nbd_aio_get_direction (nbd);
    if ((p[0].revents & (POLLIN | POLLHUP | POLLERR)) &&
        (dir & LIBNBD_AIO_DIRECTION_READ))
      nbd_aio_notify_read (nbd);
    else if ((p[0].revents & (POLLOUT | POLLHUP | POLLERR)) &&
             (dir & LIBNBD_AIO_DIRECTION_WRITE))
      nbd_aio_notify_write (nbd);
  }
  return NULL;
}

static void
kick (struct remote *r)
{
  uint64_t one = 1;

  if (write (r->wake, &one, sizeof one) == -1)
    return;
}

/* LOCK held for writing. */
static void
disconnect (struct remote *r)
{
  if (r->nbd == NULL)
    return;
  atomic_store (&r->stop, true);
  kick (r);
  pthread_join (r->pump, NULL);
  nbd_close (r->nbd);
  r->nbd = NULL;
  atomic_store (&r->stop, false);
}

static int
wait_ready (struct nbd_handle *nbd)
{
  time_t end = time (NULL) + V2V_MIN (CONNECT_TIMEOUT, time_limit);

  while (!nbd_aio_is_ready (nbd)) {
    if (nbd_aio_is_dead (nbd) || nbd_aio_is_closed (nbd))
      return -1;
    if (time (NULL) > end) {
      errno = ETIMEDOUT;
      return -1;
    }
    if (nbd_poll (nbd, 1000) == -1)
      return -1;
  }
  return 0;
}

/* LOCK held for writing.  One attempt. */
static int
try_connect (struct remote *r)
{
  CLEANUP_FREE char *error = NULL, *words = NULL;
  struct nbd_handle *nbd = nbd_create ();
  int64_t size;
  int fd;

  if (nbd == NULL || nbd_add_meta_context (nbd, "base:allocation") == -1)
    goto failed;
  if (r->uri) {
    if (nbd_set_uri_allow_transports (nbd, LIBNBD_ALLOW_TRANSPORT_TCP |
                                             LIBNBD_ALLOW_TRANSPORT_UNIX) ==
          -1 ||
        nbd_set_uri_allow_local_file (nbd, false) == -1 ||
        nbd_aio_connect_uri (nbd, r->uri) == -1 || wait_ready (nbd) == -1)
      goto failed;
  }
  else {
    fd = child_connect (r->child, r->index, r->generation, &r->generation,
                        &error);
    if (fd == -1) {
      set_reason (r, "%s", error ? error : "out of memory");
      nbd_close (nbd);
      errno = EIO;
      return -1;
    }
    /* The descriptor belongs to libnbd from here on. */
    if (nbd_set_export_name (nbd, r->export) == -1) {
      close (fd);
      goto failed;
    }
    if (nbd_aio_connect_socket (nbd, fd) == -1 || wait_ready (nbd) == -1)
      goto failed;
  }
  size = nbd_get_size (nbd);
  if (size < 0)
    goto failed;
  if (r->size_known && r->size != (uint64_t)size) {
    set_reason (r, "%s: the size changed from %llu to %llu bytes: refused",
                remote_name (r), (unsigned long long)r->size,
                (unsigned long long)size);
    nbd_close (nbd);
    errno = EIO;
    return -1;
  }
  r->extents_ok = nbd_can_meta_context (nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) >
                  0;
  r->nbd = nbd;
  if (pthread_create (&r->pump, NULL, pump, r) != 0) {
    r->nbd = NULL;
    goto failed;
  }
  r->size = size;
  r->size_known = true;
  r->serial++;
  if (r->child)
    child_works (r->child);
  return 0;

failed:
  if (r->child)
    words = child_last_words (r->child);
  /* QEMU repeats its whole argument before the reason. */
  if (words && words[0])
    set_reason (r, "the disk's server: %s",
                strstr (words, "}: ") ? strrchr (words, '}') + 3 : words);
  else
    set_reason (r, "%s: %s", remote_name (r), nbd_get_error ());
  nbd_close (nbd);
  errno = EIO;
  return -1;
}

/* Returns with LOCK held for reading and the handle connected, or -1
 * without the lock.  BAD = the serial of a connection that was lost.
 */
static int
use (struct remote *r, unsigned bad)
{
  unsigned attempt;

  for (;;) {
    pthread_rwlock_rdlock (&r->lock);
    if (r->nbd && r->serial != bad)
      return 0;
    pthread_rwlock_unlock (&r->lock);

    pthread_rwlock_wrlock (&r->lock);
    if (r->nbd == NULL || r->serial == bad) {
      disconnect (r);
      for (attempt = 0; attempt < (r->child ? MAX_ATTEMPTS : 1); ++attempt)
        if (try_connect (r) == 0)
          break;
    }
    if (r->nbd == NULL) {
      if (log_fn)
        log_fn (r->reason);
      pthread_rwlock_unlock (&r->lock);
      errno = EIO;
      return -1;
    }
    pthread_rwlock_unlock (&r->lock);
    bad = 0;
  }
}

/*--------------------------------------------------------------------*/

static struct remote *
new_remote (void)
{
  struct remote *r = calloc (1, sizeof *r);

  if (r == NULL)
    return NULL;
  pthread_rwlock_init (&r->lock, NULL);
  r->wake = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (r->wake == -1) {
    free (r);
    return NULL;
  }
  return r;
}

struct remote *
remote_new_child (struct child *child, unsigned index, const char *export)
{
  struct remote *r = new_remote ();

  if (r == NULL)
    return NULL;
  r->child = child;
  r->index = index;
  r->export = strdup (export);
  if (r->export == NULL) {
    remote_free (r);
    return NULL;
  }
  return r;
}

struct remote *
remote_new_uri (const char *uri)
{
  struct remote *r = new_remote ();

  if (r == NULL)
    return NULL;
  r->uri = strdup (uri);
  if (r->uri == NULL) {
    remote_free (r);
    return NULL;
  }
  return r;
}

void
remote_set_upstream (struct remote *r, struct remote *upstream)
{
  r->upstream = upstream;
}

void
remote_free (struct remote *r)
{
  if (r == NULL)
    return;
  disconnect (r);
  if (r->wake >= 0)
    close (r->wake);
  pthread_rwlock_destroy (&r->lock);
  free (r->export);
  free (r->uri);
  free (r);
}

void
remote_rest (struct remote *r)
{
  pthread_rwlock_wrlock (&r->lock);
  disconnect (r);
  pthread_rwlock_unlock (&r->lock);
}

int
remote_size (struct remote *r, uint64_t *size)
{
  if (use (r, 0) == -1)
    return -1;
  *size = r->size;
  pthread_rwlock_unlock (&r->lock);
  return 0;
}

/*--------------------------------------------------------------------
 * Commands.
 */
struct command {
  sem_t done;
  int err; /* 0, or an errno */
};

static int
completed (void *opaque, int *error)
{
  struct command *c = opaque;

  c->err = *error;
  sem_post (&c->done);
  return 1; /* retire */
}

/* Wait until the command is completed.  False if the server hung: it was
 * completed because the connection was cut.
 */
static bool
wait_done (struct remote *r, struct command *c)
{
  struct timespec end;
  int fd;

  clock_gettime (CLOCK_MONOTONIC, &end);
  end.tv_sec += time_limit;
  while (sem_clockwait (&c->done, CLOCK_MONOTONIC, &end) == -1) {
    if (errno == EINTR)
      continue;
    if (log_fn)
      log_fn ("the disk's server does not answer: it is replaced");
    fd = nbd_aio_get_fd (r->nbd);
    if (fd >= 0)
      shutdown (fd, SHUT_RDWR);
    kick (r);
    while (sem_wait (&c->done) == -1)
      ;
    return false;
  }
  return true;
}

/* The server has reported an error: is it because it lost the one on which it
 * stands?  Asked over the other connection to that, which replaces it if it
 * has gone.  LOCK held for reading.
 */
static bool
upstream_lost (struct remote *r)
{
  char byte;

  if (r->upstream == NULL)
    return false;
  remote_pread (r->upstream, &byte, 1, 0);
  return child_upstream_replaced (r->child);
}

/* Wait for the command that was issued (COOKIE = -1: it was not), drop the
 * lock.  Returns 0; -1 and errno; or, if the connection was lost, how many
 * attempts that counts for.
 */
static int
finish (struct remote *r, int64_t cookie, struct command *c)
{
  int lost, attempts = 1;

  if (cookie == -1)
    c->err = nbd_get_errno () ? nbd_get_errno () : EIO;
  else {
    kick (r);
    if (!wait_done (r, c))
      attempts = HANG_COUNTS;
  }
  /* Commands are completed just before the handle counts as dead. */
  lost = c->err &&
         (nbd_aio_is_dead (r->nbd) || nbd_aio_is_closed (r->nbd) ||
          c->err == ENOTCONN || c->err == ECONNRESET || c->err == EPIPE ||
          c->err == ESHUTDOWN || upstream_lost (r));
  pthread_rwlock_unlock (&r->lock);
  if (c->err == 0)
    return 0;
  if (lost)
    return attempts;
  errno = c->err;
  return -1;
}

int
remote_pread (struct remote *r, void *buf, size_t count, uint64_t offset)
{
  unsigned bad = 0, losses = 0;
  struct command c;
  int64_t cookie;
  size_t n;
  int ret;

  sem_init (&c.done, 0, 0);
  while (count > 0) {
    if (use (r, bad) == -1) {
      ret = -1;
      goto out;
    }
    bad = r->serial;
    n = V2V_MIN (count, MAX_COUNT);
    c.err = 0;
    cookie = nbd_aio_pread (
      r->nbd, buf, n, offset,
      (nbd_completion_callback){ .callback = completed, .user_data = &c }, 0);
    ret = finish (r, cookie, &c);
    if (ret > 0 && (losses += ret) < MAX_ATTEMPTS)
      continue;
    if (ret != 0) {
      if (ret > 0)
        errno = EIO;
      ret = -1;
      goto out;
    }
    bad = losses = 0;
    buf = (char *)buf + n;
    count -= n;
    offset += n;
  }
  ret = 0;
out:
  sem_destroy (&c.done);
  return ret;
}

struct extents {
  uint64_t offset, end;
  int (*fn) (void *opaque, uint64_t offset, uint64_t len, bool hole, bool zero);
  void *opaque;
  int err;
  uint32_t *entries; /* pairs, copied */
  size_t nr;
};

/* Keeps the answer; it is handed on by the worker, not by the pump. */
static int
got_extents (void *opaque, const char *context, uint64_t offset,
             uint32_t *entries, size_t nr, int *error)
{
  struct extents *e = opaque;

  (void)error;
  if (strcmp (context, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0 ||
      offset != e->offset || e->entries)
    return 0;
  e->entries = malloc (nr * sizeof *entries + 1);
  if (e->entries) {
    memcpy (e->entries, entries, nr * sizeof *entries);
    e->nr = nr;
  }
  return 0;
}

int
remote_extents (struct remote *r, uint64_t count, uint64_t offset,
                int (*fn) (void *opaque, uint64_t offset, uint64_t len,
                           bool hole, bool zero),
                void *opaque)
{
  struct extents e = { .offset = offset };
  unsigned bad = 0, losses = 0;
  struct command c;
  int64_t cookie;
  size_t i;
  int ret;

  sem_init (&c.done, 0, 0);
  do {
    free (e.entries);
    e.entries = NULL;
    e.nr = 0;
    if (use (r, bad) == -1) {
      sem_destroy (&c.done);
      return -1;
    }
    if (!r->extents_ok) {
      pthread_rwlock_unlock (&r->lock);
      sem_destroy (&c.done);
      return fn (opaque, offset, count, false, false);
    }
    bad = r->serial;
    c.err = 0;
    cookie = nbd_aio_block_status (
      r->nbd, V2V_MIN (count, UINT64_C (1) << 31), offset,
      (nbd_extent_callback){ .callback = got_extents, .user_data = &e },
      (nbd_completion_callback){ .callback = completed, .user_data = &c }, 0);
    ret = finish (r, cookie, &c);
  } while (ret > 0 && (losses += ret) < MAX_ATTEMPTS);
  sem_destroy (&c.done);

  /* Extents are a hint: without an answer all is data. */
  if (ret != 0 || e.nr < 2) {
    free (e.entries);
    return fn (opaque, offset, count, false, false);
  }
  ret = 0;
  for (i = 0; ret == 0 && i + 1 < e.nr && count > 0; i += 2) {
    uint64_t len = V2V_MIN (e.entries[i], count);

    if (len == 0)
      break;
    ret = fn (opaque, offset, len, (e.entries[i + 1] & LIBNBD_STATE_HOLE) != 0,
              (e.entries[i + 1] & LIBNBD_STATE_ZERO) != 0);
    offset += len;
    count -= len;
  }
  free (e.entries);
  return ret;
}
