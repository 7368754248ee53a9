/* SPDX-License-Identifier: BSD-3-Clause */

/* Which disk a name means, and what stands for it.
 *
 * A name like /dev/sdb3 means "partition 3 of the second disk that the
 * SCSI layer found".  On the target the disk is on another bus, so that
 * every such name is replaced by what belongs to the data: the UUID of
 * the file system, else the UUID of the partition, and only where there
 * is neither by the name on the new bus.
 *
 * Which disk a name means:
 *
 * 1. Each family of names (sd, hd, vd, xvd, nvme, cciss) numbers the disks
 *    of its own buses.  If the source's description says on which bus a
 *    disk was, only those disks take part; a disk of unknown bus takes
 *    part in every family.  IDE disks are hd to old kernels, sd to newer
 *    ones.
 * 2. The guess "in the order given" is tested against fstab: the
 *    partition must exist, its content must be what fstab mounts, and the
 *    line for "/" must name the partition that holds this very fstab.
 * 3. If the guess fails, all orders (of up to 5 disks) are tried.  The
 *    one that fits is taken if all that fit agree about every name in
 *    fstab.  If none fits, or they disagree, the family is unknown: its
 *    names are left as they are and reported.  A wrong UUID would mount
 *    the wrong disk; a wrong name at worst mounts nothing.
 *
 * Names under by-path and by-id, and those of multipath, are resolved for
 * guests with one disk.  With several, by-path of SCSI is by its target
 * number, if proved.  A name by id, or of multipath, is known if it holds a
 * disk's serial number, if fstab mounts "/" by it, or if fstab has as many
 * of its kind as there are disks and only one way to match them fits.
 */

#include <config.h>

#include <ctype.h>
#include <stdio.h>

#include "devmap.h"
#include "v2v-utils.h"

/* As devname_parse, and names that the guest's multipath.conf made up. */
static bool
parse (const struct devmap *map, struct span name, struct devname *out)
{
  struct span all = map->aliases, line, eol, s;

  if (devname_parse (name, out))
    return true;
  if (!span_starts (name, "/dev/mapper/"))
    return false;
  while (span_line (&all, &line, &eol)) {
    s = span_skip (name, 12);
    if (line.n == 0 || s.n < line.n || memcmp (s.p, line.p, line.n) != 0 ||
        !devname_suffix (&s, line.n,
                         !isdigit ((unsigned char)line.p[line.n - 1]),
                         &out->part) ||
        s.n != line.n)
      continue;
    out->family = DEV_ID;
    out->index = 0;
    out->id = s;
    return true;
  }
  return false;
}

/* Can the names of family F mean a disk on BUS? */
static bool
family_has (enum devfamily f, enum devbus bus)
{
  switch (bus) {
  case DEVBUS_IDE:
    return f == DEV_HD || f == DEV_SD || f == DEV_XVD;
  case DEVBUS_SCSI:
    return f == DEV_SD || f == DEV_CCISS || f == DEV_XVD;
  case DEVBUS_NVME:
    return f == DEV_NVME;
  case DEVBUS_VIRTIO:
    return f == DEV_VD;
  case DEVBUS_XEN:
    return f == DEV_XVD || f == DEV_SD || f == DEV_HD;
  default:
    return true;
  }
}

/* Does fstab's type T fit what blkid found? */
static bool
fits (struct span t, const struct devid *id)
{
  const struct span seen = span_of (id->fstype);

  if (span_is (t, "auto") || span_is (t, "none") || t.n == 0)
    return true;
  if (span_starts (t, "ext") && t.n == 4)
    return span_starts (seen, "ext") && seen.n == 4;
  if (span_is (t, "vfat") || span_is (t, "msdos"))
    return span_is (seen, "vfat");
  if (span_starts (t, "ntfs") || span_is (t, "fuseblk"))
    return span_is (seen, "ntfs");
  if (span_is (t, "swap")) /* a hibernated system's is swsuspend */
    return span_starts (seen, "sw");
  return seen.n == t.n && memcmp (seen.p, t.p, t.n) == 0;
}

/* One line of fstab that a family's order must explain. */
struct witness {
  struct span fstype;
  struct devname name;
  bool root;
};

#define MAX_WITNESSES 64

static size_t
collect (const struct devmap *map, struct span fstab, enum devfamily f,
         unsigned first, struct witness *w)
{
  struct span line, eol, space, word[4];
  size_t n = 0, i;

  while (n < MAX_WITNESSES && span_line (&fstab, &line, &eol)) {
    for (i = 0; i < 4; i++)
      if (!span_word (&line, &space, &word[i]))
        word[i] = (struct span){ "", 0 };
    if (word[1].n == 0 || span_starts (word[0], "#") ||
        !parse (map, word[0], &w[n].name) || w[n].name.family != f)
      continue;
    /* A CD-ROM, or something else that need not be there. */
    if (span_contains (word[2], "iso9660") || span_contains (word[2], "udf") ||
        span_contains (word[3], "noauto"))
      continue;
    if (w[n].name.index < first)
      continue;
    w[n].name.index -= first;
    w[n].fstype = word[2];
    w[n].root = span_is (word[1], "/");
    n++;
  }
  return n;
}

static bool
explains (struct devmap *map, const struct witness *w, size_t nr,
          const unsigned *order, unsigned count)
{
  struct devid id;
  size_t i;

  for (i = 0; i < nr; i++) {
    unsigned disk;

    if (w[i].name.index >= count)
      return false;
    disk = order[w[i].name.index];
    if (w[i].root && map->root_disk >= 0 &&
        (disk != (unsigned)map->root_disk ||
         w[i].name.part != (unsigned)map->root_part))
      return false;
    if (map->identify (map->opaque, disk, w[i].name.part, false, &id) != 1 ||
        !fits (w[i].fstype, &id))
      return false;
  }
  return true;
}

/* The next permutation in lexicographic order. */
static bool
next_order (unsigned *v, unsigned n)
{
  unsigned i, j, t;

  if (n < 2)
    return false;
  for (i = n - 1; i > 0 && v[i - 1] >= v[i]; i--)
    ;
  if (i == 0)
    return false;
  for (j = n - 1; v[j] <= v[i - 1]; j--)
    ;
  t = v[i - 1], v[i - 1] = v[j], v[j] = t;
  for (j = n - 1; i < j; i++, j--)
    t = v[i], v[i] = v[j], v[j] = t;
  return true;
}

static void
solve (struct devmap *map, enum devfamily f, struct span fstab)
{
  unsigned *order = map->order[f], n = 0, i, first = 0;
  unsigned trial[DEVMAP_MAX_DISKS], found[DEVMAP_MAX_DISKS];
  struct witness w[MAX_WITNESSES];
  bool have = false;
  size_t nr;

  for (i = 0; i < map->nr_disks; i++)
    if (family_has (f, map->bus[i]))
      order[n++] = i;
  /* A description that says "SCSI" of a guest that says hda is wrong
   * (many exports do): trust the guest.
   */
  nr = collect (map, fstab, f, 0, w);
  if (n == 0 && nr > 0)
    for (i = 0; i < map->nr_disks; i++)
      order[n++] = i;
  map->count[f] = n;

  if (f == DEV_XVD && nr > 0) {
    for (i = 0, first = 4; i < nr; i++)
      if (w[i].name.index < 4)
        first = 0;
    map->xvd_first = first;
    nr = collect (map, fstab, f, first, w);
  }
  if (nr == 0 || n == 0 || explains (map, w, nr, order, n))
    return;
  if (n == 1) {
    /* Nothing to choose from.  A single bad line (a disk that was left
     * behind) must not take the good ones with it.
     */
    return;
  }
  if (n > 5) {
    map->count[f] = 0;
    return;
  }
  memcpy (trial, order, n * sizeof *order);
  do {
    if (!explains (map, w, nr, trial, n))
      continue;
    if (have) {
      for (i = 0; i < nr; i++)
        if (trial[w[i].name.index] != found[w[i].name.index]) {
          map->count[f] = 0;
          return;
        }
    }
    else
      memcpy (found, trial, n * sizeof *found);
    have = true;
  } while (next_order (trial, n));

  if (have)
    memcpy (order, found, n * sizeof *order);
  else {
    /* Perhaps only one line is bad.  The order as given stands if it at
     * least puts "/" where it is.
     */
    for (i = 0; i < nr; i++)
      if (w[i].root)
        break;
    if (i == nr || !explains (map, &w[i], 1, order, n))
      map->count[f] = 0;
  }
}

/* With several disks a target number tells the rank of a disk only if no
 * target is left out.  Believe it if "/" is named that way and right.
 */
static bool
path_proved (struct devmap *map, struct span fstab)
{
  struct witness w[MAX_WITNESSES];
  const size_t nr = collect (map, fstab, DEV_PATH, 0, w);
  size_t i;

  if (map->root_disk < 0 ||
      !explains (map, w, nr, map->order[DEV_PATH], map->count[DEV_PATH]))
    return false;
  for (i = 0; i < nr; i++)
    if (w[i].root)
      return true;
  return false;
}

static void
know_id (struct devmap *map, struct span id, unsigned disk)
{
  char *to;

  if (map->nr_ids == DEVMAP_MAX_IDS || id.n >= DEVMAP_ID_SIZE)
    return;
  to = map->ids[map->nr_ids];
  memcpy (to, id.p, id.n);
  to[id.n] = '\0';
  map->id_disk[map->nr_ids++] = disk;
}

static bool
find_id (const struct devmap *map, struct span id, unsigned *disk)
{
  unsigned i;

  for (i = 0; i < map->nr_ids; i++)
    if (span_is (id, map->ids[i])) {
      *disk = map->id_disk[i];
      return true;
    }
  return false;
}

/* Letters and digits of S, in lower case. */
static void
bare (struct span s, char to[DEVMAP_ID_SIZE])
{
  size_t i, n = 0;

  for (i = 0; i < s.n && n < DEVMAP_ID_SIZE - 1; i++)
    if (isalnum ((unsigned char)s.p[i]))
      to[n++] = tolower ((unsigned char)s.p[i]);
  to[n] = '\0';
}

/* The only disk whose serial number is in ID. */
static bool
by_serial (const struct devmap *map, struct span id, unsigned *disk)
{
  char name[DEVMAP_ID_SIZE], serial[DEVMAP_ID_SIZE];
  unsigned i, found = 0;

  bare (id, name);
  for (i = 0; i < map->nr_disks; i++) {
    if (!map->serial[i])
      continue;
    bare (span_of (map->serial[i]), serial);
    if (strlen (serial) >= 8 && strstr (name, serial)) {
      *disk = i;
      found++;
    }
  }
  return found == 1;
}

/* "scsi-", "wwn-", ...; "" for multipath. */
static struct span
kind_of_id (struct span id)
{
  const char *dash = memchr (id.p, '-', id.n);

  return (struct span){ id.p, dash ? (size_t)(dash - id.p) : 0 };
}

static bool
same_span (struct span a, struct span b)
{
  return a.n == b.n && memcmp (a.p, b.p, a.n) == 0;
}

/* As many names of one kind as there are disks: only one order may fit. */
static void
solve_kind (struct devmap *map, struct witness *w, size_t nr, struct span kind)
{
  struct span ids[DEVMAP_MAX_DISKS];
  struct witness ours[MAX_WITNESSES];
  unsigned order[DEVMAP_MAX_DISKS], found[DEVMAP_MAX_DISKS], k, nr_ids = 0;
  size_t i, n = 0;
  bool have = false;

  for (i = 0; i < nr; i++) {
    if (!same_span (kind_of_id (w[i].name.id), kind))
      continue;
    for (k = 0; k < nr_ids && !same_span (ids[k], w[i].name.id); k++)
      ;
    if (k == map->nr_disks)
      return;
    if (k == nr_ids)
      ids[nr_ids++] = w[i].name.id;
    ours[n] = w[i];
    ours[n++].name.index = k;
  }
  if (nr_ids != map->nr_disks || nr_ids > 5)
    return;
  for (k = 0; k < nr_ids; k++)
    order[k] = k;
  do {
    if (!explains (map, ours, n, order, nr_ids))
      continue;
    if (have)
      return;
    memcpy (found, order, nr_ids * sizeof *order);
    have = true;
  } while (next_order (order, nr_ids));
  for (k = 0; have && k < nr_ids; k++)
    know_id (map, ids[k], found[k]);
}

static void
solve_ids (struct devmap *map, struct span fstab)
{
  struct witness w[MAX_WITNESSES];
  const size_t nr = collect (map, fstab, DEV_ID, 0, w);
  unsigned disk;
  size_t i, j;

  for (i = 0; i < nr; i++)
    if (w[i].root && map->root_disk >= 0 &&
        w[i].name.part == (unsigned)map->root_part)
      know_id (map, w[i].name.id, map->root_disk);
  for (i = 0; i < nr; i++) {
    const struct span kind = kind_of_id (w[i].name.id);

    for (j = 0; j < i && !same_span (kind_of_id (w[j].name.id), kind); j++)
      ;
    if (j == i && !find_id (map, w[i].name.id, &disk))
      solve_kind (map, w, nr, kind);
  }
}

void
devmap_solve (struct devmap *map, struct span fstab)
{
  unsigned f;

  map->nr_disks = V2V_MIN (map->nr_disks, DEVMAP_MAX_DISKS);
  map->xvd_first = 0;
  for (f = 0; f < DEV_PATH; f++)
    solve (map, f, fstab);
  map->count[DEV_PATH] = map->count[DEV_SD];
  memcpy (map->order[DEV_PATH], map->order[DEV_SD], sizeof map->order[DEV_SD]);
  if (map->nr_disks == 1) {
    map->order[DEV_PATH][0] = 0;
    map->count[DEV_PATH] = 1;
  }
  else if (!path_proved (map, fstab))
    map->count[DEV_PATH] = 0;
  map->order[DEV_ID][0] = 0;
  map->count[DEV_ID] = map->nr_disks == 1;
  map->nr_ids = 0;
  if (map->nr_disks > 1)
    solve_ids (map, fstab);
}

int
devmap_find (struct devmap *map, struct span name, unsigned *disk,
             unsigned *part)
{
  struct devname d;

  if (!parse (map, name, &d))
    return 0;
  if (d.family == DEV_ID && map->nr_disks > 1 && d.id.n) {
    *part = d.part;
    return find_id (map, d.id, disk) || by_serial (map, d.id, disk) ? 1 : -1;
  }
  if (map->nr_disks == 1 && d.family >= DEV_PATH)
    d.index = 0;
  if (d.family == DEV_XVD) {
    if (d.index < map->xvd_first)
      return -1;
    d.index -= map->xvd_first;
  }
  if (d.index >= map->count[d.family])
    return -1;
  *disk = map->order[d.family][d.index];
  *part = d.part;
  return 1;
}

/* What comes from the guest's disk must not break out of a field. */
static bool
clean (const char *s)
{
  return s[0] && s[strspn (s, "0123456789abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ-")] == '\0';
}

static void
virtio_name (unsigned disk, unsigned part, struct text *out)
{
  char letters[8];
  int i = sizeof letters;
  unsigned n = disk + 1;

  letters[--i] = '\0';
  while (n) {
    letters[--i] = 'a' + (n - 1) % 26;
    n = (n - 1) / 26;
  }
  text_addf (out, "/dev/vd%s", letters + i);
  if (part)
    text_addf (out, "%u", part);
}

int
devmap_put (struct devmap *map, struct span name, enum devform form,
            struct text *out)
{
  struct devid id;
  unsigned disk, part;
  bool uuid, partuuid;
  int r = devmap_find (map, name, &disk, &part);

  if (r == 1) {
    memset (&id, 0, sizeof id);
    if (map->identify (map->opaque, disk, part,
                       form == DEVFORM_PARTTAG || form == DEVFORM_PARTPATH,
                       &id) != 1)
      r = -1;
  }
  if (r != 1) {
    if (r == -1 && map->unknown)
      map->unknown (map->opaque, name);
    text_add_span (out, name);
    return 0;
  }
  uuid = clean (id.uuid);
  partuuid = part && clean (id.partuuid);
  if (form == DEVFORM_NAME) {
    struct devname d;

    if (devname_parse (name, &d) && d.family == DEV_VD) {
      text_add_span (out, name);
      return 0;
    }
    virtio_name (disk, part, out);
  }
  else if (uuid && (form == DEVFORM_TAG || form == DEVFORM_PATH ||
                    (form == DEVFORM_PARTPATH && !partuuid)))
    text_addf (out, "%s%s",
               form == DEVFORM_TAG ? "UUID=" : "/dev/disk/by-uuid/", id.uuid);
  else if (partuuid)
    text_addf (out, "%s%s",
               form == DEVFORM_TAG || form == DEVFORM_PARTTAG
                 ? "PARTUUID="
                 : "/dev/disk/by-partuuid/",
               id.partuuid);
  else
    virtio_name (disk, part, out);
  return 1;
}
