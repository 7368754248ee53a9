/* SPDX-License-Identifier: BSD-3-Clause */

/* The fetch threads ("lanes"), and the one place that fetches. */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "v2v-utils.h"

#include "engine.h"

void
ra_wake_waiters (struct readahead *ra)
{
  if (ra->waiters > 0)
    pthread_cond_broadcast (&ra->done);
}

void
ra_drop_queue (struct readahead *ra)
{
  while (ra->segs.first)
    segments_remove (&ra->segs, ra->segs.first);
  ra_wake_waiters (ra);
}

/* A lane's fetch failed.  What clients' own threads fetch does not count: if
 * it fails the client tries again and is told, and that it succeeds does not
 * mean that lanes' connections do.
 */
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
  ra_drop_queue (ra);
  ra_message (ra, 'd',
              "prefetching failed three times in a row (errno %d); "
              "pausing it for %d ms",
              err, (int)(ra->opts.pause_ns / 1000000));
}

/* Fetch SEG, which is QUEUED: as LANE, or, if DIRECT is not NULL, in a
 * client's thread.  Lock held on entry and on return.
 */
void
ra_fetch (struct readahead *ra, struct seg *seg, unsigned lane,
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

  switches = ra_voluntary_switches ();
  t0 = ra_now_ns ();
  if (direct)
    r = direct->pread (direct->opaque, seg->buf, len, seg->offset, &err);
  else if (seg->buf == NULL)
    r = ra->ops->cache (ra->opaque, lane, len, seg->offset, &err);
  else
    r = ra->ops->pread (ra->opaque, lane, seg->buf, len, seg->offset, &err);
  t1 = ra_now_ns ();
  slept = ra_voluntary_switches () != switches;

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
    if (direct == NULL && err != ECANCELED)
      failed (ra, err, t1);
  }
  else {
    if (direct == NULL)
      ra->errors = 0;
    ra->stats.fetches++;
    ra->stats.fetched_bytes += len;
    ra_account_waste (ra, len, seg->dead ? len : 0);
    ra_observe (ra, t1 - t0, len, slept);
    ra->latency_ns += (t1 - t0 - ra->latency_ns) /
                      (ra->latency_ns == 0 ? 1 : 8);
    ra_control_concurrency (ra, len, t1);
  }
  segments_unref (&ra->segs, seg);
  ra_wake_waiters (ra);
  ra_wake_lanes (ra); /* there may be more of them now */
}

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
  int64_t now;
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
      ra->map_failed = true; /* go on without */
      ra_message (ra, 'd', "the source does not tell where it has data");
    }
  }
  s = streams_by_id (&ra->streams, ra->map_stream);
  now = ra_now_ns ();
  if (s && !ra->stop && ra_worth_it (ra, s, now))
    ra_schedule (ra, s, s->head, now);
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
      ra_fetch (ra, ra->segs.first, lane->nr, NULL);
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

  ra->lanes[i] = (struct lane){ .ra = ra, .nr = i };
  /* Signals are for the server's threads. */
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &saved);
  r = pthread_create (&ra->threads[i], NULL, lane_main, &ra->lanes[i]);
  pthread_sigmask (SIG_SETMASK, &saved, NULL);
  if (r == 0)
    ra->nr_threads++;
  else
    ra_message (ra, 'd', "pthread_create: errno %d", r);
}

void
ra_wake_lanes (struct readahead *ra)
{
  if (ra->stop || (ra->segs.first == NULL && !ra->map_wanted))
    return;
  if (ra->nr_threads < ra->conc && ra->in_flight + ra->idle < ra->conc)
    start_lane (ra);
  if (ra->idle > 0)
    pthread_cond_broadcast (&ra->work);
}
