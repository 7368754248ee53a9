/* SPDX-License-Identifier: BSD-3-Clause */

#include <config.h>

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "copy.h"
#include "target.h"
#include "v2v-utils.h"

#define BAR_WIDTH 40

static const struct options *opts;
static FILE *json_fp;
static bool terminal, bar_drawn, error_shown;
static char *last_code;
static struct timespec began;
static double last_percent = -100;

void
show_init (const struct options *o)
{
  opts = o;
  json_fp = strcmp (o->target, "-") == 0 ? stderr : stdout;
  terminal = !o->json && !o->quiet && isatty (2);
}

static void
clear_bar (void)
{
  if (bar_drawn)
    fprintf (stderr, "\r\033[K");
  bar_drawn = false;
}

void
show_json (const char *event, struct json_object *obj)
{
  struct json_object *line;

  if (!opts->json) {
    json_object_put (obj);
    return;
  }
  line = json_object_new_object ();
  json_object_object_add (line, "event", json_object_new_string (event));
  if (obj) {
    json_object_object_foreach (obj, key, val)
      json_object_object_add (line, key, json_object_get (val));
    json_object_put (obj);
  }
  fprintf (json_fp, "%s\n",
           json_object_to_json_string_ext (
             line, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
  fflush (json_fp);
  json_object_put (line);
}

static struct json_object *
one_string (const char *key, const char *value)
{
  struct json_object *o = json_object_new_object ();

  json_object_object_add (o, key, json_object_new_string (value));
  return o;
}

static void
add_seconds (struct json_object *o, double seconds)
{
  char s[32];

  snprintf (s, sizeof s, "%.1f", seconds);
  json_object_object_add (o, "seconds", json_object_new_double_s (seconds, s));
}

void
show_message (const char *fmt, ...)
{
  CLEANUP_FREE char *s = NULL;
  va_list ap;

  va_start (ap, fmt);
  if (vasprintf (&s, fmt, ap) == -1)
    s = NULL;
  va_end (ap);
  if (s == NULL)
    return;
  if (opts->json)
    show_json ("message", one_string ("message", s));
  else if (!opts->quiet) {
    clear_bar ();
    fprintf (stderr, "%s\n", s);
  }
}

void
show_error (const char *code, const char *fmt, ...)
{
  CLEANUP_FREE char *s = NULL;
  struct json_object *o;
  va_list ap;

  va_start (ap, fmt);
  if (vasprintf (&s, fmt, ap) == -1)
    s = NULL;
  va_end (ap);
  if (s == NULL)
    return;
  error_shown = true;
  if (opts && opts->json) {
    o = one_string ("code", code);
    json_object_object_add (o, "message", json_object_new_string (s));
    show_json ("error", o);
  }
  clear_bar ();
  fprintf (stderr, "v2v-copy: error: %s\n", s);
}

bool
show_first_error (void)
{
  return !error_shown;
}

const char *
show_last_code (void)
{
  return last_code;
}

void
show_command (char *const argv[])
{
  size_t i;

  if (!opts->verbose)
    return;
  clear_bar ();
  for (i = 0; argv[i]; ++i) {
    CLEANUP_FREE char *q = target_shell_quote (argv[i]);

    fprintf (stderr, "%s%s", i == 0 ? "+ " : " ", q ? q : "?");
  }
  fputc ('\n', stderr);
}

void
show_file (const char *path, const char *text)
{
  CLEANUP_FREE char *q = target_shell_quote (path);

  if (!opts->verbose)
    return;
  clear_bar ();
  fprintf (stderr, "+ cat >%s <<'END'\n%sEND\n", q ? q : "?", text);
}

/* "nbdkit: file[1]: error: ..." or "nbdkit: error: ...": the text. */
static const char *
nbdkit_error_text (const char *line)
{
  const char *p;

  if (strncmp (line, "nbdkit: ", 8) != 0)
    return NULL;
  p = strstr (line, "error: ");
  return p ? p + 7 : NULL;
}

/* "warning: TEXT (CODE)" or the name of a step. */
static void
show_step (const char *text, double seconds)
{
  const bool warning = strncmp (text, "warning: ", 9) == 0;
  const char *open = warning ? strrchr (text, '(') : NULL;
  struct json_object *o;

  if (warning)
    text += 9;
  o = one_string (warning ? "message" : "text", text);
  if (open && text[strlen (text) - 1] == ')')
    json_object_object_add (
      o, "code", json_object_new_string_len (open + 1, (int)strlen (open) - 2));
  add_seconds (o, seconds);
  show_json (warning ? "warning" : "step", o);
}

void
show_child_line (const char *line)
{
  const char *text = nbdkit_error_text (line), *code;
  double seconds;
  int n = 0;

  /* "[  12.3] Step": the conversion's progress. */
  if (sscanf (line, "[ %lf]%n", &seconds, &n) == 1 && n > 0) {
    show_step (line + n + strspn (line + n, " "), seconds);
    if (!opts->json && !opts->quiet) {
      clear_bar ();
      fprintf (stderr, "%s\n", line);
    }
    return;
  }
  if (text && (code = strstr (text, "(code: ")) != NULL) {
    size_t len = strcspn (code + 7, ")");

    free (last_code);
    last_code = strndup (code + 7, len);
  }
  if (opts->json) {
    struct json_object *o = one_string ("message", text ? text : line);

    if (text && last_code)
      json_object_object_add (o, "code", json_object_new_string (last_code));
    show_json (text ? "error" : "log", o);
  }
  else {
    clear_bar ();
    fprintf (stderr, "%s\n", line);
  }
}

void
show_progress (double percent, uint64_t total)
{
  struct timespec now;
  double seconds;
  int fill, eta;

  clock_gettime (CLOCK_MONOTONIC, &now);
  if (last_percent < 0)
    began = now;
  seconds = now.tv_sec - began.tv_sec + (now.tv_nsec - began.tv_nsec) / 1e9;
  if (opts->json) {
    struct json_object *o;

    if (percent < last_percent + 1 && !(percent >= 100 && last_percent < 100))
      return;
    last_percent = percent;
    o = json_object_new_object ();
    json_object_object_add (o, "percent", json_object_new_int ((int)percent));
    json_object_object_add (
      o, "bytes",
      json_object_new_uint64 ((uint64_t)((double)total * percent / 100)));
    json_object_object_add (o, "total", json_object_new_uint64 (total));
    add_seconds (o, seconds);
    show_json ("progress", o);
    return;
  }
  if (opts->quiet)
    return;
  if (!terminal) {
    /* A log file gets a line now and then. */
    if (percent < last_percent + 10 && !(percent >= 100 && last_percent < 100))
      return;
    last_percent = percent;
    fprintf (stderr, "Copied %3.0f %%\n", percent);
    return;
  }
  last_percent = percent;
  fill = (int)(percent * BAR_WIDTH / 100);
  fprintf (stderr, "\r\033[K[%.*s%*s] %3.0f %%", fill,
           "########################################", BAR_WIDTH - fill, "",
           percent);
  if (percent > 1 && percent < 100 && seconds > 1) {
    eta = (int)(seconds * (100 - percent) / percent);
    fprintf (stderr, "  %d:%02d left", eta / 60, eta % 60);
  }
  fflush (stderr);
  bar_drawn = true;
}

void
show_progress_end (void)
{
  if (bar_drawn)
    fputc ('\n', stderr);
  bar_drawn = false;
}
