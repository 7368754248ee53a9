/* SPDX-License-Identifier: BSD-3-Clause */

/* A private NBD server: fixed newstyle handshake, simple replies, over a
 * Unix socket, for clients that we start ourselves (libguestfs' QEMU).
 * Several disks on one socket, told apart by export name; several worker
 * threads per connection.  Protocol: NBD's proto.md, sections "Handshake
 * phase", "Transmission phase", "Values".
 */

#ifndef V2V_ENDPOINT_H
#define V2V_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct endpoint;

/* All functions may be called from several threads at once.  They return
 * 0, or -1 with *err a positive errno.  COUNT > 0, inside the disk.
 */
struct endpoint_disk {
  const char *name; /* export name */
  uint64_t size;
  void *opaque;
  int (*pread) (void *opaque, void *buf, uint32_t count, uint64_t offset,
                int *err);
  int (*pwrite) (void *opaque, const void *buf, uint32_t count, uint64_t offset,
                 int *err);
  /* Zero or trim: the range reads as zeroes and is a hole. */
  int (*zero) (void *opaque, uint32_t count, uint64_t offset, int *err);
  int (*flush) (void *opaque, int *err);
};

struct endpoint_options {
  const char *dir;  /* of the socket; must be 0700 */
  unsigned workers; /* per connection, 0 = 8 */
  void (*log) (void *opaque, const char *message);
  void *log_opaque;
};

/* Listen and start to serve.  The disks and their names are copied, the
 * opaque pointers must stay valid until endpoint_stop.  NULL with *err.
 */
extern struct endpoint *
endpoint_start (const struct endpoint_disk *disks, size_t nr_disks,
                const struct endpoint_options *opts, int *err);
extern const char *endpoint_socket (const struct endpoint *ep);

/* Stop listening, shut connections down, join all threads, remove the
 * socket, free.  Requests that are being served are finished first, but
 * their replies may be lost.
 */
extern void endpoint_stop (struct endpoint *ep);

#endif /* V2V_ENDPOINT_H */
