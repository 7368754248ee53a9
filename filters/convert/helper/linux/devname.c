/* SPDX-License-Identifier: BSD-3-Clause */

/* What a name of a disk or a partition says by itself, family by family.
 * Which disk is meant is not known here: see devmap.c.
 */

#include <config.h>

#include <ctype.h>

#include "devmap.h"
#include "v2v-utils.h"

/* Digits at the start of S, at most 4.  False if there are none. */
static bool
number (struct span *s, unsigned *n)
{
  size_t i = 0;

  *n = 0;
  while (i < s->n && i < 4 && isdigit ((unsigned char)s->p[i]))
    *n = *n * 10 + (s->p[i++] - '0');
  if (i == 0 || (i < s->n && isdigit ((unsigned char)s->p[i])))
    return false;
  *s = span_skip (*s, i);
  return true;
}

/* The rest of a name after the disk: nothing, or SEP and a partition. */
static bool
partition (struct span s, const char *sep, unsigned *part)
{
  *part = 0;
  if (s.n == 0)
    return true;
  if (!span_starts (s, sep))
    return false;
  s = span_skip (s, strlen (sep));
  return number (&s, part) && s.n == 0 && *part > 0;
}

/* "b3": letters, then a partition. */
static bool
lettered (struct span s, struct devname *out)
{
  unsigned n = 0;
  size_t i;

  for (i = 0; i < s.n && s.p[i] >= 'a' && s.p[i] <= 'z'; i++) {
    if (i == 3)
      return false;
    n = n * 26 + (s.p[i] - 'a' + 1);
  }
  if (i == 0)
    return false;
  out->index = n - 1;
  return partition (span_skip (s, i), "", &out->part);
}

/* Take "-partN" off the end of S. */
static bool
part_suffix (struct span *s, unsigned *part)
{
  size_t i = s->n;

  *part = 0;
  while (i > 0 && isdigit ((unsigned char)s->p[i - 1]))
    i--;
  if (i < s->n && i >= 5 && memcmp (s->p + i - 5, "-part", 5) == 0) {
    struct span digits = { s->p + i, s->n - i };

    if (!number (&digits, part) || *part == 0)
      return false;
    s->n = i - 5;
  }
  return true;
}

static bool
by_path (struct span s, struct devname *out)
{
  const char *p;
  unsigned host, channel, target, lun;
  struct span rest;

  out->family = DEV_PATH;
  out->index = 0;
  if (!part_suffix (&s, &out->part) || s.n == 0 || span_contains (s, "usb") ||
      span_contains (s, "fdc"))
    return false;
  p = memmem (s.p, s.n, "-scsi-", 6);
  if (!p)
    return true;
  rest = span_skip (s, p + 6 - s.p);
  if (number (&rest, &host) && span_starts (rest, ":") &&
      (rest = span_skip (rest, 1), number (&rest, &channel)) &&
      span_starts (rest, ":") &&
      (rest = span_skip (rest, 1), number (&rest, &target)) &&
      span_starts (rest, ":") &&
      (rest = span_skip (rest, 1), number (&rest, &lun)) && lun == 0 &&
      target != 7) {
    /* The adapter itself is target 7. */
    out->index = target - (target > 7);
    return true;
  }
  out->index = DEVMAP_MAX_DISKS;
  return true;
}

static bool
by_id (struct span s, struct devname *out)
{
  static const char *const disks[] = {
    "ata-", "scsi-", "wwn-", "nvme-", "virtio-", "cciss-",
  };
  size_t i;

  out->family = DEV_ID;
  out->index = 0;
  out->id = (struct span){ "", 0 };
  if (span_contains (s, "CDROM") || span_contains (s, "CD-ROM") ||
      span_contains (s, "DVD") || span_contains (s, "_CD"))
    return false;
  for (i = 0; i < V2V_ARRAY_SIZE (disks); i++)
    if (span_starts (s, disks[i]) && part_suffix (&s, &out->part) && s.n > 0) {
      out->id = s;
      return true;
    }
  return false;
}

bool
devname_suffix (struct span *s, size_t least, bool bare_digits, unsigned *part)
{
  static const char *const before[] = { "-part", "_part", "p" };
  struct span digits;
  size_t i = s->n, k;

  *part = 0;
  while (i > 0 && isdigit ((unsigned char)s->p[i - 1]))
    i--;
  if (i == s->n)
    return true;
  digits = (struct span){ s->p + i, s->n - i };
  for (k = 0; k < V2V_ARRAY_SIZE (before); k++) {
    const size_t n = strlen (before[k]);

    if (i >= least + n && memcmp (s->p + i - n, before[k], n) == 0)
      break;
  }
  if (k == V2V_ARRAY_SIZE (before) && (i < least || !bare_digits))
    return true; /* digits of the name itself */
  if (!number (&digits, part) || *part == 0)
    return false;
  s->n = i - (k < V2V_ARRAY_SIZE (before) ? strlen (before[k]) : 0);
  return true;
}

/* "mpatha", "mpathb2", or by WWID "36000c29...-part1". */
static bool
multipath (struct span s, struct devname *out)
{
  size_t i;

  out->family = DEV_ID;
  out->index = 0;
  if (span_starts (s, "mpath")) {
    if (!devname_suffix (&s, 6, true, &out->part) || s.n < 6 || s.n > 9)
      return false;
    for (i = 5; i < s.n; i++)
      if (!islower ((unsigned char)s.p[i]))
        return false;
    out->id = s;
    return true;
  }
  for (i = 0; i < s.n && isxdigit ((unsigned char)s.p[i]); i++)
    ;
  if (s.p[0] != '3' || i < 17 || !devname_suffix (&s, i, false, &out->part) ||
      s.n != i)
    return false;
  out->id = s;
  return true;
}

bool
devname_parse (struct span s, struct devname *out)
{
  unsigned a, b;

  out->id = (struct span){ "", 0 };
  if (!span_starts (s, "/dev/"))
    return false;
  s = span_skip (s, 5);
  if (span_starts (s, "mapper/"))
    return s.n > 7 && multipath (span_skip (s, 7), out);
  if (span_starts (s, "disk/by-path/"))
    return by_path (span_skip (s, 13), out);
  if (span_starts (s, "disk/by-id/"))
    return by_id (span_skip (s, 11), out);
  if (span_starts (s, "sd") || span_starts (s, "hd") || span_starts (s, "vd")) {
    out->family = s.p[0] == 's' ? DEV_SD : s.p[0] == 'h' ? DEV_HD : DEV_VD;
    return lettered (span_skip (s, 2), out);
  }
  if (span_starts (s, "xvd")) {
    out->family = DEV_XVD;
    return lettered (span_skip (s, 3), out);
  }
  if (span_starts (s, "nvme")) {
    s = span_skip (s, 4);
    out->family = DEV_NVME;
    if (!number (&s, &a) || !span_starts (s, "n"))
      return false;
    s = span_skip (s, 1);
    if (!number (&s, &b) || b == 0)
      return false;
    /* One controller with several namespaces, or several with one. */
    out->index = a + b - 1;
    return partition (s, "p", &out->part);
  }
  if (span_starts (s, "cciss/c")) {
    s = span_skip (s, 7);
    out->family = DEV_CCISS;
    if (!number (&s, &a) || !span_starts (s, "d"))
      return false;
    s = span_skip (s, 1);
    if (!number (&s, &b))
      return false;
    out->index = a * 16 + b;
    return partition (s, "p", &out->part);
  }
  return false;
}
