/* SPDX-License-Identifier: BSD-3-Clause */

/* Ask the appliance for its block devices, and open encrypted ones.
 * devices.c has the form of the answer.
 */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <guestfs.h>

#include "devices.h"
#include "guest.h"
#include "keys.h"
#include "report.h"
#include "scan.h"
#include "v2v-utils.h"

/* LUKS on LVM on LUKS on MD is four levels. */
#define MAX_LEVELS 5

/* Runs in the appliance.  It is constant; names of devices reach it only
 * as what the appliance's kernel and udev call them, always quoted.  blkid -p
 * is given one device at a time: it ends at the first that holds nothing.
 */
static const char script[] =
  "udevadm settle >/dev/null 2>&1\n"
  "set --\n"
  "for d in /sys/block/sd*; do\n"
  "  [ -e \"$d/device\" ] || continue\n"
  "  n=${d##*/}; a=$(readlink \"$d/device\"); read -r s <\"$d/size\"\n"
  "  echo \"disk $n ${a##*/} $s\"\n"
  "  set -- \"$@\" \"/dev/$n\"\n"
  "  for p in \"$d/$n\"[0-9]*; do\n"
  "    [ -e \"$p/partition\" ] || continue\n"
  "    read -r i <\"$p/partition\"; read -r o <\"$p/start\"\n"
  "    read -r z <\"$p/size\"\n"
  "    echo \"part $n ${p##*/} $i $o $z\"\n"
  "    set -- \"$@\" \"/dev/${p##*/}\"\n"
  "  done\n"
  "done\n"
  "for d in /sys/block/dm-*; do\n"
  "  [ -e \"$d/dm/name\" ] || continue\n"
  "  read -r n <\"$d/dm/name\"; read -r u <\"$d/dm/uuid\"\n"
  "  echo \"dm ${d##*/} $n $u\"\n"
  "  set -- \"$@\" \"/dev/mapper/$n\"\n"
  "done\n"
  "for d in /sys/block/md*; do\n"
  "  [ -e \"$d/md\" ] || continue\n"
  "  echo \"md ${d##*/}\"\n"
  "  set -- \"$@\" \"/dev/${d##*/}\"\n"
  "done\n"
  "for l in /dev/disk/by-id/md-uuid-*; do\n"
  "  [ -h \"$l\" ] && echo \"mdlink ${l##*/} $(readlink \"$l\")\"\n"
  "done\n"
  "for l in /dev/md/*; do\n"
  "  [ -h \"$l\" ] && echo \"mdname ${l##*/} $(readlink \"$l\")\"\n"
  "done\n"
  "echo blkid\n"
  "for d; do blkid -p -o export \"$d\" 2>/dev/null; echo; done\n"
  "exit 0\n";

int
devices_scan (struct guest *gst, struct devices *d, size_t nr_disks)
{
  char *args[] = { (char *)script, NULL };
  CLEANUP_FREE char *text = guestfs_debug (gst->g, "sh", args);

  if (text == NULL) {
    report_error (gst->report, "inspection-failed",
                  "cannot list the disks in the appliance: %s",
                  guestfs_last_error (gst->g));
    return -1;
  }
  if (devices_parse (d, text, nr_disks) == -1) {
    report_error (gst->report, "out-of-memory", "out of memory");
    return -1;
  }
  return 0;
}

static bool
is_opened (const struct devices *d, const char *map)
{
  size_t i;

  for (i = 0; i < d->n; ++i)
    if (d->v[i].dm_name != NULL && strcmp (d->v[i].dm_name, map) == 0)
      return true;
  return false;
}

/* 1 if one of the keys opened it, 0 if none is meant for it or works. */
static int
open_one (struct guest *gst, const struct device *v, const char *map,
          const struct keys *keys)
{
  size_t i;

  for (i = 0; i < keys->n; ++i)
    if (keys_match (&keys->v[i], v->name, v->uuid) &&
        guestfs_cryptsetup_open (gst->g, v->name, keys->v[i].secret, map, -1) ==
          0)
      return 1;
  return 0;
}

int
scan_all (struct guest *gst, struct devices *d, size_t nr_disks,
          const struct keys *keys)
{
  unsigned level;
  size_t i;

  if (devices_scan (gst, d, nr_disks) == -1)
    return -1;
  for (level = 0; level < MAX_LEVELS && keys->n > 0; ++level) {
    unsigned opened = 0;

    for (i = 0; i < d->n; ++i) {
      const struct device *v = &d->v[i];
      CLEANUP_FREE char *map = NULL;

      if (v->type == NULL || strcmp (v->type, "crypto_LUKS") != 0 ||
          v->uuid == NULL)
        continue;
      if (asprintf (&map, "luks-%s", v->uuid) == -1) {
        map = NULL;
        continue;
      }
      /* The second member of a mirrored container has the same UUID. */
      if (!is_opened (d, map))
        opened += open_one (gst, v, map, keys);
    }
    if (opened == 0)
      break;
    report_info (gst->report, "Opened %u encrypted device%s", opened,
                 opened == 1 ? "" : "s");
    if (guestfs_lvm_scan (gst->g, 1) == -1)
      report_warning (gst->report, "lvm-scan-failed", "%s",
                      guestfs_last_error (gst->g));
    if (devices_scan (gst, d, nr_disks) == -1)
      return -1;
  }
  return 0;
}

bool
scan_is_locked (const struct devices *d, const struct device *v)
{
  CLEANUP_FREE char *map = NULL;

  if (v->type == NULL || strcmp (v->type, "crypto_LUKS") != 0)
    return false;
  if (v->uuid == NULL || asprintf (&map, "luks-%s", v->uuid) == -1) {
    map = NULL;
    return true;
  }
  return !is_opened (d, map);
}
