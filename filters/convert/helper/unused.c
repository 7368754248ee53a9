/* SPDX-License-Identifier: BSD-3-Clause */

/* See unused.h. */

#include <config.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "unused.h"
#include "v2v-utils.h"

/* ---- swap ---- */

/* Only what the signature's page and last_page describe is swap: behind it
 * there can be what we do not know.
 */
uint64_t
unused_swap_end (const uint8_t *first, size_t len, uint64_t size)
{
  static const char signature[] = "SWAPSPACE2";
  const size_t n = sizeof signature - 1;
  size_t page;

  for (page = 4096; page <= UNUSED_SWAP_HEADER && page <= len; page *= 2) {
    uint64_t end;

    if (memcmp (first + page - n, signature, n) != 0)
      continue;
    /* version and last_page, behind 1 KiB for a boot loader */
    if (v2v_le (first + 1024, 4) != 1)
      return 0;
    end = (v2v_le (first + 1028, 4) + 1) * page;
    return end <= size ? end : 0;
  }
  return 0;
}

/* ---- LVM ---- */

enum field {
  PV_NAME,
  PV_ATTR,
  VG_UUID,
  VG_ATTR,
  EXTENT_SIZE,
  PE_START,
  PE_COUNT,
  DEV_SIZE,
  SEG_START,
  SEG_SIZE,
  SEG_TYPE,
  LV_UUID,
  NR_FIELDS
};

/* A physical volume, in sectors, but for the counts of extents. */
struct pv {
  const char *name;
  uint64_t extent, start, count, size;
  uint64_t next; /* the first extent not yet seen */
};

void
unused_ranges_free (struct unused_ranges *r)
{
  size_t i;

  for (i = 0; i < r->n; ++i)
    free (r->v[i].device);
  free (r->v);
  r->v = NULL;
  r->n = 0;
}

static int
add_range (struct unused_ranges *r, const char *device, uint64_t start,
           uint64_t size)
{
  struct unused_range *v = realloc (r->v, (r->n + 1) * sizeof *v);

  if (v == NULL)
    return -1;
  r->v = v;
  v += r->n;
  v->device = strdup (device);
  v->start = start;
  v->size = size;
  if (v->device == NULL)
    return -1;
  r->n++;
  return 0;
}

/* Sectors or extents: less than 2^55, so that bytes fit. */
static int
read_number (const char *s, uint64_t *n)
{
  size_t len = strlen (s);

  if (len == 0 || len > 17 || s[strspn (s, "0123456789")] != '\0')
    return -1;
  *n = strtoull (s, NULL, 10);
  return *n >> 55 == 0 ? 0 : -1;
}

static int
split (char *line, const char *f[NR_FIELDS])
{
  size_t i;

  line += strspn (line, " ");
  for (i = 0; i < NR_FIELDS; ++i) {
    f[i] = strsep (&line, "|");
    if (f[i] == NULL)
      return -1;
  }
  return line == NULL ? 0 : -1;
}

static int
parse_pv (const char *const f[NR_FIELDS], struct pv *pv)
{
  memset (pv, 0, sizeof *pv);
  pv->name = f[PV_NAME];
  if (read_number (f[EXTENT_SIZE], &pv->extent) == -1 ||
      read_number (f[PE_START], &pv->start) == -1 ||
      read_number (f[PE_COUNT], &pv->count) == -1 ||
      read_number (f[DEV_SIZE], &pv->size) == -1)
    return -1;
  /* LVM's label and the head of its metadata are in the first 4 KiB. */
  if (pv->extent == 0 || pv->start < 8 || pv->start > pv->size ||
      pv->count > (pv->size - pv->start) / pv->extent)
    return -1;
  return 0;
}

/* vg_attr is "wz--n-": writable, resizable, exported, partial, policy of
 * allocation, clustered or shared.  pv_attr is "a--": allocatable, exported,
 * missing.
 */
static bool
is_usable (const char *vg_attr, const char *pv_attr)
{
  return strlen (vg_attr) == 6 && vg_attr[0] == 'w' && vg_attr[2] == '-' &&
         vg_attr[3] == '-' && vg_attr[5] == '-' && strcmp (pv_attr, "a--") == 0;
}

/* The segments of each volume come in their order, without a gap. */
static int
parse_segment (char *line, struct pv *pv, struct unused_ranges *r)
{
  const char *f[NR_FIELDS];
  uint64_t start, size;
  struct pv now;
  bool is_free;

  if (split (line, f) == -1)
    return -1;
  if (f[VG_UUID][0] == '\0') /* a volume of no group */
    return 0;
  if (parse_pv (f, &now) == -1)
    return -1;
  if (pv->name == NULL || strcmp (pv->name, now.name) != 0) {
    if (pv->next != pv->count ||
        (pv->name != NULL && strcmp (pv->name, now.name) > 0))
      return -1;
    *pv = now;
  }
  else if (pv->extent != now.extent || pv->start != now.start ||
           pv->count != now.count || pv->size != now.size)
    return -1;

  if (read_number (f[SEG_START], &start) == -1 ||
      read_number (f[SEG_SIZE], &size) == -1 || start != pv->next ||
      size == 0 || size > pv->count - pv->next)
    return -1;
  pv->next += size;
  is_free = strcmp (f[SEG_TYPE], "free") == 0;
  if (is_free != (f[LV_UUID][0] == '\0'))
    return -1;
  if (!is_free || !is_usable (f[VG_ATTR], f[PV_ATTR]))
    return 0;
  return add_range (r, pv->name, 512 * (pv->start + start * pv->extent),
                    512 * size * pv->extent);
}

int
unused_extents (const char *text, struct unused_ranges *r)
{
  CLEANUP_FREE char *copy = strdup (text);
  char *rest = copy, *line;
  struct pv pv = { .name = NULL };
  bool ok = copy != NULL;

  r->v = NULL;
  r->n = 0;
  while (ok && (line = strsep (&rest, "\n")) != NULL)
    ok = *line == '\0' || parse_segment (line, &pv, r) == 0;
  if (ok && pv.next == pv.count)
    return 0;
  unused_ranges_free (r);
  return -1;
}
