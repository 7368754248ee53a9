/* SPDX-License-Identifier: BSD-3-Clause */

/* What each kind of document may hold.
 *
 * The name of a machine comes from the source: "web/1", "Büro Server",
 * "--help", "$(reboot)" and a megabyte of newlines are all possible.
 * Each function here maps any string into the set that one consumer
 * accepts.  Invariants, checked by tests/test-target-names.c:
 *
 * 1. Total: every input, also invalid UTF-8, gives a valid output.
 * 2. Valid inputs are not changed.
 * 3. Where the map loses so much that unlike names could become equal
 *    (cut, or nothing left), a digest of the whole input is appended.
 */

#include <config.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model.h"
#include "v2v-utils.h"

#define MAX_FILE_NAME 80
#define MAX_LABEL 63

/* Length of the valid UTF-8 sequence at S, or 0.  Surrogates, overlong
 * forms and what is past U+10FFFF are not valid.
 */
static size_t
sequence (const unsigned char *s)
{
  uint32_t cp, min;
  size_t n, i;

  if (s[0] < 0x80)
    return 1;
  if ((s[0] & 0xe0) == 0xc0) {
    n = 2;
    cp = s[0] & 0x1f;
    min = 0x80;
  }
  else if ((s[0] & 0xf0) == 0xe0) {
    n = 3;
    cp = s[0] & 0x0f;
    min = 0x800;
  }
  else if ((s[0] & 0xf8) == 0xf0) {
    n = 4;
    cp = s[0] & 0x07;
    min = 0x10000;
  }
  else
    return 0;
  for (i = 1; i < n; ++i) {
    if ((s[i] & 0xc0) != 0x80) /* also stops at the NUL */
      return 0;
    cp = cp << 6 | (s[i] & 0x3f);
  }
  if (cp < min || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
    return 0;
  /* Valid UTF-8, but no XML document may hold them. */
  if (cp == 0xfffe || cp == 0xffff)
    return 0;
  return n;
}

char *
text_utf8 (const char *s, bool *oom)
{
  const unsigned char *p = (const unsigned char *)s;
  char *ret, *q;
  size_t n;

  if (s == NULL)
    return NULL;
  /* A replaced byte becomes three. */
  ret = q = malloc (strlen (s) * 3 + 1);
  if (ret == NULL) {
    *oom = true;
    return NULL;
  }
  while (*p) {
    n = sequence (p);
    if (n > 0) {
      memcpy (q, p, n);
      q += n;
      p += n;
    }
    else {
      memcpy (q, "\xef\xbf\xbd", 3);
      q += 3;
      p++;
    }
  }
  *q = '\0';
  return ret;
}

/* FNV-1a: tells names apart, protects nothing. */
unsigned
text_digest (const char *s)
{
  uint32_t h = 2166136261u;

  for (; *s; ++s)
    h = (h ^ (unsigned char)*s) * 16777619u;
  return h;
}

bool
text_is_uuid (const char *s)
{
  size_t i;

  if (s == NULL || strlen (s) != 36)
    return false;
  for (i = 0; i < 36; ++i) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (s[i] != '-')
        return false;
    }
    else if (strchr ("0123456789abcdefABCDEF", s[i]) == NULL)
      return false;
  }
  return true;
}

static bool
is_control (unsigned char c)
{
  return c < 0x20 || c == 0x7f;
}

static bool
is_alnum (unsigned char c)
{
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
         (c >= 'A' && c <= 'Z');
}

/* Cut S, which is valid, to MAX bytes at the border of a character. */
static void
cut (char *s, size_t max)
{
  size_t n = 0, k;

  while (s[n] && (k = sequence ((unsigned char *)s + n)) > 0 && n + k <= max)
    n += k;
  s[n] = '\0';
}

static char *
clean_name (const char *name)
{
  bool oom = false;
  char *s, *p;

  s = text_utf8 (name ? name : "", &oom);
  if (s == NULL)
    return NULL;
  for (p = s; *p; ++p)
    if (*p == '/' || is_control (*p))
      *p = '_';
  return s;
}

char *
target_name_domain (const char *name)
{
  char *s = clean_name (name);

  if (s && s[strspn (s, " ")] == '\0') {
    free (s);
    s = strdup ("unnamed");
  }
  return s;
}

char *
target_name_file (const char *name)
{
  CLEANUP_FREE char *s = target_name_domain (name);
  char *ret;

  if (s == NULL)
    return NULL;
  if (s[0] == '.' || s[0] == '-')
    s[0] = '_';
  if (strlen (s) <= MAX_FILE_NAME)
    return strdup (s);
  cut (s, MAX_FILE_NAME - 9);
  if (asprintf (&ret, "%s-%08x", s, text_digest (name)) == -1)
    return NULL;
  return ret;
}

/* Runs of what is not allowed become one dash; none at either end. */
static char *
squeeze (const char *name, const char *allowed, bool lower)
{
  char *s = malloc (strlen (name) + 1), *q = s;
  bool gap = false;

  if (s == NULL)
    return NULL;
  for (; *name; ++name) {
    unsigned char c = *name;

    if (lower && c >= 'A' && c <= 'Z')
      c += 'a' - 'A';
    if (is_alnum (c) || (strchr (allowed, c) && q > s && !gap)) {
      if (gap && q > s)
        *q++ = '-';
      gap = false;
      *q++ = c;
    }
    else
      gap = true;
  }
  while (q > s && !is_alnum (q[-1]))
    q--;
  *q = '\0';
  return s;
}

static char *
label (const char *name, const char *allowed, bool lower)
{
  CLEANUP_FREE char *s = NULL;
  char *ret;
  size_t n;

  if (name == NULL || *name == '\0')
    return strdup ("vm");
  s = squeeze (name, allowed, lower);
  if (s == NULL)
    return NULL;
  n = strlen (s);
  if (n > 0 && n <= MAX_LABEL)
    return strdup (s);
  if (n > MAX_LABEL) {
    s[MAX_LABEL - 9] = '\0';
    for (n = strlen (s); n > 0 && !is_alnum (s[n - 1]); --n)
      s[n - 1] = '\0';
  }
  if (asprintf (&ret, "%s-%08x", n > 0 ? s : "vm", text_digest (name)) == -1)
    return NULL;
  return ret;
}

char *
target_name_dns (const char *name)
{
  return label (name, "-", true);
}

char *
target_name_label (const char *name)
{
  return label (name, "-_.", false);
}

/* In single quotes nothing is special but the single quote itself. */
char *
target_shell_quote (const char *s)
{
  size_t n = 3;
  const char *p;
  char *ret, *q;

  /* Words that are plainly harmless stay readable. */
  if (*s && s[strspn (s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                         "0123456789_-.,/:+@%")] == '\0')
    return strdup (s);
  for (p = s; *p; ++p)
    n += *p == '\'' ? 4 : 1;
  ret = q = malloc (n);
  if (ret == NULL)
    return NULL;
  /* cppcheck-suppress uninitdata */
  *q++ = '\'';
  for (p = s; *p; ++p) {
    if (*p == '\'') {
      memcpy (q, "'\\''", 4);
      q += 4;
    }
    else
      *q++ = *p;
  }
  *q++ = '\'';
  *q = '\0';
  return ret;
}
