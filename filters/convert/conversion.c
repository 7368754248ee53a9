/* SPDX-License-Identifier: BSD-3-Clause */

/* One conversion.
 *
 *            first client, or v2v-start=server
 *     IDLE ------------------------------------> RUNNING
 *                                                 |   |
 *        helper's result "ok" and exit status 0   |   |  anything else
 *                                          DONE <-+   +-> FAILED
 *
 * The thread opens the layer below once per disk (read-only, always),
 * puts an overlay over each, shows them to the helper through a private
 * endpoint, and closes all of that before the state becomes DONE.  So:
 *
 * Invariants:
 *  1. Clients open the layer below only in DONE, this thread uses it only
 *     in RUNNING: they never meet, whatever the thread model.
 *  2. A client is given an overlay only in DONE.  FAILED frees all of
 *     them: nothing half-converted can be served.
 *  3. Nothing ever writes to the layer below: its contexts are opened
 *     read-only and only pread and extents are called.
 *  4. The work directory (socket, helper's temporary files, documents) is
 *     gone before DONE or FAILED is visible.
 *
 * lock protects state, code, message; disks and documents are written by
 * the thread in RUNNING and only read in DONE.
 */

#include <config.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/stat.h>

#include "arguments.h"
#include "changes.h"
#include "conversion-internal.h"
#include "endpoint.h"
#include "layer.h"
#include "supervisor.h"
#include "v2v-utils.h"

enum state { IDLE, RUNNING, DONE, FAILED };

static const struct convert_config *config;
static nbdkit_backend *backend;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static enum state state = IDLE;
static char *fail_code, *fail_message;
static pthread_t thread;
static bool thread_started;

static struct converted_disk *disks;
static struct document_list documents;
static struct timespec started;

/*--------------------------------------------------------------------*/
/* Messages. */

static double
elapsed (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (double)(ts.tv_sec - started.tv_sec) +
         (double)(ts.tv_nsec - started.tv_nsec) / 1e9;
}

void
conversion_say (const char *fmt, ...)
{
  char line[2048];
  va_list args;
  int n;

  n = snprintf (line, sizeof line, "[%6.1f] ", elapsed ());
  va_start (args, fmt);
  n += vsnprintf (line + n, sizeof line - (size_t)n - 1, fmt, args);
  va_end (args);
  if (n > (int)sizeof line - 2)
    n = (int)sizeof line - 2;
  nbdkit_debug ("v2v-convert: %s", line);
  if (config->quiet)
    return;
  line[n++] = '\n';
  if (write (STDERR_FILENO, line, (size_t)n) == -1)
    return; /* nobody listens */
}

static void
endpoint_log (void *opaque, const char *message)
{
  (void)opaque;
  nbdkit_debug ("v2v-convert: endpoint: %s", message);
}

/*--------------------------------------------------------------------*/
/* The thread. */

void
conversion_fail (const char *code, const char *fmt, ...)
{
  va_list args;

  if (fail_code != NULL)
    return;
  fail_code = strdup (code);
  va_start (args, fmt);
  if (vasprintf (&fail_message, fmt, args) == -1)
    fail_message = NULL;
  va_end (args);
}

static bool
should_stop (void *opaque)
{
  (void)opaque;
  /* Fails at once when the server is ending. */
  return nbdkit_nanosleep (0, 1) == -1;
}

static void
helper_event (void *opaque, const struct helper_event *ev)
{
  (void)opaque;
  switch (ev->type) {
  case HELPER_STEP:
    conversion_say ("%s", ev->message);
    break;
  case HELPER_INFO:
    conversion_say ("%s", ev->message);
    break;
  case HELPER_WARNING:
    conversion_say ("warning: %s (%s)", ev->message, ev->code);
    break;
  case HELPER_ERROR:
    conversion_say ("error: %s (%s)", ev->message, ev->code);
    break;
  case HELPER_STEP_END:
  case HELPER_PROGRESS:
    break;
  }
}

/* Run the helper on the disks, with its files in WORKDIR. */
static int
run_helper (const char *workdir, const char *outdir, const char *socket,
            const char *source_json)
{
  struct supervisor_options opts = {
    .tmpdir = workdir,
    .timeout = config->timeout,
    .step_timeout = config->step_timeout,
    .should_stop = should_stop,
    .event = helper_event,
  };
  struct supervisor_result result;
  char **argv;
  bool ok;

  argv = helper_arguments (config, workdir, outdir, socket, source_json);
  if (argv == NULL) {
    conversion_fail ("out-of-resources",
                     "cannot prepare the conversion helper in %s: %m", workdir);
    return -1;
  }
  opts.argv = argv;
  supervisor_run (&opts, &result);
  helper_arguments_free (argv);
  ok = result.ok;
  if (!ok)
    conversion_fail (result.code ? result.code : "out-of-resources", "%s",
                     result.message ? result.message : "out of memory");
  supervisor_result_free (&result);
  return ok ? 0 : -1;
}

static int
remove_entry (const char *path, const struct stat *st, int flag,
              struct FTW *ftw)
{
  (void)st;
  (void)flag;
  (void)ftw;
  if (remove (path) == -1)
    nbdkit_debug ("v2v-convert: remove: %s: %m", path);
  return 0;
}

/* Everything that needs the contexts and the work directory. */
static int
convert_in (const char *workdir, struct source_disk *open)
{
  CLEANUP_FREE char *outdir = NULL, *source_json = NULL;
  struct endpoint_disk *ep_disks = NULL;
  struct endpoint_options ep_opts = { .dir = workdir, .log = endpoint_log };
  struct endpoint *ep = NULL;
  size_t i;
  int r = -1, err = 0;

  if (asprintf (&outdir, "%s/out", workdir) == -1) {
    outdir = NULL;
    goto out;
  }
  if (mkdir (outdir, 0700) == -1)
    goto out;

  conversion_say ("Opening the source");
  ep_disks = calloc (config->nr_disks, sizeof *ep_disks);
  if (ep_disks == NULL)
    goto out;
  if (config->source_export) {
    source_json = layer_read_all (backend, config->source_export, DOCUMENT_MAX);
    if (source_json == NULL) {
      conversion_fail ("source-open-failed",
                       "cannot read the description of the source (%s)",
                       config->source_export);
      goto out;
    }
  }
  for (i = 0; i < config->nr_disks; ++i) {
    if (source_disk_open (&open[i], config->disks[i], config, backend) == -1)
      goto out;
    disks[i].name = config->disks[i];
    disks[i].overlay = open[i].overlay;
    disks[i].size = overlay_size (open[i].overlay);
    source_disk_export (&open[i], config->disks[i], &ep_disks[i]);
  }

  ep = endpoint_start (ep_disks, config->nr_disks, &ep_opts, &err);
  if (ep == NULL) {
    conversion_fail ("endpoint-failed", "cannot listen in %s: %s", workdir,
                     strerror (err));
    goto out;
  }
  if (run_helper (workdir, outdir, endpoint_socket (ep), source_json) == -1)
    goto out;
  if (source_json != NULL) {
    const size_t len = strlen (source_json);

    /* What the plugin exports under the same name. */
    if (documents_add (&documents, "source.json", source_json, len) == -1) {
      source_json = NULL;
      goto out;
    }
    source_json = NULL;
  }
  if (documents_load (&documents, outdir) == -1) {
    conversion_fail ("documents-failed", "cannot read the documents of the "
                                         "conversion: %m");
    goto out;
  }
  r = 0;

out:
  if (r == -1)
    conversion_fail ("out-of-resources", "cannot prepare the conversion: %m");
  /* First the endpoint: it uses the contexts. */
  endpoint_stop (ep);
  free (ep_disks);
  return r;
}

static int
convert (void)
{
  CLEANUP_FREE char *workdir = NULL;
  struct source_disk *open;
  size_t i;
  int r;

  open = calloc (config->nr_disks, sizeof *open);
  disks = calloc (config->nr_disks, sizeof *disks);
  if (open == NULL || disks == NULL ||
      asprintf (&workdir, "%s/v2v-XXXXXX", config->tmpdir) == -1) {
    workdir = NULL;
    conversion_fail ("out-of-resources", "out of memory");
    free (open);
    return -1;
  }
  if (mkdtemp (workdir) == NULL) {
    conversion_fail ("out-of-resources",
                     "cannot make a directory in %s: %m "
                     "(choose another with v2v-tmpdir=DIR)",
                     config->tmpdir);
    free (open);
    return -1;
  }

  for (i = 0; i < config->nr_disks; ++i)
    source_disk_init (&open[i]);
  r = convert_in (workdir, open);
  for (i = 0; i < config->nr_disks; ++i)
    source_disk_close (&open[i]);
  free (open);
  /* Invariant 4. */
  nftw (workdir, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);

  if (r == -1)
    return -1;
  for (i = 0; i < config->nr_disks; ++i)
    overlay_set_copy_on_read (disks[i].overlay, false);
  if (changes_add (&documents, disks, config->nr_disks) == -1) {
    conversion_fail ("documents-failed", "cannot list the changes");
    return -1;
  }
  if (config->metadata_dir &&
      documents_save (&documents, config->metadata_dir) == -1) {
    conversion_fail ("metadata-dir-failed",
                     "cannot write the documents to "
                     "v2v-metadata-dir=%s: %m",
                     config->metadata_dir);
    return -1;
  }
  return 0;
}

static void
free_results (void)
{
  size_t i;

  for (i = 0; disks && i < config->nr_disks; ++i) {
    if (disks[i].overlay)
      overlay_close (disks[i].overlay);
  }
  free (disks);
  disks = NULL;
  documents_free (&documents);
}

static void *
conversion_thread (void *vp)
{
  int r;

  (void)vp;
  r = convert ();
  if (r == 0)
    conversion_say ("The guest is converted");
  else {
    nbdkit_error ("v2v-convert: %s (code: %s)",
                  fail_message ? fail_message : "out of memory",
                  fail_code ? fail_code : "out-of-resources");
    /* Invariant 2. */
    free_results ();
  }

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&lock);
  state = r == 0 ? DONE : FAILED;
  pthread_cond_broadcast (&changed);
  return NULL;
}

/*--------------------------------------------------------------------*/

void
conversion_init (const struct convert_config *conf, nbdkit_backend *b)
{
  config = conf;
  backend = b;
}

/* The caller holds the lock. */
static int
start_locked (void)
{
  int err;

  if (state != IDLE)
    return 0;
  clock_gettime (CLOCK_MONOTONIC, &started);
  err = pthread_create (&thread, NULL, conversion_thread, NULL);
  if (err != 0) {
    nbdkit_error ("v2v-convert: pthread_create: %s", strerror (err));
    return -1;
  }
  thread_started = true;
  state = RUNNING;
  return 0;
}

int
conversion_start (void)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&lock);
  return start_locked ();
}

int
conversion_wait (void)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&lock);

  if (start_locked () == -1)
    return -1;
  while (state == RUNNING)
    pthread_cond_wait (&changed, &lock);
  if (state == DONE)
    return 0;
  /* From nbdkit 1.40 on the client is told this thread's last error. */
  nbdkit_error ("v2v-convert: the conversion failed, so this export is not "
                "served: %s (code: %s)",
                fail_message ? fail_message : "out of memory",
                fail_code ? fail_code : "out-of-resources");
  return -1;
}

bool
conversion_is_done (void)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&lock);
  return state == DONE;
}

const struct converted_disk *
conversion_disk (const char *name)
{
  size_t i;

  for (i = 0; i < config->nr_disks; ++i) {
    if (strcmp (disks[i].name, name) == 0)
      return &disks[i];
  }
  return NULL;
}

const struct document *
conversion_document (const char *name)
{
  return documents_find (&documents, name);
}

const struct document_list *
conversion_documents (void)
{
  return &documents;
}

void
conversion_cleanup (void)
{
  if (thread_started)
    pthread_join (thread, NULL);
  thread_started = false;
  if (state == DONE)
    free_results ();
  free (fail_code);
  free (fail_message);
  fail_code = fail_message = NULL;
  state = IDLE;
}
