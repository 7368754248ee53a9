/* SPDX-License-Identifier: BSD-3-Clause */

/* Fetching ranges in the background.
 *
 * The threads take pieces of the ranges in order under one mutex and
 * fetch each with the ordinary fill, so that reads that want the same
 * blocks meanwhile wait for them instead of fetching again.  What others
 * fetch already is skipped, not waited for.  Cancelling is seen between
 * two requests to the source, hence pieces are small.
 */

#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "v2v-utils.h"

#define PIECE (UINT64_C (1024) * 1024)

struct prefetch {
  struct overlay *ov;
  struct overlay_source src;
  _Atomic bool stop, failed;

  pthread_mutex_t lock;
  struct overlay_range *ranges; /* the rest is by lock */
  size_t nr_ranges, current;
  uint64_t done;   /* bytes of the current range handed out */
  uint64_t budget; /* bytes that may still be fetched */

  unsigned nr_threads;
  pthread_t thread[];
};

/* Take the next piece and the right to fetch that much. */
static bool
next_piece (struct prefetch *pf, uint64_t *offset, uint64_t *length)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&pf->lock);
  while (pf->current < pf->nr_ranges) {
    const struct overlay_range *r = &pf->ranges[pf->current];
    uint64_t n;

    if (pf->done >= r->length) {
      pf->current++;
      pf->done = 0;
      continue;
    }
    *offset = r->offset + pf->done;
    /* Pieces end at multiples of their size. */
    n = PIECE - *offset % PIECE;
    n = V2V_MIN (n, r->length - pf->done);
    n = V2V_MIN (n, pf->budget);
    if (n == 0)
      return false;
    pf->budget -= n;
    pf->done += n;
    *length = n;
    return true;
  }
  return false;
}

static void *
prefetch_thread (void *opaque)
{
  struct prefetch *pf = opaque;
  uint64_t offset, length;
  int err;

  while (!atomic_load (&pf->stop) && next_piece (pf, &offset, &length)) {
    const uint64_t end = offset + length;
    uint64_t unused = length;

    while (offset < end && !atomic_load (&pf->stop)) {
      uint64_t next, fetched;

      if (ov_fill_step (pf->ov, &pf->src, offset, end, PIECE, false, &next,
                        &fetched, &err) == -1) {
        atomic_store (&pf->stop, true);
        if (!atomic_exchange (&pf->failed, true))
          ov_log (pf->ov, 'w', "prefetching ends at %llu: %s",
                  (unsigned long long)offset, strerror (err));
        break;
      }
      unused -= V2V_MIN (unused, fetched);
      offset = next;
    }
    /* What was known already does not count. */
    pthread_mutex_lock (&pf->lock);
    pf->budget += unused;
    pthread_mutex_unlock (&pf->lock);
  }
  return NULL;
}

static void
free_prefetch (struct prefetch *pf)
{
  if (pf == NULL)
    return;
  pthread_mutex_destroy (&pf->lock);
  free (pf->ranges);
  free (pf);
}

static void
stop_locked (struct overlay *ov)
{
  struct prefetch *pf = ov->prefetch;
  unsigned i;

  if (pf == NULL)
    return;
  atomic_store (&pf->stop, true);
  for (i = 0; i < pf->nr_threads; ++i)
    pthread_join (pf->thread[i], NULL);
  free_prefetch (pf);
  ov->prefetch = NULL;
}

int
overlay_prefetch_start (struct overlay *ov, const struct overlay_source *src,
                        const struct overlay_range *ranges, size_t nr_ranges,
                        uint64_t max_bytes, unsigned threads, int *err)
{
  struct prefetch *pf;
  uint64_t end;
  size_t i;
  int r = 0;

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&ov->prefetch_lock);
  stop_locked (ov);

  threads = V2V_MAX (threads, 1);
  pf = calloc (1, sizeof *pf + threads * sizeof pf->thread[0]);
  if (pf == NULL) {
    *err = ENOMEM;
    return -1;
  }
  pthread_mutex_init (&pf->lock, NULL);
  pf->ov = ov;
  pf->src = *src;
  pf->budget = max_bytes ? v2v_round_down (max_bytes, BLOCK) : UINT64_MAX / 2;
  pf->ranges = calloc (nr_ranges + 1, sizeof pf->ranges[0]);
  if (pf->ranges == NULL) {
    *err = ENOMEM;
    free_prefetch (pf);
    return -1;
  }
  for (i = 0; i < nr_ranges; ++i) {
    struct overlay_range *to = &pf->ranges[pf->nr_ranges];

    if (ranges[i].offset >= ov->size)
      continue;
    /* Whole blocks, so that the bound is exact. */
    end = ranges[i].length > ov->size - ranges[i].offset
            ? ov->size
            : ranges[i].offset + ranges[i].length;
    end = V2V_MIN (v2v_round_up (end, BLOCK), ov->size);
    to->offset = v2v_round_down (ranges[i].offset, BLOCK);
    to->length = end - to->offset;
    pf->nr_ranges++;
  }
  for (i = 0; i < threads; ++i) {
    r = pthread_create (&pf->thread[i], NULL, prefetch_thread, pf);
    if (r != 0)
      break;
    pf->nr_threads++;
  }
  ov->prefetch = pf;
  if (pf->nr_threads == 0) {
    *err = r;
    stop_locked (ov);
    return -1;
  }
  return 0;
}

void
overlay_prefetch_stop (struct overlay *ov)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&ov->prefetch_lock);
  stop_locked (ov);
}
