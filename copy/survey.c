/* SPDX-License-Identifier: BSD-3-Clause */

/* Asks the server what it has.
 *
 * Opening the first disk is what starts the conversion, and returns when
 * it is done; only then are the documents there.  So: list, open every
 * disk, list again, read what is called "v2v/...".
 */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libnbd.h>

#include "copy.h"
#include "v2v-utils.h"

#define PREFIX "v2v/"
#define MAX_DOCUMENT (64 << 20)
#define CHUNK (1 << 20)

static int
add_name (void *opaque, const char *name, const char *description)
{
  (void)description;
  strings_add (opaque, name);
  return 0;
}

static int
fail (struct survey *s, struct nbd_handle *nbd)
{
  const char *e = nbd_get_error ();

  s->error = xstrdup (e ? e : "unknown error");
  nbd_close (nbd);
  return -1;
}

static int
list (struct survey *s, struct strings *names)
{
  struct nbd_handle *nbd = nbd_create ();

  if (nbd == NULL || nbd_set_opt_mode (nbd, true) == -1 ||
      nbd_connect_unix (nbd, s->socket) == -1 ||
      nbd_opt_list (nbd, (nbd_list_callback){ .callback = add_name,
                                              .user_data = names }) == -1)
    return fail (s, nbd);
  nbd_opt_abort (nbd);
  nbd_close (nbd);
  return 0;
}

/* "disk2" before "disk10". */
static int
compare (const void *pa, const void *pb)
{
  const char *a = *(char *const *)pa, *b = *(char *const *)pb;

  return strverscmp (a, b);
}

static struct nbd_handle *
open_export (struct survey *s, const char *name)
{
  struct nbd_handle *nbd = nbd_create ();

  if (nbd == NULL || nbd_set_export_name (nbd, name) == -1 ||
      nbd_connect_unix (nbd, s->socket) == -1) {
    fail (s, nbd);
    return NULL;
  }
  return nbd;
}

static int
open_disks (struct survey *s)
{
  size_t i;

  s->sizes = xrealloc (NULL, (s->nr_disks + 1) * sizeof *s->sizes);
  for (i = 0; i < s->nr_disks; ++i) {
    struct nbd_handle *nbd = open_export (s, s->exports[i]);
    int64_t size;

    if (nbd == NULL)
      return -1;
    size = nbd_get_size (nbd);
    if (size == -1)
      return fail (s, nbd);
    s->sizes[i] = size;
    held_add (&s->held, s->server);
    nbd_shutdown (nbd, 0);
    nbd_close (nbd);
  }
  return 0;
}

/* Such a name becomes part of a file's. */
static bool
is_document (const char *name)
{
  size_t n;

  if (strncmp (name, PREFIX, strlen (PREFIX)) != 0)
    return false;
  name += strlen (PREFIX);
  n = strlen (name);
  return n > 0 && n <= 64 && name[0] != '.' && name[0] != '-' &&
         name[strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789.-")] == '\0';
}

static int
read_document (struct survey *s, const char *name)
{
  struct nbd_handle *nbd = open_export (s, name);
  struct document *d;
  int64_t size;
  size_t off;

  if (nbd == NULL)
    return -1;
  size = nbd_get_size (nbd);
  if (size == -1)
    return fail (s, nbd);
  if (size > MAX_DOCUMENT) {
    s->error = xasprintf ("%s is too large for a document", name);
    nbd_close (nbd);
    return -1;
  }
  s->docs = xrealloc (s->docs, (s->nr_docs + 1) * sizeof *s->docs);
  d = &s->docs[s->nr_docs];
  d->name = xstrdup (name + strlen (PREFIX));
  d->size = size;
  d->data = xrealloc (NULL, d->size + 1);
  d->data[d->size] = '\0';
  s->nr_docs++;
  for (off = 0; off < d->size; off += CHUNK)
    if (nbd_pread (nbd, d->data + off, V2V_MIN (d->size - off, CHUNK), off,
                   0) == -1)
      return fail (s, nbd);
  nbd_shutdown (nbd, 0);
  nbd_close (nbd);
  return 0;
}

void
survey_run (struct survey *s)
{
  struct strings names = { .n = 0 };
  size_t i;
  int r;

  r = list (s, &names);
  for (i = 0; r == 0 && i < names.n; ++i)
    if (strncmp (names.v[i], PREFIX, strlen (PREFIX)) != 0) {
      s->exports = xrealloc (s->exports,
                             (s->nr_disks + 1) * sizeof *s->exports);
      s->exports[s->nr_disks++] = xstrdup (names.v[i]);
    }
  strings_free (&names);
  if (r == 0 && s->nr_disks == 0) {
    s->error = xstrdup ("the server has no disks");
    r = -1;
  }
  if (r == -1)
    return;
  qsort (s->exports, s->nr_disks, sizeof *s->exports, compare);
  if (open_disks (s) == 0 && list (s, &names) == 0)
    for (i = 0; i < names.n; ++i)
      if (is_document (names.v[i]) && read_document (s, names.v[i]) == -1)
        break;
  strings_free (&names);
}

void
survey_clear (struct survey *s)
{
  size_t i;

  for (i = 0; i < s->nr_disks; ++i)
    free (s->exports[i]);
  for (i = 0; i < s->nr_docs; ++i) {
    free (s->docs[i].name);
    free (s->docs[i].data);
  }
  free (s->exports);
  free (s->sizes);
  free (s->docs);
  free (s->error);
  held_clear (&s->held);
  memset (s, 0, sizeof *s);
}

const struct document *
survey_document (const struct survey *s, const char *name)
{
  size_t i;

  for (i = 0; i < s->nr_docs; ++i)
    if (strcmp (s->docs[i].name, name) == 0)
      return &s->docs[i];
  return NULL;
}

static char *
escape (const char *s)
{
  char *ret = xrealloc (NULL, strlen (s) * 3 + 1), *q = ret;

  for (; *s; ++s) {
    if (strchr ("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                "0123456789/.-_",
                *s))
      *q++ = *s;
    else
      q += sprintf (q, "%%%02X", (unsigned char)*s);
  }
  *q = '\0';
  return ret;
}

char *
survey_uri (const char *socket, const char *export)
{
  CLEANUP_FREE char *s = escape (socket), *e = escape (export);

  return xasprintf ("nbd+unix:///%s?socket=%s", e, s);
}
