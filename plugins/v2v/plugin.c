/* SPDX-License-Identifier: BSD-3-Clause */

/* nbdkit-v2v-plugin: one export for each disk of a source machine, and its
 * description as v2v/source.json.  See nbdkit-v2v-plugin.pod.
 *
 * The source is analysed in .get_ready, so that what is wrong with it is
 * said before the server forks.  Children are started on first use, by
 * threads that exist only after the fork.
 *
 * Lock: json_lock protects json, which is made once.  All else is constant
 * once the server runs, or locks for itself.
 */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "parameters.h"
#include "process.h"
#include "remote.h"
#include "source-exports.h"
#include "source.h"
#include "v2v-utils.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL
#define SOURCE_JSON "v2v/source.json"

static struct source *source;

static pthread_mutex_t json_lock = PTHREAD_MUTEX_INITIALIZER;
static char *json;

/* See source-exports.h. */
static _Thread_local char *thread_export;
static _Thread_local bool thread_export_lost; /* no memory for it */

static char **export_names;

void
v2v_source_thread_export (const char *name)
{
  free (thread_export);
  thread_export = name ? strdup (name) : NULL;
  thread_export_lost = name && thread_export == NULL;
}

const char *const *
v2v_source_exports (void)
{
  return (const char *const *)export_names;
}

static void
warn (void *opaque, const char *message)
{
  (void)opaque;
  nbdkit_error ("warning: %s", message);
}

static void
log_error (const char *message)
{
  nbdkit_error ("%s", message);
}

static void
log_debug (const char *message)
{
  nbdkit_debug ("%s", message);
}

/*--------------------------------------------------------------------
 * Life.
 */
static int
v2v_get_ready (void)
{
  struct diag d = { .warn = warn };
  size_t i, n;

  remote_set_log (log_error);
  source = source_open (parameters_get (), &d);
  if (source == NULL) {
    nbdkit_error ("%s", d.error ? d.error : "out of memory");
    diag_clear (&d);
    return -1;
  }
  n = source->nr_disks;
  export_names = calloc (n + 2, sizeof *export_names);
  for (i = 0; export_names && i < n; ++i) {
    export_names[i] = strdup (source->machine.vm->disks[i].name);
    if (export_names[i] == NULL)
      break;
  }
  if (export_names == NULL || i < n ||
      (export_names[n] = strdup (SOURCE_JSON)) == NULL) {
    nbdkit_error ("out of memory");
    return -1;
  }
  return 0;
}

static int
v2v_after_fork (void)
{
  if (supervisor_start (log_debug) == -1) {
    nbdkit_error ("cannot start a thread: %m");
    return -1;
  }
  return 0;
}

/* Before .unload, because the children must go although clients may still be
 * connected.
 */
static void
v2v_cleanup (void)
{
  supervisor_stop ();
}

static void
v2v_unload (void)
{
  size_t i;

  supervisor_stop ();
  source_free (source);
  free (json);
  for (i = 0; export_names && export_names[i]; ++i)
    free (export_names[i]);
  free (export_names);
  parameters_free ();
  free (thread_export);
}

/*--------------------------------------------------------------------
 * Exports.
 */
struct handle {
  struct disk *disk; /* NULL = the description */
  const char *json;
  uint64_t size;
};

static int
v2v_list_exports (int readonly, int is_tls, struct nbdkit_exports *exports)
{
  size_t i;

  (void)readonly;
  (void)is_tls;
  for (i = 0; export_names[i]; ++i)
    if (nbdkit_add_export (exports, export_names[i], NULL) == -1)
      return -1;
  return 0;
}

static const char *
v2v_default_export (int readonly, int is_tls)
{
  (void)readonly;
  (void)is_tls;
  return source->nr_disks > 0 ? export_names[0] : SOURCE_JSON;
}

static const char *
get_json (void)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&json_lock);
  struct diag d = { .warn = warn };

  if (json == NULL)
    json = source_json (source, &d);
  if (json == NULL)
    nbdkit_error (SOURCE_JSON ": %s", d.error ? d.error : "out of memory");
  diag_clear (&d);
  return json;
}

static void *
v2v_open (int readonly)
{
  const char *name;
  struct handle *h;
  size_t i;

  (void)readonly;
  if (thread_export_lost) { /* any other could be the wrong disk */
    nbdkit_error ("out of memory");
    return NULL;
  }
  name = thread_export ? thread_export : nbdkit_export_name ();
  if (name == NULL && source->nr_disks > 1) {
    nbdkit_error ("this nbdkit does not tell which export a filter opens; "
                  "several disks need nbdkit 1.44, or filters of nbdkit-v2v");
    return NULL;
  }
  if (name == NULL || name[0] == '\0')
    name = v2v_default_export (1, 0);

  h = calloc (1, sizeof *h);
  if (h == NULL) {
    nbdkit_error ("calloc: %m");
    return NULL;
  }
  if (strcmp (name, SOURCE_JSON) == 0) {
    h->json = get_json ();
    if (h->json == NULL)
      goto error;
    h->size = strlen (h->json);
    return h;
  }
  for (i = 0; i < source->nr_disks; ++i)
    if (strcmp (name, export_names[i]) == 0) {
      h->disk = source->disks[i];
      if (disk_size (h->disk, &h->size) == -1) {
        nbdkit_error ("%s cannot be opened", name);
        goto error;
      }
      return h;
    }
  nbdkit_error ("there is no export \"%s\": nbdinfo --list shows them", name);
error:
  free (h);
  return NULL;
}

static void
v2v_close (void *handle)
{
  free (handle);
}

static int64_t
v2v_get_size (void *handle)
{
  struct handle *h = handle;

  return h->size;
}

static int
v2v_yes (void *handle)
{
  (void)handle;
  return 1;
}

static int
v2v_can_cache (void *handle)
{
  struct handle *h = handle;

  return h->disk && disk_can_cache (h->disk) ? NBDKIT_CACHE_NATIVE
                                             : NBDKIT_CACHE_NONE;
}

static int
v2v_can_extents (void *handle)
{
  struct handle *h = handle;

  return h->disk != NULL;
}

/*--------------------------------------------------------------------
 * Data.
 */
static int
v2v_pread (void *handle, void *buf, uint32_t count, uint64_t offset,
           uint32_t flags)
{
  struct handle *h = handle;

  (void)flags;
  if (h->disk == NULL) {
    memcpy (buf, h->json + offset, count);
    return 0;
  }
  if (disk_pread (h->disk, buf, count, offset) == -1) {
    nbdkit_error ("pread: %m");
    return -1;
  }
  return 0;
}

static int
v2v_cache (void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
  struct handle *h = handle;

  (void)flags;
  if (disk_cache (h->disk, count, offset) == -1) {
    nbdkit_error ("cache: %m");
    return -1;
  }
  return 0;
}

static int
add_extent (void *opaque, uint64_t offset, uint64_t len, bool hole, bool zero)
{
  return nbdkit_add_extent (opaque, offset, len,
                            (hole ? NBDKIT_EXTENT_HOLE : 0) |
                              (zero ? NBDKIT_EXTENT_ZERO : 0));
}

static int
v2v_extents (void *handle, uint32_t count, uint64_t offset, uint32_t flags,
             struct nbdkit_extents *extents)
{
  struct handle *h = handle;

  if (disk_extents (h->disk, count, offset, (flags & NBDKIT_FLAG_REQ_ONE) != 0,
                    add_extent, extents) == -1) {
    nbdkit_error ("extents: %m");
    return -1;
  }
  return 0;
}

static struct nbdkit_plugin plugin = {
  .name = "v2v",
  .longname = "nbdkit virtual machine source plugin",
  .version = PACKAGE_VERSION,
  .description = "disks and description of a machine of VMware, Xen, "
                 "Hyper-V, VirtualBox or KVM",
  .config = parameters_set,
  .config_complete = parameters_complete,
  .config_help = PARAMETERS_HELP,
  .magic_config_key = "file",
  .get_ready = v2v_get_ready,
  .after_fork = v2v_after_fork,
  .cleanup = v2v_cleanup,
  .unload = v2v_unload,
  .list_exports = v2v_list_exports,
  .default_export = v2v_default_export,
  .open = v2v_open,
  .close = v2v_close,
  .get_size = v2v_get_size,
  .can_multi_conn = v2v_yes,
  .can_cache = v2v_can_cache,
  .can_extents = v2v_can_extents,
  .pread = v2v_pread,
  .cache = v2v_cache,
  .extents = v2v_extents,
  .errno_is_preserved = 1,
};

NBDKIT_REGISTER_PLUGIN (plugin)
