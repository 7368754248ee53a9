/* SPDX-License-Identifier: BSD-3-Clause */

/* One conversion, from the launch of the appliance to its shutdown.
 *
 * Ends.  Whatever happens, the appliance is gone and the work directory
 * too.  The main thread does all the work; a second one waits for SIGTERM,
 * SIGINT and SIGHUP, and for nothing else.  It kills the appliance, so that
 * the call that the main thread is in fails, and the main thread leaves by
 * its ordinary way out.  If that takes more than GRACE seconds, the second
 * thread removes the work directory and ends the program.  Were we killed
 * outright, libguestfs' recovery process ends QEMU within two seconds, and
 * the janitor removes what is in temporary directories.
 *
 * Signals are not blocked, because programs that libguestfs starts would
 * inherit that: a handler writes to a pipe.
 *
 * Work directory: OUTPUT/work.XXXXXX with libguestfs' temporary files and
 * (through XDG_RUNTIME_DIR, which it ignores as root) its sockets.  A
 * socket's path has room for 107 bytes; if OUTPUT is too long the directory
 * is made in /tmp.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <libxml/parser.h>

#include "appliance.h"
#include "documents.h"
#include "guest.h"
#include "inspection.h"
#include "janitor.h"
#include "linux/linux.h"
#include "options.h"
#include "report.h"
#include "run.h"
#include "sectors.h"
#include "v2v-utils.h"
#include "vm.h"

#define GRACE 1.5

/* "/libguestfsXXXXXX/guestfsd.sock" and the terminating zero. */
#define SOCKET_TAIL 40
#define SOCKET_MAX 107

static int signal_pipe[2] = { -1, -1 };
static char workdir[PATH_MAX];

/* ---- the work directory ---- */

static int
make_workdir (const char *output)
{
  CLEANUP_FREE char *real = NULL;

  if (mkdir (output, 0700) == -1 && errno != EEXIST)
    return -1;
  real = realpath (output, NULL);
  if (real == NULL)
    return -1;
  if (strlen (real) + sizeof "/work.XXXXXX" + SOCKET_TAIL <= SOCKET_MAX)
    snprintf (workdir, sizeof workdir, "%s/work.XXXXXX", real);
  else
    snprintf (workdir, sizeof workdir, "/tmp/v2v-helper.XXXXXX");
  if (mkdtemp (workdir) == NULL) {
    workdir[0] = '\0';
    return -1;
  }
  janitor_add (workdir);
  return setenv ("XDG_RUNTIME_DIR", workdir, 1);
}

/* ---- signals ---- */

static void
on_signal (int sig)
{
  int e = errno;
  ssize_t r;

  (void)sig;
  r = write (signal_pipe[1], "", 1);
  (void)r;
  errno = e;
}

struct stopper {
  pthread_t thread;
  struct report *report;
  atomic_bool done;
};

static void *
stop_thread (void *opaque)
{
  struct stopper *s = opaque;
  const struct timespec tick = { .tv_nsec = 20 * 1000 * 1000 };
  double start;
  ssize_t r;
  char c;

  while ((r = read (signal_pipe[0], &c, 1)) == -1 && errno == EINTR)
    ;
  if (r != 1 || c != '\0')
    return NULL; /* the program ends */
  report_stop (s->report, "cancelled",
               "the conversion was stopped by a signal");
  appliance_cancel ();
  start = report_seconds (s->report);
  while (!atomic_load (&s->done)) {
    appliance_kill ();
    if (report_seconds (s->report) - start > GRACE) {
      appliance_abandon ();
      remove_tree (workdir);
      _exit (1);
    }
    nanosleep (&tick, NULL);
  }
  return NULL;
}

static int
start_stopper (struct stopper *s, struct report *report)
{
  static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
  struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
  size_t i;

  s->report = report;
  if (pipe2 (signal_pipe, O_CLOEXEC) == -1)
    return -1;
  if (pthread_create (&s->thread, NULL, stop_thread, s) != 0)
    return -1;
  sigemptyset (&sa.sa_mask);
  for (i = 0; i < V2V_ARRAY_SIZE (signals); ++i)
    sigaction (signals[i], &sa, NULL);
  sa.sa_handler = SIG_IGN;
  sigaction (SIGPIPE, &sa, NULL);
  return 0;
}

static void
end_stopper (struct stopper *s)
{
  ssize_t r;

  atomic_store (&s->done, true);
  r = write (signal_pipe[1], "x", 1);
  (void)r;
  pthread_join (s->thread, NULL);
}

/* ---- documents ---- */

static void
write_report (struct report *report, const char *dir)
{
  CLEANUP_FREE char *text = report_to_json (report);

  if (text != NULL &&
      document_write (dir, "report.json", text, strlen (text), 0600) == 0)
    report_document (report, "report.json");
  else
    report_error (report, "output-failed", "cannot write %s/report.json: %m",
                  dir);
}

/* ---- the conversion ---- */

static struct vm *
read_source (struct report *report, const char *path)
{
  CLEANUP_FREE char *text = NULL, *error = NULL;
  CLEANUP_CLOSE int fd = open (path, O_RDONLY | O_CLOEXEC);
  struct vm *vm = NULL;
  struct stat st;
  ssize_t n = -1;

  if (fd >= 0 && fstat (fd, &st) == 0 && st.st_size <= 16 * 1024 * 1024) {
    text = malloc (st.st_size + 1);
    n = text ? read (fd, text, st.st_size) : -1;
  }
  if (n == -1) {
    report_error (report, "source-description",
                  "cannot read the description of the source, %s: %m", path);
    return NULL;
  }
  vm = vm_from_json (text, n, &error);
  if (vm == NULL)
    report_error (report, "source-description", "%s: %s", path,
                  error ? error : "out of memory");
  return vm;
}

static int
convert (struct guest *gst, const struct options *o)
{
  const struct linux_options lo = {
    .options = o->linux_options,
    .nr_options = o->nr_linux_options,
    .dry_run = o->dry_run,
    .workdir = workdir,
  };
  struct report *r = gst->report;
  int ret;

  report_step (r, "plan", "Planning the conversion");
  ret = linux_plan (gst, &lo);
  report_step_end (r);
  if (ret == 0) {
    report_step (r, "convert", "Converting the guest");
    ret = linux_convert (gst, &lo);
    report_step_end (r);
  }
  linux_free (gst);
  return ret;
}

static int
work (struct guest *gst, struct options *o)
{
  struct appliance_options ao = {
    .uris = o->uris,
    .nr_uris = o->nr_uris,
    .memsize = o->memsize,
    .smp = o->smp,
    .has_keys = o->keys.n > 0,
    .verbose = o->verbose,
    .tmpdir = workdir,
  };
  const struct inspection_options io = {
    .nr_disks = o->nr_uris,
    .root = o->root,
    .keys = &o->keys,
    .fsck = o->fsck,
  };
  struct inspection in = { .root = NULL };
  struct report *r = gst->report;
  struct documents *docs = NULL;
  bool stopped;
  int ret;

  report_step (r, "launch", "Starting the appliance");
  gst->sectors = sectors_find (r, o->uris, o->nr_uris, gst->source);
  ao.sectors = gst->sectors;
  gst->g = gst->sectors ? appliance_launch (r, &ao) : NULL;
  report_step_end (r);
  if (gst->g == NULL)
    return -1;

  report_step (r, "inspect", "Inspecting the guest");
  ret = inspection_find (gst, &in, &io);
  report_step_end (r);
  if (ret == 0) {
    report_step (r, "mount", "Mounting its file systems");
    ret = mounts_mount (gst, &in, &io);
    if (ret == 0)
      ret = inspection_identify (gst);
    report_step_end (r);
  }
  if (ret == 0) {
    docs = documents_begin (gst);
    ret = docs ? convert (gst, o) : -1;
  }
  if (ret == 0) {
    report_step (r, "trim",
                 o->trim ? "Giving back unused space" : "Unmounting");
    ret = trim_and_unmount (gst, &in, o->trim);
    report_step_end (r);
  }

  report_step (r, "shutdown", "Closing the appliance");
  stopped = ret == -1;
  if (stopped) {
    /* Nothing of it will be served. */
    appliance_kill ();
    guestfs_close (gst->g);
  }
  else
    ret = appliance_shutdown (r, gst->g);
  gst->g = NULL;
  report_step_end (r);
  gst->devices = NULL;
  gst->names = NULL;
  inspection_free (&in);
  if (ret == 0) {
    report_step (r, "documents", "Describing the converted machine");
    documents_write (docs, gst, &o->target, o->output);
    report_step_end (r);
  }
  documents_free (docs);
  return ret;
}

int
run_helper (int argc, char *argv[])
{
  struct options o;
  struct report *report;
  struct stopper stopper = { .report = NULL };
  struct guest gst = { .boot_disk = -1 };
  struct vm *source = NULL;
  char boot_disk[16];
  int r;

  r = options_parse (&o, argc, argv);
  if (r != 0) {
    options_free (&o);
    return r == 1 ? 0 : 2;
  }
  if (o.progress_fd >= 0) {
    fcntl (o.progress_fd, F_SETFD, FD_CLOEXEC);
    /* A supervisor that dies must not leave us behind. */
    prctl (PR_SET_PDEATHSIG, SIGTERM);
  }
  if (janitor_start () == -1) {
    perror ("v2v-convert-helper: fork");
    options_free (&o);
    return 1;
  }
  xmlInitParser ();

  report = report_new (o.progress_fd, o.progress_fd == -1);
  if (report == NULL || start_stopper (&stopper, report) == -1) {
    perror ("v2v-convert-helper");
    options_free (&o);
    return 1;
  }
  gst.report = report;
  gst.dry_run = o.dry_run;
  if (make_workdir (o.output) == -1)
    report_error (report, "output-failed", "cannot use %s: %m", o.output);
  else if (o.source == NULL ||
           (source = read_source (report, o.source)) != NULL) {
    gst.source = source;
    report_fact (report, "run", "dry_run", o.dry_run ? "yes" : "no");
    if (work (&gst, &o) == -1 && !report_failed (report))
      report_error (report, "internal-error",
                    "the conversion failed without a reason");
    if (gst.boot_disk >= 0) {
      snprintf (boot_disk, sizeof boot_disk, "%d", gst.boot_disk);
      report_fact (report, "guest", "boot_disk", boot_disk);
    }
  }

  if (workdir[0] != '\0') {
    remove_tree (workdir);
    write_report (report, o.output);
  }
  end_stopper (&stopper);
  janitor_end ();
  report_result (report);
  r = report_failed (report) ? 1 : 0;
  if (o.progress_fd == -1)
    fprintf (stderr, "[%6.1f] %s\n", report_seconds (report),
             r == 0 ? "Finished" : "Failed");
  guest_free (&gst);
  vm_free (source);
  report_free (report);
  options_free (&o);
  xmlCleanupParser ();
  return r;
}
