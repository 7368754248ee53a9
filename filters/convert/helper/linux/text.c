/* SPDX-License-Identifier: BSD-3-Clause */

#include <config.h>

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "text.h"
#include "v2v-utils.h"

static bool
grow (struct text *t, size_t more)
{
  size_t cap;
  char *p;

  if (t->failed)
    return false;
  if (more >= (size_t)-1 / 2 - t->len) {
    t->failed = true;
    return false;
  }
  if (t->data && t->len + more < t->cap)
    return true;
  cap = V2V_MAX (t->len + more + 1, t->cap * 2);
  cap = V2V_MAX (cap, 128);
  p = realloc (t->data, cap);
  if (!p) {
    t->failed = true;
    return false;
  }
  t->data = p;
  t->cap = cap;
  return true;
}

void
text_add (struct text *t, const char *s, size_t n)
{
  if (!grow (t, n))
    return;
  if (n)
    memcpy (t->data + t->len, s, n);
  t->len += n;
  t->data[t->len] = '\0';
}

void
text_adds (struct text *t, const char *s)
{
  text_add (t, s, strlen (s));
}

void
text_addf (struct text *t, const char *fmt, ...)
{
  va_list ap;
  char *s;

  va_start (ap, fmt);
  if (vasprintf (&s, fmt, ap) == -1) {
    t->failed = true;
    va_end (ap);
    return;
  }
  va_end (ap);
  text_adds (t, s);
  free (s);
}

void
text_free (struct text *t)
{
  free (t->data);
  *t = (struct text)TEXT_INIT;
}

bool
span_line (struct span *rest, struct span *line, struct span *eol)
{
  const char *nl;

  if (rest->n == 0)
    return false;
  nl = memchr (rest->p, '\n', rest->n);
  *line = (struct span){ rest->p, nl ? (size_t)(nl - rest->p) : rest->n };
  *eol = (struct span){ line->p + line->n, nl ? 1 : 0 };
  *rest = span_skip (*rest, line->n + eol->n);
  return true;
}

static bool
blank (char c)
{
  return c == ' ' || c == '\t';
}

bool
span_word (struct span *rest, struct span *space, struct span *word)
{
  size_t i = 0, start;

  while (i < rest->n && blank (rest->p[i]))
    i++;
  *space = (struct span){ rest->p, i };
  start = i;
  while (i < rest->n && !blank (rest->p[i]))
    i++;
  *word = (struct span){ rest->p + start, i - start };
  *rest = span_skip (*rest, i);
  return space->n || word->n;
}

bool
span_is (struct span s, const char *str)
{
  return s.n == strlen (str) && memcmp (s.p, str, s.n) == 0;
}

bool
span_starts (struct span s, const char *prefix)
{
  const size_t n = strlen (prefix);

  return s.n >= n && memcmp (s.p, prefix, n) == 0;
}

bool
span_contains (struct span s, const char *what)
{
  return s.n && memmem (s.p, s.n, what, strlen (what)) != NULL;
}

struct span
span_skip (struct span s, size_t n)
{
  return (struct span){ s.p + n, s.n - n };
}

struct span
span_trim (struct span s)
{
  while (s.n && isspace ((unsigned char)s.p[0]))
    s = span_skip (s, 1);
  while (s.n && isspace ((unsigned char)s.p[s.n - 1]))
    s.n--;
  return s;
}

char *
span_dup (struct span s)
{
  return strndup (s.p, s.n);
}

char *
text_shell_var (const char *data, size_t len, const char *name)
{
  const size_t namelen = strlen (name);
  struct span rest = { data, len }, line, eol, value;
  char *found = NULL;

  while (span_line (&rest, &line, &eol)) {
    line = span_trim (line);
    if (!span_starts (line, name) || line.n <= namelen ||
        line.p[namelen] != '=')
      continue;
    value = span_skip (line, namelen + 1);
    if (value.n >= 1 && (value.p[0] == '"' || value.p[0] == '\'')) {
      const char *end = memchr (value.p + 1, value.p[0], value.n - 1);

      value = span_skip (value, 1);
      if (end)
        value.n = end - value.p;
    }
    free (found);
    found = span_dup (value);
  }
  return found;
}

int
text_version_cmp (const char *a, const char *b)
{
  while (*a || *b) {
    if (*a == '~' || *b == '~') {
      if (*a != *b)
        return *a == '~' ? -1 : 1;
      a++, b++;
      continue;
    }
    if (isdigit ((unsigned char)*a) && isdigit ((unsigned char)*b)) {
      size_t na, nb;
      int r;

      a += strspn (a, "0");
      b += strspn (b, "0");
      na = strspn (a, "0123456789");
      nb = strspn (b, "0123456789");
      if (na != nb)
        return na < nb ? -1 : 1;
      r = memcmp (a, b, na);
      if (r)
        return r;
      a += na;
      b += nb;
      continue;
    }
    if (*a != *b) {
      /* A number is newer than letters or the end: 6.1.1 > 6.1-rc1. */
      const int da = isdigit ((unsigned char)*a) != 0;
      const int db = isdigit ((unsigned char)*b) != 0;

      if (da != db)
        return da ? 1 : -1;
      return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
    }
    a++, b++;
  }
  return 0;
}
