/* SPDX-License-Identifier: BSD-3-Clause */

/* The guest's own initrd tool, run in the appliance: only if the option
 * rebuild-initrd=yes allows it, only for images that cannot take a tail,
 * and never for longer than twenty minutes.
 */

#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "modindex.h"
#include "state.h"
#include "v2v-utils.h"

static const char *const suse[] = { "sles", "sled", "opensuse", "suse-based",
                                    NULL };

int
ramdisk_rebuild (struct linux_state *st, struct ramdisk *rd)
{
  struct guest *gst = st->gst;
  CLEANUP_TEXT struct text drivers = TEXT_INIT;
  struct initrd_plan plan = { .verdict = INITRD_REBUILD };
  const char *args[16];
  struct modindex ix;
  char *out, *image = NULL;
  size_t n = 0, i, size;
  bool good;

  if (gst->dry_run)
    return 0;
  for (i = 0; st->drivers && st->drivers[i]; i++)
    text_addf (&drivers, "%s%s", i ? " " : "", st->drivers[i]);
  if (!drivers.data)
    text_adds (&drivers, "");
  if (drivers.failed) {
    linux_oom (st);
    return -1;
  }
  args[n++] = "timeout";
  args[n++] = "1200";
  if (guest_is_file (gst, "/usr/sbin/update-initramfs")) {
    args[n++] = "/usr/sbin/update-initramfs";
    args[n++] = "-u";
    args[n++] = "-k";
    args[n++] = rd->kver;
  }
  else if (guest_is_file (gst, "/usr/bin/dracut") ||
           guest_is_file (gst, "/sbin/dracut")) {
    args[n++] = "dracut";
    args[n++] = "--force";
    args[n++] = "--add-drivers";
    args[n++] = drivers.data;
    args[n++] = rd->path;
    args[n++] = rd->kver;
  }
  else if (guest_is_file (gst, "/usr/bin/mkinitcpio")) {
    args[n++] = "/usr/bin/mkinitcpio";
    args[n++] = "-g";
    args[n++] = rd->path;
    args[n++] = "-k";
    args[n++] = rd->kver;
  }
  else if (guest_is_file (gst, "/sbin/mkinitrd")) {
    /* SUSE's takes -k -i -m; Red Hat's the names. */
    if (linux_distro_is (st, suse)) {
      args[n++] = "/sbin/mkinitrd";
      args[n++] = "-m";
      args[n++] = drivers.data;
      args[n++] = "-i";
      args[n++] = rd->path;
      args[n++] = "-k";
      for (i = 0; i < st->nr_kernels; i++)
        if (strcmp (st->kernels[i].kver, rd->kver) == 0)
          break;
      args[n++] = i < st->nr_kernels && st->kernels[i].image
                    ? st->kernels[i].image
                    : rd->path;
    }
    else {
      args[n++] = "/sbin/mkinitrd";
      args[n++] = "-f";
      args[n++] = "--with=virtio_pci";
      args[n++] = "--with=virtio_blk";
      args[n++] = rd->path;
      args[n++] = rd->kver;
    }
  }
  else {
    report_error (gst->report, "initrd-no-tool",
                  "%s must be rebuilt, but the guest has no tool that is "
                  "known",
                  rd->path);
    return -1;
  }
  args[n] = NULL;
  out = guestfs_command (gst->g, (char **)args);
  if (!out) {
    report_error (gst->report, "initrd-tool-failed",
                  "the guest's own tool could not rebuild %s: %s", rd->path,
                  guestfs_last_error (gst->g));
    return -1;
  }
  free (out);

  if (modindex_read (st, rd->kver, &ix) == -1) {
    modindex_free (&ix);
    return -1;
  }
  good = guest_read (gst, rd->path, RAMDISK_MAX_IMAGE, &image, &size) == 1 &&
         initrd_plan ((const uint8_t *)image, size, &ix.kernel, ix.wanted,
                      ramdisk_optional, &plan) == 0 &&
         (plan.verdict == INITRD_PRESENT || plan.verdict == INITRD_REBUILD);
  if (!good)
    report_error (gst->report, "initrd-verify",
                  "%s was rebuilt by the guest's own tool, but has no "
                  "virtio drivers",
                  rd->path);
  else {
    report_change (gst->report, rd->path, "rebuild",
                   "virtio drivers for the first boot", NULL, NULL);
    if (plan.verdict == INITRD_REBUILD)
      report_warning (gst->report, "initrd-unproved",
                      "%s was rebuilt by the guest's own tool; what it "
                      "holds cannot be read: %s",
                      rd->path,
                      plan.reason ? plan.reason : "its form is not known");
  }
  initrd_plan_free (&plan);
  free (image);
  modindex_free (&ix);
  return good ? 0 : -1;
}
