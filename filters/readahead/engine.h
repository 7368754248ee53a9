/* SPDX-License-Identifier: BSD-3-Clause */

/* What the parts of the readahead engine share.  The design note is at
 * the head of readahead.c; nobody else includes this.
 *
 * All functions but ra_message, ra_now_ns and ra_voluntary_switches want
 * ra->lock to be held; ra_fetch releases it meanwhile.
 */

#ifndef V2V_READAHEAD_ENGINE_H
#define V2V_READAHEAD_ENGINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "extmap.h"
#include "readahead.h"
#include "segments.h"
#include "streams.h"

#define NS_PER_S INT64_C (1000000000)

#define WINDOW_MIN (UINT64_C (256) << 10)
/* Most that a stream's first window is. */
#define WINDOW_FIRST (UINT64_C (8) << 20)
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

/* Does reading ahead pay at all?  See ra_trial. */
struct trial {
  enum {
    TRIAL_WITHOUT,
    TRIAL_WARM_UP,
    TRIAL_WITH,
    TRIAL_KEEP,
    TRIAL_OFF
  } state;
  unsigned reads; /* of this state, and their bytes */
  uint64_t bytes;
  int64_t start_ns, last_ns;
  uint64_t without;   /* bytes/s */
  uint64_t fetches;   /* stats.fetches when TRIAL_WITHOUT ended */
  uint64_t off_bytes; /* how much to read in TRIAL_OFF */
};

struct readahead {
  /* Constant. */
  struct readahead_options opts;
  const struct readahead_source_ops *ops;
  void *opaque;
  uint64_t limit;     /* nothing is fetched beyond */
  uint64_t align;     /* of fetches */
  bool query_extents; /* we may ask ops->extents */

  pthread_mutex_t lock;
  pthread_cond_t work; /* lanes wait for work, or to stop */
  pthread_cond_t done; /* clients wait for a fetch to end */

  /* Protected by lock. */
  struct segments segs;
  struct streams streams;
  struct extmap zeroes; /* bit = reads as zero; else data */
  uint64_t memory;      /* limit of segs.held */
  bool writable;
  uint64_t generation;            /* of what is known about zeroes */
  struct readahead_write *writes; /* in flight */
  struct reading *readings;       /* clients' reads in progress */

  pthread_t *threads; /* opts.connections slots */
  struct lane {
    struct readahead *ra;
    unsigned nr;
  } * lanes;
  unsigned nr_threads;
  unsigned idle;             /* threads that wait for work */
  unsigned waiters;          /* clients that wait for done */
  unsigned in_flight;        /* fetches and map queries by lanes */
  unsigned direct_in_flight; /* clients' own requests of the source */
  bool stop;

  bool caching;      /* ops->cache instead of buffers */
  unsigned uncached; /* cached ranges that were slow to read */

  bool map_wanted, map_running; /* ask ops->extents */
  bool map_failed;
  uint64_t map_offset, map_stream;

  unsigned depth;     /* clients in readahead_pread */
  unsigned depth_avg; /* average of it × 256 */
  int64_t slow_ns;    /* latency beyond 1 ns per byte, low average */
  int64_t latency_ns; /* of a fetch, average */

  unsigned errors; /* of lanes, in a row */
  int64_t pause_until;

  /* How many lanes may work.  base_rate was measured with fewer. */
  unsigned conc, conc_before;
  bool conc_probing, conc_linear;
  unsigned conc_hold; /* periods until the next try */
  uint64_t base_rate;
  unsigned period_fetches;
  uint64_t period_bytes;
  int64_t period_ns;
  bool period_late; /* a client waited */

  struct trial trial;

  /* Fetched in vain?  Halved together from time to time. */
  uint64_t recent_fetched, recent_wasted;
  unsigned caution; /* hits needed = 2 << caution */

  struct readahead_stats stats;
};

/* control.c: what the source is like. */

extern int64_t ra_now_ns (void);
/* How often this thread went to sleep so far. */
extern long ra_voluntary_switches (void);
extern void ra_message (struct readahead *ra, char level, const char *fs, ...)
  __attribute__ ((format (printf, 3, 4)));
/* A request of COUNT bytes took NS; the thread slept meanwhile or not. */
extern void
ra_observe (struct readahead *ra, int64_t ns, uint64_t count, bool slept);
/* A fetch of BYTES ended well. */
extern void
ra_control_concurrency (struct readahead *ra, uint64_t bytes, int64_t now);
/* COUNT bytes of a sequential stream are read: may it be read ahead? */
extern bool ra_trial (struct readahead *ra, uint64_t count, int64_t now);
/* What was measured with readahead says nothing: do that anew. */
extern void ra_trial_again (struct readahead *ra);
extern void
ra_account_waste (struct readahead *ra, uint64_t fetched, uint64_t wasted);

/* lanes.c: fetching. */

extern void ra_wake_waiters (struct readahead *ra);
/* Let lanes look for work; start one if there are too few. */
extern void ra_wake_lanes (struct readahead *ra);
extern void ra_drop_queue (struct readahead *ra);
/* Fetch SEG, which is QUEUED: as LANE, or, if DIRECT is not NULL, in a
 * client's thread.
 */
extern void ra_fetch (struct readahead *ra, struct seg *seg, unsigned lane,
                      const struct readahead_direct *direct);

/* plan.c: what to fetch, and what to give up for it. */

extern void ra_discard (struct readahead *ra, struct seg *seg);
extern struct seg *ra_evictable (struct readahead *ra, bool any, int64_t now);
extern uint64_t ra_fetch_length (struct readahead *ra, const struct stream *s);
extern bool
ra_worth_it (struct readahead *ra, const struct stream *s, int64_t now);
/* A client of the stream had to wait. */
extern void ra_late (struct readahead *ra, uint64_t stream);
/* Queue what the stream will want, from P to the end of its window. */
extern void
ra_schedule (struct readahead *ra, struct stream *s, uint64_t p, int64_t now);

#endif /* V2V_READAHEAD_ENGINE_H */
