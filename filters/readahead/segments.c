/* SPDX-License-Identifier: BSD-3-Clause */

#include <config.h>

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "v2v-utils.h"

#include "segments.h"

static unsigned
class_of (uint64_t count)
{
  unsigned c = 0;

  while ((UINT64_C (1) << (SEG_CLASS_SHIFT + c)) < count)
    c++;
  assert (c < SEG_CLASSES);
  return c;
}

static uint64_t
class_size (unsigned c)
{
  return UINT64_C (1) << (SEG_CLASS_SHIFT + c);
}

uint64_t
segments_cost (uint64_t count)
{
  return class_size (class_of (count));
}

void
segments_trim (struct segments *ss, uint64_t limit)
{
  unsigned c;

  for (c = 0; c < SEG_CLASSES && ss->held > limit; ++c) {
    while (ss->spare[c] != NULL && ss->held > limit) {
      void *buf = ss->spare[c];

      memcpy (&ss->spare[c], buf, sizeof (void *));
      free (buf);
      ss->held -= class_size (c);
      ss->spare_bytes -= class_size (c);
    }
  }
}

void
segments_free (struct segments *ss)
{
  assert (ss->nr == 0);
  segments_trim (ss, 0);
  assert (ss->held == 0);
  free (ss->t);
  memset (ss, 0, sizeof *ss);
}

size_t
segments_find (const struct segments *ss, uint64_t offset)
{
  size_t lo = 0, hi = ss->nr;

  while (lo < hi) {
    size_t mid = lo + (hi - lo) / 2;

    if (ss->t[mid]->end > offset)
      hi = mid;
    else
      lo = mid + 1;
  }
  return lo;
}

/* A spare buffer is kept rather than freed: each new megabyte from the
 * kernel costs 256 page faults.
 */
static void *
get_buffer (struct segments *ss, unsigned c, uint64_t limit)
{
  void *buf = ss->spare[c];

  if (buf != NULL) {
    memcpy (&ss->spare[c], buf, sizeof (void *));
    ss->spare_bytes -= class_size (c);
    return buf;
  }
  if (class_size (c) > limit)
    return NULL;
  segments_trim (ss, limit - class_size (c));
  if (ss->held + class_size (c) > limit)
    return NULL;
  buf = malloc (class_size (c));
  if (buf != NULL)
    ss->held += class_size (c);
  return buf;
}

struct seg *
segments_add (struct segments *ss, uint64_t offset, uint64_t end,
              bool with_buffer, uint64_t limit)
{
  struct seg *seg;
  size_t i;

  assert (offset < end);
  if (ss->nr == ss->alloc) {
    size_t alloc = V2V_MAX (64, ss->alloc * 2);
    struct seg **t = realloc (ss->t, alloc * sizeof *t);

    if (t == NULL)
      return NULL;
    ss->t = t;
    ss->alloc = alloc;
  }
  seg = calloc (1, sizeof *seg);
  if (seg == NULL)
    return NULL;
  seg->offset = offset;
  seg->end = end;
  seg->state = SEG_QUEUED;
  seg->refs = 1;
  if (with_buffer) {
    seg->class = class_of (end - offset);
    seg->buf = get_buffer (ss, seg->class, limit);
    if (seg->buf == NULL) {
      free (seg);
      return NULL;
    }
  }

  i = segments_find (ss, offset);
  assert (i == ss->nr || ss->t[i]->offset >= end);
  memmove (&ss->t[i + 1], &ss->t[i], (ss->nr - i) * sizeof *ss->t);
  ss->t[i] = seg;
  ss->nr++;

  seg->prev = ss->last;
  if (ss->last)
    ss->last->next = seg;
  else
    ss->first = seg;
  ss->last = seg;
  return seg;
}

void
segments_dequeue (struct segments *ss, struct seg *seg)
{
  assert (seg->state == SEG_QUEUED);
  if (seg->prev)
    seg->prev->next = seg->next;
  else
    ss->first = seg->next;
  if (seg->next)
    seg->next->prev = seg->prev;
  else
    ss->last = seg->prev;
  seg->prev = seg->next = NULL;
}

void
segments_remove (struct segments *ss, struct seg *seg)
{
  size_t i = segments_find (ss, seg->offset);

  assert (!seg->dead);
  assert (i < ss->nr && ss->t[i] == seg);
  if (seg->state == SEG_QUEUED)
    segments_dequeue (ss, seg);
  memmove (&ss->t[i], &ss->t[i + 1], (ss->nr - i - 1) * sizeof *ss->t);
  ss->nr--;
  seg->dead = true;
  segments_unref (ss, seg);
}

void
segments_unref (struct segments *ss, struct seg *seg)
{
  assert (seg->refs > 0);
  if (--seg->refs > 0)
    return;
  assert (seg->dead);
  if (seg->buf) {
    /* cppcheck-suppress pointerSize; the pointer itself is stored there */
    memcpy (seg->buf, &ss->spare[seg->class], sizeof (void *));
    ss->spare[seg->class] = seg->buf;
    ss->spare_bytes += class_size (seg->class);
  }
  free (seg);
}
