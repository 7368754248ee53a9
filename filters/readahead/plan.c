/* SPDX-License-Identifier: BSD-3-Clause */

/* What to fetch, and what to give up for it. */

#include <config.h>

#include <stdbool.h>
#include <stdint.h>

#include "v2v-utils.h"

#include "engine.h"

/* A READY segment goes before all of it was read. */
void
ra_discard (struct readahead *ra, struct seg *seg)
{
  uint64_t len = seg->end - seg->offset;

  if (!ra->caching && seg->consumed < len)
    ra_account_waste (ra, 0, len - seg->consumed);
  segments_remove (&ra->segs, seg);
}

static bool
is_being_read (struct readahead *ra, uint64_t start, uint64_t end)
{
  const struct reading *r;

  for (r = ra->readings; r; r = r->next)
    if (r->pos < end && start < r->end)
      return true;
  return false;
}

/* Find a READY segment that can go: one of a stream that is gone, or
 * that its stream has passed, else one of a stream that rests.  Oldest
 * first.
 */
struct seg *
ra_evictable (struct readahead *ra, bool any, int64_t now)
{
  struct seg *best = NULL;
  unsigned best_rank = 0;
  size_t i;

  for (i = 0; i < ra->segs.nr; ++i) {
    struct seg *seg = ra->segs.t[i];
    struct stream *s;
    unsigned rank;

    if (seg->state != SEG_READY || seg->refs > 1)
      continue;
    if (is_being_read (ra, seg->offset, seg->end))
      continue;
    s = streams_by_id (&ra->streams, seg->stream);
    if (s == NULL || seg->end + STREAM_BACK <= s->head)
      rank = 3;
    else if (now - s->last_ns > IDLE_NS)
      rank = 2;
    else if (any)
      rank = 1;
    else
      continue;
    if (best == NULL || rank > best_rank ||
        (rank == best_rank && seg->ready_ns < best->ready_ns)) {
      best = seg;
      best_rank = rank;
    }
  }
  return best;
}

static bool
make_room (struct readahead *ra, uint64_t cost, int64_t now)
{
  while (ra->segs.held - ra->segs.spare_bytes + cost > ra->memory) {
    struct seg *seg = ra_evictable (ra, false, now);

    if (seg == NULL)
      return false;
    ra_discard (ra, seg);
  }
  return true;
}

static uint64_t
power_of_two (uint64_t n) /* at least n */
{
  uint64_t p = 1;

  while (p < n)
    p *= 2;
  return p;
}

/* The longest fetch for a stream: as long as its reads, so that a client
 * that asks for much at a time does not get more requests than it made.
 */
uint64_t
ra_fetch_length (struct readahead *ra, const struct stream *s)
{
  uint64_t len = V2V_MAX (ra->opts.request, power_of_two (s->avg));

  if (!ra->caching)
    while (len > FETCH_MIN && len > ra->memory / 8)
      len /= 2;
  len = V2V_MIN (len, SEG_MAX);
  if (ra->opts.max_request > 0)
    len = V2V_MIN (len, ra->opts.max_request);
  len = v2v_round_down (len, ra->align);
  return V2V_MAX (len, ra->align);
}

static uint64_t
window_limit (struct readahead *ra, const struct stream *s, uint64_t len,
              int64_t now)
{
  uint64_t max = V2V_MAX (WINDOW_MAX, 2 * s->avg);

  if (!ra->caching)
    max = V2V_MIN (max, ra->memory / 4 * 3 /
                          streams_active (&ra->streams, now - IDLE_NS));
  return V2V_MAX (max, len);
}

static bool
is_being_written (struct readahead *ra, uint64_t start, uint64_t end)
{
  const struct readahead_write *w;

  for (w = ra->writes; w; w = w->next)
    if (w->start < end && start < w->end)
      return true;
  return false;
}

bool
ra_worth_it (struct readahead *ra, const struct stream *s, int64_t now)
{
  if (ra->slow_ns <= ra->opts.fast_ns)
    return false;
  if (!stream_is_sequential (s, 2U << ra->caution))
    return false;
  if (ra->opts.busy_depth > 0 && ra->depth_avg > ra->opts.busy_depth * 256)
    return false;
  /* One lane must not need more requests than the client would. */
  if (ra->opts.connections == 1 && ra->opts.max_request == 0 &&
      s->avg > ra_fetch_length (ra, s))
    return false;
  return now >= ra->pause_until;
}

/* The client had to wait: the window is too small. */
void
ra_late (struct readahead *ra, uint64_t stream)
{
  struct stream *s = streams_by_id (&ra->streams, stream);

  ra->period_late = true;
  if (s == NULL || s->window == 0 || s->head - s->grown_at < s->window / 4)
    return;
  s->window = V2V_MAX (2 * s->window,
                       (uint64_t)(2e-9 * s->rate * ra->latency_ns));
  s->grown_at = s->head; /* schedule keeps it within its limit */
}

/* From P on, may this be fetched?  Skips what is held, in flight, zero or
 * being written.  Returns false if nothing up to END is left, or if it
 * must first be asked where the zeroes are; else [*P, *FETCH_END) is it.
 * *HARD: it ends there for a better reason than the end of the window.
 */
static bool
next_fetch (struct readahead *ra, const struct stream *s, uint64_t *p,
            uint64_t end, uint64_t len, uint64_t *fetch_end, bool *hard)
{
  while (*p < end) {
    const struct extmap_range *z, *zend;
    uint64_t q = v2v_round_down (*p, ra->align), e;
    size_t i = segments_find (&ra->segs, q);

    if (i < ra->segs.nr && ra->segs.t[i]->offset <= *p &&
        ra->segs.t[i]->end > *p) {
      *p = ra->segs.t[i]->end;
      continue;
    }
    if (i < ra->segs.nr && ra->segs.t[i]->offset <= *p) {
      /* The block that *p is in is partly taken. */
      *p = q + ra->align;
      continue;
    }
    z = extmap_find (&ra->zeroes, q);
    if (z && z->start <= q) {
      e = v2v_round_down (z->end, ra->align);
      if (z->bit && e > q) {
        *p = e;
        continue;
      }
    }
    else if (ra->query_extents && !ra->map_failed) {
      if (!ra->map_running) {
        ra->map_wanted = true;
        ra->map_offset = q;
        ra->map_stream = s->id;
      }
      return false;
    }

    e = q + len;
    *hard = false;
    if (e >= end) {
      e = end;
      *hard = end < s->head + s->window;
    }
    if (i < ra->segs.nr && ra->segs.t[i]->offset <= e) {
      e = ra->segs.t[i]->offset;
      *hard = true;
    }
    zend = ra->zeroes.r + ra->zeroes.nr;
    for (; z && z < zend && z->start < e; ++z)
      if (z->bit && z->start > q && z->end - z->start >= ZERO_MIN) {
        e = v2v_round_up (z->start, ra->align);
        *hard = true;
        break;
      }
    if (e < ra->limit && (i == ra->segs.nr || e < ra->segs.t[i]->offset)) {
      e = v2v_round_up (e, ra->align);
      if (i < ra->segs.nr)
        e = V2V_MIN (e, ra->segs.t[i]->offset);
    }
    e = V2V_MIN (e, ra->limit);
    if (e <= q)
      return false;
    if (is_being_written (ra, q, e)) {
      *p = e;
      continue;
    }
    *p = q;
    *fetch_end = e;
    return true;
  }
  return false;
}

/* Choose the window of a new stream, or narrow one that is too wide. */
static void
choose_window (struct readahead *ra, struct stream *s)
{
  /* Four fetches.  One lane gains by longer fetches only; and its client may
   * wait for it where the engine does not see that (the call lock of
   * filter.c).
   */
  const uint64_t least = (ra->opts.connections == 1 ? 16 : 4) * s->avg;
  uint64_t needed;

  if (s->window == 0) {
    /* The more it read in sequence without help (as in a trial, whose
     * measurement must not be of the window's growing), the surer; but
     * the other streams share the lanes, in a trial only one.
     */
    s->window = V2V_MAX (V2V_MAX (WINDOW_MIN, least),
                         V2V_MIN (s->good, WINDOW_FIRST));
    s->grown_at = s->head;
  }
  else if (s->head - s->grown_at > 2 * s->window) {
    /* Two windows without waiting. */
    needed = (uint64_t)(4e-9 * s->rate * ra->latency_ns) + least;
    if (s->window > needed && s->window > WINDOW_MIN)
      s->window -= s->window / 8;
    s->grown_at = s->head;
  }
}

/* Queue what the stream will want, from P to the end of its window. */
void
ra_schedule (struct readahead *ra, struct stream *s, uint64_t p, int64_t now)
{
  uint64_t len = ra_fetch_length (ra, s);
  uint64_t max = window_limit (ra, s, len, now);
  uint64_t end, e = 0;
  bool hard = false;

  choose_window (ra, s);
  s->window = V2V_MIN (s->window, max);

  end = streams_clip (&ra->streams, s, s->head + s->window, now - 15 * IDLE_NS);
  end = V2V_MIN (end, ra->limit);
  if (!(s->avg >= ra->opts.request))
    len = V2V_MIN (
      len, V2V_MAX (v2v_round_down (s->window / 4, ra->align), FETCH_MIN));
  if (ra->opts.max_request > 0 && len > ra->opts.max_request)
    len = V2V_MAX (v2v_round_down (ra->opts.max_request, ra->align), ra->align);

  while (next_fetch (ra, s, &p, end, len, &e, &hard)) {
    struct seg *seg;

    if (e - p < len && !hard)
      break; /* wait until there is more to ask for */
    if (ra->caching) {
      if (ra->segs.nr >= CACHED_MAX) {
        seg = ra_evictable (ra, true, now);
        if (seg == NULL)
          break;
        ra_discard (ra, seg);
      }
    }
    else if (!make_room (ra, segments_cost (e - p), now))
      break;
    seg = segments_add (&ra->segs, p, e, !ra->caching, ra->memory);
    if (seg == NULL)
      break;
    seg->stream = s->id;
    p = e;
    ra_wake_lanes (ra);
  }
  ra->stats.max_held_bytes = V2V_MAX (ra->stats.max_held_bytes, ra->segs.held);
  ra_wake_lanes (ra);
}
