/* SPDX-License-Identifier: BSD-3-Clause */

/* The layer below as what the engine fetches from: a context for each call,
 * which is a connection's (borrowed), or the lane's own.
 */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "v2v-utils.h"

#include "filter.h"
#define V2V_SOURCE_EXPORTS_WEAK
#include "source-exports.h"

/* Contexts that our threads open and close: nbdkit keeps some strings of
 * threads that belong to no connection in a list without a lock.
 */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- Contexts of connections. ---- */

void
source_offer (struct export *x, struct handle *h, nbdkit_next *next)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&x->lock);

  h->reader_next = next;
  h->next_reader = x->readers;
  x->readers = h;
}

void
source_withdraw (struct export *x, struct handle *h)
{
  struct handle **p;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&x->lock);

  for (p = &x->readers; *p && *p != h; p = &(*p)->next_reader)
    ;
  if (*p)
    *p = h->next_reader;
  h->next_reader = NULL;
  while (h->borrowed > 0)
    pthread_cond_wait (&x->idle, &x->lock);
  h->reader_next = NULL;
}

/* NULL if no connection is there. */
static struct handle *
borrow (struct export *x)
{
  struct handle *h, **p;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&x->lock);

  h = x->readers;
  if (h == NULL)
    return NULL;
  h->borrowed++;
  /* They take turns: put it at the end. */
  x->readers = h->next_reader;
  h->next_reader = NULL;
  for (p = &x->readers; *p; p = &(*p)->next_reader)
    ;
  *p = h;
  return h;
}

static void
give_back (struct export *x, struct handle *h)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&x->lock);

  if (--h->borrowed == 0)
    pthread_cond_broadcast (&x->idle);
}

/* ---- Contexts of our own. ---- */

bool
source_knows_export (const char *name)
{
#ifdef SHARED_CONTEXT_HAS_EXPORT_NAME
  (void)name;
  return true;
#else
  return *name == '\0' || v2v_source_thread_export != NULL;
#endif
}

static void
close_own (struct own_context *own)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&open_lock);

  if (own->next) {
    own->next->finalize (own->next);
    nbdkit_next_context_close (own->next);
    own->next = NULL;
  }
}

static int
open_own (const struct export *x, struct own_context *own)
{
  nbdkit_next *next;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&open_lock);

  next = nbdkit_next_context_open (x->backend, 1, x->name, 1);
  if (next == NULL)
    return -1;
  if (next->prepare (next) == -1) {
    nbdkit_next_context_close (next);
    return -1;
  }
  /* nbdkit wants these to have been asked before I/O. */
  if (next->get_size (next) != (int64_t)x->size ||
      next->can_multi_conn (next) != x->multi || next->can_cache (next) == -1 ||
      next->can_extents (next) == -1) {
    nbdkit_debug ("v2v-readahead: a second connection to the source shows "
                  "something else; not using it");
    next->finalize (next);
    nbdkit_next_context_close (next);
    return -1;
  }
  own->next = next;
  own->errors = 0;
  return 0;
}

/* ---- A call of the layer below. ---- */

struct call {
  nbdkit_next *next;
  struct handle *borrowed; /* or NULL: `next' is the lane's own */
};

static int
begin_call (struct export *x, unsigned lane, struct call *c, int *err)
{
  /* Should it be opened in this thread: by us, or by a filter in between
   * (nbdkit-retry-filter).
   */
  v2v_tell_export (x->name);
  if (x->mode == OWN) {
    struct own_context *own = &x->own[lane];

    if (own->next == NULL && open_own (x, own) == -1) {
      *err = EIO;
      return -1;
    }
    *c = (struct call){ .next = own->next };
    return 0;
  }

  c->borrowed = borrow (x);
  if (c->borrowed == NULL) {
    *err = ECANCELED;
    return -1;
  }
  c->next = c->borrowed->reader_next;
  if (c->borrowed->call_lock)
    pthread_mutex_lock (c->borrowed->call_lock);
  return 0;
}

/* R is what the call returned. */
static void
end_call (struct export *x, unsigned lane, struct call *c, int r)
{
  if (c->borrowed == NULL) {
    struct own_context *own = &x->own[lane];

    /* The connection to the source may be broken: get a new one. */
    if (r == 0)
      own->errors = 0;
    else if (++own->errors >= 2)
      close_own (own);
    return;
  }
  if (c->borrowed->call_lock)
    pthread_mutex_unlock (c->borrowed->call_lock);
  give_back (x, c->borrowed);
}

static int
source_pread (void *xv, unsigned lane, void *buf, uint32_t count,
              uint64_t offset, int *err)
{
  struct export *x = xv;
  struct call c;
  int r;

  if (begin_call (x, lane, &c, err) == -1)
    return -1;
  r = c.next->pread (c.next, buf, count, offset, 0, err);
  end_call (x, lane, &c, r);
  return r;
}

static int
source_cache (void *xv, unsigned lane, uint32_t count, uint64_t offset,
              int *err)
{
  struct export *x = xv;
  struct call c;
  int r;

  if (begin_call (x, lane, &c, err) == -1)
    return -1;
  r = c.next->cache (c.next, count, offset, 0, err);
  end_call (x, lane, &c, r);
  return r;
}

void
source_note_extents (struct readahead *ra, uint64_t generation,
                     const struct nbdkit_extents *exts)
{
  size_t i, n = nbdkit_extents_count (exts);

  for (i = 0; i < n; ++i) {
    struct nbdkit_extent e = nbdkit_get_extent (exts, i);

    readahead_note_extent (ra, generation, e.offset, e.length,
                           (e.type & NBDKIT_EXTENT_ZERO) != 0);
  }
}

static int
source_extents (void *xv, unsigned lane, uint32_t count, uint64_t offset,
                uint64_t generation, int *err)
{
  struct export *x = xv;
  struct nbdkit_extents *exts;
  struct call c;
  int r;

  exts = nbdkit_extents_new (offset, x->size);
  if (exts == NULL) {
    *err = errno;
    return -1;
  }
  if (begin_call (x, lane, &c, err) == -1) {
    nbdkit_extents_free (exts);
    return -1;
  }
  r = c.next->extents (c.next, count, offset, 0, exts, err);
  end_call (x, lane, &c, r);
  if (r == 0)
    source_note_extents (x->ra, generation, exts);
  nbdkit_extents_free (exts);
  return r;
}

static void
source_lane_end (void *xv, unsigned lane)
{
  struct export *x = xv;

  v2v_tell_export (NULL);
  if (x->mode == OWN)
    close_own (&x->own[lane]);
}

const struct readahead_source_ops source_ops = {
  .pread = source_pread,
  .cache = source_cache,
  .extents = source_extents,
  .lane_end = source_lane_end,
};

const struct readahead_source_ops source_ops_no_extents = {
  .pread = source_pread,
  .cache = source_cache,
  .lane_end = source_lane_end,
};
