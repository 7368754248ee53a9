/* SPDX-License-Identifier: BSD-3-Clause */

/* See report.h.
 *
 * Form: one JSON object a line, each written with a single write(2) where
 * the pipe allows it, so that a supervisor never sees a torn line except
 * when the helper dies.  What is sent is also kept for report.json.
 *
 * Invariants: (1) every string that goes out is valid UTF-8 without
 * control characters, because messages quote the guest; (2) the result is
 * sent once and is the last line; (3) it carries the first error.
 *
 * Not thread-safe, except for report_stop: only the main thread reports.
 */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "report.h"

#define MAX_DEPTH 2

/* Bounds what a hostile guest can make report.json grow to. */
#define MAX_ENTRIES 100000

struct step {
  char *name, *text;
  double start;
};

struct report {
  int fd;
  int human;
  struct timespec t0;
  struct step steps[MAX_DEPTH];
  unsigned depth;
  int result_sent;
  /* Set by any thread: the message first. */
  const char *_Atomic stop_message;
  const char *_Atomic stop_code;
  char *code, *message; /* first error */
  struct json_object *warnings, *errors, *infos, *changes, *facts, *timing,
    *documents, *mounts;
};

struct report *
report_new (int progress_fd, int human)
{
  struct report *r = calloc (1, sizeof *r);

  if (r == NULL)
    return NULL;
  r->fd = progress_fd;
  r->human = human;
  clock_gettime (CLOCK_MONOTONIC, &r->t0);
  r->warnings = json_object_new_array ();
  r->errors = json_object_new_array ();
  r->infos = json_object_new_array ();
  r->changes = json_object_new_array ();
  r->timing = json_object_new_array ();
  r->documents = json_object_new_array ();
  r->mounts = json_object_new_array ();
  r->facts = json_object_new_object ();
  if (!r->warnings || !r->errors || !r->infos || !r->changes || !r->timing ||
      !r->documents || !r->facts || !r->mounts) {
    report_free (r);
    return NULL;
  }
  return r;
}

void
report_free (struct report *r)
{
  if (r == NULL)
    return;
  while (r->depth > 0) {
    r->depth--;
    free (r->steps[r->depth].name);
    free (r->steps[r->depth].text);
  }
  json_object_put (r->warnings);
  json_object_put (r->errors);
  json_object_put (r->infos);
  json_object_put (r->changes);
  json_object_put (r->timing);
  json_object_put (r->documents);
  json_object_put (r->mounts);
  json_object_put (r->facts);
  free (r->code);
  free (r->message);
  free (r);
}

double
report_seconds (const struct report *r)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return t.tv_sec - r->t0.tv_sec + (t.tv_nsec - r->t0.tv_nsec) / 1e9;
}

/* Length of the valid UTF-8 sequence at S (at most N bytes), 0 if there is
 * none or it is a control character.
 */
static size_t
utf8_len (const unsigned char *s, size_t n)
{
  size_t len, i;
  uint32_t c;

  if (s[0] < 0x80)
    return s[0] >= 0x20 && s[0] != 0x7f;
  if (s[0] >= 0xc2 && s[0] <= 0xdf) {
    len = 2;
    c = s[0] & 0x1f;
  }
  else if ((s[0] & 0xf0) == 0xe0) {
    len = 3;
    c = s[0] & 0xf;
  }
  else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
    len = 4;
    c = s[0] & 7;
  }
  else
    return 0;
  if (len > n)
    return 0;
  for (i = 1; i < len; ++i) {
    if ((s[i] & 0xc0) != 0x80)
      return 0;
    c = c << 6 | (s[i] & 0x3f);
  }
  if ((len == 3 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff))) ||
      (len == 4 && (c < 0x10000 || c > 0x10ffff)) || (c >= 0x80 && c < 0xa0))
    return 0;
  return len;
}

/* Make STR printable in place: line breaks and tabs become blanks, what is
 * not a character becomes '?'.
 */
static void
clean (char *str)
{
  unsigned char *s = (unsigned char *)str;
  size_t n = strlen (str), i = 0, len;

  while (n > 0 && (s[n - 1] == '\n' || s[n - 1] == ' '))
    s[--n] = '\0';
  while (i < n) {
    len = utf8_len (s + i, n - i);
    if (len > 0) {
      i += len;
      continue;
    }
    s[i] = s[i] == '\n' || s[i] == '\t' || s[i] == '\r' ? ' ' : '?';
    i++;
  }
}

static struct json_object *
new_string (const char *s)
{
  char *copy;
  struct json_object *o;

  if (s == NULL)
    return NULL;
  copy = strdup (s);
  if (copy == NULL)
    return json_object_new_string ("(out of memory)");
  clean (copy);
  o = json_object_new_string (copy);
  free (copy);
  return o;
}

static struct json_object *
new_seconds (double t)
{
  char buf[32];

  snprintf (buf, sizeof buf, "%.3f", t);
  return json_object_new_double_s (t, buf);
}

static void
add (struct json_object *o, const char *key, struct json_object *value)
{
  json_object_object_add (o, key, value);
}

static void
append (struct json_object *array, struct json_object *o)
{
  if (json_object_array_length (array) >= MAX_ENTRIES) {
    json_object_put (o);
    return;
  }
  json_object_array_add (array, o);
}

static void
send_line (struct report *r, struct json_object *o)
{
  const char *text;
  char *line;
  size_t len, done = 0;

  if (r->fd < 0)
    return;
  text = json_object_to_json_string_ext (o, JSON_C_TO_STRING_PLAIN |
                                              JSON_C_TO_STRING_NOSLASHESCAPE);
  if (text == NULL)
    return;
  len = strlen (text);
  line = malloc (len + 1);
  if (line == NULL)
    return;
  memcpy (line, text, len);
  line[len++] = '\n';
  while (done < len) {
    ssize_t n = write (r->fd, line + done, len - done);

    if (n < 0) {
      if (errno == EINTR)
        continue;
      /* The supervisor is gone; its death ends us by signal. */
      break;
    }
    done += n;
  }
  free (line);
}

static void
human_line (struct report *r, const char *prefix, const char *text)
{
  char *copy;

  if (!r->human)
    return;
  copy = strdup (text);
  if (copy != NULL)
    clean (copy);
  fprintf (stderr, "[%6.1f] %s%s\n", report_seconds (r), prefix,
           copy ? copy : "");
  free (copy);
}

static void
send_step (struct report *r, const struct step *s, int end)
{
  struct json_object *o = json_object_new_object ();
  double now = report_seconds (r);

  add (o, "type", json_object_new_string ("step"));
  add (o, "name", new_string (s->name));
  add (o, "text", new_string (s->text));
  add (o, "event", json_object_new_string (end ? "end" : "start"));
  add (o, "seconds", new_seconds (now));
  if (end) {
    struct json_object *t = json_object_new_object ();

    add (o, "elapsed", new_seconds (now - s->start));
    add (t, "name", new_string (s->name));
    add (t, "seconds", new_seconds (s->start));
    add (t, "elapsed", new_seconds (now - s->start));
    append (r->timing, t);
  }
  send_line (r, o);
  json_object_put (o);
}

void
report_step (struct report *r, const char *name, const char *text)
{
  struct step *s;

  if (r->depth == MAX_DEPTH)
    report_step_end (r);
  s = &r->steps[r->depth++];
  s->name = strdup (name);
  s->text = strdup (text);
  s->start = report_seconds (r);
  send_step (r, s, 0);
  human_line (r, "", text);
}

void
report_step_end (struct report *r)
{
  struct step *s;

  if (r->depth == 0)
    return;
  s = &r->steps[--r->depth];
  send_step (r, s, 1);
  free (s->name);
  free (s->text);
  s->name = s->text = NULL;
}

void
report_progress (struct report *r, uint64_t done, uint64_t total)
{
  struct json_object *o = json_object_new_object ();

  add (o, "type", json_object_new_string ("progress"));
  add (o, "done", json_object_new_uint64 (done));
  add (o, "total", json_object_new_uint64 (total));
  send_line (r, o);
  json_object_put (o);
}

static void
message (struct report *r, const char *type, struct json_object *list,
         const char *code, const char *text)
{
  struct json_object *o = json_object_new_object ();
  struct json_object *k = json_object_new_object ();

  add (o, "type", json_object_new_string (type));
  if (code != NULL) {
    add (o, "code", new_string (code));
    add (k, "code", new_string (code));
  }
  add (o, "message", new_string (text));
  add (k, "message", new_string (text));
  send_line (r, o);
  json_object_put (o);
  append (list, k);
}

static char *
format (const char *fmt, va_list args)
{
  char *text;

  if (vasprintf (&text, fmt, args) == -1)
    return NULL;
  clean (text);
  return text;
}

void
report_info (struct report *r, const char *fmt, ...)
{
  va_list args;
  char *text;

  va_start (args, fmt);
  text = format (fmt, args);
  va_end (args);
  message (r, "info", r->infos, NULL, text ? text : "out of memory");
  human_line (r, "", text ? text : "out of memory");
  free (text);
}

void
report_warning (struct report *r, const char *code, const char *fmt, ...)
{
  va_list args;
  char *text;

  va_start (args, fmt);
  text = format (fmt, args);
  va_end (args);
  message (r, "warning", r->warnings, code, text ? text : "out of memory");
  human_line (r, "warning: ", text ? text : "out of memory");
  free (text);
}

void
report_stop (struct report *r, const char *code, const char *text)
{
  atomic_store (&r->stop_message, text);
  atomic_store (&r->stop_code, code);
}

void
report_error (struct report *r, const char *code, const char *fmt, ...)
{
  const char *stop = atomic_load (&r->stop_code);
  va_list args;
  char *text;

  if (stop != NULL) {
    if (r->code != NULL && strcmp (r->code, stop) == 0)
      return;
    code = stop;
    text = strdup (atomic_load (&r->stop_message));
  }
  else {
    va_start (args, fmt);
    text = format (fmt, args);
    va_end (args);
  }
  message (r, "error", r->errors, code, text ? text : "out of memory");
  human_line (r, "error: ", text ? text : "out of memory");
  if (r->code == NULL) {
    r->code = strdup (code);
    r->message = text;
    text = NULL;
  }
  free (text);
}

void
report_change (struct report *r, const char *path, const char *action,
               const char *why, const char *before, const char *after)
{
  struct json_object *o = json_object_new_object ();

  add (o, "path", new_string (path));
  add (o, "action", new_string (action));
  add (o, "why", new_string (why));
  add (o, "before", new_string (before));
  add (o, "after", new_string (after));
  append (r->changes, o);
}

void
report_fact (struct report *r, const char *section, const char *key,
             const char *value)
{
  struct json_object *s;

  if (!json_object_object_get_ex (r->facts, section, &s)) {
    s = json_object_new_object ();
    add (r->facts, section, s);
  }
  add (s, key, new_string (value));
}

void
report_mount (struct report *r, const char *mountpoint, const char *device,
              const char *fstype, const char *uuid)
{
  struct json_object *o = json_object_new_object ();

  add (o, "mountpoint", new_string (mountpoint));
  add (o, "device", new_string (device));
  add (o, "fstype", new_string (fstype));
  add (o, "uuid", new_string (uuid));
  append (r->mounts, o);
}

void
report_document (struct report *r, const char *name)
{
  append (r->documents, new_string (name));
}

int
report_failed (const struct report *r)
{
  return r->code != NULL;
}

char *
report_to_json (struct report *r)
{
  struct json_object *o = json_object_new_object ();
  const char *text;
  char *copy = NULL;

  add (o, "version", json_object_new_int (1));
  add (o, "generator", json_object_new_string (PACKAGE_STRING));
  add (o, "status", json_object_new_string (r->code ? "failed" : "ok"));
  add (o, "code", new_string (r->code));
  add (o, "message", new_string (r->message));
  add (o, "seconds", new_seconds (report_seconds (r)));
  add (o, "facts", json_object_get (r->facts));
  add (o, "mounts", json_object_get (r->mounts));
  add (o, "warnings", json_object_get (r->warnings));
  add (o, "errors", json_object_get (r->errors));
  add (o, "messages", json_object_get (r->infos));
  add (o, "changes", json_object_get (r->changes));
  add (o, "steps", json_object_get (r->timing));
  text = json_object_to_json_string_ext (o, JSON_C_TO_STRING_PRETTY |
                                              JSON_C_TO_STRING_NOSLASHESCAPE);
  if (text != NULL && asprintf (&copy, "%s\n", text) == -1)
    copy = NULL;
  json_object_put (o);
  return copy;
}

void
report_result (struct report *r)
{
  struct json_object *o;

  if (r->result_sent)
    return;
  while (r->depth > 0)
    report_step_end (r);
  r->result_sent = 1;
  o = json_object_new_object ();
  add (o, "type", json_object_new_string ("result"));
  add (o, "status", json_object_new_string (r->code ? "failed" : "ok"));
  add (o, "code", new_string (r->code));
  add (o, "message", new_string (r->message));
  add (o, "documents", json_object_get (r->documents));
  send_line (r, o);
  json_object_put (o);
}
