/* SPDX-License-Identifier: BSD-3-Clause */

/* The syntax of VMX, the configuration file of VMware's machines.
 *
 * Lines KEY = "VALUE"; blanks around everything do not matter, keys are
 * without regard to case, '#' starts a comment line, "|22" in a value is the
 * character 0x22, ".encoding" names the character set of the values.
 *
 * Keys are kept in the order of the file in one sorted array; the first of
 * equal keys counts, as in VMware.  Caps: 65536 lines.
 */

#include <config.h>

#include <ctype.h>
#include <iconv.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "machine.h"
#include "v2v-utils.h"
#include "vmx-keys.h"

#define MAX_KEYS 65536

static int
hex_digit (char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place; a decoded NUL ends the value. */
static void
decode_bars (char *s)
{
  char *to = s;

  for (; *s; ++s)
    if (*s == '|' && hex_digit (s[1]) >= 0 && hex_digit (s[2]) >= 0) {
      *to++ = hex_digit (s[1]) << 4 | hex_digit (s[2]);
      s += 2;
    }
    else
      *to++ = *s;
  *to = '\0';
}

static bool
blank (char c)
{
  return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static int
parse_line (struct vmx *v, char *p, unsigned line, struct diag *d)
{
  char *end = p + strlen (p), *value, *key_end;
  struct vmx_pair *n;

  while (end > p && blank (end[-1]))
    *--end = '\0';
  while (blank (*p))
    p++;
  if (*p == '\0' || *p == '#')
    return 0;
  value = strchr (p, '=');
  if (value == NULL || value == p) {
    diag_warn (d, "line %u: not KEY = \"VALUE\": ignored", line);
    return 0;
  }
  key_end = value++;
  while (key_end > p && blank (key_end[-1]))
    key_end--;
  while (blank (*value))
    value++;
  if (*value == '"') {
    if (end - value < 2 || end[-1] != '"') {
      diag_warn (d,
                 "line %u: the value's quotation mark is not closed: "
                 "ignored",
                 line);
      return 0;
    }
    value++;
    *--end = '\0';
  }
  if (v->nr >= MAX_KEYS)
    return diag_error (d, "line %u: more than %d keys", line, MAX_KEYS);
  if (v->nr == v->alloc) {
    size_t alloc = v->alloc ? v->alloc * 2 : 128;

    n = reallocarray (v->pairs, alloc, sizeof *n);
    if (n == NULL)
      return diag_memory (d);
    v->pairs = n;
    v->alloc = alloc;
  }
  n = &v->pairs[v->nr];
  n->key = strndup (p, key_end - p);
  n->value = strdup (value);
  n->line = line;
  if (n->key == NULL || n->value == NULL) {
    free (n->key);
    free (n->value);
    return diag_memory (d);
  }
  v->nr++;
  for (p = n->key; *p; ++p)
    *p = tolower ((unsigned char)*p);
  decode_bars (n->value);
  return 0;
}

static int
compare (const void *a, const void *b)
{
  const struct vmx_pair *x = a, *y = b;
  int r = strcmp (x->key, y->key);

  if (r)
    return r;
  return x->line < y->line ? -1 : x->line > y->line;
}

const struct vmx_pair *
vmx_find (const struct vmx *v, const char *key)
{
  size_t lo = 0, hi = v->nr;

  while (lo < hi) {
    size_t mid = lo + (hi - lo) / 2;

    if (strcmp (v->pairs[mid].key, key) < 0)
      lo = mid + 1;
    else
      hi = mid;
  }
  if (lo < v->nr && strcmp (v->pairs[lo].key, key) == 0)
    return &v->pairs[lo];
  return NULL;
}

/* Formatted keys are lower case and short. */
const struct vmx_pair *__attribute__ ((format (printf, 2, 3)))
vmx_pair (const struct vmx *v, const char *fmt, ...)
{
  char key[128];
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (key, sizeof key, fmt, ap);
  va_end (ap);
  return vmx_find (v, key);
}

bool
vmx_is_true (const char *s)
{
  return s && (strcasecmp (s, "true") == 0 || strcasecmp (s, "yes") == 0 ||
               strcasecmp (s, "on") == 0 || strcmp (s, "1") == 0);
}

bool
vmx_is_false (const char *s)
{
  return s && !vmx_is_true (s);
}

/* *R is not changed if the key is absent. */
int
vmx_number (const struct vmx *v, const char *key, uint64_t most, uint64_t *r,
            struct diag *d)
{
  const struct vmx_pair *p = vmx_find (v, key);

  if (p == NULL || p->value[strspn (p->value, " \t")] == '\0')
    return 0;
  if (!whole_number (p->value, r) || *r > most)
    return diag_error (d,
                       "line %u: %s: \"%.40s\" is not a number up to %" PRIu64,
                       p->line, key, p->value, most);
  return 0;
}

/* All values to UTF-8. */
static int
convert_values (struct vmx *v, struct diag *d)
{
  const struct vmx_pair *e = vmx_find (v, ".encoding");
  iconv_t cd = (iconv_t)-1;
  int r = 0;
  size_t i;

  if (e && strcasecmp (e->value, "utf-8") != 0) {
    cd = iconv_open ("UTF-8", e->value);
    if (cd == (iconv_t)-1)
      return diag_error (d,
                         "line %u: .encoding: character set \"%.40s\" is "
                         "not known",
                         e->line, e->value);
  }
  for (i = 0; r == 0 && i < v->nr; ++i) {
    struct vmx_pair *p = &v->pairs[i];
    size_t left = strlen (p->value), room = left * 4 + 1;
    char *in = p->value, *out, *to;

    if (cd == (iconv_t)-1 && vm_utf8_valid (in, left))
      continue;
    if (cd == (iconv_t)-1) {
      if (e == NULL) /* what Windows hosts wrote before .encoding */
        cd = iconv_open ("UTF-8", "WINDOWS-1252");
      if (cd == (iconv_t)-1) {
        r = diag_error (d, "line %u: %s: the text is not valid UTF-8", p->line,
                        p->key);
        break;
      }
    }
    out = to = malloc (room);
    if (out == NULL) {
      r = diag_memory (d);
      break;
    }
    iconv (cd, NULL, NULL, NULL, NULL);
    if (iconv (cd, &in, &left, &to, &room) == (size_t)-1 || room == 0) {
      free (out);
      r = diag_error (d,
                      "line %u: %s: the text is not valid in the file's "
                      "encoding",
                      p->line, p->key);
      break;
    }
    *to = '\0';
    free (p->value);
    p->value = out;
  }
  if (cd != (iconv_t)-1)
    iconv_close (cd);
  return r;
}

int
vmx_read (struct vmx *v, const char *text, size_t len, struct diag *d)
{
  CLEANUP_FREE char *copy = NULL;
  char *p, *next;
  unsigned line = 0;
  size_t i, k;

  if ((len >= 4 &&
       (memcmp (text, "VMDK", 4) == 0 || memcmp (text, "KDMV", 4) == 0)) ||
      (len >= 21 && memcmp (text, "# Disk DescriptorFile", 21) == 0))
    return diag_error (d, "this is a VMDK disk, not a VMX file: give it as a "
                          "disk (input=disk)");
  if (memchr (text, '\0', len))
    return diag_error (d, "not a VMX file: it has NUL bytes");
  copy = strndup (text, len);
  if (copy == NULL)
    return diag_memory (d);
  p = copy;
  if (strncmp (p, "\xef\xbb\xbf", 3) == 0)
    p += 3;
  for (; p; p = next) {
    next = strchr (p, '\n');
    if (next)
      *next++ = '\0';
    if (parse_line (v, p, ++line, d) == -1)
      return -1;
  }
  if (v->nr == 0)
    return diag_error (d, "not a VMX file: no KEY = \"VALUE\" in it");
  qsort (v->pairs, v->nr, sizeof *v->pairs, compare);
  for (i = 1, k = 0; i < v->nr; ++i) {
    if (strcmp (v->pairs[i].key, v->pairs[k].key) == 0) {
      diag_warn (d, "line %u: %s is there already in line %u: ignored",
                 v->pairs[i].line, v->pairs[i].key, v->pairs[k].line);
      free (v->pairs[i].key);
      free (v->pairs[i].value);
    }
    else
      v->pairs[++k] = v->pairs[i];
  }
  v->nr = k + 1;
  return convert_values (v, d);
}

void
vmx_free (struct vmx *v)
{
  size_t i;

  for (i = 0; i < v->nr; ++i) {
    free (v->pairs[i].key);
    free (v->pairs[i].value);
  }
  free (v->pairs);
}
