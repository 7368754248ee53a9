/* SPDX-License-Identifier: BSD-3-Clause */

/* Reading a policy's file_contexts as libselinux' matchpathcon does.
 *
 * A line is "REGEX [KIND] CONTEXT".  Of all lines that match a whole path
 * and its kind the last one counts, but lines without any operator (which
 * name one path) come before those with one.  Before matching, the path's
 * beginning is replaced as file_contexts.subs and then .subs_dist say
 * ("/lib /usr/lib").
 *
 * The expressions are PCRE's, and real policies use what POSIX lacks
 * ("(?:", lazy repeats, "\d"), therefore libpcre2; libselinux itself would
 * do, but sets no limits, and the expressions are the guest's:
 *
 * 1. A file has at most MAX_SPECS lines; an expression and a context are
 *    short; a longer line is passed over.
 * 2. Each match has limits on steps, depth and memory; one that hits them
 *    counts as no match.
 * 3. All look-ups together compile at most MAX_WORK expressions.  Only
 *    expressions whose literal beginning fits the path are compiled (about
 *    30 of the 6000 of Fedora's policy), and forgotten at once: kept,
 *    100 000 of 64 KiB would be gigabytes.
 * 4. A context that could not be one (no colons, control characters) is
 *    passed over, and so is an expression that PCRE refuses: RHEL 6.2 to
 *    6.5 have one ("vdagentd.\pid"), for which libselinux would refuse
 *    the whole policy.
 * 5. Past a limit the answer is "not known", never a guess; the caller
 *    then asks the file's neighbours.
 */

#define PCRE2_CODE_UNIT_WIDTH 8

#include <config.h>

#include <stdint.h>
#include <sys/stat.h>

#include <pcre2.h>

#include "selabel.h"
#include "v2v-utils.h"

#define MAX_SPECS 100000
#define MAX_SUBS 1000
#define MAX_REGEX 2048
#define MAX_CONTEXT 1024
#define MAX_PATH 4096
#define MAX_WORK 100000

struct spec {
  char *regex;
  char *context; /* NULL = <<none>> */
  char *literal; /* what every match begins with */
  size_t literal_len;
  bool exact; /* LITERAL is all */
  unsigned kind;
};

struct sub {
  char *from, *to;
};

struct subs {
  struct sub *v;
  size_t nr;
};

struct selabel {
  struct spec *specs;
  size_t nr, cap;
  struct subs subs, dist;
  size_t work;
  bool failed;
  pcre2_match_context *limits;
};

struct selabel *
selabel_new (void)
{
  struct selabel *sl = calloc (1, sizeof *sl);

  if (!sl)
    return NULL;
  sl->limits = pcre2_match_context_create (NULL);
  if (!sl->limits) {
    free (sl);
    return NULL;
  }
  pcre2_set_match_limit (sl->limits, 20000);
  pcre2_set_depth_limit (sl->limits, 2000);
  pcre2_set_heap_limit (sl->limits, 1024); /* KiB */
  return sl;
}

static void
free_subs (struct subs *s)
{
  size_t i;

  for (i = 0; i < s->nr; i++) {
    free (s->v[i].from);
    free (s->v[i].to);
  }
  free (s->v);
}

void
selabel_free (struct selabel *sl)
{
  size_t i;

  if (!sl)
    return;
  for (i = 0; i < sl->nr; i++) {
    free (sl->specs[i].regex);
    free (sl->specs[i].context);
    free (sl->specs[i].literal);
  }
  free (sl->specs);
  free_subs (&sl->subs);
  free_subs (&sl->dist);
  pcre2_match_context_free (sl->limits);
  free (sl);
}

bool
selabel_failed (const struct selabel *sl)
{
  return sl->failed;
}

size_t
selabel_count (const struct selabel *sl)
{
  return sl->nr;
}

/* What REGEX begins with, whatever it matches; unescaped. */
static bool
literal_of (struct spec *s)
{
  const char *r = s->regex;
  size_t i, depth = 0;
  bool operators = false;

  s->literal = malloc (strlen (r) + 1);
  if (!s->literal)
    return false;
  s->literal_len = 0;
  /* An alternative outside of parentheses begins anew. */
  for (i = 0; r[i]; i++) {
    if (r[i] == '\\' && r[i + 1])
      i++;
    else if (r[i] == '(')
      depth++;
    else if (r[i] == ')' && depth)
      depth--;
    else if (r[i] == '|' && depth == 0)
      operators = true;
  }
  for (i = 0; r[i] && !operators; i++) {
    char c = r[i];

    if (strchr (".^$?*+|[({", c)) {
      operators = true;
      break;
    }
    if (c == '\\') {
      c = r[++i];
      /* "\d", "\w", and what is no escape of a plain character. */
      if (!c || strchr ("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789",
                        c)) {
        operators = true;
        break;
      }
    }
    if (r[i + 1] && strchr ("?*+{", r[i + 1])) {
      operators = true;
      break;
    }
    s->literal[s->literal_len++] = c;
  }
  s->literal[s->literal_len] = '\0';
  s->exact = !operators;
  return true;
}

static bool
kind_of (struct span s, unsigned *kind)
{
  static const struct {
    const char *word;
    unsigned kind;
  } kinds[] = {
    { "--", S_IFREG }, { "-d", S_IFDIR }, { "-l", S_IFLNK },  { "-b", S_IFBLK },
    { "-c", S_IFCHR }, { "-p", S_IFIFO }, { "-s", S_IFSOCK },
  };
  size_t i;

  for (i = 0; i < V2V_ARRAY_SIZE (kinds); i++)
    if (span_is (s, kinds[i].word)) {
      *kind = kinds[i].kind;
      return true;
    }
  return false;
}

/* USER:ROLE:TYPE, and with MLS :LEVEL. */
static bool
is_context (struct span s)
{
  size_t i, colons = 0;

  if (s.n > MAX_CONTEXT)
    return false;
  for (i = 0; i < s.n; i++) {
    if (s.p[i] <= ' ' || s.p[i] > '~')
      return false;
    colons += s.p[i] == ':';
  }
  return colons >= 2;
}

void
selabel_add_specs (struct selabel *sl, struct span in)
{
  struct span line, eol, space, w[4];
  size_t n;

  while (!sl->failed && span_line (&in, &line, &eol)) {
    struct spec s = { 0 };
    struct span context;

    span_drop_cr (&line, &eol);
    for (n = 0; n < 4 && span_word (&line, &space, &w[n]) && w[n].n; n++)
      ;
    if (n < 2 || n > 3 || w[0].p[0] == '#' || w[0].n > MAX_REGEX ||
        memchr (w[0].p, '\0', w[0].n))
      continue;
    if (n == 3 && !kind_of (w[1], &s.kind))
      continue;
    context = w[n - 1];
    if (!span_is (context, "<<none>>") && !is_context (context))
      continue;
    if (sl->nr == MAX_SPECS) {
      sl->failed = true;
      return;
    }
    if (sl->nr == sl->cap) {
      const size_t cap = sl->cap ? sl->cap * 2 : 1024;
      struct spec *v = realloc (sl->specs, cap * sizeof *v);

      if (!v) {
        sl->failed = true;
        return;
      }
      sl->specs = v;
      sl->cap = cap;
    }
    s.regex = span_dup (w[0]);
    if (!span_is (context, "<<none>>")) {
      s.context = span_dup (context);
      sl->failed |= !s.context;
    }
    if (!s.regex || !literal_of (&s))
      sl->failed = true;
    sl->specs[sl->nr++] = s;
  }
}

void
selabel_add_subs (struct selabel *sl, struct span in, bool dist)
{
  struct subs *subs = dist ? &sl->dist : &sl->subs;
  struct span line, eol, space, w[2];
  struct sub *v;

  while (!sl->failed && span_line (&in, &line, &eol)) {
    span_drop_cr (&line, &eol);
    if (!span_word (&line, &space, &w[0]) ||
        !span_word (&line, &space, &w[1]) || !span_starts (w[0], "/") ||
        !span_starts (w[1], "/") || w[0].n > MAX_PATH || w[1].n > MAX_PATH)
      continue;
    if (subs->nr == MAX_SUBS) {
      sl->failed = true;
      return;
    }
    v = realloc (subs->v, (subs->nr + 1) * sizeof *v);
    if (!v) {
      sl->failed = true;
      return;
    }
    subs->v = v;
    v += subs->nr++;
    v->from = span_dup (w[0]);
    v->to = span_dup (w[1]);
    sl->failed |= !v->from || !v->to;
  }
}

/* PATH with its beginning replaced (allocated), or NULL if none fits.  Of
 * several the longest counts, and of two equal ones the later.
 */
static char *
substitute (struct selabel *sl, const struct subs *subs, const char *path)
{
  size_t i, best_len = 0;
  const struct sub *best = NULL;
  CLEANUP_TEXT struct text t = TEXT_INIT;
  char *r;

  for (i = 0; i < subs->nr; i++) {
    const char *from = subs->v[i].from;
    const size_t n = strlen (from);

    if (n >= best_len && strncmp (path, from, n) == 0 &&
        (path[n] == '/' || path[n] == '\0')) {
      best = &subs->v[i];
      best_len = n;
    }
  }
  if (!best)
    return NULL;
  /* "/ROOT /" must not make "//x". */
  if (strcmp (best->to, "/") == 0 && path[best_len] == '/')
    best_len++;
  text_adds (&t, best->to);
  text_adds (&t, path + best_len);
  sl->failed |= t.failed;
  r = t.data;
  if (!t.failed)
    t.data = NULL;
  else
    r = NULL;
  return r;
}

/* 1, 0, or -1 if it took too much. */
static int
matches (struct selabel *sl, const struct spec *s, const char *path)
{
  CLEANUP_TEXT struct text t = TEXT_INIT;
  pcre2_match_data *md;
  PCRE2_SIZE at;
  pcre2_code *code;
  int e, r;

  if (++sl->work > MAX_WORK)
    return -1;
  text_addf (&t, "^(?:%s)$", s->regex);
  if (t.failed)
    return -1;
  code = pcre2_compile ((PCRE2_SPTR)t.data, t.len, PCRE2_DOTALL, &e, &at, NULL);
  if (!code)
    return 0;
  md = pcre2_match_data_create (1, NULL);
  r = md ? pcre2_match (code, (PCRE2_SPTR)path, strlen (path), 0, 0, md,
                        sl->limits)
         : PCRE2_ERROR_NOMEMORY;
  pcre2_match_data_free (md);
  pcre2_code_free (code);
  return r >= 0;
}

const char *
selabel_lookup (struct selabel *sl, const char *path, unsigned mode)
{
  CLEANUP_FREE char *by_subs = NULL, *by_dist = NULL;
  const unsigned kind = mode & S_IFMT;
  int pass;
  size_t i, len;

  if (strlen (path) > MAX_PATH)
    return NULL;
  by_subs = substitute (sl, &sl->subs, path);
  if (by_subs)
    path = by_subs;
  by_dist = substitute (sl, &sl->dist, path);
  if (by_dist)
    path = by_dist;
  len = strlen (path);

  for (pass = 0; pass < 2 && !sl->failed; pass++)
    for (i = sl->nr; i-- > 0 && !sl->failed;) {
      const struct spec *s = &sl->specs[i];
      int r;

      if (s->exact != (pass == 0) || (s->kind && kind && s->kind != kind) ||
          len < s->literal_len ||
          memcmp (path, s->literal, s->literal_len) != 0)
        continue;
      r = s->exact ? len == s->literal_len : matches (sl, s, path);
      if (r == -1)
        sl->failed = true;
      else if (r)
        return s->context;
    }
  return NULL;
}
