/* SPDX-License-Identifier: BSD-3-Clause */

/* One behaviour of the overlay engine each.  The source is in memory,
 * counts what it is asked, and can be stopped in the middle of a read.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "overlay.h"
#include "v2v-utils.h"

#define KiB UINT64_C (1024)
#define MiB (1024 * KiB)
#define GiB (1024 * MiB)
#define TiB (1024 * GiB)

#define DATA 0
#define HOLE (OVERLAY_EXTENT_HOLE | OVERLAY_EXTENT_ZERO)

/* The engine reads the boot's id from here, see overlay.mk. */
const char *overlay_test_boot_id;
static char boot_id_file[] = "/tmp/overlay-boot-XXXXXX";

static void
new_boot (void)
{
  static unsigned n;
  FILE *fp = fopen (boot_id_file, "w");

  assert_non_null (fp);
  fprintf (fp, "boot-%u-%d\n", n++, (int)getpid ());
  fclose (fp);
}

/* The source: byte at POS is pattern (POS), except in the zero range. */
struct source {
  uint64_t size, zero_from, zero_to;
  uint32_t zero_type;           /* what extents say of the zero range */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool closed;                  /* by lock: reads wait */
  unsigned waiting;             /* by lock: reads that do */
  int error;                    /* by lock: reads fail with it */
  _Atomic uint64_t reads, bytes, extents_calls;
  uint64_t last_offset;         /* by lock */
};

static uint8_t
pattern (uint64_t pos)
{
  return 1 + (pos ^ pos >> 12 ^ pos >> 24) % 255;
}

static int
source_pread (void *opaque, void *buf, uint32_t count, uint64_t offset,
              int *err)
{
  struct source *s = opaque;
  uint8_t *p = buf;
  uint64_t i;

  atomic_fetch_add (&s->reads, 1);
  atomic_fetch_add (&s->bytes, count);
  pthread_mutex_lock (&s->lock);
  s->last_offset = offset;
  s->waiting++;
  pthread_cond_broadcast (&s->changed);
  while (s->closed)
    pthread_cond_wait (&s->changed, &s->lock);
  s->waiting--;
  *err = s->error;
  pthread_mutex_unlock (&s->lock);
  if (*err)
    return -1;
  for (i = 0; i < count; ++i)
    p[i] = offset + i >= s->zero_from && offset + i < s->zero_to ? 0
           : pattern (offset + i);
  return 0;
}

static int
source_extents (void *opaque, uint64_t count, uint64_t offset,
                overlay_extent_cb cb, void *cb_opaque, int *err)
{
  struct source *s = opaque;
  const uint64_t end = offset + count;
  int r = 0;

  *err = 0;
  atomic_fetch_add (&s->extents_calls, 1);
  if (offset < s->zero_from) {
    r = cb (cb_opaque, offset, s->zero_from - offset, DATA);
    offset = s->zero_from;
  }
  if (r == 0 && offset < end && offset < s->zero_to) {
    r = cb (cb_opaque, offset, s->zero_to - offset, s->zero_type);
    offset = s->zero_to;
  }
  if (r == 0 && offset < end)
    r = cb (cb_opaque, offset, s->size - offset, DATA);
  return r == -1 ? -1 : 0;
}

static const struct overlay_source_ops ops = {
  .pread = source_pread, .extents = source_extents,
};
static const struct overlay_source_ops ops_no_extents = {
  .pread = source_pread,
};

/* What a test works with. */
struct fixture {
  struct source s;
  struct overlay_source src;
  struct overlay_options o;
  struct overlay *ov;
  char messages[4096];
  uint8_t *buf;
};

#define BUF_SIZE (8 * MiB)

static void
store_log (void *opaque, char level, const char *message)
{
  struct fixture *f = opaque;
  const size_t n = strlen (f->messages);

  snprintf (f->messages + n, sizeof f->messages - n, "%c: %s\n", level,
            message);
}

static int
setup (void **state)
{
  struct fixture *f = calloc (1, sizeof *f);

  assert_non_null (f);
  pthread_mutex_init (&f->s.lock, NULL);
  pthread_cond_init (&f->s.changed, NULL);
  f->s.size = 64 * MiB;
  f->s.zero_type = HOLE;
  f->src.ops = &ops;
  f->src.opaque = &f->s;
  f->o.store = OVERLAY_STORE_MEMFD;
  f->o.copy_on_read = true;
  f->o.log = store_log;
  f->o.log_opaque = f;
  f->buf = malloc (BUF_SIZE);
  assert_non_null (f->buf);
  *state = f;
  return 0;
}

static int
teardown (void **state)
{
  struct fixture *f = *state;

  overlay_close (f->ov);
  pthread_mutex_destroy (&f->s.lock);
  pthread_cond_destroy (&f->s.changed);
  free (f->buf);
  free (f);
  return 0;
}

static void
open_it (struct fixture *f)
{
  int err;

  f->ov = overlay_open (f->s.size, &f->o, &err);
  if (f->ov == NULL)
    print_error ("%s\n", f->messages);
  assert_non_null (f->ov);
}

static void
read_source (struct fixture *f, uint64_t offset, uint32_t count)
{
  uint64_t i;
  int err;

  assert_int_equal (overlay_pread (f->ov, &f->src, f->buf, count, offset,
                                   &err), 0);
  for (i = 0; i < count; ++i) {
    const uint64_t pos = offset + i;
    const uint8_t want = pos >= f->s.zero_from && pos < f->s.zero_to ? 0
                         : pattern (pos);

    if (f->buf[i] != want)
      fail_msg ("byte %llu is %02x, should be %02x",
                (unsigned long long)pos, f->buf[i], want);
  }
}

static void
read_is (struct fixture *f, uint64_t offset, uint32_t count, uint8_t value)
{
  uint32_t i;
  int err;

  memset (f->buf, ~value, count);
  assert_int_equal (overlay_pread (f->ov, &f->src, f->buf, count, offset,
                                   &err), 0);
  for (i = 0; i < count; ++i)
    if (f->buf[i] != value)
      fail_msg ("byte %llu is %02x, should be %02x",
                (unsigned long long)(offset + i), f->buf[i], value);
}

static void
write_it (struct fixture *f, uint64_t offset, uint32_t count, uint8_t value)
{
  int err;

  memset (f->buf, value, count);
  assert_int_equal (overlay_pwrite (f->ov, &f->src, f->buf, count, offset,
                                    &err), 0);
}

static void
zero_it (struct fixture *f, uint64_t offset, uint32_t count)
{
  int err;

  assert_int_equal (overlay_zero (f->ov, &f->src, count, offset, &err), 0);
}

static void
cache_it (struct fixture *f, uint64_t offset, uint32_t count)
{
  int err;

  assert_int_equal (overlay_cache (f->ov, &f->src, count, offset, &err), 0);
}

/* Extents as text: "offset+length:type …". */
struct text { char s[1024]; };

static int
add_text (void *opaque, uint64_t offset, uint64_t length, uint32_t type)
{
  struct text *t = opaque;
  const size_t n = strlen (t->s);

  snprintf (t->s + n, sizeof t->s - n, "%s%llu+%llu:%u", n ? " " : "",
            (unsigned long long)offset, (unsigned long long)length, type);
  return 0;
}

static void
extents_are (struct fixture *f, uint64_t offset, uint64_t count, bool one,
             const char *want)
{
  struct text t = { "" };
  int err;

  assert_int_equal (overlay_extents (f->ov, &f->src, count, offset, one,
                                     add_text, &t, &err), 0);
  assert_string_equal (t.s, want);
}

static void
set_gate (struct source *s, bool closed)
{
  pthread_mutex_lock (&s->lock);
  s->closed = closed;
  pthread_cond_broadcast (&s->changed);
  pthread_mutex_unlock (&s->lock);
}

static void
wait_for_reads (struct source *s, unsigned n)
{
  pthread_mutex_lock (&s->lock);
  while (s->waiting < n)
    pthread_cond_wait (&s->changed, &s->lock);
  pthread_mutex_unlock (&s->lock);
}

/* A read in another thread. */
struct reader {
  struct fixture *f;
  uint64_t offset;
  uint32_t count;
  uint8_t *buf;
  int r, err;
  pthread_t thread;
  _Atomic bool started;
};

static void *
reader_thread (void *opaque)
{
  struct reader *r = opaque;

  atomic_store (&r->started, true);
  r->r = overlay_pread (r->f->ov, &r->f->src, r->buf, r->count, r->offset,
                        &r->err);
  return NULL;
}

static void
start_reader (struct reader *r, struct fixture *f, uint64_t offset,
              uint32_t count)
{
  memset (r, 0, sizeof *r);
  r->f = f;
  r->offset = offset;
  r->count = count;
  r->buf = malloc (count);
  assert_non_null (r->buf);
  assert_int_equal (pthread_create (&r->thread, NULL, reader_thread, r), 0);
}

static void
join_reader (struct reader *r)
{
  pthread_join (r->thread, NULL);
  free (r->buf);
}

/* nbdkit-cow-filter loses such a write: it stores what it read before. */
static void
test_write_beats_pending_fill (void **state)
{
  struct fixture *f = *state;
  struct reader r;

  open_it (f);
  set_gate (&f->s, true);
  start_reader (&r, f, 0, 4096);        /* fetches 64 KiB */
  wait_for_reads (&f->s, 1);
  write_it (f, 4096, 8192, 0xee);
  zero_it (f, 16384, 4096);
  read_is (f, 4096, 8192, 0xee);        /* and it is there at once */
  set_gate (&f->s, false);
  join_reader (&r);
  assert_int_equal (r.r, 0);
  read_is (f, 4096, 8192, 0xee);
  read_is (f, 16384, 4096, 0);
  read_source (f, 0, 4096);
  read_source (f, 20480, 4096);
  assert_int_equal (f->s.reads, 1);
}

/* A part of a block that is being fetched waits for it, then wins. */
static void
test_partial_write_under_fill (void **state)
{
  struct fixture *f = *state;
  struct reader r;
  int err;

  open_it (f);
  set_gate (&f->s, true);
  start_reader (&r, f, 0, 4096);
  wait_for_reads (&f->s, 1);
  set_gate (&f->s, false);
  memset (f->buf, 0xee, 100);
  assert_int_equal (overlay_pwrite (f->ov, &f->src, f->buf, 100, 8200, &err),
                    0);
  join_reader (&r);
  read_is (f, 8200, 100, 0xee);
  read_source (f, 8192, 8);
  read_source (f, 8300, 4096);
  assert_int_equal (f->s.reads, 1);
}

static void
test_single_flight (void **state)
{
  struct fixture *f = *state;
  struct reader r[4];
  size_t i;

  open_it (f);
  set_gate (&f->s, true);
  for (i = 0; i < 4; ++i)
    start_reader (&r[i], f, i * 16 * KiB, 16 * KiB);
  wait_for_reads (&f->s, 1);
  for (i = 0; i < 4; ++i)
    while (!atomic_load (&r[i].started))
      sched_yield ();
  set_gate (&f->s, false);
  for (i = 0; i < 4; ++i) {
    pthread_join (r[i].thread, NULL);
    assert_int_equal (r[i].r, 0);
    assert_int_equal (r[i].buf[0], pattern (i * 16 * KiB));
    free (r[i].buf);
  }
  /* One fetch of 64 KiB, whoever came first. */
  assert_int_equal (f->s.reads, 1);
  assert_int_equal (f->s.bytes, 64 * KiB);
}

/* Readers that waited for a failed fetch try themselves. */
static void
test_failed_fill (void **state)
{
  struct fixture *f = *state;
  struct reader r;

  open_it (f);
  set_gate (&f->s, true);
  f->s.error = ENOMEM;
  start_reader (&r, f, 0, 4096);
  wait_for_reads (&f->s, 1);
  set_gate (&f->s, false);
  join_reader (&r);
  assert_int_equal (r.r, -1);
  assert_int_equal (r.err, ENOMEM);
  f->s.error = 0;
  read_source (f, 0, 64 * KiB);
  assert_int_equal (f->s.reads, 2);
}

static void
test_writes_without_source (void **state)
{
  struct fixture *f = *state;

  open_it (f);
  write_it (f, 4096, 8192, 1);          /* whole blocks */
  write_it (f, 5000, 100, 2);           /* part of a valid one */
  zero_it (f, 1 * MiB, 1 * MiB);
  write_it (f, 1 * MiB + 10, 100, 3);   /* part of a zero one */
  zero_it (f, 1 * MiB + 8192 + 5, 10);  /* part of a zero one */
  zero_it (f, 5050, 10);
  assert_int_equal (f->s.reads, 0);
  read_is (f, 4096, 904, 1);
  read_is (f, 5000, 50, 2);
  read_is (f, 5050, 10, 0);
  read_is (f, 5060, 40, 2);
  read_is (f, 5100, 7188, 1);
  read_is (f, 1 * MiB, 10, 0);
  read_is (f, 1 * MiB + 10, 100, 3);
  read_is (f, 1 * MiB + 110, 1 * MiB - 110, 0);
  assert_int_equal (f->s.reads, 0);
}

/* With copy-on-read off a partial write fetches one block only. */
static void
test_partial_write_absent (void **state)
{
  struct fixture *f = *state;

  f->o.copy_on_read = false;
  open_it (f);
  write_it (f, 10 * 4096 + 1, 2, 0xee);
  assert_int_equal (f->s.reads, 1);
  assert_int_equal (f->s.bytes, 4096);
  read_source (f, 10 * 4096, 1);
  read_is (f, 10 * 4096 + 1, 2, 0xee);
  read_source (f, 10 * 4096 + 3, 4093);
  assert_int_equal (f->s.reads, 1);
  /* Misaligned over three blocks: the middle one is not fetched. */
  write_it (f, 63 * 512, 2 * 4096, 0xdd);
  read_is (f, 63 * 512, 2 * 4096, 0xdd);
  read_source (f, 63 * 512 - 3584, 3584);
  read_source (f, 63 * 512 + 8192, 512);
  assert_int_equal (f->s.bytes, 3 * 4096);
}

static void
test_holes_are_not_fetched (void **state)
{
  struct fixture *f = *state;
  struct overlay_stats st;

  f->s.zero_from = 1 * MiB;
  f->s.zero_to = 50 * MiB;
  open_it (f);
  read_is (f, 2 * MiB, 4 * MiB, 0);
  cache_it (f, 10 * MiB, 10 * MiB);
  write_it (f, 30 * MiB + 5, 5, 0xee);
  read_is (f, 30 * MiB, 5, 0);
  assert_int_equal (f->s.reads, 0);
  overlay_get_stats (f->ov, &st);
  assert_int_equal (st.clean_bytes, 0);
  assert_int_equal (st.dirty_bytes, 4096);
  /* A fetch ends at the hole. */
  read_source (f, 1 * MiB - 4096, 8192);
  assert_int_equal (f->s.bytes, 64 * KiB);
  /* The source was asked for its extents once. */
  assert_int_equal (f->s.extents_calls, 1);
}

/* Without extents zeroes are found when they are fetched. */
static void
test_zero_detection (void **state)
{
  struct fixture *f = *state;
  struct overlay_stats st;

  f->src.ops = &ops_no_extents;
  f->s.zero_from = 64 * KiB + 100;
  f->s.zero_to = 1 * MiB;
  open_it (f);
  extents_are (f, 0, 2 * MiB, false, "0+2097152:0");
  read_source (f, 0, 2 * MiB);
  extents_are (f, 0, 2 * MiB, false,
               "0+69632:0 69632+978944:3 1048576+1048576:0");
  overlay_get_stats (f->ov, &st);
  assert_int_equal (st.clean_bytes, 2 * MiB - 978944);
  assert_int_equal (st.zero_bytes, 978944);
  /* The client's zeroes too, unless the block is in the store. */
  write_it (f, 4 * MiB, 64 * KiB, 0);
  extents_are (f, 4 * MiB, 128 * KiB, false,
               "4194304+65536:3 4259840+65536:0");
}

/* nbdkit-cache-filter reports dirty data as the source's hole. */
static void
test_extents_of_a_mix (void **state)
{
  struct fixture *f = *state;

  f->s.zero_from = 1 * MiB;
  f->s.zero_to = 3 * MiB;
  open_it (f);
  extents_are (f, 0, 64 * MiB, false,
               "0+1048576:0 1048576+2097152:3 3145728+63963136:0");
  write_it (f, 2 * MiB, 4096, 0xee);            /* data in a hole */
  zero_it (f, 512 * KiB, 64 * KiB);             /* hole in data */
  zero_it (f, 100, 100);                        /* part of a block: data */
  cache_it (f, 768 * KiB, 64 * KiB);            /* cached: data */
  extents_are (f, 0, 4 * MiB, false,
               "0+524288:0 524288+65536:3 589824+458752:0 "
               "1048576+1048576:3 2097152+4096:0 2101248+1044480:3 "
               "3145728+1048576:0");
  /* Clipped on both sides, and only the first. */
  extents_are (f, 524289, 5, false, "524289+5:3");
  extents_are (f, 524289, 100000, true, "524289+65535:3");
  extents_are (f, 2 * MiB + 4095, 2, false, "2101247+1:0 2101248+1:3");
  /* A hole next to what was trimmed is one extent. */
  zero_it (f, 3 * MiB, 4096);
  extents_are (f, 2 * MiB + 4096, 2 * MiB, true, "2101248+1048576:3");
}

/* What the source allocated but knows to be zero, and what it did not
 * allocate but cannot promise to be zero.
 */
static void
test_extents_of_other_types (void **state)
{
  struct fixture *f = *state;
  const uint32_t types[] = { OVERLAY_EXTENT_ZERO, OVERLAY_EXTENT_HOLE };
  const char *want[] = { "0+1048576:0 1048576+1048576:2 2097152+2097152:0",
                         "0+1048576:0 1048576+1048576:1 2097152+2097152:0" };
  size_t i;

  f->s.zero_from = 1 * MiB;
  f->s.zero_to = 2 * MiB;
  f->o.copy_on_read = false;
  for (i = 0; i < 2; ++i) {
    f->s.zero_type = types[i];
    f->s.reads = 0;
    overlay_close (f->ov);
    open_it (f);
    extents_are (f, 0, 4 * MiB, false, want[i]);
    read_is (f, 1 * MiB, 1 * MiB, 0);
    assert_int_equal (f->s.reads, i == 0 ? 0 : 1);
    /* Trimming makes it a hole of both kinds. */
    zero_it (f, 1 * MiB, 1 * MiB);
    extents_are (f, 1 * MiB, 1 * MiB, false, "1048576+1048576:3");
  }
}

/* The server aborts if the answer is longer than the question. */
static void
test_extents_of_4_gib (void **state)
{
  struct fixture *f = *state;

  f->s.size = 1 * TiB;
  f->s.zero_to = 1 * TiB;
  open_it (f);
  extents_are (f, 0, UINT32_MAX, false, "0+4294967295:3");
  extents_are (f, 512 * GiB + 1, UINT32_MAX, true,
               "549755813889+4294967295:3");
  zero_it (f, 4096, UINT32_MAX);
  extents_are (f, 0, UINT32_MAX, false, "0+4294967295:3");
}

static void
test_unaligned_source_extents (void **state)
{
  struct fixture *f = *state;

  f->s.size = 1 * MiB + 100;
  f->s.zero_from = 5000;
  f->s.zero_to = 1 * MiB + 100;
  open_it (f);
  extents_are (f, 0, 1 * MiB + 100, false, "0+8192:0 8192+1040484:3");
  read_source (f, 0, 1 * MiB + 100);
  assert_int_equal (f->s.bytes, 8192);
}

/* More runs in one window than are kept as runs. */
static int
striped_extents (void *opaque, uint64_t count, uint64_t offset,
                 overlay_extent_cb cb, void *cb_opaque, int *err)
{
  const uint64_t end = offset + count;
  int r = 0;

  (void)opaque;
  *err = 0;
  for (; r == 0 && offset < end; offset += 4096)
    r = cb (cb_opaque, offset, 4096, offset / 4096 % 2 ? HOLE : DATA);
  return r == -1 ? -1 : 0;
}

static void
test_many_source_extents (void **state)
{
  static const struct overlay_source_ops striped = {
    .pread = source_pread, .extents = striped_extents,
  };
  struct fixture *f = *state;

  f->s.size = 1 * GiB;
  f->src.ops = &striped;
  open_it (f);
  extents_are (f, 1 * GiB - 12288, 12288, false,
               "1073729536+4096:3 1073733632+4096:0 1073737728+4096:3");
  read_is (f, 512 * MiB + 4096, 4096, 0);
  extents_are (f, 512 * MiB, 4 * KiB, true, "536870912+4096:0");
}

/* nbdkit-cache-filter with a limit throws dirty blocks away. */
static void
test_eviction_spares_dirty (void **state)
{
  struct fixture *f = *state;
  struct overlay_stats st;
  uint64_t i;

  f->o.clean_limit = 1 * MiB;
  open_it (f);
  for (i = 0; i < 32; ++i)
    write_it (f, i * MiB, 64 * KiB, i + 1);
  for (i = 0; i < 64; ++i) {
    cache_it (f, i * MiB, 1 * MiB);
    overlay_get_stats (f->ov, &st);
    assert_true (st.clean_bytes <= 1 * MiB);
  }
  assert_true (st.evicted_bytes > 30 * MiB);
  assert_int_equal (st.dirty_bytes, 32 * 64 * KiB);
  for (i = 0; i < 32; ++i) {
    read_is (f, i * MiB, 64 * KiB, i + 1);
    read_source (f, i * MiB + 64 * KiB, 1 * MiB - 64 * KiB);
  }
  overlay_get_stats (f->ov, &st);
  assert_true (st.clean_bytes > 0 && st.clean_bytes <= 1 * MiB);
}

/* What is read again and again stays. */
static void
test_eviction_keeps_used (void **state)
{
  struct fixture *f = *state;
  uint64_t i, fetches = 0;

  f->o.clean_limit = 4 * MiB;
  open_it (f);
  read_source (f, 0, 256 * KiB);
  for (i = 1; i < 63; ++i) {
    const uint64_t before = f->s.reads;

    read_source (f, 0, 4096);
    fetches += f->s.reads - before;
    read_source (f, i * MiB, 1 * MiB);
  }
  assert_true (fetches < 10);
}

/* Sequential small reads become large requests. */
static void
test_growing_unit (void **state)
{
  struct fixture *f = *state;
  uint64_t i;

  open_it (f);
  for (i = 0; i < 8 * MiB; i += 4096)
    read_source (f, i, 4096);
  assert_true (f->s.reads <= 16);
  assert_int_equal (f->s.bytes, 8 * MiB);
}

/* A few known blocks do not cost another request. */
static void
test_gaps_are_read_over (void **state)
{
  struct fixture *f = *state;
  int mode;

  for (mode = 0; mode < 2; ++mode) {
    f->o.copy_on_read = mode;
    f->s.reads = 0;
    overlay_close (f->ov);
    open_it (f);
    write_it (f, 64 * KiB, 4096, 0xee);
    write_it (f, 128 * KiB, 64 * KiB, 0xdd);
    read_source (f, 0, 64 * KiB);
    assert_int_equal (f->s.reads, 1);
    f->s.reads = 0;
    overlay_close (f->ov);
    open_it (f);
    write_it (f, 64 * KiB, 4096, 0xee);
    write_it (f, 128 * KiB, 64 * KiB, 0xdd);
    assert_int_equal (overlay_pread (f->ov, &f->src, f->buf, 256 * KiB, 0,
                                     &(int) { 0 }), 0);
    assert_int_equal (f->s.reads, 1);
    assert_int_equal (f->buf[64 * KiB], 0xee);
    assert_int_equal (f->buf[68 * KiB], pattern (68 * KiB));
    assert_int_equal (f->buf[192 * KiB - 1], 0xdd);
    assert_int_equal (f->buf[192 * KiB], pattern (192 * KiB));
  }
}

static void
test_copy_on_read_off (void **state)
{
  struct fixture *f = *state;
  struct overlay_stats st;

  f->o.copy_on_read = false;
  open_it (f);
  read_source (f, 1000, 100000);
  read_source (f, 1000, 100000);
  assert_int_equal (f->s.reads, 2);
  assert_int_equal (f->s.bytes, 200000);
  overlay_get_stats (f->ov, &st);
  assert_int_equal (st.clean_bytes, 0);
  cache_it (f, 0, 200000);              /* but .cache keeps it */
  assert_int_equal (f->s.reads, 3);
  read_source (f, 1000, 100000);
  assert_int_equal (f->s.reads, 3);
  overlay_set_copy_on_read (f->ov, true);
  read_source (f, 1 * MiB, 4096);
  read_source (f, 1 * MiB, 4096);
  assert_int_equal (f->s.reads, 4);
}

/* Files of limited size look like a full disk.  The store has 8 files
 * that share the disk: what is below 2 MiB fits.
 */
static void
test_no_space (void **state)
{
  struct fixture *f = *state;
  struct rlimit old, limit;
  char *warning;
  int err;

  f->o.store = OVERLAY_STORE_TMPFILE;
  open_it (f);
  /* Every lane of the store is open, and as large as it will be. */
  read_source (f, 0, 2 * MiB);
  assert_int_equal (getrlimit (RLIMIT_FSIZE, &old), 0);
  limit = old;
  limit.rlim_cur = 2 * MiB / 8;
  signal (SIGXFSZ, SIG_IGN);
  assert_int_equal (setrlimit (RLIMIT_FSIZE, &limit), 0);

  read_source (f, 0, 1 * MiB);
  read_source (f, 2 * MiB, 4 * MiB);    /* cannot be kept, is served */
  read_source (f, 2 * MiB, 4 * MiB);
  warning = strstr (f->messages, "no space left");
  assert_non_null (warning);
  assert_null (strstr (warning + 1, "no space left"));
  memset (f->buf, 0xee, 4096);
  assert_int_equal (overlay_pwrite (f->ov, &f->src, f->buf, 4096, 3 * MiB,
                                    &err), -1);
  assert_int_equal (err, ENOSPC);
  assert_int_equal (overlay_pwrite (f->ov, &f->src, f->buf, 10, 3 * MiB + 1,
                                    &err), -1);
  assert_int_equal (err, ENOSPC);
  read_source (f, 3 * MiB, 8192);       /* nothing of it is seen */
  write_it (f, 512 * KiB, 4096, 0xdd);
  zero_it (f, 3 * MiB, 64 * KiB);
  read_is (f, 3 * MiB, 64 * KiB, 0);

  assert_int_equal (setrlimit (RLIMIT_FSIZE, &old), 0);
  write_it (f, 5 * MiB, 4096, 0xcc);    /* life goes on */
  read_is (f, 5 * MiB, 4096, 0xcc);
  read_is (f, 512 * KiB, 4096, 0xdd);
}

static void
wait_for_stats (struct fixture *f, uint64_t clean)
{
  const struct timespec ts = { 0, 1000000 };
  struct overlay_stats st;
  unsigned i;

  for (i = 0; i < 60000; ++i) {
    overlay_get_stats (f->ov, &st);
    if (st.clean_bytes >= clean)
      return;
    nanosleep (&ts, NULL);
  }
  fail_msg ("only %llu bytes were fetched",
            (unsigned long long)st.clean_bytes);
}

static void
test_prefetch (void **state)
{
  struct fixture *f = *state;
  const struct overlay_range ranges[] = {
    { 10 * MiB, 4 * MiB }, { 100, 100 }, { 63 * MiB, 100 * MiB },
    { 99 * MiB, 1 },
  };
  int err;

  open_it (f);
  assert_int_equal (overlay_prefetch_start (f->ov, &f->src, ranges, 4, 0, 3,
                                            &err), 0);
  wait_for_stats (f, 5 * MiB + 4096);
  overlay_prefetch_stop (f->ov);
  assert_int_equal (f->s.bytes, 5 * MiB + 4096);
  read_source (f, 10 * MiB, 4 * MiB);
  read_source (f, 0, 4096);
  read_source (f, 63 * MiB, 1 * MiB);
  assert_int_equal (f->s.bytes, 5 * MiB + 4096);
}

static void
test_prefetch_bound (void **state)
{
  struct fixture *f = *state;
  const struct overlay_range all = { 0, 64 * MiB };
  struct overlay_stats st;
  int err;

  open_it (f);
  cache_it (f, 1 * MiB, 1 * MiB);       /* is not counted */
  f->s.bytes = 0;
  assert_int_equal (overlay_prefetch_start (f->ov, &f->src, &all, 1, 3 * MiB,
                                            2, &err), 0);
  wait_for_stats (f, 4 * MiB);
  overlay_prefetch_stop (f->ov);
  overlay_get_stats (f->ov, &st);
  assert_int_equal (st.clean_bytes, 4 * MiB);
  assert_int_equal (f->s.bytes, 3 * MiB);
}

static void *
open_gate_thread (void *opaque)
{
  set_gate (opaque, false);
  return NULL;
}

static void
test_prefetch_cancel (void **state)
{
  struct fixture *f = *state;
  const struct overlay_range all = { 0, 64 * MiB };
  pthread_t thread;
  int err;

  open_it (f);
  set_gate (&f->s, true);
  assert_int_equal (overlay_prefetch_start (f->ov, &f->src, &all, 1, 0, 2,
                                            &err), 0);
  wait_for_reads (&f->s, 2);
  assert_int_equal (pthread_create (&thread, NULL, open_gate_thread, &f->s),
                    0);
  overlay_prefetch_stop (f->ov);
  pthread_join (thread, NULL);
  /* It may have gone on before the stop, but not to the end. */
  read_source (f, 0, 1 * MiB);
  /* A failing one ends by itself and disturbs nobody. */
  f->s.error = EIO;
  f->s.reads = 0;
  assert_int_equal (overlay_prefetch_start (f->ov, &f->src,
                                            &(struct overlay_range) {
                                              60 * MiB, 4 * MiB }, 1, 0, 1,
                                            &err), 0);
  while (f->s.reads == 0)
    sched_yield ();
  overlay_prefetch_stop (f->ov);
  assert_int_equal (f->s.reads, 1);
  assert_non_null (strstr (f->messages, "prefetching ends"));
  f->s.error = 0;
  read_source (f, 60 * MiB, 4 * MiB);
}

static void
test_changes (void **state)
{
  struct fixture *f = *state;
  struct text t = { "" };
  int err;

  f->s.size = 10 * MiB + 1;
  open_it (f);
  read_source (f, 0, 1 * MiB);
  write_it (f, 4095, 2, 0xee);
  zero_it (f, 5 * MiB, 1 * MiB);
  write_it (f, 10 * MiB, 1, 0xdd);
  assert_int_equal (overlay_changes (f->ov, add_text, &t, &err), 0);
  assert_string_equal (t.s, "0+8192:0 5242880+1048576:3 10485760+1:0");
}

static void
test_huge (void **state)
{
  struct fixture *f = *state;
  const uint64_t sizes[] = { 16 * TiB, 16 * TiB + 513, INT64_MAX };
  size_t i;

  f->o.store = OVERLAY_STORE_TMPFILE;
  for (i = 0; i < V2V_ARRAY_SIZE (sizes); ++i) {
    overlay_close (f->ov);
    f->s.size = sizes[i];
    f->s.zero_from = 1 * MiB;
    f->s.zero_to = sizes[i] - 1 * MiB;
    open_it (f);
    write_it (f, sizes[i] - 100, 100, 0xee);
    read_is (f, sizes[i] - 100, 100, 0xee);
    read_source (f, sizes[i] - 1 * MiB - 10, 20);
    write_it (f, 4 * TiB - 8192, 16384, 0xdd);  /* over two segments */
    read_is (f, 4 * TiB - 8192, 16384, 0xdd);
    read_is (f, 4 * TiB + 8192, 4096, 0);
    read_source (f, 0, 4096);
  }
}

static void
test_bad_options (void **state)
{
  struct fixture *f = *state;
  int err;

  f->o.fetch_unit = 100000;
  assert_null (overlay_open (MiB, &f->o, &err));
  assert_int_equal (err, EINVAL);
  f->o.fetch_unit = 0;
  assert_null (overlay_open (UINT64_MAX, &f->o, &err));
  assert_int_equal (err, EFBIG);
  f->o.store = OVERLAY_STORE_TMPFILE;
  f->o.dir = "/nonexistent/directory";
  assert_null (overlay_open (MiB, &f->o, &err));
  assert_int_equal (err, ENOENT);
  assert_non_null (strstr (f->messages, "/nonexistent/directory"));
}

/* Persistent stores. */

static char dir[64];

static void
new_dir (struct fixture *f)
{
  strcpy (dir, "/tmp/overlay-unit-XXXXXX");
  assert_non_null (mkdtemp (dir));
  f->o.store = OVERLAY_STORE_PERSISTENT;
  f->o.dir = dir;
  f->o.name = "a/b c";
  f->o.identity = "one";
  f->s.size = 16 * MiB;
}

static char *
in_dir (const char *file)
{
  static char path[256];

  snprintf (path, sizeof path, "%s/%s", dir, file);
  return path;
}

static void
remove_dir (void)
{
  unlink (in_dir ("overlay-a%2fb%20c.map"));
  unlink (in_dir ("overlay-a%2fb%20c.0.data"));
  assert_int_equal (rmdir (dir), 0);
}

/* Work in a process that ends without closing the store. */
static void
in_crashing_process (struct fixture *f, void (*work) (struct fixture *f))
{
  int status;
  const pid_t pid = fork ();

  assert_int_not_equal (pid, -1);
  if (pid == 0) {
    open_it (f);
    work (f);
    kill (getpid (), SIGKILL);
  }
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_true (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);
}

static void
crash_work (struct fixture *f)
{
  int err;

  read_source (f, 8 * MiB, 1 * MiB);            /* clean */
  write_it (f, 1 * MiB, 1 * MiB, 0xaa);         /* dirty */
  zero_it (f, 4 * MiB, 1 * MiB);                /* zero */
  if (overlay_flush (f->ov, &err) == -1)
    _exit (1);
  write_it (f, 6 * MiB, 4096, 0xbb);            /* not covered */
  write_it (f, 8 * MiB, 4096, 0xcc);            /* clean one changed */
}

static void
test_persist_crash (void **state)
{
  struct fixture *f = *state;
  struct overlay_stats st;
  int err;

  new_dir (f);
  in_crashing_process (f, crash_work);
  open_it (f);
  read_is (f, 1 * MiB, 1 * MiB, 0xaa);
  read_is (f, 4 * MiB, 1 * MiB, 0);
  read_source (f, 8 * MiB + 4096, 1 * MiB - 4096);
  assert_int_equal (f->s.reads, 0);     /* the cache is there too */
  /* Old or new, but it stays what it is. */
  assert_int_equal (overlay_pread (f->ov, &f->src, f->buf, 1, 8 * MiB, &err),
                    0);
  overlay_get_stats (f->ov, &st);
  if (f->buf[0] == 0xcc)
    assert_int_equal (st.dirty_bytes, 1 * MiB + 4096);
  overlay_close (f->ov);
  f->ov = NULL;
  remove_dir ();
}

static void
test_persist_power_loss (void **state)
{
  struct fixture *f = *state;
  struct overlay_stats st;

  new_dir (f);
  in_crashing_process (f, crash_work);
  new_boot ();
  open_it (f);
  overlay_get_stats (f->ov, &st);
  assert_int_equal (st.clean_bytes, 0); /* forgotten */
  assert_true (st.dirty_bytes <= 1 * MiB + 4096);
  read_is (f, 1 * MiB, 1 * MiB, 0xaa);
  read_is (f, 4 * MiB, 1 * MiB, 0);
  assert_int_equal (f->s.reads, 0);
  read_source (f, 8 * MiB + 4096, 1 * MiB - 4096);
  overlay_close (f->ov);
  open_it (f);
  read_is (f, 1 * MiB, 1 * MiB, 0xaa);
  overlay_close (f->ov);
  f->ov = NULL;
  remove_dir ();
}

/* After a clean stop everything is there, whatever boot it was. */
static void
test_persist_clean_stop (void **state)
{
  struct fixture *f = *state;

  new_dir (f);
  f->s.zero_from = 12 * MiB;
  f->s.zero_to = 13 * MiB;
  f->src.ops = &ops_no_extents;
  open_it (f);
  read_source (f, 8 * MiB, 6 * MiB);
  write_it (f, 1 * MiB + 5, 10, 0xaa);
  overlay_close (f->ov);
  f->s.reads = 0;
  new_boot ();
  open_it (f);
  read_source (f, 8 * MiB, 6 * MiB);
  read_is (f, 1 * MiB + 5, 10, 0xaa);
  extents_are (f, 12 * MiB, 1 * MiB, false, "12582912+1048576:3");
  assert_int_equal (f->s.reads, 0);
  overlay_close (f->ov);
  f->ov = NULL;
  remove_dir ();
}

static void
refused (struct fixture *f, int want, const char *why)
{
  int err;

  f->messages[0] = '\0';
  assert_null (overlay_open (f->s.size, &f->o, &err));
  assert_int_equal (err, want);
  if (!strstr (f->messages, why))
    fail_msg ("no \"%s\" in: %s", why, f->messages);
}

static void
damage (const char *file, off_t offset)
{
  const int fd = open (in_dir (file), O_RDWR);
  uint8_t b;

  assert_true (fd >= 0);
  assert_int_equal (pread (fd, &b, 1, offset), 1);
  b ^= 1;
  assert_int_equal (pwrite (fd, &b, 1, offset), 1);
  close (fd);
}

static void
test_persist_refuses (void **state)
{
  struct fixture *f = *state;

  new_dir (f);
  open_it (f);
  write_it (f, 1 * MiB, 1 * MiB, 0xaa);
  refused (f, EBUSY, "in use");
  overlay_close (f->ov);
  f->ov = NULL;

  f->o.identity = "two";
  refused (f, EINVAL, "another source");
  f->o.identity = "one";
  f->s.size = 17 * MiB;
  refused (f, EINVAL, "another size");
  f->s.size = 16 * MiB;

  /* Being refused changed nothing. */
  open_it (f);
  read_is (f, 1 * MiB, 1 * MiB, 0xaa);
  overlay_close (f->ov);
  f->ov = NULL;

  damage ("overlay-a%2fb%20c.map", 4096 + 4 * 32);
  refused (f, EINVAL, "damaged");
  damage ("overlay-a%2fb%20c.map", 4096 + 4 * 32);
  damage ("overlay-a%2fb%20c.map", 16);
  refused (f, EINVAL, "damaged");
  damage ("overlay-a%2fb%20c.map", 16);
  damage ("overlay-a%2fb%20c.map", 0);
  refused (f, EINVAL, "not the map");
  damage ("overlay-a%2fb%20c.map", 0);

  /* A map without its data. */
  assert_int_equal (unlink (in_dir ("overlay-a%2fb%20c.0.data")), 0);
  refused (f, EINVAL, "damaged");
  remove_dir ();
}

/* Flushing an overlay that is not persistent is free and succeeds. */
static void
test_flush_temporary (void **state)
{
  struct fixture *f = *state;
  int err;

  open_it (f);
  write_it (f, 0, 4096, 1);
  assert_int_equal (overlay_flush (f->ov, &err), 0);
}

int
main (void)
{
#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)
  const struct CMUnitTest tests[] = {
    T (test_write_beats_pending_fill),
    T (test_partial_write_under_fill),
    T (test_single_flight),
    T (test_failed_fill),
    T (test_writes_without_source),
    T (test_partial_write_absent),
    T (test_holes_are_not_fetched),
    T (test_zero_detection),
    T (test_extents_of_a_mix),
    T (test_extents_of_other_types),
    T (test_extents_of_4_gib),
    T (test_unaligned_source_extents),
    T (test_many_source_extents),
    T (test_eviction_spares_dirty),
    T (test_eviction_keeps_used),
    T (test_growing_unit),
    T (test_gaps_are_read_over),
    T (test_copy_on_read_off),
    T (test_no_space),
    T (test_prefetch),
    T (test_prefetch_bound),
    T (test_prefetch_cancel),
    T (test_changes),
    T (test_huge),
    T (test_bad_options),
    T (test_persist_crash),
    T (test_persist_power_loss),
    T (test_persist_clean_stop),
    T (test_persist_refuses),
    T (test_flush_temporary),
  };
  int fd, r;

  fd = mkstemp (boot_id_file);
  assert_true (fd >= 0);
  close (fd);
  overlay_test_boot_id = boot_id_file;
  new_boot ();
  r = cmocka_run_group_tests_name ("overlay", tests, NULL, NULL);
  unlink (boot_id_file);
  return r;
}
