/* SPDX-License-Identifier: BSD-3-Clause */

/* Manifests.  One line for each file:
 *   SHA256(disk.vmdk)= 9f86d081...
 * Blanks may be anywhere between the tokens, digits in either case, lines
 * end in LF or CRLF; the name goes up to the last ')' before the '='.
 * Whatever else a line holds is an error: a manifest that is only half
 * understood protects nothing.  At most 65536 lines.
 */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manifest.h"
#include "v2v-utils.h"

#define MAX_ENTRIES 65536
#define MAX_MANIFEST (16 * 1024 * 1024)

void
manifest_free (struct manifest *m)
{
  size_t i;

  for (i = 0; i < m->nr; ++i)
    free (m->entries[i].name);
  free (m->entries);
  memset (m, 0, sizeof *m);
}

static bool
blank (char c)
{
  return c == ' ' || c == '\t' || c == '\r';
}

/* [P, END) is a line. */
static int
parse_line (const char *p, const char *end, unsigned line, struct manifest *m,
            struct diag *d)
{
  struct manifest_entry e = { .line = line }, *array;
  const char *open, *eq, *close, *name_end;
  size_t n;

  while (p < end && blank (*p))
    p++;
  while (end > p && blank (end[-1]))
    end--;
  if (p == end)
    return 0;
  open = memchr (p, '(', end - p);
  eq = memrchr (p, '=', end - p);
  close = eq ? memrchr (p, ')', eq - p) : NULL;
  if (open == NULL || close == NULL || close < open)
    return diag_error (d, "line %u: not ALGORITHM(FILE)= DIGEST", line);
  for (name_end = close + 1; name_end < eq; ++name_end)
    if (!blank (*name_end))
      return diag_error (d, "line %u: not ALGORITHM(FILE)= DIGEST", line);

  for (n = open - p; n > 0 && blank (p[n - 1]); --n)
    ;
  if (!digest_named (p, n, &e.digest) || e.digest.len < 20)
    return diag_error (d, "line %u: the digest \"%.*s\" is not known", line,
                       (int)V2V_MIN (n, 32), p);

  for (p = eq + 1; p < end && blank (*p); ++p)
    ;
  n = end - p;
  if (n != 2 * e.digest.len)
    return diag_error (d, "line %u: %s has %zu digits, not %zu", line,
                       e.digest.name, 2 * e.digest.len, n);
  if (!digest_parse (p, n, &e.digest))
    return diag_error (d, "line %u: the digest is not hexadecimal", line);

  n = close - open - 1;
  if (n == 0 || memchr (open + 1, '\0', n))
    return diag_error (d, "line %u: a file without a name", line);
  if (m->nr >= MAX_ENTRIES)
    return diag_error (d, "line %u: more than %d files", line, MAX_ENTRIES);
  e.name = strndup (open + 1, n);
  array = reallocarray (m->entries, m->nr + 1, sizeof e);
  if (array)
    m->entries = array;
  if (array == NULL || e.name == NULL) {
    free (e.name);
    return diag_memory (d);
  }
  array[m->nr++] = e;
  return 0;
}

int
manifest_parse (const char *text, size_t len, struct manifest *m,
                struct diag *d)
{
  const char *p = text, *end = text + len, *next;
  unsigned line = 0;

  memset (m, 0, sizeof *m);
  if (len >= 3 && memcmp (p, "\xef\xbb\xbf", 3) == 0)
    p += 3;
  for (; p < end; p = next) {
    const char *nl = memchr (p, '\n', end - p);

    next = nl ? nl + 1 : end;
    if (parse_line (p, nl ? nl : end, ++line, m, d) == -1)
      return -1;
  }
  return 0;
}

static int
read_blob (void *opaque, void *buf, size_t count, uint64_t offset)
{
  return blob_pread (opaque, buf, count, offset) ? 0 : -1;
}

static int
verify_entry (struct container *c, const char *manifest,
              const struct manifest_entry *e, struct diag *d)
{
  char want[2 * DIGEST_MAX + 1], got[2 * DIGEST_MAX + 1], where[32];
  struct digest digest = { .name = e->digest.name, .len = e->digest.len };
  struct blob b;
  int r;

  r = container_find (c, manifest, e->name, &b, d);
  if (r == -1)
    return -1;
  if (r == 0)
    return diag_error (d, "line %u: the file \"%s\" is missing", e->line,
                       e->name);
  if (digest_compute (&digest, b.size, read_blob, &b, d) == -1) {
    diag_prefix (d, e->name);
    snprintf (where, sizeof where, "line %u", e->line);
    return diag_prefix (d, where);
  }
  if (digest_equal (&digest, &e->digest))
    return 0;
  digest_text (&e->digest, want);
  digest_text (&digest, got);
  return diag_error (d,
                     "line %u: \"%s\" is damaged: its %s is %s, the "
                     "manifest says %s",
                     e->line, e->name, digest.name, got, want);
}

int
manifest_verify (struct container *c, const char *name, struct diag *d)
{
  CLEANUP_FREE char *text = NULL;
  struct manifest m = { 0 };
  struct blob b;
  size_t len, i;
  int r;

  r = container_find (c, NULL, name, &b, d);
  if (r == 0)
    r = diag_error (d, "does not exist");
  if (r == -1 || blob_read_all (&b, MAX_MANIFEST, &text, &len, d) == -1)
    return diag_prefix (d, name);
  r = manifest_parse (text, len, &m, d);
  for (i = 0; r == 0 && i < m.nr; ++i)
    r = verify_entry (c, name, &m.entries[i], d);
  manifest_free (&m);
  return r == -1 ? diag_prefix (d, name) : 0;
}
