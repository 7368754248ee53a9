/* SPDX-License-Identifier: BSD-3-Clause */

#include <config.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "v2v-utils.h"

#include "streams.h"

/* Books are halved when they reach this, so that a stream's past does
 * not outweigh what it does now.
 */
#define BOOKS_MAX (UINT64_C (32) << 20)

/* A stream that read less than this leaves no trace when it ends, and
 * does not stop the prefetch of others: one random read ahead of a
 * sequential reader is not another reader's range.
 */
#define TRACE_MIN (UINT64_C (256) << 10)

/* Who has read so much of what another one has read does it on purpose. */
#define REREAD_MIN (UINT64_C (1) << 20)

void
streams_free (struct streams *ss)
{
  extmap_free (&ss->served);
}

struct stream *
streams_by_id (struct streams *ss, uint64_t id)
{
  size_t i;

  for (i = 0; i < STREAMS_MAX; ++i)
    if (id != 0 && ss->s[i].id == id)
      return &ss->s[i];
  return NULL;
}

bool
stream_is_sequential (const struct stream *s, unsigned need)
{
  return s->hits >= need && s->good >= 4 * s->bad;
}

static uint64_t
distance (uint64_t a, uint64_t b)
{
  return a > b ? a - b : b - a;
}

/* The slot for a new stream: a free one, else the one that was not used
 * for longest, but sequential streams give way last so that random
 * reads do not push them out.
 */
static struct stream *
victim (struct streams *ss)
{
  struct stream *best = NULL;
  bool best_seq = false;
  size_t i;

  for (i = 0; i < STREAMS_MAX; ++i) {
    struct stream *s = &ss->s[i];
    bool seq;

    if (s->id == 0)
      return s;
    seq = stream_is_sequential (s, 2);
    if (best == NULL || (best_seq && !seq) ||
        (best_seq == seq && s->last_ns < best->last_ns)) {
      best = s;
      best_seq = seq;
    }
  }
  return best;
}

static struct stream *
new_stream (struct streams *ss, uint64_t offset, uint64_t end, int64_t now_ns,
            uint64_t *ended)
{
  struct stream *s = victim (ss);
  const struct extmap_range *r;

  *ended = s->id;
  if (s->id != 0 && s->head - s->start >= TRACE_MIN &&
      stream_is_sequential (s, 2))
    extmap_set (&ss->served, s->start, s->head, true);

  /* Somebody reads that range again: what was served is history. */
  r = extmap_find (&ss->served, offset);
  if (r != NULL && r->start <= offset)
    extmap_forget (&ss->served, r->start, r->end);

  memset (s, 0, sizeof *s);
  s->id = ++ss->last_id;
  s->start = offset;
  s->head = end;
  s->good = end - offset;
  s->avg = end - offset;
  s->last_ns = s->rate_ns = now_ns;
  return s;
}

struct stream *
streams_read (struct streams *ss, uint64_t offset, uint64_t end, int64_t now_ns,
              const struct extmap *zeroes, bool *advanced, uint64_t *ended)
{
  struct stream *s = NULL;
  uint64_t best = UINT64_MAX, count = end - offset;
  size_t i;

  *advanced = true;
  *ended = 0;
  for (i = 0; i < STREAMS_MAX; ++i) {
    struct stream *t = &ss->s[i];
    uint64_t d;

    if (t->id == 0)
      continue;
    d = distance (offset, t->head);
    if (offset < t->head ? d > STREAM_BACK || offset + STREAM_FORWARD < t->start
                         : d > STREAM_FORWARD) {
      /* A reader that skips what it knows to be zero is still the same
       * reader, however long the hole is.
       */
      const struct extmap_range *r;

      if (zeroes == NULL || offset < t->head)
        continue;
      r = extmap_find (zeroes, t->head);
      if (r == NULL || !r->bit || r->start > t->head || r->end < offset)
        continue;
      d = STREAM_BACK;
    }
    if (d < best) {
      best = d;
      s = t;
    }
  }
  if (s == NULL)
    return new_stream (ss, offset, end, now_ns, ended);

  if (end <= s->head) {
    *advanced = false;
    /* If something was jumped over, this is it, most likely.  Else it
     * says nothing about where the reader goes.
     */
    if (s->bad > 0) {
      s->hits++;
      s->good += count;
      s->bad -= V2V_MIN (s->bad, count);
    }
  }
  else {
    s->hits++;
    s->good += count;
    if (offset > s->head) {
      uint64_t gap = offset - s->head;

      if (zeroes)
        gap -= extmap_count (zeroes, s->head, offset, true);
      s->bad += gap;
    }
  }
  if (offset < s->start)
    s->start = offset;
  if (end > s->head)
    s->head = end;
  if (s->good + s->bad > BOOKS_MAX) {
    s->good /= 2;
    s->bad /= 2;
  }
  s->avg = (7 * s->avg + count) / 8;

  s->rate_bytes += count;
  if (now_ns - s->rate_ns >= 20000000) {
    uint64_t us = (now_ns - s->rate_ns) / 1000;
    uint64_t rate = s->rate_bytes * 1000000 / us;

    s->rate = s->rate ? (s->rate + rate) / 2 : rate;
    s->rate_bytes = 0;
    s->rate_ns = now_ns;
  }
  s->last_ns = now_ns;
  return s;
}

unsigned
streams_active (const struct streams *ss, int64_t since_ns)
{
  unsigned n = 0;
  size_t i;

  for (i = 0; i < STREAMS_MAX; ++i)
    if (ss->s[i].id != 0 && ss->s[i].last_ns >= since_ns &&
        stream_is_sequential (&ss->s[i], 2))
      n++;
  return n > 0 ? n : 1;
}

/* Was [start, end) read by somebody else, and does S come to it now?  If
 * S is well inside it reads again what was read before, and may.
 */
static bool
follows (const struct stream *s, uint64_t start, uint64_t end)
{
  return end > s->head && start + REREAD_MIN > s->head;
}

uint64_t
streams_clip (const struct streams *ss, const struct stream *s, uint64_t end,
              int64_t since_ns)
{
  const struct extmap_range *r;
  size_t i;

  for (i = 0; i < STREAMS_MAX; ++i) {
    const struct stream *t = &ss->s[i];

    if (t->id != 0 && t != s && t->last_ns >= since_ns &&
        t->head - t->start >= TRACE_MIN && follows (s, t->start, t->head) &&
        t->start < end)
      end = t->start;
  }
  r = extmap_find (&ss->served, s->head);
  if (r != NULL && follows (s, r->start, r->end) && r->start < end)
    end = r->start;
  return end;
}
