/* SPDX-License-Identifier: BSD-3-Clause */

/* Editors of inittab and securetty.  The invariants of devedit.c
 * hold here too.
 */

#include <config.h>

#include <ctype.h>

#include "devedit.h"
#include "v2v-utils.h"

static bool
is_name (char c)
{
  return isalnum ((unsigned char)c) || c == '_' || c == '-';
}

/* Is the whole word WORD at S + I? */
static bool
word_at (struct span s, size_t i, const char *word)
{
  const size_t n = strlen (word);

  return s.n - i >= n && memcmp (s.p + i, word, n) == 0 &&
         (i == 0 || !is_name (s.p[i - 1])) &&
         (i + n == s.n || !is_name (s.p[i + n]));
}

static bool
has_word (struct span s, const char *word)
{
  size_t i;

  for (i = 0; i < s.n; i++)
    if (word_at (s, i, word))
      return true;
  return false;
}

void
edit_inittab (struct span in, struct devmap *map, struct text *out)
{
  struct span all = in, line, eol;
  bool has_serial = false;
  size_t i;

  if (!map->console) {
    text_add_span (out, in);
    return;
  }
  while (span_line (&all, &line, &eol))
    if (!span_starts (span_trim (line), "#") && has_word (line, map->console))
      has_serial = true;

  while (span_line (&in, &line, &eol)) {
    const bool ours = !span_starts (span_trim (line), "#") &&
                      (has_word (line, "hvc0") || has_word (line, "xvc0"));

    if (!ours)
      text_add_span (out, line);
    else if (has_serial) {
      /* Two gettys on one line would fight. */
      text_adds (out, "#");
      text_add_span (out, line);
    }
    else {
      for (i = 0; i < line.n;)
        if (word_at (line, i, "hvc0") || word_at (line, i, "xvc0")) {
          text_adds (out, map->console);
          i += 4;
        }
        else
          text_add (out, line.p + i++, 1);
      has_serial = true;
    }
    text_add_span (out, eol);
  }
}

void
edit_securetty (struct span in, struct devmap *map, struct text *out)
{
  struct span all = in, line, eol;
  bool has_serial = false;

  if (!map->console) {
    text_add_span (out, in);
    return;
  }
  while (span_line (&all, &line, &eol))
    if (span_is (span_trim (line), map->console))
      has_serial = true;
  while (span_line (&in, &line, &eol)) {
    struct span t = span_trim (line);

    if (!has_serial && (span_is (t, "hvc0") || span_is (t, "xvc0"))) {
      text_adds (out, map->console);
      has_serial = true;
    }
    else
      text_add_span (out, line);
    text_add_span (out, eol);
  }
}
