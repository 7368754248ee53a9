/* SPDX-License-Identifier: BSD-3-Clause */

/* See test-readahead-disk.h. */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "v2v-utils.h"

#include "readahead.h"
#include "test-readahead-disk.h"

const struct extmap_range holes[] = { { 1 * MiB, 9 * MiB, true },
                                      { 12 * MiB + 4096, 12 * MiB + 8192,
                                        true },
                                      { 14 * MiB, 14 * MiB + 512 * 1024, true },
                                      { 20 * MiB, 40 * MiB, true },
                                      { 0, 0, false } };

uint32_t
rnd (unsigned *seed)
{
  *seed = *seed * 1103515245 + 12345;
  return *seed >> 8;
}

void
nap (long ns)
{
  nanosleep (&(struct timespec){ .tv_nsec = ns }, NULL);
}

bool
in_hole (const struct disk *d, uint64_t start, uint64_t end)
{
  const struct extmap_range *h;

  for (h = d->holes; h && h->end; ++h)
    if (h->start <= start && end <= h->end)
      return true;
  return false;
}

void
fill_block (struct disk *d, uint64_t b, uint32_t version)
{
  uint64_t *p = (uint64_t *)(d->data + b * BLOCK);
  size_t i;

  for (i = 0; i < BLOCK / sizeof *p; ++i)
    p[i] = b << 32 | version;
}

struct disk *
new_disk (uint64_t size, const struct extmap_range *without)
{
  struct disk *d = calloc (1, sizeof *d);
  uint64_t b;

  d->size = size;
  d->holes = without;
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

void
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
lane_pread (void *dv, unsigned lane, void *buf, uint32_t count, uint64_t offset,
            int *err)
{
  struct disk *d = dv;
  int r;

  (void)lane;
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
lane_cache (void *dv, unsigned lane, uint32_t count, uint64_t offset, int *err)
{
  struct disk *d = dv;
  int r;

  (void)lane;
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

int
lane_extents (void *dv, unsigned lane, uint32_t count, uint64_t offset,
              uint64_t generation, int *err)
{
  struct disk *d = dv;
  const struct extmap_range *h;
  uint64_t p = offset, end = offset + count;

  (void)lane;
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

  (void)lane;
  d->lanes_ended++;
}

const struct readahead_source_ops ops = {
  .pread = lane_pread,
  .lane_end = lane_end,
};
const struct readahead_source_ops ops_extents = {
  .pread = lane_pread,
  .extents = lane_extents,
  .lane_end = lane_end,
};
const struct readahead_source_ops ops_cache = {
  .pread = lane_pread,
  .cache = lane_cache,
  .lane_end = lane_end,
};

int
direct_pread (void *dv, void *buf, uint32_t count, uint64_t offset, int *err)
{
  struct disk *d = dv;

  if (d->sleep &&
      !(d->cached[offset / BLOCK] && d->cached[(offset + count - 1) / BLOCK]))
    nap (V2V_MAX (d->latency_ns, 100000));
  if (maybe_fail (d, &d->direct_fail_percent, offset, err) == -1) {
    *err = ENOSPC; /* no lane ever reports this one */
    return -1;
  }
  d->direct_bytes += count;
  return get (d, buf, count, offset);
}

struct readahead *
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
    opts.fast_ns = -1; /* every source is slow */
  if (opts.pause_ns == 0)
    opts.pause_ns = 1000000;
  d->max_request = opts.max_request;
  d->align = opts.min_request;
  d->ra = readahead_new (&opts, o, d, &err);
  MUST (d->ra != NULL);
  return d->ra;
}

int
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
void
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

struct readahead_stats
stats (struct disk *d)
{
  struct readahead_stats st;

  readahead_get_stats (d->ra, &st);
  return st;
}
