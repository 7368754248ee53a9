/* SPDX-License-Identifier: BSD-3-Clause */

/* Fetching from the source and keeping what came.
 *
 * A fill claims absent blocks by setting their fetch bits, reads the
 * source without any lock, and publishes those blocks that are still
 * claimed.  A write to a claimed block takes the claim away, so that the
 * newer data wins.  Who finds a block claimed waits until the bit is
 * clear: every block is fetched once, however many want it.
 *
 * How much is fetched: the request, rounded out to the fetch unit (which
 * grows when small reads come in sequence), as far as blocks are absent;
 * known blocks in between are read over if they are few.  Holes of the
 * source end a fetch.  It is one request to the source.
 */

#include <config.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "v2v-utils.h"

#define MAX_CLAIMS 32

/* Requests of at most this size make a growing fetch unit worthwhile. */
#define SMALL_REQUEST (64 * 1024)

struct fill {
  size_t nr;
  struct {
    uint64_t block, n;
  } claim[MAX_CLAIMS]; /* ascending */
};

static uint64_t
fill_first (const struct fill *f)
{
  return f->claim[0].block;
}

static uint64_t
fill_last (const struct fill *f)
{
  return f->claim[f->nr - 1].block + f->claim[f->nr - 1].n;
}

static int
read_piece (struct overlay *ov, const struct overlay_source *src, void *buf,
            uint32_t count, uint64_t offset, int *err)
{
  atomic_fetch_add_explicit (&ov->source_reads, 1, memory_order_relaxed);
  atomic_fetch_add_explicit (&ov->source_bytes, count, memory_order_relaxed);
  *err = 0;
  if (src->ops->pread (src->opaque, buf, count, offset, err) == -1) {
    if (*err <= 0)
      *err = EIO;
    return -1;
  }
  return 0;
}

int
ov_source_read (struct overlay *ov, const struct overlay_source *src, void *buf,
                uint64_t count, uint64_t offset, int *err)
{
  const uint32_t min = ov->opt.min_request, max = ov->opt.max_request;
  uint8_t *p = buf;

  while (count > 0) {
    const uint64_t from = v2v_round_down (offset, min);
    const uint64_t to = V2V_MIN (v2v_round_up (offset + count, min), ov->size);
    const uint32_t n = V2V_MIN (to - from, max);
    uint32_t got;

    if (from == offset && n <= count) {
      if (read_piece (ov, src, p, n, offset, err) == -1)
        return -1;
      got = n;
    }
    else {
      /* Not aligned as the source wants it. */
      CLEANUP_FREE uint8_t *bounce = malloc (n);

      if (bounce == NULL) {
        *err = ENOMEM;
        return -1;
      }
      if (read_piece (ov, src, bounce, n, from, err) == -1)
        return -1;
      got = V2V_MIN (n - (offset - from), count);
      memcpy (p, bounce + (offset - from), got);
    }
    p += got;
    offset += got;
    count -= got;
  }
  return 0;
}

static void
wait_for_block (struct overlay *ov, uint64_t block)
{
  const uint64_t g = block / GROUP_BLOCKS;
  const uint64_t bit = UINT64_C (1) << (block % GROUP_BLOCKS);
  struct stripe *s = ov_stripe (ov, g);
  struct group *gr = ov_group (ov, g);

  if (gr == NULL)
    return;
  pthread_mutex_lock (&s->lock);
  while (atomic_load_explicit (&gr->fetch, memory_order_relaxed) & bit)
    pthread_cond_wait (&s->filled, &s->lock);
  pthread_mutex_unlock (&s->lock);
}

/* Claim the absent blocks of [first, last), which holds WANTED, in
 * ascending order.  Stops at what another thread claims, at holes of the
 * source, at long known runs.  Blocks before WANTED are only taken if
 * they are contiguous with it.
 */
static int
claim (struct overlay *ov, struct fill *f, uint64_t first, uint64_t wanted,
       uint64_t last, int *err)
{
  uint64_t cur = wanted, run;
  enum block_state st;

  f->nr = 0;
  overlay_race_point ();

  /* Look backwards without lock; what is seen is checked again below. */
  while (cur > first) {
    const struct group *gr = ov_group (ov, (cur - 1) / GROUP_BLOCKS);

    if (ov_state (ov, cur - 1) != ST_ABSENT ||
        (ov_holes_type (ov, cur - 1, &run) & OVERLAY_EXTENT_ZERO) ||
        (gr && ((atomic_load (&gr->fetch) >> ((cur - 1) % GROUP_BLOCKS)) & 1)))
      break;
    cur--;
  }

  while (cur < last) {
    const uint64_t g = cur / GROUP_BLOCKS;
    const uint64_t end = V2V_MIN (last, (g + 1) * GROUP_BLOCKS);
    struct stripe *s = ov_stripe (ov, g);
    struct group *gr = ov_group_get (ov, g);
    bool stop = false;

    if (gr == NULL) {
      *err = ENOMEM;
      return -1;
    }
    pthread_mutex_lock (&s->lock);
    while (cur < end && !stop) {
      const unsigned bit = cur % GROUP_BLOCKS;
      const uint64_t fetch = atomic_load_explicit (&gr->fetch,
                                                   memory_order_relaxed);
      uint64_t n = ov_run (ov, cur, end - cur, &st), hole, free_n;

      if (st != ST_ABSENT) {
        if (f->nr > 0 && cur + n - fill_last (f) > GAP_BLOCKS)
          stop = true;
        cur += n;
        continue;
      }
      if (ov_holes_type (ov, cur, &hole) & OVERLAY_EXTENT_ZERO) {
        stop = true;
        continue;
      }
      n = V2V_MIN (n, hole);
      free_n = fetch >> bit;
      free_n = free_n ? (uint64_t)__builtin_ctzll (free_n) : GROUP_BLOCKS;
      n = V2V_MIN (n, free_n);
      if (n == 0) {
        stop = true;
        continue;
      }
      if (f->nr > 0 && fill_last (f) == cur)
        f->claim[f->nr - 1].n += n;
      else if (f->nr == MAX_CLAIMS) {
        stop = true;
        continue;
      }
      else {
        f->claim[f->nr].block = cur;
        f->claim[f->nr].n = n;
        f->nr++;
      }
      atomic_store_explicit (&gr->fetch, fetch | ov_mask (bit, n),
                             memory_order_relaxed);
      cur += n;
    }
    pthread_mutex_unlock (&s->lock);
    if (stop)
      break;
  }
  return 0;
}

static void
clear_fetch (struct overlay *ov, uint64_t g, struct group *gr, uint64_t mask)
{
  const uint64_t f = atomic_load_explicit (&gr->fetch, memory_order_relaxed);

  if (f & mask) {
    atomic_store_explicit (&gr->fetch, f & ~mask, memory_order_release);
    pthread_cond_broadcast (&ov_stripe (ov, g)->filled);
  }
}

/* Give up what is left of the claims. */
static void
release (struct overlay *ov, struct fill *f)
{
  size_t i;

  for (i = 0; i < f->nr; ++i) {
    uint64_t b = f->claim[i].block;
    const uint64_t last = b + f->claim[i].n;

    while (b < last) {
      const uint64_t g = b / GROUP_BLOCKS;
      const uint64_t n = V2V_MIN (last, (g + 1) * GROUP_BLOCKS) - b;
      struct stripe *s = ov_stripe (ov, g);

      pthread_mutex_lock (&s->lock);
      clear_fetch (ov, g, ov_group (ov, g), ov_mask (b % GROUP_BLOCKS, n));
      pthread_mutex_unlock (&s->lock);
      b += n;
    }
  }
  f->nr = 0;
}

/* Publish blocks [*b, end) of one group.  The stripe is locked.  *B moves
 * on with every run that was done, so that after an error the rest can be
 * tried again or released: a bit before *B may be another thread's claim
 * by then.
 */
static int
publish_group (struct overlay *ov, uint64_t g, struct group *gr, uint64_t *b,
               uint64_t end, const uint8_t *data, int *err)
{
  const uint64_t fetch = atomic_load_explicit (&gr->fetch,
                                               memory_order_relaxed);
  const uint64_t base = *b;

  while (*b < end) {
    const uint64_t offset = *b * BLOCK;
    const uint8_t *p = data + (*b - base) * BLOCK;
    const unsigned bit = *b % GROUP_BLOCKS;
    uint64_t n = 1, bytes, at, len;
    bool ours, zero = false;

    /* The longest run of one kind: taken by a write, zero, or data. */
    ours = (fetch >> bit) & 1;
    if (ours)
      zero = ov_is_zero (p, V2V_MIN (BLOCK, ov->size - offset));
    for (; *b + n < end; ++n) {
      if (((fetch >> (bit + n)) & 1) != ours)
        break;
      at = offset + n * BLOCK;
      len = V2V_MIN (BLOCK, ov->size - at);
      if (ours && ov_is_zero (p + n * BLOCK, len) != zero)
        break;
    }
    if (ours && !zero) {
      struct iovec iov;

      bytes = V2V_MIN (n * BLOCK, ov->size - offset);
      iov.iov_base = (void *)p;
      iov.iov_len = bytes;
      if (ov_store_write (ov, &iov, 1, offset, err) == -1) {
        ov_store_punch (ov, offset, n * BLOCK);
        return -1;
      }
    }
    if (ours)
      ov_publish (ov, g, gr, ov_mask (bit, n), zero ? ST_ZERO : ST_VALID,
                  false);
    *b += n;
  }
  return 0;
}

/* Store what is still claimed; DATA holds the bytes from block BASE on.
 * On error the rest stays claimed: call again or release.
 */
static int
publish (struct overlay *ov, struct fill *f, const uint8_t *data, uint64_t base,
         int *err)
{
  size_t i;
  int r = 0;

  for (i = 0; r == 0 && i < f->nr; ++i) {
    const uint64_t last = f->claim[i].block + f->claim[i].n;

    while (r == 0 && f->claim[i].n > 0) {
      const uint64_t g = f->claim[i].block / GROUP_BLOCKS;
      struct stripe *s = ov_stripe (ov, g);

      pthread_mutex_lock (&s->lock);
      r = publish_group (ov, g, ov_group (ov, g), &f->claim[i].block,
                         V2V_MIN (last, (g + 1) * GROUP_BLOCKS),
                         data + (f->claim[i].block - base) * BLOCK, err);
      pthread_mutex_unlock (&s->lock);
      f->claim[i].n = last - f->claim[i].block;
    }
  }
  return r;
}

/* As publish, for blocks that are only cached: failure to store them is
 * nobody's error.
 */
static void
publish_clean (struct overlay *ov, struct fill *f, const uint8_t *data,
               uint64_t base)
{
  uint64_t blocks = 0;
  size_t i;
  int err = 0;

  overlay_race_point ();
  for (i = 0; i < f->nr; ++i)
    blocks += f->claim[i].n;

  if (ov_reserve_room (ov, blocks)) {
    if (publish (ov, f, data, base, &err) == -1 &&
        !atomic_exchange (&ov->store_full, true))
      ov_log (ov, 'w', "%s: reads are served but no longer cached",
              err == ENOSPC ? "no space left for the overlay's store"
                            : strerror (err));
    ov_release_room (ov, blocks);
  }
  release (ov, f);
}

static void
load_windows (struct overlay *ov, const struct overlay_source *src,
              uint64_t first, uint64_t last)
{
  for (; first < last; first = (first / WINDOW_BLOCKS + 1) * WINDOW_BLOCKS)
    ov_holes_load (ov, src, first);
}

/* The range of blocks worth fetching for a read of [pos, end). */
static void
widen (struct overlay *ov, uint64_t pos, uint64_t end, uint64_t *first,
       uint64_t *last)
{
  const uint64_t max_blocks = V2V_MAX (ov->opt.max_request / BLOCK, 1);
  uint64_t unit = ov->opt.fetch_unit, before;

  *first = v2v_round_down (pos, unit) / BLOCK;
  if (end - pos <= SMALL_REQUEST) {
    before = ov_valid_before (ov, pos / BLOCK, MAX_GROWN_UNIT / BLOCK / 2);
    while (unit < MAX_GROWN_UNIT && unit * 2 <= ov->opt.max_request &&
           unit <= before * BLOCK)
      unit *= 2;
  }
  *last = v2v_round_up (end, unit) / BLOCK;
  *last = V2V_MIN (*last, ov->nr_blocks);
  if (*last - *first > max_blocks) {
    *first = V2V_MAX (*first, pos / BLOCK - (pos / BLOCK) % max_blocks);
    *last = V2V_MIN (*last, *first + max_blocks);
  }
}

int
ov_fill_read (struct overlay *ov, const struct overlay_source *src,
              uint8_t *buf, uint64_t pos, uint64_t end, uint64_t *served,
              int *err)
{
  const uint64_t wanted = pos / BLOCK;
  CLEANUP_FREE uint8_t *bounce = NULL;
  uint8_t *data;
  struct fill f;
  uint64_t first, last, from, to, got_to = 0;
  size_t i;

  *served = 0;
  widen (ov, pos, end, &first, &last);
  load_windows (ov, src, first, last);
  if (claim (ov, &f, first, wanted, last, err) == -1)
    goto fail;
  for (i = 0; i < f.nr; ++i)
    if (f.claim[i].block <= wanted && wanted < f.claim[i].block + f.claim[i].n)
      got_to = (f.claim[i].block + f.claim[i].n) * BLOCK;
  if (got_to == 0) {
    /* Another thread was quicker. */
    release (ov, &f);
    wait_for_block (ov, wanted);
    return 0;
  }

  from = fill_first (&f) * BLOCK;
  to = V2V_MIN (fill_last (&f) * BLOCK, ov->size);
  if (from == pos && to <= end)
    data = buf;
  else {
    data = bounce = malloc (to - from);
    if (data == NULL) {
      *err = ENOMEM;
      goto fail;
    }
  }
  if (ov_source_read (ov, src, data, to - from, from, err) == -1)
    goto fail;
  *served = V2V_MIN (got_to, end) - pos;
  if (bounce)
    memcpy (buf, bounce + (pos - from), *served);
  publish_clean (ov, &f, data, from / BLOCK);
  return 0;

fail:
  release (ov, &f);
  return -1;
}

int
ov_fill_for_write (struct overlay *ov, const struct overlay_source *src,
                   uint64_t block, int *err)
{
  uint64_t run;

  for (;;) {
    CLEANUP_FREE uint8_t *data = NULL;
    uint64_t first = block, last = block + 1, from, to, base;
    struct fill f;
    size_t i;
    bool mine = false;

    if (ov_state (ov, block) != ST_ABSENT)
      return 0;
    if (atomic_load (&ov->copy_on_read) && !atomic_load (&ov->store_full) &&
        ov->limit_blocks == 0)
      widen (ov, block * BLOCK, (block + 1) * BLOCK, &first, &last);
    load_windows (ov, src, first, last);
    if (ov_holes_type (ov, block, &run) & OVERLAY_EXTENT_ZERO)
      return 0;
    if (claim (ov, &f, first, block, last, err) == -1) {
      release (ov, &f);
      return -1;
    }
    for (i = 0; i < f.nr; ++i)
      if (f.claim[i].block <= block && block < f.claim[i].block + f.claim[i].n)
        mine = true;
    if (!mine) {
      release (ov, &f);
      wait_for_block (ov, block);
      continue;
    }

    base = fill_first (&f);
    from = base * BLOCK;
    to = V2V_MIN (fill_last (&f) * BLOCK, ov->size);
    data = malloc (to - from);
    if (data == NULL)
      *err = ENOMEM;
    if (data == NULL ||
        ov_source_read (ov, src, data, to - from, from, err) == -1) {
      release (ov, &f);
      return -1;
    }
    while (publish (ov, &f, data, base, err) == -1) {
      /* A write needs the space more than the cache does. */
      if (*err != ENOSPC || ov_evict (ov, GROUP_BLOCKS) == 0) {
        release (ov, &f);
        return -1;
      }
    }
    return 0;
  }
}

int
ov_fill_step (struct overlay *ov, const struct overlay_source *src,
              uint64_t pos, uint64_t end, uint64_t max_bytes, bool wait,
              uint64_t *next, uint64_t *fetched, int *err)
{
  const uint64_t block = pos / BLOCK;
  const uint64_t end_block = (end + BLOCK - 1) / BLOCK;
  const uint64_t max_blocks = V2V_MAX (
    V2V_MIN (ov->opt.max_request, max_bytes) / BLOCK, 1);
  CLEANUP_FREE uint8_t *data = NULL;
  enum block_state st;
  uint64_t n, run, from, to;
  struct fill f;

  *fetched = 0;
  if (atomic_load (&ov->store_full)) {
    *next = end;
    return 0;
  }
  n = ov_run (ov, block, end_block - block, &st);
  if (st != ST_ABSENT) {
    *next = V2V_MIN ((block + n) * BLOCK, end);
    return 0;
  }
  ov_holes_load (ov, src, block);
  if (ov_holes_type (ov, block, &run) & OVERLAY_EXTENT_ZERO) {
    *next = V2V_MIN ((block + V2V_MIN (n, run)) * BLOCK, end);
    return 0;
  }
  to = V2V_MIN (end_block, block + max_blocks);
  load_windows (ov, src, block, to);
  if (claim (ov, &f, block, block, to, err) == -1) {
    release (ov, &f);
    return -1;
  }
  if (f.nr == 0 || fill_first (&f) != block) {
    release (ov, &f);
    if (wait)
      wait_for_block (ov, block);
    *next = wait ? pos : V2V_MIN ((block + 1) * BLOCK, end);
    return 0;
  }
  from = block * BLOCK;
  to = V2V_MIN (fill_last (&f) * BLOCK, ov->size);
  data = malloc (to - from);
  if (data == NULL) {
    *err = ENOMEM;
    release (ov, &f);
    return -1;
  }
  if (ov_source_read (ov, src, data, to - from, from, err) == -1) {
    release (ov, &f);
    return -1;
  }
  *fetched = to - from;
  publish_clean (ov, &f, data, block);
  *next = V2V_MIN (to, end);
  return 0;
}
