/* SPDX-License-Identifier: BSD-3-Clause */

/* What the names mean that a guest's files use for devices.  See
 * devices.h.
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

/* The device whose FIELD is VALUE; of several (members of an array, an
 * origin and its snapshot) one that holds a file system, and of those not
 * a container of others.
 */
static const struct device *
by_field (const struct devices *d, size_t offset, const char *value,
          bool ignore_case)
{
  const struct device *found = NULL;
  size_t i;

  if (*value == '\0')
    return NULL;
  for (i = 0; i < d->n; ++i) {
    const char *f = *(char *const *)((const char *)&d->v[i] + offset);

    if (f == NULL ||
        (ignore_case ? strcasecmp (f, value) : strcmp (f, value)) != 0)
      continue;
    if (found == NULL || (found->usage && strcmp (found->usage, "raid") == 0))
      found = &d->v[i];
  }
  return found;
}

#define BY(d, field, value, ic) \
  by_field (d, offsetof (struct device, field), value, ic)

static const struct device *
by_number (const struct devices *d, size_t disk, unsigned part)
{
  size_t i;

  for (i = 0; i < d->n; ++i)
    if ((d->v[i].kind == DEVICE_DISK || d->v[i].kind == DEVICE_PARTITION) &&
        d->v[i].disk == (int)disk && d->v[i].part == part)
      return &d->v[i];
  return NULL;
}

/* udev's "\x20" in names below /dev/disk. */
static char *
udev_unescape (const char *s)
{
  return devices_unescape (s);
}

/* Decimal number at *P, which is moved past it; false if there is none or
 * it is absurd.
 */
static bool
number (const char **p, unsigned *n)
{
  unsigned long v;
  char *end;

  if (!isdigit ((unsigned char)**p))
    return false;
  v = strtoul (*p, &end, 10);
  if (v > 4096)
    return false;
  *p = end;
  *n = (unsigned)v;
  return true;
}

/* Names by ordinal, without "/dev/". */
static const struct device *
by_ordinal (const struct devices *d, const char *name)
{
  static const char *const letters[] = { "sd", "hd", "vd", "xvd", "ubd", NULL };
  unsigned a, b, part = 0;
  const char *p;
  size_t i;

  for (i = 0; letters[i] != NULL; ++i) {
    size_t len = strlen (letters[i]);
    unsigned disk = 0;

    if (strncmp (name, letters[i], len) != 0)
      continue;
    p = name + len;
    if (!islower ((unsigned char)*p))
      continue;
    for (; islower ((unsigned char)*p) && disk < 4096; ++p)
      disk = disk * 26 + (unsigned)(*p - 'a' + 1);
    if (*p != '\0' && (!number (&p, &part) || *p != '\0'))
      return NULL;
    return by_number (d, disk - 1, part);
  }

  p = name;
  if (strncmp (p, "nvme", 4) == 0) {
    p += 4;
    if (!number (&p, &a) || *p++ != 'n' || !number (&p, &b) || b == 0)
      return NULL;
    /* One namespace for each controller, or several of one. */
    a = a > 0 ? a : b - 1;
  }
  else if (strncmp (p, "mmcblk", 6) == 0) {
    p += 6;
    if (!number (&p, &a))
      return NULL;
  }
  else if (strncmp (p, "cciss/c", 7) == 0 || strncmp (p, "ida/c", 5) == 0 ||
           strncmp (p, "rd/c", 4) == 0) {
    p = strchr (p, '/') + 2;
    if (!number (&p, &b) || *p++ != 'd' || !number (&p, &a))
      return NULL;
  }
  else
    return NULL;
  if (*p != '\0' && (*p++ != 'p' || !number (&p, &part) || *p != '\0'))
    return NULL;
  return by_number (d, a, part);
}

/* A name of /dev/disk/by-id or by-path: the disk's identity and "-partN". */
static const struct device *
by_hardware (const struct devices *d, const struct device_names *names,
             const char *name, bool path)
{
  const char *tail = strstr (name, "-part"), *p;
  size_t len = tail ? (size_t)(tail - name) : strlen (name), i;
  CLEANUP_FREE char *id = strndup (name, len);
  unsigned part = 0, n;

  if (id == NULL)
    return NULL;
  if (tail != NULL) {
    p = tail + 5;
    if (!number (&p, &part) || *p != '\0')
      return NULL;
  }
  if (d->nr_disks == 1)
    return by_number (d, 0, part);
  if (!path) {
    const struct vm *vm = names->source;

    for (i = 0; vm != NULL && i < vm->nr_disks; ++i)
      if (vm->disks[i].serial != NULL && vm->disks[i].serial[0] != '\0' &&
          strstr (id, vm->disks[i].serial) != NULL)
        return by_number (d, i, part);
    return NULL;
  }
  p = strstr (id, "-scsi-0:0:");
  if (p != NULL) {
    p += 10;
    if (!number (&p, &n))
      return NULL;
    /* Target 7 is the adapter itself. */
    return by_number (d, n > 7 ? n - 1 : n, part);
  }
  p = strstr (id, "-ata-");
  if (p != NULL) {
    p += 5;
    if (!number (&p, &n) || n == 0)
      return NULL;
    return by_number (d, n - 1, part);
  }
  return NULL;
}

/* The opened container of DEVICE: cryptsetup puts the LUKS UUID without
 * hyphens into the mapping's.
 */
static const struct device *
opened (const struct devices *d, const struct device *device)
{
  char uuid[64];
  const char *p;
  size_t n = 0, i;

  if (device == NULL || device->uuid == NULL)
    return NULL;
  for (p = device->uuid; *p != '\0' && n < sizeof uuid - 1; ++p)
    if (*p != '-')
      uuid[n++] = *p;
  uuid[n] = '\0';
  for (i = 0; i < d->n; ++i)
    if (d->v[i].kind == DEVICE_CRYPT && n > 0 &&
        strstr (d->v[i].dm_uuid, uuid) != NULL)
      return &d->v[i];
  return NULL;
}

/* Field number FIELD (from 0) of the line of TEXT whose field number
 * KEY_FIELD is KEY; allocated, or NULL.
 */
static char *
table_field (const char *text, const char *key, size_t field)
{
  CLEANUP_FREE char *copy = text ? strdup (text) : NULL;
  char *line, *next;

  for (line = copy; line != NULL; line = next) {
    char *save = NULL, *tok;
    size_t i = 0;

    next = strchr (line, '\n');
    if (next != NULL)
      *next++ = '\0';
    tok = strtok_r (line, " \t", &save);
    if (tok == NULL || strcmp (tok, key) != 0)
      continue;
    for (; tok != NULL && i < field; ++i)
      tok = strtok_r (NULL, " \t", &save);
    return tok ? strdup (tok) : NULL;
  }
  return NULL;
}

/* UUID of ARRAY in mdadm.conf, with hyphens as blkid writes it:
 * "aaaaaaaa:bbbbbbbb:cccccccc:dddddddd" there, allocated, or NULL.
 */
static char *
mdadm_uuid (const char *text, const char *array)
{
  CLEANUP_FREE char *copy = text ? strdup (text) : NULL;
  char *line, *next, *r = NULL;

  for (line = copy; line != NULL && r == NULL; line = next) {
    char *save = NULL, *tok;

    next = strchr (line, '\n');
    if (next != NULL)
      *next++ = '\0';
    tok = strtok_r (line, " \t", &save);
    if (tok == NULL || strcasecmp (tok, "ARRAY") != 0)
      continue;
    tok = strtok_r (NULL, " \t", &save);
    if (tok == NULL || strcmp (tok, array) != 0)
      continue;
    while ((tok = strtok_r (NULL, " \t", &save)) != NULL)
      if (strncasecmp (tok, "UUID=", 5) == 0) {
        r = strdup (tok + 5);
        break;
      }
  }
  return r;
}

/* Are these the same UUID, whatever their punctuation? */
static bool
same_uuid (const char *a, const char *b)
{
  for (;;) {
    while (*a == '-' || *a == ':')
      a++;
    while (*b == '-' || *b == ':')
      b++;
    if (tolower ((unsigned char)*a) != tolower ((unsigned char)*b))
      return false;
    if (*a == '\0')
      return true;
    a++;
    b++;
  }
}

static const struct device *
by_md (const struct devices *d, const struct device_names *names,
       const char *spec)
{
  CLEANUP_FREE char *uuid = mdadm_uuid (names->mdadm_conf, spec);
  const struct device *only = NULL;
  const char *base = strrchr (spec, '/') + 1;
  size_t i, n = 0;

  for (i = 0; i < d->n; ++i) {
    const struct device *v = &d->v[i];

    if (v->kind != DEVICE_MD)
      continue;
    if (uuid != NULL && v->md_uuid != NULL && same_uuid (uuid, v->md_uuid))
      return v;
    only = v;
    n++;
  }
  if (uuid != NULL)
    return NULL;
  /* Metadata holds the name: "host:0" and "0" are /dev/md0 and /dev/md/0. */
  for (i = 0; i < d->n; ++i) {
    const struct device *v = &d->v[i];
    const char *name, *colon;

    if (v->kind != DEVICE_MD)
      continue;
    if (strcmp (v->name, spec) == 0)
      return v;
    if (v->md_name == NULL)
      continue;
    colon = strrchr (v->md_name, ':');
    name = colon ? colon + 1 : v->md_name;
    if (strcmp (name, base) == 0 ||
        (strncmp (base, "md", 2) == 0 && strcmp (name, base + 2) == 0))
      return v;
  }
  return n == 1 ? only : NULL;
}

static const struct device *
resolve (const struct devices *d, const struct device_names *names,
         const char *spec, bool *guessed, unsigned depth);

static const struct device *
by_mapper (const struct devices *d, const struct device_names *names,
           const char *name, bool *guessed, unsigned depth)
{
  const struct device *v = BY (d, dm_name, name, false);
  CLEANUP_FREE char *spec = NULL;

  if (v != NULL)
    return v;
  spec = table_field (names->crypttab, name, 1);
  if (spec != NULL)
    return opened (d, resolve (d, names, spec, guessed, depth + 1));
  if (strncmp (name, "luks-", 5) == 0)
    return opened (d, BY (d, uuid, name + 5, true));
  return NULL;
}

static const struct device *
resolve (const struct devices *d, const struct device_names *names,
         const char *spec, bool *guessed, unsigned depth)
{
  static const struct {
    const char *prefix;
    char field;
  } tags[] = {
    { "UUID=", 'u' },
    { "LABEL=", 'l' },
    { "PARTUUID=", 'p' },
    { "PARTLABEL=", 'n' },
    { "/dev/disk/by-uuid/", 'u' },
    { "/dev/disk/by-label/", 'l' },
    { "/dev/disk/by-partuuid/", 'p' },
    { "/dev/disk/by-partlabel/", 'n' },
  };
  const struct device *v;
  size_t i;

  if (depth > 4)
    return NULL;
  for (i = 0; i < V2V_ARRAY_SIZE (tags); ++i) {
    size_t len = strlen (tags[i].prefix);
    CLEANUP_FREE char *value = NULL;
    const char *s = spec + len;

    if (strncasecmp (spec, tags[i].prefix, len) != 0)
      continue;
    if (*s == '"') {
      s++;
      value = strndup (s, strcspn (s, "\""));
    }
    else
      value = tags[i].prefix[0] == '/' ? udev_unescape (s) : strdup (s);
    if (value == NULL)
      return NULL;
    switch (tags[i].field) {
    case 'u':
      return BY (d, uuid, value, true);
    case 'l':
      return BY (d, label, value, false);
    case 'p':
      return BY (d, partuuid, value, true);
    default:
      return BY (d, partlabel, value, false);
    }
  }

  if (strncmp (spec, "/dev/", 5) != 0)
    return NULL;
  if (strncmp (spec, "/dev/mapper/", 12) == 0)
    return by_mapper (d, names, spec + 12, guessed, depth);
  if (strncmp (spec, "/dev/disk/by-id/", 16) == 0) {
    const char *id = spec + 16;

    if (strncmp (id, "dm-name-", 8) == 0)
      return by_mapper (d, names, id + 8, guessed, depth);
    if (strncmp (id, "dm-uuid-", 8) == 0)
      return BY (d, dm_uuid, id + 8, false);
    if (strncmp (id, "md-uuid-", 8) == 0) {
      for (i = 0; i < d->n; ++i)
        if (d->v[i].md_uuid && same_uuid (d->v[i].md_uuid, id + 8))
          return &d->v[i];
      return NULL;
    }
    *guessed = d->nr_disks > 1;
    return by_hardware (d, names, id, false);
  }
  if (strncmp (spec, "/dev/disk/by-path/", 18) == 0) {
    *guessed = d->nr_disks > 1;
    return by_hardware (d, names, spec + 18, true);
  }
  if (strncmp (spec, "/dev/md", 7) == 0 &&
      (isdigit ((unsigned char)spec[7]) || spec[7] == '/' || spec[7] == '_'))
    return by_md (d, names, spec);
  v = by_ordinal (d, spec + 5);
  if (v != NULL) {
    *guessed = d->nr_disks > 1;
    return v;
  }
  for (i = 0; i < d->n; ++i)
    if (d->v[i].kind == DEVICE_LV && strcmp (d->v[i].name, spec) == 0)
      return &d->v[i];
  return NULL;
}

const struct device *
devices_resolve (const struct devices *d, const struct device_names *names,
                 const char *spec, bool *guessed)
{
  static const struct device_names none;
  bool dummy;

  if (guessed == NULL)
    guessed = &dummy;
  *guessed = false;
  return resolve (d, names ? names : &none, spec, guessed, 0);
}
