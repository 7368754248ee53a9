/* SPDX-License-Identifier: BSD-3-Clause */

/* See devices.h.
 *
 * list_filesystems costs 1.7 s under TCG and vfs_type, vfs_uuid and
 * vfs_label 0.1 s for each device.  One constant shell script in the
 * appliance (never in the guest; nothing of the guest is put into it)
 * tells it all in 0.1 s.  Its lines:
 *
 *   disk sdb 2:0:1:0 2097152       name, SCSI address, sectors
 *   part sdb sdb1 1 2048 2095104   disk, name, number, start, sectors
 *   dm dm-0 NAME UUID              /sys/block/dm-0/dm/{name,uuid}
 *   mdlink md-uuid-… ../../md127   a link in /dev/disk/by-id
 *   mdname NAME ../md127           a link in /dev/md
 *   blkid                          from here on: `blkid -p -o export`
 *   DEVNAME=/dev/sdb1
 *   …
 *
 * The kernel may number disks in another order than they were given in;
 * libguestfs translates its names, the script cannot.  The disk's SCSI
 * target is the order in which it was given, so that "sdb" here with
 * target 0 is "/dev/sda" to libguestfs.
 */

#include <config.h>

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices.h"
#include "v2v-utils.h"
#include "vm.h"

static void
free_device (struct device *v)
{
  free (v->name);
  free (v->real);
  free (v->type);
  free (v->usage);
  free (v->uuid);
  free (v->label);
  free (v->pttype);
  free (v->partuuid);
  free (v->partlabel);
  free (v->parttype);
  free (v->dm_name);
  free (v->dm_uuid);
  free (v->md_uuid);
  free (v->md_name);
}

void
devices_free (struct devices *d)
{
  size_t i;

  for (i = 0; i < d->n; ++i)
    free_device (&d->v[i]);
  free (d->v);
  d->v = NULL;
  d->n = 0;
}

static struct device *
new_device (struct devices *d, enum device_kind kind)
{
  struct device *v = realloc (d->v, (d->n + 1) * sizeof *v);

  if (v == NULL)
    return NULL;
  d->v = v;
  v += d->n++;
  memset (v, 0, sizeof *v);
  v->kind = kind;
  v->disk = -1;
  return v;
}

/* libguestfs' name of disk INDEX: "/dev/sda" … "/dev/sdz", "/dev/sdaa". */
static char *
disk_name (unsigned index)
{
  char letters[8], *r;
  size_t i = sizeof letters;

  letters[--i] = '\0';
  index++;
  while (index > 0 && i > 0) {
    index--;
    letters[--i] = 'a' + index % 26;
    index /= 26;
  }
  if (asprintf (&r, "/dev/sd%s", letters + i) == -1)
    return NULL;
  return r;
}

/* "VG-LV" as the device mapper writes it to "/dev/VG/LV": doubled hyphens
 * are one.  NULL if it does not have that form.
 */
static char *
lv_name (const char *dm)
{
  char *r = malloc (strlen (dm) + 6), *p;
  bool split = false;

  if (r == NULL)
    return NULL;
  strcpy (r, "/dev/");
  for (p = r + 5; *dm != '\0'; ++dm) {
    if (*dm == '-' && dm[1] == '-') {
      *p++ = '-';
      dm++;
    }
    else if (*dm == '-') {
      if (split || p == r + 5 || dm[1] == '\0') {
        free (r);
        return NULL;
      }
      split = true;
      *p++ = '/';
    }
    else
      *p++ = *dm;
  }
  *p = '\0';
  if (!split) {
    free (r);
    return NULL;
  }
  return r;
}

static struct device *
find_real (struct devices *d, const char *real)
{
  size_t i;

  for (i = 0; i < d->n; ++i)
    if (d->v[i].real != NULL && strcmp (d->v[i].real, real) == 0)
      return &d->v[i];
  return NULL;
}

static char *
dev_path (const char *name)
{
  char *r;

  return asprintf (&r, "/dev/%s", name) == -1 ? NULL : r;
}

static int
add_disk_line (struct devices *d, const char *name, const char *address,
               uint64_t sectors)
{
  unsigned host, channel, target, lun;
  struct device *v;

  if (sscanf (address, "%u:%u:%u:%u", &host, &channel, &target, &lun) != 4 ||
      target >= d->nr_disks)
    return 0; /* the appliance's own */
  v = new_device (d, DEVICE_DISK);
  if (v == NULL)
    return -1;
  v->name = disk_name (target);
  v->real = dev_path (name);
  v->disk = (int)target;
  v->size = sectors;
  return v->name && v->real ? 0 : -1;
}

static int
add_part_line (struct devices *d, const char *disk, const char *name,
               unsigned part, uint64_t start, uint64_t sectors)
{
  CLEANUP_FREE char *path = dev_path (disk);
  CLEANUP_FREE char *parent_name = NULL;
  struct device *parent, *v;
  int index;

  if (path == NULL)
    return -1;
  parent = find_real (d, path);
  if (parent == NULL)
    return 0;
  index = parent->disk;
  parent_name = disk_name (index);
  v = new_device (d, DEVICE_PARTITION);
  if (v == NULL || parent_name == NULL)
    return -1;
  if (asprintf (&v->name, "%s%u", parent_name, part) == -1)
    v->name = NULL;
  v->real = dev_path (name);
  v->disk = index;
  v->part = part;
  v->start = start;
  v->size = sectors;
  return v->name && v->real ? 0 : -1;
}

static int
add_dm_line (struct devices *d, const char *dm, const char *name,
             const char *uuid)
{
  bool lvm = strncmp (uuid, "LVM-", 4) == 0;
  struct device *v;
  (void)dm;

  /* Besides LVs there are their hidden parts, "LVM-…-tdata". */
  if (lvm ? strlen (uuid) != 4 + 64 : strncmp (uuid, "CRYPT-", 6) != 0)
    return 0;
  v = new_device (d, lvm ? DEVICE_LV : DEVICE_CRYPT);
  if (v == NULL)
    return -1;
  v->dm_name = strdup (name);
  v->dm_uuid = strdup (uuid);
  if (asprintf (&v->real, "/dev/mapper/%s", name) == -1)
    v->real = NULL;
  v->name = lvm ? lv_name (name) : NULL;
  if (v->name == NULL && v->real != NULL)
    v->name = strdup (v->real);
  return v->name && v->real && v->dm_name && v->dm_uuid ? 0 : -1;
}

/* The kernel's name of array DEV ("md127"). */
static struct device *
md_device (struct devices *d, const char *dev)
{
  CLEANUP_FREE char *path = dev_path (dev);
  struct device *v;

  if (path == NULL)
    return NULL;
  v = find_real (d, path);
  if (v != NULL)
    return v;
  v = new_device (d, DEVICE_MD);
  if (v == NULL)
    return NULL;
  v->name = strdup (path);
  v->real = strdup (path);
  return v->name && v->real ? v : NULL;
}

static void
replace (char **to, char *value)
{
  free (*to);
  *to = value;
}

/* Undo blkid's escaping of VALUE (a backslash before what a shell would
 * read, "\xNN" for what cannot be printed).
 */
char *
devices_unescape (const char *value)
{
  char *r = malloc (strlen (value) + 1), *p = r;
  unsigned c;

  if (r == NULL)
    return NULL;
  while (*value != '\0') {
    if (value[0] == '\\' && value[1] == 'x' &&
        isxdigit ((unsigned char)value[2]) &&
        isxdigit ((unsigned char)value[3]) &&
        sscanf (value + 2, "%2x", &c) == 1 && c != 0) {
      *p++ = (char)c;
      value += 4;
      continue;
    }
    if (value[0] == '\\' && value[1] != '\0')
      value++;
    *p++ = *value++;
  }
  *p = '\0';
  return r;
}

static int
blkid_line (struct device *v, const char *line)
{
  static const struct {
    const char *key;
    size_t offset;
  } keys[] = {
    { "TYPE", offsetof (struct device, type) },
    { "USAGE", offsetof (struct device, usage) },
    { "UUID", offsetof (struct device, uuid) },
    { "LABEL", offsetof (struct device, label) },
    { "PTTYPE", offsetof (struct device, pttype) },
    { "PART_ENTRY_UUID", offsetof (struct device, partuuid) },
    { "PART_ENTRY_NAME", offsetof (struct device, partlabel) },
    { "PART_ENTRY_TYPE", offsetof (struct device, parttype) },
  };
  const char *eq = strchr (line, '=');
  size_t i, len;

  if (eq == NULL)
    return 0;
  len = eq - line;
  for (i = 0; i < V2V_ARRAY_SIZE (keys); ++i)
    if (strlen (keys[i].key) == len && strncmp (keys[i].key, line, len) == 0) {
      char *value = devices_unescape (eq + 1);

      if (value == NULL)
        return -1;
      replace ((char **)((char *)v + keys[i].offset), value);
      return 0;
    }
  return 0;
}

static int
parse_line (struct devices *d, char *line, bool *in_blkid,
            struct device **current)
{
  char *w[6] = { NULL }, *save = NULL, *tok;
  size_t n = 0;

  if (*in_blkid) {
    if (strncmp (line, "DEVNAME=", 8) == 0) {
      *current = find_real (d, line + 8);
      return 0;
    }
    return *current ? blkid_line (*current, line) : 0;
  }
  if (strcmp (line, "blkid") == 0) {
    *in_blkid = true;
    return 0;
  }
  for (tok = strtok_r (line, " ", &save); tok != NULL && n < 6;
       tok = strtok_r (NULL, " ", &save))
    w[n++] = tok;
  if (n == 4 && strcmp (w[0], "disk") == 0)
    return add_disk_line (d, w[1], w[2], strtoull (w[3], NULL, 10));
  if (n == 6 && strcmp (w[0], "part") == 0)
    return add_part_line (d, w[1], w[2], (unsigned)strtoul (w[3], NULL, 10),
                          strtoull (w[4], NULL, 10), strtoull (w[5], NULL, 10));
  if (n == 4 && strcmp (w[0], "dm") == 0)
    return add_dm_line (d, w[1], w[2], w[3]);
  if (n == 2 && strcmp (w[0], "md") == 0)
    return md_device (d, w[1]) ? 0 : -1;
  if (n == 3 &&
      (strcmp (w[0], "mdlink") == 0 || strcmp (w[0], "mdname") == 0)) {
    const char *base = strrchr (w[2], '/');
    struct device *v = md_device (d, base ? base + 1 : w[2]);
    char *p, *value;

    if (v == NULL)
      return -1;
    if (strcmp (w[0], "mdname") == 0) {
      replace (&v->md_name, strdup (w[1]));
      return v->md_name ? 0 : -1;
    }
    if (strncmp (w[1], "md-uuid-", 8) != 0)
      return 0;
    value = strdup (w[1] + 8);
    if (value == NULL)
      return -1;
    for (p = value; *p != '\0'; ++p)
      *p = *p == ':' ? '-' : *p;
    replace (&v->md_uuid, value);
  }
  return 0;
}

int
devices_parse (struct devices *d, const char *text, size_t nr_disks)
{
  CLEANUP_FREE char *copy = strdup (text);
  struct device *current = NULL;
  bool in_blkid = false;
  char *line, *next;

  devices_free (d);
  d->nr_disks = nr_disks;
  if (copy == NULL)
    return -1;
  for (line = copy; line != NULL; line = next) {
    next = strchr (line, '\n');
    if (next != NULL)
      *next++ = '\0';
    if (parse_line (d, line, &in_blkid, &current) == -1)
      return -1;
  }
  return 0;
}

const struct device *
devices_find (const struct devices *d, const char *name)
{
  size_t i;

  for (i = 0; i < d->n; ++i)
    if (strcmp (d->v[i].name, name) == 0)
      return &d->v[i];
  return NULL;
}

static bool
is_gpt (const uint8_t *first, size_t len, unsigned sector)
{
  return len >= sector + 92 && memcmp (first + sector, "EFI PART", 8) == 0;
}

/* A GPT at byte 4096 could be left from another use of the disk, or be data:
 * it must say itself that it is in sector 1, there must be none at byte 512,
 * and an MBR that is not GPT's own is what the guest goes by.
 */
unsigned
devices_table_sector (const uint8_t *first, size_t len)
{
  size_t i;

  if (is_gpt (first, len, 512))
    return 512;
  if (!is_gpt (first, len, 4096) || v2v_le (first + 4096 + 24, 8) != 1 ||
      first[510] != 0x55 || first[511] != 0xaa)
    return 0;
  for (i = 0; i < 4; ++i)
    if (first[446 + 16 * i + 4] == 0xee)
      return 4096;
  return 0;
}

bool
devices_safe_name (const char *name)
{
  return name[strspn (name,
                      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                      "0123456789/_.+-")] == '\0';
}

uint64_t
devices_table_end (const uint8_t *first, size_t len)
{
  unsigned sector = devices_table_sector (first, len);
  uint64_t end = 0;
  size_t i;

  if (sector != 0) {
    uint64_t last = v2v_le (first + sector + 48, 8);

    return last < UINT64_MAX / 8 ? (last + 1) * (sector / 512) : UINT64_MAX;
  }

  if (len < 512 || first[510] != 0x55 || first[511] != 0xaa)
    return 0;
  for (i = 0; i < 4; ++i) {
    const uint8_t *p = first + 446 + 16 * i;
    uint64_t start = v2v_le (p + 8, 4), size = v2v_le (p + 12, 4);

    /* The boot sector of a file system has code here. */
    if (p[0] != 0 && p[0] != 0x80)
      return 0;
    if (p[4] != 0 && p[4] != 0xee && size > 0)
      end = V2V_MAX (end, start + size);
  }
  return end;
}
