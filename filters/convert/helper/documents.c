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
  struct report *report;
  struct target_disk *disks;
  size_t nr_disks;
  char **names; /* of the disks, allocated */
  bool named;   /* by the user */
  char *timezone;
  bool rng, balloon, pvpanic, vsock, rtc_utc;

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

/* Is there a module whose file matches PATTERN in any kernel, or is NAME
 * built into one?
 */
static bool
has_driver (struct guest *gst, const char *builtin, const char *pattern,
            const char *name)
{
  CLEANUP_FREE char *glob = NULL;
  char **found;
  bool r;

  if (builtin != NULL && strstr (builtin, name) != NULL)
    return true;
  if (asprintf (&glob, "/lib/modules/*/kernel/%s", pattern) == -1) {
    glob = NULL;
    return false;
  }
  found = guest_glob (gst, glob);
  r = found != NULL && found[0] != NULL;
  guest_free_strings (found);
  return r;
}

static void
look_at_drivers (struct documents *d, struct guest *gst)
{
  CLEANUP_FREE char *builtin = NULL;
  char **lists = guest_glob (gst, "/lib/modules/*/modules.builtin");
  size_t size;

  /* The last one in order: mostly the newest kernel. */
  if (lists != NULL && lists[0] != NULL) {
    size_t n = 0;

    while (lists[n + 1] != NULL)
      n++;
    if (guest_is_file (gst, lists[n]))
      guest_read (gst, lists[n], GUEST_MAX_CONFIG, &builtin, &size);
  }
  guest_free_strings (lists);
  d->rng = has_driver (gst, builtin, "drivers/char/hw_random/virtio-rng.ko*",
                       "/virtio-rng.ko");
  d->balloon = has_driver (gst, builtin, "drivers/virtio/virtio_balloon.ko*",
                           "/virtio_balloon.ko");
  d->pvpanic =
      has_driver (gst, builtin, "drivers/misc/pvpanic.ko*", "/pvpanic.ko") ||
      has_driver (gst, NULL, "drivers/misc/pvpanic/pvpanic*.ko*", "");
  d->vsock =
      has_driver (gst, builtin, "net/vmw_vsock/vmw_vsock_virtio_transport.ko*",
                  "/vmw_vsock_virtio_transport.ko");
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
name_disks (struct documents *d, const struct guest *gst,
            const char *const *paths, size_t nr_paths)
{
  const struct devices *devices = gst->devices;
  size_t i;

  d->nr_disks = devices->nr_disks;
  d->disks = calloc (d->nr_disks + 1, sizeof *d->disks);
  d->names = calloc (d->nr_disks + 1, sizeof *d->names);
  if (d->disks == NULL || d->names == NULL)
    return -1;
  for (i = 0; i < d->nr_disks; ++i) {
    if (i < nr_paths)
      d->names[i] = strdup (paths[i]);
    else if (asprintf (&d->names[i], "disk%zu.img", i) == -1)
      d->names[i] = NULL;
    if (d->names[i] == NULL)
      return -1;
    d->disks[i].path = d->names[i];
    d->disks[i].format = "raw";
  }
  for (i = 0; i < devices->n; ++i)
    if (devices->v[i].kind == DEVICE_DISK)
      d->disks[devices->v[i].disk].size = devices->v[i].size * 512;
  return 0;
}

struct documents *
documents_begin (struct guest *gst, const char *const *paths, size_t nr_paths)
{
  struct documents *d = calloc (1, sizeof *d);

  if (d == NULL || name_disks (d, gst, paths, nr_paths) == -1) {
    report_error (gst->report, "out-of-memory", "out of memory");
    documents_free (d);
    return NULL;
  }
  d->report = gst->report;
  d->named = nr_paths > 0;
  d->osinfo = copy (gst->osinfo);
  d->type = copy (gst->type);
  d->distro = copy (gst->distro);
  d->arch = copy (gst->arch);
  d->major = gst->major;
  d->running = pthread_create (&d->thread, NULL, look_up, d) == 0;
  look_at_drivers (d, gst);
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

static void
warn (void *opaque, const char *code, const char *message)
{
  const struct documents *d = opaque;

  /* Of the names that we chose ourselves there is nothing to say. */
  if (d->named || strcmp (code, "target-path") != 0)
    report_warning (d->report, code, "%s", message);
}

void
documents_write (struct documents *d, struct guest *gst, const char *dir)
{
  struct output o = { gst->report, dir };
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
    .net = TARGET_NET_VIRTIO,
    .rng = d->rng,
    .balloon = d->balloon,
    .pvpanic = d->pvpanic,
    .vsock = d->vsock,
    .rtc_utc = d->rtc_utc,
    .timezone = d->timezone,
    .firmware = gst->uefi ? VM_FIRMWARE_UEFI : VM_FIRMWARE_BIOS,
    .boot_disk = gst->boot_disk,
    .disks = d->disks,
    .nr_disks = d->nr_disks,
    .warn = warn,
    .warn_opaque = d,
  };

  join (d);
  facts.osinfo_id = d->os.osinfo_id;
  facts.machine = d->os.machine;
  facts.virtio_1_0 = d->os.virtio_1_0;
  if (target_write_all (gst->source, &facts, write_one, &o, &error) == -1)
    report_warning (gst->report, "documents-failed",
                    "the description of the converted machine is not "
                    "complete: %s",
                    error ? error : "out of memory");
}

void
documents_free (struct documents *d)
{
  size_t i;

  if (d == NULL)
    return;
  if (d->running)
    pthread_join (d->thread, NULL);
  for (i = 0; d->names != NULL && i < d->nr_disks; ++i)
    free (d->names[i]);
  free (d->names);
  free (d->disks);
  free (d->timezone);
  free (d->osinfo);
  free (d->type);
  free (d->distro);
  free (d->arch);
  free (d->os.osinfo_id);
  free (d);
}
