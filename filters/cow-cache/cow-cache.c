/* SPDX-License-Identifier: BSD-3-Clause */

/* nbdkit-v2v-cow-cache-filter: the overlay engine as a filter.
 *
 * This file is glue: parameters, the life of a connection, and one line
 * per request.  How blocks are kept is in common/overlay.
 *
 * The layer below is always opened read-only.  Requests use the context
 * that the server hands to each call, never a stored one, because
 * nbdkit-retry-filter exchanges it; the exception is background.c.
 */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nbdkit-filter.h>

#include "cow-cache.h"
#include "v2v-utils.h"

/* nbdcopy asks for as much at once.  With 1 MiB a cold copy-on-read copy
 * of 1 GiB took 1.2 s of CPU, with 256 KiB 0.7 s: what was read is still
 * in the processor's cache when it goes to the store and the socket.
 */
#define PREFERRED_BLOCK_SIZE (256 * 1024)

#define NAME "v2v-cow-cache"

struct settings settings = {
  .store = OVERLAY_STORE_TMPFILE,
  .copy_on_read = true,
};

static bool parallel; /* final thread model; set in get_ready */

static void
cow_cache_unload (void)
{
  exports_close_all (); /* if .cleanup was not called */
  free (settings.dir);
  free (settings.identity);
  free (settings.copy_on_read_file);
}

/* A size between MIN and MAX. */
static int
parse_size (const char *key, const char *value, int64_t min, int64_t max,
            int64_t *r)
{
  *r = nbdkit_parse_size (value);
  if (*r == -1)
    return -1;
  if (*r < min || *r > max) {
    nbdkit_error ("%s=%s: must be between %" PRIi64 " and %" PRIi64, key, value,
                  min, max);
    return -1;
  }
  return 0;
}

static int
set_store (const char *key, enum overlay_store store, const char *dir)
{
  static const char *first;

  if (first && strcmp (first, key) != 0) {
    nbdkit_error ("%s and %s: the overlay can only be in one place", first,
                  key);
    return -1;
  }
  first = key;
  settings.store = store;
  if (dir) {
    free (settings.dir);
    settings.dir = nbdkit_absolute_path (dir);
    if (settings.dir == NULL)
      return -1;
  }
  return 0;
}

static int
config_copy_on_read (const char *value)
{
  int r;

  free (settings.copy_on_read_file);
  settings.copy_on_read_file = NULL;
  if (strchr (value, '/')) {
    settings.copy_on_read_file = nbdkit_absolute_path (value);
    return settings.copy_on_read_file ? 0 : -1;
  }
  r = nbdkit_parse_bool (value);
  if (r == -1) {
    nbdkit_error (NAME "-copy-on-read=%s: must be on, off, or the path of a "
                       "file (containing '/')",
                  value);
    return -1;
  }
  settings.copy_on_read = r;
  return 0;
}

static int
cow_cache_config (nbdkit_next_config *next, nbdkit_backend *nxdata,
                  const char *key, const char *value)
{
  int64_t n;
  int b;

  if (strncmp (key, NAME "-", strlen (NAME "-")) != 0)
    return next (nxdata, key, value);

  if (strcmp (key, NAME "-dir") == 0)
    return set_store (NAME "-dir", OVERLAY_STORE_TMPFILE, value);
  if (strcmp (key, NAME "-store") == 0)
    return set_store (NAME "-store", OVERLAY_STORE_PERSISTENT, value);
  if (strcmp (key, NAME "-memory") == 0) {
    b = nbdkit_parse_bool (value);
    if (b == -1)
      return -1;
    return b ? set_store (NAME "-memory", OVERLAY_STORE_MEMFD, NULL) : 0;
  }
  if (strcmp (key, NAME "-identity") == 0) {
    free (settings.identity);
    settings.identity = strdup (value);
    if (settings.identity == NULL) {
      nbdkit_error ("strdup: %m");
      return -1;
    }
    return 0;
  }
  if (strcmp (key, NAME "-copy-on-read") == 0)
    return config_copy_on_read (value);
  if (strcmp (key, NAME "-max-size") == 0) {
    if (parse_size (key, value, 1024 * 1024, INT64_MAX, &n) == -1)
      return -1;
    settings.max_size = n;
    return 0;
  }
  if (strcmp (key, NAME "-fetch-unit") == 0) {
    if (parse_size (key, value, OVERLAY_BLOCK_SIZE, 32 * 1024 * 1024, &n) == -1)
      return -1;
    if (n & (n - 1)) {
      nbdkit_error ("%s=%s: must be a power of 2", key, value);
      return -1;
    }
    settings.fetch_unit = n;
    return 0;
  }
  if (strcmp (key, NAME "-max-request") == 0) {
    if (parse_size (key, value, OVERLAY_BLOCK_SIZE, 64 * 1024 * 1024, &n) == -1)
      return -1;
    if (n % 512) {
      nbdkit_error ("%s=%s: must be a multiple of 512", key, value);
      return -1;
    }
    settings.max_request = n;
    return 0;
  }
  nbdkit_error ("unknown parameter %s: see nbdkit-" NAME "-filter(1)", key);
  return -1;
}

static int
cow_cache_config_complete (nbdkit_next_config_complete *next,
                           nbdkit_backend *nxdata)
{
  struct stat st;

  if (settings.dir &&
      (stat (settings.dir, &st) == -1 || !S_ISDIR (st.st_mode))) {
    nbdkit_error ("%s is not a directory: create it first", settings.dir);
    return -1;
  }
  if (settings.identity && settings.store != OVERLAY_STORE_PERSISTENT) {
    nbdkit_error (NAME "-identity is only used with " NAME "-store=DIR");
    return -1;
  }
  if (settings.copy_on_read_file)
    settings.copy_on_read = access (settings.copy_on_read_file, F_OK) == 0;
  return next (nxdata);
}

#define cow_cache_config_help \
  NAME "-copy-on-read=on|off|PATH  Keep what was read (default: on).\n" NAME \
       "-dir=DIR                   Directory of the temporary overlay.\n" NAME \
       "-memory=BOOL               Keep the overlay in memory.\n" NAME \
       "-store=DIR                 Keep the overlay for the next time.\n" NAME \
       "-identity=STRING           What the source is (with -store).\n" NAME \
       "-max-size=SIZE             Limit of what is kept of reads.\n" NAME \
       "-fetch-unit=SIZE           Least that is fetched at once " \
       "(default: 64K).\n" NAME \
       "-max-request=SIZE          Most that is fetched at once " \
       "(default: 32M)."

static int
cow_cache_get_ready (int thread_model)
{
  parallel = thread_model == NBDKIT_THREAD_MODEL_PARALLEL;
  return 0;
}

static void
cow_cache_cleanup (nbdkit_backend *nxdata)
{
  (void)nxdata;
  exports_close_all ();
}

static int
cow_cache_preconnect (nbdkit_next_preconnect *next, nbdkit_backend *nxdata,
                      int readonly)
{
  (void)readonly;
  return next (nxdata, 1);
}

static int
cow_cache_list_exports (nbdkit_next_list_exports *next, nbdkit_backend *nxdata,
                        int readonly, int is_tls,
                        struct nbdkit_exports *exports)
{
  (void)readonly;
  (void)is_tls;
  return next (nxdata, 1, exports);
}

static const char *
cow_cache_default_export (nbdkit_next_default_export *next,
                          nbdkit_backend *nxdata, int readonly, int is_tls)
{
  const char *name = next (nxdata, 1);

  (void)readonly;
  (void)is_tls;
  exports_set_default (name);
  return name;
}

/* A connection. */

struct handle {
  char *name;            /* canonical */
  struct overlay *ov;    /* belongs to the export, not to us */
  struct background *bg; /* NULL unless parallel */
};

static void *
cow_cache_open (nbdkit_next_open *next, nbdkit_context *context, int readonly,
                const char *exportname, int is_tls)
{
  struct handle *h;

  (void)readonly;
  (void)is_tls;
  h = calloc (1, sizeof *h);
  if (h == NULL || (h->name = exports_canonical_name (exportname)) == NULL) {
    nbdkit_error ("malloc: %m");
    free (h);
    return NULL;
  }
  if (next (context, 1, exportname) == -1) {
    free (h->name);
    free (h);
    return NULL;
  }
  return h;
}

static int
cow_cache_prepare (nbdkit_next *next, void *handle, int readonly)
{
  struct handle *h = handle;

  (void)readonly;
  if (next->can_extents (next) == -1)
    return -1;
  h->ov = exports_get (h->name, next);
  if (h->ov == NULL)
    return -1;
  if (parallel && h->bg == NULL)
    h->bg = background_new (h->ov, next, h->name);
  return 0;
}

static void
stop_background (struct handle *h)
{
  background_stop (h->bg);
  h->bg = NULL;
}

static int
cow_cache_finalize (nbdkit_next *next, void *handle)
{
  (void)next;
  stop_background (handle);
  return 0;
}

static void
cow_cache_close (void *handle)
{
  struct handle *h = handle;

  stop_background (h);
  free (h->name);
  free (h);
}

static int64_t
cow_cache_get_size (nbdkit_next *next, void *handle)
{
  struct handle *h = handle;
  const int64_t size = next->get_size (next);

  if (size >= 0 && h->ov && (uint64_t)size != overlay_size (h->ov)) {
    nbdkit_error (NAME ": the size of export \"%s\" changed", h->name);
    return -1;
  }
  return size;
}

static int
cow_cache_block_size (nbdkit_next *next, void *handle, uint32_t *minimum,
                      uint32_t *preferred, uint32_t *maximum)
{
  (void)handle;
  /* The engine respects the limits below; the client need not. */
  if (next->block_size (next, minimum, preferred, maximum) == -1)
    return -1;
  *minimum = 1;
  *preferred = PREFERRED_BLOCK_SIZE;
  *maximum = UINT32_MAX;
  return 0;
}

static int
cow_cache_yes (nbdkit_next *next, void *handle)
{
  (void)next;
  (void)handle;
  return 1;
}

static int
cow_cache_can_zero (nbdkit_next *next, void *handle)
{
  (void)next;
  (void)handle;
  return NBDKIT_ZERO_NATIVE;
}

static int
cow_cache_can_fua (nbdkit_next *next, void *handle)
{
  (void)next;
  (void)handle;
  return NBDKIT_FUA_NATIVE;
}

static int
cow_cache_can_cache (nbdkit_next *next, void *handle)
{
  (void)next;
  (void)handle;
  return NBDKIT_CACHE_NATIVE;
}

/* Requests. */

/* nbdkit knows few errors and asserts on others. */
static int
clean_errno (int err)
{
  switch (err) {
  case EPERM:
  case EROFS:
  case EIO:
  case ENOMEM:
  case ENOSPC:
  case EINVAL:
  case ESHUTDOWN:
    return err;
  default:
    return EIO;
  }
}

static int
result (int r, int *err)
{
  if (r == -1)
    *err = clean_errno (*err);
  return r;
}

static void
update_copy_on_read (struct overlay *ov)
{
  if (settings.copy_on_read_file)
    overlay_set_copy_on_read (ov,
                              access (settings.copy_on_read_file, F_OK) == 0);
}

static int
cow_cache_pread (nbdkit_next *next, void *handle, void *buf, uint32_t count,
                 uint64_t offset, uint32_t flags, int *err)
{
  struct handle *h = handle;
  struct layer_source below;

  (void)flags;
  layer_source_init (&below, next, NULL, NULL);
  update_copy_on_read (h->ov);
  return result (overlay_pread (h->ov, &below.source, buf, count, offset, err),
                 err);
}

/* A temporary overlay has no stable storage: flushing does nothing. */
static int
flush_if (struct handle *h, uint32_t flags, int *err)
{
  return flags & NBDKIT_FLAG_FUA ? overlay_flush (h->ov, err) : 0;
}

static int
cow_cache_pwrite (nbdkit_next *next, void *handle, const void *buf,
                  uint32_t count, uint64_t offset, uint32_t flags, int *err)
{
  struct handle *h = handle;
  struct layer_source below;
  int r;

  layer_source_init (&below, next, NULL, NULL);
  update_copy_on_read (h->ov);
  r = overlay_pwrite (h->ov, &below.source, buf, count, offset, err);
  if (r == 0)
    r = flush_if (h, flags, err);
  return result (r, err);
}

static int
cow_cache_zero (nbdkit_next *next, void *handle, uint32_t count,
                uint64_t offset, uint32_t flags, int *err)
{
  struct handle *h = handle;
  struct layer_source below;
  int r;

  layer_source_init (&below, next, NULL, NULL);
  r = overlay_zero (h->ov, &below.source, count, offset, err);
  if (r == 0)
    r = flush_if (h, flags, err);
  return result (r, err);
}

static int
cow_cache_flush (nbdkit_next *next, void *handle, uint32_t flags, int *err)
{
  struct handle *h = handle;

  (void)next;
  (void)flags;
  return result (overlay_flush (h->ov, err), err);
}

static int
add_extent (void *opaque, uint64_t offset, uint64_t length, uint32_t type)
{
  return nbdkit_add_extent (opaque, offset, length, type);
}

static int
cow_cache_extents (nbdkit_next *next, void *handle, uint32_t count,
                   uint64_t offset, uint32_t flags,
                   struct nbdkit_extents *extents, int *err)
{
  struct handle *h = handle;
  struct layer_source below;
  const bool one = flags & NBDKIT_FLAG_REQ_ONE;

  layer_source_init (&below, next, NULL, NULL);
  return result (overlay_extents (h->ov, &below.source, count, offset, one,
                                  add_extent, extents, err),
                 err);
}

static int
cow_cache_cache (nbdkit_next *next, void *handle, uint32_t count,
                 uint64_t offset, uint32_t flags, int *err)
{
  struct handle *h = handle;
  struct layer_source below;

  (void)flags;
  if (background_fill (h->bg, offset, count))
    return 0;
  layer_source_init (&below, next, NULL, NULL);
  return result (overlay_cache (h->ov, &below.source, count, offset, err), err);
}

static struct nbdkit_filter filter = {
  .name = NAME,
  .longname = "nbdkit v2v copy-on-write and cache filter",
  .description = "writable overlay and cache above a read-only source",
  .unload = cow_cache_unload,
  .config = cow_cache_config,
  .config_complete = cow_cache_config_complete,
  .config_help = cow_cache_config_help,
  .get_ready = cow_cache_get_ready,
  .cleanup = cow_cache_cleanup,
  .preconnect = cow_cache_preconnect,
  .list_exports = cow_cache_list_exports,
  .default_export = cow_cache_default_export,
  .open = cow_cache_open,
  .prepare = cow_cache_prepare,
  .finalize = cow_cache_finalize,
  .close = cow_cache_close,
  .get_size = cow_cache_get_size,
  .block_size = cow_cache_block_size,
  .can_write = cow_cache_yes,
  .can_flush = cow_cache_yes,
  .can_trim = cow_cache_yes,
  .can_zero = cow_cache_can_zero,
  .can_fast_zero = cow_cache_yes,
  .can_extents = cow_cache_yes,
  .can_fua = cow_cache_can_fua,
  .can_multi_conn = cow_cache_yes,
  .can_cache = cow_cache_can_cache,
  .pread = cow_cache_pread,
  .pwrite = cow_cache_pwrite,
  .zero = cow_cache_zero,
  .trim = cow_cache_zero,
  .flush = cow_cache_flush,
  .extents = cow_cache_extents,
  .cache = cow_cache_cache,
};

NBDKIT_REGISTER_FILTER (filter)
