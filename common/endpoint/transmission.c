/* SPDX-License-Identifier: BSD-3-Clause */

/* Requests and simple replies.  Invariants: see endpoint.c. */

#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <endian.h>

#include "connection.h"
#include "v2v-utils.h"

#define NBD_REQUEST_MAGIC 0x25609513
#define NBD_SIMPLE_REPLY_MAGIC 0x67446698

#define NBD_CMD_READ 0
#define NBD_CMD_WRITE 1
#define NBD_CMD_DISC 2
#define NBD_CMD_FLUSH 3
#define NBD_CMD_TRIM 4
#define NBD_CMD_WRITE_ZEROES 6

#define NBD_CMD_FLAG_FUA (1 << 0)

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
  if (connection_recv (conn->fd, req, sizeof *req) == -1)
    goto end;
  if (be32toh (req->magic) != NBD_REQUEST_MAGIC) {
    endpoint_message (conn->ep, "bad request magic, closing the connection");
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
      connection_recv (conn->fd, buf->data, req->count) == -1)
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

void *
connection_worker (void *vp)
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
    r = connection_send (conn->fd, &reply, sizeof reply,
                         has_data ? MSG_MORE : 0);
    if (r == 0 && has_data)
      r = connection_send (conn->fd, buf.data, req.count, 0);
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
