/* SPDX-License-Identifier: BSD-3-Clause */

/* Manifests.  One line for each file:
 *   SHA256(disk.vmdk)= 9f86d081...
 * Blanks may be anywhere between the tokens, digits in either case, lines
 * end in LF or CRLF; the name goes up to the last ')' before the '='.
 * Whatever else a line holds is an error: a manifest that is only half
 * understood protects nothing.  At most 65536 lines.
 */

#include <config.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "manifest.h"
#include "v2v-utils.h"

#define MAX_ENTRIES 65536
#define MAX_MANIFEST (16 * 1024 * 1024)
#define BUFFER (1024 * 1024)

static const struct {
  const char *name;
  size_t len;
  gnutls_digest_algorithm_t algorithm;
} algorithms[] = {
  { "SHA1", 20, GNUTLS_DIG_SHA1 },     { "SHA224", 28, GNUTLS_DIG_SHA224 },
  { "SHA256", 32, GNUTLS_DIG_SHA256 }, { "SHA384", 48, GNUTLS_DIG_SHA384 },
  { "SHA512", 64, GNUTLS_DIG_SHA512 },
};

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
  size_t i, n;

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
  for (i = 0; i < V2V_ARRAY_SIZE (algorithms); ++i)
    if (strlen (algorithms[i].name) == n &&
        strncasecmp (algorithms[i].name, p, n) == 0)
      break;
  if (i == V2V_ARRAY_SIZE (algorithms))
    return diag_error (d, "line %u: the digest \"%.*s\" is not known", line,
                       (int)V2V_MIN (n, 32), p);
  e.algorithm = algorithms[i].name;
  e.digest_len = algorithms[i].len;

  for (p = eq + 1; p < end && blank (*p); ++p)
    ;
  if ((size_t)(end - p) != 2 * e.digest_len)
    return diag_error (d, "line %u: %s has %zu digits, not %zu", line,
                       e.algorithm, 2 * e.digest_len, (size_t)(end - p));
  for (i = 0; i < 2 * e.digest_len; ++i) {
    int c = tolower ((unsigned char)p[i]);

    if (!isxdigit (c))
      return diag_error (d, "line %u: the digest is not hexadecimal", line);
    c = c <= '9' ? c - '0' : c - 'a' + 10;
    e.digest[i / 2] = e.digest[i / 2] << 4 | c;
  }

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

static void
hex (const unsigned char *p, size_t n, char *r)
{
  *r = '\0';
  while (n-- > 0)
    r += sprintf (r, "%02x", *p++);
}

static int
verify_entry (struct container *c, const char *manifest,
              const struct manifest_entry *e, char *buf, struct diag *d)
{
  unsigned char digest[64];
  char want[129], got[129];
  gnutls_hash_hd_t h;
  struct blob b;
  uint64_t offset;
  size_t i = 0;
  int r;

  r = container_find (c, manifest, e->name, &b, d);
  if (r == -1)
    return -1;
  if (r == 0)
    return diag_error (d, "line %u: the file \"%s\" is missing", e->line,
                       e->name);
  while (strcmp (algorithms[i].name, e->algorithm) != 0)
    i++;
  r = gnutls_hash_init (&h, algorithms[i].algorithm);
  if (r < 0)
    return diag_error (d, "line %u: %s: %s", e->line, e->algorithm,
                       gnutls_strerror (r));
  for (offset = 0; r >= 0 && offset < b.size; offset += BUFFER) {
    size_t n = V2V_MIN (BUFFER, b.size - offset);

    if (!blob_pread (&b, buf, n, offset)) {
      gnutls_hash_deinit (h, digest);
      return diag_error (d, "\"%s\" cannot be read: %m", e->name);
    }
    r = gnutls_hash (h, buf, n);
  }
  gnutls_hash_deinit (h, digest);
  if (r < 0)
    return diag_error (d, "line %u: %s: %s", e->line, e->algorithm,
                       gnutls_strerror (r));
  if (memcmp (digest, e->digest, e->digest_len) == 0)
    return 0;
  hex (e->digest, e->digest_len, want);
  hex (digest, e->digest_len, got);
  return diag_error (d,
                     "line %u: \"%s\" is damaged: its %s is %s, the "
                     "manifest says %s",
                     e->line, e->name, e->algorithm, got, want);
}

int
manifest_verify (struct container *c, const char *name, struct diag *d)
{
  CLEANUP_FREE char *text = NULL, *buf = NULL;
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
  if (r == 0 && (buf = malloc (BUFFER)) == NULL)
    r = diag_memory (d);
  for (i = 0; r == 0 && i < m.nr; ++i)
    r = verify_entry (c, name, &m.entries[i], buf, d);
  manifest_free (&m);
  return r == -1 ? diag_prefix (d, name) : 0;
}
