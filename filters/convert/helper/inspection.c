/* SPDX-License-Identifier: BSD-3-Clause */

/* See inspection.h.
 *
 * libguestfs' own inspection costs 2 to 6 s under TCG, most of it Augeas
 * and a process for each question.  Here: one scan of the devices (0.1 s),
 * a read-only mount of each file system that could be a root (0.1 s each),
 * and a few small reads.
 * What a root is: see roots.c.
 */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include <guestfs.h>

#include "guest-internal.h"
#include "identity.h"
#include "inspection.h"
#include "report.h"
#include "roots.h"
#include "scan.h"
#include "v2v-utils.h"
#include "vm.h"

static bool
is_type (const struct device *v, const char *type)
{
  return v->type != NULL && strcmp (v->type, type) == 0;
}

/* ---- before anything is mounted ---- */

static bool
all_zero (const char *p, size_t n)
{
  return n == 0 || (*p == '\0' && memcmp (p, p + 1, n - 1) == 0);
}

/* Look at the first bytes of each disk. */
static int
look_at_disks (struct guest *gst, struct inspection *in)
{
  bool empty = true;
  size_t i;

  gst->boot_disk = -1;
  for (i = 0; i < in->devices.n; ++i) {
    const struct device *v = &in->devices.v[i];
    CLEANUP_FREE char *buf = NULL;
    uint64_t end;
    size_t len;

    if (v->kind != DEVICE_DISK)
      continue;
    if (v->size == 0)
      continue;
    buf = guestfs_pread_device (gst->g, v->name,
                                (int)V2V_MIN (v->size * 512, 65536), 0, &len);
    if (buf == NULL) {
      report_error (gst->report, "disk-read-failed", "cannot read disk %d: %s",
                    v->disk, guest_last_error (gst));
      return -1;
    }
    if (!all_zero (buf, len) || v->type != NULL || v->pttype != NULL)
      empty = false;
    end = devices_table_end ((const uint8_t *)buf, len);
    if (end > v->size &&
        (v->usage == NULL || strcmp (v->usage, "filesystem") != 0)) {
      report_error (gst->report, "truncated-disk",
                    "disk %d has %" PRIu64 " sectors, but its partition "
                    "table needs %" PRIu64 ": the image is incomplete, copy "
                    "it again",
                    v->disk, v->size, end);
      return -1;
    }
    if (len >= 512 && (gst->boot_disk == -1 || v->disk < gst->boot_disk) &&
        memmem (buf, 512, "GRUB", 4) != NULL)
      gst->boot_disk = v->disk;
  }
  if (empty) {
    report_error (gst->report, "empty-disk",
                  "the disk is empty: there is nothing to convert; is it "
                  "the right image, and is its format raw?");
    return -1;
  }
  return 0;
}

/* UEFI: an EFI system partition, and no partition for BIOS boot code on
 * any GPT (a hybrid is meant to boot by BIOS).
 */
static int
look_at_firmware (struct guest *gst, const struct inspection *in)
{
  size_t i, n = 0;
  bool bios_boot = false;

  gst->esps = calloc (in->devices.n + 1, sizeof *gst->esps);
  if (gst->esps == NULL)
    return guest_no_memory (gst);
  for (i = 0; i < in->devices.n; ++i) {
    const struct device *v = &in->devices.v[i];

    if (v->parttype == NULL)
      continue;
    if (strcasecmp (v->parttype, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b") == 0 ||
        strcasecmp (v->parttype, "0xef") == 0) {
      gst->esps[n] = strdup (v->name);
      if (gst->esps[n++] == NULL)
        return guest_no_memory (gst);
    }
    else if (strcasecmp (v->parttype, "21686148-6449-6e6f-744e-656564454649") ==
             0)
      bios_boot = true;
  }
  gst->uefi = n > 0 && !bios_boot;
  return 0;
}

/* ---- which of the roots ---- */

/* Nothing was found.  Say why, as well as it can be told. */
static int
not_found (struct guest *gst, const struct inspection *in,
           const struct roots *s)
{
  const struct device *unknown = NULL;
  size_t i, locked = 0;
  const char *which = NULL;

  for (i = 0; i < in->devices.n; ++i) {
    const struct device *v = &in->devices.v[i];

    if (scan_is_locked (&in->devices, v)) {
      which = v->name;
      locked++;
    }
    if (v->type != NULL && strcmp (v->type, "BitLocker") == 0) {
      report_error (gst->report, "unsupported-guest",
                    "%s is encrypted with BitLocker, which is not "
                    "supported: decrypt it in the guest first",
                    v->name);
      return -1;
    }
    if (unknown == NULL && v->type == NULL && v->pttype == NULL &&
        v->kind != DEVICE_DISK
        /* An extended partition, or BIOS boot code. */
        && (v->parttype == NULL ||
            (strcmp (v->parttype, "0x5") != 0 &&
             strcmp (v->parttype, "0xf") != 0 &&
             strcmp (v->parttype, "0x85") != 0 &&
             strcasecmp (v->parttype, "21686148-6449-6e6f-744e-"
                                      "656564454649") != 0)))
      unknown = v;
  }
  if (locked > 0) {
    report_error (gst->report, "luks-no-key",
                  "no operating system was found, and %zu encrypted "
                  "device%s (%s%s) could not be opened with the keys given: "
                  "give the right key",
                  locked, locked == 1 ? "" : "s", which,
                  locked == 1 ? "" : ", …");
    return -1;
  }
  if (s->failed != NULL) {
    CLEANUP_FREE char *damage = mounts_damage (gst, s->failed);

    if (damage != NULL)
      report_error (gst->report, "file-system-damaged",
                    "the %s file system on %s is damaged; repair it in the "
                    "guest: %s",
                    s->failed->type, s->failed->name, damage);
    else
      report_error (gst->report, "root-mount-failed",
                    "the %s file system on %s cannot be mounted: %s",
                    s->failed->type, s->failed->name, s->mount_error);
    return -1;
  }
  if (s->tried == 0 && unknown != NULL) {
    report_error (gst->report, "unknown-filesystem",
                  "%s holds no file system that is known", unknown->name);
    return -1;
  }
  report_error (gst->report, "no-operating-system",
                "no operating system was found on the disk%s (%u file "
                "system%s looked at)",
                in->devices.nr_disks == 1 ? "" : "s", s->tried,
                s->tried == 1 ? "" : "s");
  return -1;
}

/* For messages, allocated. */
static char *
list_roots (const struct roots *s)
{
  char *r = strdup (""), *next;
  size_t i;

  for (i = 0; i < s->nr_roots && r != NULL; ++i) {
    const struct root *root = &s->roots[i];
    CLEANUP_FREE char *name = root->release
                                ? identity_value (root->release, "PRETTY_NAME")
                                : NULL;

    if (asprintf (&next, "%s%s%s (%s)", r, i ? ", " : "", root->mountable,
                  name            ? name
                  : root->windows ? "Windows"
                                  : "Linux") == -1)
      next = NULL;
    free (r);
    r = next;
  }
  return r;
}

static struct root *
choose_root (struct guest *gst, struct roots *s, const char *policy)
{
  CLEANUP_FREE char *list = list_roots (s);
  size_t i;

  if (policy != NULL && policy[0] == '/') {
    for (i = 0; i < s->nr_roots; ++i)
      if (strcmp (s->roots[i].mountable, policy) == 0 ||
          strcmp (s->roots[i].device->name, policy) == 0)
        return &s->roots[i];
    report_error (gst->report, "multi-boot",
                  "%s is not the root of an operating system; there is: %s",
                  policy, list ? list : "");
    return NULL;
  }
  if (policy != NULL && strncmp (policy, "btrfsvol:", 9) == 0)
    for (i = 0; i < s->nr_roots; ++i)
      if (strcmp (s->roots[i].mountable, policy) == 0)
        return &s->roots[i];
  if (s->nr_roots == 1)
    return &s->roots[0];
  if (policy != NULL && strcmp (policy, "first") == 0) {
    report_info (gst->report,
                 "Several operating systems, the first one is "
                 "converted: %s",
                 list ? list : "");
    return &s->roots[0];
  }
  report_error (gst->report, "multi-boot",
                "there are several operating systems; choose one by its "
                "device, or the first: %s",
                list ? list : "");
  return NULL;
}

static char *
read_first (struct guest *gst, const char *const *paths)
{
  char *r = NULL;

  for (; *paths != NULL && r == NULL; ++paths)
    r = inspection_text (gst, "", *paths);
  return r;
}

/* Make the chosen root the one that is mounted on "/", read-only. */
static int
mount_root_ro (struct guest *gst, struct inspection *in, const struct root *r)
{
  if (in->mounted_ro != NULL && strcmp (in->mounted_ro, r->mountable) == 0)
    return 0;
  if (in->mounted_ro != NULL && inspection_unmount (gst, in) == -1)
    return -1;
  if (guestfs_mount_ro (gst->g, r->mountable, "/") == -1) {
    report_error (gst->report, "root-mount-failed", "%s cannot be mounted: %s",
                  r->mountable, guest_last_error (gst));
    return -1;
  }
  in->mounted_ro = strdup (r->mountable);
  return in->mounted_ro ? 0 : guest_no_memory (gst);
}

int
inspection_find (struct guest *gst, struct inspection *in,
                 const struct inspection_options *opts)
{
  static const char *const crypttab[] = { "/etc/crypttab", NULL };
  static const char *const mdadm[] = { "/etc/mdadm.conf",
                                       "/etc/mdadm/mdadm.conf", NULL };
  struct roots s = { .nr_roots = 0 };
  struct root *root;
  size_t i;
  int ret = -1;

  if (scan_all (gst, &in->devices, opts->nr_disks, opts->keys) == -1 ||
      look_at_disks (gst, in) == -1 || look_at_firmware (gst, in) == -1)
    return -1;
  in->unclean = calloc (in->devices.n + 1, sizeof *in->unclean);
  if (in->unclean == NULL)
    return guest_no_memory (gst);

  for (i = 0; i < in->devices.n; ++i)
    if (is_type (&in->devices.v[i], "swsuspend")) {
      report_error (gst->report, "hibernated",
                    "the guest is hibernated (%s): start it and shut it "
                    "down fully first, its memory does not fit other "
                    "hardware",
                    in->devices.v[i].name);
      return -1;
    }

  if (roots_find (gst, in, &s) == -1)
    goto out;
  if (s.nr_roots == 0) {
    if (in->mounted_ro != NULL && inspection_unmount (gst, in) == -1)
      goto out;
    not_found (gst, in, &s);
    goto out;
  }
  root = choose_root (gst, &s, opts->root);
  if (root == NULL)
    goto out;
  if (root->windows) {
    report_error (gst->report, "unsupported-guest",
                  "%s holds Windows: only Linux guests can be converted",
                  root->mountable);
    goto out;
  }
  if (mount_root_ro (gst, in, root) == -1)
    goto out;

  in->root = root->device;
  in->crypttab = read_first (gst, crypttab);
  in->mdadm_conf = read_first (gst, mdadm);
  in->names.crypttab = in->crypttab;
  in->names.mdadm_conf = in->mdadm_conf;
  in->names.source = gst->source;
  gst->devices = &in->devices;
  gst->names = &in->names;
  gst->root = strdup (root->mountable);
  gst->type = strdup ("linux");
  if (gst->root == NULL || gst->type == NULL ||
      fstab_parse (root->fstab ? root->fstab : "", &in->fstab) == -1) {
    guest_no_memory (gst);
    goto out;
  }
  ret = 0;

out:
  roots_free (&s);
  return ret;
}

void
inspection_free (struct inspection *in)
{
  size_t i;

  devices_free (&in->devices);
  fstab_free (&in->fstab);
  free (in->crypttab);
  free (in->mdadm_conf);
  for (i = 0; i < in->nr_subvolumes; ++i)
    free (in->subvolumes[i].path);
  free (in->subvolumes);
  free (in->mounted_ro);
  free (in->unclean);
  memset (in, 0, sizeof *in);
}

/* ---- what it is ---- */

static const char *
find_arch (struct guest *gst)
{
  static const char *const programs[] = {
    "/usr/bin/bash", "/bin/bash",      "/bin/sh",
    "/bin/busybox",  "/usr/sbin/init", "/sbin/init",
    "/bin/ls",       "/usr/bin/env",   NULL
  };
  size_t i;

  for (i = 0; programs[i] != NULL; ++i) {
    CLEANUP_FREE char *head = NULL;
    const char *arch;
    size_t n;

    if (!guest_is_file (gst, programs[i]))
      continue;
    head = guestfs_pread (gst->g, programs[i], 64, 0, &n);
    arch = head ? identity_elf_arch (head, n) : NULL;
    if (arch != NULL)
      return arch;
  }
  return "unknown";
}

static void
find_packages (struct guest *gst, const char **format, const char **management)
{
  static const struct {
    const char *path, *format;
  } databases[] = {
    { "/var/lib/dpkg/status", "deb" },
    { "/var/lib/rpm/rpmdb.sqlite", "rpm" },
    { "/var/lib/rpm/Packages", "rpm" },
    { "/var/lib/rpm/Packages.db", "rpm" },
    { "/usr/lib/sysimage/rpm", "rpm" },
    { "/var/lib/rpm", "rpm" },
    { "/var/lib/pacman/local", "pacman" },
    { "/lib/apk/db/installed", "apk" },
    { "/usr/lib/apk/db/installed", "apk" },
  };
  static const struct {
    const char *format, *program, *name;
  } managers[] = {
    { "deb", "apt-get", "apt" },      { "rpm", "zypper", "zypper" },
    { "rpm", "apt-get", "apt" },      { "rpm", "dnf", "dnf" },
    { "rpm", "dnf5", "dnf" },         { "rpm", "tdnf", "tdnf" },
    { "rpm", "yum", "yum" },          { "rpm", "up2date", "up2date" },
    { "pacman", "pacman", "pacman" }, { "apk", "apk", "apk" },
  };
  size_t i;

  *format = *management = NULL;
  for (i = 0; i < V2V_ARRAY_SIZE (databases) && *format == NULL; ++i)
    if (inspection_exists (gst, "", databases[i].path))
      *format = databases[i].format;
  for (i = 0;
       *format != NULL && i < V2V_ARRAY_SIZE (managers) && *management == NULL;
       ++i) {
    static const char *const dirs[] = { "/usr/bin/", "/sbin/", "/usr/sbin/",
                                        NULL };
    size_t j;

    if (strcmp (managers[i].format, *format) != 0)
      continue;
    for (j = 0; dirs[j] != NULL; ++j)
      if (inspection_exists (gst, dirs[j], managers[i].program))
        *management = managers[i].name;
  }
}

/* Allocated, or NULL. */
static char *
find_hostname (struct guest *gst)
{
  static const char *const files[] = { "/etc/hostname", "/etc/HOSTNAME", NULL };
  CLEANUP_FREE char *network = NULL;
  size_t i;

  for (i = 0; files[i] != NULL; ++i) {
    CLEANUP_FREE char *text = inspection_text (gst, "", files[i]);
    const char *line = text;

    while (line != NULL && *line != '\0') {
      size_t n = strcspn (line, " \t\r\n");

      if (n > 0 && *line != '#')
        return strndup (line, n);
      line = strchr (line, '\n');
      line = line ? line + 1 : NULL;
    }
  }
  network = inspection_text (gst, "", "/etc/sysconfig/network");
  return network ? identity_value (network, "HOSTNAME") : NULL;
}

int
inspection_identify (struct guest *gst)
{
  const char *texts[IDENTITY_NR_FILES];
  char *data[IDENTITY_NR_FILES];
  const char *format, *management, *arch;
  struct identity id;
  char version[32];
  size_t i;
  int r;

  for (i = 0; i < IDENTITY_NR_FILES; ++i) {
    data[i] = NULL;
    /* With os-release only those that add to it are needed. */
    if (i == IDENTITY_USR_OS_RELEASE && data[IDENTITY_OS_RELEASE] != NULL)
      continue;
    data[i] = inspection_text (gst, "", identity_files[i]);
  }
  for (i = 0; i < IDENTITY_NR_FILES; ++i)
    texts[i] = data[i];
  r = identity_parse (texts, &id);
  for (i = 0; i < IDENTITY_NR_FILES; ++i)
    free (data[i]);
  if (r == -1)
    return guest_no_memory (gst);

  arch = find_arch (gst);
  find_packages (gst, &format, &management);
  gst->distro = id.distro;
  gst->osinfo = id.osinfo;
  gst->product_name = id.product_name;
  gst->major = id.major;
  gst->minor = id.minor;
  gst->arch = strdup (arch);
  gst->package_format = format ? strdup (format) : NULL;
  gst->package_management = management ? strdup (management) : NULL;
  gst->hostname = find_hostname (gst);
  if (gst->arch == NULL)
    return guest_no_memory (gst);

  report_info (gst->report, "Found %s (%s) on %s", gst->product_name, gst->arch,
               gst->root);
  snprintf (version, sizeof version, "%d.%d", gst->major, gst->minor);
  report_fact (gst->report, "guest", "root", gst->root);
  report_fact (gst->report, "guest", "type", gst->type);
  report_fact (gst->report, "guest", "distro", gst->distro);
  report_fact (gst->report, "guest", "version", version);
  report_fact (gst->report, "guest", "product_name", gst->product_name);
  report_fact (gst->report, "guest", "osinfo", gst->osinfo);
  report_fact (gst->report, "guest", "arch", gst->arch);
  report_fact (gst->report, "guest", "package_format", gst->package_format);
  report_fact (gst->report, "guest", "package_management",
               gst->package_management);
  report_fact (gst->report, "guest", "hostname", gst->hostname);
  report_fact (gst->report, "guest", "firmware", gst->uefi ? "uefi" : "bios");
  return 0;
}
