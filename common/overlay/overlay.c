/* SPDX-License-Identifier: BSD-3-Clause */

/* The overlay engine: opening, reading, caching.  The map, the locks and
 * the invariants are described in engine.h.
 *
 * Reading takes no lock while everything asked for is known: it looks at
 * the planes, reads runs of valid blocks from the store and clears runs of
 * zero blocks.  For absent blocks see fill.c; with copy-on-read off they
 * are read straight into the caller's buffer and nothing is kept.
 */

#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "v2v-utils.h"

/* One read of the store, so that a reader that collides with eviction
 * does not do too much again.
 */
#define MAX_RUN (4 * 1024 * 1024 / BLOCK)
#define MAX_GAPS 16

static void
free_overlay (struct overlay *ov)
{
  ov_store_free (ov);
  ov_holes_free (ov);
  ov_map_free (ov);
  pthread_mutex_destroy (&ov->file_lock);
  pthread_mutex_destroy (&ov->holes_lock);
  pthread_cond_destroy (&ov->holes_known);
  pthread_mutex_destroy (&ov->evict_lock);
  pthread_mutex_destroy (&ov->flush_lock);
  pthread_mutex_destroy (&ov->prefetch_lock);
  free (ov->dir);
  free (ov->name);
  free (ov->identity);
  free (ov);
}

static bool
power_of_2 (uint32_t n)
{
  return n && (n & (n - 1)) == 0;
}

static int
set_options (struct overlay *ov, const struct overlay_options *options)
{
  struct overlay_options *opt = &ov->opt;
  const char *dir = options->dir;

  *opt = *options;
  if (dir == NULL)
    dir = getenv ("TMPDIR");
  if (dir == NULL || dir[0] == '\0')
    dir = "/var/tmp";
  ov->dir = strdup (dir);
  ov->name = strdup (options->name ? options->name : "");
  ov->identity = strdup (options->identity ? options->identity : "");
  if (!ov->dir || !ov->name || !ov->identity) {
    errno = ENOMEM;
    return -1;
  }
  opt->dir = ov->dir;
  opt->name = ov->name;
  opt->identity = ov->identity;

  if (opt->min_request == 0)
    opt->min_request = 1;
  if (opt->max_request == 0)
    opt->max_request = 32 * 1024 * 1024;
  if (opt->fetch_unit == 0)
    opt->fetch_unit = 64 * 1024;
  if (!power_of_2 (opt->min_request) || !power_of_2 (opt->fetch_unit)) {
    ov_log (ov, 'e',
            "minimum request %u and fetch unit %u "
            "must be powers of 2",
            opt->min_request, opt->fetch_unit);
    errno = EINVAL;
    return -1;
  }
  /* The unit is at least a block and what the source needs, at most what
   * one request may fetch.
   */
  opt->max_request -= opt->max_request % opt->min_request;
  if (opt->max_request == 0)
    opt->max_request = opt->min_request;
  opt->fetch_unit = V2V_MAX (opt->fetch_unit, opt->min_request);
  while (opt->fetch_unit > opt->max_request)
    opt->fetch_unit /= 2;
  opt->fetch_unit = V2V_MAX (opt->fetch_unit, BLOCK);

  ov->limit_blocks = opt->clean_limit / BLOCK;
  if (opt->clean_limit && ov->limit_blocks == 0)
    ov->limit_blocks = 1;
  atomic_init (&ov->copy_on_read, opt->copy_on_read);
  return 0;
}

struct overlay *
overlay_open (uint64_t size, const struct overlay_options *options, int *err)
{
  struct overlay *ov;

  ov = calloc (1, sizeof *ov);
  if (ov == NULL) {
    *err = errno;
    return NULL;
  }
  pthread_mutex_init (&ov->file_lock, NULL);
  pthread_mutex_init (&ov->holes_lock, NULL);
  pthread_cond_init (&ov->holes_known, NULL);
  pthread_mutex_init (&ov->evict_lock, NULL);
  pthread_mutex_init (&ov->flush_lock, NULL);
  pthread_mutex_init (&ov->prefetch_lock, NULL);
  ov->map_fd = ov->dir_fd = -1;
  ov->opt.log = options->log;
  ov->opt.log_opaque = options->log_opaque;

  *err = 0;
  if (size > INT64_MAX) {
    ov_log (ov, 'e', "an export of %llu bytes is too large",
            (unsigned long long)size);
    *err = EFBIG;
    goto fail;
  }
  ov->size = size;
  ov->nr_blocks = size / BLOCK + (size % BLOCK != 0);
  ov->nr_groups = (ov->nr_blocks + GROUP_BLOCKS - 1) / GROUP_BLOCKS;

  if (set_options (ov, options) == -1 || ov_map_init (ov) == -1 ||
      ov_holes_init (ov) == -1 || ov_store_init (ov) == -1) {
    *err = errno ? errno : ENOMEM;
    ov_log (ov, 'e', "cannot set up an overlay of %llu bytes: %s",
            (unsigned long long)size, strerror (*err));
    goto fail;
  }
  if (ov->opt.store == OVERLAY_STORE_PERSISTENT &&
      ov_persist_open (ov, err) == -1)
    goto fail;
  /* Find out now, not at the first write, if the directory is bad. */
  if (ov_store_open (ov, 0, err) == -1) {
    ov_persist_close (ov);
    goto fail;
  }
  return ov;

fail:
  free_overlay (ov);
  if (*err == 0)
    *err = EIO;
  return NULL;
}

void
overlay_close (struct overlay *ov)
{
  if (ov == NULL)
    return;
  overlay_prefetch_stop (ov);
  ov_persist_close (ov);
  free_overlay (ov);
}

uint64_t
overlay_size (const struct overlay *ov)
{
  return ov->size;
}

void
overlay_set_copy_on_read (struct overlay *ov, bool on)
{
  /* Called for every read by some users: keep the cache line shared. */
  if (atomic_load_explicit (&ov->copy_on_read, memory_order_relaxed) != on)
    atomic_store (&ov->copy_on_read, on);
}

static void
mark_used (struct overlay *ov, uint64_t block, uint64_t n)
{
  uint64_t g;

  if (ov->limit_blocks == 0)
    return;
  for (g = block / GROUP_BLOCKS; g <= (block + n - 1) / GROUP_BLOCKS; ++g) {
    _Atomic uint8_t *side = ov_side (ov, g);

    if (!(atomic_load_explicit (side, memory_order_relaxed) & SIDE_USED))
      atomic_fetch_or_explicit (side, SIDE_USED, memory_order_relaxed);
  }
}

/* Read [pos, end), whose first N blocks are absent, without keeping it.
 * Short known runs in between are read over, then read from the store.
 */
static int
pass_through (struct overlay *ov, const struct overlay_source *src,
              uint8_t *buf, uint64_t pos, uint64_t end, uint64_t n,
              uint64_t *served, int *err)
{
  struct {
    uint64_t block, n;
  } gap[MAX_GAPS];
  size_t nr_gaps = 0, used_gaps = 0, i;
  const uint64_t last = (end + BLOCK - 1) / BLOCK;
  const uint64_t max = pos / BLOCK + V2V_MAX (ov->opt.max_request / BLOCK, 1);
  uint64_t block = pos / BLOCK, stop = block, run, to;
  enum block_state st = ST_ABSENT;

  while (block < V2V_MIN (last, max)) {
    if (n == 0)
      n = ov_run (ov, block, last - block, &st);
    if (st != ST_ABSENT) {
      if (n > GAP_BLOCKS || nr_gaps == MAX_GAPS)
        break;
      gap[nr_gaps].block = block;
      gap[nr_gaps++].n = n;
    }
    else {
      ov_holes_load (ov, src, block);
      if (ov_holes_type (ov, block, &run) & OVERLAY_EXTENT_ZERO)
        break;
      n = V2V_MIN (n, run);
      stop = block + n;
      used_gaps = nr_gaps;
    }
    block += n;
    n = 0;
  }
  stop = V2V_MIN (stop, max);
  to = V2V_MIN (stop * BLOCK, end);
  if (ov_source_read (ov, src, buf, to - pos, pos, err) == -1)
    return -1;
  for (i = 0; i < used_gaps; ++i) {
    const uint64_t from = gap[i].block * BLOCK;

    if (from >= to)
      break;
    if (overlay_pread (ov, src, buf + (from - pos),
                       V2V_MIN (gap[i].n * BLOCK, to - from), from, err) == -1)
      return -1;
  }
  *served = to - pos;
  return 0;
}

int
overlay_pread (struct overlay *ov, const struct overlay_source *src, void *buf,
               uint32_t count, uint64_t offset, int *err)
{
  const uint64_t end = offset + count;
  uint64_t pos = offset;

  while (pos < end) {
    uint8_t *p = (uint8_t *)buf + (pos - offset);
    const uint64_t block = pos / BLOCK;
    const uint64_t max = V2V_MIN ((end + BLOCK - 1) / BLOCK - block, MAX_RUN);
    const uint64_t g0 = block / GROUP_BLOCKS;
    const uint64_t g1 = (block + max - 1) / GROUP_BLOCKS;
    const uint64_t evictions = ov_evictions (ov, g0, g1);
    enum block_state st;
    uint64_t n = ov_run (ov, block, max, &st), run;
    uint64_t bytes = V2V_MIN ((block + n) * BLOCK, end) - pos;

    switch (st) {
    case ST_ZERO:
      memset (p, 0, bytes);
      break;

    case ST_VALID:
      overlay_race_point ();
      if (ov_store_read (ov, p, bytes, pos, err) == -1)
        return -1;
      if (ov_evictions (ov, g0, g1) != evictions)
        continue; /* invariant 5: it may have been punched */
      mark_used (ov, block, n);
      break;

    case ST_ABSENT:
      ov_holes_load (ov, src, block);
      if (ov_holes_type (ov, block, &run) & OVERLAY_EXTENT_ZERO) {
        /* Invariant 1: it may have been written since we looked, but
         * then that write was running at the same time.
         */
        bytes = V2V_MIN ((block + V2V_MIN (n, run)) * BLOCK, end) - pos;
        memset (p, 0, bytes);
        break;
      }
      if (atomic_load_explicit (&ov->copy_on_read, memory_order_relaxed) &&
          !atomic_load_explicit (&ov->store_full, memory_order_relaxed)) {
        if (ov_fill_read (ov, src, p, pos, end, &bytes, err) == -1)
          return -1;
      }
      else if (pass_through (ov, src, p, pos, end, n, &bytes, err) == -1)
        return -1;
      break;
    }
    pos += bytes;
  }
  return 0;
}

int
overlay_cache (struct overlay *ov, const struct overlay_source *src,
               uint32_t count, uint64_t offset, int *err)
{
  const uint64_t end = offset + count;
  uint64_t next, fetched;

  while (offset < end) {
    if (ov_fill_step (ov, src, offset, end, UINT32_MAX, true, &next, &fetched,
                      err) == -1)
      return -1;
    offset = next;
  }
  return 0;
}

void
overlay_get_stats (struct overlay *ov, struct overlay_stats *st)
{
  st->source_reads = atomic_load (&ov->source_reads);
  st->source_bytes = atomic_load (&ov->source_bytes);
  st->clean_bytes = atomic_load (&ov->clean_blocks) * BLOCK;
  st->dirty_bytes = atomic_load (&ov->dirty_blocks) * BLOCK;
  st->zero_bytes = atomic_load (&ov->zero_blocks) * BLOCK;
  st->evicted_bytes = atomic_load (&ov->evicted_blocks) * BLOCK;
}
