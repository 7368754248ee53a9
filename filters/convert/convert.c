/* SPDX-License-Identifier: BSD-3-Clause */

/* The glue between nbdkit and the conversion (conversion.c).
 *
 * Every callback is defined and routed by hand, because a handle may be
 * a document that has no layer below it.  A handle of a disk reads what
 * its overlay does not have through its own connection's `next'.
 *
 * Clients never reach the layer below except by pread, extents and
 * cache; it is opened read-only whatever the client or nbdkit asks for.
 */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nbdkit-filter.h>

#include "conversion.h"
#include "layer.h"
#include "parameters.h"
#include "v2v-utils.h"

struct handle {
  const struct converted_disk *disk; /* or NULL: */
  const struct document *document;
  struct layer_source src;
};

static int
convert_after_fork (nbdkit_backend *backend)
{
  conversion_init (&convert_parameters, backend);
  /* In a thread, so that signals work and clients can connect. */
  return convert_start_with_server ? conversion_start () : 0;
}

static void
convert_cleanup (nbdkit_backend *backend)
{
  (void)backend;
  conversion_cleanup ();
}

/*--------------------------------------------------------------------*/
/* Exports. */

static int
convert_preconnect (nbdkit_next_preconnect *next, nbdkit_backend *nxdata,
                    int readonly)
{
  (void)readonly;
  return next (nxdata, 1);
}

/* Answered without asking the layer below: in RUNNING it is the
 * conversion's.
 */
static int
convert_list_exports (nbdkit_next_list_exports *next, nbdkit_backend *nxdata,
                      int readonly, int is_tls, struct nbdkit_exports *exports)
{
  size_t i;

  (void)next;
  (void)nxdata;
  (void)readonly;
  (void)is_tls;
  for (i = 0; i < convert_parameters.nr_disks; ++i) {
    if (nbdkit_add_export (exports, convert_parameters.disks[i],
                           "disk, converted for KVM") == -1)
      return -1;
  }
  if (conversion_is_done ()) {
    const struct document_list *docs = conversion_documents ();

    for (i = 0; i < docs->nr; ++i) {
      CLEANUP_FREE char *name = NULL;

      if (asprintf (&name, "v2v/%s", docs->docs[i].name) == -1) {
        name = NULL;
        nbdkit_error ("asprintf: %m");
        return -1;
      }
      if (nbdkit_add_export (exports, name, "document") == -1)
        return -1;
    }
  }
  return 0;
}

static const char *
convert_default_export (nbdkit_next_default_export *next,
                        nbdkit_backend *nxdata, int readonly, int is_tls)
{
  (void)next;
  (void)nxdata;
  (void)readonly;
  (void)is_tls;
  return convert_parameters.disks[0];
}

static bool
is_known_name (const char *name)
{
  size_t i;

  if (strncmp (name, "v2v/", 4) == 0)
    return true;
  for (i = 0; i < convert_parameters.nr_disks; ++i) {
    if (strcmp (convert_parameters.disks[i], name) == 0)
      return true;
  }
  return false;
}

static void *
convert_open (nbdkit_next_open *next, nbdkit_context *context, int readonly,
              const char *exportname, int is_tls)
{
  struct handle *h;

  (void)readonly;
  (void)is_tls;
  if (*exportname == '\0')
    exportname = convert_parameters.disks[0];
  if (!is_known_name (exportname)) {
    nbdkit_error ("v2v-convert: there is no export \"%s\" here: the disks "
                  "that are converted are listed with v2v-disk=NAME",
                  exportname);
    return NULL;
  }

  if (conversion_wait () == -1)
    return NULL;

  h = calloc (1, sizeof *h);
  if (h == NULL) {
    nbdkit_error ("calloc: %m");
    return NULL;
  }
  if (strncmp (exportname, "v2v/", 4) == 0) {
    h->document = conversion_document (exportname + 4);
    if (h->document == NULL) {
      nbdkit_error ("v2v-convert: the conversion made no document \"%s\"",
                    exportname);
      free (h);
      return NULL;
    }
    return h;
  }
  h->disk = conversion_disk (exportname);
  if (next (context, 1, exportname) == -1) {
    free (h);
    return NULL;
  }
  return h;
}

static void
convert_close (void *handle)
{
  free (handle);
}

static int
convert_prepare (nbdkit_next *next, void *handle, int readonly)
{
  struct handle *h = handle;
  uint32_t minimum, preferred, maximum;
  int64_t size;

  (void)readonly;
  if (h->document)
    return 0;

  size = next->get_size (next);
  if (size == -1 || next->can_extents (next) == -1 ||
      next->can_cache (next) == -1 ||
      next->block_size (next, &minimum, &preferred, &maximum) == -1)
    return -1;
  if ((uint64_t)size != h->disk->size) {
    nbdkit_error ("v2v-convert: the source was %" PRIu64 " bytes when it was "
                  "converted and is %" PRIi64 " bytes now: it must not "
                  "change while it is served",
                  h->disk->size, size);
    return -1;
  }
  /* No lock: all calls come from callbacks, which the server serialises
   * as the thread model demands.
   */
  layer_source_init (&h->src, next, NULL, NULL);
  return 0;
}

static int
convert_finalize (nbdkit_next *next, void *handle)
{
  (void)next;
  (void)handle;
  return 0;
}

static int64_t
convert_get_size (nbdkit_next *next, void *handle)
{
  const struct handle *h = handle;

  (void)next;
  return (int64_t)(h->document ? h->document->size : h->disk->size);
}

static const char *
convert_export_description (nbdkit_next *next, void *handle)
{
  const struct handle *h = handle;

  (void)next;
  return h->document ? "document" : "disk, converted for KVM";
}

/* The overlay serves any alignment; it respects the limits of the layer
 * below by itself.
 */
static int
convert_block_size (nbdkit_next *next, void *handle, uint32_t *minimum,
                    uint32_t *preferred, uint32_t *maximum)
{
  const struct handle *h = handle;

  (void)next;
  if (h->document)
    *minimum = *preferred = *maximum = 0;
  else {
    *minimum = 1;
    *preferred = OVERLAY_BLOCK_SIZE;
    *maximum = 32 * 1024 * 1024;
  }
  return 0;
}

static int
is_a_disk (nbdkit_next *next, void *handle)
{
  const struct handle *h = handle;

  (void)next;
  return h->disk != NULL;
}

static int
convert_is_rotational (nbdkit_next *next, void *handle)
{
  (void)next;
  (void)handle;
  return 0;
}

static int
convert_can_multi_conn (nbdkit_next *next, void *handle)
{
  (void)next;
  (void)handle;
  return 1;
}

static int
convert_can_fua (nbdkit_next *next, void *handle)
{
  return is_a_disk (next, handle) ? NBDKIT_FUA_NATIVE : NBDKIT_FUA_NONE;
}

static int
convert_can_zero (nbdkit_next *next, void *handle)
{
  return is_a_disk (next, handle) ? NBDKIT_ZERO_NATIVE : NBDKIT_ZERO_NONE;
}

static int
convert_can_cache (nbdkit_next *next, void *handle)
{
  return is_a_disk (next, handle) ? NBDKIT_CACHE_NATIVE : NBDKIT_CACHE_NONE;
}

/*--------------------------------------------------------------------*/
/* Data. */

static int
convert_pread (nbdkit_next *next, void *handle, void *buf, uint32_t count,
               uint64_t offset, uint32_t flags, int *err)
{
  struct handle *h = handle;

  (void)next;
  (void)flags;
  if (h->document) {
    memcpy (buf, h->document->data + offset, count);
    return 0;
  }
  return overlay_pread (h->disk->overlay, &h->src.source, buf, count, offset,
                        err);
}

/* FUA and flush promise nothing here: the overlay lives as long as the
 * server.
 */
static int
convert_pwrite (nbdkit_next *next, void *handle, const void *buf,
                uint32_t count, uint64_t offset, uint32_t flags, int *err)
{
  struct handle *h = handle;

  (void)next;
  (void)flags;
  return overlay_pwrite (h->disk->overlay, &h->src.source, buf, count, offset,
                         err);
}

static int
convert_flush (nbdkit_next *next, void *handle, uint32_t flags, int *err)
{
  struct handle *h = handle;

  (void)next;
  (void)flags;
  return overlay_flush (h->disk->overlay, err);
}

static int
convert_zero (nbdkit_next *next, void *handle, uint32_t count, uint64_t offset,
              uint32_t flags, int *err)
{
  struct handle *h = handle;

  (void)next;
  (void)flags;
  return overlay_zero (h->disk->overlay, &h->src.source, count, offset, err);
}

static int
add_extent (void *opaque, uint64_t offset, uint64_t length, uint32_t type)
{
  return nbdkit_add_extent (opaque, offset, length, type);
}

static int
convert_extents (nbdkit_next *next, void *handle, uint32_t count,
                 uint64_t offset, uint32_t flags,
                 struct nbdkit_extents *extents, int *err)
{
  struct handle *h = handle;

  (void)next;
  if (h->document) {
    *err = EINVAL;
    return -1;
  }
  return overlay_extents (h->disk->overlay, &h->src.source, count, offset,
                          flags & NBDKIT_FLAG_REQ_ONE, add_extent, extents,
                          err);
}

static int
convert_cache (nbdkit_next *next, void *handle, uint32_t count, uint64_t offset,
               uint32_t flags, int *err)
{
  struct handle *h = handle;

  (void)next;
  (void)flags;
  return overlay_cache (h->disk->overlay, &h->src.source, count, offset, err);
}

static struct nbdkit_filter filter = {
  .name = "v2v-convert",
  .longname = "nbdkit v2v-convert filter",
  .description = "serve a virtual machine converted to run on KVM",
  .unload = convert_unload,
  .config = convert_config,
  .config_complete = convert_config_complete,
  .config_help = convert_config_help,
  .get_ready = convert_get_ready,
  .after_fork = convert_after_fork,
  .cleanup = convert_cleanup,
  .preconnect = convert_preconnect,
  .list_exports = convert_list_exports,
  .default_export = convert_default_export,
  .open = convert_open,
  .close = convert_close,
  .prepare = convert_prepare,
  .finalize = convert_finalize,
  .get_size = convert_get_size,
  .export_description = convert_export_description,
  .block_size = convert_block_size,
  .can_write = is_a_disk,
  .can_flush = is_a_disk,
  .is_rotational = convert_is_rotational,
  .can_trim = is_a_disk,
  .can_zero = convert_can_zero,
  .can_fast_zero = is_a_disk,
  .can_extents = is_a_disk,
  .can_fua = convert_can_fua,
  .can_multi_conn = convert_can_multi_conn,
  .can_cache = convert_can_cache,
  .pread = convert_pread,
  .pwrite = convert_pwrite,
  .flush = convert_flush,
  .trim = convert_zero,
  .zero = convert_zero,
  .extents = convert_extents,
  .cache = convert_cache,
};

NBDKIT_REGISTER_FILTER (filter)
