/* SPDX-License-Identifier: BSD-3-Clause */

/* The layer below a filter, as the source of an overlay.  It is only ever
 * opened read-only, and only pread and extents are called: nothing here
 * can write to it.
 */

#ifndef V2V_LAYER_H
#define V2V_LAYER_H

#include <stddef.h>

#include <pthread.h>

#include <nbdkit-filter.h>

#include "overlay.h"

/* Reads the layer below through one context.  LOCK is taken around each
 * call unless it is NULL.  NAME, which must live as long, is that of the
 * export, for calls in threads of our own: should a filter in between open
 * the plugin anew in a call (nbdkit-retry-filter), our plugin is told; NULL
 * in a thread of the server, which knows.  Must not move once it is
 * initialised.
 */
struct layer_source {
  nbdkit_next *next;
  pthread_mutex_t *lock;
  const char *name;
  struct overlay_source source;
};

/* NEXT is prepared and next->can_extents was called with success, so that
 * the server has its answer.
 */
extern void layer_source_init (struct layer_source *src, nbdkit_next *next,
                               pthread_mutex_t *lock, const char *name);

/* A context of our own on the export NAME, prepared, outside any client's
 * connection.  NULL on error (logged).  Opens and closes must not overlap.
 */
extern nbdkit_next *layer_open (nbdkit_backend *backend, const char *name);
extern void layer_close (nbdkit_next *next);

/* All of a small export, followed by a NUL; allocated.  NULL on error or
 * if it is larger than MAX.
 */
extern char *
layer_read_all (nbdkit_backend *backend, const char *name, size_t max);

#endif /* V2V_LAYER_H */
