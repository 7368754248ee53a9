/* SPDX-License-Identifier: BSD-3-Clause */

/* Giving back what nothing uses, so that it is not copied, and unmounting.
 *
 * File systems know their free space best: fstrim.  Of a swap space nothing
 * but its header has a meaning while the system is shut down; a hibernated
 * one has been refused before.  Free extents of LVM are those of no logical
 * volume, hidden ones counted, in lvm's own words; gaps between partitions
 * are left alone, boot loaders live there.
 *
 * All of it is discarded where it is, never written; what lies below and
 * cannot discard (LUKS opened without allow-discards, RAID 5) keeps its data.
 */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <guestfs.h>

#include "guest-internal.h"
#include "inspection.h"
#include "report.h"
#include "unused.h"
#include "v2v-utils.h"

/* ---- file systems ---- */

static void
trim (struct guest *gst, const char *mountpoint, const char *what)
{
  if (guestfs_fstrim (gst->g, mountpoint, -1) == 0)
    return;
  /* The file system cannot, or the device below it. */
  switch (guestfs_last_errno (gst->g)) {
  case ENOTSUP:
  case EROFS:
    break;
  default:
    if (strstr (guest_last_error (gst), "not supported") == NULL)
      report_warning (gst->report, "trim-failed",
                      "unused space of %s is copied: %s", what,
                      guest_last_error (gst));
  }
}

static bool
can_trim (const struct device *v)
{
  static const char *const types[] = { "ext2",  "ext3", "ext4", "xfs",
                                       "btrfs", "f2fs", "vfat", NULL };
  size_t i;

  for (i = 0; v->type != NULL && types[i] != NULL; ++i)
    if (strcmp (types[i], v->type) == 0)
      return true;
  return false;
}

/* ---- devices ---- */

/* One argument of a program has 128 KiB in the appliance. */
#define MAX_RANGES 500

/* How much of what lvm says is quoted. */
#define MAX_WORDS 400UL

/* The script that discards the N ranges at R, of one device, until one cannot
 * be; it prints what blkdiscard then says, and how many bytes it was in all.
 * blkid must see nothing on the device but TYPE: what was given to another use
 * can have kept an old signature.
 */
static char *
discard_script (const char *type, const char *option,
                const struct unused_range *r, size_t n)
{
  char *script = NULL;
  size_t len, i;
  FILE *fp = open_memstream (&script, &len);

  if (fp == NULL)
    return NULL;
  fprintf (fp, "d=%s; n=0\n", r->device);
  fprintf (fp, "[ \"$(wipefs -i -O TYPE $d 2>&1)\" = %s ] || exit 0\n", type);
  fprintf (fp,
           "give () {\n"
           "  m=$(blkdiscard %s -o $1 -l $2 $d 2>&1) && n=$((n + $2)) ||\n"
           "    { echo \"$m\"; echo \"given $n\"; exit 0; }\n"
           "}\n",
           option);
  for (i = 0; i < n; ++i)
    fprintf (fp, "give %" PRIu64 " %" PRIu64 "\n", r[i].start, r[i].size);
  fprintf (fp, "echo \"given $n\"\n");
  if (fclose (fp) == 0)
    return script;
  free (script);
  return NULL;
}

/* Return how many bytes were given back. */
static uint64_t
discard (struct guest *gst, const char *type, const char *option,
         const struct unused_range *r, size_t n)
{
  CLEANUP_FREE char *script = NULL, *out = NULL;
  char *args[2] = { NULL, NULL };
  char *given;

  if (!devices_safe_name (r->device))
    return 0;
  script = discard_script (type, option, r, n);
  if (script == NULL)
    return 0;
  args[0] = script;
  out = guestfs_debug (gst->g, "sh", args);
  given = out ? strstr (out, "given ") : NULL;
  if (given == NULL)
    return 0;
  if (given != out && strstr (out, "not supported") == NULL) {
    given[-1] = '\0';
    report_info (gst->report, "Unused space is copied: %s", out);
  }
  return strtoull (given + 6, NULL, 10);
}

/* Has another swap space the UUID or label of V: a snapshot, a copy? */
static bool
is_doubled (const struct devices *d, const struct device *v)
{
  size_t i;

  for (i = 0; i < d->n; ++i) {
    const struct device *w = &d->v[i];

    if (w != v && w->type != NULL && strcmp (w->type, "swap") == 0 &&
        ((v->uuid && w->uuid && strcasecmp (v->uuid, w->uuid) == 0) ||
         (v->label && w->label && strcmp (v->label, w->label) == 0)))
      return true;
  }
  return false;
}

/* Is V a swap space of the guest?  A signature is not enough: it outlives
 * the use of a partition for something that blkid does not know, and a volume
 * can be the swap of a virtual machine that the guest runs, and has saved.
 * So it must be a partition for swap, or what fstab names.
 */
static bool
is_swap (const struct inspection *in, const struct device *v)
{
  static const char *const types[] = { "0x82",
                                       "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f" };
  size_t i;

  if (v->type == NULL || strcmp (v->type, "swap") != 0 || v->pttype != NULL)
    return false;
  for (i = 0; v->parttype != NULL && i < V2V_ARRAY_SIZE (types); ++i)
    if (strcasecmp (v->parttype, types[i]) == 0)
      return true;
  for (i = 0; i < in->fstab.nr_swaps; ++i) {
    bool guessed;

    if (devices_resolve (&in->devices, &in->names, in->fstab.swaps[i],
                         &guessed) == v &&
        !guessed)
      return !is_doubled (&in->devices, v);
  }
  return false;
}

static uint64_t
discard_swap (struct guest *gst, const struct device *v)
{
  struct unused_range r = { .device = v->real, .start = UNUSED_SWAP_HEADER };
  const int64_t size = guestfs_blockdev_getsize64 (gst->g, v->name);
  CLEANUP_FREE char *first = NULL;
  uint64_t end;
  size_t len;

  if (size <= UNUSED_SWAP_HEADER)
    return 0;
  first = guestfs_pread_device (gst->g, v->name, UNUSED_SWAP_HEADER, 0, &len);
  if (first == NULL)
    return 0;
  end = unused_swap_end ((const uint8_t *)first, len, size);
  if (end <= UNUSED_SWAP_HEADER)
    return 0;
  r.size = end - UNUSED_SWAP_HEADER;
  /* Fails if anything has the device open. */
  return discard (gst, "swap", "", &r, 1);
}

/* The first line of TEXT that is not one of the list; TEXT if all are. */
static const char *
remark (const char *text)
{
  const char *line = text;

  while (*line != '\0') {
    const size_t n = strcspn (line, "\n");

    if (n > 0 && memchr (line, '|', n) == NULL)
      return line;
    line += n + (line[n] == '\n');
  }
  return text;
}

/* Nobody but us uses the appliance, so that lvm's view is valid until the
 * end.
 */
static uint64_t
discard_free_extents (struct guest *gst)
{
  static const char list[] =
    "LC_ALL=C LVM_SUPPRESS_FD_WARNINGS=1 lvm pvs --segments --noheadings "
    "--nosuffix --units s --separator '|' -O " UNUSED_LVM_ORDER
    " -o " UNUSED_LVM_FIELDS " 2>&1 || echo failed";
  char *args[] = { (char *)list, NULL };
  CLEANUP_FREE char *text = guestfs_debug (gst->g, "sh", args);
  struct unused_ranges r;
  uint64_t given = 0;
  size_t i, j;

  if (text == NULL)
    return 0;
  if (unused_extents (text, &r) == -1) {
    const char *line = remark (text);

    report_info (gst->report, "Free extents of LVM are copied: lvm says: %.*s",
                 (int)V2V_MIN (strcspn (line, "\n"), MAX_WORDS), line);
    return 0;
  }
  for (i = 0; i < r.n; i = j) {
    for (j = i + 1; j < r.n && j - i < MAX_RANGES &&
                    strcmp (r.v[j].device, r.v[i].device) == 0;
         ++j)
      ;
    /* Its other extents are in use: -f. */
    given += discard (gst, "LVM2_member", "-f", &r.v[i], j - i);
  }
  unused_ranges_free (&r);
  return given;
}

static void
discard_unused (struct guest *gst, const struct inspection *in)
{
  const struct devices *d = &in->devices;
  uint64_t swap = 0, extents = 0;
  bool lvm = false;
  char bytes[24];
  size_t i;

  for (i = 0; i < d->n; ++i) {
    if (is_swap (in, &d->v[i]))
      swap += discard_swap (gst, &d->v[i]);
    lvm |= d->v[i].type != NULL && strcmp (d->v[i].type, "LVM2_member") == 0;
  }
  if (lvm)
    extents = discard_free_extents (gst);
  snprintf (bytes, sizeof bytes, "%" PRIu64, swap);
  report_fact (gst->report, "trim", "swap", bytes);
  snprintf (bytes, sizeof bytes, "%" PRIu64, extents);
  report_fact (gst->report, "trim", "free_extents", bytes);
}

int
trim_and_unmount (struct guest *gst, const struct inspection *in,
                  bool want_trim)
{
  size_t i, j;

  for (i = 0; want_trim && i < gst->nr_mounts; ++i) {
    const char *m = gst->mounts[i].mountable;
    const struct device *v = devices_find (&in->devices, m);
    bool again = false;

    /* Several subvolumes are one file system. */
    for (j = 0; j < i; ++j)
      again |= gst->mounts[i].uuid != NULL && gst->mounts[j].uuid != NULL &&
               strcmp (gst->mounts[i].uuid, gst->mounts[j].uuid) == 0;
    if (!again && (v == NULL || can_trim (v)))
      trim (gst, gst->mounts[i].mountpoint, gst->mounts[i].mountpoint);
  }
  if (guestfs_umount_all (gst->g) == -1) {
    report_error (gst->report, "unmount-failed",
                  "the guest's file systems cannot be unmounted: %s",
                  guest_last_error (gst));
    return -1;
  }
  /* What the guest does not mount by itself: data disks, other roots. */
  for (i = 0; want_trim && i < in->devices.n; ++i) {
    const struct device *v = &in->devices.v[i];

    if (!can_trim (v) || mounts_is_mounted (gst, v) || in->unclean[i])
      continue;
    if (guestfs_mount_options (gst->g, "", v->name, "/") == -1)
      continue;
    trim (gst, "/", v->name);
    if (guestfs_umount_all (gst->g) == -1) {
      report_error (gst->report, "unmount-failed", "%s: %s", v->name,
                    guest_last_error (gst));
      return -1;
    }
  }
  if (want_trim)
    discard_unused (gst, in);
  return 0;
}
