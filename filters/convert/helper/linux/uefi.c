/* SPDX-License-Identifier: BSD-3-Clause */

/* The boot entries of a UEFI machine are in its NVRAM, which stays behind.
 * Firmware without entries starts EFI/BOOT/BOOT<ARCH>.EFI; if the guest
 * has none, its vendor's loader is put there: shim with the loader that
 * it starts, else GRUB, else systemd-boot.
 *
 * GRUB finds its configuration by the directory that is built into it, so
 * that the vendor's directory stays what it is; a copy of grub.cfg beside
 * the fallback serves loaders that look next to themselves.
 */

#include <config.h>

#include <stdio.h>
#include <string.h>

#include "state.h"
#include "uefi-loader.h"
#include "v2v-utils.h"

#define MAX_LOADER (32 * 1024 * 1024)

static int
copy (struct linux_state *st, const char *from, const char *to)
{
  CLEANUP_FREE char *data = NULL;
  size_t size;
  const int r = guest_read (st->gst, from, MAX_LOADER, &data, &size);

  if (r != 1)
    return r;
  return conf_put (st, to, data, size, 0755,
                   "UEFI firmware without boot entries starts it") == -1
           ? -1
           : 1;
}

static int
plan_esp (struct linux_state *st, const char *esp, const struct uefi_arch *arch)
{
  struct guest *gst = st->gst;
  CLEANUP_FREE char *pattern = NULL;
  char to[256], dir[200];
  struct uefi_choice c;
  char **names;
  int r = -1;

  if (asprintf (&pattern, "%s/{EFI,efi}/*/*.[eE][fF][iI]", esp) == -1) {
    pattern = NULL;
    linux_oom (st);
    return -1;
  }
  names = guest_glob (gst, pattern);
  if (!names) {
    linux_oom (st);
    return -1;
  }
  uefi_choose (names, arch, &c);
  if (c.present) {
    r = 0;
    goto out;
  }
  if (!c.loader) {
    report_warning (gst->report, "uefi-no-loader",
                    "no boot loader was found on the EFI system partition "
                    "at %s; the guest may not boot without its NVRAM",
                    esp);
    r = 0;
    goto out;
  }

  snprintf (dir, sizeof dir, "%s/EFI/BOOT", esp);
  snprintf (to, sizeof to, "%s/BOOT%s.EFI", dir, arch->upper);
  if (copy (st, c.shim ? c.shim : c.loader, to) == -1)
    goto out;
  if (c.shim) {
    const char *base = strrchr (c.loader, '/') + 1;

    if (strlen (base) > 40)
      base = "grub.efi";
    snprintf (to, sizeof to, "%s/%s", dir, base);
    if (copy (st, c.loader, to) == -1)
      goto out;
    snprintf (to, sizeof to, "%s/mm%s.efi", dir, arch->lower);
    if (c.mm && copy (st, c.mm, to) == -1)
      goto out;
  }
  if (strcasestr (c.loader, "grub")) {
    CLEANUP_FREE char *cfg = NULL;
    struct conf_file *f;

    if (asprintf (&cfg, "%.*s/grub.cfg",
                  (int)(strrchr (c.loader, '/') - c.loader), c.loader) == -1) {
      cfg = NULL;
      linux_oom (st);
      goto out;
    }
    /* As edited. */
    f = conf_get (st, cfg);
    if (!f)
      goto out;
    snprintf (to, sizeof to, "%s/grub.cfg", dir);
    if (f->data && !guest_is_file (gst, to) &&
        conf_put (st, to, f->data, f->size, 0700,
                  "the fallback loader's configuration") == -1)
      goto out;
  }
  r = 0;
out:
  guest_free_strings (names);
  return r;
}

int
uefi_plan (struct linux_state *st)
{
  struct guest *gst = st->gst;
  const struct uefi_arch *arch = uefi_arch_find (gst->arch);
  size_t i;
  bool any = false;

  if (!gst->uefi)
    return 0;
  if (!arch) {
    report_warning (gst->report, "uefi-arch",
                    "the name of the UEFI fallback loader is not known for "
                    "%s",
                    gst->arch ? gst->arch : "this architecture");
    return 0;
  }
  for (i = 0; i < gst->nr_mounts; i++)
    if (gst->mounts[i].fstype && strcmp (gst->mounts[i].fstype, "vfat") == 0 &&
        (strcmp (gst->mounts[i].mountpoint, "/boot/efi") == 0 ||
         strcmp (gst->mounts[i].mountpoint, "/efi") == 0 ||
         strcmp (gst->mounts[i].mountpoint, "/boot") == 0)) {
      any = true;
      if (plan_esp (st, gst->mounts[i].mountpoint, arch) == -1)
        return -1;
    }
  if (!any)
    report_warning (gst->report, "uefi-no-esp",
                    "the EFI system partition is not mounted by the guest's "
                    "fstab; the guest may not boot without its NVRAM");
  return 0;
}
