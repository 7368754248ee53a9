/* SPDX-License-Identifier: BSD-3-Clause */

/* The readahead engine.
 *
 * A client's read is first attributed to a stream (streams.c).  If the
 * stream is sequential and the source has latency that is worth hiding,
 * the range behind the stream's head is cut into segments (segments.c),
 * which a few fetch threads ("lanes") read into buffers.  The client's
 * thread then walks its range: bytes of a READY segment are copied, a
 * FETCHING one is waited for, a QUEUED one is fetched by the client's
 * thread itself, and whatever no segment covers is read directly into
 * the client's buffer.  A segment leaves as soon as all of it was read.
 *
 * When it reads ahead.  All must hold: two hits of the stream (more after
 * much was fetched in vain); the source slept for longer than fast_ns in
 * recent requests (a source that merely computes has no latency to
 * hide); clients keep few requests in flight themselves.  So random
 * access and fast sources cost one lock and a look at the clock for each
 * read (measured: 112 ns of CPU a random read, 161 ns a sequential one; a
 * 4 KiB read through nbdkit costs 20 us and more).
 *
 * How far.  A window per stream.  It starts at four reads (sixteen with
 * one lane), or at what the stream already read in sequence; it doubles
 * when the client had to wait, at least to twice rate × latency; it shrinks
 * when it is more than needed, and when fetches were in vain.  It ends
 * at the end of the disk, at ranges that another stream has read, and
 * never covers what is known to be zero.
 *
 * How many at a time.  One lane first.  While clients wait, a lane count
 * is tried that is twice (later: by one) larger, and kept if 10 % more
 * bytes arrive per second.  An error halves it; three errors in a row
 * stop all prefetching for a while.  Where clients may well be as fast
 * without (`prove_ns'), it must first show that they are not (ra_trial).
 *
 * Invariants:
 *
 *  1. Segments in the table are disjoint: no byte is fetched twice while
 *     it is queued, in flight or held.
 *  2. Bytes are served from a segment only if it was in the table, READY,
 *     after the read began.  Every write removes what it overlaps before
 *     it starts (so also before it returns), and while it runs nothing
 *     that overlaps it is added.  A reader therefore never gets bytes
 *     that are older than a write that was acknowledged before its read.
 *  3. A segment is fetched by exactly one thread, which holds a
 *     reference.  It never waits for another segment, so that waiting
 *     for a FETCHING one always ends.
 *  4. Nobody ever waits for a QUEUED segment that no thread will start:
 *     the waiter fetches it itself (with one lane: unless that lane is
 *     busy, after which it looks again).
 *  5. held <= memory, but after memory was lowered: then only until
 *     readers have finished with their buffers.
 *  6. Only a failure of a client's own direct read fails the client.
 *
 * Locking: `lock' protects everything in struct readahead but the fields
 * marked constant.  It is never held while the source is called nor
 * while bytes are copied.
 */

#include <config.h>

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "v2v-utils.h"

#include "engine.h"

/* A stream ended: what is only queued for it is not wanted. */
static void
drop_stream (struct readahead *ra, uint64_t id)
{
  struct seg *seg, *next;

  for (seg = ra->segs.first; seg; seg = next) {
    next = seg->next;
    if (seg->stream == id)
      segments_remove (&ra->segs, seg);
  }
}

static void
drop_range (struct readahead *ra, uint64_t start, uint64_t end)
{
  size_t i = segments_find (&ra->segs, start);

  while (i < ra->segs.nr && ra->segs.t[i]->offset < end)
    segments_remove (&ra->segs, ra->segs.t[i]);
  extmap_forget (&ra->zeroes, start, end);
  ra->generation++;
  ra_wake_waiters (ra);
}

/* ---- The client's side. ---- */

/* Read straight from the source.  Lock held on entry and on return.
 * MEASURE: learn from it how slow the source is.  LATENCY, if not NULL:
 * rather tell it there.
 */
static int
direct_read (struct readahead *ra, const struct readahead_direct *direct,
             char *buf, uint32_t count, uint64_t offset, bool measure,
             int64_t *latency, int *err)
{
  uint32_t done = 0, pieces = 0;
  long switches = 0;
  int64_t t0 = 0, t1 = 0;
  bool slept = false;
  int r = 0;

  ra->direct_in_flight++;
  pthread_mutex_unlock (&ra->lock);

  if (measure) {
    switches = ra_voluntary_switches ();
    t0 = ra_now_ns ();
  }
  while (done < count) {
    uint32_t n = count - done;

    if (ra->opts.max_request > 0)
      n = V2V_MIN (n, ra->opts.max_request);
    r = direct->pread (direct->opaque, buf + done, n, offset + done, err);
    if (r == -1)
      break;
    done += n;
    pieces++;
  }
  if (measure) {
    t1 = ra_now_ns ();
    slept = ra_voluntary_switches () != switches;
  }

  pthread_mutex_lock (&ra->lock);
  ra->direct_in_flight--;
  ra->stats.direct_reads++;
  ra->stats.direct_bytes += done;
  if (r == 0 && measure) {
    if (latency)
      *latency = slept ? (t1 - t0 - (int64_t)count) / pieces : 0;
    else
      ra_observe (ra, (t1 - t0) / pieces, count / pieces, slept);
  }
  if (ra->opts.connections == 1 && ra->direct_in_flight == 0)
    ra_wake_lanes (ra);
  return r;
}

static void
wait_done (struct readahead *ra)
{
  ra->waiters++;
  pthread_cond_wait (&ra->done, &ra->lock);
  ra->waiters--;
}

/* Wait until SEG is no longer FETCHING. */
static void
wait_for (struct readahead *ra, struct seg *seg)
{
  seg->refs++;
  while (seg->state == SEG_FETCHING && !seg->dead)
    wait_done (ra);
  segments_unref (&ra->segs, seg);
}

/* Serve from buffers what is there.  Lock held on entry and return. */
static int
read_buffered (struct readahead *ra, const struct readahead_direct *direct,
               struct reading *reading, char *buf, uint64_t stream,
               bool measure, int *err)
{
  while (reading->pos < reading->end) {
    uint64_t offset = reading->pos;
    uint32_t count = reading->end - offset;
    size_t i = segments_find (&ra->segs, offset);
    struct seg *seg = i < ra->segs.nr ? ra->segs.t[i] : NULL;
    const struct extmap_range *z;
    uint32_t n = count;

    if (seg && seg->offset <= offset) {
      n = V2V_MIN (n, seg->end - offset);
      switch (seg->state) {
      case SEG_QUEUED:
        ra_late (ra, stream);
        if (ra->opts.connections == 1 && ra->in_flight > 0)
          wait_done (ra);
        else
          ra_fetch (ra, seg, 0, direct);
        break;

      case SEG_FETCHING:
        ra_late (ra, stream);
        wait_for (ra, seg);
        break;

      case SEG_READY:
        if (ra_now_ns () - seg->ready_ns > AGE_MAX) {
          ra_discard (ra, seg);
          break;
        }
        seg->refs++;
        pthread_mutex_unlock (&ra->lock);
        memcpy (buf, seg->buf + (offset - seg->offset), n);
        pthread_mutex_lock (&ra->lock);
        ra->stats.hit_bytes += n;
        seg->consumed += n;
        if (!seg->dead && seg->consumed >= seg->end - seg->offset)
          segments_remove (&ra->segs, seg);
        segments_unref (&ra->segs, seg);
        buf += n;
        reading->pos += n;
        break;
      }
      continue;
    }

    if (seg)
      n = V2V_MIN (n, seg->offset - offset);
    z = ra->writable ? NULL : extmap_find (&ra->zeroes, offset);
    if (z && z->bit && z->start <= offset) {
      n = V2V_MIN (n, z->end - offset);
      memset (buf, 0, n);
      ra->stats.zero_bytes += n;
    }
    else if (direct_read (ra, direct, buf, n, offset, measure, NULL, err) == -1)
      return -1;
    buf += n;
    reading->pos += n;
  }
  return 0;
}

/* What the source was asked to cache is as slow to read as before: it
 * says that it caches, but does not, or something slow is in between
 * (such as nbdkit-delay-filter above a plugin in memory).
 */
static void
stop_caching (struct readahead *ra)
{
  ra_message (ra, 'd', "the source does not cache; using buffers");
  ra->caching = false;
  ra_trial_again (ra);
  while (ra->segs.nr > 0)
    segments_remove (&ra->segs, ra->segs.t[0]);
  ra_wake_waiters (ra);
}

/* The source caches: do not read beside a fetch of the same range. */
static int
read_cached (struct readahead *ra, const struct readahead_direct *direct,
             char *buf, uint32_t count, uint64_t offset, uint64_t stream,
             bool measure, int *err)
{
  uint64_t p = offset, end = offset + count, cached = 0;
  int64_t latency = 0;
  bool any = false;

  while (p < end) {
    size_t i = segments_find (&ra->segs, p);
    struct seg *seg;
    uint64_t n;

    if (i == ra->segs.nr || ra->segs.t[i]->offset >= end)
      break;
    seg = ra->segs.t[i];
    any = true;
    switch (seg->state) {
    case SEG_QUEUED:
      ra_late (ra, stream);
      if (v2v_round_up (end, ra->align) < seg->end)
        seg->offset = v2v_round_up (end, ra->align);
      else
        segments_remove (&ra->segs, seg);
      break;

    case SEG_FETCHING:
      ra_late (ra, stream);
      wait_for (ra, seg);
      break;

    case SEG_READY:
      n = V2V_MIN (end, seg->end) - V2V_MAX (p, seg->offset);
      cached += n;
      seg->consumed += n;
      p = seg->end;
      if (seg->consumed >= seg->end - seg->offset)
        segments_remove (&ra->segs, seg);
      break;
    }
  }
  if (!any)
    return direct_read (ra, direct, buf, count, offset, measure, NULL, err);

  if (direct_read (ra, direct, buf, count, offset, true, &latency, err) == -1)
    return -1;
  if (cached == count && ra->caching) {
    if (latency <= ra->opts.fast_ns)
      ra->uncached = 0;
    else if (++ra->uncached >= 4)
      stop_caching (ra);
  }
  return 0;
}

int
readahead_pread (struct readahead *ra, const struct readahead_direct *direct,
                 void *buf, uint32_t count, uint64_t offset, int *err)
{
  uint64_t end = offset + count, ended, p, id;
  struct reading reading = { .pos = offset, .end = end }, **rp;
  int64_t now = ra_now_ns ();
  struct stream *s;
  bool advanced, measure;
  int r;

  if (count == 0)
    return 0;

  pthread_mutex_lock (&ra->lock);
  ra->depth++;
  ra->depth_avg = (7 * ra->depth_avg + 256 * ra->depth) / 8;
  reading.next = ra->readings;
  /* cppcheck-suppress autoVariables; it is taken out before returning */
  ra->readings = &reading;

  s = streams_read (&ra->streams, offset, end, now, &ra->zeroes, &advanced,
                    &ended);
  id = s->id;
  if (ended)
    drop_stream (ra, ended);
  /* Only sequential readers are worth the two system calls. */
  measure = s->hits >= 1 && (s->hits <= 8 || s->hits % 4 == 0);

  if (advanced && ra_worth_it (ra, s, now) && ra_trial (ra, count, now)) {
    /* What the client wants now it reads itself, unless that is more
     * than one request: then it is also cut into segments.
     */
    p = s->head;
    if (count > ra_fetch_length (ra, s) && ra->opts.connections > 1 &&
        !ra->caching)
      p = offset;
    ra_schedule (ra, s, p, now);
  }

  if (ra->caching)
    r = read_cached (ra, direct, buf, count, offset, id, measure, err);
  else
    r = read_buffered (ra, direct, &reading, buf, id, measure, err);

  for (rp = &ra->readings; *rp != &reading; rp = &(*rp)->next)
    ;
  *rp = reading.next;
  ra->depth--;
  pthread_mutex_unlock (&ra->lock);
  return r;
}

void
readahead_write_begin (struct readahead *ra, struct readahead_write *w,
                       uint64_t count, uint64_t offset)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&ra->lock);

  w->start = offset;
  w->end = offset + count;
  w->next = ra->writes;
  ra->writes = w;
  drop_range (ra, w->start, w->end);
}

void
readahead_write_end (struct readahead *ra, struct readahead_write *w)
{
  struct readahead_write **p;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&ra->lock);

  for (p = &ra->writes; *p != w; p = &(*p)->next)
    assert (*p != NULL);
  *p = w->next;
  /* Extents may have been asked for in the meantime. */
  drop_range (ra, w->start, w->end);
}

void
readahead_invalidate (struct readahead *ra, uint64_t count, uint64_t offset)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&ra->lock);

  drop_range (ra, offset, offset + count);
}

uint64_t
readahead_generation (struct readahead *ra)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&ra->lock);

  return ra->generation;
}

void
readahead_note_extent (struct readahead *ra, uint64_t generation,
                       uint64_t offset, uint64_t length, bool zero)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&ra->lock);

  if (generation != ra->generation || offset >= ra->opts.size)
    return;
  length = V2V_MIN (length, ra->opts.size - offset);
  extmap_set (&ra->zeroes, offset, offset + length, zero);
}

void
readahead_set_writable (struct readahead *ra)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&ra->lock);

  ra->writable = true;
}

void
readahead_set_memory (struct readahead *ra, uint64_t memory)
{
  int64_t now = ra_now_ns ();
  struct seg *seg;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&ra->lock);

  ra->memory = memory;
  if (ra->segs.held - ra->segs.spare_bytes > memory)
    ra_drop_queue (ra);
  while (ra->segs.held - ra->segs.spare_bytes > memory &&
         (seg = ra_evictable (ra, true, now)) != NULL)
    ra_discard (ra, seg);
  segments_trim (&ra->segs, memory);
}

void
readahead_get_stats (struct readahead *ra, struct readahead_stats *st)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&ra->lock);

  *st = ra->stats;
  st->held_bytes = ra->segs.held;
  st->lanes = ra->nr_threads;
  st->concurrency = ra->conc;
}

struct readahead *
readahead_new (const struct readahead_options *opts,
               const struct readahead_source_ops *ops, void *opaque, int *err)
{
  struct readahead *ra = calloc (1, sizeof *ra);
  uint64_t min = opts->min_request > 0 ? opts->min_request : 1;

  if (ra == NULL)
    goto no_memory;
  ra->opts = *opts;
  if (ra->opts.connections == 0)
    ra->opts.connections = 1;
  ra->threads = calloc (ra->opts.connections, sizeof *ra->threads);
  ra->lanes = calloc (ra->opts.connections, sizeof *ra->lanes);
  if (ra->threads == NULL || ra->lanes == NULL)
    goto no_memory;
  ra->ops = ops;
  ra->opaque = opaque;
  ra->align = V2V_MAX (min, FETCH_ALIGN);
  if (opts->max_request > 0 && opts->max_request < ra->align)
    ra->align = min; /* the source takes no more at a time */
  ra->limit = v2v_round_down (opts->size, min);
  ra->query_extents = ops->extents != NULL && !opts->serial &&
                      ra->opts.connections > 1;
  ra->memory = opts->memory;
  ra->conc = 1;
  ra->caching = opts->use_cache && ops->cache != NULL;
  pthread_mutex_init (&ra->lock, NULL);
  pthread_cond_init (&ra->work, NULL);
  pthread_cond_init (&ra->done, NULL);
  return ra;

no_memory:
  if (ra) {
    free (ra->threads);
    free (ra->lanes);
    free (ra);
  }
  *err = ENOMEM;
  return NULL;
}

void
readahead_free (struct readahead *ra)
{
  unsigned i;

  if (ra == NULL)
    return;
  pthread_mutex_lock (&ra->lock);
  ra->stop = true;
  ra_drop_queue (ra);
  pthread_cond_broadcast (&ra->work);
  pthread_mutex_unlock (&ra->lock);
  for (i = 0; i < ra->nr_threads; ++i)
    pthread_join (ra->threads[i], NULL);

  assert (ra->depth == 0);
  while (ra->segs.nr > 0)
    segments_remove (&ra->segs, ra->segs.t[0]);
  segments_free (&ra->segs);
  streams_free (&ra->streams);
  extmap_free (&ra->zeroes);
  pthread_cond_destroy (&ra->done);
  pthread_cond_destroy (&ra->work);
  pthread_mutex_destroy (&ra->lock);
  free (ra->threads);
  free (ra->lanes);
  free (ra);
}
