/* SPDX-License-Identifier: BSD-3-Clause */

/* Keeping clean data under its limit.
 *
 * A clock's hand goes over the groups.  A group that was read since the
 * hand last passed is spared once.  Only clean valid blocks are evicted:
 * the source still has them.  What the client wrote is never dropped, and
 * zeroes cost nothing.
 *
 * Fills reserve their room before they store anything, so that the limit
 * holds however many run at once.  More than needed is evicted, so that
 * the clock does not turn for every fetch.
 */

#include <config.h>

#include "engine.h"
#include "v2v-utils.h"

/* Evict up to WANT clean blocks of one group. */
static uint64_t
evict_group (struct overlay *ov, uint64_t g, uint64_t want)
{
  struct group *gr = ov_group (ov, g);
  struct stripe *s = ov_stripe (ov, g);
  uint64_t clean, mask = 0, n = 0;
  int err;

  pthread_mutex_lock (&s->lock);
  clean = atomic_load (&gr->valid) & ~atomic_load (&gr->dirty);
  if (clean == 0)
    atomic_fetch_and (ov_side (ov, g), (uint8_t)~SIDE_CLEAN);
  for (; clean && n < want; clean &= clean - 1, n++)
    mask |= clean & -clean;
  if (mask) {
    if (ov_persist_drop (ov, g, mask, &err) == -1)
      n = 0;
    else {
      ov_publish (ov, g, gr, mask, ST_ABSENT, false);
      /* Invariant 5. */
      atomic_fetch_add (&s->evictions, 1);
      ov_store_punch_mask (ov, g, mask);
      overlay_race_point ();
    }
  }
  pthread_mutex_unlock (&s->lock);
  atomic_fetch_add (&ov->evicted_blocks, n);
  return n;
}

uint64_t
ov_evict (struct overlay *ov, uint64_t blocks)
{
  uint64_t n = 0, steps;

  if (ov->nr_groups == 0)
    return 0;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&ov->evict_lock);
  /* Twice around: the first round may only clear the used bits. */
  for (steps = 0; n < blocks && steps < 2 * ov->nr_groups + 1;) {
    const uint64_t g = ov->hand, in_leaf = g % LEAF_GROUPS;
    struct leaf *leaf = ov_leaf (ov, g / LEAF_GROUPS);
    uint64_t skip;
    uint8_t side;

    if (atomic_load (&ov->clean_blocks) == 0)
      break;
    if (leaf == NULL)
      skip = V2V_MIN (LEAF_GROUPS - in_leaf, ov->nr_groups - g);
    else {
      skip = 1;
      side = atomic_load_explicit (&leaf->side[in_leaf], memory_order_relaxed);
      if (side & SIDE_CLEAN) {
        if (side & SIDE_USED)
          atomic_fetch_and (&leaf->side[in_leaf], (uint8_t)~SIDE_USED);
        else
          n += evict_group (ov, g, blocks - n);
      }
    }
    steps += skip;
    ov->hand += skip;
    if (ov->hand >= ov->nr_groups)
      ov->hand = 0;
  }
  return n;
}

bool
ov_reserve_room (struct overlay *ov, uint64_t blocks)
{
  const uint64_t limit = ov->limit_blocks;
  uint64_t reserved, used;

  if (limit == 0)
    return true;
  if (blocks > limit)
    return false;
  reserved = atomic_fetch_add (&ov->reserved_blocks, blocks) + blocks;
  used = reserved + atomic_load (&ov->clean_blocks);
  if (used > limit) {
    ov_evict (ov, used - limit + limit / 32);
    used = atomic_load (&ov->reserved_blocks) + atomic_load (&ov->clean_blocks);
    if (used > limit) {
      /* Other fills hold the room. */
      atomic_fetch_sub (&ov->reserved_blocks, blocks);
      return false;
    }
  }
  return true;
}

void
ov_release_room (struct overlay *ov, uint64_t blocks)
{
  if (ov->limit_blocks)
    atomic_fetch_sub (&ov->reserved_blocks, blocks);
}
