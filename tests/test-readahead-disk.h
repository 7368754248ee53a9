/* SPDX-License-Identifier: BSD-3-Clause */

/* A disk in memory for the tests of the readahead engine, that can be slow,
 * stop and fail.  Each block holds its number and a version.
 */

#ifndef TEST_READAHEAD_DISK_H
#define TEST_READAHEAD_DISK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "extmap.h"
#include "readahead.h"

#define MiB (UINT64_C (1) << 20)
#define BLOCK 4096

/* cmocka's assertions only work in the main thread. */
#define MUST(cond) \
  do { \
    if (!(cond)) { \
      fprintf (stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
      abort (); \
    } \
  } while (0)

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
  atomic_uint first_lane; /* length of the first fetch */
  atomic_uint over_max;   /* requests longer than max_request */
  uint32_t max_request, align;

  /* What the source does. */
  atomic_uint fail_percent; /* of the lanes' calls */
  atomic_uint direct_fail_percent;
  atomic_int fail_errno;
  bool sleep;
  long latency_ns;  /* rather this, if > 0 */
  bool caches;      /* lane_cache does what it says */
  atomic_bool gate; /* lanes stop here until it opens */
  atomic_uint at_gate;

  struct readahead *ra;
};

/* What the engine is given to fetch from: struct disk is its opaque. */
extern const struct readahead_source_ops ops;
extern const struct readahead_source_ops ops_extents;
extern const struct readahead_source_ops ops_cache;

/* How a client's own thread reads; opaque is struct disk. */
extern int
direct_pread (void *dv, void *buf, uint32_t count, uint64_t offset, int *err);

/* WITHOUT: its holes, ended by an empty one, or NULL. */
extern struct disk *
new_disk (uint64_t size, const struct extmap_range *without);
extern void free_disk (struct disk *d);
/* Make the engine, d->ra.  What OPTS leaves 0 gets a value for tests. */
extern struct readahead *
start (struct disk *d, const struct readahead_source_ops *o,
       struct readahead_options opts);
/* A client's read.  -1: its own request of the source failed. */
extern int rd (struct disk *d, void *buf, uint32_t count, uint64_t offset);
/* Read [FROM, TO) in order, in pieces of COUNT, and compare. */
extern void
read_all (struct disk *d, uint64_t from, uint64_t to, uint32_t count);
extern struct readahead_stats stats (struct disk *d);

extern int lane_extents (void *dv, unsigned lane, uint32_t count,
                         uint64_t offset, uint64_t generation, int *err);
extern bool in_hole (const struct disk *d, uint64_t start, uint64_t end);
/* Make block B of version VERSION. */
extern void fill_block (struct disk *d, uint64_t b, uint32_t version);

/* For holes: most of 48 MiB; ends with an empty one. */
extern const struct extmap_range holes[];

extern uint32_t rnd (unsigned *seed);
extern void nap (long ns);

#endif /* TEST_READAHEAD_DISK_H */
