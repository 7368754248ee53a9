/* SPDX-License-Identifier: BSD-3-Clause */

/* See documents.h.  The thread runs beside the conversion and touches
 * nothing but its own structure.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices.h"
#include "documents.h"
#include "guest.h"
#include "report.h"
#include "target/target.h"
#include "v2v-utils.h"

struct documents {
  uint64_t *sizes; /* of the disks, in bytes */
  size_t nr_disks;
  char *timezone;
  bool rtc_utc;

  bool running;
  pthread_t thread;
  char *osinfo, *type, *distro, *arch; /* the thread's copies */
  int major;
  struct target_os os; /* its answer */
};

static void *
look_up (void *opaque)
{
  struct documents *d = opaque;

  target_lookup_os (d->osinfo, d->type, d->distro, d->major, d->arch, &d->os);
  return NULL;
}

static char *
copy (const char *s)
{
  return s ? strdup (s) : NULL;
}

static void
look_at_clock (struct documents *d, struct guest *gst)
{
  CLEANUP_FREE char *adjtime = NULL, *link = NULL;
  const char *zone;
  size_t size;

  d->rtc_utc = true;
  if (guest_is_file (gst, "/etc/adjtime") &&
      guest_read (gst, "/etc/adjtime", GUEST_MAX_CONFIG, &adjtime, &size) ==
        1 &&
      strstr (adjtime, "\nLOCAL") != NULL)
    d->rtc_utc = false;
  link = guest_readlink (gst, "/etc/localtime");
  zone = link ? strstr (link, "zoneinfo/") : NULL;
  if (zone != NULL)
    d->timezone = strdup (zone + strlen ("zoneinfo/"));
}

static int
note_sizes (struct documents *d, const struct devices *devices)
{
  size_t i;

  d->nr_disks = devices->nr_disks;
  d->sizes = calloc (d->nr_disks + 1, sizeof *d->sizes);
  if (d->sizes == NULL)
    return -1;
  for (i = 0; i < devices->n; ++i)
    if (devices->v[i].kind == DEVICE_DISK)
      d->sizes[devices->v[i].disk] = devices->v[i].size * 512;
  return 0;
}

struct documents *
documents_begin (struct guest *gst)
{
  struct documents *d = calloc (1, sizeof *d);

  if (d == NULL || note_sizes (d, gst->devices) == -1) {
    report_error (gst->report, "out-of-memory", "out of memory");
    documents_free (d);
    return NULL;
  }
  d->osinfo = copy (gst->osinfo);
  d->type = copy (gst->type);
  d->distro = copy (gst->distro);
  d->arch = copy (gst->arch);
  d->major = gst->major;
  d->running = pthread_create (&d->thread, NULL, look_up, d) == 0;
  look_at_clock (d, gst);
  return d;
}

static void
join (struct documents *d)
{
  if (d->running)
    pthread_join (d->thread, NULL);
  else
    target_default_os (d->type, d->distro, d->major, d->arch, &d->os);
  d->running = false;
}

int
document_write (const char *dir, const char *name, const char *text, size_t len,
                int mode)
{
  CLEANUP_FREE char *path = NULL, *tmp = NULL;
  size_t done = 0;
  int fd;

  if (asprintf (&path, "%s/%s", dir, name) == -1) {
    path = NULL;
    return -1;
  }
  if (asprintf (&tmp, "%s/.%s.XXXXXX", dir, name) == -1) {
    tmp = NULL;
    return -1;
  }
  fd = mkostemp (tmp, O_CLOEXEC);
  if (fd == -1)
    return -1;
  while (done < len) {
    ssize_t n = write (fd, text + done, len - done);

    if (n == -1 && errno == EINTR)
      continue;
    if (n <= 0)
      break;
    done += n;
  }
  if (fchmod (fd, mode) == -1)
    done = len + 1;
  if (close (fd) == -1 || done != len || rename (tmp, path) == -1) {
    unlink (tmp);
    return -1;
  }
  return 0;
}

struct output {
  struct report *report;
  const char *dir;
};

static int
write_one (void *opaque, const struct target_document *document,
           const char *text, size_t len, char **error)
{
  struct output *o = opaque;

  if (document_write (o->dir, document->name, text, len, document->mode) ==
      -1) {
    if (asprintf (error, "%s/%s: %m", o->dir, document->name) == -1)
      *error = NULL;
    return -1;
  }
  report_document (o->report, document->name);
  return 0;
}

struct warnings {
  struct report *report;
  bool paths; /* the user said where the disks will be */
};

static void
warn (void *opaque, const char *code, const char *message)
{
  const struct warnings *w = opaque;

  /* Nobody cares about paths that nobody gave. */
  if (w->paths || strcmp (code, "target-path") != 0)
    report_warning (w->report, code, "%s", message);
}

void
documents_write (struct documents *d, struct guest *gst,
                 struct target_options *options, const char *dir)
{
  struct output o = { gst->report, dir };
  struct warnings warnings = { gst->report, options->output_dir != NULL };
  CLEANUP_FREE char *error = NULL;
  struct target_facts facts = {
    .type = gst->type,
    .distro = gst->distro,
    .osinfo = gst->osinfo,
    .arch = gst->arch,
    .product_name = gst->product_name,
    .major = gst->major,
    .minor = gst->minor,
    .block = TARGET_BLOCK_VIRTIO_BLK,
    .net = gst->caps.virtio_net ? TARGET_NET_VIRTIO : TARGET_NET_E1000,
    .rng = gst->caps.rng,
    .balloon = gst->caps.balloon,
    .pvpanic = gst->caps.pvpanic,
    .vsock = gst->caps.vsock,
    .rtc_utc = d->rtc_utc,
    .timezone = d->timezone,
    .firmware = gst->uefi ? VM_FIRMWARE_UEFI : VM_FIRMWARE_BIOS,
    .boot_disk = gst->boot_disk,
    .warn = warn,
    .warn_opaque = &warnings,
  };
  size_t i;
  int r;

  join (d);
  facts.osinfo_id = d->os.osinfo_id;
  facts.machine = d->os.machine;
  facts.virtio_1_0 = d->os.virtio_1_0;
  r = target_options_apply (options, gst->source, d->sizes, d->nr_disks, &facts,
                            &error);
  for (i = 0; r == 0 && i < d->nr_disks; ++i)
    if (gst->sectors[i] != 512)
      options->disks[i].sector_size = gst->sectors[i];
  if (r == -1 ||
      target_write_all (gst->source, &facts, write_one, &o, &error) == -1)
    report_warning (gst->report, "documents-failed",
                    "the description of the converted machine is not "
                    "complete: %s",
                    error ? error : "out of memory");
}

void
documents_free (struct documents *d)
{
  if (d == NULL)
    return;
  if (d->running)
    pthread_join (d->thread, NULL);
  free (d->sizes);
  free (d->timezone);
  free (d->osinfo);
  free (d->type);
  free (d->distro);
  free (d->arch);
  free (d->os.osinfo_id);
  free (d);
}
