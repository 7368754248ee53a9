/* SPDX-License-Identifier: BSD-3-Clause */

/* The private NBD server.
 *
 * One listening thread accepts on a Unix socket in a 0700 directory.
 * Each connection has a thread for the handshake, which then becomes
 * the first of WORKERS threads that all run the same loop:
 *
 *     lock read_lock; receive one request (and its payload); unlock
 *     serve it on the disk
 *     lock write_lock; send the reply (and its payload); unlock
 *
 * so that a client which keeps many requests in flight has WORKERS of
 * them served at once, and replies may overtake each other, as the
 * protocol allows.
 *
 * Invariants:
 *  1. A request is passed to the disk only if it lies inside it, and its
 *     length is within MAX_REQUEST for requests that carry data.
 *  2. Whatever breaks the protocol ends the connection, never the server.
 *  3. After endpoint_stop returns no thread of ours exists, and nothing
 *     calls the disks.
 *
 * ep->lock protects the list of connections and `stopping`.  A
 * connection is freed by endpoint_stop or by the listening thread
 * (reaping), only after its threads were joined.
 *
 * The numbers are the protocol's (proto.md, "Values").
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "connection.h"
#include "endpoint.h"
#include "v2v-utils.h"

#define MAX_CONNECTIONS 16

static void *
connection_thread (void *vp)
{
  struct connection *conn = vp;
  struct endpoint *ep = conn->ep;
  pthread_t threads[64];
  unsigned i, nr = 0;

  if (connection_handshake (conn) == 0) {
    for (i = 1; i < ep->workers; ++i) {
      if (pthread_create (&threads[nr], NULL, connection_worker, conn) != 0)
        break; /* fewer workers serve as well */
      nr++;
    }
    connection_worker (conn);
    for (i = 0; i < nr; ++i)
      pthread_join (threads[i], NULL);
  }
  shutdown (conn->fd, SHUT_RDWR);

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&ep->lock);
  conn->finished = true;
  return NULL;
}

/*--------------------------------------------------------------------*/

static void
connection_free (struct connection *conn)
{
  close (conn->fd);
  pthread_mutex_destroy (&conn->read_lock);
  pthread_mutex_destroy (&conn->write_lock);
  free (conn);
}

/* Join and free connections that have finished.  Returns how many are
 * left.
 */
static unsigned
reap (struct endpoint *ep)
{
  struct connection **p, *conn, *done = NULL;
  unsigned left = 0;

  pthread_mutex_lock (&ep->lock);
  for (p = &ep->connections; (conn = *p) != NULL;) {
    if (conn->finished) {
      *p = conn->next;
      conn->next = done;
      done = conn;
    }
    else {
      left++;
      p = &conn->next;
    }
  }
  pthread_mutex_unlock (&ep->lock);

  while ((conn = done) != NULL) {
    done = conn->next;
    pthread_join (conn->thread, NULL);
    connection_free (conn);
  }
  return left;
}

/* The directory keeps others out; this keeps them out even if somebody
 * loosened it.
 */
static bool
peer_is_us (int fd)
{
  struct ucred cred;
  socklen_t len = sizeof cred;

  return getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
         (cred.uid == geteuid () || cred.uid == 0);
}

static void
add_connection (struct endpoint *ep, int fd)
{
  struct connection *conn;

  if (!peer_is_us (fd)) {
    endpoint_message (ep, "refusing a connection of another user");
    close (fd);
    return;
  }
  if (reap (ep) >= MAX_CONNECTIONS) {
    endpoint_message (ep, "too many connections, refusing one more");
    close (fd);
    return;
  }
  conn = calloc (1, sizeof *conn);
  if (conn == NULL) {
    close (fd);
    return;
  }
  conn->ep = ep;
  conn->fd = fd;
  pthread_mutex_init (&conn->read_lock, NULL);
  pthread_mutex_init (&conn->write_lock, NULL);

  pthread_mutex_lock (&ep->lock);
  if (ep->stopping ||
      pthread_create (&conn->thread, NULL, connection_thread, conn) != 0) {
    pthread_mutex_unlock (&ep->lock);
    connection_free (conn);
    return;
  }
  conn->next = ep->connections;
  ep->connections = conn;
  pthread_mutex_unlock (&ep->lock);
}

static void *
listener (void *vp)
{
  struct endpoint *ep = vp;

  for (;;) {
    struct pollfd fds[2] = {
      { .fd = ep->listen_fd, .events = POLLIN },
      { .fd = ep->stop_pipe[0], .events = POLLIN },
    };

    if (poll (fds, 2, -1) == -1) {
      if (errno == EINTR || errno == EAGAIN)
        continue;
      endpoint_message (ep, "poll: %m");
      return NULL;
    }
    if (fds[1].revents)
      return NULL;
    if (fds[0].revents) {
      int fd = accept4 (ep->listen_fd, NULL, NULL, SOCK_CLOEXEC);

      if (fd >= 0)
        add_connection (ep, fd);
      else if (errno != EINTR && errno != EAGAIN && errno != ECONNABORTED)
        endpoint_message (ep, "accept: %m");
    }
  }
}

static void
free_disks (struct endpoint *ep)
{
  size_t i;

  for (i = 0; i < ep->nr_disks; ++i)
    free ((char *)ep->disks[i].name);
  free (ep->disks);
}

struct endpoint *
endpoint_start (const struct endpoint_disk *disks, size_t nr_disks,
                const struct endpoint_options *opts, int *err)
{
  struct endpoint *ep;
  struct sockaddr_un addr = { .sun_family = AF_UNIX };
  size_t i;

  ep = calloc (1, sizeof *ep);
  if (ep == NULL) {
    *err = ENOMEM;
    return NULL;
  }
  ep->listen_fd = ep->stop_pipe[0] = ep->stop_pipe[1] = -1;
  ep->workers = opts->workers ? V2V_MIN (opts->workers, 64) : 8;
  ep->log = opts->log;
  ep->log_opaque = opts->log_opaque;
  pthread_mutex_init (&ep->lock, NULL);

  ep->disks = calloc (nr_disks ? nr_disks : 1, sizeof *ep->disks);
  if (ep->disks == NULL)
    goto enomem;
  for (i = 0; i < nr_disks; ++i) {
    if (strlen (disks[i].name) > 4096) {
      *err = ENAMETOOLONG;
      goto error;
    }
    ep->disks[i] = disks[i];
    ep->disks[i].name = strdup (disks[i].name);
    if (ep->disks[i].name == NULL)
      goto enomem;
    ep->nr_disks++;
  }

  if (snprintf (ep->path, sizeof ep->path, "%s/nbd", opts->dir) >=
      (int)sizeof ep->path) {
    *err = ENAMETOOLONG;
    ep->path[0] = '\0';
    goto error;
  }
  memcpy (addr.sun_path, ep->path, sizeof ep->path);

  if (pipe2 (ep->stop_pipe, O_CLOEXEC) == -1) {
    *err = errno;
    ep->path[0] = '\0';
    goto error;
  }
  ep->listen_fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                          0);
  if (ep->listen_fd == -1) {
    *err = errno;
    ep->path[0] = '\0';
    goto error;
  }
  if (bind (ep->listen_fd, (struct sockaddr *)&addr, sizeof addr) == -1) {
    *err = errno;
    ep->path[0] = '\0'; /* not ours to remove */
    goto error;
  }
  if (chmod (ep->path, 0600) == -1 ||
      listen (ep->listen_fd, MAX_CONNECTIONS) == -1) {
    *err = errno;
    goto error;
  }
  i = (size_t)pthread_create (&ep->listener, NULL, listener, ep);
  if (i != 0) {
    *err = (int)i;
    goto error;
  }
  return ep;

enomem:
  *err = ENOMEM;
error:
  if (ep->path[0])
    unlink (ep->path);
  if (ep->listen_fd >= 0)
    close (ep->listen_fd);
  if (ep->stop_pipe[0] >= 0) {
    close (ep->stop_pipe[0]);
    close (ep->stop_pipe[1]);
  }
  free_disks (ep);
  pthread_mutex_destroy (&ep->lock);
  free (ep);
  return NULL;
}

const char *
endpoint_socket (const struct endpoint *ep)
{
  return ep->path;
}

void
endpoint_stop (struct endpoint *ep)
{
  struct connection *conn;

  if (ep == NULL)
    return;

  pthread_mutex_lock (&ep->lock);
  ep->stopping = true;
  pthread_mutex_unlock (&ep->lock);

  close (ep->stop_pipe[1]);
  pthread_join (ep->listener, NULL);
  close (ep->stop_pipe[0]);
  close (ep->listen_fd);
  unlink (ep->path);

  /* Nobody adds connections any more. */
  for (conn = ep->connections; conn; conn = conn->next)
    shutdown (conn->fd, SHUT_RDWR);
  while ((conn = ep->connections) != NULL) {
    pthread_join (conn->thread, NULL);
    ep->connections = conn->next;
    connection_free (conn);
  }

  free_disks (ep);
  pthread_mutex_destroy (&ep->lock);
  free (ep);
}
