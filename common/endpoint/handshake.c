/* SPDX-License-Identifier: BSD-3-Clause */

/* The fixed newstyle handshake.  Limits: see endpoint.c. */

#include <config.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <endian.h>

#include "connection.h"
#include "v2v-utils.h"

#define NBD_MAGIC UINT64_C (0x4e42444d41474943)
#define NBD_OPTION_MAGIC UINT64_C (0x49484156454f5054)
#define NBD_REPLY_MAGIC UINT64_C (0x0003e889045565a9)

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

/* Longest option we read; names are at most 4096 bytes. */
#define MAX_OPTION 8192
#define MAX_OPTIONS 64

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

  if (connection_send (conn->fd, &r, sizeof r, len > 0 ? MSG_MORE : 0) == -1)
    return -1;
  return connection_send (conn->fd, data, len, 0);
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
  if (connection_send (
        conn->fd, &reply,
        no_zeroes ? sizeof reply - sizeof reply.zeroes : sizeof reply, 0) == -1)
    return -1;
  return 1;
}

int
connection_handshake (struct connection *conn)
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

  if (connection_send (conn->fd, &greeting, sizeof greeting, 0) == -1 ||
      connection_recv (conn->fd, &client_flags, sizeof client_flags) == -1)
    return -1;
  client_flags = be32toh (client_flags);
  if (client_flags & ~(uint32_t)(NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES))
    return -1;

  for (n = 0; n < MAX_OPTIONS; ++n) {
    struct option_header h;
    char data[MAX_OPTION];
    uint32_t option, len;
    int r;

    if (connection_recv (conn->fd, &h, sizeof h) == -1 ||
        be64toh (h.magic) != NBD_OPTION_MAGIC)
      return -1;
    option = be32toh (h.option);
    len = be32toh (h.length);
    if (len > sizeof data || connection_recv (conn->fd, data, len) == -1)
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
