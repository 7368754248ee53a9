/* SPDX-License-Identifier: BSD-3-Clause */

/* nbdkit-v2v-readahead-filter: the callbacks.  The design is described at
 * the head of filter.h.
 */

#include <config.h>

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "v2v-utils.h"

#include "filter.h"

int thread_model = -1;

/* The call lock of the server, under serialize_all_requests. */
static pthread_mutex_t big_lock = PTHREAD_MUTEX_INITIALIZER;

static int
readahead_config (nbdkit_next_config *next, nbdkit_backend *nxdata,
                  const char *key, const char *value)
{
  switch (parameters_config (key, value)) {
  case 0:
    return next (nxdata, key, value);
  case 1:
    return 0;
  default:
    return -1;
  }
}

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
  return 0;
}

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
  return export_attach (h, NEXT);
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
  export_detach (h);
  return end_own (h);
}

static void
readahead_close (void *handle)
{
  struct handle *h = handle;

  export_detach (h);
  end_own (h);
  free_handle (h);
}

static void
readahead_cleanup (nbdkit_backend *backend)
{
  (void)backend;
  exports_free ();
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
  exports_invalidate (h->export, count, offset);
}

static void
end_change (struct handle *h, struct readahead_write *w, uint32_t count,
            uint64_t offset)
{
  if (h->export)
    readahead_write_end (h->export->ra, w);
  exports_invalidate (h->export, count, offset);
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
    source_note_extents (h->export->ra, generation, exts);
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
  .config_help = parameters_help,
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
