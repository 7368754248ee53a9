/* SPDX-License-Identifier: BSD-3-Clause */

/* The block map: four bits per 4 KiB block in two levels.  The upper one
 * is an array of pointers, the lower are leaves of 64 GiB each.  Both are
 * reserved address space: only pages that were touched cost memory, 128
 * bytes per MiB of disk that is in use and nothing for the rest.
 */

#include <config.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "engine.h"
#include "v2v-utils.h"

int
ov_map_init (struct overlay *ov)
{
  size_t i;

  ov->nr_leaves = (ov->nr_groups + LEAF_GROUPS - 1) / LEAF_GROUPS;
  ov->leaves = ov_reserve (ov->nr_leaves * sizeof ov->leaves[0]);
  if (ov->leaves == NULL)
    return -1;
  ov->stripe = aligned_alloc (64, NR_STRIPES * sizeof ov->stripe[0]);
  if (ov->stripe == NULL)
    return -1;
  for (i = 0; i < NR_STRIPES; ++i) {
    pthread_mutex_init (&ov->stripe[i].lock, NULL);
    pthread_cond_init (&ov->stripe[i].filled, NULL);
    atomic_init (&ov->stripe[i].evictions, 0);
  }
  return 0;
}

void
ov_map_free (struct overlay *ov)
{
  size_t i;

  if (ov->leaves) {
    for (i = 0; i < ov->nr_leaves; ++i)
      ov_unreserve (atomic_load (&ov->leaves[i]), sizeof (struct leaf));
    ov_unreserve ((void *)ov->leaves, ov->nr_leaves * sizeof ov->leaves[0]);
  }
  if (ov->stripe) {
    for (i = 0; i < NR_STRIPES; ++i) {
      pthread_mutex_destroy (&ov->stripe[i].lock);
      pthread_cond_destroy (&ov->stripe[i].filled);
    }
    free (ov->stripe);
  }
}

struct leaf *
ov_leaf (struct overlay *ov, size_t i)
{
  return atomic_load_explicit (&ov->leaves[i], memory_order_acquire);
}

struct group *
ov_group (struct overlay *ov, uint64_t g)
{
  struct leaf *leaf = ov_leaf (ov, g / LEAF_GROUPS);

  return leaf ? &leaf->group[g % LEAF_GROUPS] : NULL;
}

struct group *
ov_group_get (struct overlay *ov, uint64_t g)
{
  const size_t i = g / LEAF_GROUPS;
  struct leaf *leaf = ov_leaf (ov, i), *expected = NULL;

  if (leaf == NULL) {
    leaf = ov_reserve (sizeof *leaf);
    if (leaf == NULL)
      return NULL;
    if (!atomic_compare_exchange_strong (&ov->leaves[i], &expected, leaf)) {
      ov_unreserve (leaf, sizeof *leaf);
      leaf = expected;
    }
  }
  return &leaf->group[g % LEAF_GROUPS];
}

/* Only for groups whose leaf exists. */
_Atomic uint8_t *
ov_side (struct overlay *ov, uint64_t g)
{
  return &ov_leaf (ov, g / LEAF_GROUPS)->side[g % LEAF_GROUPS];
}

struct stripe *
ov_stripe (struct overlay *ov, uint64_t g)
{
  return &ov->stripe[g % NR_STRIPES];
}

uint64_t
ov_evictions (struct overlay *ov, uint64_t g0, uint64_t g1)
{
  uint64_t sum = 0;

  for (; g0 <= g1; ++g0)
    sum += atomic_load_explicit (&ov_stripe (ov, g0)->evictions,
                                 memory_order_acquire);
  return sum;
}

uint64_t
ov_group_mask (struct overlay *ov, uint64_t g)
{
  const uint64_t left = ov->nr_blocks - g * GROUP_BLOCKS;

  return ov_mask (0, V2V_MIN (left, GROUP_BLOCKS));
}

/* Valid wins over zero: while a block goes from one to the other both
 * may be seen, and then both answers are right.
 */
static void
load_planes (struct overlay *ov, uint64_t g, uint64_t *valid, uint64_t *zero)
{
  struct group *gr = ov_group (ov, g);

  if (gr == NULL) {
    *valid = *zero = 0;
    return;
  }
  *valid = atomic_load_explicit (&gr->valid, memory_order_acquire);
  *zero = atomic_load_explicit (&gr->zero, memory_order_acquire) & ~*valid;
}

enum block_state
ov_state (struct overlay *ov, uint64_t block)
{
  uint64_t valid, zero;
  const uint64_t bit = UINT64_C (1) << (block % GROUP_BLOCKS);

  load_planes (ov, block / GROUP_BLOCKS, &valid, &zero);
  return valid & bit ? ST_VALID : zero & bit ? ST_ZERO : ST_ABSENT;
}

uint64_t
ov_run (struct overlay *ov, uint64_t block, uint64_t max,
        enum block_state *state)
{
  uint64_t n = 0;

  assert (max > 0);
  while (n < max) {
    const uint64_t b = block + n, g = b / GROUP_BLOCKS;
    const unsigned bit = b % GROUP_BLOCKS;
    uint64_t valid, zero, other;
    enum block_state st;
    unsigned len;

    if (ov_leaf (ov, g / LEAF_GROUPS) == NULL) {
      const uint64_t per_leaf = (uint64_t)LEAF_GROUPS * GROUP_BLOCKS;

      if (n > 0 && *state != ST_ABSENT)
        return n;
      *state = ST_ABSENT;
      n += per_leaf - b % per_leaf;
      continue;
    }
    load_planes (ov, g, &valid, &zero);
    st = (valid >> bit) & 1  ? ST_VALID
         : (zero >> bit) & 1 ? ST_ZERO
                             : ST_ABSENT;
    if (n > 0 && st != *state)
      return n;
    *state = st;
    switch (st) {
    case ST_VALID:
      other = ~valid;
      break;
    case ST_ZERO:
      other = ~zero;
      break;
    default:
      other = valid | zero;
      break;
    }
    other >>= bit;
    len = other ? __builtin_ctzll (other) : 64;
    len = V2V_MIN (len, GROUP_BLOCKS - bit);
    n += len;
    if (bit + len < GROUP_BLOCKS)
      break;
  }
  return V2V_MIN (n, max);
}

uint64_t
ov_valid_before (struct overlay *ov, uint64_t block, uint64_t max)
{
  uint64_t n = 0;

  while (n < max && block - n > 0) {
    const uint64_t b = block - n - 1;
    const unsigned bit = b % GROUP_BLOCKS;
    uint64_t valid, zero, absent;
    unsigned len;

    load_planes (ov, b / GROUP_BLOCKS, &valid, &zero);
    absent = ~valid << (63 - bit);
    len = absent ? __builtin_clzll (absent) : 64;
    n += V2V_MIN (len, bit + 1);
    if (len < bit + 1)
      break;
  }
  return V2V_MIN (n, max);
}

void
ov_publish (struct overlay *ov, uint64_t g, struct group *gr, uint64_t mask,
            enum block_state state, bool dirty)
{
  /* Only holders of the lock change the planes, so that plain loads and
   * stores would do but for the readers without lock.
   */
  const uint64_t v = atomic_load_explicit (&gr->valid, memory_order_relaxed);
  const uint64_t z = atomic_load_explicit (&gr->zero, memory_order_relaxed);
  const uint64_t d = atomic_load_explicit (&gr->dirty, memory_order_relaxed);
  const uint64_t f = atomic_load_explicit (&gr->fetch, memory_order_relaxed);
  const uint64_t nv = state == ST_VALID ? v | mask : v & ~mask;
  const uint64_t nz = state == ST_ZERO ? z | mask : z & ~mask;
  const uint64_t nd = dirty ? d | mask : d;
  uint8_t side = SIDE_CHANGED | SIDE_TOUCHED;

  /* Invariant 3. */
  assert (state != ST_ABSENT || (d & mask) == 0);

  /* What a block becomes is set before what it was is cleared, so that a
   * known block is never seen as absent in between.
   */
  if (state == ST_VALID) {
    atomic_store_explicit (&gr->valid, nv, memory_order_release);
    atomic_store_explicit (&gr->zero, nz, memory_order_release);
  }
  else {
    atomic_store_explicit (&gr->zero, nz, memory_order_release);
    atomic_store_explicit (&gr->valid, nv, memory_order_release);
  }
  atomic_store_explicit (&gr->dirty, nd, memory_order_release);

  atomic_fetch_add_explicit (&ov->clean_blocks,
                             (uint64_t)__builtin_popcountll (nv & ~nd) -
                               (uint64_t)__builtin_popcountll (v & ~d),
                             memory_order_relaxed);
  atomic_fetch_add_explicit (&ov->dirty_blocks,
                             (uint64_t)__builtin_popcountll (nv & nd) -
                               (uint64_t)__builtin_popcountll (v & d),
                             memory_order_relaxed);
  atomic_fetch_add_explicit (&ov->zero_blocks,
                             (uint64_t)__builtin_popcountll (nz) -
                               (uint64_t)__builtin_popcountll (z),
                             memory_order_relaxed);

  if (state == ST_VALID && !dirty)
    side |= SIDE_CLEAN | SIDE_USED;
  if ((atomic_load_explicit (ov_side (ov, g), memory_order_relaxed) & side) !=
      side)
    atomic_fetch_or_explicit (ov_side (ov, g), side, memory_order_relaxed);

  if (f & mask) {
    atomic_store_explicit (&gr->fetch, f & ~mask, memory_order_release);
    pthread_cond_broadcast (&ov_stripe (ov, g)->filled);
  }
}
