/* SPDX-License-Identifier: BSD-3-Clause */

/* What the parts of the endpoint share: endpoint.c accepts connections,
 * handshake.c negotiates, transmission.c serves requests, connection.c
 * moves bytes for both.
 */

#ifndef V2V_CONNECTION_H
#define V2V_CONNECTION_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/socket.h>
#include <sys/un.h>

#include "endpoint.h"

/* Largest payload, and what QEMU's client assumes without being told. */
#define MAX_REQUEST (32 * 1024 * 1024)

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

extern void endpoint_message (struct endpoint *ep, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));

/* 0, or -1: end of file, error or shutdown. */
extern int connection_recv (int fd, void *buf, size_t len);
extern int connection_send (int fd, const void *buf, size_t len, int flags);

/* Negotiate.  0: transmission begins, on conn->disk; -1: it is over. */
extern int connection_handshake (struct connection *conn);

/* Serve requests until the connection is over; several threads may. */
extern void *connection_worker (void *conn);

#endif /* V2V_CONNECTION_H */
