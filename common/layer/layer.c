/* SPDX-License-Identifier: BSD-3-Clause */

/* See layer.h. */

#include <config.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include <nbdkit-filter.h>

#include "layer.h"
#define V2V_SOURCE_EXPORTS_WEAK
#include "source-exports.h"

/* Around each call of the layer below. */
static void
begin_call (const struct layer_source *src)
{
  if (src->name)
    v2v_tell_export (src->name);
  if (src->lock)
    pthread_mutex_lock (src->lock);
}

static void
end_call (const struct layer_source *src)
{
  if (src->lock)
    pthread_mutex_unlock (src->lock);
  if (src->name)
    v2v_tell_export (NULL);
}

static int
layer_pread (void *opaque, void *buf, uint32_t count, uint64_t offset, int *err)
{
  struct layer_source *src = opaque;
  int r;

  begin_call (src);
  r = src->next->pread (src->next, buf, count, offset, 0, err);
  end_call (src);
  return r;
}

static int
layer_extents (void *opaque, uint64_t count, uint64_t offset,
               overlay_extent_cb cb, void *cb_opaque, int *err)
{
  struct layer_source *src = opaque;
  struct nbdkit_extents *exts;
  size_t i, n;
  int r;

  /* One request may describe less than 4 GiB. */
  if (count > UINT32_C (0x80000000))
    count = UINT32_C (0x80000000);
  exts = nbdkit_extents_new (offset, offset + count);
  if (exts == NULL) {
    *err = ENOMEM;
    return -1;
  }
  begin_call (src);
  r = src->next->extents (src->next, (uint32_t)count, offset, 0, exts, err);
  end_call (src);
  n = nbdkit_extents_count (exts);
  if (r == 0 && n == 0) {
    *err = EIO;
    r = -1;
  }
  for (i = 0; r == 0 && i < n; ++i) {
    const struct nbdkit_extent e = nbdkit_get_extent (exts, i);

    if (e.length == 0)
      continue;
    r = cb (cb_opaque, e.offset, e.length,
            e.type & (NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO));
  }
  nbdkit_extents_free (exts);
  return r == -1 ? -1 : 0;
}

static const struct overlay_source_ops ops_with_extents = {
  .pread = layer_pread,
  .extents = layer_extents,
};

static const struct overlay_source_ops ops_without_extents = {
  .pread = layer_pread,
};

void
layer_source_init (struct layer_source *src, nbdkit_next *next,
                   pthread_mutex_t *src_lock, const char *name)
{
  src->next = next;
  src->name = name;
  src->lock = src_lock;
  src->source.ops = next->can_extents (next) == 1 ? &ops_with_extents
                                                  : &ops_without_extents;
  src->source.opaque = src;
}

nbdkit_next *
layer_open (nbdkit_backend *backend, const char *name)
{
  nbdkit_next *next;

  v2v_tell_export (name);
  next = nbdkit_next_context_open (backend, 1, name, 1);
  if (next != NULL && next->prepare (next) == -1) {
    nbdkit_next_context_close (next);
    next = NULL;
  }
  v2v_tell_export (NULL);
  return next;
}

void
layer_close (nbdkit_next *next)
{
  next->finalize (next);
  nbdkit_next_context_close (next);
}

char *
layer_read_all (nbdkit_backend *backend, const char *name, size_t max)
{
  nbdkit_next *next = layer_open (backend, name);
  char *text = NULL;
  int64_t size;
  int err;

  if (next == NULL)
    return NULL;
  size = next->get_size (next);
  if (size >= 0 && (uint64_t)size <= max && size <= UINT32_MAX)
    text = malloc ((size_t)size + 1);
  if (text != NULL) {
    text[size] = '\0';
    v2v_tell_export (name);
    if (size > 0 &&
        next->pread (next, text, (uint32_t)size, 0, 0, &err) == -1) {
      free (text);
      text = NULL;
    }
    v2v_tell_export (NULL);
  }
  layer_close (next);
  return text;
}
