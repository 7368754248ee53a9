/* SPDX-License-Identifier: BSD-3-Clause */

/* VMDK descriptors: lines of
 *   # comment
 *   key=value or key = "value"          (keys without regard to case)
 *   ACCESS SECTORS TYPE ["FILE" [OFFSET]]
 * with ACCESS one of RW, RDONLY, NOACCESS.  The text ends at the first NUL
 * (embedded descriptors are padded with NULs).
 *
 * Invariants: at most 4096 extents; the sum of their sectors fits into
 * 2^54 (bytes into 2^63); a name is not empty and has no NUL.
 */

#include <config.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "v2v-utils.h"
#include "vmdk.h"

#define MAX_EXTENTS 4096
#define MAX_SECTORS (UINT64_C (1) << 54)

void
vmdk_free_descriptor (struct vmdk_descriptor *r)
{
  size_t i;

  for (i = 0; i < r->nr_extents; ++i)
    free (r->extents[i].name);
  free (r->extents);
  free (r->parent);
  free (r->create_type);
  free (r->adapter_type);
  memset (r, 0, sizeof *r);
}

static char *
skip_blanks (char *p)
{
  return p + strspn (p, " \t");
}

/* A decimal number followed by a blank or the end. */
static bool
number (char **pp, uint64_t *r)
{
  char *end;

  if (**pp < '0' || **pp > '9')
    return false;
  errno = 0;
  *r = strtoull (*pp, &end, 10);
  if (errno || (*end && *end != ' ' && *end != '\t'))
    return false;
  *pp = skip_blanks (end);
  return true;
}

static int
parse_extent (char *p, unsigned line, struct vmdk_descriptor *r, struct diag *d)
{
  static const struct {
    const char *word;
    enum vmdk_extent_type type;
  } types[] = {
    { "FLAT", VMDK_FLAT },     { "VMFS", VMDK_FLAT },
    { "SPARSE", VMDK_SPARSE }, { "VMFSSPARSE", VMDK_SPARSE },
    { "ZERO", VMDK_ZERO },
  };
  struct vmdk_extent e = { .line = line }, *array;
  char *word, *end;
  size_t i, n;

  if (!number (&p, &e.sectors) || e.sectors == 0)
    return diag_error (d, "line %u: the extent has no size", line);
  if (e.sectors > MAX_SECTORS - r->sectors)
    return diag_error (d, "line %u: the disk is larger than 2^63 bytes", line);
  if (r->nr_extents >= MAX_EXTENTS)
    return diag_error (d, "line %u: more than %d extents", line, MAX_EXTENTS);
  word = p;
  n = strcspn (p, " \t");
  for (i = 0; i < V2V_ARRAY_SIZE (types); ++i)
    if (strlen (types[i].word) == n &&
        strncasecmp (types[i].word, word, n) == 0)
      break;
  if (i == V2V_ARRAY_SIZE (types))
    return diag_error (d,
                       "line %u: extents of type \"%.*s\" cannot be read "
                       "(raw device mappings and SESPARSE snapshots: copy "
                       "the disk with vmkfstools -i first)",
                       line, (int)V2V_MIN (n, 32), word);
  e.type = types[i].type;
  p = skip_blanks (p + n);
  if (e.type != VMDK_ZERO) {
    end = *p == '"' ? strrchr (p + 1, '"') : NULL;
    if (end == NULL || end == p + 1)
      return diag_error (d, "line %u: the extent names no file", line);
    *end = '\0';
    word = p + 1;
    p = skip_blanks (end + 1);
    if (e.type == VMDK_FLAT && *p && !number (&p, &e.offset))
      return diag_error (d, "line %u: the offset is not a number", line);
    if (e.offset > MAX_SECTORS)
      return diag_error (d, "line %u: the offset is too large", line);
    e.name = strdup (word);
    if (e.name == NULL)
      return diag_memory (d);
  }
  array = reallocarray (r->extents, r->nr_extents + 1, sizeof e);
  if (array == NULL) {
    free (e.name);
    return diag_memory (d);
  }
  r->extents = array;
  array[r->nr_extents++] = e;
  r->sectors += e.sectors;
  return 0;
}

static int
parse_line (char *p, unsigned line, struct vmdk_descriptor *r, struct diag *d)
{
  static const char *const accesses[] = { "RW", "RDONLY", "NOACCESS" };
  char *value, *end, **string = NULL;
  size_t i, n;

  p = skip_blanks (p);
  if (*p == '\0' || *p == '#')
    return 0;
  n = strcspn (p, " \t");
  for (i = 0; i < V2V_ARRAY_SIZE (accesses); ++i)
    if (strlen (accesses[i]) == n && strncasecmp (accesses[i], p, n) == 0)
      return parse_extent (skip_blanks (p + n), line, r, d);

  value = strchr (p, '=');
  if (value == NULL)
    return diag_error (d, "line %u: neither key=value nor an extent", line);
  end = value;
  while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
    end--;
  *end = '\0';
  value = skip_blanks (value + 1);
  end = value + strlen (value);
  while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
    *--end = '\0';
  if (*value == '"') {
    value++;
    if (end > value && end[-1] == '"')
      end[-1] = '\0';
  }

  if (strcasecmp (p, "parentCID") == 0) {
    unsigned long cid;

    errno = 0;
    cid = strtoul (value, &end, 16);
    if (errno || end == value || *end || cid > UINT32_MAX)
      return diag_error (d, "line %u: parentCID is not a 32 bit number", line);
    r->parent_cid = cid;
  }
  else if (strcasecmp (p, "parentFileNameHint") == 0)
    string = &r->parent;
  else if (strcasecmp (p, "createType") == 0)
    string = &r->create_type;
  else if (strcasecmp (p, "ddb.adapterType") == 0)
    string = &r->adapter_type;
  if (string) {
    if (*string)
      return diag_error (d, "line %u: %s is there twice", line, p);
    *string = strdup (value);
    if (*string == NULL)
      return diag_memory (d);
  }
  return 0;
}

int
vmdk_parse_descriptor (const char *text, size_t len, struct vmdk_descriptor *r,
                       struct diag *d)
{
  CLEANUP_FREE char *copy = strndup (text, len);
  char *p = copy, *next;
  unsigned line = 0;

  memset (r, 0, sizeof *r);
  r->parent_cid = UINT32_MAX;
  if (copy == NULL)
    return diag_memory (d);
  for (; p; p = next) {
    size_t n;

    next = strchr (p, '\n');
    if (next)
      *next++ = '\0';
    n = strlen (p);
    while (n > 0 && p[n - 1] == '\r')
      p[--n] = '\0';
    if (parse_line (p, ++line, r, d) == -1)
      return -1;
  }
  return 0;
}
