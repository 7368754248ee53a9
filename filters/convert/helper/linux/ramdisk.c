/* SPDX-License-Identifier: BSD-3-Clause */

/* Every kernel that boots gets an initrd that finds a virtio disk.
 *
 * Reading, planning and proving happen before anything is written; what
 * is written is read back and compared by guest_append.  Rules:
 *
 * 1. The newest kernel must come out bootable, else the conversion fails.
 *    About older ones there is a warning.
 * 2. No guest code runs, unless the option rebuild-initrd=yes allows it;
 *    then the guest's own tool runs, with a time limit, only for images
 *    that cannot take a tail, and its result is proved as ours is.
 */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "modindex.h"
#include "state.h"
#include "v2v-utils.h"

int
ramdisk_keep_drivers (struct linux_state *st, char **drivers)
{
  size_t i, j, n = 0;

  if (!drivers)
    return 0;
  for (i = 0; drivers[i]; i++)
    ;
  if (!st->drivers) {
    st->drivers = calloc (i + 1, sizeof (char *));
    if (!st->drivers)
      goto oom;
    for (j = 0; j < i; j++) {
      st->drivers[j] = strdup (drivers[j]);
      if (!st->drivers[j])
        goto oom;
    }
    return 0;
  }
  for (i = 0; st->drivers[i]; i++) {
    for (j = 0; drivers[j]; j++)
      if (strcmp (st->drivers[i], drivers[j]) == 0)
        break;
    if (drivers[j])
      st->drivers[n++] = st->drivers[i];
    else
      free (st->drivers[i]);
  }
  st->drivers[n] = NULL;
  return 0;
oom:
  linux_oom (st);
  return -1;
}

/* The kernel cannot be made to boot. */
static int
hopeless (struct linux_state *st, bool newest, const char *code,
          const char *kver, const char *why)
{
  if (newest) {
    report_error (st->gst->report, code, "kernel %s: %s", kver, why);
    return -1;
  }
  report_warning (st->gst->report, code,
                  "kernel %s will not boot on virtio: %s", kver, why);
  return 0;
}

/* initramfs-tools up to 0.136 refuses to update an image whose SHA-1 is
 * not the one it noted.
 */
static int
note_sha1 (struct linux_state *st, const struct ramdisk *rd, const void *image,
           size_t size)
{
  CLEANUP_FREE char *path = NULL;
  CLEANUP_TEXT struct text t = TEXT_INIT;
  struct conf_file *f;
  uint8_t digest[20];
  size_t i;

  if (asprintf (&path, "/var/lib/initramfs-tools/%s", rd->kver) == -1) {
    path = NULL;
    linux_oom (st);
    return -1;
  }
  f = conf_get (st, path);
  if (!f)
    return -1;
  if (!f->data)
    return 0;
  if (gnutls_hash_fast (GNUTLS_DIG_SHA1, image, size, digest) < 0) {
    report_error (st->gst->report, "internal", "cannot compute a SHA-1");
    return -1;
  }
  for (i = 0; i < sizeof digest; i++)
    text_addf (&t, "%02x", digest[i]);
  text_addf (&t, "  %s\n", rd->path);
  if (t.failed) {
    linux_oom (st);
    return -1;
  }
  return conf_set (st, f, t.data, t.len, "the initrd has changed");
}

/* Take over IMAGE and PLAN as something to write. */
static int
schedule (struct linux_state *st, struct modindex *ix, const char *path,
          char *image, size_t size, struct initrd_plan *plan)
{
  struct guest *gst = st->gst;
  struct ramdisk *rd;
  CLEANUP_FREE char *reason = NULL;
  CLEANUP_FREE uint8_t *whole = NULL;
  size_t total;

  rd = realloc (st->ramdisks, (st->nr_ramdisks + 1) * sizeof *rd);
  if (!rd)
    goto oom;
  st->ramdisks = rd;
  rd += st->nr_ramdisks;
  memset (rd, 0, sizeof *rd);
  rd->path = strdup (path);
  if (!rd->path)
    goto oom;
  rd->kver = ix->kernel.version;
  rd->image = image;
  rd->size = size;
  rd->plan = *plan;
  st->nr_ramdisks++;

  if (plan->verdict != INITRD_APPEND) /* to be rebuilt, with more in it */
    return guest_reserve_change (gst, path, size, size + size / 3);

  total = plan->offset + plan->tail_size;
  whole = malloc (total + 1);
  if (!whole) {
    linux_oom (st);
    return -1;
  }
  memcpy (whole, image, plan->offset);
  memcpy (whole + plan->offset, plan->tail, plan->tail_size);
  if (initrd_verify (whole, total, (const uint8_t *)image, plan->offset,
                     &ix->kernel, ix->wanted, &reason) == -1) {
    report_error (gst->report, "initrd-verify",
                  "%s: the extended image would not be right: %s", path,
                  reason ? reason : "out of memory");
    return -1;
  }
  if (note_sha1 (st, rd, whole, total) == -1)
    return -1;
  return guest_reserve_change (gst, path, size, total);

oom:
  free (image);
  initrd_plan_free (plan);
  linux_oom (st);
  return -1;
}

struct edited_image {
  struct linux_state *st;
  const char *path;
};

static enum initrd_edit_result
edit_file (void *opaque, const char *path, const uint8_t *data, size_t size,
           uint8_t **out, size_t *out_size)
{
  struct edited_image *e = opaque;

  return devices_edit_initrd (e->st, e->path, path, data, size, out, out_size);
}

/* What the tail is for, allocated. */
static char *
tail_reason (const struct initrd_plan *plan)
{
  CLEANUP_TEXT struct text t = TEXT_INIT;
  size_t i;

  if (plan->added)
    text_adds (&t, "virtio drivers for the first boot");
  for (i = 0; plan->edited && plan->edited[i]; i++)
    text_addf (&t, "%s/%s",
               i             ? ", "
               : plan->added ? "; "
                             : "",
               plan->edited[i]);
  if (i)
    text_adds (&t, " named disks of the old machine");
  return t.failed ? NULL : strdup (t.data ? t.data : "");
}

static int
plan_one (struct linux_state *st, struct modindex *ix, const char *path,
          bool newest)
{
  struct guest *gst = st->gst;
  const char *kver = ix->kernel.version;
  struct initrd_plan plan = { .verdict = INITRD_REBUILD };
  struct edited_image edited = { st, path };
  const struct initrd_editor editor = { edit_file, &edited };
  CLEANUP_FREE char *why = NULL;
  char *image = NULL, *target;
  size_t size = 0;
  int r;

  target = guest_readlink (gst, path);
  if (target) {
    /* Another name of an image that is (or is not) a kernel's of its own. */
    free (target);
    return 0;
  }
  r = guest_read (gst, path, RAMDISK_MAX_IMAGE, &image, &size);
  if (r == -1)
    return -1;
  if (r == 0)
    return 0;
  r = initrd_plan_edited ((const uint8_t *)image, size, &ix->kernel, ix->wanted,
                          ramdisk_optional, &editor, &plan);
  if (r == -1) {
    report_error (gst->report, "initrd-failed", "%s: %s", path,
                  plan.reason ? plan.reason : "out of memory");
    initrd_plan_free (&plan);
    free (image);
    return -1;
  }
  if (ramdisk_keep_drivers (st, plan.drivers) == -1) {
    initrd_plan_free (&plan);
    free (image);
    return -1;
  }
  switch (plan.verdict) {
  case INITRD_PRESENT:
    report_fact (gst->report, "initrd", path, "has virtio already");
    break;
  case INITRD_APPEND:
    report_fact (gst->report, "initrd", path, "extended");
    return schedule (st, ix, path, image, size, &plan);
  case INITRD_REBUILD:
    if (linux_option_yes (st, "rebuild-initrd", false)) {
      st->rebuild = true;
      return schedule (st, ix, path, image, size, &plan);
    }
    if (asprintf (&why,
                  "%s cannot be extended: %s; rebuild-initrd=yes "
                  "allows to run the guest's own tool",
                  path,
                  plan.reason ? plan.reason : "its form is not known") == -1)
      why = NULL;
    r = hopeless (st, newest, "initrd-needs-rebuild", kver, why ? why : path);
    initrd_plan_free (&plan);
    free (image);
    return r;
  case INITRD_IMPOSSIBLE:
    r = hopeless (st, newest, "kernel-without-virtio", kver,
                  plan.reason ? plan.reason : "it has no virtio drivers");
    initrd_plan_free (&plan);
    free (image);
    return r;
  }
  initrd_plan_free (&plan);
  free (image);
  return 0;
}

static bool
has_driver (const struct initrd_kernel *k, const char *module)
{
  return module_listed (k->modules_builtin, module) ||
         module_listed (k->modules_dep, module);
}

void
ramdisk_note_capabilities (struct guest *gst, const struct initrd_kernel *k)
{
  gst->caps = (struct guest_capabilities){
    .virtio_net = has_driver (k, "virtio_net"),
    .rng = has_driver (k, "virtio_rng"),
    .balloon = has_driver (k, "virtio_balloon"),
    .vsock = has_driver (k, "vmw_vsock_virtio_transport"),
    .pvpanic = has_driver (k, "pvpanic") || has_driver (k, "pvpanic_mmio"),
  };
}

int
ramdisk_plan (struct linux_state *st)
{
  struct guest *gst = st->gst;
  size_t i, j;

  for (i = 0; i < st->nr_kernels; i++) {
    const struct kernel *k = &st->kernels[i];
    struct modindex ix;

    report_fact (gst->report, "kernels", k->kver,
                 k->image ? k->image : "no image in /boot");
    if (modindex_read (st, k->kver, &ix) == -1) {
      modindex_free (&ix);
      return -1;
    }
    if (i == 0)
      ramdisk_note_capabilities (gst, &ix.kernel);
    if (k->nr_initrds == 0 &&
        !(module_listed (ix.kernel.modules_builtin, "virtio_blk") &&
          module_listed (ix.kernel.modules_builtin, "virtio_pci")) &&
        hopeless (st, st->nr_kernels == 1, "kernel-without-initrd", k->kver,
                  "it has no initrd, and virtio is not built in") == -1) {
      modindex_free (&ix);
      return -1;
    }
    for (j = 0; j < k->nr_initrds; j++)
      if (plan_one (st, &ix, k->initrds[j], i == 0) == -1) {
        modindex_free (&ix);
        return -1;
      }
    modindex_free (&ix);
  }
  return unified_plan (st);
}

int
ramdisk_write (struct linux_state *st)
{
  size_t i;

  for (i = 0; i < st->nr_ramdisks; i++) {
    struct ramdisk *rd = &st->ramdisks[i];
    int r;

    if (rd->plan.verdict == INITRD_APPEND) {
      CLEANUP_FREE char *why = tail_reason (&rd->plan);

      if (!why) {
        linux_oom (st);
        return -1;
      }
      r = guest_append (st->gst, rd->path, rd->image, rd->size, rd->plan.offset,
                        rd->plan.tail, rd->plan.tail_size, why);
    }
    else
      r = ramdisk_rebuild (st, rd);
    if (r == -1)
      return -1;
  }
  return 0;
}

void
ramdisk_free (struct linux_state *st)
{
  size_t i;

  for (i = 0; i < st->nr_ramdisks; i++) {
    free (st->ramdisks[i].path);
    free (st->ramdisks[i].image);
    initrd_plan_free (&st->ramdisks[i].plan);
  }
  free (st->ramdisks);
  kernels_free (st->kernels, st->nr_kernels);
  for (i = 0; st->drivers && st->drivers[i]; i++)
    free (st->drivers[i]);
  free (st->drivers);
  guest_free_strings (st->ukis);
}
