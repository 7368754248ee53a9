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

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <endian.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "endpoint.h"
#include "v2v-utils.h"

#define NBD_MAGIC UINT64_C (0x4e42444d41474943)
#define NBD_OPTION_MAGIC UINT64_C (0x49484156454f5054)
#define NBD_REPLY_MAGIC UINT64_C (0x0003e889045565a9)
#define NBD_REQUEST_MAGIC 0x25609513
#define NBD_SIMPLE_REPLY_MAGIC 0x67446698

#define NBD_FLAG_FIXED_NEWSTYLE 1
#define NBD_FLAG_NO_ZEROES 2

#define NBD_OPT_EXPORT_NAME 1
#define NBD_OPT_ABORT 2
#define NBD_OPT_LIST 3
#define NBD_OPT_INFO 6
#define NBD_OPT_GO 7

#define NBD_REP_ACK 1
#define NBD_REP_SERVER 2
#define NBD_REP_INFO 3
#define NBD_REP_ERR_UNSUP 0x80000001U
#define NBD_REP_ERR_INVALID 0x80000003U
#define NBD_REP_ERR_UNKNOWN 0x80000006U

#define NBD_INFO_EXPORT 0
#define NBD_INFO_BLOCK_SIZE 3

#define NBD_FLAG_HAS_FLAGS (1 << 0)
#define NBD_FLAG_SEND_FLUSH (1 << 2)
#define NBD_FLAG_SEND_FUA (1 << 3)
#define NBD_FLAG_SEND_TRIM (1 << 5)
#define NBD_FLAG_SEND_WRITE_ZEROES (1 << 6)
#define NBD_FLAG_CAN_MULTI_CONN (1 << 8)
#define NBD_FLAG_SEND_FAST_ZERO (1 << 11)

#define NBD_CMD_READ 0
#define NBD_CMD_WRITE 1
#define NBD_CMD_DISC 2
#define NBD_CMD_FLUSH 3
#define NBD_CMD_TRIM 4
#define NBD_CMD_WRITE_ZEROES 6

#define NBD_CMD_FLAG_FUA (1 << 0)
#define NBD_CMD_FLAG_NO_HOLE (1 << 1)
#define NBD_CMD_FLAG_FAST_ZERO (1 << 4)

/* Largest payload, and what QEMU's client assumes without being told. */
#define MAX_REQUEST (32 * 1024 * 1024)
/* Longest option we read; names are at most 4096 bytes. */
#define MAX_OPTION 8192
#define MAX_OPTIONS 64
#define MAX_CONNECTIONS 16

struct connection {
  struct endpoint *ep;
  struct connection *next;
  int fd;
  const struct endpoint_disk *disk;
  pthread_t thread;           /* handshake, then the first worker */
  pthread_mutex_t read_lock;  /* receiving one request */
  bool ended;                 /* read_lock: nothing more to receive */
  pthread_mutex_t write_lock; /* sending one reply */
  bool finished;              /* ep->lock: the thread may be joined */
};

struct endpoint {
  struct endpoint_disk *disks;
  size_t nr_disks;
  unsigned workers;
  void (*log) (void *opaque, const char *message);
  void *log_opaque;
  char path[sizeof ((struct sockaddr_un *)0)->sun_path];
  int listen_fd;
  int stop_pipe[2]; /* closing [1] wakes the listener */
  pthread_t listener;
  pthread_mutex_t lock;
  bool stopping;
  struct connection *connections;
};

static void log_message (struct endpoint *ep, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));

static void
log_message (struct endpoint *ep, const char *fmt, ...)
{
  char msg[256];
  va_list args;

  if (ep->log == NULL)
    return;
  va_start (args, fmt);
  vsnprintf (msg, sizeof msg, fmt, args);
  va_end (args);
  ep->log (ep->log_opaque, msg);
}

/* 0, or -1: end of file, error or shutdown. */
static int
recv_all (int fd, void *buf, size_t len)
{
  char *p = buf;

  while (len > 0) {
    ssize_t r = recv (fd, p, len, 0);

    if (r == -1 && errno == EINTR)
      continue;
    if (r <= 0)
      return -1;
    p += r;
    len -= (size_t)r;
  }
  return 0;
}

static int
send_all (int fd, const void *buf, size_t len, int flags)
{
  const char *p = buf;

  while (len > 0) {
    ssize_t r = send (fd, p, len, flags | MSG_NOSIGNAL);

    if (r == -1 && errno == EINTR)
      continue;
    if (r <= 0)
      return -1;
    p += r;
    len -= (size_t)r;
  }
  return 0;
}

/*--------------------------------------------------------------------*/
/* Handshake. */

struct option_header {
  uint64_t magic;
  uint32_t option;
  uint32_t length;
} __attribute__ ((packed));

struct option_reply {
  uint64_t magic;
  uint32_t option;
  uint32_t reply;
  uint32_t length;
} __attribute__ ((packed));

static int
send_option_reply (struct connection *conn, uint32_t option, uint32_t reply,
                   const void *data, uint32_t len)
{
  const struct option_reply r = {
    .magic = htobe64 (NBD_REPLY_MAGIC),
    .option = htobe32 (option),
    .reply = htobe32 (reply),
    .length = htobe32 (len),
  };

  if (send_all (conn->fd, &r, sizeof r, len > 0 ? MSG_MORE : 0) == -1)
    return -1;
  return send_all (conn->fd, data, len, 0);
}

static const struct endpoint_disk *
find_disk (struct endpoint *ep, const char *name, size_t len)
{
  size_t i;

  for (i = 0; i < ep->nr_disks; ++i) {
    if (strlen (ep->disks[i].name) == len &&
        memcmp (ep->disks[i].name, name, len) == 0)
      return &ep->disks[i];
  }
  return NULL;
}

static uint16_t
transmission_flags (void)
{
  return NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA |
         NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES |
         NBD_FLAG_CAN_MULTI_CONN | NBD_FLAG_SEND_FAST_ZERO;
}

static int
send_list (struct connection *conn)
{
  struct endpoint *ep = conn->ep;
  char buf[4 + 4096];
  size_t i;

  for (i = 0; i < ep->nr_disks; ++i) {
    uint32_t len = (uint32_t)strlen (ep->disks[i].name);
    uint32_t be = htobe32 (len);

    assert (len <= 4096);
    memcpy (buf, &be, 4);
    memcpy (buf + 4, ep->disks[i].name, len);
    if (send_option_reply (conn, NBD_OPT_LIST, NBD_REP_SERVER, buf, 4 + len) ==
        -1)
      return -1;
  }
  return send_option_reply (conn, NBD_OPT_LIST, NBD_REP_ACK, NULL, 0);
}

/* NBD_OPT_INFO and NBD_OPT_GO.  1: transmission begins, 0: go on with
 * options, -1: end.
 */
static int
answer_info (struct connection *conn, uint32_t option, const char *data,
             uint32_t len)
{
  uint32_t name_len;
  const struct endpoint_disk *disk;
  struct {
    uint16_t type;
    uint64_t size;
    uint16_t flags;
  } __attribute__ ((packed)) export_info;
  struct {
    uint16_t type;
    uint32_t minimum, preferred, maximum;
  } __attribute__ ((packed)) block_size_info;

  if (len < 6)
    goto invalid;
  memcpy (&name_len, data, 4);
  name_len = be32toh (name_len);
  if (name_len > len - 6)
    goto invalid;

  disk = find_disk (conn->ep, data + 4, name_len);
  if (disk == NULL)
    return send_option_reply (conn, option, NBD_REP_ERR_UNKNOWN, NULL, 0);

  /* Both kinds of information are always sent: a server may send more
   * than was asked for.
   */
  export_info.type = htobe16 (NBD_INFO_EXPORT);
  export_info.size = htobe64 (disk->size);
  export_info.flags = htobe16 (transmission_flags ());
  if (send_option_reply (conn, option, NBD_REP_INFO, &export_info,
                         sizeof export_info) == -1)
    return -1;
  block_size_info.type = htobe16 (NBD_INFO_BLOCK_SIZE);
  block_size_info.minimum = htobe32 (1);
  block_size_info.preferred = htobe32 (4096);
  block_size_info.maximum = htobe32 (MAX_REQUEST);
  if (send_option_reply (conn, option, NBD_REP_INFO, &block_size_info,
                         sizeof block_size_info) == -1 ||
      send_option_reply (conn, option, NBD_REP_ACK, NULL, 0) == -1)
    return -1;
  if (option != NBD_OPT_GO)
    return 0;
  conn->disk = disk;
  return 1;

invalid:
  return send_option_reply (conn, option, NBD_REP_ERR_INVALID, NULL, 0);
}

/* NBD_OPT_EXPORT_NAME has no way to answer with an error. */
static int
answer_export_name (struct connection *conn, const char *data, uint32_t len,
                    bool no_zeroes)
{
  struct {
    uint64_t size;
    uint16_t flags;
    char zeroes[124];
  } __attribute__ ((packed)) reply;

  conn->disk = find_disk (conn->ep, data, len);
  if (conn->disk == NULL)
    return -1;
  memset (&reply, 0, sizeof reply);
  reply.size = htobe64 (conn->disk->size);
  reply.flags = htobe16 (transmission_flags ());
  if (send_all (conn->fd, &reply,
                no_zeroes ? sizeof reply - sizeof reply.zeroes : sizeof reply,
                0) == -1)
    return -1;
  return 1;
}

static int
handshake (struct connection *conn)
{
  struct {
    uint64_t magic, option_magic;
    uint16_t flags;
  } __attribute__ ((packed)) greeting = {
    .magic = htobe64 (NBD_MAGIC),
    .option_magic = htobe64 (NBD_OPTION_MAGIC),
    .flags = htobe16 (NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES),
  };
  uint32_t client_flags;
  unsigned n;

  if (send_all (conn->fd, &greeting, sizeof greeting, 0) == -1 ||
      recv_all (conn->fd, &client_flags, sizeof client_flags) == -1)
    return -1;
  client_flags = be32toh (client_flags);
  if (client_flags & ~(uint32_t)(NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES))
    return -1;

  for (n = 0; n < MAX_OPTIONS; ++n) {
    struct option_header h;
    char data[MAX_OPTION];
    uint32_t option, len;
    int r;

    if (recv_all (conn->fd, &h, sizeof h) == -1 ||
        be64toh (h.magic) != NBD_OPTION_MAGIC)
      return -1;
    option = be32toh (h.option);
    len = be32toh (h.length);
    if (len > sizeof data || recv_all (conn->fd, data, len) == -1)
      return -1;

    switch (option) {
    case NBD_OPT_EXPORT_NAME:
      return answer_export_name (conn, data, len,
                                 client_flags & NBD_FLAG_NO_ZEROES) == 1
               ? 0
               : -1;
    case NBD_OPT_GO:
    case NBD_OPT_INFO:
      r = answer_info (conn, option, data, len);
      if (r != 0)
        return r == 1 ? 0 : -1;
      break;
    case NBD_OPT_LIST:
      if ((len == 0 ? send_list (conn)
                    : send_option_reply (conn, option, NBD_REP_ERR_INVALID,
                                         NULL, 0)) == -1)
        return -1;
      break;
    case NBD_OPT_ABORT:
      send_option_reply (conn, option, NBD_REP_ACK, NULL, 0);
      return -1;
    default:
      if (send_option_reply (conn, option, NBD_REP_ERR_UNSUP, NULL, 0) == -1)
        return -1;
    }
  }
  return -1;
}

/*--------------------------------------------------------------------*/
/* Transmission. */

struct request {
  uint32_t magic;
  uint16_t flags;
  uint16_t type;
  uint64_t cookie;
  uint64_t offset;
  uint32_t count;
} __attribute__ ((packed));

/* Section "Error values" of the protocol. */
static uint32_t
nbd_error (int err)
{
  switch (err) {
  case 0:
    return 0;
  case EPERM:
  case EROFS:
    return 1;
  case EIO:
    return 5;
  case ENOMEM:
    return 12;
  case EINVAL:
    return 22;
  case ENOSPC:
  case EDQUOT:
  case EFBIG:
    return 28;
  case ENOTSUP:
    return 95;
  case ESHUTDOWN:
    return 108;
  default:
    return 5;
  }
}

/* A worker's buffer, grown as needed. */
struct buffer {
  char *data;
  size_t alloc;
};

static int
grow (struct buffer *b, size_t len)
{
  if (len > b->alloc) {
    char *p = realloc (b->data, len);

    if (p == NULL)
      return -1;
    b->data = p;
    b->alloc = len;
  }
  return 0;
}

/* Receive one request.  Returns 1, or 0 when the connection is over. */
static int
receive_request (struct connection *conn, struct request *req,
                 struct buffer *buf, int *err)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&conn->read_lock);

  *err = 0;
  if (conn->ended)
    return 0;
  if (recv_all (conn->fd, req, sizeof *req) == -1)
    goto end;
  if (be32toh (req->magic) != NBD_REQUEST_MAGIC) {
    log_message (conn->ep, "bad request magic, closing the connection");
    goto end;
  }
  req->flags = be16toh (req->flags);
  req->type = be16toh (req->type);
  req->offset = be64toh (req->offset);
  req->count = be32toh (req->count);

  if (req->type == NBD_CMD_DISC)
    goto end;
  if (req->type == NBD_CMD_WRITE || req->type == NBD_CMD_READ) {
    if (req->count > MAX_REQUEST) {
      /* The payload of a write would have to be read and thrown away;
       * our clients know the limit.
       */
      if (req->type == NBD_CMD_WRITE)
        goto end;
      *err = EINVAL;
      return 1;
    }
    if (grow (buf, req->count) == -1) {
      if (req->type == NBD_CMD_WRITE)
        goto end;
      *err = ENOMEM;
      return 1;
    }
  }
  if (req->type == NBD_CMD_WRITE &&
      recv_all (conn->fd, buf->data, req->count) == -1)
    goto end;
  return 1;

end:
  conn->ended = true;
  return 0;
}

static int
serve (const struct endpoint_disk *disk, const struct request *req, char *buf,
       int *err)
{
  int r = 0;

  switch (req->type) {
  case NBD_CMD_READ:
  case NBD_CMD_WRITE:
  case NBD_CMD_TRIM:
  case NBD_CMD_WRITE_ZEROES:
    /* Invariant 1. */
    if (req->offset > disk->size || req->count > disk->size - req->offset) {
      *err = req->type == NBD_CMD_WRITE || req->type == NBD_CMD_WRITE_ZEROES
               ? ENOSPC
               : EINVAL;
      return -1;
    }
    if (req->count == 0) {
      *err = EINVAL;
      return -1;
    }
    break;
  }

  switch (req->type) {
  case NBD_CMD_READ:
    return disk->pread (disk->opaque, buf, req->count, req->offset, err);
  case NBD_CMD_WRITE:
    r = disk->pwrite (disk->opaque, buf, req->count, req->offset, err);
    break;
  case NBD_CMD_TRIM:
  case NBD_CMD_WRITE_ZEROES:
    r = disk->zero (disk->opaque, req->count, req->offset, err);
    break;
  case NBD_CMD_FLUSH:
    return disk->flush (disk->opaque, err);
  default:
    *err = EINVAL;
    return -1;
  }
  if (r == 0 && (req->flags & NBD_CMD_FLAG_FUA))
    r = disk->flush (disk->opaque, err);
  return r;
}

static void *
worker (void *vp)
{
  struct connection *conn = vp;
  struct buffer buf = { NULL, 0 };
  struct request req;
  int err;

  while (receive_request (conn, &req, &buf, &err)) {
    struct {
      uint32_t magic;
      uint32_t error;
      uint64_t cookie;
    } __attribute__ ((packed)) reply;
    bool has_data;
    int r;

    if (err == 0) {
      err = EIO;
      if (serve (conn->disk, &req, buf.data, &err) == 0)
        err = 0;
      else if (err == 0)
        err = EIO;
    }
    has_data = err == 0 && req.type == NBD_CMD_READ;
    reply.magic = htobe32 (NBD_SIMPLE_REPLY_MAGIC);
    reply.error = htobe32 (nbd_error (err));
    reply.cookie = req.cookie;

    pthread_mutex_lock (&conn->write_lock);
    r = send_all (conn->fd, &reply, sizeof reply, has_data ? MSG_MORE : 0);
    if (r == 0 && has_data)
      r = send_all (conn->fd, buf.data, req.count, 0);
    pthread_mutex_unlock (&conn->write_lock);
    if (r == -1) {
      /* Wakes the worker that is receiving, too. */
      shutdown (conn->fd, SHUT_RDWR);
      break;
    }
  }

  free (buf.data);
  return NULL;
}

static void *
connection_thread (void *vp)
{
  struct connection *conn = vp;
  struct endpoint *ep = conn->ep;
  pthread_t threads[64];
  unsigned i, nr = 0;

  if (handshake (conn) == 0) {
    for (i = 1; i < ep->workers; ++i) {
      if (pthread_create (&threads[nr], NULL, worker, conn) != 0)
        break; /* fewer workers serve as well */
      nr++;
    }
    worker (conn);
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
    log_message (ep, "refusing a connection of another user");
    close (fd);
    return;
  }
  if (reap (ep) >= MAX_CONNECTIONS) {
    log_message (ep, "too many connections, refusing one more");
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
      log_message (ep, "poll: %m");
      return NULL;
    }
    if (fds[1].revents)
      return NULL;
    if (fds[0].revents) {
      int fd = accept4 (ep->listen_fd, NULL, NULL, SOCK_CLOEXEC);

      if (fd >= 0)
        add_connection (ep, fd);
      else if (errno != EINTR && errno != EAGAIN && errno != ECONNABORTED)
        log_message (ep, "accept: %m");
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
