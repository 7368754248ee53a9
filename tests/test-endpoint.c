/* SPDX-License-Identifier: BSD-3-Clause */

/* The private endpoint, with libnbd as the client and with bytes that no
 * client would send.
 */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <endian.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>
#include <libnbd.h>

#include "endpoint.h"
#include "v2v-utils.h"

#define SIZE (8 * 1024 * 1024 + 1000)

struct memdisk {
  pthread_mutex_t lock;
  pthread_cond_t cond;
  unsigned char *data;
  unsigned in_flight, max_in_flight;
  unsigned wait_for;            /* pread blocks until so many are in flight */
  int fail_with;
  unsigned flushes;
};

static int
mem_pread (void *opaque, void *buf, uint32_t count, uint64_t offset, int *err)
{
  struct memdisk *m = opaque;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&m->lock);

  if (m->fail_with) {
    *err = m->fail_with;
    return -1;
  }
  m->in_flight++;
  m->max_in_flight = V2V_MAX (m->max_in_flight, m->in_flight);
  pthread_cond_broadcast (&m->cond);
  while (m->max_in_flight < m->wait_for)
    pthread_cond_wait (&m->cond, &m->lock);
  memcpy (buf, m->data + offset, count);
  m->in_flight--;
  return 0;
}

static int
mem_pwrite (void *opaque, const void *buf, uint32_t count, uint64_t offset,
            int *err)
{
  struct memdisk *m = opaque;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&m->lock);

  if (m->fail_with) {
    *err = m->fail_with;
    return -1;
  }
  memcpy (m->data + offset, buf, count);
  return 0;
}

static int
mem_zero (void *opaque, uint32_t count, uint64_t offset, int *err)
{
  struct memdisk *m = opaque;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&m->lock);

  (void)err;
  memset (m->data + offset, 0, count);
  return 0;
}

static int
mem_flush (void *opaque, int *err)
{
  struct memdisk *m = opaque;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&m->lock);

  (void)err;
  m->flushes++;
  return 0;
}

struct fixture {
  char dir[64];
  struct memdisk disk[2];
  struct endpoint *ep;
};

static int
setup (void **state)
{
  struct fixture *f = calloc (1, sizeof *f);
  struct endpoint_disk disks[2];
  struct endpoint_options opts = { .workers = 8 };
  int i, err = 0;

  assert_non_null (f);
  strcpy (f->dir, "/tmp/v2v-endpoint.XXXXXX");
  assert_non_null (mkdtemp (f->dir));
  for (i = 0; i < 2; ++i) {
    pthread_mutex_init (&f->disk[i].lock, NULL);
    pthread_cond_init (&f->disk[i].cond, NULL);
    f->disk[i].data = calloc (1, SIZE);
    disks[i] = (struct endpoint_disk){
      .name = i == 0 ? "disk0" : "odd name/\xc3\xa4?",
      .size = SIZE,
      .opaque = &f->disk[i],
      .pread = mem_pread,
      .pwrite = mem_pwrite,
      .zero = mem_zero,
      .flush = mem_flush,
    };
  }
  opts.dir = f->dir;
  f->ep = endpoint_start (disks, 2, &opts, &err);
  assert_non_null (f->ep);
  *state = f;
  return 0;
}

static int
teardown (void **state)
{
  struct fixture *f = *state;
  int i;

  endpoint_stop (f->ep);
  /* The socket is gone, so that the directory is empty. */
  assert_int_equal (rmdir (f->dir), 0);
  for (i = 0; i < 2; ++i)
    free (f->disk[i].data);
  free (f);
  return 0;
}

static struct nbd_handle *
connect_to (struct fixture *f, const char *name)
{
  struct nbd_handle *nbd = nbd_create ();

  assert_non_null (nbd);
  assert_int_equal (nbd_set_export_name (nbd, name), 0);
  if (nbd_connect_unix (nbd, endpoint_socket (f->ep)) == -1) {
    nbd_close (nbd);
    return NULL;
  }
  return nbd;
}

static void
test_data (void **state)
{
  struct fixture *f = *state;
  struct nbd_handle *nbd = connect_to (f, "disk0");
  char out[5000], in[5000];
  size_t i;

  assert_non_null (nbd);
  assert_int_equal (nbd_get_size (nbd), SIZE);
  assert_int_equal (nbd_is_read_only (nbd), 0);
  assert_int_equal (nbd_can_fast_zero (nbd), 1);
  for (i = 0; i < sizeof out; ++i)
    out[i] = (char)(i * 7 + 1);
  assert_int_equal (nbd_pwrite (nbd, out, sizeof out, SIZE - sizeof out,
                                LIBNBD_CMD_FLAG_FUA), 0);
  assert_int_equal (f->disk[0].flushes, 1);
  assert_int_equal (nbd_pread (nbd, in, sizeof in, SIZE - sizeof in, 0), 0);
  assert_memory_equal (in, out, sizeof in);
  assert_int_equal (nbd_zero (nbd, 100, SIZE - 200, 0), 0);
  assert_int_equal (nbd_trim (nbd, 100, SIZE - 100, 0), 0);
  assert_int_equal (nbd_flush (nbd, 0), 0);
  assert_int_equal (nbd_pread (nbd, in, sizeof in, SIZE - sizeof in, 0), 0);
  memset (out + sizeof out - 200, 0, 200);
  assert_memory_equal (in, out, sizeof in);
  /* The other disk saw nothing of this. */
  assert_int_equal (f->disk[1].data[SIZE - 1000], 0);
  nbd_shutdown (nbd, 0);
  nbd_close (nbd);
}

static int
count_export (void *opaque, const char *name, const char *description)
{
  unsigned *n = opaque;

  (void)name;
  (void)description;
  ++*n;
  return 0;
}

static void
test_names (void **state)
{
  struct fixture *f = *state;
  struct nbd_handle *nbd = connect_to (f, "odd name/\xc3\xa4?");
  unsigned n = 0;

  assert_non_null (nbd);
  nbd_close (nbd);
  assert_null (connect_to (f, "disk"));
  assert_int_equal (nbd_get_errno (), ENOENT);
  assert_null (connect_to (f, ""));

  nbd = nbd_create ();
  nbd_set_opt_mode (nbd, true);
  assert_int_equal (nbd_connect_unix (nbd, endpoint_socket (f->ep)), 0);
  assert_int_equal (nbd_opt_list (nbd, (nbd_list_callback){
                      .callback = count_export, .user_data = &n }), 2);
  assert_int_equal (n, 2);
  assert_int_equal (nbd_opt_abort (nbd), 0);
  nbd_close (nbd);
}

static void
test_errors (void **state)
{
  struct fixture *f = *state;
  struct nbd_handle *nbd = connect_to (f, "disk0");
  char buf[512] = { 0 };

  assert_non_null (nbd);
  assert_int_equal (nbd_set_strict_mode (nbd, 0), 0);
  assert_int_equal (nbd_pread (nbd, buf, 512, SIZE - 511, 0), -1);
  assert_int_equal (nbd_get_errno (), EINVAL);
  assert_int_equal (nbd_pread (nbd, buf, 512, UINT64_MAX - 10, 0), -1);
  assert_int_equal (nbd_get_errno (), EINVAL);
  assert_int_equal (nbd_pwrite (nbd, buf, 512, SIZE, 0), -1);
  assert_int_equal (nbd_get_errno (), ENOSPC);
  assert_int_equal (nbd_zero (nbd, 0xffffffff, 1, 0), -1);
  assert_int_equal (nbd_get_errno (), ENOSPC);
  f->disk[0].fail_with = ENOSPC;
  assert_int_equal (nbd_pwrite (nbd, buf, 512, 0, 0), -1);
  assert_int_equal (nbd_get_errno (), ENOSPC);
  f->disk[0].fail_with = EIO;
  assert_int_equal (nbd_pread (nbd, buf, 512, 0, 0), -1);
  assert_int_equal (nbd_get_errno (), EIO);
  f->disk[0].fail_with = 0;
  /* The connection is still good. */
  assert_int_equal (nbd_pread (nbd, buf, 512, 0, 0), 0);
  nbd_close (nbd);
}

/* Eight requests of one connection are served at once: each waits until
 * all eight are there.
 */
static void
test_parallel (void **state)
{
  struct fixture *f = *state;
  struct nbd_handle *nbd = connect_to (f, "disk0");
  static char bufs[8][4096];
  int i;

  assert_non_null (nbd);
  f->disk[0].wait_for = 8;
  for (i = 0; i < 8; ++i)
    assert_true (nbd_aio_pread (nbd, bufs[i], sizeof bufs[i], i * 4096ULL,
                                NBD_NULL_COMPLETION, 0) > 0);
  while (nbd_aio_in_flight (nbd) > 0)
    assert_int_not_equal (nbd_poll (nbd, -1), -1);
  assert_int_equal (f->disk[0].max_in_flight, 8);
  nbd_close (nbd);
}

static int
raw_connect (struct fixture *f)
{
  struct sockaddr_un addr = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  snprintf (addr.sun_path, sizeof addr.sun_path, "%s",
            endpoint_socket (f->ep));
  assert_int_equal (connect (fd, (struct sockaddr *)&addr, sizeof addr), 0);
  return fd;
}

/* Read until end of file. */
static void
drain (int fd)
{
  char buf[256];
  ssize_t r;

  do
    r = recv (fd, buf, sizeof buf, 0);
  while (r > 0);
  close (fd);
}

static void
test_garbage (void **state)
{
  struct fixture *f = *state;
  struct nbd_handle *nbd;
  struct {
    uint32_t flags;
    uint64_t magic;
    uint32_t option, len, name_len;
  } __attribute__ ((packed)) go = {
    htobe32 (3), htobe64 (0x49484156454f5054), htobe32 (7), htobe32 (4), 0,
  };
  struct {
    uint32_t flags;
    uint64_t magic;
    uint32_t option, len;
    char name[5];
    char request[28];
  } __attribute__ ((packed)) bad_request = {
    htobe32 (3), htobe64 (0x49484156454f5054), htobe32 (1), htobe32 (5),
    { 'd', 'i', 's', 'k', '0' }, { 0 },
  };
  char noise[4096];
  int fd;
  size_t i;

  /* Unknown client flags. */
  fd = raw_connect (f);
  memset (noise, 0xff, sizeof noise);
  assert_int_equal (send (fd, noise, 4, MSG_NOSIGNAL), 4);
  drain (fd);
  /* Random bytes. */
  for (i = 0; i < sizeof noise; ++i)
    noise[i] = (char)(i * 31 + (i >> 3));
  fd = raw_connect (f);
  send (fd, noise, sizeof noise, MSG_NOSIGNAL);
  drain (fd);
  /* An option that is too short, then one that says it has 4 GiB. */
  fd = raw_connect (f);
  assert_int_equal (send (fd, &go, sizeof go, MSG_NOSIGNAL), sizeof go);
  go.len = htobe32 (0xffffffff);
  assert_int_equal (send (fd, &go.magic, sizeof go - 4, MSG_NOSIGNAL),
                    sizeof go - 4);
  drain (fd);
  /* A request with a wrong magic number. */
  fd = raw_connect (f);
  assert_int_equal (send (fd, &bad_request, sizeof bad_request, MSG_NOSIGNAL),
                    sizeof bad_request);
  drain (fd);
  /* A client that says nothing stays open until the endpoint stops. */
  fd = raw_connect (f);

  nbd = connect_to (f, "disk0");
  assert_non_null (nbd);
  nbd_close (nbd);
  endpoint_stop (f->ep);
  f->ep = NULL;
  drain (fd);
}

/* Stopping ends connections that have requests in flight. */
static void
test_stop (void **state)
{
  struct fixture *f = *state;
  struct nbd_handle *nbd = connect_to (f, "disk0");
  static char buf[65536];
  int i;

  assert_non_null (nbd);
  for (i = 0; i < 30; ++i)
    assert_true (nbd_aio_pread (nbd, buf, sizeof buf, 0, NBD_NULL_COMPLETION,
                                0) > 0);
  endpoint_stop (f->ep);
  f->ep = NULL;
  while (nbd_aio_in_flight (nbd) > 0 && nbd_poll (nbd, -1) != -1)
    ;
  nbd_close (nbd);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (test_data, setup, teardown),
    cmocka_unit_test_setup_teardown (test_names, setup, teardown),
    cmocka_unit_test_setup_teardown (test_errors, setup, teardown),
    cmocka_unit_test_setup_teardown (test_parallel, setup, teardown),
    cmocka_unit_test_setup_teardown (test_garbage, setup, teardown),
    cmocka_unit_test_setup_teardown (test_stop, setup, teardown),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
