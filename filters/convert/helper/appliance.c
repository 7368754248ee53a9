/* SPDX-License-Identifier: BSD-3-Clause */

/* See appliance.h.
 *
 * KVM or TCG.  /dev/kvm can be opened and the virtual machine created, and
 * still the appliance hangs for ever (seen with para-virtualized nested
 * KVM: no vmx or svm in /proc/cpuinfo, 100 % CPU at "Booting from ROM").
 * So: without those flags TCG is taken at once.  With them KVM is tried,
 * and a thread watches: no word from the kernel on the console LIFE_LIMIT
 * seconds after QEMU was started, or no daemon after LAUNCH_LIMIT, and
 * QEMU is killed and started again with TCG.  The handle is locked while
 * guestfs_launch runs, so the watcher finds QEMU among our children.
 *
 * Speed under TCG (2 cores; seconds, two runs each):
 *     as libguestfs does it                                  14.0, 9.3
 *     uncompressed kernel, "quiet mitigations=off nokaslr"    6.3, 6.3
 *     the same and 2 CPUs                                     5.3, 6.4
 * Memory of 512 MiB or 768 MiB instead of 1280 changes nothing.
 *
 * fixed.c has the uncompressed kernel.
 */

#include <config.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "appliance.h"
#include "children.h"
#include "disk-uri.h"
#include "fixed.h"
#include "janitor.h"
#include "report.h"
#include "v2v-utils.h"

#define LIFE_LIMIT 10.0
#define LAUNCH_LIMIT 90.0

const char *appliance_cpuinfo = "/proc/cpuinfo";

static atomic_bool cancelled;

void
appliance_kill (void)
{
  children_kill ();
}

void
appliance_abandon (void)
{
  children_kill_all ();
}

void
appliance_cancel (void)
{
  atomic_store (&cancelled, true);
}

bool
appliance_cancelled (void)
{
  return atomic_load (&cancelled);
}

int
appliance_check_uri (const char *uri, const char **why)
{
  struct disk_uri u;

  if (disk_uri_parse (uri, &u, why) == -1)
    return -1;
  disk_uri_free (&u);
  return 0;
}

/* ---- KVM ---- */

enum kvm { KVM_ABSENT, KVM_DOUBTFUL, KVM_PROMISING };

static enum kvm
look_at_kvm (void)
{
  enum kvm r = KVM_PROMISING;
  int fd = open ("/dev/kvm", O_RDWR | O_CLOEXEC);

  if (fd == -1)
    return KVM_ABSENT;
  close (fd);
#if defined(__x86_64__) || defined(__i386__)
  {
    FILE *fp = fopen (appliance_cpuinfo, "re");
    char *line = NULL, *save, *word;
    size_t cap = 0;

    if (fp == NULL)
      return KVM_PROMISING;
    while (getline (&line, &cap, fp) != -1) {
      if (strncmp (line, "flags", 5) != 0)
        continue;
      r = KVM_DOUBTFUL;
      for (word = strtok_r (line, " \t\n", &save); word != NULL;
           word = strtok_r (NULL, " \t\n", &save))
        if (strcmp (word, "vmx") == 0 || strcmp (word, "svm") == 0)
          r = KVM_PROMISING;
      break;
    }
    free (line);
    fclose (fp);
  }
#endif
  return r;
}

/* ---- launch ---- */

struct watch {
  pthread_t thread;
  bool kvm; /* watch for life; set before the start */
  atomic_bool life, done, killed;
  /* Main thread only. */
  bool verbose, ready;
  int handle;      /* of the event callback */
  char tail[4096]; /* the last of the console */
  size_t tail_len;
};

static double
now (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void *
watch_thread (void *opaque)
{
  struct watch *w = opaque;
  const struct timespec tick = { .tv_nsec = 50 * 1000 * 1000 };
  char *sockdir = NULL;
  pid_t pid = 0;
  double start = 0;

  while (!atomic_load (&w->done)) {
    nanosleep (&tick, NULL);
    if (pid == 0) {
      pid = children_find_appliance (&sockdir);
      start = now ();
      if (sockdir != NULL)
        janitor_add (sockdir);
      continue;
    }
    if (w->kvm && ((now () - start > LIFE_LIMIT && !atomic_load (&w->life)) ||
                   now () - start > LAUNCH_LIMIT)) {
      atomic_store (&w->killed, true);
      if (!atomic_load (&w->done) && children_parent_of (pid) == getpid ())
        kill (pid, SIGKILL);
      break;
    }
  }
  free (sockdir);
  return NULL;
}

/* The console, and QEMU's stderr. */
static void
console (guestfs_h *g, void *opaque, uint64_t event, int handle, int flags,
         const char *buf, size_t len, const uint64_t *array, size_t array_len)
{
  struct watch *w = opaque;

  (void)g;
  (void)event;
  (void)handle;
  (void)flags;
  (void)array;
  (void)array_len;
  if (w->verbose)
    fwrite (buf, 1, len, stderr);
  if (len >= sizeof w->tail) {
    buf += len - (sizeof w->tail - 1);
    len = sizeof w->tail - 1;
  }
  if (w->tail_len + len >= sizeof w->tail) {
    size_t keep = sizeof w->tail / 2 < sizeof w->tail - 1 - len
                    ? sizeof w->tail / 2
                    : sizeof w->tail - 1 - len;

    if (keep > w->tail_len)
      keep = w->tail_len;
    memmove (w->tail, w->tail + w->tail_len - keep, keep);
    w->tail_len = keep;
  }
  memcpy (w->tail + w->tail_len, buf, len);
  w->tail_len += len;
  w->tail[w->tail_len] = '\0';
  if (!atomic_load (&w->life) &&
      (memmem (w->tail, w->tail_len, "Linux version", 13) ||
       memmem (w->tail, w->tail_len, "supermin:", 9)))
    atomic_store (&w->life, true);
}

/* The last line of the console that begins with START, or NULL. */
static char *
last_line (struct watch *w, const char *start)
{
  char *line, *save = NULL, *found = NULL;

  w->tail[w->tail_len] = '\0';
  for (line = strtok_r (w->tail, "\r\n", &save); line != NULL;
       line = strtok_r (NULL, "\r\n", &save))
    if (strncmp (line, start, strlen (start)) == 0)
      found = line;
  return found;
}

/* Why there is no appliance.  MESSAGE is libguestfs', or NULL; it is cut
 * where it goes on about the debugging of libguestfs' own programs.
 */
static void
report_launch (struct report *r, struct watch *w, char *message)
{
  /* supermin puts the appliance together, QEMU runs it. */
  const bool made = message == NULL || strstr (message, "supermin") == NULL;
  const char *reason = last_line (w, made ? "qemu" : "supermin: ");
  char *more = message ? strstr (message, ". To see full error messages")
                       : NULL;

  if (more != NULL)
    *more = '\0';
  if (reason == NULL)
    reason = message ? message : "unknown reason";
  report_error (r, "appliance-launch-failed",
                "the libguestfs appliance could not be %s: %s; %srun "
                "libguestfs-test-tool to find out why",
                made ? "started" : "put together", reason,
                made ? ""
                     : "it needs a kernel that this user can read in /boot "
                       "(on Debian, linux-image-amd64); ");
}

static int
add_disk (guestfs_h *g, const char *text, unsigned sector)
{
  struct disk_uri u;
  const char *why;
  int r;

  if (disk_uri_parse (text, &u, &why) == -1)
    return -1;
  {
    char *server[] = { u.server, NULL };
    /* The list ends here if it is the size that there is without it. */
    const int blocksize = sector != 512 ? GUESTFS_ADD_DRIVE_OPTS_BLOCKSIZE : -1;

    r = guestfs_add_drive_opts (
      g, u.export, GUESTFS_ADD_DRIVE_OPTS_FORMAT, "raw",
      GUESTFS_ADD_DRIVE_OPTS_PROTOCOL, "nbd", GUESTFS_ADD_DRIVE_OPTS_SERVER,
      server, GUESTFS_ADD_DRIVE_OPTS_CACHEMODE, "unsafe",
      GUESTFS_ADD_DRIVE_OPTS_DISCARD, "besteffort", blocksize, (int)sector, -1);
  }
  disk_uri_free (&u);
  return r;
}

/* libguestfs would take $TMPDIR, which a supervisor sets for us alone: then
 * the appliance were built anew each time.
 */
static int
set_cachedir (guestfs_h *g)
{
  const char *dir = getenv ("LIBGUESTFS_CACHEDIR");

  return guestfs_set_cachedir (g, dir && *dir ? dir : "/var/tmp");
}

enum accel { ACCEL_KVM, ACCEL_TCG };

/* A fresh handle, all but launched if w->ready. */
static guestfs_h *
new_handle (const struct appliance_options *opts, enum accel accel,
            const char *fixed, struct watch *w)
{
  guestfs_h *g = guestfs_create ();
  size_t i;

  if (g == NULL)
    return NULL;
  if (!opts->verbose)
    guestfs_set_error_handler (g, NULL, NULL);
  else {
    guestfs_set_verbose (g, 1);
    guestfs_set_trace (g, 1);
  }
  guestfs_set_identifier (g, "v2v");
  if (guestfs_set_tmpdir (g, opts->tmpdir) == -1 || set_cachedir (g) == -1 ||
      guestfs_set_backend (g, "direct") == -1)
    goto error;
  if (accel == ACCEL_TCG) {
    unsigned long cpus = sysconf (_SC_NPROCESSORS_ONLN);

    if (guestfs_set_backend_setting (g, "force_tcg", "1") == -1 ||
        guestfs_set_append (g, "quiet mitigations=off nokaslr") == -1)
      goto error;
    if (opts->smp == 0 && cpus >= 2 && guestfs_set_smp (g, 2) == -1)
      goto error;
  }
  if (fixed != NULL && guestfs_set_path (g, fixed) == -1)
    goto error;
  if (opts->smp > 0 && guestfs_set_smp (g, opts->smp) == -1)
    goto error;
  if (opts->memsize > 0) {
    if (guestfs_set_memsize (g, opts->memsize) == -1)
      goto error;
  }
  else if (opts->has_keys &&
           guestfs_set_memsize (g, 2 * guestfs_get_memsize (g)) == -1)
    goto error;
  w->verbose = opts->verbose;
  w->handle = guestfs_set_event_callback (g, console, GUESTFS_EVENT_APPLIANCE,
                                          0, w);
  if (w->handle == -1)
    goto error;
  for (i = 0; i < opts->nr_uris; ++i)
    if (add_disk (g, opts->uris[i], opts->sectors[i]) == -1)
      goto error;
  w->ready = true;
  return g;

error:
  return g; /* not ready: its last error says why */
}

guestfs_h *
appliance_launch (struct report *r, const struct appliance_options *opts)
{
  CLEANUP_FREE char *fixed = NULL;
  enum accel accel = ACCEL_KVM;
  bool kvm_failed = false, must_tcg = false, must_kvm = false;
  enum kvm kvm = look_at_kvm ();
  guestfs_h *g;
  char *setting;

  /* What the user has asked for in the environment. */
  g = guestfs_create ();
  if (g == NULL) {
    report_error (r, "appliance-launch-failed", "out of memory");
    return NULL;
  }
  guestfs_set_error_handler (g, NULL, NULL);
  setting = guestfs_get_backend_setting (g, "force_tcg");
  must_tcg = setting &&
             (strcmp (setting, "") == 0 || strcmp (setting, "1") == 0);
  free (setting);
  setting = guestfs_get_backend_setting (g, "force_kvm");
  must_kvm = setting != NULL && strcmp (setting, "0") != 0;
  free (setting);
  if (set_cachedir (g) == 0)
    fixed = fixed_appliance (g);
  guestfs_close (g);

  if (must_tcg)
    accel = ACCEL_TCG;
  else if (must_kvm)
    accel = ACCEL_KVM;
  else if (kvm == KVM_ABSENT) {
    report_info (r, "There is no usable /dev/kvm: the appliance runs under "
                    "software emulation, which is slower");
    accel = ACCEL_TCG;
  }
  else if (kvm == KVM_DOUBTFUL) {
    kvm_failed = true;
    accel = ACCEL_TCG;
  }

  for (;;) {
    struct watch w = { .handle = -1, .kvm = accel == ACCEL_KVM && !must_kvm };
    bool watched = true;
    CLEANUP_FREE char *said = NULL;
    int launched = -1;

    if (appliance_cancelled ())
      return NULL;
    g = new_handle (opts, accel, fixed, &w);
    if (g == NULL) {
      report_error (r, "appliance-launch-failed", "out of memory");
      return NULL;
    }
    if (watched && pthread_create (&w.thread, NULL, watch_thread, &w) != 0)
      watched = false;
    if (w.ready)
      launched = guestfs_launch (g);
    if (watched) {
      atomic_store (&w.done, true);
      pthread_join (w.thread, NULL);
    }
    if (launched == 0 && !atomic_load (&w.killed)) {
      if (kvm_failed)
        report_warning (r, "kvm-does-not-work",
                        "/dev/kvm can be opened but does not work on this "
                        "machine: the appliance runs under software "
                        "emulation, which is slower");
      guestfs_delete_event_callback (g, w.handle);
      return g;
    }

    said = guestfs_last_error (g) ? strdup (guestfs_last_error (g)) : NULL;
    guestfs_close (g);
    if (appliance_cancelled ())
      return NULL;
    if (accel == ACCEL_KVM && !must_kvm) {
      kvm_failed = true;
      accel = ACCEL_TCG;
    }
    else if (fixed != NULL) {
      free (fixed);
      fixed = NULL;
    }
    else {
      report_launch (r, &w, said);
      return NULL;
    }
  }
}

int
appliance_shutdown (struct report *r, guestfs_h *g)
{
  int ret = guestfs_shutdown (g);

  if (ret == -1)
    report_error (r, "appliance-shutdown-failed",
                  "the appliance did not write everything back to the "
                  "disks: %s",
                  guestfs_last_error (g) ? guestfs_last_error (g)
                                         : "unknown reason");
  guestfs_close (g);
  return ret;
}
