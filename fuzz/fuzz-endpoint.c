/* SPDX-License-Identifier: BSD-3-Clause */

/* The endpoint's handshake and request parser: the input is what a
 * client sends on one connection.
 */

#include "../common/endpoint/connection.c"
#include "../common/endpoint/endpoint.c"
#include "../common/endpoint/handshake.c"
#include "../common/endpoint/transmission.c"

#define DISK_SIZE 65536

static char disk_data[DISK_SIZE];

static int
fuzz_pread (void *opaque, void *buf, uint32_t count, uint64_t offset, int *err)
{
  (void)opaque;
  (void)err;
  /* Out of range is found by ASan. */
  memcpy (buf, disk_data + offset, count);
  return 0;
}

static int
fuzz_pwrite (void *opaque, const void *buf, uint32_t count, uint64_t offset,
             int *err)
{
  (void)opaque;
  (void)err;
  memcpy (disk_data + offset, buf, count);
  return 0;
}

static int
fuzz_zero (void *opaque, uint32_t count, uint64_t offset, int *err)
{
  (void)opaque;
  (void)err;
  memset (disk_data + offset, 0, count);
  return 0;
}

static int
fuzz_flush (void *opaque, int *err)
{
  (void)opaque;
  (void)err;
  return 0;
}

/* Throws away what the server answers. */
static void *
reader (void *vp)
{
  const int fd = *(int *)vp;
  char buf[65536];

  while (recv (fd, buf, sizeof buf, 0) > 0)
    ;
  return NULL;
}

extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct endpoint_disk disk = {
    .name = "disk0",
    .size = DISK_SIZE,
    .pread = fuzz_pread,
    .pwrite = fuzz_pwrite,
    .zero = fuzz_zero,
    .flush = fuzz_flush,
  };
  struct endpoint ep = { .disks = &disk, .nr_disks = 1, .workers = 1 };
  struct connection conn = { .ep = &ep };
  int fds[2];
  pthread_t server, drain;

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == -1)
    abort ();
  pthread_mutex_init (&ep.lock, NULL);
  pthread_mutex_init (&conn.read_lock, NULL);
  pthread_mutex_init (&conn.write_lock, NULL);
  conn.fd = fds[0];
  if (pthread_create (&server, NULL, connection_thread, &conn) != 0 ||
      pthread_create (&drain, NULL, reader, &fds[1]) != 0)
    abort ();
  connection_send (fds[1], data, size, 0);
  shutdown (fds[1], SHUT_WR);
  pthread_join (server, NULL);
  pthread_join (drain, NULL);
  close (fds[0]);
  close (fds[1]);
  return 0;
}
