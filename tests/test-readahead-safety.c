/* SPDX-License-Identifier: BSD-3-Clause */

/* The readahead engine against a disk in memory: errors, writes, the end, and
 * everything at once from several threads.  Built twice: with ASan+UBSan and
 * with TSan.
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

/* Failing fetches are not the client's errors, and pause prefetching,
 * although what the client's own thread fetches succeeds meanwhile.
 */
static void
test_errors (void **state)
{
  struct disk *d = new_disk (16 * MiB, NULL);
  unsigned calls;

  (void)state;
  d->fail_percent = 100;
  d->sleep = true;
  start (d, &ops,
         (struct readahead_options){ .connections = 4,
                                     .pause_ns = INT64_C (3600000000000) });
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

/* Three failures of lanes in a row pause prefetching; what clients' own
 * threads fetch in between, well or not, does not count.
 */
static void
test_errors_in_a_row (void **state)
{
  struct disk *d = new_disk (16 * MiB, NULL);
  const struct readahead_direct direct = { direct_pread, d };
  struct readahead *ra;
  unsigned i;

  (void)state;
  ra = start (d, &ops, (struct readahead_options){ 0 });
  d->fail_percent = 100;
  pthread_mutex_lock (&ra->lock);
  for (i = 0; i < 3; ++i) {
    assert_true (ra->pause_until == 0);
    d->direct_fail_percent = i == 1 ? 100 : 0;
    ra_fetch (ra,
              segments_add (&ra->segs, 2 * i * MiB, 2 * i * MiB + BLOCK, true,
                            ra->memory),
              0, &direct);
    ra_fetch (ra,
              segments_add (&ra->segs, (2 * i + 1) * MiB,
                            (2 * i + 1) * MiB + BLOCK, true, ra->memory),
              0, NULL);
  }
  assert_true (ra->pause_until > 0);
  assert_int_equal (ra->stats.errors, 3);
  pthread_mutex_unlock (&ra->lock);
  readahead_free (ra);
  free_disk (d);
}

/* ECANCELED is no error: prefetching goes on when it can. */
static void
test_canceled (void **state)
{
  struct disk *d = new_disk (16 * MiB, NULL);

  (void)state;
  d->fail_percent = 50;
  d->fail_errno = ECANCELED;
  d->sleep = true;
  start (d, &ops,
         (struct readahead_options){ .pause_ns = INT64_C (3600000000000) });
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

  (void)state;
  d->direct_fail_percent = 100;
  start (d, &ops, (struct readahead_options){ 0 });
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

  readahead_write_begin (d->ra, &w, (uint64_t)nr * BLOCK, b * BLOCK);
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

  (void)state;
  d->sleep = true;
  start (d, &ops, (struct readahead_options){ 0 });
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

  (void)state;
  start (d, &ops, (struct readahead_options){ .connections = 2 });
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

  (void)state;
  start (d, &ops, (struct readahead_options){ 0 });
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
      union {
        uint64_t v;
        unsigned char c[8];
      } u;
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
      uint64_t p = (uint64_t)rnd (&w->seed) * 512 % d->size;
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

      model_read (w, (uint64_t)rnd (&w->seed) * 16 % (d->size - count), count,
                  buf, before);
    }
    else if (op < 15 && w->writes) {
      /* Blocks whose number is NR modulo NR_WORKERS, in groups of 16. */
      uint64_t g = rnd (&w->seed) % (blocks / 16 / w->nr_workers);
      uint64_t b = (g * w->nr_workers + w->nr) * 16 + rnd (&w->seed) % 16;
      unsigned nr = 1 + rnd (&w->seed) % (16 - b % 16);
      struct readahead_write wr;

      for (j = 0; j < nr; ++j)
        d->pending[b + j]++;
      readahead_write_begin (d->ra, &wr, (uint64_t)nr * BLOCK, b * BLOCK);
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

  (void)state;
  for (round = 0; round < (rounds ? (unsigned)atoi (rounds) : 24); ++round) {
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
    start (d,
           opts.use_cache ? &ops_cache
           : round & 1    ? &ops_extents
                          : &ops,
           opts);
    if (writes)
      readahead_set_writable (d->ra);
    nr = 1 + round % 6;
    for (i = 0; i < nr; ++i) {
      w[i] = (struct worker){
        .d = d,
        .seed = round * 100 + i,
        .nr = i,
        .nr_workers = nr,
        .writes = writes,
        .rounds = 20 + rnd (&seed) % 60,
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
    cmocka_unit_test (test_errors),
    cmocka_unit_test (test_errors_in_a_row),
    cmocka_unit_test (test_canceled),
    cmocka_unit_test (test_direct_error),
    cmocka_unit_test (test_write),
    cmocka_unit_test (test_write_in_flight),
    cmocka_unit_test (test_free_in_flight),
    cmocka_unit_test (test_model),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
