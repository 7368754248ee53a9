/* SPDX-License-Identifier: BSD-3-Clause */

/* Glue of kernels.c and bootentries.c: which kernels this guest boots, and
 * from which initrds.
 */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bootentries.h"
#include "modindex.h"
#include "state.h"
#include "v2v-utils.h"

#define GLOB \
  "/{lib/modules/*/modules.dep,lib/modules/*/pkgbase,boot/*," \
  "boot/*/*/{linux,initrd,initrd.img-*,initrd-*,initramfs-*}," \
  "boot/efi/*/*/{linux,initrd,initrd.img-*,initrd-*,initramfs-*}," \
  "efi/*/*/{linux,initrd,initrd.img-*,initrd-*,initramfs-*}," \
  "boot/efi/EFI/Linux/*.efi,boot/EFI/Linux/*.efi,efi/EFI/Linux/*.efi}"

static bool
listed (char **list, const char *path)
{
  size_t i;

  for (i = 0; list && list[i]; i++)
    if (strcmp (list[i], path) == 0)
      return true;
  return false;
}

static bool
is_kernel_initrd (const struct linux_state *st, const char *path)
{
  size_t i;

  for (i = 0; i < st->nr_kernels; i++)
    if (listed (st->kernels[i].initrds, path))
      return true;
  return false;
}

/* An initrd that an entry starts and whose name says nothing: ask its
 * kernel which version it is.
 */
static int
adopt (struct linux_state *st, struct kernel *kernels, size_t nr,
       const char *image, const char *initrd)
{
  CLEANUP_FREE char *data = NULL, *version = NULL;
  char **v, *copy;
  size_t size, i;
  const int r = guest_read (st->gst, image, RAMDISK_MAX_MODULE, &data, &size);

  if (r == -1)
    return -1;
  if (r == 1)
    version = kernel_image_version ((const uint8_t *)data, size);
  for (i = 0; version && i < nr; i++)
    if (strcmp (kernels[i].kver, version) == 0)
      break;
  if (!version || i == nr) {
    report_warning (st->gst->report, "boot-entry-unknown",
                    "a boot entry starts %s with %s, which belongs to no "
                    "kernel that is known; it is left as it is",
                    image, initrd);
    return 0;
  }
  copy = strdup (initrd);
  v = realloc (kernels[i].initrds, (kernels[i].nr_initrds + 2) * sizeof *v);
  if (v)
    kernels[i].initrds = v;
  if (!v || !copy) {
    free (copy);
    linux_oom (st);
    return -1;
  }
  v[kernels[i].nr_initrds++] = copy;
  v[kernels[i].nr_initrds] = NULL;
  if (!kernels[i].image) {
    kernels[i].image = strdup (image);
    if (!kernels[i].image) {
      linux_oom (st);
      return -1;
    }
  }
  return 0;
}

static const char *const loaders[] = {
  "/boot/grub/grub.cfg",          "/boot/grub2/grub.cfg",
  "/boot/grub/grub.conf",         "/boot/grub/menu.lst",
  "/boot/extlinux/extlinux.conf", "/boot/extlinux.conf",
  "/boot/syslinux/syslinux.cfg",  NULL
};

static int
read_entries (struct linux_state *st, const char *path, struct bootentries *b)
{
  struct conf_file *f = conf_get (st, path);

  if (!f)
    return -1;
  if (f->data)
    bootentries_read (b, (struct span){ f->data, f->size });
  return 0;
}

/* Initrds that boot entries start and names did not explain. */
static int
adopt_entries (struct linux_state *st, struct kernel *kernels, size_t nr,
               char **files)
{
  struct bootentries b = { 0 };
  char **bls;
  size_t i;
  int r = -1;

  bls = guest_glob (st->gst, "/{boot,boot/efi,efi}/loader/entries/*.conf");
  if (!bls) {
    linux_oom (st);
    return -1;
  }
  if (conf_preload (st, loaders) == -1 ||
      conf_preload (st, (const char *const *)bls) == -1)
    goto out;
  for (i = 0; loaders[i]; i++)
    if (read_entries (st, loaders[i], &b) == -1)
      goto out;
  for (i = 0; bls[i]; i++)
    if (read_entries (st, bls[i], &b) == -1)
      goto out;
  if (b.failed) {
    linux_oom (st);
    goto out;
  }
  for (i = 0; i < b.nr; i++) {
    CLEANUP_FREE char *image = NULL, *initrd = NULL, *link = NULL;

    if (!b.v[i].initrd || strstr (b.v[i].initrd, "kdump") ||
        strstr (b.v[i].initrd, "rescue"))
      continue;
    image = bootentry_locate (files, b.v[i].image);
    initrd = bootentry_locate (files, b.v[i].initrd);
    if (!image || !initrd || is_kernel_initrd (st, initrd))
      continue;
    /* A link to an image that is a kernel's own. */
    link = guest_readlink (st->gst, initrd);
    if (link)
      continue;
    if (adopt (st, kernels, nr, image, initrd) == -1)
      goto out;
  }
  r = 0;
out:
  bootentries_free (&b);
  guest_free_strings (bls);
  return r;
}

/* What lies in /boot, matched with the module directories. */
int
ramdisk_find (struct linux_state *st)
{
  struct guest *gst = st->gst;
  char **files = guest_glob (gst, GLOB);
  struct kernel_dir *dirs = NULL;
  struct kernel *kernels;
  size_t nr = 0, nr_dirs = 0, i, j, ukis = 0;
  int n, r = -1;

  if (!files) {
    linux_oom (st);
    return -1;
  }
  for (nr = 0; files[nr]; nr++)
    ;
  dirs = calloc (nr + 1, sizeof *dirs);
  st->ukis = calloc (nr + 1, sizeof *st->ukis);
  if (!dirs || !st->ukis) {
    linux_oom (st);
    goto out;
  }
  for (i = 0; i < nr; i++) {
    size_t len = strlen (files[i]);

    if (strncmp (files[i], "/lib/modules/", 13) == 0 && len > 25 &&
        strcmp (files[i] + len - 12, "/modules.dep") == 0) {
      char *kver = strndup (files[i] + 13, len - 25);

      if (!kver) {
        linux_oom (st);
        goto out;
      }
      dirs[nr_dirs++].kver = kver;
    }
    if (len > 4 && strcmp (files[i] + len - 4, ".efi") == 0) {
      st->ukis[ukis] = strdup (files[i]);
      if (!st->ukis[ukis++]) {
        linux_oom (st);
        goto out;
      }
    }
  }
  for (i = 0; i < nr; i++) {
    const size_t len = strlen (files[i]);

    for (j = 0; j < nr_dirs; j++) {
      const size_t k = strlen (dirs[j].kver);

      if (len == 13 + k + 8 && strncmp (files[i], "/lib/modules/", 13) == 0 &&
          strncmp (files[i] + 13, dirs[j].kver, k) == 0 &&
          strcmp (files[i] + 13 + k, "/pkgbase") == 0) {
        char *base;
        size_t size;

        n = guest_read (gst, files[i], 256, &base, &size);
        if (n == -1)
          goto out;
        if (n == 1) {
          base[strcspn (base, "\n")] = '\0';
          dirs[j].pkgbase = base;
        }
      }
    }
  }
  n = kernels_match (dirs, nr_dirs, files, &kernels);
  if (n == -1) {
    linux_oom (st);
    goto out;
  }
  st->kernels = kernels;
  st->nr_kernels = n;
  if (adopt_entries (st, kernels, n, files) == -1)
    goto out;
  /* Module directories of kernels that were removed stay behind. */
  for (i = 0, j = 0; i < (size_t)n; i++)
    if (kernels[i].image || kernels[i].nr_initrds) {
      struct kernel t = kernels[j];

      kernels[j++] = kernels[i];
      if (i != j - 1)
        kernels[i] = t;
    }
  for (i = j; i < (size_t)n; i++)
    free (kernels[i].kver);
  st->nr_kernels = j;
  r = 0;
out:
  for (i = 0; dirs && i < nr_dirs; i++) {
    free ((char *)dirs[i].kver);
    free ((char *)dirs[i].pkgbase);
  }
  free (dirs);
  guest_free_strings (files);
  return r;
}
