/* SPDX-License-Identifier: BSD-3-Clause */

/* Glue: which files name disks, and what is on the disks.  The latter is
 * known from inspection: the appliance would take 0.1 s and more under TCG
 * to answer each question again.
 */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../devices.h"
#include "devedit.h"
#include "devmap.h"
#include "state.h"
#include "v2v-utils.h"
#include "vm.h"

struct known {
  unsigned disk, part; /* part 0 = all of the disk */
  struct devid id;
};

struct view {
  struct linux_state *st;
  struct devmap map;
  struct known *known; /* NULL = not collected yet */
  size_t nr_known;
  struct text aliases; /* what map.aliases is in */
  const char *path;    /* file being edited */
  bool error;
};

static void
copy_id (char *to, size_t size, const char *from)
{
  snprintf (to, size, "%s", from ? from : "");
}

/* Disks that were cloned carry the same UUIDs; those are nobody's name. */
static void
drop_clones (struct view *v)
{
  size_t i, j;

  for (i = 0; i < v->nr_known; i++)
    for (j = i + 1; j < v->nr_known; j++) {
      struct devid *a = &v->known[i].id, *b = &v->known[j].id;

      if (a->partuuid[0] && strcmp (a->partuuid, b->partuuid) == 0)
        a->partuuid[0] = b->partuuid[0] = '\0';
      if (a->uuid[0] && strcmp (a->uuid, b->uuid) == 0 &&
          strcmp (a->fstype, "btrfs") != 0 &&
          strcmp (a->fstype, "linux_raid_member") != 0) {
        report_warning (v->st->gst->report, "duplicate-uuid",
                        "two file systems have the same UUID %s; they are "
                        "told apart by their partitions",
                        a->uuid);
        a->uuid[0] = b->uuid[0] = '\0';
      }
    }
}

/* Disks and partitions that hold something, or have a name. */
static int
collect (struct view *v)
{
  const struct devices *all = v->st->gst->devices;
  size_t i;

  v->known = calloc (all->n + 1, sizeof *v->known);
  if (!v->known)
    return -1;
  for (i = 0; i < all->n; i++) {
    const struct device *d = &all->v[i];
    struct known *k = &v->known[v->nr_known];

    if (d->disk < 0 || (d->kind != DEVICE_DISK && d->kind != DEVICE_PARTITION))
      continue;
    k->disk = d->disk;
    k->part = d->kind == DEVICE_PARTITION ? d->part : 0;
    copy_id (k->id.uuid, sizeof k->id.uuid, d->uuid);
    copy_id (k->id.fstype, sizeof k->id.fstype, d->type);
    copy_id (k->id.partuuid, sizeof k->id.partuuid, d->partuuid);
    v->nr_known++;
  }
  drop_clones (v);
  return 0;
}

static int
identify (void *opaque, unsigned disk, unsigned part, bool want_partuuid,
          struct devid *id)
{
  struct view *v = opaque;
  size_t i;

  (void)want_partuuid;
  if (!v->known && collect (v) == -1) {
    v->error = true;
    return -1;
  }
  for (i = 0; i < v->nr_known; i++)
    if (v->known[i].disk == disk && v->known[i].part == part) {
      *id = v->known[i].id;
      return 1;
    }
  return 0;
}

static void
unknown (void *opaque, struct span name)
{
  struct view *v = opaque;

  if (span_is (name, "grubenv"))
    report_warning (v->st->gst->report, "grubenv-full",
                    "%s has no room for the new names of disks and was "
                    "left as it was",
                    v->path);
  else
    report_warning (v->st->gst->report, "device-unknown",
                    "%s refers to %.*s, which is not on the disks that are "
                    "converted; correct it by hand if it is needed",
                    v->path, (int)V2V_MIN (name.n, 200), name.p);
}

static enum devbus
bus_of (const struct vm *vm, size_t disk)
{
  if (!vm || disk >= vm->nr_disks)
    return DEVBUS_UNKNOWN;
  switch (vm->disks[disk].controller) {
  case VM_CONTROLLER_IDE:
    return DEVBUS_IDE;
  case VM_CONTROLLER_SATA:
  case VM_CONTROLLER_SCSI:
  case VM_CONTROLLER_VIRTIO_SCSI:
    return DEVBUS_SCSI;
  case VM_CONTROLLER_NVME:
    return DEVBUS_NVME;
  case VM_CONTROLLER_VIRTIO_BLK:
    return DEVBUS_VIRTIO;
  case VM_CONTROLLER_XEN:
    return DEVBUS_XEN;
  default:
    return DEVBUS_UNKNOWN;
  }
}

/* The files, each with the grammar that it has. */
static const struct {
  const char *path;
  devedit_fn *edit;
} fixed[] = {
  { "/etc/fstab", edit_fstab },
  { "/etc/crypttab", edit_crypttab },
  { "/boot/grub/grub.cfg", edit_bootconf },
  { "/boot/grub2/grub.cfg", edit_bootconf },
  { "/boot/grub/grub.conf", edit_bootconf },
  { "/boot/grub/menu.lst", edit_bootconf },
  { "/boot/grub/custom.cfg", edit_bootconf },
  { "/boot/grub2/custom.cfg", edit_bootconf },
  { "/boot/extlinux/extlinux.conf", edit_bootconf },
  { "/boot/extlinux.conf", edit_bootconf },
  { "/boot/syslinux/syslinux.cfg", edit_bootconf },
  { "/boot/grub/grubenv", edit_grubenv },
  { "/boot/grub2/grubenv", edit_grubenv },
  { "/boot/grub/device.map", edit_device_map },
  { "/boot/grub2/device.map", edit_device_map },
  { "/etc/default/grub", edit_assignments },
  { "/etc/default/grub_installdevice", edit_installdevice },
  { "/etc/sysconfig/grub", edit_assignments },
  { "/etc/sysconfig/bootloader", edit_assignments },
  { "/etc/update-extlinux.conf", edit_assignments },
  { "/etc/dracut.conf", edit_assignments },
  { "/etc/kernel/cmdline", edit_cmdline },
  { "/usr/lib/kernel/cmdline", edit_cmdline },
  { "/etc/mdadm.conf", edit_mdadm_conf },
  { "/etc/mdadm/mdadm.conf", edit_mdadm_conf },
  { "/etc/lvm/lvm.conf", edit_lvm_conf },
  { "/etc/lvm/lvmlocal.conf", edit_lvm_conf },
  { "/etc/initramfs-tools/conf.d/resume", edit_resume_conf },
  { "/etc/inittab", edit_inittab },
  { "/etc/securetty", edit_securetty },
};

static const struct {
  const char *dir, *suffix;
  devedit_fn *edit;
} globbed[] = {
  { "/loader/entries/", ".conf", edit_bootconf },
  { "/EFI/", "/grub.cfg", edit_bootconf },
  { "/EFI/", "/grubenv", edit_grubenv },
  { "/EFI/", "/grub.conf", edit_bootconf },
  { "/etc/default/grub.d/", ".cfg", edit_assignments },
  { "/etc/dracut.conf.d/", ".conf", edit_assignments },
  { "/etc/cmdline.d/", ".conf", edit_cmdline },
};

#define GLOB \
  "/{boot/loader/entries/*.conf,boot/efi/loader/entries/*.conf," \
  "efi/loader/entries/*.conf," \
  "{boot/efi,boot,efi}/EFI/*/{grub.cfg,grub.conf,grubenv}," \
  "etc/default/grub.d/*.cfg,etc/dracut.conf.d/*.conf," \
  "etc/cmdline.d/*.conf}"

static devedit_fn *
editor_of (const char *path)
{
  size_t i, n = strlen (path);

  for (i = 0; i < V2V_ARRAY_SIZE (globbed); i++)
    if (strstr (path, globbed[i].dir) && n > strlen (globbed[i].suffix) &&
        strcmp (path + n - strlen (globbed[i].suffix), globbed[i].suffix) == 0)
      return globbed[i].edit;
  return NULL;
}

static int
edit (struct view *v, const char *path, devedit_fn *editor)
{
  CLEANUP_TEXT struct text out = TEXT_INIT;
  struct conf_file *f = conf_get (v->st, path);

  if (!f)
    return -1;
  if (!f->data || f->size == 0)
    return 0;
  v->path = path;
  editor ((struct span){ f->data, f->size }, &v->map, &out);
  if (out.failed || v->error) {
    linux_oom (v->st);
    return -1;
  }
  return conf_set (v->st, f, out.data, out.len,
                   "names of disks and consoles that hold on any bus");
}

/* Two names of one file would be edited and written twice. */
static bool
is_alias (struct linux_state *st, const char *path, const char *of)
{
  struct conf_file *a = conf_get (st, path), *b = conf_get (st, of);
  char *target;

  if (!a || !b || !a->data || !b->data || a->size != b->size ||
      memcmp (a->data, b->data, a->size) != 0)
    return false;
  target = guest_readlink (st->gst, path);
  free (target);
  return target != NULL;
}

/* Debian's initrd has a copy of the resume device's old name and waits half
 * a minute for it, unless the kernel's command line knows better.
 */
static int
plan_resume (struct linux_state *st)
{
  CLEANUP_TEXT struct text out = TEXT_INIT;
  CLEANUP_FREE char *value = NULL;
  struct conf_file *f = conf_get (st, "/etc/initramfs-tools/conf.d/resume");
  struct conf_file *cfg = conf_get (st, "/boot/grub/grub.cfg");

  if (!f || !cfg)
    return -1;
  if (!f->dirty || !f->data || !cfg->data)
    return 0;
  value = text_shell_var (f->data, f->size, "RESUME");
  if (!value || !(strncmp (value, "UUID=", 5) == 0 ||
                  strncmp (value, "PARTUUID=", 9) == 0))
    return 0;
  edit_add_resume ((struct span){ cfg->data, cfg->size }, value, &out);
  if (out.failed) {
    linux_oom (st);
    return -1;
  }
  return conf_set (st, cfg, out.data ? out.data : "", out.len,
                   "the initrd knows an old name of the resume device");
}

/* The names that the guest's multipath has for disks. */
static int
read_aliases (struct linux_state *st, struct text *out)
{
  static const char *const files[] = { "/etc/multipath.conf",
                                       "/etc/multipath/bindings",
                                       "/var/lib/multipath/bindings", NULL };
  size_t i;

  if (conf_preload (st, files) == -1)
    return -1;
  for (i = 0; files[i]; i++) {
    struct conf_file *f = conf_get (st, files[i]);

    if (!f)
      return -1;
    if (f->data)
      multipath_aliases ((struct span){ f->data, f->size }, i > 0, out);
  }
  if (out->failed) {
    linux_oom (st);
    return -1;
  }
  return 0;
}

static int
root_is_known (struct view *v)
{
  struct conf_file *f = conf_get (v->st, "/etc/fstab");
  struct span in, line, eol, space, spec, mnt;
  unsigned disk, part;

  if (!f)
    return -1;
  in = (struct span){ f->data ? f->data : "", f->data ? f->size : 0 };
  while (span_line (&in, &line, &eol)) {
    if (!span_word (&line, &space, &spec) || !span_word (&line, &space, &mnt) ||
        !span_is (mnt, "/") || span_starts (spec, "#"))
      continue;
    if (devmap_find (&v->map, spec, &disk, &part) == -1) {
      report_error (v->st->gst->report, "root-device-unknown",
                    "the guest's fstab mounts %.*s as its root, but which "
                    "disk that is cannot be told; give all of the guest's "
                    "disks in their order, or change fstab to UUID= in the "
                    "source",
                    (int)V2V_MIN (spec.n, 200), spec.p);
      return -1;
    }
  }
  return 0;
}

/* Copies of such files in an initrd. */
static const struct {
  const char *path; /* with a slash at its end: all in it */
  devedit_fn *edit; /* NULL: hidden, as caches_plan removes it */
} in_initrd[] = {
  { "etc/mdadm/mdadm.conf", edit_mdadm_conf },
  { "etc/mdadm.conf", edit_mdadm_conf },
  { "etc/lvm/lvm.conf", edit_lvm_conf },
  { "etc/lvm/lvmlocal.conf", edit_lvm_conf },
  { "etc/lvm/devices/system.devices", NULL },
  { "etc/crypttab", edit_crypttab },
  { "cryptroot/crypttab", edit_crypttab },
  { "etc/fstab", edit_fstab },
  { "conf/conf.d/resume", edit_resume_conf },
  { "etc/cmdline", edit_cmdline },
  { "etc/cmdline.d/", edit_cmdline },
};

enum initrd_edit_result
devices_edit_initrd (struct linux_state *st, const char *image,
                     const char *path, const uint8_t *data, size_t size,
                     uint8_t **out, size_t *out_size)
{
  CLEANUP_TEXT struct text text = TEXT_INIT;
  CLEANUP_FREE char *where = NULL;
  struct view *v = st->disks;
  size_t i;

  for (i = 0; i < V2V_ARRAY_SIZE (in_initrd); i++) {
    const size_t n = strlen (in_initrd[i].path);

    if (in_initrd[i].path[n - 1] == '/'
          ? strncmp (path, in_initrd[i].path, n) == 0
          : strcmp (path, in_initrd[i].path) == 0)
      break;
  }
  if (i == V2V_ARRAY_SIZE (in_initrd))
    return INITRD_EDIT_NONE;
  if (in_initrd[i].edit == NULL)
    return INITRD_EDIT_HIDE;
  if (asprintf (&where, "%s (/%s)", image, path) == -1) {
    where = NULL;
    return INITRD_EDIT_FAILED;
  }
  v->path = where;
  in_initrd[i].edit ((struct span){ (const char *)data, size }, &v->map, &text);
  v->path = NULL;
  if (text.failed || v->error)
    return INITRD_EDIT_FAILED;
  if (text.len == size && memcmp (text.data ? text.data : "", data, size) == 0)
    return INITRD_EDIT_NONE;
  *out = malloc (text.len + 1);
  if (*out == NULL)
    return INITRD_EDIT_FAILED;
  if (text.data)
    memcpy (*out, text.data, text.len);
  *out_size = text.len;
  return INITRD_EDIT_REPLACE;
}

bool
devices_renames (struct linux_state *st, const char *path, struct span cmdline)
{
  CLEANUP_TEXT struct text out = TEXT_INIT;
  struct view *v = st->disks;

  v->path = path;
  edit_cmdline (cmdline, &v->map, &out);
  v->path = NULL;
  return out.failed || v->error || out.len != cmdline.n ||
         (cmdline.n > 0 && memcmp (out.data, cmdline.p, cmdline.n) != 0);
}

void
devices_forget (struct linux_state *st)
{
  struct view *v = st->disks;

  if (!v)
    return;
  text_free (&v->aliases);
  free (v->known);
  free (v);
  st->disks = NULL;
}

/* The serial port that KVM gives a machine of ARCH.  On Power it is hvc0, as
 * on Xen; s390x has none.
 */
static const char *
serial_port (const char *arch)
{
  if (strcmp (arch, "aarch64") == 0 || strcmp (arch, "arm") == 0)
    return "ttyAMA0";
  if (strncmp (arch, "ppc", 3) == 0 || strcmp (arch, "s390x") == 0)
    return NULL;
  return "ttyS0";
}

int
devices_plan (struct linux_state *st)
{
  struct guest *gst = st->gst;
  struct view *v = st->disks = calloc (1, sizeof *v);
  struct conf_file *fstab;
  const char **paths = NULL;
  char **names = NULL;
  const char *root = gst->root ? gst->root : "";
  struct devname d;
  size_t i, n;
  int r = -1;

  if (!v) {
    linux_oom (st);
    return -1;
  }
  v->st = st;
  v->map = (struct devmap){
    .root_disk = -1,
    .root_part = -1,
    .console = serial_port (gst->arch),
    .identify = identify,
    .unknown = unknown,
    .opaque = v,
  };
  names = guest_glob (gst, GLOB);
  if (!names) {
    linux_oom (st);
    return -1;
  }
  for (n = 0; names[n]; n++)
    ;
  paths = calloc (V2V_ARRAY_SIZE (fixed) + n + 1, sizeof *paths);
  if (!paths) {
    linux_oom (st);
    goto out;
  }
  for (i = 0; i < V2V_ARRAY_SIZE (fixed); i++)
    paths[i] = fixed[i].path;
  memcpy (paths + i, names, n * sizeof *paths);
  if (conf_preload (st, paths) == -1)
    goto out;

  for (i = 0; i < DEVMAP_MAX_DISKS && i < gst->devices->nr_disks; i++)
    v->map.bus[i] = bus_of (gst->source, i);
  v->map.nr_disks = i;
  for (i = 0; gst->source && i < v->map.nr_disks && i < gst->source->nr_disks;
       i++)
    v->map.serial[i] = gst->source->disks[i].serial;
  if (read_aliases (st, &v->aliases) == -1)
    goto out;
  v->map.aliases = (struct span){ v->aliases.data ? v->aliases.data : "",
                                  v->aliases.len };
  if (strncmp (root, "btrfsvol:", 9) == 0)
    root += 9;
  /* "/dev/sda2/@rootfs" */
  if (strncmp (root, "/dev/", 5) == 0 &&
      devname_parse ((struct span){ root, 5 + strcspn (root + 5, "/") }, &d) &&
      d.family == DEV_SD) {
    v->map.root_disk = d.index;
    v->map.root_part = d.part;
  }
  fstab = conf_get (st, "/etc/fstab");
  if (!fstab)
    goto out;
  devmap_solve (&v->map, (struct span){ fstab->data ? fstab->data : "",
                                        fstab->data ? fstab->size : 0 });
  if (root_is_known (v) == -1)
    goto out;

  for (i = 0; i < V2V_ARRAY_SIZE (fixed); i++) {
    if (strcmp (fixed[i].path, "/etc/sysconfig/grub") == 0 &&
        is_alias (st, fixed[i].path, "/etc/default/grub"))
      continue;
    if (strcmp (fixed[i].path, "/boot/grub/menu.lst") == 0 &&
        is_alias (st, fixed[i].path, "/boot/grub/grub.conf"))
      continue;
    if (strcmp (fixed[i].path, "/boot/grub2/grubenv") == 0) {
      char *target = guest_readlink (gst, fixed[i].path);

      free (target); /* to the ESP, edited there */
      if (target)
        continue;
    }
    if (edit (v, fixed[i].path, fixed[i].edit) == -1)
      goto out;
  }
  for (i = 0; names[i]; i++) {
    devedit_fn *editor = editor_of (names[i]);

    if (editor && edit (v, names[i], editor) == -1)
      goto out;
  }
  r = plan_resume (st);
out:
  guest_free_strings (names);
  free (paths);
  return r;
}
