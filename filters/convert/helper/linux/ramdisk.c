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

#include "state.h"
#include "v2v-utils.h"

static const char *const wanted[] = {
  "virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", NULL
};
static const char *const optional[] = { "virtio_net", NULL };

/* Caps on what is read into memory. */
#define MAX_INDEX (64 * 1024 * 1024)
#define MAX_MODULE (64 * 1024 * 1024)
#define MAX_IMAGE (768 * 1024 * 1024)

#define GLOB                                                             \
  "/{lib/modules/*/modules.dep,lib/modules/*/pkgbase,boot/*,"            \
  "boot/*/*/{linux,initrd,initrd.img-*,initrd-*,initramfs-*},"           \
  "boot/efi/*/*/{linux,initrd,initrd.img-*,initrd-*,initramfs-*},"       \
  "efi/*/*/{linux,initrd,initrd.img-*,initrd-*,initramfs-*},"            \
  "boot/efi/EFI/Linux/*.efi,boot/EFI/Linux/*.efi,efi/EFI/Linux/*.efi}"

struct index {
  struct guest_file files[4];
  char *paths[4];
  struct initrd_kernel kernel;
  struct linux_state *st;
};

static int
read_module (void *opaque, const char *path, uint8_t **data, size_t *size)
{
  struct index *ix = opaque;
  CLEANUP_FREE char *full = NULL;
  char *bytes;
  int r;

  /* modules.dep is the guest's: stay in the module directory.  Paths are
   * absolute where depmod is old.
   */
  if (strstr (path, ".."))
    return -1;
  if (path[0] == '/')
    r = asprintf (&full, "%s", path);
  else
    r = asprintf (&full, "/lib/modules/%s/%s", ix->kernel.version, path);
  if (r == -1) {
    full = NULL;
    return -1;
  }
  if (guest_read (ix->st->gst, full, MAX_MODULE, &bytes, size) != 1)
    return -1;
  *data = (uint8_t *)bytes;
  return 0;
}

static void
index_free (struct index *ix)
{
  size_t i;

  for (i = 0; i < 4; i++) {
    free (ix->files[i].data);
    free (ix->paths[i]);
  }
}

static int
index_read (struct linux_state *st, const char *kver, struct index *ix)
{
  static const char *const names[4] = {
    "modules.dep", "modules.softdep", "modules.builtin", "modules.alias",
  };
  size_t i;

  memset (ix, 0, sizeof *ix);
  ix->st = st;
  for (i = 0; i < 4; i++) {
    if (asprintf (&ix->paths[i], "/lib/modules/%s/%s", kver,
                  names[i]) == -1) {
      ix->paths[i] = NULL;
      linux_oom (st);
      return -1;
    }
    ix->files[i].path = ix->paths[i];
  }
  if (guest_read_many (st->gst, ix->files, 4, MAX_INDEX) == -1)
    return -1;
  ix->kernel = (struct initrd_kernel) {
    .version = kver,
    .modules_dep = ix->files[0].data,
    .modules_softdep = ix->files[1].data,
    .modules_builtin = ix->files[2].data,
    .modules_alias = ix->files[3].data,
    .read_module = read_module,
    .opaque = ix,
  };
  return 0;
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
  if (!dirs) {
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
    if (len > 4 && strcmp (files[i] + len - 4, ".efi") == 0)
      ukis++;
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
  /* Module directories of kernels that were removed stay behind. */
  st->kernels = kernels;
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
  if (j == 0) {
    if (ukis)
      report_error (gst->report, "initrd-uki",
                    "the guest boots unified kernel images only; they "
                    "cannot be extended: build one with virtio drivers in "
                    "the guest before it is converted");
    else
      report_error (gst->report, "no-kernel",
                    "no kernel was found: nothing in /boot belongs to a "
                    "directory of /lib/modules");
    goto out;
  }
  if (ukis)
    report_warning (gst->report, "uki-unchanged",
                    "%zu unified kernel image(s) were left as they are; "
                    "only the other boot entries were converted", ukis);
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

static bool
builtin (const struct initrd_kernel *k, const char *module)
{
  struct span in, line, eol;

  if (!k->modules_builtin)
    return false;
  in = span_of (k->modules_builtin);
  while (span_line (&in, &line, &eol)) {
    size_t i = line.n, n = strlen (module), j;

    while (i > 0 && line.p[i - 1] != '/')
      i--;
    if (line.n - i < n + 3 || memcmp (line.p + i + n, ".ko", 3) != 0)
      continue;
    for (j = 0; j < n; j++)
      if (line.p[i + j] != module[j] &&
          !(line.p[i + j] == '-' && module[j] == '_'))
        break;
    if (j == n)
      return true;
  }
  return false;
}

/* Keep of st->drivers what is also in DRIVERS. */
static int
keep_drivers (struct linux_state *st, char **drivers)
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
schedule (struct linux_state *st, struct index *ix, const char *path,
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

  if (plan->verdict != INITRD_APPEND)
    return 0;                   /* to be rebuilt */

  total = plan->offset + plan->tail_size;
  whole = malloc (total + 1);
  if (!whole) {
    linux_oom (st);
    return -1;
  }
  memcpy (whole, image, plan->offset);
  memcpy (whole + plan->offset, plan->tail, plan->tail_size);
  if (initrd_verify (whole, total, (const uint8_t *)image, plan->offset,
                     &ix->kernel, wanted, &reason) == -1) {
    report_error (gst->report, "initrd-verify",
                  "%s: the extended image would not be right: %s", path,
                  reason ? reason : "out of memory");
    return -1;
  }
  if (note_sha1 (st, rd, whole, total) == -1)
    return -1;
  return guest_reserve (gst, path, total, 1);

 oom:
  free (image);
  initrd_plan_free (plan);
  linux_oom (st);
  return -1;
}

static int
plan_one (struct linux_state *st, struct index *ix, const char *path,
          bool newest)
{
  struct guest *gst = st->gst;
  const char *kver = ix->kernel.version;
  struct initrd_plan plan = { .verdict = INITRD_REBUILD };
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
  r = guest_read (gst, path, MAX_IMAGE, &image, &size);
  if (r == -1)
    return -1;
  if (r == 0)
    return 0;
  r = initrd_plan ((const uint8_t *)image, size, &ix->kernel, wanted,
                   optional, &plan);
  if (r == -1) {
    report_error (gst->report, "initrd-failed", "%s: %s", path,
                  plan.reason ? plan.reason : "out of memory");
    initrd_plan_free (&plan);
    free (image);
    return -1;
  }
  if (keep_drivers (st, plan.drivers) == -1) {
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
    if (asprintf (&why, "%s cannot be extended: %s; rebuild-initrd=yes "
                  "allows to run the guest's own tool", path,
                  plan.reason ? plan.reason : "its form is not known") == -1)
      why = NULL;
    r = hopeless (st, newest, "initrd-needs-rebuild", kver,
                  why ? why : path);
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

int
ramdisk_plan (struct linux_state *st)
{
  struct guest *gst = st->gst;
  size_t i, j;

  for (i = 0; i < st->nr_kernels; i++) {
    const struct kernel *k = &st->kernels[i];
    struct index ix;

    report_fact (gst->report, "kernels", k->kver,
                 k->image ? k->image : "no image in /boot");
    if (index_read (st, k->kver, &ix) == -1) {
      index_free (&ix);
      return -1;
    }
    if (k->nr_initrds == 0 &&
        !(builtin (&ix.kernel, "virtio_blk") &&
          builtin (&ix.kernel, "virtio_pci")) &&
        hopeless (st, st->nr_kernels == 1, "kernel-without-initrd", k->kver,
                  "it has no initrd, and virtio is not built in") == -1) {
      index_free (&ix);
      return -1;
    }
    for (j = 0; j < k->nr_initrds; j++)
      if (plan_one (st, &ix, k->initrds[j], i == 0) == -1) {
        index_free (&ix);
        return -1;
      }
    index_free (&ix);
  }
  return 0;
}

/* Run the guest's tool for RD and prove its work. */
static int
rebuild (struct linux_state *st, struct ramdisk *rd)
{
  struct guest *gst = st->gst;
  CLEANUP_TEXT struct text drivers = TEXT_INIT;
  struct initrd_plan plan = { .verdict = INITRD_REBUILD };
  const char *args[16];
  struct index ix;
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
    if (linux_distro_is (st, "sles", "sled", "opensuse", "suse-based",
                         NULL)) {
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
        ? st->kernels[i].image : rd->path;
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
                  "known", rd->path);
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

  if (index_read (st, rd->kver, &ix) == -1) {
    index_free (&ix);
    return -1;
  }
  good = guest_read (gst, rd->path, MAX_IMAGE, &image, &size) == 1 &&
         initrd_plan ((const uint8_t *)image, size, &ix.kernel, wanted,
                      optional, &plan) == 0 &&
         (plan.verdict == INITRD_PRESENT || plan.verdict == INITRD_REBUILD);
  if (!good)
    report_error (gst->report, "initrd-verify",
                  "%s was rebuilt by the guest's own tool, but has no "
                  "virtio drivers", rd->path);
  else
    report_change (gst->report, rd->path, "rebuild",
                   "virtio drivers for the first boot", NULL, NULL);
  initrd_plan_free (&plan);
  free (image);
  index_free (&ix);
  return good ? 0 : -1;
}

int
ramdisk_write (struct linux_state *st)
{
  size_t i;

  for (i = 0; i < st->nr_ramdisks; i++) {
    struct ramdisk *rd = &st->ramdisks[i];
    int r;

    if (rd->plan.verdict == INITRD_APPEND)
      r = guest_append (st->gst, rd->path, rd->image, rd->size,
                        rd->plan.offset, rd->plan.tail, rd->plan.tail_size,
                        "virtio drivers for the first boot");
    else
      r = rebuild (st, rd);
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
}
