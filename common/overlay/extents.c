/* SPDX-License-Identifier: BSD-3-Clause */

/* Describing the overlay: what is valid is data, what is zero is a hole,
 * what is absent is what the source says.
 */

#include <config.h>

#include <stdint.h>

#include "engine.h"
#include "v2v-utils.h"

/* Merges neighbours of one type before the caller sees them. */
struct merger {
  overlay_extent_cb cb;
  void *opaque;
  uint64_t offset, length;
  uint32_t type;
};

/* 0 = go on, 1 = stop, -1 = error, as the callback says. */
static int
flush_merger (struct merger *m)
{
  int r = 0;

  if (m->length)
    r = m->cb (m->opaque, m->offset, m->length, m->type);
  m->length = 0;
  return r;
}

static int
merge (struct merger *m, uint64_t offset, uint64_t length, uint32_t type)
{
  int r;

  if (m->length && m->type == type && m->offset + m->length == offset) {
    m->length += length;
    return 0;
  }
  r = flush_merger (m);
  m->offset = offset;
  m->length = length;
  m->type = type;
  return r;
}

int
overlay_extents (struct overlay *ov, const struct overlay_source *src,
                 uint64_t count, uint64_t offset, bool one,
                 overlay_extent_cb cb, void *cb_opaque, int *err)
{
  struct merger m = { .cb = cb, .opaque = cb_opaque };
  const uint64_t end = offset + count;
  int r = 0;

  *err = 0;
  while (offset < end) {
    const uint64_t block = offset / BLOCK;
    const uint64_t max = (end + BLOCK - 1) / BLOCK - block;
    enum block_state st;
    uint64_t n = ov_run (ov, block, max, &st), run, to;
    uint32_t type = 0;

    switch (st) {
    case ST_VALID:
      break;
    case ST_ZERO:
      type = OVERLAY_EXTENT_HOLE | OVERLAY_EXTENT_ZERO;
      break;
    case ST_ABSENT:
      ov_holes_load (ov, src, block);
      type = ov_holes_type (ov, block, &run);
      n = V2V_MIN (n, run);
      break;
    }
    to = V2V_MIN ((block + n) * BLOCK, end);
    if (one && m.length && m.type != type)
      break;
    r = merge (&m, offset, to - offset, type);
    if (r != 0)
      return r == -1 ? -1 : 0;
    offset = to;
  }
  return flush_merger (&m) == -1 ? -1 : 0;
}

int
overlay_changes (struct overlay *ov, overlay_extent_cb cb, void *cb_opaque,
                 int *err)
{
  struct merger m = { .cb = cb, .opaque = cb_opaque };
  size_t i;
  int r;

  *err = 0;
  for (i = 0; i < ov->nr_leaves; ++i) {
    struct leaf *leaf = ov_leaf (ov, i);
    uint64_t j;

    if (leaf == NULL)
      continue;
    for (j = 0; j < LEAF_GROUPS; ++j) {
      const uint64_t g = (uint64_t)i * LEAF_GROUPS + j;
      uint64_t dirty, valid;

      if (g >= ov->nr_groups)
        break;
      /* Never touched, and so not worth a page of memory. */
      if (atomic_load_explicit (&leaf->side[j], memory_order_relaxed) == 0)
        continue;
      dirty = atomic_load (&leaf->group[j].dirty);
      valid = atomic_load (&leaf->group[j].valid);
      while (dirty) {
        const unsigned bit = __builtin_ctzll (dirty);
        const bool v = (valid >> bit) & 1;
        const uint64_t same = (dirty & (v ? valid : ~valid)) >> bit;
        const unsigned n = ~same ? __builtin_ctzll (~same) : 64;
        const uint64_t from = g * GROUP_BYTES + (uint64_t)bit * BLOCK;

        r = merge (&m, from, V2V_MIN ((uint64_t)n * BLOCK, ov->size - from),
                   v ? 0 : OVERLAY_EXTENT_HOLE | OVERLAY_EXTENT_ZERO);
        if (r != 0)
          return r == -1 ? -1 : 0;
        dirty &= ~ov_mask (bit, n);
      }
    }
  }
  return flush_merger (&m) == -1 ? -1 : 0;
}
