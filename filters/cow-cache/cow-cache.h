/* SPDX-License-Identifier: BSD-3-Clause */

/* What the files of the filter share. */

#ifndef NBDKIT_V2V_COW_CACHE_H
#define NBDKIT_V2V_COW_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include <nbdkit-filter.h>

#include "layer.h"
#include "overlay.h"

/* The parameters; constant after config_complete. */
struct settings {
  enum overlay_store store;
  char *dir;      /* absolute; NULL = default */
  char *identity; /* NULL = sample the source */
  bool copy_on_read;
  char *copy_on_read_file; /* absolute; overrides copy_on_read */
  uint64_t max_size;
  uint32_t fetch_unit, max_request;
};
extern struct settings settings;

/* exports.c: one overlay per canonical export name, for as long as the
 * server runs.  All functions may be called from any thread.
 */
/* Remember what the empty name stands for; NAME may be NULL. */
extern void exports_set_default (const char *name);
/* The name that NAME stands for, allocated; NULL = no memory. */
extern char *exports_canonical_name (const char *name);
/* The overlay of NAME, made if it is not there yet.  NEXT is prepared.
 * NULL after nbdkit_error.
 */
extern struct overlay *exports_get (const char *name, nbdkit_next *next);
extern void exports_close_all (void);

/* background.c: fills for .cache that the client does not wait for.  One
 * thread per connection at most.  NAME is the export's and must live until
 * background_stop.
 */
struct background;
extern struct background *
background_new (struct overlay *ov, nbdkit_next *next, const char *name);
/* True if the range will be filled in the background, false if the thread
 * is busy (or there is none): the caller does it.
 */
extern bool
background_fill (struct background *bg, uint64_t offset, uint32_t count);
/* Cancel, wait for one request of the source at most, and free. */
extern void background_stop (struct background *bg);

#endif /* NBDKIT_V2V_COW_CACHE_H */
