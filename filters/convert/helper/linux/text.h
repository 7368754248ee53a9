/* SPDX-License-Identifier: BSD-3-Clause */

/* A growing piece of text, and walking over lines and words of one that
 * must come out byte for byte as it went in but for what is replaced.
 */

#ifndef V2V_LINUX_TEXT_H
#define V2V_LINUX_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Appending never fails visibly: after running out of memory FAILED is
 * set and everything else is a no-op, so that an editor checks once, at
 * its end.  DATA is NUL-terminated whenever it is not NULL.
 */
struct text {
  char *data;
  size_t len, cap;
  bool failed;
};

#define TEXT_INIT \
  { \
    NULL, 0, 0, false \
  }

extern void text_add (struct text *t, const char *s, size_t n);
extern void text_adds (struct text *t, const char *s);
extern void text_addf (struct text *t, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));
extern void text_free (struct text *t);

static inline void
text_cleanup (struct text *t)
{
  text_free (t);
}
#define CLEANUP_TEXT __attribute__ ((cleanup (text_cleanup)))

/* A piece of somebody else's bytes; not NUL-terminated. */
struct span {
  const char *p;
  size_t n;
};

/* The next line of REST, which shrinks.  EOL gets its end of line ("\n",
 * or empty at the end of a file that lacks it).  False at the end.
 */
extern bool span_line (struct span *rest, struct span *line, struct span *eol);

/* A carriage return belongs to the end of line. */
static inline void
span_drop_cr (struct span *line, struct span *eol)
{
  if (line->n && line->p[line->n - 1] == '\r') {
    line->n--;
    eol->p--;
    eol->n++;
  }
}

/* The next word of REST: SPACE gets the blanks before it, WORD the word
 * (empty at the end of the line).  Blanks are spaces and tabs.
 */
extern bool
span_word (struct span *rest, struct span *space, struct span *word);

extern bool span_is (struct span s, const char *str);
extern bool span_starts (struct span s, const char *prefix);
extern bool span_contains (struct span s, const char *what);
extern struct span span_skip (struct span s, size_t n);
extern struct span span_trim (struct span s);
extern char *span_dup (struct span s);
static inline struct span
span_of (const char *s)
{
  return (struct span){ s, strlen (s) };
}
static inline void
text_add_span (struct text *t, struct span s)
{
  text_add (t, s.p, s.n);
}

/* NAME=VALUE in a file of shell assignments (os-release, /etc/default):
 * the last one counts, quotes are taken off.  Allocated, or NULL.
 */
extern char *text_shell_var (const char *data, size_t len, const char *name);

/* "a.b.c" as packagers order versions: runs of digits by value, letters
 * by byte, "~" before anything.  <0, 0, >0.
 */
extern int text_version_cmp (const char *a, const char *b);

#endif /* V2V_LINUX_TEXT_H */
