/* SPDX-License-Identifier: BSD-3-Clause */

/* What conversion.c and source-disk.c share. */

#ifndef V2V_CONVERSION_INTERNAL_H
#define V2V_CONVERSION_INTERNAL_H

#include <pthread.h>

#include "conversion.h"
#include "endpoint.h"
#include "layer.h"
#include "v2v-utils.h"

/* One line for people on stderr, in one write. */
extern void
conversion_say (const char *fmt, ...) __attribute__ ((format (printf, 1, 2)));
/* The first failure is the one that counts.  Of the conversion's thread. */
extern void conversion_fail (const char *code, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));

/* What the thread has open while RUNNING, per disk. */
struct source_disk {
  nbdkit_next *next;
  pthread_mutex_t lock;
  struct layer_source src;
  struct overlay *overlay; /* also in the results, which own it */
};

extern void source_disk_init (struct source_disk *d);
/* Open the export NAME of the layer below, read-only, and an overlay over
 * it.  Return 0, or -1 after conversion_fail.  The overlay outlives D.
 */
extern int
source_disk_open (struct source_disk *d, const char *name,
                  const struct convert_config *config, nbdkit_backend *backend);
/* D must live as long as the endpoint. */
extern void source_disk_export (struct source_disk *d, const char *name,
                                struct endpoint_disk *e);
extern void source_disk_close (struct source_disk *d);

#endif /* V2V_CONVERSION_INTERNAL_H */
