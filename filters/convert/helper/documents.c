/* SPDX-License-Identifier: BSD-3-Clause */

/* See documents.h. */

#include <config.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "documents.h"
#include "guest.h"
#include "options.h"
#include "report.h"
#include "target/target.h"
#include "v2v-utils.h"

static pthread_t loader;
static bool loading;

static void *
load_database (void *vp)
{
  struct target_os os;

  (void)vp;
  target_lookup_os ("debian12", "linux", "debian", 12, "x86_64", &os);
  free (os.osinfo_id);
  return NULL;
}

void
documents_prepare (void)
{
  loading = pthread_create (&loader, NULL, load_database, NULL) == 0;
}

static void
warn (void *opaque, const char *code, const char *message)
{
  report_warning (opaque, code, "%s", message);
}

struct context {
  struct report *report;
  int (*write) (const char *name, const char *text, int mode);
};

static int
write_one (void *opaque, const struct target_document *document,
           const char *text, size_t len, char **error)
{
  struct context *c = opaque;

  (void)len;
  if (c->write (document->name, text, document->mode) == -1) {
    if (asprintf (error, "cannot write %s: %m", document->name) == -1)
      *error = NULL;
    return -1;
  }
  report_document (c->report, document->name);
  return 0;
}

/* Without the guest's word for it: what every kernel that virtio_blk can
 * be given to has, too.
 */
static void
set_capabilities (const struct guest *gst, struct target_facts *facts)
{
  const struct guest_capabilities *caps = &gst->caps;

  facts->block = TARGET_BLOCK_VIRTIO_BLK;
  facts->net = caps->virtio_net ? TARGET_NET_VIRTIO : TARGET_NET_E1000;
  facts->rng = caps->rng;
  facts->balloon = caps->balloon;
  facts->vsock = caps->vsock;
  facts->pvpanic = caps->pvpanic;
  facts->rtc_utc = true;
}

int
documents_write (struct guest *gst, struct options *o,
                 int (*write) (const char *name, const char *text, int mode))
{
  struct target_facts facts = {
    .type = gst->type,
    .distro = gst->distro,
    .osinfo = gst->osinfo,
    .arch = gst->arch,
    .product_name = gst->product_name,
    .major = gst->major,
    .minor = gst->minor,
    .firmware = gst->uefi ? VM_FIRMWARE_UEFI : VM_FIRMWARE_BIOS,
    .boot_disk = gst->boot_disk,
    .warn = warn,
    .warn_opaque = gst->report,
  };
  struct context c = { gst->report, write };
  struct target_os os;
  CLEANUP_FREE char *error = NULL;
  int r;

  if (loading)
    pthread_join (loader, NULL);
  loading = false;
  target_lookup_os (gst->osinfo, gst->type, gst->distro, gst->major,
                    gst->arch, &os);
  facts.osinfo_id = os.osinfo_id;
  facts.machine = os.machine;
  facts.virtio_1_0 = os.virtio_1_0;
  set_capabilities (gst, &facts);

  r = target_options_apply (&o->target, gst->source, gst->disk_sizes,
                            o->nr_uris, &facts, &error);
  if (r == 0)
    r = target_write_all (gst->source, &facts, write_one, &c, &error);
  if (r == -1)
    report_error (gst->report, "documents-failed", "%s",
                  error ? error : "out of memory");
  free (os.osinfo_id);
  return r;
}
