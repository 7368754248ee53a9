/* SPDX-License-Identifier: BSD-3-Clause */

/* The state machine: IDLE -> RUNNING -> DONE | FAILED, one per server.
 * It runs in a thread of its own, whoever started it, and does not
 * depend on the client that did.
 */

#ifndef V2V_CONVERSION_H
#define V2V_CONVERSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nbdkit-filter.h>

#include "documents.h"
#include "overlay.h"

/* Parameters, set before the server forks and constant afterwards. */
struct convert_config {
  char **disks; /* canonical export names, in order */
  size_t nr_disks;
  char *helper;              /* path of v2v-convert-helper */
  char *tmpdir;              /* for the overlay and the work directory */
  char *metadata_dir;        /* or NULL */
  const char *source_export; /* the source's description is this export
                                   of the plugin, or NULL */
  char **helper_args;        /* further arguments, NULL-ended */
  char *keys;                /* lines "ID:key:..." for the helper's key
                                   file, or NULL */
  unsigned timeout, step_timeout;
  bool quiet;
  bool no_trim;
  int thread_model; /* final, from get_ready */
};

struct converted_disk {
  const char *name; /* canonical export name */
  uint64_t size;
  struct overlay *overlay;
};

/* BACKEND is what after_fork was given. */
extern void
conversion_init (const struct convert_config *config, nbdkit_backend *backend);

/* Start the conversion unless it was started, without waiting. */
extern int conversion_start (void);

/* Start it if necessary and wait until it is DONE (0) or FAILED (-1, the
 * reason was passed to nbdkit_error by this thread).
 */
extern int conversion_wait (void);

/* Valid after conversion_wait returned 0, until conversion_cleanup. */
extern const struct converted_disk *conversion_disk (const char *name);
extern const struct document *conversion_document (const char *name);

extern bool conversion_is_done (void);
extern const struct document_list *conversion_documents (void);

/* Join the thread, free everything. */
extern void conversion_cleanup (void);

#endif /* V2V_CONVERSION_H */
