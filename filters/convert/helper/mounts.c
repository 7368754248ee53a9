/* SPDX-License-Identifier: BSD-3-Clause */

/* Mounting and checking.  See inspection.h.
 *
 * Checks.  Reading all metadata of every file system twice, as the
 * reference does, takes longer than the conversion.  Here a file system is
 * checked if it gives a reason: its journal has to be replayed or its
 * superblock says that errors were seen (ext2, 3, 4), or it cannot be
 * mounted.  Journals are replayed by the read-only mount, on the overlay.
 * Nothing is ever repaired: what the checker says is the message.
 *
 * Mounting.  The mount points come from the guest, so that each is
 * resolved inside the guest first: a link there must not lead into the
 * appliance.
 */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <guestfs.h>

#include "guest-internal.h"
#include "inspection.h"
#include "report.h"
#include "scan.h"
#include "v2v-utils.h"

/* How much of a checker's output is quoted. */
#define MAX_WORDS 800

static bool
is_ext (const struct device *v)
{
  return v->type != NULL && strncmp (v->type, "ext", 3) == 0 &&
         strlen (v->type) == 4;
}

/* ---- checks ---- */

void
mounts_note_state (struct guest *gst, struct inspection *in,
                   const struct device *v)
{
  CLEANUP_FREE char *sb = NULL;
  const unsigned char *p;
  size_t n;

  if (!is_ext (v))
    return;
  sb = guestfs_pread_device (gst->g, v->name, 1024, 1024, &n);
  if (sb == NULL || n < 1024)
    return;
  p = (const unsigned char *)sb;
  /* s_state: 1 = clean, 2 = errors seen; s_feature_incompat 4 = journal
   * needs recovery; s_error_count.
   */
  if ((p[0x3a] & 2) != 0 || (p[0x3a] & 1) == 0 || (p[0x60] & 4) != 0 ||
      (p[0x194] | p[0x195] | p[0x196] | p[0x197]) != 0)
    in->unclean[v - in->devices.v] = true;
}

/* TEXT with the kernel's name of V, which can be that of another disk to
 * the reader, replaced by ours; allocated, or NULL.
 */
static char *
with_name (const char *text, const struct device *v)
{
  const size_t from = strlen (v->real), to = strlen (v->name);
  const char *p;
  size_t n = 0;
  char *r, *out;

  for (p = text; (p = strstr (p, v->real)) != NULL; p += from)
    n++;
  r = out = malloc (strlen (text) + n * to + 1);
  if (r == NULL)
    return NULL;
  while ((p = strstr (text, v->real)) != NULL) {
    memcpy (out, text, p - text);
    out += p - text;
    memcpy (out, v->name, to);
    out += to;
    text = p + from;
  }
  strcpy (out, text);
  return r;
}

char *
mounts_damage (struct guest *gst, const struct device *v)
{
  static const struct {
    const char *type, *command;
  } checkers[] = {
    { "ext2", "e2fsck -f -n" },
    { "ext3", "e2fsck -f -n" },
    { "ext4", "e2fsck -f -n" },
    { "xfs", "xfs_repair -n" },
    { "btrfs", "btrfs check --readonly" },
  };
  CLEANUP_FREE char *command = NULL, *out = NULL;
  char *args[2] = { NULL, NULL };
  char *status, *words;
  size_t i, len;

  /* The name is the kernel's or the device mapper's, with nothing in it
   * that a shell would act upon; if there is, the check is left out.
   */
  if (v->type == NULL || !devices_safe_name (v->real))
    return NULL;
  for (i = 0; i < V2V_ARRAY_SIZE (checkers); ++i)
    if (strcmp (checkers[i].type, v->type) == 0)
      break;
  if (i == V2V_ARRAY_SIZE (checkers) ||
      asprintf (&command, "{ %s %s 2>&1; echo \"status $?\"; } | tail -c 4000",
                checkers[i].command, v->real) == -1) {
    command = NULL;
    return NULL;
  }
  args[0] = command;
  out = guestfs_debug (gst->g, "sh", args);
  if (out == NULL)
    return NULL;
  status = strstr (out, "status ");
  while (status != NULL && strstr (status + 1, "status ") != NULL)
    status = strstr (status + 1, "status ");
  if (status == NULL || atoi (status + 7) == 0)
    return NULL;
  *status = '\0';
  len = strlen (out);
  words = out + (len > MAX_WORDS ? len - MAX_WORDS : 0);
  return with_name (words, v);
}

/* V is not mounted, and its journal has been replayed. */
static int
check (struct guest *gst, const struct device *v)
{
  CLEANUP_FREE char *damage = mounts_damage (gst, v);

  if (damage == NULL)
    return 0;
  report_error (gst->report, "file-system-damaged",
                "the %s file system on %s is damaged; repair it in the "
                "guest: %s",
                v->type, v->name, damage);
  return -1;
}

static bool
wants_check (const struct inspection *in, const struct inspection_options *opts,
             const struct device *v)
{
  switch (opts->fsck) {
  case FSCK_NEVER:
    return false;
  case FSCK_ALWAYS:
    return true;
  case FSCK_AUTO:
    break;
  }
  return in->unclean[v - in->devices.v];
}

/* ---- mounting ---- */

static int
add_mount (struct guest *gst, const char *mountpoint, const char *mountable,
           const struct device *v)
{
  struct guest_mount *m = realloc (gst->mounts,
                                   (gst->nr_mounts + 1) * sizeof *m);

  if (m == NULL)
    return guest_no_memory (gst);
  gst->mounts = m;
  m += gst->nr_mounts;
  m->mountpoint = strdup (mountpoint);
  m->mountable = strdup (mountable);
  m->fstype = strdup (v->type ? v->type : "unknown");
  m->uuid = v->uuid ? strdup (v->uuid) : NULL;
  gst->nr_mounts++;
  if (!m->mountpoint || !m->mountable || !m->fstype)
    return guest_no_memory (gst);
  report_mount (gst->report, mountpoint, mountable, m->fstype, m->uuid);
  return 0;
}

/* The libguestfs name of what ENTRY mounts from V (allocated), or NULL. */
static char *
mountable_of (const struct inspection *in, const struct fstab_entry *entry,
              const struct device *v)
{
  CLEANUP_FREE char *subvol = NULL, *id = NULL;
  const char *path = NULL;
  char *r;
  size_t i;

  if (v->type == NULL || strcmp (v->type, "btrfs") != 0)
    return strdup (v->name);
  subvol = fstab_option (entry->options, "subvol");
  id = fstab_option (entry->options, "subvolid");
  if (subvol != NULL) {
    path = subvol;
    while (*path == '/')
      path++;
  }
  else if (id != NULL)
    for (i = 0; i < in->nr_subvolumes; ++i)
      if (in->subvolumes[i].device == v &&
          in->subvolumes[i].id == strtoull (id, NULL, 10))
        path = in->subvolumes[i].path;
  if (path == NULL || *path == '\0')
    return strdup (v->name);
  return asprintf (&r, "btrfsvol:%s/%s", v->name, path) == -1 ? NULL : r;
}

/* What the conversion cannot do without. */
static bool
is_needed (const char *mountpoint)
{
  return strcmp (mountpoint, "/boot") == 0 ||
         strcmp (mountpoint, "/usr") == 0 || strcmp (mountpoint, "/var") == 0 ||
         strcmp (mountpoint, "/etc") == 0 || strcmp (mountpoint, "/lib") == 0;
}

/* Report that ENTRY cannot be mounted; -1 if that is fatal. */
static int
cannot_mount (struct guest *gst, const struct fstab_entry *entry,
              const char *code, const char *reason)
{
  CLEANUP_FREE char *nofail = fstab_option (entry->options, "nofail");
  CLEANUP_FREE char *noauto = fstab_option (entry->options, "noauto");

  if (is_needed (entry->mountpoint) && nofail == NULL && noauto == NULL) {
    report_error (gst->report, code,
                  "%s (%s in /etc/fstab) cannot be "
                  "mounted: %s",
                  entry->mountpoint, entry->spec, reason);
    return -1;
  }
  if (noauto == NULL)
    report_warning (gst->report, code,
                    "%s (%s in /etc/fstab) cannot be "
                    "mounted: %s",
                    entry->mountpoint, entry->spec, reason);
  return 0;
}

static int
mount_entry (struct guest *gst, struct inspection *in,
             const struct inspection_options *opts,
             const struct fstab_entry *entry)
{
  CLEANUP_FREE char *mountable = NULL, *where = NULL, *reason = NULL;
  const struct device *v;
  bool guessed;
  size_t i;

  v = devices_resolve (&in->devices, &in->names, entry->spec, &guessed);
  if (v != NULL && scan_is_locked (&in->devices, v))
    return cannot_mount (gst, entry, "luks-no-key",
                         "it is encrypted and no key was given for it");
  if (v == NULL) {
    for (i = 0; i < in->devices.n; ++i)
      if (scan_is_locked (&in->devices, &in->devices.v[i]))
        return cannot_mount (gst, entry, "luks-no-key",
                             "there is no such device; perhaps it is in an "
                             "encrypted device for which no key was given");
    return cannot_mount (gst, entry, "mount-failed",
                         "there is no such device; was a disk left out?");
  }
  if (guessed)
    report_info (gst->report,
                 "%s is taken to be %s, by the order of the "
                 "disks",
                 entry->spec, v->name);
  mountable = mountable_of (in, entry, v);
  if (mountable == NULL)
    return guest_no_memory (gst);
  where = guestfs_realpath (gst->g, entry->mountpoint);
  if (where == NULL)
    return cannot_mount (gst, entry, "mount-failed",
                         "the mount point does not exist");
  for (i = 0; i < gst->nr_mounts; ++i)
    if (strcmp (gst->mounts[i].mountpoint, where) == 0)
      return 0;

  mounts_note_state (gst, in, v);
  if (wants_check (in, opts, v)) {
    /* Replay, then look. */
    if (guestfs_mount_ro (gst->g, mountable, where) == 0 &&
        guestfs_umount (gst->g, where) == -1) {
      report_error (gst->report, "unmount-failed", "%s: %s", entry->mountpoint,
                    guest_last_error (gst));
      return -1;
    }
    if (check (gst, v) == -1)
      return -1;
  }
  if (guestfs_mount (gst->g, mountable, where) == -1) {
    CLEANUP_FREE char *damage = NULL;

    reason = strdup (guest_last_error (gst));
    damage = mounts_damage (gst, v);
    return cannot_mount (gst, entry,
                         damage ? "file-system-damaged" : "mount-failed",
                         damage   ? damage
                         : reason ? reason
                                  : "");
  }
  return add_mount (gst, where, mountable, v);
}

bool
mounts_is_mounted (const struct guest *gst, const struct device *v)
{
  size_t i, len = strlen (v->name);

  for (i = 0; i < gst->nr_mounts; ++i) {
    const char *m = gst->mounts[i].mountable;

    if (strncmp (m, "btrfsvol:", 9) == 0)
      m += 9;
    if (strncmp (m, v->name, len) == 0 && (m[len] == '\0' || m[len] == '/'))
      return true;
  }
  return false;
}

/* Without a line in fstab systemd finds the EFI system partition, and the
 * extended boot partition, by their types, and mounts them on /efi or
 * /boot if these are empty directories.
 */
static int
mount_by_type (struct guest *gst, struct inspection *in)
{
  static const struct {
    const char *type, *where[4];
  } rules[] = {
    { "bc13c2ff-59e6-4262-a352-b275fd6f7172", { "/boot", NULL } },
    { "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
      { "/efi", "/boot/efi", "/boot", NULL } },
  };
  size_t i, j, k;

  for (i = 0; i < V2V_ARRAY_SIZE (rules); ++i)
    for (j = 0; j < in->devices.n; ++j) {
      const struct device *v = &in->devices.v[j];

      if (v->parttype == NULL || v->type == NULL ||
          strcasecmp (v->parttype, rules[i].type) != 0)
        continue;
      if (mounts_is_mounted (gst, v))
        break;
      for (k = 0; rules[i].where[k] != NULL; ++k) {
        const char *where = rules[i].where[k];
        char **names;
        bool empty;

        if (strcmp (guest_mount_of (gst, where)->mountpoint, where) == 0 ||
            guestfs_is_dir (gst->g, where) != 1)
          continue;
        names = guestfs_ls (gst->g, where);
        empty = names != NULL && names[0] == NULL;
        guest_free_strings (names);
        if (!empty || guestfs_mount (gst->g, v->name, where) == -1)
          continue;
        if (add_mount (gst, where, v->name, v) == -1)
          return -1;
        break;
      }
      break; /* the first of its type */
    }
  return 0;
}

/* Can a file be made in "/"? */
static int
check_writable (struct guest *gst)
{
  static const char probe[] = "/.v2v-probe";
  int r = guestfs_write (gst->g, probe, "", 0), e;

  if (r == 0)
    r = guestfs_rm (gst->g, probe);
  if (r == 0)
    return 0;
  e = guestfs_last_errno (gst->g);
  report_error (
    gst->report, e == ENOSPC ? "no-space" : "read-only-root",
    "nothing can be written to the root file system (%s)%s",
    guest_last_error (gst),
    e == EROFS ? ": was the guest running when its disk was "
                 "copied, or is the file system damaged? Shut the guest down "
                 "cleanly and try again"
               : "");
  return -1;
}

static int
mount_root (struct guest *gst, struct inspection *in,
            const struct inspection_options *opts)
{
  const struct device *v = in->root;
  bool mounted = in->mounted_ro != NULL;

  if (wants_check (in, opts, v)) {
    if (mounted && guestfs_umount_all (gst->g) == -1) {
      report_error (gst->report, "unmount-failed", "%s: %s", gst->root,
                    guest_last_error (gst));
      return -1;
    }
    mounted = false;
    if (check (gst, v) == -1)
      return -1;
  }
  free (in->mounted_ro);
  in->mounted_ro = NULL;
  if ((mounted ? guestfs_remount (gst->g, "/", GUESTFS_REMOUNT_RW, 1, -1)
               : guestfs_mount (gst->g, gst->root, "/")) == -1) {
    report_error (gst->report, "read-only-root",
                  "the root file system on %s cannot be mounted for "
                  "writing: %s",
                  gst->root, guest_last_error (gst));
    return -1;
  }
  if (add_mount (gst, "/", gst->root, v) == -1)
    return -1;
  return check_writable (gst);
}

int
mounts_mount (struct guest *gst, struct inspection *in,
              const struct inspection_options *opts)
{
  const struct device *boot = in->root;
  size_t i;

  if (mount_root (gst, in, opts) == -1)
    return -1;
  for (i = 0; i < in->fstab.n; ++i)
    if (strcmp (in->fstab.v[i].mountpoint, "/") != 0 &&
        mount_entry (gst, in, opts, &in->fstab.v[i]) == -1)
      return -1;

  if (mount_by_type (gst, in) == -1)
    return -1;

  /* Without GRUB's mark: the disk with /boot, if it is a partition. */
  if (gst->boot_disk == -1) {
    const struct guest_mount *m = guest_mount_of (gst, "/boot/x");
    const struct device *v = devices_find (&in->devices, m->mountable);

    boot = v ? v : boot;
    gst->boot_disk = boot->disk;
  }
  return 0;
}
