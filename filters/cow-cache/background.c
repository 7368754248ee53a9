/* SPDX-License-Identifier: BSD-3-Clause */

/* The thread behind .cache.
 *
 * It uses the connection's own context beside the connection's threads,
 * which is allowed under the parallel thread model only: under the others
 * no background is made and .cache works at once.  It holds one range.
 * Who asks while it is busy does the work itself, so that a readahead
 * above that sends many requests gets many fills at once, and learns how
 * long they take.
 */

#include <config.h>

#include <pthread.h>
#include <stdlib.h>

#include <nbdkit-filter.h>

#include "cow-cache.h"
#include "v2v-utils.h"

#define PIECE (1024 * 1024)

struct background {
  struct overlay *ov;
  struct layer_source below;
  bool running; /* by the connection: thread exists */
  pthread_t thread;

  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool stop;            /* by lock */
  uint64_t offset, end; /* by lock; what is left to fill */
};

static void *
background_thread (void *opaque)
{
  struct background *bg = opaque;

  pthread_mutex_lock (&bg->lock);
  while (!bg->stop) {
    uint64_t offset = bg->offset, n;
    int err, r;

    if (offset >= bg->end) {
      pthread_cond_wait (&bg->changed, &bg->lock);
      continue;
    }
    n = V2V_MIN (PIECE - offset % PIECE, bg->end - offset);
    pthread_mutex_unlock (&bg->lock);
    r = overlay_cache (bg->ov, &bg->below.source, n, offset, &err);
    pthread_mutex_lock (&bg->lock);
    /* A failed fill is nobody's error: who reads the data will see it. */
    bg->offset = r == -1 ? bg->end : offset + n;
  }
  pthread_mutex_unlock (&bg->lock);
  return NULL;
}

struct background *
background_new (struct overlay *ov, nbdkit_next *next, const char *name)
{
  struct background *bg = calloc (1, sizeof *bg);

  if (bg == NULL)
    return NULL;
  bg->ov = ov;
  layer_source_init (&bg->below, next, NULL, name);
  pthread_mutex_init (&bg->lock, NULL);
  pthread_cond_init (&bg->changed, NULL);
  return bg;
}

bool
background_fill (struct background *bg, uint64_t offset, uint32_t count)
{
  if (bg == NULL)
    return false;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&bg->lock);
  if (bg->stop || bg->offset < bg->end)
    return false;
  if (!bg->running) {
    if (pthread_create (&bg->thread, NULL, background_thread, bg) != 0)
      return false;
    bg->running = true;
  }
  bg->offset = offset;
  bg->end = offset + count;
  pthread_cond_signal (&bg->changed);
  return true;
}

void
background_stop (struct background *bg)
{
  if (bg == NULL)
    return;
  pthread_mutex_lock (&bg->lock);
  bg->stop = true;
  pthread_cond_signal (&bg->changed);
  pthread_mutex_unlock (&bg->lock);
  if (bg->running)
    pthread_join (bg->thread, NULL);
  pthread_mutex_destroy (&bg->lock);
  pthread_cond_destroy (&bg->changed);
  free (bg);
}
