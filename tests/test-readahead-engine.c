/* SPDX-License-Identifier: BSD-3-Clause */

/* The readahead engine against a disk in memory, without nbdkit.  Built
 * twice: with ASan+UBSan and with TSan.
 */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "v2v-utils.h"

#include "engine.h"
#include "extmap.h"
#include "readahead.h"
#include "streams.h"

#define MiB (UINT64_C (1) << 20)
#define BLOCK 4096

/* cmocka's assertions only work in the main thread. */
#define MUST(cond)                                                      \
  do {                                                                  \
    if (!(cond)) {                                                      \
      fprintf (stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);       \
      abort ();                                                         \
    }                                                                   \
  } while (0)

/* ---- The disk: each block holds its number and a version. ---- */

struct disk {
  uint64_t size;
  char *data;
  pthread_rwlock_t lock;
  const struct extmap_range *holes; /* zero; ends with {0, 0} */

  atomic_uint *acked, *pending; /* version per block */
  atomic_uchar *cached;         /* per block: lane_cache had it */

  /* What the engine did. */
  atomic_uint_fast64_t lane_bytes, direct_bytes, hole_reads;
  atomic_uint lane_calls, cache_calls, extents_calls, lanes_ended;
  atomic_uint in_flight, max_in_flight;
  atomic_uint first_lane;       /* length of the first fetch */
  atomic_uint over_max;         /* requests longer than max_request */
  uint32_t max_request, align;

  /* What the source does. */
  atomic_uint fail_percent;     /* of the lanes' calls */
  atomic_uint direct_fail_percent;
  atomic_int fail_errno;
  bool sleep;
  long latency_ns;              /* rather this, if > 0 */
  bool caches;                  /* lane_cache does what it says */
  atomic_bool gate;             /* lanes stop here until it opens */
  atomic_uint at_gate;

  struct readahead *ra;
};

static uint32_t
rnd (unsigned *seed)
{
  *seed = *seed * 1103515245 + 12345;
  return *seed >> 8;
}

static void
nap (long ns)
{
  nanosleep (&(struct timespec) { .tv_nsec = ns }, NULL);
}

static bool
in_hole (const struct disk *d, uint64_t start, uint64_t end)
{
  const struct extmap_range *h;

  for (h = d->holes; h && h->end; ++h)
    if (h->start <= start && end <= h->end)
      return true;
  return false;
}

static void
fill_block (struct disk *d, uint64_t b, uint32_t version)
{
  uint64_t *p = (uint64_t *) (d->data + b * BLOCK);
  size_t i;

  for (i = 0; i < BLOCK / sizeof *p; ++i)
    p[i] = b << 32 | version;
}

static struct disk *
new_disk (uint64_t size, const struct extmap_range *holes)
{
  struct disk *d = calloc (1, sizeof *d);
  uint64_t b;

  d->size = size;
  d->holes = holes;
  d->data = calloc (1, size);
  d->acked = calloc (size / BLOCK, sizeof *d->acked);
  d->pending = calloc (size / BLOCK, sizeof *d->pending);
  d->cached = calloc (size / BLOCK, sizeof *d->cached);
  pthread_rwlock_init (&d->lock, NULL);
  for (b = 0; b < size / BLOCK; ++b)
    if (!in_hole (d, b * BLOCK, (b + 1) * BLOCK))
      fill_block (d, b, 0);
  d->fail_errno = EIO;
  return d;
}

static void
free_disk (struct disk *d)
{
  pthread_rwlock_destroy (&d->lock);
  free (d->data);
  free (d->acked);
  free (d->pending);
  free (d->cached);
  free (d);
}

static int
get (struct disk *d, void *buf, uint32_t count, uint64_t offset)
{
  MUST (count > 0);
  MUST (offset <= d->size && count <= d->size - offset);
  if (d->max_request > 0 && count > d->max_request)
    d->over_max++;
  pthread_rwlock_rdlock (&d->lock);
  memcpy (buf, d->data + offset, count);
  pthread_rwlock_unlock (&d->lock);
  return 0;
}

static void
enter (struct disk *d)
{
  unsigned n = ++d->in_flight, max = d->max_in_flight;

  while (n > max && !atomic_compare_exchange_weak (&d->max_in_flight, &max, n))
    ;
  if (d->latency_ns > 0)
    nap (d->latency_ns);
  else if (d->sleep)
    nap (50000 + 1000 * (n * 7919 % 200));
  if (d->gate) {
    d->at_gate++;
    while (d->gate)
      nap (100000);
    d->at_gate--;
  }
}

static int
maybe_fail (struct disk *d, atomic_uint *percent, uint64_t offset, int *err)
{
  static atomic_uint n;
  unsigned seed = offset / 512 + ++n * 7919;

  if (rnd (&seed) % 100 >= *percent)
    return 0;
  *err = d->fail_errno;
  return -1;
}

static int
lane_pread (void *dv, unsigned lane, void *buf, uint32_t count,
            uint64_t offset, int *err)
{
  struct disk *d = dv;
  int r;

  (void) lane;
  enter (d);
  if (d->lane_calls++ == 0)
    d->first_lane = count;
  if (d->align)
    MUST (offset % d->align == 0 && count % d->align == 0);
  if (in_hole (d, offset, offset + count))
    d->hole_reads++;
  r = maybe_fail (d, &d->fail_percent, offset, err);
  if (r == 0) {
    d->lane_bytes += count;
    r = get (d, buf, count, offset);
  }
  d->in_flight--;
  return r;
}

static int
lane_cache (void *dv, unsigned lane, uint32_t count, uint64_t offset,
            int *err)
{
  struct disk *d = dv;
  int r;

  (void) lane;
  MUST (count > 0 && offset + count <= d->size);
  enter (d);
  d->cache_calls++;
  r = maybe_fail (d, &d->fail_percent, offset, err);
  if (r == 0 && d->caches) {
    uint64_t b;

    for (b = offset / BLOCK; b < (offset + count) / BLOCK; ++b)
      d->cached[b] = 1;
  }
  d->in_flight--;
  return r;
}

static int
lane_extents (void *dv, unsigned lane, uint32_t count, uint64_t offset,
              uint64_t generation, int *err)
{
  struct disk *d = dv;
  const struct extmap_range *h;
  uint64_t p = offset, end = offset + count;

  (void) lane;
  d->extents_calls++;
  if (maybe_fail (d, &d->fail_percent, offset, err) == -1)
    return -1;
  for (h = d->holes; h && h->end && p < end; ++h) {
    if (h->end <= p || h->start >= end)
      continue;
    if (h->start > p)
      readahead_note_extent (d->ra, generation, p, h->start - p, false);
    readahead_note_extent (d->ra, generation, h->start, h->end - h->start,
                           true);
    p = h->end;
  }
  if (p < end)
    readahead_note_extent (d->ra, generation, p, end - p, false);
  return 0;
}

static void
lane_end (void *dv, unsigned lane)
{
  struct disk *d = dv;

  (void) lane;
  d->lanes_ended++;
}

static const struct readahead_source_ops ops = {
  .pread = lane_pread, .lane_end = lane_end,
};
static const struct readahead_source_ops ops_extents = {
  .pread = lane_pread, .extents = lane_extents, .lane_end = lane_end,
};
static const struct readahead_source_ops ops_cache = {
  .pread = lane_pread, .cache = lane_cache, .lane_end = lane_end,
};

static int
direct_pread (void *dv, void *buf, uint32_t count, uint64_t offset, int *err)
{
  struct disk *d = dv;

  if (d->sleep && !(d->cached[offset / BLOCK] &&
                    d->cached[(offset + count - 1) / BLOCK]))
    nap (V2V_MAX (d->latency_ns, 100000));
  if (maybe_fail (d, &d->direct_fail_percent, offset, err) == -1) {
    *err = ENOSPC;              /* no lane ever reports this one */
    return -1;
  }
  d->direct_bytes += count;
  return get (d, buf, count, offset);
}

static struct readahead *
start (struct disk *d, const struct readahead_source_ops *o,
       struct readahead_options opts)
{
  int err;

  opts.size = d->size;
  if (opts.memory == 0)
    opts.memory = 8 * MiB;
  if (opts.request == 0)
    opts.request = 256 << 10;
  if (opts.connections == 0)
    opts.connections = 4;
  if (opts.fast_ns == 0)
    opts.fast_ns = -1;          /* every source is slow */
  if (opts.pause_ns == 0)
    opts.pause_ns = 1000000;
  d->max_request = opts.max_request;
  d->align = opts.min_request;
  d->ra = readahead_new (&opts, o, d, &err);
  MUST (d->ra != NULL);
  return d->ra;
}

static int
rd (struct disk *d, void *buf, uint32_t count, uint64_t offset)
{
  struct readahead_direct direct = { direct_pread, d };
  int err = 0, r;

  memset (buf, 0xaa, V2V_MIN (count, 16));
  r = readahead_pread (d->ra, &direct, buf, count, offset, &err);
  if (r == -1)
    MUST (err == ENOSPC);
  return r;
}

/* Read [start, end) in order, in pieces of COUNT, and compare. */
static void
read_all (struct disk *d, uint64_t from, uint64_t to, uint32_t count)
{
  char *buf = malloc (count);

  while (from < to) {
    uint32_t n = V2V_MIN (count, to - from);

    MUST (rd (d, buf, n, from) == 0);
    MUST (memcmp (buf, d->data + from, n) == 0);
    from += n;
  }
  free (buf);
}

static struct readahead_stats
stats (struct disk *d)
{
  struct readahead_stats st;

  readahead_get_stats (d->ra, &st);
  return st;
}

/* ---- Single behaviours. ---- */

/* A sequential reader gets nearly everything from buffers, and nothing
 * is read twice.
 */
static void
test_sequential (void **state)
{
  struct disk *d = new_disk (32 * MiB, NULL);
  struct readahead_stats st;

  (void) state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options) { 0 });
  read_all (d, 0, d->size, 64 << 10);
  st = stats (d);
  assert_int_equal (d->lane_bytes + d->direct_bytes, d->size);
  assert_true (st.hit_bytes > d->size / 10 * 9);
  assert_true (st.max_held_bytes <= 8 * MiB);
  readahead_free (d->ra);
  assert_int_equal (d->lanes_ended, st.lanes);
  free_disk (d);
}

/* Stopping somewhere costs at most one window. */
static void
test_partial (void **state)
{
  struct disk *d = new_disk (64 * MiB, NULL);

  (void) state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options) { .memory = 64 * MiB });
  read_all (d, 0, 32 * MiB, 128 << 10);
  readahead_free (d->ra);
  assert_true (d->lane_bytes + d->direct_bytes <= 32 * MiB + 16 * MiB);
  free_disk (d);
}

/* Reads of 1 MiB, one each NS, until ra_trial says !WHILE_IT_SAYS.  Gives
 * how many there were, at most MAX.
 */
static unsigned
trial_reads (struct readahead *ra, int64_t *now, int64_t ns,
             bool while_it_says, unsigned max)
{
  unsigned n;

  for (n = 0; n < max; ++n) {
    *now += ns;
    if (ra_trial (ra, MiB, *now) != while_it_says)
      break;
  }
  return n;
}

/* Where readahead has to prove itself, it rests unless it is faster. */
static void
test_trial (void **state)
{
  const int64_t ms = 1000000;
  struct disk *d = new_disk (1 * MiB, NULL);
  struct readahead *ra;
  int64_t now = 10 * NS_PER_S;

  (void) state;
  ra = start (d, &ops, (struct readahead_options) { .prove_ns = 500 * ms });

  /* Half a second without, from the first read on. */
  assert_int_equal (trial_reads (ra, &now, 10 * ms, false, 1000), 50);
  /* The lane is opened. */
  assert_int_equal (trial_reads (ra, &now, 10 * ms, true, 1000), 1000);
  /* Then it counts, and is as fast as without. */
  ra->stats.fetches += 2;
  assert_int_equal (trial_reads (ra, &now, 10 * ms, true, 1000), 10);
  /* It rests for 1 GiB (and is then off for the second trial). */
  assert_int_equal (trial_reads (ra, &now, 10 * ms, false, 5000), 1024 + 49);
  ra->stats.fetches += 2;
  assert_int_equal (trial_reads (ra, &now, 10 * ms, true, 1000), 10);
  /* Twice as long. */
  assert_int_equal (trial_reads (ra, &now, 10 * ms, false, 5000), 2048 + 49);
  /* Now it is faster, and keeps its right even if that changes. */
  ra->stats.fetches += 2;
  assert_int_equal (trial_reads (ra, &now, 8 * ms, true, 1000), 1000);
  assert_int_equal (trial_reads (ra, &now, 50 * ms, true, 1000), 1000);
  readahead_free (ra);

  /* A pause of the client is not part of the measurement. */
  ra = start (d, &ops, (struct readahead_options) { .prove_ns = 500 * ms });
  assert_int_equal (trial_reads (ra, &now, 10 * ms, false, 20), 20);
  now += 10 * NS_PER_S;
  assert_int_equal (trial_reads (ra, &now, 10 * ms, false, 1000), 50);
  readahead_free (ra);
  free_disk (d);
}

/* What is measured is neither a window that has yet to grow: the first fetch
 * is longer than the client's reads ...
 */
static void
test_trial_window (void **state)
{
  struct disk *d = new_disk (16 * MiB, NULL);

  (void) state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options) {
      .request = MiB, .prove_ns = 1 });
  do
    read_all (d, 0, d->size, 128 << 10);
  while (d->first_lane == 0);
  assert_true (d->first_lane > 128 << 10);
  readahead_free (d->ra);
  free_disk (d);
}

/* ... nor a source that says that it caches and does not. */
static void
test_trial_again (void **state)
{
  struct disk *d = new_disk (1 * MiB, NULL);
  int64_t now = 10 * NS_PER_S;
  struct readahead *ra;

  (void) state;
  ra = start (d, &ops, (struct readahead_options) { .prove_ns = 1 });
  trial_reads (ra, &now, 1000000, false, 1000);
  ra->stats.fetches += 2;
  assert_int_equal (trial_reads (ra, &now, 1000000, true, 50), 50);
  ra_trial_again (ra);
  /* As slow as without; but no fetch has counted yet. */
  assert_int_equal (trial_reads (ra, &now, 1000000, true, 1000), 1000);
  ra->stats.fetches += 2;
  assert_true (trial_reads (ra, &now, 1000000, true, 1000) < 1000);
  readahead_free (ra);
  free_disk (d);
}

/* Random reads fetch nothing and start no thread. */
static void
test_random (void **state)
{
  struct disk *d = new_disk (64 * MiB, NULL);
  unsigned seed = 1, i;
  char buf[BLOCK];

  (void) state;
  start (d, &ops, (struct readahead_options) { 0 });
  for (i = 0; i < 20000; ++i)
    assert_int_equal (rd (d, buf, BLOCK,
                          rnd (&seed) % (d->size / BLOCK) * BLOCK), 0);
  assert_true (stats (d).fetched_bytes * 20 <= 20000 * BLOCK);
  assert_int_equal (d->direct_bytes + stats (d).hit_bytes, 20000 * BLOCK);
  readahead_free (d->ra);
  free_disk (d);
}

/* After sequential reading, random access switches it off soon. */
static void
test_switch_off (void **state)
{
  struct disk *d = new_disk (64 * MiB, NULL);
  unsigned seed = 1, i, round;
  uint64_t fetched;
  char buf[BLOCK];

  (void) state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options) { 0 });
  read_all (d, 0, 8 * MiB, 64 << 10);
  /* What was on its way when the pattern changed still arrives, at the
   * pleasure of the scheduler: some round must be free of it.
   */
  for (round = 0; round < 20; ++round) {
    while (d->in_flight)
      nap (1000000);
    fetched = d->lane_bytes;
    for (i = 0; i < 500; ++i)
      rd (d, buf, BLOCK, rnd (&seed) % (d->size / BLOCK) * BLOCK);
    if (d->lane_bytes - fetched <= 500 * BLOCK / 20)
      break;
  }
  assert_true (round < 20);
  readahead_free (d->ra);
  free_disk (d);
}

/* A source that computes but never sleeps has no latency to hide. */
static void
test_fast (void **state)
{
  struct disk *d = new_disk (32 * MiB, NULL);

  (void) state;
  start (d, &ops, (struct readahead_options) { .fast_ns = 1000000000 });
  read_all (d, 0, d->size, 256 << 10);
  assert_int_equal (d->lane_calls, 0);
  assert_int_equal (stats (d).lanes, 0);
  readahead_free (d->ra);
  free_disk (d);
}

/* Failing fetches are not the client's errors, and pause prefetching,
 * although what the client's own thread fetches succeeds meanwhile.
 */
static void
test_errors (void **state)
{
  struct disk *d = new_disk (16 * MiB, NULL);
  unsigned calls;

  (void) state;
  d->fail_percent = 100;
  d->sleep = true;
  start (d, &ops, (struct readahead_options) {
      .connections = 4, .pause_ns = INT64_C (3600000000000) });
  /* Until lanes had their turn three times. */
  do
    read_all (d, 0, d->size, 64 << 10);
  while (stats (d).errors < 3);
  while (d->in_flight)
    nap (1000000);
  calls = d->lane_calls;
  assert_in_range (calls, 3, 3 + 3);
  read_all (d, 0, d->size, 64 << 10);
  assert_int_equal (d->lane_calls, calls);
  assert_int_equal (d->direct_bytes % d->size, 0);
  readahead_free (d->ra);
  free_disk (d);
}

/* ECANCELED is no error: prefetching goes on when it can. */
static void
test_canceled (void **state)
{
  struct disk *d = new_disk (16 * MiB, NULL);

  (void) state;
  d->fail_percent = 50;
  d->fail_errno = ECANCELED;
  d->sleep = true;
  start (d, &ops, (struct readahead_options) {
      .pause_ns = INT64_C (3600000000000) });
  read_all (d, 0, d->size, 64 << 10);
  assert_int_equal (stats (d).errors, 0);
  assert_true (stats (d).fetches > 0);
  readahead_free (d->ra);
  free_disk (d);
}

/* Only the client's own read can fail, with its own error. */
static void
test_direct_error (void **state)
{
  struct disk *d = new_disk (16 * MiB, NULL);
  char *buf = malloc (64 << 10);

  (void) state;
  d->direct_fail_percent = 100;
  start (d, &ops, (struct readahead_options) { 0 });
  assert_int_equal (rd (d, buf, 64 << 10, 0), -1);
  d->direct_fail_percent = 0;
  read_all (d, 0, d->size, 64 << 10);
  readahead_free (d->ra);
  free (buf);
  free_disk (d);
}

static void
change (struct disk *d, uint64_t b, unsigned nr, uint32_t version)
{
  struct readahead_write w;
  unsigned i;

  readahead_write_begin (d->ra, &w, (uint64_t) nr * BLOCK, b * BLOCK);
  pthread_rwlock_wrlock (&d->lock);
  for (i = 0; i < nr; ++i)
    fill_block (d, b + i, version);
  pthread_rwlock_unlock (&d->lock);
  readahead_write_end (d->ra, &w);
}

/* Read until buffers are there, write into them, read on. */
static void
test_write (void **state)
{
  struct disk *d = new_disk (16 * MiB, NULL);
  uint64_t p;

  (void) state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options) { 0 });
  readahead_set_writable (d->ra);
  read_all (d, 0, 2 * MiB, 64 << 10);
  for (p = 2 * MiB; p < d->size - MiB; p += 64 << 10) {
    change (d, p / BLOCK + 3, 2, 1);
    change (d, (p + MiB) / BLOCK - 1, 3, 2);
    read_all (d, p, p + (64 << 10), 64 << 10);
  }
  assert_true (stats (d).hit_bytes > MiB);
  readahead_free (d->ra);
  free_disk (d);
}

/* A write while the range is being fetched: the fetch has old bytes. */
static void
test_write_in_flight (void **state)
{
  struct disk *d = new_disk (16 * MiB, NULL);

  (void) state;
  start (d, &ops, (struct readahead_options) { .connections = 2 });
  d->gate = true;
  read_all (d, 0, 192 << 10, 64 << 10);
  while (d->at_gate == 0)
    nap (100000);
  /* The lane stands before the disk: let it read what is there now ... */
  change (d, (192 << 10) / BLOCK, 16, 5);
  /* ... and be sure that nobody waits for it or gets its data. */
  read_all (d, 192 << 10, 256 << 10, 64 << 10);
  d->gate = false;
  read_all (d, 256 << 10, d->size, 64 << 10);
  readahead_free (d->ra);
  free_disk (d);
}

/* Freeing waits for what is in flight, and only for that. */
static void *
open_gate (void *dv)
{
  struct disk *d = dv;

  nap (20000000);
  d->gate = false;
  return NULL;
}

static void
test_free_in_flight (void **state)
{
  struct disk *d = new_disk (16 * MiB, NULL);
  pthread_t t;
  unsigned calls;

  (void) state;
  start (d, &ops, (struct readahead_options) { 0 });
  d->gate = true;
  read_all (d, 0, 192 << 10, 64 << 10);
  while (d->at_gate == 0)
    nap (100000);
  pthread_create (&t, NULL, open_gate, d);
  readahead_free (d->ra);
  calls = d->lane_calls;
  assert_int_equal (d->in_flight, 0);
  assert_true (calls <= 4);
  pthread_join (t, NULL);
  free_disk (d);
}

/* Holes are never fetched, whether the client told of them or the engine
 * asked, and answered without the source while nobody writes.
 */
static const struct extmap_range holes[] = {
  { 1 * MiB, 9 * MiB, true },
  { 12 * MiB + 4096, 12 * MiB + 8192, true },
  { 14 * MiB, 14 * MiB + 512 * 1024, true },
  { 20 * MiB, 40 * MiB, true },
  { 0, 0, false }
};

static void
test_holes (void **state)
{
  struct disk *d = new_disk (48 * MiB, holes);

  (void) state;
  d->sleep = true;
  start (d, &ops_extents, (struct readahead_options) { 0 });
  read_all (d, 0, d->size, 64 << 10);
  assert_int_equal (d->hole_reads, 0);
  assert_int_equal (d->extents_calls, 1);
  assert_true (stats (d).zero_bytes > 20 * MiB);
  assert_true (d->lane_bytes + d->direct_bytes < 25 * MiB);
  readahead_free (d->ra);
  free_disk (d);
}

/* A client that skips holes is one reader. */
static void
test_skips_holes (void **state)
{
  struct disk *d = new_disk (48 * MiB, holes);
  struct readahead_stats st;
  uint64_t p = 0;
  int i, err;

  (void) state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options) { 0 });
  assert_int_equal (lane_extents (d, 0, d->size, 0,
                                  readahead_generation (d->ra), &err), 0);
  for (i = 0; i < 5; ++i) {
    uint64_t end = holes[i].end ? holes[i].start : d->size;

    read_all (d, p, end, 64 << 10);
    p = holes[i].end;
  }
  st = stats (d);
  assert_int_equal (d->hole_reads, 0);
  assert_int_equal (st.wasted_bytes, 0);
  assert_true (st.direct_bytes < MiB);
  assert_true (d->lane_bytes + d->direct_bytes < 20 * MiB);
  readahead_free (d->ra);
  free_disk (d);
}

/* No request of the source is longer than max_request. */
static void
test_max_request (void **state)
{
  struct disk *d = new_disk (32 * MiB, NULL);

  (void) state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options) {
      .max_request = 128 << 10, .request = 128 << 10, .connections = 1 });
  read_all (d, 0, 16 * MiB, 5 * MiB);
  read_all (d, 16 * MiB, d->size, 300000);
  assert_int_equal (d->over_max, 0);
  readahead_free (d->ra);
  free_disk (d);
}

/* One connection: one request at a time for a synchronous reader. */
static void
test_one_connection (void **state)
{
  struct disk *d = new_disk (16 * MiB, NULL);

  (void) state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options) { .connections = 1 });
  read_all (d, 0, d->size, 64 << 10);
  assert_true (d->max_in_flight <= 1);
  assert_true (stats (d).hit_bytes > d->size / 2);
  assert_int_equal (d->lane_bytes + d->direct_bytes, d->size);
  readahead_free (d->ra);
  free_disk (d);
}

/* Reads longer than a window, one at a time. */
static void
test_large_reads (void **state)
{
  struct disk *d = new_disk (128 * MiB, NULL);

  (void) state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options) { .memory = 32 * MiB });
  read_all (d, 0, d->size, 23 * MiB + 512);
  assert_true (stats (d).max_held_bytes <= 32 * MiB);
  assert_true (d->lane_bytes + d->direct_bytes <= d->size + 4096 * 64);
  readahead_free (d->ra);
  free_disk (d);
}

/* Requests of unaligned lengths; the source wants whole sectors.  The
 * client's are made by nbdkit, so the direct ones are not checked.
 */
static void
test_alignment (void **state)
{
  struct disk *d = new_disk (16 * MiB, NULL);

  (void) state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options) { .min_request = 512 });
  read_all (d, 1, d->size, 30011);
  assert_true (stats (d).hit_bytes > d->size / 2);
  readahead_free (d->ra);
  free_disk (d);
}

/* The source caches: it is asked to, and no memory is used. */
static void
test_cache (void **state)
{
  struct disk *d = new_disk (16 * MiB, NULL);

  (void) state;
  d->sleep = d->caches = true;
  d->latency_ns = 5000000;
  start (d, &ops_cache, (struct readahead_options) {
      .use_cache = true, .fast_ns = 1000000 });
  read_all (d, 0, d->size, 256 << 10);
  assert_true (d->cache_calls > 0);
  assert_int_equal (d->lane_bytes, 0);
  assert_int_equal (d->direct_bytes, d->size);
  assert_int_equal (stats (d).max_held_bytes, 0);
  readahead_free (d->ra);
  free_disk (d);
}

/* The source says that it caches, but reads stay slow: use buffers. */
static void
test_cache_lies (void **state)
{
  struct disk *d = new_disk (16 * MiB, NULL);

  (void) state;
  d->sleep = true;
  start (d, &ops_cache, (struct readahead_options) {
      .use_cache = true, .fast_ns = 1 });
  read_all (d, 0, d->size, 16 << 10);
  assert_true (d->cache_calls > 0);
  assert_true (stats (d).hit_bytes > d->size / 4);
  readahead_free (d->ra);
  free_disk (d);
}

/* As nbdcopy does: several connections, each with a range of its own at
 * a time, and some requests out of order.  What one reader was given is
 * not fetched for its neighbour.
 */
struct copier {
  struct disk *d;
  atomic_uint *next_range;
  uint64_t range;
};

static void *
copy_thread (void *cv)
{
  struct copier *c = cv;
  uint64_t r, i, n = c->range / (64 << 10);
  unsigned seed = 7;

  while ((r = (*c->next_range)++) < c->d->size / c->range) {
    uint64_t base = r * c->range;
    uint64_t held = UINT64_MAX;

    for (i = 0; i < n; ++i) {
      uint64_t p = base + i * (64 << 10);

      /* One in 20 comes later. */
      if (held == UINT64_MAX && rnd (&seed) % 20 == 0) {
        held = p;
        continue;
      }
      read_all (c->d, p, p + (64 << 10), 64 << 10);
      if (held != UINT64_MAX && (rnd (&seed) % 8 == 0 || i == n - 1)) {
        read_all (c->d, held, held + (64 << 10), 64 << 10);
        held = UINT64_MAX;
      }
    }
    if (held != UINT64_MAX)
      read_all (c->d, held, held + (64 << 10), 64 << 10);
  }
  return NULL;
}

static void
test_many_streams (void **state)
{
  struct disk *d = new_disk (128 * MiB, NULL);
  atomic_uint next_range = 0;
  struct copier c = { d, &next_range, 8 * MiB };
  struct readahead_stats st;
  pthread_t t[4];
  int i;

  (void) state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options) { .memory = 64 * MiB });
  for (i = 0; i < 4; ++i)
    pthread_create (&t[i], NULL, copy_thread, &c);
  for (i = 0; i < 4; ++i)
    pthread_join (t[i], NULL);
  st = stats (d);
  readahead_free (d->ra);
  assert_true (st.hit_bytes > d->size / 2);
  assert_true (d->lane_bytes + d->direct_bytes <= d->size / 50 * 51);
  free_disk (d);
}

/* Exports share the memory: what is too much is given up. */
static void
test_set_memory (void **state)
{
  struct disk *d = new_disk (32 * MiB, NULL);

  (void) state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options) { 0 });
  read_all (d, 0, 8 * MiB, 64 << 10);
  while (d->in_flight)
    nap (1000000);
  readahead_set_memory (d->ra, 512 << 10);
  assert_true (stats (d).held_bytes <= 512 << 10);
  read_all (d, 8 * MiB, d->size, 64 << 10);
  assert_true (stats (d).held_bytes <= 512 << 10);
  readahead_free (d->ra);
  free_disk (d);
}

/* ---- extmap against an array. ---- */

static void
test_extmap (void **state)
{
  enum { N = 300 };
  struct extmap m = { 0 };
  char ref[N];                  /* '?' unknown, 0, 1 */
  unsigned seed = 42, round, i;

  (void) state;
  memset (ref, '?', N);
  for (round = 0; round < 20000; ++round) {
    unsigned a = rnd (&seed) % N, b = a + rnd (&seed) % (N - a + 1);
    unsigned op = rnd (&seed) % 3;
    uint64_t ones = 0;

    if (op == 2) {
      extmap_forget (&m, a, b);
      memset (ref + a, '?', b - a);
    }
    else {
      extmap_set (&m, a, b, op);
      memset (ref + a, op, b - a);
    }
    for (i = 0; i < N; ++i) {
      const struct extmap_range *r = extmap_find (&m, i);

      if (ref[i] == '?')
        assert_true (r == NULL || r->start > i);
      else {
        assert_non_null (r);
        assert_true (r->start <= i && i < r->end && r->bit == ref[i]);
      }
      if (i >= a && i < b && ref[i] == 1)
        ones++;
    }
    assert_int_equal (extmap_count (&m, a, b, true), ones);
    for (i = 1; i < m.nr; ++i)
      assert_true (m.r[i-1].end < m.r[i].start ||
                   (m.r[i-1].end == m.r[i].start &&
                    m.r[i-1].bit != m.r[i].bit));
  }
  extmap_free (&m);
}

static void
test_extmap_full (void **state)
{
  struct extmap m = { 0 };
  uint64_t i;

  (void) state;
  for (i = 0; i <= EXTMAP_MAX; ++i)
    extmap_set (&m, i * 2, i * 2 + 1, true);
  assert_true (m.nr <= 1);
  extmap_free (&m);
}

/* ---- Everything at once, against a model. ---- */

/* Blocks have versions that only grow; each block has one writer.  A
 * reader must see at least what was acknowledged before it began and at
 * most what was begun before it ended.
 */
struct worker {
  struct disk *d;
  unsigned seed, nr, nr_workers;
  bool writes;
  unsigned rounds;
};

static void
model_read (struct worker *w, uint64_t p, uint64_t count, char *buf,
            unsigned *before)
{
  struct disk *d = w->d;
  uint64_t b, first = p / BLOCK, last = (p + count - 1) / BLOCK;

  for (b = first; b <= last; ++b)
    before[b - first] = d->acked[b];
  if (rd (d, buf, count, p) == -1) {
    MUST (d->direct_fail_percent > 0);
    return;
  }
  for (b = first; b <= last; ++b) {
    uint64_t s = V2V_MAX (p, b * BLOCK);
    uint64_t e = V2V_MIN (p + count, (b + 1) * BLOCK);
    bool hole = in_hole (d, b * BLOCK, (b + 1) * BLOCK) && !w->writes &&
      d->pending[b] == 0;

    for (; s < e; ++s) {
      /* Byte S of the disk, as its block number and version say. */
      union { uint64_t v; unsigned char c[8]; } u;
      unsigned version;

      if (hole) {
        MUST (buf[s - p] == 0);
        continue;
      }
      if (s % 8 != 0 || s + 8 > e)
        continue;
      memcpy (u.c, buf + (s - p), 8);
      version = u.v & 0xffffffff;
      if (u.v == 0 && in_hole (d, b * BLOCK, (b + 1) * BLOCK)) {
        MUST (before[b - first] == 0);
        continue;
      }
      MUST (u.v >> 32 == b);
      MUST (version >= before[b - first]);
      MUST (version <= d->pending[b]);
    }
  }
}

static void *
worker_main (void *wv)
{
  struct worker *w = wv;
  struct disk *d = w->d;
  uint64_t blocks = d->size / BLOCK;
  char *buf = malloc (3 * MiB);
  unsigned *before = malloc ((3 * MiB / BLOCK + 2) * sizeof *before);
  unsigned i, j;

  for (i = 0; i < w->rounds; ++i) {
    unsigned op = rnd (&w->seed) % 16;

    if (op < 8) {
      /* A sequential run, with some steps back and jumps. */
      uint64_t p = (uint64_t) rnd (&w->seed) * 512 % d->size;
      uint32_t count = 1 + rnd (&w->seed) % (op == 0 ? 2 * MiB : 100000);

      if (op & 1)
        p -= p % BLOCK;
      for (j = 0; j < 10 && p + count <= d->size; ++j) {
        model_read (w, p, count, buf, before);
        p += count;
        if (rnd (&w->seed) % 16 == 0)
          p -= V2V_MIN (p, 2 * count);
        if (rnd (&w->seed) % 16 == 0)
          p += 100000;
      }
    }
    else if (op < 11) {
      uint32_t count = 1 + rnd (&w->seed) % 20000;

      model_read (w, (uint64_t) rnd (&w->seed) * 16 % (d->size - count),
                  count, buf, before);
    }
    else if (op < 15 && w->writes) {
      /* Blocks whose number is NR modulo NR_WORKERS, in groups of 16. */
      uint64_t g = rnd (&w->seed) % (blocks / 16 / w->nr_workers);
      uint64_t b = (g * w->nr_workers + w->nr) * 16 + rnd (&w->seed) % 16;
      unsigned nr = 1 + rnd (&w->seed) % (16 - b % 16);
      struct readahead_write wr;

      for (j = 0; j < nr; ++j)
        d->pending[b + j]++;
      readahead_write_begin (d->ra, &wr, (uint64_t) nr * BLOCK, b * BLOCK);
      pthread_rwlock_wrlock (&d->lock);
      for (j = 0; j < nr; ++j)
        fill_block (d, b + j, d->pending[b + j]);
      pthread_rwlock_unlock (&d->lock);
      readahead_write_end (d->ra, &wr);
      for (j = 0; j < nr; ++j)
        d->acked[b + j]++;
    }
    else if (op == 15)
      readahead_set_memory (d->ra, (1 + rnd (&w->seed) % 16) * MiB / 2);
  }
  free (buf);
  free (before);
  return NULL;
}

static void
test_model (void **state)
{
  unsigned round, seed = 12345, i, nr;
  const char *rounds = getenv ("READAHEAD_ROUNDS");

  (void) state;
  for (round = 0; round < (rounds ? (unsigned) atoi (rounds) : 24); ++round) {
    struct disk *d = new_disk (16 * MiB, round & 1 ? holes : NULL);
    struct worker w[6];
    pthread_t t[6];
    bool writes = round & 2;
    static const unsigned conns[] = { 1, 2, 4, 8 };
    struct readahead_options opts = {
      .memory = (1 + rnd (&seed) % 16) * MiB / 2,
      .request = 64 << (10 + rnd (&seed) % 5),
      .max_request = rnd (&seed) % 4 == 0 ? 64 << 10 : 0,
      .min_request = rnd (&seed) % 3 == 0 ? 512 : 1,
      .connections = conns[rnd (&seed) % 4],
      .busy_depth = rnd (&seed) % 4 == 0 ? 4 : 0,
      .serial = rnd (&seed) % 4 == 0,
      .use_cache = round % 5 == 4,
      .fast_ns = round % 3 == 0 ? 1 : -1,
    };

    d->sleep = round % 3 != 2;
    if (round % 4 >= 2)
      d->fail_percent = 10;
    if (round % 8 == 5)
      d->direct_fail_percent = 1;
    start (d, opts.use_cache ? &ops_cache :
           round & 1 ? &ops_extents : &ops, opts);
    if (writes)
      readahead_set_writable (d->ra);
    nr = 1 + round % 6;
    for (i = 0; i < nr; ++i) {
      w[i] = (struct worker) {
        .d = d, .seed = round * 100 + i, .nr = i, .nr_workers = nr,
        .writes = writes, .rounds = 20 + rnd (&seed) % 60,
      };
      pthread_create (&t[i], NULL, worker_main, &w[i]);
    }
    for (i = 0; i < nr; ++i)
      pthread_join (t[i], NULL);
    assert_int_equal (d->over_max, 0);
    /* Whatever is in flight now. */
    readahead_free (d->ra);
    assert_int_equal (d->in_flight, 0);
    free_disk (d);
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_extmap),
    cmocka_unit_test (test_extmap_full),
    cmocka_unit_test (test_sequential),
    cmocka_unit_test (test_partial),
    cmocka_unit_test (test_trial),
    cmocka_unit_test (test_trial_window),
    cmocka_unit_test (test_trial_again),
    cmocka_unit_test (test_random),
    cmocka_unit_test (test_switch_off),
    cmocka_unit_test (test_fast),
    cmocka_unit_test (test_errors),
    cmocka_unit_test (test_canceled),
    cmocka_unit_test (test_direct_error),
    cmocka_unit_test (test_write),
    cmocka_unit_test (test_write_in_flight),
    cmocka_unit_test (test_free_in_flight),
    cmocka_unit_test (test_holes),
    cmocka_unit_test (test_skips_holes),
    cmocka_unit_test (test_max_request),
    cmocka_unit_test (test_one_connection),
    cmocka_unit_test (test_large_reads),
    cmocka_unit_test (test_alignment),
    cmocka_unit_test (test_cache),
    cmocka_unit_test (test_cache_lies),
    cmocka_unit_test (test_many_streams),
    cmocka_unit_test (test_set_memory),
    cmocka_unit_test (test_model),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
