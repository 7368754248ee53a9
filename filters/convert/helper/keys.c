/* SPDX-License-Identifier: BSD-3-Clause */

/* See keys.h. */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "v2v-utils.h"

#define MAX_KEY (64 * 1024)

static int
fail (char **error, const char *fmt, const char *a)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  if (asprintf (error, fmt, a) == -1)
    *error = NULL;
#pragma GCC diagnostic pop
  return -1;
}

/* "/dev/mapper/VG-LV" becomes "/dev/VG/LV", as it is named in the scan;
 * allocated.
 */
static char *
normal_id (const char *id)
{
  const char *p;
  char *r, *q;
  int split = 0;

  if (strncmp (id, "/dev/mapper/", 12) != 0)
    return strdup (id);
  r = malloc (strlen (id) + 1);
  if (r == NULL)
    return NULL;
  strcpy (r, "/dev/");
  for (p = id + 12, q = r + 5; *p != '\0'; ++p) {
    if (p[0] == '-' && p[1] == '-')
      p++;
    else if (p[0] == '-') {
      split++;
      *q++ = '/';
      continue;
    }
    *q++ = *p;
  }
  *q = '\0';
  if (split != 1 || r[5] == '/' || q[-1] == '/' || strchr (id + 12, '/')) {
    free (r);
    return strdup (id);
  }
  return r;
}

static char *
read_key (const char *path, char **error)
{
  FILE *fp = fopen (path, "re");
  char *buf;
  size_t n;

  if (fp == NULL) {
    fail (error, "cannot read the key file %s: %m", path);
    return NULL;
  }
  setvbuf (fp, NULL, _IONBF, 0);
  buf = malloc (MAX_KEY + 1);
  n = buf ? fread (buf, 1, MAX_KEY + 1, fp) : 0;
  if (buf == NULL || ferror (fp) || n > MAX_KEY) {
    fail (error,
          n > MAX_KEY ? "%s is too large for a key file"
                      : "cannot read the key file %s: %m",
          path);
    fclose (fp);
    free (buf);
    return NULL;
  }
  fclose (fp);
  /* An editor ends the line; the passphrase does not contain that. */
  if (n > 0 && buf[n - 1] == '\n')
    n--;
  if (n > 0 && buf[n - 1] == '\r')
    n--;
  buf[n] = '\0';
  if (n == 0 || strlen (buf) != n) {
    fail (error,
          n == 0 ? "the key file %s is empty"
                 : "the key file %s contains a zero byte, which the appliance "
                   "cannot take; add a passphrase to the container",
          path);
    explicit_bzero (buf, n);
    free (buf);
    return NULL;
  }
  return buf;
}

int
keys_add (struct keys *keys, const char *selector, char **error)
{
  const char *colon = strchr (selector, ':'), *kind, *value;
  struct key *v;

  *error = NULL;
  if (colon == NULL || colon == selector)
    return fail (error,
                 "a key has the form ID:key:STRING or ID:file:FILE"
                 "%s",
                 "");
  kind = colon + 1;
  if (strncmp (kind, "key:", 4) == 0)
    value = kind + 4;
  else if (strncmp (kind, "file:", 5) == 0)
    value = kind + 5;
  else
    return fail (error,
                 "a key has the form ID:key:STRING or ID:file:FILE"
                 "%s",
                 "");
  if (*value == '\0')
    return fail (error, "a key is empty%s", "");

  v = realloc (keys->v, (keys->n + 1) * sizeof *v);
  if (v == NULL)
    return fail (error, "out of memory%s", "");
  keys->v = v;
  v += keys->n;
  {
    CLEANUP_FREE char *id = strndup (selector, colon - selector);

    v->id = id ? normal_id (id) : NULL;
  }
  v->secret = kind[0] == 'k' ? strdup (value) : read_key (value, error);
  if (v->id == NULL || v->secret == NULL) {
    free (v->id);
    free (v->secret);
    return *error ? -1 : fail (error, "out of memory%s", "");
  }
  keys->n++;
  return 0;
}

int
keys_add_file (struct keys *keys, const char *path, char **error)
{
  FILE *fp = fopen (path, "re");
  char *line = NULL;
  size_t cap = 0;
  ssize_t n;
  int r = 0;

  *error = NULL;
  if (fp == NULL)
    return fail (error, "cannot read %s: %m", path);
  setvbuf (fp, NULL, _IONBF, 0);
  while (r == 0 && (n = getline (&line, &cap, fp)) != -1) {
    while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
      line[--n] = '\0';
    if (n > 0 && line[0] != '#')
      r = keys_add (keys, line, error);
  }
  if (line != NULL)
    explicit_bzero (line, cap);
  free (line);
  fclose (fp);
  return r;
}

void
keys_free (struct keys *keys)
{
  size_t i;

  for (i = 0; i < keys->n; ++i) {
    free (keys->v[i].id);
    explicit_bzero (keys->v[i].secret, strlen (keys->v[i].secret));
    free (keys->v[i].secret);
  }
  free (keys->v);
  keys->v = NULL;
  keys->n = 0;
}

bool
keys_match (const struct key *key, const char *device, const char *uuid)
{
  return strcmp (key->id, "all") == 0 || strcmp (key->id, device) == 0 ||
         (uuid != NULL && strcasecmp (key->id, uuid) == 0);
}
