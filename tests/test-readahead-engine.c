/* SPDX-License-Identifier: BSD-3-Clause */

/* The readahead engine against a disk in memory: what it fetches, when, and
 * what not.  Built twice: with ASan+UBSan and with TSan.
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
#include "readahead.h"
#include "test-readahead-disk.h"

/* A sequential reader gets nearly everything from buffers, and nothing
 * is read twice.
 */
static void
test_sequential (void **state)
{
  struct disk *d = new_disk (32 * MiB, NULL);
  struct readahead_stats st;

  (void)state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options){ 0 });
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

  (void)state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options){ .memory = 64 * MiB });
  read_all (d, 0, 32 * MiB, 128 << 10);
  readahead_free (d->ra);
  assert_true (d->lane_bytes + d->direct_bytes <= 32 * MiB + 16 * MiB);
  free_disk (d);
}

/* Reads of 1 MiB, one each NS, until ra_trial says !WHILE_IT_SAYS.  Gives
 * how many there were, at most MAX.
 */
static unsigned
trial_reads (struct readahead *ra, int64_t *now, int64_t ns, bool while_it_says,
             unsigned max)
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

  (void)state;
  ra = start (d, &ops, (struct readahead_options){ .prove_ns = 500 * ms });

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
  ra = start (d, &ops, (struct readahead_options){ .prove_ns = 500 * ms });
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

  (void)state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options){ .request = MiB, .prove_ns = 1 });
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

  (void)state;
  ra = start (d, &ops, (struct readahead_options){ .prove_ns = 1 });
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

  (void)state;
  start (d, &ops, (struct readahead_options){ 0 });
  for (i = 0; i < 20000; ++i)
    assert_int_equal (
      rd (d, buf, BLOCK, rnd (&seed) % (d->size / BLOCK) * BLOCK), 0);
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

  (void)state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options){ 0 });
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

  (void)state;
  start (d, &ops, (struct readahead_options){ .fast_ns = 1000000000 });
  read_all (d, 0, d->size, 256 << 10);
  assert_int_equal (d->lane_calls, 0);
  assert_int_equal (stats (d).lanes, 0);
  readahead_free (d->ra);
  free_disk (d);
}

/* Holes are never fetched, whether the client told of them or the engine
 * asked, and answered without the source while nobody writes.
 */

static void
test_holes (void **state)
{
  struct disk *d = new_disk (48 * MiB, holes);

  (void)state;
  d->sleep = true;
  start (d, &ops_extents, (struct readahead_options){ 0 });
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

  (void)state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options){ 0 });
  assert_int_equal (
    lane_extents (d, 0, d->size, 0, readahead_generation (d->ra), &err), 0);
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

/* No request of the source is longer than max_request, even if that is less
 * than what fetches are aligned to otherwise.
 */
static void
test_max_request (void **state)
{
  static const struct readahead_options limits[] = {
    { .max_request = 128 << 10, .request = 128 << 10, .connections = 1 },
    { .max_request = 192 << 10, .request = 128 << 10, .connections = 4 },
    { .max_request = 1536, .request = 1536, .min_request = 512 },
  };
  size_t i;

  (void)state;
  for (i = 0; i < V2V_ARRAY_SIZE (limits); ++i) {
    struct disk *d = new_disk (8 * MiB, NULL);

    d->sleep = i < 2;
    start (d, &ops, limits[i]);
    read_all (d, 0, 5 * MiB, 5 * MiB / 2);
    read_all (d, 5 * MiB, d->size, 300000);
    assert_int_equal (d->over_max, 0);
    readahead_free (d->ra);
    free_disk (d);
  }
}

/* One connection: one request at a time for a synchronous reader. */
static void
test_one_connection (void **state)
{
  struct disk *d = new_disk (16 * MiB, NULL);

  (void)state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options){ .connections = 1 });
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

  (void)state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options){ .memory = 32 * MiB });
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

  (void)state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options){ .min_request = 512 });
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

  (void)state;
  d->sleep = d->caches = true;
  d->latency_ns = 5000000;
  start (d, &ops_cache,
         (struct readahead_options){ .use_cache = true, .fast_ns = 1000000 });
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

  (void)state;
  d->sleep = true;
  start (d, &ops_cache,
         (struct readahead_options){ .use_cache = true, .fast_ns = 1 });
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

  (void)state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options){ .memory = 64 * MiB });
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

  (void)state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options){ 0 });
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

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_sequential),
    cmocka_unit_test (test_partial),
    cmocka_unit_test (test_trial),
    cmocka_unit_test (test_trial_window),
    cmocka_unit_test (test_trial_again),
    cmocka_unit_test (test_random),
    cmocka_unit_test (test_switch_off),
    cmocka_unit_test (test_fast),
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
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
