/* SPDX-License-Identifier: BSD-3-Clause */

/* nbdkit-v2v-readahead-filter: how the engine (readahead.c) is put into
 * nbdkit.
 *
 * What the fetch threads may call depends on the thread model of the
 * whole stack, which nbdkit tells in get_ready:
 *
 * PARALLEL.  Fetch threads use the contexts of the connections that are
 * open (struct reader below), any of them, since they may be used by
 * several threads at once.  No further handle of the plugin is opened.
 *
 * OWN (serialize_requests).  One request at a time per context.  Each
 * fetch thread opens a context of its own, when it first fetches.  Not
 * possible if the plugin says that its connections may differ
 * (can_multi_conn), and not for a named export on nbdkit < 1.43.9, where
 * such a context would not know its name and might show another disk.
 *
 * LOCKED (serialize_all_requests; or serialize_requests with the default
 * export and without multi-conn).  One fetch thread borrows the context
 * of a connection.  A mutex makes its calls and the connection's exclude
 * each other: one for the whole server, or one per connection.  This is
 * why all callbacks are defined here: one that is not would bypass the
 * mutex.  Under serialize_all_requests it is also why the layer below is
 * opened, finalized and closed by us rather than by the server, which
 * would do so without the mutex.
 *
 * PASSIVE.  Everything is passed on.
 *
 * All connections to one export share an engine if the plugin has
 * multi-conn (or is known to be safe); otherwise each has its own.  The
 * engine starts when the first of them is prepared and ends when the last
 * is finalized (or closed, where nbdkit does not call finalize).
 *
 * Locks, in this order: big_lock or handle.lock (around calls of the
 * layer below in LOCKED mode); registry_lock (engines, handles' lists);
 * export.lock (readers).  The engine's own lock is a leaf.  None of the
 * latter three is held during a call of the layer below, and nobody
 * waits for the engine while holding one.
 */

#include <config.h>

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-filter.h>

#include "v2v-utils.h"

#include "readahead.h"
#define V2V_SOURCE_EXPORTS_WEAK
#include "source-exports.h"

#define MAX_CONNECTIONS 64

/* Settings. */
static uint64_t memory = UINT64_C (64) << 20;
static uint32_t request = 1 << 20;
static uint32_t max_request; /* 0 = what the layer below says */
static unsigned connections; /* 0 = by thread model */

static int thread_model = -1; /* of the whole stack */

/* Exclude each other: calls of the layer below under
 * serialize_all_requests.
 */
static pthread_mutex_t big_lock = PTHREAD_MUTEX_INITIALIZER;

/* Contexts that our threads open and close: nbdkit keeps some strings of
 * threads that belong to no connection in a list without a lock.
 */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

/* Protects `exports' and export.refs. */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;

enum mode { PASSIVE, PARALLEL, OWN, LOCKED };

/* An export and its engine. */
struct export
{
  struct export *next; /* registry_lock */
  unsigned refs;       /* registry_lock */

  /* Constant. */
  char *name;
  int is_tls;
  uint64_t size;
  bool shared; /* by all connections */
  int multi;   /* can_multi_conn */
  enum mode mode;
  struct readahead *ra;
  nbdkit_backend *backend; /* OWN: the layer below */

  nbdkit_next **own;    /* OWN: per lane; used by that lane only */
  unsigned *own_errors; /* in a row */

  pthread_mutex_t lock;
  pthread_cond_t idle;    /* a reader has no fetch in flight */
  struct handle *readers; /* lock: whose contexts may be borrowed */
};

static struct export *exports;

struct handle {
  char *name;
  int is_tls;
  nbdkit_backend *backend;
  int64_t open_ns; /* how long opening the layer below took */

  nbdkit_next *own; /* the layer below, if we opened it */
  bool own_prepared;

  struct export *export;      /* NULL while PASSIVE */
  pthread_mutex_t *call_lock; /* LOCKED or `own': around every call */
  pthread_mutex_t lock;       /* may be call_lock */

  /* Protected by export->lock. */
  struct handle *next_reader;
  nbdkit_next *reader_next; /* what fetch threads call */
  unsigned borrowed;        /* fetches in flight */
};

/* ---- Configuration. ---- */

static int
parse_bytes (const char *key, const char *value, uint64_t min, uint64_t max,
             uint64_t *ret)
{
  int64_t r = nbdkit_parse_size (value);

  if (r == -1)
    return -1;
  if ((uint64_t)r < min || (uint64_t)r > max) {
    nbdkit_error ("%s=%s: must be between %" PRIu64 " and %" PRIu64 " bytes",
                  key, value, min, max);
    return -1;
  }
  *ret = r;
  return 0;
}

static int
readahead_config (nbdkit_next_config *next, nbdkit_backend *nxdata,
                  const char *key, const char *value)
{
  uint64_t n;

  if (strcmp (key, "v2v-readahead-memory") == 0)
    return parse_bytes (key, value, 256 << 10, UINT64_C (1) << 40, &memory);
  if (strcmp (key, "v2v-readahead-max-request") == 0) {
    if (parse_bytes (key, value, 4096, 64 << 20, &n) == -1)
      return -1;
    if (n & (n - 1)) {
      nbdkit_error ("%s=%s: must be a power of two", key, value);
      return -1;
    }
    max_request = n;
    return 0;
  }
  if (strcmp (key, "v2v-readahead-connections") == 0) {
    if (nbdkit_parse_unsigned (key, value, &connections) == -1)
      return -1;
    if (connections < 1 || connections > MAX_CONNECTIONS) {
      nbdkit_error ("%s=%s: must be between 1 and %d", key, value,
                    MAX_CONNECTIONS);
      return -1;
    }
    return 0;
  }
  return next (nxdata, key, value);
}

#define readahead_config_help \
  "v2v-readahead-memory=SIZE       Limit of all buffers (default 64M).\n" \
  "v2v-readahead-connections=N     Most requests at a time (default 8, or\n" \
  "                                4 if each needs its own connection).\n" \
  "v2v-readahead-max-request=SIZE  Longest request of the source."

static int
readahead_get_ready (int model)
{
  static unsigned times;

  /* Both would be the same module with the same variables. */
  if (++times > 1) {
    nbdkit_error ("v2v-readahead can only be used once: "
                  "remove one --filter=v2v-readahead");
    return -1;
  }
  thread_model = model;
  if (max_request > 0 && request > max_request)
    request = max_request;
  return 0;
}

/* One message, however many connections come. */
static void
warn_passive (const char *why)
{
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static bool warned;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&lock);

  if (warned)
    return;
  warned = true;
  nbdkit_error ("warning: v2v-readahead passes requests on unchanged: %s", why);
}

/* ---- What the fetch threads call. ---- */

/* Borrow the context of a connection that is open. */
static struct handle *
borrow (struct export *x)
{
  struct handle *h;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&x->lock);

  h = x->readers;
  if (h) {
    h->borrowed++;
    /* Take turns. */
    if (h->next_reader) {
      struct handle **p;

      x->readers = h->next_reader;
      h->next_reader = NULL;
      for (p = &x->readers; *p; p = &(*p)->next_reader)
        ;
      *p = h;
    }
  }
  return h;
}

static void
give_back (struct export *x, struct handle *h)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&x->lock);

  if (--h->borrowed == 0)
    pthread_cond_broadcast (&x->idle);
}

static bool
own_contexts_know (const char *name)
{
#ifdef SHARED_CONTEXT_HAS_EXPORT_NAME
  (void)name;
  return true;
#else
  return *name == '\0' || v2v_source_next_export != NULL;
#endif
}

static void
close_own (struct export *x, unsigned lane)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&open_lock);

  if (x->own[lane]) {
    x->own[lane]->finalize (x->own[lane]);
    nbdkit_next_context_close (x->own[lane]);
    x->own[lane] = NULL;
  }
}

static int
open_own (struct export *x, unsigned lane)
{
  nbdkit_next *next;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&open_lock);

  if (v2v_source_next_export)
    v2v_source_next_export (x->name);
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
  x->own[lane] = next;
  x->own_errors[lane] = 0;
  return 0;
}

/* nbdkit < 1.34's curl plugin does not say that read-only connections all
 * show the same data; later ones do.  Every module is loaded into one
 * namespace, the plugin first, so this symbol is the plugin's.
 */
static bool
plugin_is (const char *name)
{
  void *init = dlsym (RTLD_DEFAULT, "plugin_init");
  const char *base;
  char file[64];
  Dl_info info;

  if (init == NULL || dladdr (init, &info) == 0 || info.dli_fname == NULL)
    return false;
  base = strrchr (info.dli_fname, '/');
  base = base ? base + 1 : info.dli_fname;
  snprintf (file, sizeof file, "nbdkit-%s-plugin.so", name);
  return strcmp (base, file) == 0;
}

/* A context for one call, and the lock to hold during it. */
struct call {
  nbdkit_next *next;
  struct handle *borrowed;
};

static int
begin_call (struct export *x, unsigned lane, struct call *c, int *err)
{
  if (x->mode == OWN) {
    if (x->own[lane] == NULL && open_own (x, lane) == -1) {
      *err = EIO;
      return -1;
    }
    *c = (struct call){ .next = x->own[lane] };
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

static void
end_call (struct export *x, unsigned lane, struct call *c, int r)
{
  if (x->mode == OWN) {
    /* The connection to the source may be broken: get a new one. */
    if (r == 0)
      x->own_errors[lane] = 0;
    else if (++x->own_errors[lane] >= 2)
      close_own (x, lane);
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

/* Tell the engine what the layer below said about extents. */
static void
note_extents (struct readahead *ra, uint64_t generation,
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
    note_extents (x->ra, generation, exts);
  nbdkit_extents_free (exts);
  return r;
}

static void
source_lane_end (void *xv, unsigned lane)
{
  struct export *x = xv;

  if (x->mode == OWN)
    close_own (x, lane);
}

static void
source_log (void *xv, char level, const char *msg)
{
  const struct export *x = xv;

  if (level == 'w')
    nbdkit_error ("warning: v2v-readahead: %s", msg);
  else
    nbdkit_debug ("v2v-readahead: export \"%s\": %s", x->name, msg);
}

static const struct readahead_source_ops source_ops = {
  .pread = source_pread,
  .cache = source_cache,
  .extents = source_extents,
  .lane_end = source_lane_end,
};

static const struct readahead_source_ops source_ops_no_extents = {
  .pread = source_pread,
  .cache = source_cache,
  .lane_end = source_lane_end,
};

/* ---- Exports. ---- */

static void
free_export (struct export *x)
{
  if (x == NULL)
    return;
  readahead_free (x->ra); /* ends the lanes, which close own[] */
  if (x->name) {
    pthread_cond_destroy (&x->idle);
    pthread_mutex_destroy (&x->lock);
  }
  free (x->name);
  free (x->own);
  free (x->own_errors);
  free (x);
}

/* Each export has an equal part of the memory.  registry_lock is held. */
static void
divide_memory (void)
{
  struct export *x;
  unsigned n = 0;

  for (x = exports; x; x = x->next)
    n++;
  for (x = exports; x; x = x->next)
    readahead_set_memory (x->ra, V2V_MAX (memory / n, UINT64_C (256) << 10));
}

static struct export *
new_export (const struct handle *h, enum mode mode, bool shared, uint64_t size,
            const struct readahead_options *opts, bool extents)
{
  struct export *x = calloc (1, sizeof *x);
  int err;

  if (x == NULL)
    goto error;
  x->name = strdup (h->name);
  if (x->name == NULL)
    goto error;
  pthread_mutex_init (&x->lock, NULL);
  pthread_cond_init (&x->idle, NULL);
  x->is_tls = h->is_tls;
  x->size = size;
  x->shared = shared;
  x->mode = mode;
  x->backend = h->backend;
  x->own = calloc (opts->connections, sizeof *x->own);
  x->own_errors = calloc (opts->connections, sizeof *x->own_errors);
  if (x->own == NULL || x->own_errors == NULL)
    goto error;
  x->ra = readahead_new (opts, extents ? &source_ops : &source_ops_no_extents,
                         x, &err);
  if (x->ra == NULL)
    goto error;
  return x;

error:
  nbdkit_error ("v2v-readahead: out of memory");
  free_export (x);
  return NULL;
}

/* A connection was prepared: choose how to work for it. */
static int
attach (struct handle *h, nbdkit_next *next)
{
  int64_t size = next->get_size (next);
  int writable = next->can_write (next);
  int multi = next->can_multi_conn (next);
  int cache = next->can_cache (next);
  int extents = next->can_extents (next);
  uint32_t min, preferred, max;
  struct readahead_options opts = {
    .fast_ns = 400000,
    .pause_ns = INT64_C (10000000000),
    .log = source_log,
  };
  enum mode mode = PASSIVE;
  struct export *x;
  bool same; /* all connections show the same */

  if (size == -1 || writable == -1 || multi == -1 || cache == -1 ||
      extents == -1 || next->block_size (next, &min, &preferred, &max) == -1)
    return -1;
  same = multi || (!writable && plugin_is ("curl"));

  switch (thread_model) {
  case NBDKIT_THREAD_MODEL_PARALLEL:
    mode = PARALLEL;
    break;
  case NBDKIT_THREAD_MODEL_SERIALIZE_REQUESTS:
    if (!own_contexts_know (h->name))
      warn_passive ("under the serialize_requests thread model it can only "
                    "read ahead of the default export; nbdkit >= 1.44 has "
                    "no such limit");
    else
      mode = same ? OWN : LOCKED;
    break;
  case NBDKIT_THREAD_MODEL_SERIALIZE_ALL_REQUESTS:
    mode = LOCKED;
    break;
  default:
    warn_passive ("the serialize_connections thread model allows nothing "
                  "else");
  }
  if (mode == PASSIVE || size == 0)
    return 0;

  opts.size = size;
  opts.memory = memory;
  opts.request = request;
  opts.max_request = max_request;
  if (max != 0 && max != UINT32_MAX &&
      (opts.max_request == 0 || max < opts.max_request))
    opts.max_request = max;
  opts.request = opts.max_request > 0 ? V2V_MIN (opts.request, opts.max_request)
                                      : opts.request;
  opts.min_request = min > 0 ? min : 1;
  opts.use_cache = cache == NBDKIT_CACHE_NATIVE;
  opts.serial = mode == LOCKED;
  opts.connections = mode == LOCKED    ? 1
                     : connections > 0 ? connections
                     : mode == OWN     ? 4
                                       : 8;
  opts.busy_depth = mode == PARALLEL ? 4 : 0;
  /* A client that opens connections by itself may not gain from ours.
   * One more costs about what this one did, for both ends: an eighth of
   * what was spent by then at most.
   */
  if (mode == OWN && multi)
    opts.prove_ns = V2V_MAX (50000000, 8 * h->open_ns);
  if (opts.max_request > 0 && opts.max_request < opts.min_request)
    opts.max_request = 0;

  {
    ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&registry_lock);

    for (x = exports; x; x = x->next)
      if (same && x->shared && x->mode == mode && x->multi == multi &&
          x->size == (uint64_t)size && x->is_tls == h->is_tls &&
          strcmp (x->name, h->name) == 0)
        break;
    if (x == NULL) {
      x = new_export (h, mode, same, size, &opts, extents);
      if (x == NULL)
        return -1;
      x->multi = multi;
      x->next = exports;
      exports = x;
      divide_memory ();
    }
    x->refs++;
  }
  if (writable)
    readahead_set_writable (x->ra);

  if (mode == LOCKED && h->call_lock == NULL)
    h->call_lock = &h->lock;
  h->export = x;
  if (mode != OWN) {
    ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&x->lock);

    h->reader_next = next;
    h->next_reader = x->readers;
    x->readers = h;
  }
  return 0;
}

/* The connection ends: nobody borrows its context any more, and the last
 * one stops the engine.  Idempotent.  The call lock must not be held.
 */
static void
detach (struct handle *h)
{
  struct export *x = h->export, **p;
  bool last;

  if (x == NULL)
    return;

  if (h->reader_next) {
    struct handle **q;
    ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&x->lock);

    for (q = &x->readers; *q && *q != h; q = &(*q)->next_reader)
      ;
    if (*q)
      *q = h->next_reader;
    h->next_reader = NULL;
    while (h->borrowed > 0)
      pthread_cond_wait (&x->idle, &x->lock);
    h->reader_next = NULL;
  }

  h->export = NULL;
  {
    ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&registry_lock);

    last = --x->refs == 0;
    if (last) {
      for (p = &exports; *p != x; p = &(*p)->next)
        ;
      *p = x->next;
      if (exports)
        divide_memory ();
    }
  }
  if (last) {
    struct readahead_stats st;

    readahead_get_stats (x->ra, &st);
    nbdkit_debug (
      "v2v-readahead: export \"%s\": direct %" PRIu64 " bytes in "
      "%" PRIu64 " reads, fetched %" PRIu64 " bytes in %" PRIu64
      ", served %" PRIu64 ", wasted %" PRIu64 ", errors %" PRIu64 ", lanes %u",
      x->name, st.direct_bytes, st.direct_reads, st.fetched_bytes, st.fetches,
      st.hit_bytes, st.wasted_bytes, st.errors, st.lanes);
    free_export (x);
  }
}

/* Other engines may hold the same disk under another name. */
static void
invalidate_others (const struct export *self, uint32_t count, uint64_t offset)
{
  struct export *x;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&registry_lock);

  for (x = exports; x; x = x->next)
    if (x != self)
      readahead_invalidate (x->ra, count, offset);
}

/* ---- Callbacks. ---- */

/* Which context a callback goes to, and the lock around it. */
#define NEXT (h->own ? h->own : next)

static inline void
unlock_call (pthread_mutex_t **m)
{
  if (*m)
    pthread_mutex_unlock (*m);
}

#define LOCK_CALLS(m) \
  __attribute__ ((cleanup (unlock_call))) pthread_mutex_t *call_lock_ = (m); \
  if (call_lock_) \
  pthread_mutex_lock (call_lock_)

static pthread_mutex_t *
server_lock (void)
{
  return thread_model == NBDKIT_THREAD_MODEL_SERIALIZE_ALL_REQUESTS ? &big_lock
                                                                    : NULL;
}

static int
readahead_preconnect (nbdkit_next_preconnect *next, nbdkit_backend *nxdata,
                      int readonly)
{
  LOCK_CALLS (server_lock ());

  return next (nxdata, readonly);
}

static int
readahead_list_exports (nbdkit_next_list_exports *next, nbdkit_backend *nxdata,
                        int readonly, int is_tls, struct nbdkit_exports *list)
{
  LOCK_CALLS (server_lock ());

  (void)is_tls;
  return next (nxdata, readonly, list);
}

static const char *
readahead_default_export (nbdkit_next_default_export *next,
                          nbdkit_backend *nxdata, int readonly, int is_tls)
{
  LOCK_CALLS (server_lock ());

  (void)is_tls;
  return next (nxdata, readonly);
}

static int64_t
now_ns (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * INT64_C (1000000000) + ts.tv_nsec;
}

static void
free_handle (struct handle *h)
{
  pthread_mutex_destroy (&h->lock);
  free (h->name);
  free (h);
}

static void *
readahead_open (nbdkit_next_open *next, nbdkit_context *context, int readonly,
                const char *exportname, int is_tls)
{
  struct handle *h = calloc (1, sizeof *h);
  int64_t t0;

  if (h == NULL || (h->name = strdup (exportname ? exportname : "")) == NULL) {
    nbdkit_error ("v2v-readahead: out of memory");
    free (h);
    return NULL;
  }
  h->is_tls = is_tls;
  h->backend = nbdkit_context_get_backend (context);
  pthread_mutex_init (&h->lock, NULL);

  t0 = now_ns ();
  h->call_lock = server_lock ();
  if (h->call_lock) {
    LOCK_CALLS (h->call_lock);

    h->own = nbdkit_next_context_open (h->backend, readonly, exportname, 0);
    if (h->own == NULL)
      goto error;
  }
  else if (next (context, readonly, exportname) == -1)
    goto error;
  h->open_ns = now_ns () - t0;
  return h;

error:
  free_handle (h);
  return NULL;
}

static int
readahead_prepare (nbdkit_next *next, void *handle, int readonly)
{
  struct handle *h = handle;
  LOCK_CALLS (h->call_lock);

  (void)readonly;
  if (h->export) /* already done */
    return 0;
  if (h->own && !h->own_prepared) {
    if (h->own->prepare (h->own) == -1)
      return -1;
    h->own_prepared = true;
  }
  return attach (h, NEXT);
}

/* The layer below, if we opened it.  Idempotent. */
static int
end_own (struct handle *h)
{
  int r = 0;
  LOCK_CALLS (h->call_lock);

  if (h->own) {
    if (h->own_prepared)
      r = h->own->finalize (h->own);
    nbdkit_next_context_close (h->own);
    h->own = NULL;
  }
  return r;
}

static int
readahead_finalize (nbdkit_next *next, void *handle)
{
  struct handle *h = handle;

  (void)next;
  detach (h);
  return end_own (h);
}

static void
readahead_close (void *handle)
{
  struct handle *h = handle;

  detach (h);
  end_own (h);
  free_handle (h);
}

/* Nothing is left by now: every handle that was prepared was finalized,
 * also on quit.  But be sure: threads must not outlive the plugin.
 */
static void
readahead_cleanup (nbdkit_backend *backend)
{
  (void)backend;
  for (;;) {
    struct export *x;

    {
      ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&registry_lock);
      x = exports;
      if (x)
        exports = x->next;
    }
    if (x == NULL)
      break;
    {
      ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&x->lock);
      x->readers = NULL;
    }
    free_export (x);
  }
}

#define SIMPLE(type, name) \
  static type readahead_##name (nbdkit_next *next, void *handle) \
  { \
    struct handle *h = handle; \
    LOCK_CALLS (h->call_lock); \
\
    return NEXT->name (NEXT); \
  }

SIMPLE (int64_t, get_size)
SIMPLE (const char *, export_description)
SIMPLE (int, can_write)
SIMPLE (int, can_flush)
SIMPLE (int, is_rotational)
SIMPLE (int, can_trim)
SIMPLE (int, can_zero)
SIMPLE (int, can_fast_zero)
SIMPLE (int, can_extents)
SIMPLE (int, can_fua)
SIMPLE (int, can_multi_conn)
SIMPLE (int, can_cache)

static int
readahead_block_size (nbdkit_next *next, void *handle, uint32_t *minimum,
                      uint32_t *preferred, uint32_t *maximum)
{
  struct handle *h = handle;
  LOCK_CALLS (h->call_lock);

  return NEXT->block_size (NEXT, minimum, preferred, maximum);
}

/* A client's own read, for the engine. */
struct direct {
  struct handle *h;
  nbdkit_next *next;
  uint32_t flags;
};

static int
direct_pread (void *dv, void *buf, uint32_t count, uint64_t offset, int *err)
{
  struct direct *d = dv;
  LOCK_CALLS (d->h->call_lock);

  return d->next->pread (d->next, buf, count, offset, d->flags, err);
}

static int
readahead_pread_cb (nbdkit_next *next, void *handle, void *buf, uint32_t count,
                    uint64_t offset, uint32_t flags, int *err)
{
  struct handle *h = handle;
  struct direct d = { .h = h, .next = NEXT, .flags = flags };
  struct readahead_direct direct = { direct_pread, &d };

  if (h->export == NULL)
    return direct_pread (&d, buf, count, offset, err);
  return readahead_pread (h->export->ra, &direct, buf, count, offset, err);
}

/* Before and after every change of the disk. */
static void
begin_change (struct handle *h, struct readahead_write *w, uint32_t count,
              uint64_t offset)
{
  if (h->export)
    readahead_write_begin (h->export->ra, w, count, offset);
  invalidate_others (h->export, count, offset);
}

static void
end_change (struct handle *h, struct readahead_write *w, uint32_t count,
            uint64_t offset)
{
  if (h->export)
    readahead_write_end (h->export->ra, w);
  invalidate_others (h->export, count, offset);
}

#define CHANGE(count, offset, call) \
  struct handle *h = handle; \
  struct readahead_write w; \
  int r; \
\
  begin_change (h, &w, (count), (offset)); \
  { \
    LOCK_CALLS (h->call_lock); \
    r = call; \
  } \
  end_change (h, &w, (count), (offset)); \
  return r

static int
readahead_pwrite (nbdkit_next *next, void *handle, const void *buf,
                  uint32_t count, uint64_t offset, uint32_t flags, int *err)
{
  CHANGE (count, offset, NEXT->pwrite (NEXT, buf, count, offset, flags, err));
}

static int
readahead_trim (nbdkit_next *next, void *handle, uint32_t count,
                uint64_t offset, uint32_t flags, int *err)
{
  CHANGE (count, offset, NEXT->trim (NEXT, count, offset, flags, err));
}

static int
readahead_zero (nbdkit_next *next, void *handle, uint32_t count,
                uint64_t offset, uint32_t flags, int *err)
{
  CHANGE (count, offset, NEXT->zero (NEXT, count, offset, flags, err));
}

static int
readahead_flush (nbdkit_next *next, void *handle, uint32_t flags, int *err)
{
  struct handle *h = handle;
  LOCK_CALLS (h->call_lock);

  return NEXT->flush (NEXT, flags, err);
}

static int
readahead_extents (nbdkit_next *next, void *handle, uint32_t count,
                   uint64_t offset, uint32_t flags, struct nbdkit_extents *exts,
                   int *err)
{
  struct handle *h = handle;
  uint64_t generation = 0;
  int r;

  if (h->export)
    generation = readahead_generation (h->export->ra);
  {
    LOCK_CALLS (h->call_lock);
    r = NEXT->extents (NEXT, count, offset, flags, exts, err);
  }
  /* What the client asks need not be asked again. */
  if (r == 0 && h->export)
    note_extents (h->export->ra, generation, exts);
  return r;
}

static int
readahead_cache (nbdkit_next *next, void *handle, uint32_t count,
                 uint64_t offset, uint32_t flags, int *err)
{
  struct handle *h = handle;
  LOCK_CALLS (h->call_lock);

  return NEXT->cache (NEXT, count, offset, flags, err);
}

static struct nbdkit_filter filter = {
  .name = "v2v-readahead",
  .longname = "adaptive readahead above any plugin",
  .description = "Reads ahead of sequential clients, whatever the "
                 "thread model of the plugin is, and without help "
                 "from it.",
  .config = readahead_config,
  .config_help = readahead_config_help,
  .get_ready = readahead_get_ready,
  .cleanup = readahead_cleanup,
  .preconnect = readahead_preconnect,
  .list_exports = readahead_list_exports,
  .default_export = readahead_default_export,
  .open = readahead_open,
  .close = readahead_close,
  .prepare = readahead_prepare,
  .finalize = readahead_finalize,
  .get_size = readahead_get_size,
  .export_description = readahead_export_description,
  .block_size = readahead_block_size,
  .can_write = readahead_can_write,
  .can_flush = readahead_can_flush,
  .is_rotational = readahead_is_rotational,
  .can_trim = readahead_can_trim,
  .can_zero = readahead_can_zero,
  .can_fast_zero = readahead_can_fast_zero,
  .can_extents = readahead_can_extents,
  .can_fua = readahead_can_fua,
  .can_multi_conn = readahead_can_multi_conn,
  .can_cache = readahead_can_cache,
  .pread = readahead_pread_cb,
  .pwrite = readahead_pwrite,
  .flush = readahead_flush,
  .trim = readahead_trim,
  .zero = readahead_zero,
  .extents = readahead_extents,
  .cache = readahead_cache,
};

NBDKIT_REGISTER_FILTER (filter)
