/* SPDX-License-Identifier: BSD-3-Clause */

#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "v2v-utils.h"

#include "extmap.h"

void
extmap_free (struct extmap *m)
{
  free (m->r);
  memset (m, 0, sizeof *m);
}

/* Index of the first range that ends after OFFSET; nr if there is none. */
static size_t
lower_bound (const struct extmap *m, uint64_t offset)
{
  size_t lo = 0, hi = m->nr;

  while (lo < hi) {
    size_t mid = lo + (hi - lo) / 2;

    if (m->r[mid].end > offset)
      hi = mid;
    else
      lo = mid + 1;
  }
  return lo;
}

/* Replace the N ranges from index I on by the K ranges of NEW. */
static void
splice (struct extmap *m, size_t i, size_t n, const struct extmap_range *new,
        size_t k)
{
  size_t nr = m->nr - n + k;

  if (nr > m->alloc) {
    size_t alloc = V2V_MAX (nr, V2V_MAX (16, m->alloc * 2));
    struct extmap_range *r = NULL;

    if (nr <= EXTMAP_MAX)
      r = realloc (m->r, alloc * sizeof *r);
    if (r == NULL) {
      m->nr = 0;
      return;
    }
    m->r = r;
    m->alloc = alloc;
  }
  memmove (&m->r[i + k], &m->r[i + n], (m->nr - i - n) * sizeof *m->r);
  if (k > 0)
    memcpy (&m->r[i], new, k * sizeof *new);
  m->nr = nr;
}

void
extmap_forget (struct extmap *m, uint64_t start, uint64_t end)
{
  struct extmap_range keep[2];
  size_t i, j, k = 0;

  if (start >= end)
    return;
  i = lower_bound (m, start);
  for (j = i; j < m->nr && m->r[j].start < end; ++j) {
    struct extmap_range r = m->r[j];

    if (r.start < start)
      keep[k++] = (struct extmap_range){ r.start, start, r.bit };
    if (r.end > end)
      keep[k++] = (struct extmap_range){ end, r.end, r.bit };
  }
  if (j > i)
    splice (m, i, j - i, keep, k);
}

void
extmap_set (struct extmap *m, uint64_t start, uint64_t end, bool bit)
{
  struct extmap_range new = { start, end, bit };
  size_t i, n = 0;

  if (start >= end)
    return;
  extmap_forget (m, start, end);
  i = lower_bound (m, start);
  /* Join what touches and means the same. */
  if (i > 0 && m->r[i - 1].end == start && m->r[i - 1].bit == bit) {
    i--;
    n++;
    new.start = m->r[i].start;
  }
  if (i + n < m->nr && m->r[i + n].start == end && m->r[i + n].bit == bit) {
    new.end = m->r[i + n].end;
    n++;
  }
  splice (m, i, n, &new, 1);
}

const struct extmap_range *
extmap_find (const struct extmap *m, uint64_t offset)
{
  size_t i = lower_bound (m, offset);

  return i < m->nr ? &m->r[i] : NULL;
}

uint64_t
extmap_count (const struct extmap *m, uint64_t start, uint64_t end, bool bit)
{
  uint64_t total = 0;
  size_t i;

  for (i = lower_bound (m, start); i < m->nr && m->r[i].start < end; ++i)
    if (m->r[i].bit == bit)
      total += V2V_MIN (end, m->r[i].end) - V2V_MAX (start, m->r[i].start);
  return total;
}
