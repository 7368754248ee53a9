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
 * How far.  A window per stream.  It starts at four reads, doubles when
 * the client had to wait, at least to twice rate × latency; it shrinks
 * when it is more than needed, and when fetches were in vain.  It ends
 * at the end of the disk, at ranges that another stream has read, and
 * never covers what is known to be zero.
 *
 * How many at a time.  One lane first.  While clients wait, a lane count
 * is tried that is twice (later: by one) larger, and kept if 10 % more
 * bytes arrive per second.  An error halves it; three errors in a row
 * stop all prefetching for a while.
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
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "v2v-utils.h"

#include "extmap.h"
#include "readahead.h"
#include "segments.h"
#include "streams.h"

#define NS_PER_S INT64_C (1000000000)

#define WINDOW_MIN (UINT64_C (256) << 10)
#define WINDOW_MAX (UINT64_C (16) << 20)
#define FETCH_MIN (UINT64_C (64) << 10)
#define FETCH_ALIGN 4096

/* Known zeroes that are shorter are read over: a second request costs
 * more than the bytes.
 */
#define ZERO_MIN (UINT64_C (64) << 10)

/* How much is asked at a time when the map of zeroes is empty. */
#define MAP_UNIT (UINT64_C (128) << 20)

/* A buffer that nobody wanted for so long is not served any more, in
 * case the source is changed by somebody else.
 */
#define AGE_MAX (60 * NS_PER_S)

/* A stream that was not used for so long no longer needs its window. */
#define IDLE_NS (2 * NS_PER_S)

/* Segments that have no memory (use_cache) are bounded by number. */
#define CACHED_MAX 4096

/* What a client's read has yet to get: on its thread's stack. */
struct reading {
  uint64_t pos, end;
  struct reading *next;
};

struct readahead {
  /* Constant. */
  struct readahead_options opts;
  const struct readahead_source_ops *ops;
  void *opaque;
  uint64_t limit;               /* nothing is fetched beyond */
  uint64_t align;               /* of fetches */
  bool query_extents;           /* we may ask ops->extents */

  pthread_mutex_t lock;
  pthread_cond_t work;          /* lanes wait for work, or to stop */
  pthread_cond_t done;          /* clients wait for a fetch to end */

  /* Protected by lock. */
  struct segments segs;
  struct streams streams;
  struct extmap zeroes;         /* bit = reads as zero; else data */
  uint64_t memory;              /* limit of segs.held */
  bool writable;
  uint64_t generation;          /* of what is known about zeroes */
  struct readahead_write *writes; /* in flight */
  struct reading *readings;     /* clients' reads in progress */

  pthread_t *threads;           /* opts.connections slots */
  struct lane { struct readahead *ra; unsigned nr; } *lanes;
  unsigned nr_threads;
  unsigned idle;                /* threads that wait for work */
  unsigned waiters;             /* clients that wait for done */
  unsigned in_flight;           /* fetches and map queries by lanes */
  unsigned direct_in_flight;    /* clients' own requests of the source */
  bool stop;

  bool caching;                 /* ops->cache instead of buffers */
  unsigned uncached;            /* cached ranges that were slow to read */

  bool map_wanted, map_running; /* ask ops->extents */
  bool map_failed;
  uint64_t map_offset, map_stream;

  unsigned depth;               /* clients in readahead_pread */
  unsigned depth_avg;           /* average of it × 256 */
  int64_t slow_ns;              /* latency beyond 1 ns per byte, low average */
  int64_t latency_ns;           /* of a fetch, average */

  unsigned errors;              /* in a row */
  int64_t pause_until;

  /* How many lanes may work.  base_rate was measured with fewer. */
  unsigned conc, conc_before;
  bool conc_probing, conc_linear;
  unsigned conc_hold;           /* periods until the next try */
  uint64_t base_rate;
  unsigned period_fetches;
  uint64_t period_bytes;
  int64_t period_ns;
  bool period_late;             /* a client waited */

  /* Fetched in vain?  Halved together from time to time. */
  uint64_t recent_fetched, recent_wasted;
  unsigned caution;             /* hits needed = 2 << caution */

  struct readahead_stats stats;
};

static void schedule (struct readahead *ra, struct stream *s, uint64_t p,
                      int64_t now);
static void wake_lanes (struct readahead *ra);

static int64_t
now_ns (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static long
voluntary_switches (void)
{
  struct rusage ru;

  if (getrusage (RUSAGE_THREAD, &ru) == -1)
    return 0;
  return ru.ru_nvcsw;
}

static void __attribute__ ((format (printf, 3, 4)))
message (struct readahead *ra, char level, const char *fs, ...)
{
  char buf[256];
  va_list args;

  if (ra->opts.log == NULL)
    return;
  va_start (args, fs);
  vsnprintf (buf, sizeof buf, fs, args);
  va_end (args);
  ra->opts.log (ra->opaque, level, buf);
}

/* ---- What the source is like. ---- */

/* A request of COUNT bytes took NS; the thread slept meanwhile or not.
 * Follows decreases as fast as increases, so that one slow answer of a
 * fast source is soon forgotten.
 */
static void
observe (struct readahead *ra, int64_t ns, uint64_t count, bool slept)
{
  int64_t x = slept ? ns - (int64_t) count : 0;

  if (x < 0)
    x = 0;
  ra->slow_ns += (x - ra->slow_ns) / 4;
}

/* End of a fetch: has the number of lanes proved itself? */
static void
control_concurrency (struct readahead *ra, uint64_t bytes, int64_t now)
{
  unsigned needed = V2V_MAX (4, 3 * ra->conc);
  uint64_t rate;
  int64_t ns;

  if (ra->period_fetches == 0)
    ra->period_ns = now;        /* the first one only starts the clock */
  else
    ra->period_bytes += bytes;
  ra->period_fetches++;
  ns = now - ra->period_ns;
  if (ra->period_fetches <= needed || ns <= 0)
    return;

  rate = (uint64_t) ((double) ra->period_bytes * NS_PER_S / ns);
  if (!ra->period_late)
    ;                           /* clients are slower than we are */
  else if (ra->conc_probing) {
    ra->conc_probing = false;
    if (rate < ra->base_rate + ra->base_rate / 10) {
      ra->conc = ra->conc_before;
      ra->conc_linear = true;
      ra->conc_hold = 16;
    }
  }
  else if (ra->conc_hold > 0)
    ra->conc_hold--;
  if (ra->period_late && !ra->conc_probing && ra->conc_hold == 0 &&
      ra->conc < ra->opts.connections) {
    ra->base_rate = rate;
    ra->conc_before = ra->conc;
    ra->conc = V2V_MIN (ra->opts.connections,
                        ra->conc_linear ? ra->conc + 1 : ra->conc * 2);
    ra->conc_probing = true;
  }
  message (ra, 'd', "%u fetches at a time, %" PRIu64 " KiB/s, latency %d us,"
           " clients %s", ra->conc, rate / 1024,
           (int) (ra->latency_ns / 1000),
           ra->period_late ? "waited" : "did not wait");
  ra->period_fetches = 0;
  ra->period_bytes = 0;
  ra->period_late = false;
}

/* ---- Segments and memory. ---- */

static void
wake_waiters (struct readahead *ra)
{
  if (ra->waiters > 0)
    pthread_cond_broadcast (&ra->done);
}

static void
account_waste (struct readahead *ra, uint64_t fetched, uint64_t wasted)
{
  size_t i;

  ra->stats.wasted_bytes += wasted;
  ra->recent_fetched += fetched;
  ra->recent_wasted += wasted;
  if (ra->recent_wasted > (1 << 20) &&
      ra->recent_wasted > ra->recent_fetched / 8) {
    if (ra->caution < 5)
      ra->caution++;
    for (i = 0; i < STREAMS_MAX; ++i)
      ra->streams.s[i].window /= 2;
    ra->recent_fetched = ra->recent_wasted = 0;
  }
  else if (ra->recent_fetched > (32 << 20)) {
    if (ra->caution > 0 && ra->recent_wasted < ra->recent_fetched / 16)
      ra->caution--;
    ra->recent_fetched /= 2;
    ra->recent_wasted /= 2;
  }
}

/* A READY segment goes before all of it was read. */
static void
discard (struct readahead *ra, struct seg *seg)
{
  uint64_t len = seg->end - seg->offset;

  if (!ra->caching && seg->consumed < len)
    account_waste (ra, 0, len - seg->consumed);
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
static struct seg *
evictable (struct readahead *ra, bool any, int64_t now)
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
    struct seg *seg = evictable (ra, false, now);

    if (seg == NULL)
      return false;
    discard (ra, seg);
  }
  return true;
}

static void
drop_queue (struct readahead *ra)
{
  while (ra->segs.first)
    segments_remove (&ra->segs, ra->segs.first);
  wake_waiters (ra);
}

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
  wake_waiters (ra);
}

static void
failed (struct readahead *ra, int err, int64_t now)
{
  ra->stats.errors++;
  ra->conc = V2V_MAX (1, ra->conc / 2);
  ra->conc_linear = true;
  ra->conc_probing = false;
  ra->conc_hold = 16;
  if (++ra->errors < 3)
    return;
  ra->errors = 0;
  ra->pause_until = now + ra->opts.pause_ns;
  drop_queue (ra);
  message (ra, 'd', "prefetching failed three times in a row (errno %d); "
           "pausing it for %d ms", err, (int) (ra->opts.pause_ns / 1000000));
}

/* Fetch SEG, which is QUEUED: as LANE, or, if DIRECT is not NULL, in a
 * client's thread.  Lock held on entry and on return.
 */
static void
fetch (struct readahead *ra, struct seg *seg, unsigned lane,
       const struct readahead_direct *direct)
{
  uint32_t len = seg->end - seg->offset;
  int64_t t0, t1;
  long switches;
  bool slept;
  int r, err = 0;

  segments_dequeue (&ra->segs, seg);
  seg->state = SEG_FETCHING;
  seg->refs++;
  if (direct)
    ra->direct_in_flight++;
  else
    ra->in_flight++;
  pthread_mutex_unlock (&ra->lock);

  switches = voluntary_switches ();
  t0 = now_ns ();
  if (direct)
    r = direct->pread (direct->opaque, seg->buf, len, seg->offset, &err);
  else if (seg->buf == NULL)
    r = ra->ops->cache (ra->opaque, lane, len, seg->offset, &err);
  else
    r = ra->ops->pread (ra->opaque, lane, seg->buf, len, seg->offset, &err);
  t1 = now_ns ();
  slept = voluntary_switches () != switches;

  pthread_mutex_lock (&ra->lock);
  if (direct)
    ra->direct_in_flight--;
  else
    ra->in_flight--;
  seg->state = SEG_READY;
  seg->ready_ns = t1;
  if (r == -1) {
    if (!seg->dead)
      segments_remove (&ra->segs, seg);
    if (err != ECANCELED)
      failed (ra, err, t1);
  }
  else {
    ra->errors = 0;
    ra->stats.fetches++;
    ra->stats.fetched_bytes += len;
    account_waste (ra, len, seg->dead ? len : 0);
    observe (ra, t1 - t0, len, slept);
    ra->latency_ns += (t1 - t0 - ra->latency_ns) /
      (ra->latency_ns == 0 ? 1 : 8);
    control_concurrency (ra, len, t1);
  }
  segments_unref (&ra->segs, seg);
  wake_waiters (ra);
  wake_lanes (ra);              /* there may be more of them now */
}

/* ---- Lanes. ---- */

static bool
has_work (struct readahead *ra, unsigned lane)
{
  if (ra->in_flight >= ra->conc || lane >= ra->conc)
    return false;
  /* One connection means one request at a time as far as we can help. */
  if (ra->opts.connections == 1 && ra->direct_in_flight > 0)
    return false;
  return ra->segs.first != NULL || (ra->map_wanted && !ra->map_running);
}

static void
query_map (struct readahead *ra, unsigned lane)
{
  uint64_t offset = ra->map_offset, generation = ra->generation;
  uint64_t count = V2V_MIN (MAP_UNIT, ra->limit - offset);
  const struct extmap_range *z;
  struct stream *s;
  int r, err = 0;

  ra->map_wanted = false;
  ra->map_running = true;
  ra->in_flight++;
  pthread_mutex_unlock (&ra->lock);
  r = ra->ops->extents (ra->opaque, lane, count, offset, generation, &err);
  pthread_mutex_lock (&ra->lock);
  ra->in_flight--;
  ra->map_running = false;

  z = extmap_find (&ra->zeroes, offset);
  if (generation == ra->generation && (r == -1 || !z || z->start > offset)) {
    if (err != ECANCELED) {
      ra->map_failed = true;    /* go on without */
      message (ra, 'd', "the source does not tell where it has data");
    }
  }
  s = streams_by_id (&ra->streams, ra->map_stream);
  if (s && !ra->stop)
    schedule (ra, s, s->head, now_ns ());
}

static void *
lane_main (void *lanev)
{
  struct lane *lane = lanev;
  struct readahead *ra = lane->ra;

  pthread_mutex_lock (&ra->lock);
  for (;;) {
    while (!ra->stop && !has_work (ra, lane->nr)) {
      ra->idle++;
      pthread_cond_wait (&ra->work, &ra->lock);
      ra->idle--;
    }
    if (ra->stop)
      break;
    if (ra->map_wanted && !ra->map_running)
      query_map (ra, lane->nr);
    else
      fetch (ra, ra->segs.first, lane->nr, NULL);
  }
  pthread_mutex_unlock (&ra->lock);

  if (ra->ops->lane_end)
    ra->ops->lane_end (ra->opaque, lane->nr);
  return NULL;
}

static void
start_lane (struct readahead *ra)
{
  unsigned i = ra->nr_threads;
  sigset_t all, saved;
  int r;

  ra->lanes[i] = (struct lane) { .ra = ra, .nr = i };
  /* Signals are for the server's threads. */
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &saved);
  r = pthread_create (&ra->threads[i], NULL, lane_main, &ra->lanes[i]);
  pthread_sigmask (SIG_SETMASK, &saved, NULL);
  if (r == 0)
    ra->nr_threads++;
  else
    message (ra, 'd', "pthread_create: errno %d", r);
}

static void
wake_lanes (struct readahead *ra)
{
  if (ra->stop || (ra->segs.first == NULL && !ra->map_wanted))
    return;
  if (ra->nr_threads < ra->conc && ra->in_flight + ra->idle < ra->conc)
    start_lane (ra);
  if (ra->idle > 0)
    pthread_cond_broadcast (&ra->work);
}

/* ---- What to fetch. ---- */

static uint64_t
power_of_two (uint64_t n)       /* at least n */
{
  uint64_t p = 1;

  while (p < n)
    p *= 2;
  return p;
}

/* The longest fetch for a stream: as long as its reads, so that a client
 * that asks for much at a time does not get more requests than it made.
 */
static uint64_t
fetch_length (struct readahead *ra, const struct stream *s)
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

static bool
worth_it (struct readahead *ra, const struct stream *s, int64_t now)
{
  if (ra->slow_ns <= ra->opts.fast_ns)
    return false;
  if (!stream_is_sequential (s, 2U << ra->caution))
    return false;
  if (ra->opts.busy_depth > 0 && ra->depth_avg > ra->opts.busy_depth * 256)
    return false;
  /* One lane must not need more requests than the client would. */
  if (ra->opts.connections == 1 && ra->opts.max_request == 0 &&
      s->avg > fetch_length (ra, s))
    return false;
  return now >= ra->pause_until;
}

/* The client had to wait: the window is too small. */
static void
late (struct readahead *ra, uint64_t stream)
{
  struct stream *s = streams_by_id (&ra->streams, stream);

  ra->period_late = true;
  if (s == NULL || s->window == 0 || s->head - s->grown_at < s->window / 4)
    return;
  s->window = V2V_MAX (2 * s->window,
                       (uint64_t) (2e-9 * s->rate * ra->latency_ns));
  s->grown_at = s->head;        /* schedule keeps it within its limit */
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

/* Queue what the stream will want, from P to the end of its window. */
static void
schedule (struct readahead *ra, struct stream *s, uint64_t p, int64_t now)
{
  uint64_t len = fetch_length (ra, s);
  uint64_t max = window_limit (ra, s, len, now);
  uint64_t needed, end, e = 0;
  bool hard = false;

  if (s->window == 0) {
    s->window = V2V_MAX (WINDOW_MIN, 4 * s->avg);
    s->grown_at = s->head;
  }
  else if (s->head - s->grown_at > 2 * s->window) {
    /* Two windows without waiting. */
    needed = (uint64_t) (4e-9 * s->rate * ra->latency_ns) + 4 * s->avg;
    if (s->window > needed && s->window > WINDOW_MIN)
      s->window -= s->window / 8;
    s->grown_at = s->head;
  }
  s->window = V2V_MIN (s->window, max);

  end = streams_clip (&ra->streams, s, s->head + s->window,
                      now - 15 * IDLE_NS);
  end = V2V_MIN (end, ra->limit);
  if (!(s->avg >= ra->opts.request))
    len = V2V_MIN (len, V2V_MAX (v2v_round_down (s->window / 4, ra->align),
                                 FETCH_MIN));
  if (ra->opts.max_request > 0 && len > ra->opts.max_request)
    len = V2V_MAX (v2v_round_down (ra->opts.max_request, ra->align),
                   ra->align);

  while (next_fetch (ra, s, &p, end, len, &e, &hard)) {
    struct seg *seg;

    if (e - p < len && !hard)
      break;                    /* wait until there is more to ask for */
    if (ra->caching) {
      if (ra->segs.nr >= CACHED_MAX) {
        seg = evictable (ra, true, now);
        if (seg == NULL)
          break;
        discard (ra, seg);
      }
    }
    else if (!make_room (ra, segments_cost (e - p), now))
      break;
    seg = segments_add (&ra->segs, p, e, !ra->caching, ra->memory);
    if (seg == NULL)
      break;
    seg->stream = s->id;
    p = e;
    wake_lanes (ra);
  }
  ra->stats.max_held_bytes = V2V_MAX (ra->stats.max_held_bytes,
                                      ra->segs.held);
  wake_lanes (ra);
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
    switches = voluntary_switches ();
    t0 = now_ns ();
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
    t1 = now_ns ();
    slept = voluntary_switches () != switches;
  }

  pthread_mutex_lock (&ra->lock);
  ra->direct_in_flight--;
  ra->stats.direct_reads++;
  ra->stats.direct_bytes += done;
  if (r == 0 && measure) {
    if (latency)
      *latency = slept ? (t1 - t0 - (int64_t) count) / pieces : 0;
    else
      observe (ra, (t1 - t0) / pieces, count / pieces, slept);
  }
  if (ra->opts.connections == 1 && ra->direct_in_flight == 0)
    wake_lanes (ra);
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
        late (ra, stream);
        if (ra->opts.connections == 1 && ra->in_flight > 0)
          wait_done (ra);
        else
          fetch (ra, seg, 0, direct);
        break;

      case SEG_FETCHING:
        late (ra, stream);
        wait_for (ra, seg);
        break;

      case SEG_READY:
        if (now_ns () - seg->ready_ns > AGE_MAX) {
          discard (ra, seg);
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
    else if (direct_read (ra, direct, buf, n, offset, measure, NULL,
                          err) == -1)
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
  message (ra, 'd', "the source does not cache; using buffers");
  ra->caching = false;
  while (ra->segs.nr > 0)
    segments_remove (&ra->segs, ra->segs.t[0]);
  wake_waiters (ra);
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
      late (ra, stream);
      if (v2v_round_up (end, ra->align) < seg->end)
        seg->offset = v2v_round_up (end, ra->align);
      else
        segments_remove (&ra->segs, seg);
      break;

    case SEG_FETCHING:
      late (ra, stream);
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
  int64_t now = now_ns ();
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

  if (advanced && worth_it (ra, s, now)) {
    /* What the client wants now it reads itself, unless that is more
     * than one request: then it is also cut into segments.
     */
    p = s->head;
    if (count > fetch_length (ra, s) && ra->opts.connections > 1 &&
        !ra->caching)
      p = offset;
    schedule (ra, s, p, now);
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
  int64_t now = now_ns ();
  struct seg *seg;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&ra->lock);

  ra->memory = memory;
  if (ra->segs.held - ra->segs.spare_bytes > memory)
    drop_queue (ra);
  while (ra->segs.held - ra->segs.spare_bytes > memory &&
         (seg = evictable (ra, true, now)) != NULL)
    discard (ra, seg);
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
  drop_queue (ra);
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
