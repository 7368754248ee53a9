/* SPDX-License-Identifier: BSD-3-Clause */

/* A disk of the layer below while the conversion runs: its context, the
 * overlay over it, and what the endpoint calls.  See invariants 1 and 3 of
 * conversion.c.
 */

#include <config.h>

#include <stdio.h>
#include <string.h>

#include "conversion-internal.h"

static void
overlay_log (void *opaque, char level, const char *message)
{
  (void)opaque;
  if (level == 'd')
    nbdkit_debug ("v2v-convert: overlay: %s", message);
  else if (level == 'w')
    conversion_say ("warning: overlay: %s (overlay)", message);
  else
    nbdkit_error ("v2v-convert: overlay: %s", message);
}

/* "" is how NBD spells the default export. */
static const char *
printable_name (const char *name)
{
  return *name ? name : "(default)";
}

/* The endpoint's workers call the layer below where the server's locks
 * do not reach.  serialize_requests: one call at a time per context;
 * below that, one call at a time in total.
 */
static pthread_mutex_t *
lock_of_layer (struct source_disk *d, int thread_model)
{
  static pthread_mutex_t whole_layer = PTHREAD_MUTEX_INITIALIZER;

  switch (thread_model) {
  case NBDKIT_THREAD_MODEL_PARALLEL:
    return NULL;
  case NBDKIT_THREAD_MODEL_SERIALIZE_REQUESTS:
    return &d->lock;
  default:
    return &whole_layer;
  }
}

int
source_disk_open (struct source_disk *d, const char *name,
                  const struct convert_config *config, nbdkit_backend *backend)
{
  struct overlay_options opts = {
    .store = OVERLAY_STORE_TMPFILE,
    .dir = config->tmpdir,
    .name = name,
    .copy_on_read = true,
    .log = overlay_log,
  };
  uint32_t minimum = 0, preferred = 0, maximum = 0;
  int64_t size;
  int err = 0;

  d->next = layer_open (backend, name);
  if (d->next == NULL)
    goto failed;
  /* Answers that nbdkit caches in the context: ask for all of them in
   * this thread, before several threads use it.
   */
  size = d->next->get_size (d->next);
  if (size == -1 || d->next->can_extents (d->next) == -1 ||
      d->next->block_size (d->next, &minimum, &preferred, &maximum) == -1)
    goto failed;
  if (size == 0) {
    conversion_fail ("empty-disk",
                     "disk %s is empty (0 bytes): check that the "
                     "right file or volume was given",
                     printable_name (name));
    return -1;
  }

  opts.min_request = minimum;
  if (maximum > 0 && maximum < UINT32_C (0xffffffff))
    opts.max_request = maximum;
  d->overlay = overlay_open ((uint64_t)size, &opts, &err);
  if (d->overlay == NULL) {
    conversion_fail ("overlay-failed",
                     "cannot make the overlay of disk %s in "
                     "%s: %s",
                     printable_name (name), config->tmpdir, strerror (err));
    return -1;
  }
  layer_source_init (&d->src, d->next, lock_of_layer (d, config->thread_model),
                     name);
  return 0;

failed:
  conversion_fail ("source-open-failed",
                   "cannot open disk %s of the source (see "
                   "the messages before this one)",
                   printable_name (name));
  return -1;
}

void
source_disk_init (struct source_disk *d)
{
  pthread_mutex_init (&d->lock, NULL);
}

void
source_disk_close (struct source_disk *d)
{
  if (d->next)
    layer_close (d->next);
  pthread_mutex_destroy (&d->lock);
}

/* ---- for the endpoint ---- */

static int
disk_pread (void *opaque, void *buf, uint32_t count, uint64_t offset, int *err)
{
  struct source_disk *d = opaque;

  return overlay_pread (d->overlay, &d->src.source, buf, count, offset, err);
}

static int
disk_pwrite (void *opaque, const void *buf, uint32_t count, uint64_t offset,
             int *err)
{
  struct source_disk *d = opaque;

  return overlay_pwrite (d->overlay, &d->src.source, buf, count, offset, err);
}

static int
disk_zero (void *opaque, uint32_t count, uint64_t offset, int *err)
{
  struct source_disk *d = opaque;

  return overlay_zero (d->overlay, &d->src.source, count, offset, err);
}

static int
disk_flush (void *opaque, int *err)
{
  struct source_disk *d = opaque;

  return overlay_flush (d->overlay, err);
}

void
source_disk_export (struct source_disk *d, const char *name,
                    struct endpoint_disk *e)
{
  *e = (struct endpoint_disk){
    .name = name,
    .size = overlay_size (d->overlay),
    .opaque = d,
    .pread = disk_pread,
    .pwrite = disk_pwrite,
    .zero = disk_zero,
    .flush = disk_flush,
  };
}
