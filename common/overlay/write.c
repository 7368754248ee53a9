/* SPDX-License-Identifier: BSD-3-Clause */

/* Writes, zeroes and trims, group by group under the group's stripe.
 *
 * Whole blocks never need the source.  A part of a valid block rewrites
 * only its bytes; a part of a zero block writes a block padded with
 * zeroes; only a part of an absent block is fetched first.  The last block
 * of the export counts as whole if the write reaches the end.
 *
 * Zeroes are state.  The store is punched by units of 64 KiB in which
 * nothing valid is left: smaller holes cost more time than they give
 * space.
 */

#include <config.h>

#include <errno.h>
#include <string.h>

#include "engine.h"
#include "v2v-utils.h"

#define PUNCH_BLOCKS 16

static const uint8_t zeroes[BLOCK];

/* One request's part in one group. */
struct part {
  uint64_t g, offset, end; /* bytes of the export */
  uint64_t first;          /* block of the export */
  unsigned bit, nr;        /* blocks it touches */
  bool head, tail;         /* only a part of the first, last one */
};

static struct part
make_part (const struct overlay *ov, uint64_t offset, uint64_t end)
{
  struct part p = { .g = offset / GROUP_BYTES, .offset = offset };

  p.end = V2V_MIN (end, (p.g + 1) * GROUP_BYTES);
  p.first = offset / BLOCK;
  p.bit = p.first % GROUP_BLOCKS;
  p.nr = (p.end + BLOCK - 1) / BLOCK - p.first;
  p.head = offset % BLOCK != 0;
  p.tail = p.end % BLOCK != 0 && p.end != ov->size;
  if (p.nr == 1) {
    p.head = p.head || p.tail;
    p.tail = false;
  }
  return p;
}

/* How a block that is written in part looks: absent counts as zero where
 * the source is known to have a hole.
 */
static enum block_state
partial_state (struct overlay *ov, uint64_t block)
{
  const enum block_state st = ov_state (ov, block);
  uint64_t run;

  if (st == ST_ABSENT &&
      (ov_holes_type (ov, block, &run) & OVERLAY_EXTENT_ZERO))
    return ST_ZERO;
  return st;
}

/* Lock the group's stripe with the blocks that are written in part known;
 * NULL and *err if they cannot be made so.
 */
static struct group *
lock_part (struct overlay *ov, const struct overlay_source *src,
           const struct part *p, int *err)
{
  struct group *gr = ov_group_get (ov, p->g);
  struct stripe *s = ov_stripe (ov, p->g);
  const uint64_t last = p->first + p->nr - 1;

  if (gr == NULL) {
    *err = ENOMEM;
    return NULL;
  }
  for (;;) {
    if (p->head && ov_fill_for_write (ov, src, p->first, err) == -1)
      return NULL;
    if (p->tail && ov_fill_for_write (ov, src, last, err) == -1)
      return NULL;
    overlay_race_point ();
    pthread_mutex_lock (&s->lock);
    /* A clean block may have been evicted meanwhile. */
    if ((!p->head || partial_state (ov, p->first) != ST_ABSENT) &&
        (!p->tail || partial_state (ov, last) != ST_ABSENT))
      return gr;
    pthread_mutex_unlock (&s->lock);
  }
}

/* Before clean blocks of MASK change: a persistent store must not take
 * them for clean after a crash.
 */
static int
dirty_first (struct overlay *ov, uint64_t g, const struct group *gr,
             uint64_t mask, int *err)
{
  mask &= atomic_load_explicit (&gr->valid, memory_order_relaxed) &
          ~atomic_load_explicit (&gr->dirty, memory_order_relaxed);
  return mask ? ov_persist_dirty (ov, g, mask, err) : 0;
}

/* Write blocks BIT .. BIT+NR-1 (a part of P) from BUF, which holds the
 * bytes of P.  The stripe is locked.
 */
static int
write_run (struct overlay *ov, struct group *gr, const struct part *p,
           unsigned bit, unsigned nr, const uint8_t *buf, int *err)
{
  const uint64_t block = p->g * GROUP_BLOCKS + bit;
  uint64_t from = block * BLOCK, to = from + (uint64_t)nr * BLOCK;
  struct iovec iov[3];
  uint64_t at;
  int n = 0;

  from = V2V_MAX (from, p->offset);
  at = from;
  if (block == p->first && p->head && partial_state (ov, block) == ST_ZERO &&
      from % BLOCK != 0) {
    iov[n].iov_base = (void *)zeroes;
    iov[n++].iov_len = from % BLOCK;
    at = block * BLOCK;
  }
  iov[n].iov_base = (void *)(buf + (from - p->offset));
  iov[n++].iov_len = V2V_MIN (to, p->end) - from;
  if (to > p->end && p->end != ov->size &&
      partial_state (ov, block + nr - 1) == ST_ZERO) {
    iov[n].iov_base = (void *)zeroes;
    iov[n++].iov_len = V2V_MIN (to, ov->size) - p->end;
  }
  if (dirty_first (ov, p->g, gr, ov_mask (bit, nr), err) == -1 ||
      ov_store_write (ov, iov, n, at, err) == -1)
    return -1;
  overlay_race_point ();
  ov_publish (ov, p->g, gr, ov_mask (bit, nr), ST_VALID, true);
  return 0;
}

/* Whole blocks of P that are zero and not in the store need not go there. */
static uint64_t
zero_blocks (struct overlay *ov, const struct group *gr, const struct part *p,
             const uint8_t *buf)
{
  const uint64_t valid = atomic_load_explicit (&gr->valid,
                                               memory_order_relaxed);
  uint64_t mask = 0;
  unsigned i;

  for (i = 0; i < p->nr; ++i) {
    const uint64_t at = (p->first + i) * BLOCK;

    if ((i == 0 && p->head) || (i == p->nr - 1 && p->tail) ||
        ((valid >> (p->bit + i)) & 1))
      continue;
    if (ov_is_zero (buf + (at - p->offset), V2V_MIN (BLOCK, ov->size - at)))
      mask |= UINT64_C (1) << (p->bit + i);
  }
  return mask;
}

static int
write_part (struct overlay *ov, const struct overlay_source *src,
            const struct part *p, const uint8_t *buf, int *err)
{
  struct stripe *s = ov_stripe (ov, p->g);

  for (;;) {
    struct group *gr = lock_part (ov, src, p, err);
    uint64_t zero, todo;
    int r = 0;

    if (gr == NULL)
      return -1;
    zero = zero_blocks (ov, gr, p, buf);
    todo = ov_mask (p->bit, p->nr) & ~zero;
    while (r == 0 && todo) {
      const unsigned bit = __builtin_ctzll (todo);
      const uint64_t rest = ~(todo >> bit);
      const unsigned nr = rest ? __builtin_ctzll (rest) : 64;

      r = write_run (ov, gr, p, bit, nr, buf, err);
      todo &= ~ov_mask (bit, nr);
    }
    if (r == 0 && zero)
      ov_publish (ov, p->g, gr, zero, ST_ZERO, true);
    pthread_mutex_unlock (&s->lock);
    if (r == 0)
      return 0;
    /* The client's data is worth more than the cache's. */
    if (*err != ENOSPC || ov_evict (ov, 4 * GROUP_BLOCKS) == 0)
      return -1;
  }
}

int
overlay_pwrite (struct overlay *ov, const struct overlay_source *src,
                const void *buf, uint32_t count, uint64_t offset, int *err)
{
  const uint64_t end = offset + count;
  const uint8_t *b = buf;

  while (offset < end) {
    const struct part p = make_part (ov, offset, end);

    if (write_part (ov, src, &p, b, err) == -1)
      return -1;
    b += p.end - p.offset;
    offset = p.end;
  }
  return 0;
}

/* Punch the units around MASK, which was valid, where nothing is now. */
static void
punch_units (struct overlay *ov, uint64_t g, const struct group *gr,
             uint64_t mask)
{
  const uint64_t valid = atomic_load_explicit (&gr->valid,
                                               memory_order_relaxed);
  uint64_t punch = 0;
  unsigned i;

  for (i = 0; i < GROUP_BLOCKS; i += PUNCH_BLOCKS) {
    const uint64_t unit = ov_mask (i, PUNCH_BLOCKS);

    if ((mask & unit) && !(valid & unit))
      punch |= unit;
  }
  ov_store_punch_mask (ov, g, punch);
}

static int
zero_part (struct overlay *ov, const struct overlay_source *src,
           const struct part *p, int *err)
{
  struct stripe *s = ov_stripe (ov, p->g);
  const uint64_t hole = ov_holes_mask (
    ov, p->g, OVERLAY_EXTENT_HOLE | OVERLAY_EXTENT_ZERO);
  uint64_t mask = ov_mask (p->bit, p->nr);

  /* Nothing to do where the source has a hole and we have nothing. */
  if (ov_group (ov, p->g) == NULL && (mask & ~hole) == 0)
    return 0;

  for (;;) {
    struct group *gr = lock_part (ov, src, p, err);
    const uint64_t last = p->first + p->nr - 1;
    uint64_t known, valid;
    int r = 0;

    if (gr == NULL)
      return -1;
    /* What is valid gets the bytes, what is zero is zero. */
    if (p->head) {
      mask &= ~ov_mask (p->bit, 1);
      if (ov_state (ov, p->first) == ST_VALID)
        r = write_run (ov, gr, p, p->bit, 1, zeroes, err);
    }
    if (r == 0 && p->tail) {
      struct part t = *p;

      mask &= ~ov_mask (p->bit + p->nr - 1, 1);
      t.offset = last * BLOCK;
      t.first = last;
      if (ov_state (ov, last) == ST_VALID)
        r = write_run (ov, gr, &t, p->bit + p->nr - 1, 1, zeroes, err);
    }
    if (r == 0) {
      valid = atomic_load_explicit (&gr->valid, memory_order_relaxed);
      known = valid | atomic_load_explicit (&gr->zero, memory_order_relaxed) |
              atomic_load_explicit (&gr->fetch, memory_order_relaxed);
      mask &= known | ~hole;
      r = dirty_first (ov, p->g, gr, mask, err);
      if (r == 0 && mask) {
        ov_publish (ov, p->g, gr, mask, ST_ZERO, true);
        overlay_race_point ();
        punch_units (ov, p->g, gr, valid & mask);
      }
    }
    pthread_mutex_unlock (&s->lock);
    if (r == 0)
      return 0;
    if (*err != ENOSPC || ov_evict (ov, 4 * GROUP_BLOCKS) == 0)
      return -1;
  }
}

int
overlay_zero (struct overlay *ov, const struct overlay_source *src,
              uint32_t count, uint64_t offset, int *err)
{
  const uint64_t end = offset + count;

  while (offset < end) {
    const struct part p = make_part (ov, offset, end);

    if (zero_part (ov, src, &p, err) == -1)
      return -1;
    offset = p.end;
  }
  return 0;
}
