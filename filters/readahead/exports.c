/* SPDX-License-Identifier: BSD-3-Clause */

/* The exports that are open, and how each is worked for. */

#include <config.h>

#include <dlfcn.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "v2v-utils.h"

#include "filter.h"

#define MEMORY_MIN (UINT64_C (256) << 10)
#define REQUEST (UINT32_C (1) << 20) /* usual length of a fetch */

/* Protects `exports', export.next and export.refs. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct export *exports;

/* One message, however many connections come. */
static void
warn_passive (const char *why)
{
  static pthread_mutex_t warn_lock = PTHREAD_MUTEX_INITIALIZER;
  static bool warned;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&warn_lock);

  if (warned)
    return;
  warned = true;
  nbdkit_error ("warning: v2v-readahead passes requests on unchanged: %s", why);
}

/* ---- One export. ---- */

static void
free_export (struct export *x)
{
  if (x == NULL)
    return;
  readahead_free (x->ra); /* ends the lanes, which close own[] */
  pthread_cond_destroy (&x->idle);
  pthread_mutex_destroy (&x->lock);
  free (x->name);
  free (x->own);
  free (x);
}

static void
export_log (void *xv, char level, const char *msg)
{
  const struct export *x = xv;

  if (level == 'w')
    nbdkit_error ("warning: v2v-readahead: %s", msg);
  else
    nbdkit_debug ("v2v-readahead: export \"%s\": %s", x->name, msg);
}

static void
log_stats (const struct export *x)
{
  struct readahead_stats st;

  readahead_get_stats (x->ra, &st);
  nbdkit_debug ("v2v-readahead: export \"%s\": direct %" PRIu64 " bytes in "
                "%" PRIu64 " reads, fetched %" PRIu64 " bytes in %" PRIu64
                ", served %" PRIu64 ", wasted %" PRIu64
                ", held at most %" PRIu64 ", errors %" PRIu64 ", lanes %u",
                x->name, st.direct_bytes, st.direct_reads, st.fetched_bytes,
                st.fetches, st.hit_bytes, st.wasted_bytes, st.max_held_bytes,
                st.errors, st.lanes);
}

/* What the layer below says of itself. */
struct answers {
  int64_t size;
  int writable, multi, cache, extents;
  uint32_t min_request, max_request; /* 0 = any */
};

static int
ask (nbdkit_next *next, struct answers *a)
{
  uint32_t preferred;

  a->size = next->get_size (next);
  a->writable = next->can_write (next);
  a->multi = next->can_multi_conn (next);
  a->cache = next->can_cache (next);
  a->extents = next->can_extents (next);
  if (a->size == -1 || a->writable == -1 || a->multi == -1 || a->cache == -1 ||
      a->extents == -1 ||
      next->block_size (next, &a->min_request, &preferred, &a->max_request) ==
        -1)
    return -1;
  if (a->max_request == UINT32_MAX)
    a->max_request = 0;
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

/* SAME: all connections show the same. */
static enum mode
choose_mode (const char *name, bool same)
{
  switch (thread_model) {
  case NBDKIT_THREAD_MODEL_PARALLEL:
    return PARALLEL;
  case NBDKIT_THREAD_MODEL_SERIALIZE_REQUESTS:
  case NBDKIT_THREAD_MODEL_SERIALIZE_ALL_REQUESTS:
    if (!source_knows_export (name)) {
      warn_passive ("where requests are serialized, this nbdkit can only read "
                    "ahead of the default export; 1.44 and later can of all");
      return PASSIVE;
    }
    return same && thread_model == NBDKIT_THREAD_MODEL_SERIALIZE_REQUESTS
             ? OWN
             : LOCKED;
  default:
    warn_passive ("the serialize_connections thread model allows nothing "
                  "else");
    return PASSIVE;
  }
}

static struct readahead_options
choose_options (const struct answers *a, enum mode mode, int64_t open_ns)
{
  struct readahead_options opts = {
    .size = a->size,
    .memory = parameters.memory,
    .request = REQUEST,
    .max_request = parameters.max_request,
    .min_request = V2V_MAX (a->min_request, 1),
    .connections = parameters.connections > 0 ? parameters.connections
                   : mode == OWN              ? 4
                                              : 8,
    .busy_depth = mode == PARALLEL ? 4 : 0,
    .serial = mode == LOCKED,
    .use_cache = a->cache == NBDKIT_CACHE_NATIVE,
    .fast_ns = 400000,
    .pause_ns = INT64_C (10000000000),
    .log = export_log,
  };

  if (mode == LOCKED)
    opts.connections = 1;
  if (a->max_request > 0 &&
      (opts.max_request == 0 || a->max_request < opts.max_request))
    opts.max_request = a->max_request;
  if (opts.max_request > 0)
    opts.request = V2V_MIN (opts.request, opts.max_request);
  if (opts.max_request < opts.min_request)
    opts.max_request = 0;
  /* A client that opens connections by itself may not gain from ours.
   * One more costs about what this one did, for both ends: an eighth of
   * what was spent by then at most.
   */
  if (mode == OWN && a->multi) {
    opts.prove_ns = V2V_MAX (50000000, 8 * open_ns);
    /* Nor where its requests last for as long as the processors of both
     * ends need for them (nbdcopy's on a loopback sshd: 2 ms): over a
     * network, 256 KiB in less are more than 100 MB/s on each connection.
     */
    opts.fast_ns = 3000000;
  }
  return opts;
}

static struct export *
new_export (const struct handle *h, const struct answers *a, enum mode mode,
            bool shared)
{
  const struct readahead_options opts = choose_options (a, mode, h->open_ns);
  struct export *x = calloc (1, sizeof *x);
  int err;

  if (x == NULL)
    goto error;
  pthread_mutex_init (&x->lock, NULL);
  pthread_cond_init (&x->idle, NULL);
  x->name = strdup (h->name);
  x->is_tls = h->is_tls;
  x->size = a->size;
  x->shared = shared;
  x->multi = a->multi;
  x->mode = mode;
  x->backend = h->backend;
  x->own = calloc (opts.connections, sizeof *x->own);
  if (x->name == NULL || x->own == NULL)
    goto error;
  x->ra = readahead_new (
    &opts, a->extents ? &source_ops : &source_ops_no_extents, x, &err);
  if (x->ra == NULL)
    goto error;
  return x;

error:
  nbdkit_error ("v2v-readahead: out of memory");
  free_export (x);
  return NULL;
}

/* ---- All of them. ---- */

/* Each export has an equal part of the memory.  `lock' is held. */
static void
divide_memory (void)
{
  struct export *x;
  unsigned n = 0;

  for (x = exports; x; x = x->next)
    n++;
  for (x = exports; x; x = x->next)
    readahead_set_memory (x->ra, V2V_MAX (parameters.memory / n, MEMORY_MIN));
}

/* The export of that connection, with one more reference. */
static struct export *
get_export (const struct handle *h, const struct answers *a, enum mode mode,
            bool same)
{
  struct export *x;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&lock);

  for (x = exports; x; x = x->next)
    if (same && x->shared && x->mode == mode && x->multi == a->multi &&
        x->size == (uint64_t)a->size && x->is_tls == h->is_tls &&
        strcmp (x->name, h->name) == 0)
      break;
  if (x == NULL) {
    x = new_export (h, a, mode, same);
    if (x == NULL)
      return NULL;
    x->next = exports;
    exports = x;
    divide_memory ();
  }
  x->refs++;
  return x;
}

static void
put_export (struct export *x)
{
  {
    struct export **p;
    ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&lock);

    if (--x->refs > 0)
      return;
    for (p = &exports; *p != x; p = &(*p)->next)
      ;
    *p = x->next;
    divide_memory ();
  }
  log_stats (x);
  free_export (x);
}

int
export_attach (struct handle *h, nbdkit_next *next)
{
  struct answers a;
  enum mode mode;
  bool same;

  if (ask (next, &a) == -1)
    return -1;
  same = a.multi || (!a.writable && plugin_is ("curl"));
  mode = choose_mode (h->name, same);
  if (mode == PASSIVE || a.size == 0)
    return 0;

  h->export = get_export (h, &a, mode, same);
  if (h->export == NULL)
    return -1;
  if (a.writable)
    readahead_set_writable (h->export->ra);
  if (mode == LOCKED && h->call_lock == NULL)
    h->call_lock = &h->lock;
  if (mode != OWN)
    source_offer (h->export, h, next);
  return 0;
}

void
export_detach (struct handle *h)
{
  struct export *x = h->export;

  if (x == NULL)
    return;
  h->export = NULL;
  if (x->mode != OWN)
    source_withdraw (x, h);
  put_export (x);
}

void
exports_invalidate (const struct export *self, uint32_t count, uint64_t offset)
{
  struct export *x;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&lock);

  for (x = exports; x; x = x->next)
    if (x != self)
      readahead_invalidate (x->ra, count, offset);
}

/* Every handle that was prepared was finalized, also on quit, so that
 * nothing is left.  But be sure: threads must not outlive the plugin.
 */
void
exports_free (void)
{
  struct export *x, *next;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&lock);

  for (x = exports; x; x = next) {
    next = x->next;
    pthread_mutex_lock (&x->lock);
    x->readers = NULL;
    pthread_mutex_unlock (&x->lock);
    free_export (x);
  }
  exports = NULL;
}
