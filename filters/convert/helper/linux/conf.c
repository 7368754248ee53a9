/* SPDX-License-Identifier: BSD-3-Clause */

#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "state.h"
#include "v2v-utils.h"

void *
linux_oom (struct linux_state *st)
{
  report_error (st->gst->report, "out-of-memory",
                "not enough memory to convert the guest's files");
  return NULL;
}

static struct conf_file *
lookup (struct linux_state *st, const char *path)
{
  size_t i;

  for (i = 0; i < st->nr_files; i++)
    if (strcmp (st->files[i]->path, path) == 0)
      return st->files[i];
  return NULL;
}

static struct conf_file *
add (struct linux_state *st, const char *path)
{
  struct conf_file **v, *f;

  v = realloc (st->files, (st->nr_files + 1) * sizeof (struct conf_file *));
  if (!v)
    return linux_oom (st);
  st->files = v;
  f = calloc (1, sizeof *f);
  if (!f)
    return linux_oom (st);
  f->path = strdup (path);
  if (!f->path) {
    free (f);
    return linux_oom (st);
  }
  f->mode = 0644;
  v[st->nr_files++] = f;
  return f;
}

/* Note those of PATHS that are not there, by one question for all: most
 * are not, and each question by itself costs 7 ms under TCG.
 */
static int
note_absent (struct linux_state *st, const char *const *paths)
{
  CLEANUP_TEXT struct text pattern = TEXT_INIT;
  char **there;
  size_t i, j, asked = 0;
  int r = 0;

  text_adds (&pattern, "/{");
  for (i = 0; paths[i]; i++)
    if (!strpbrk (paths[i], "*?[]{},\\") && !lookup (st, paths[i]))
      text_addf (&pattern, "%s%s", asked++ ? "," : "", paths[i] + 1);
  text_adds (&pattern, "}");
  if (pattern.failed) {
    linux_oom (st);
    return -1;
  }
  if (asked < 2)
    return 0;
  there = guest_glob (st->gst, pattern.data);
  if (!there) {
    linux_oom (st);
    return -1;
  }
  for (i = 0; paths[i] && r == 0; i++) {
    if (strpbrk (paths[i], "*?[]{},\\") || lookup (st, paths[i]))
      continue;
    for (j = 0; there[j]; j++)
      if (strcmp (there[j], paths[i]) == 0)
        break;
    if (!there[j] && !add (st, paths[i]))
      r = -1;
  }
  guest_free_strings (there);
  return r;
}

int
conf_preload (struct linux_state *st, const char *const *paths)
{
  struct guest_file *files;
  size_t n = 0, i, k = 0;
  int r = -1;

  while (paths[n])
    n++;
  if (n == 0)
    return 0;
  if (note_absent (st, paths) == -1)
    return -1;
  files = calloc (n, sizeof *files);
  if (!files) {
    linux_oom (st);
    return -1;
  }
  for (i = 0; i < n; i++)
    if (!lookup (st, paths[i])) {
      size_t j;

      for (j = 0; j < k; j++)
        if (strcmp (files[j].path, paths[i]) == 0)
          break;
      if (j == k)
        files[k++].path = paths[i];
    }
  if (guest_read_many (st->gst, files, k, GUEST_MAX_CONFIG) == -1)
    goto out;
  for (i = 0; i < k; i++) {
    struct conf_file *f = add (st, files[i].path);

    if (!f)
      goto out;
    f->data = files[i].data;
    f->size = files[i].data ? files[i].size : 0;
    f->was = f->data != NULL;
    f->old_size = f->size;
    files[i].data = NULL;
  }
  r = 0;
out:
  for (i = 0; i < k; i++)
    free (files[i].data);
  free (files);
  return r;
}

struct conf_file *
conf_get (struct linux_state *st, const char *path)
{
  struct conf_file *f = lookup (st, path);

  if (f)
    return f;
  f = add (st, path);
  if (!f)
    return NULL;
  switch (guest_read (st->gst, path, GUEST_MAX_CONFIG, &f->data, &f->size)) {
  case 1:
    f->was = true;
    f->old_size = f->size;
    return f;
  case 0:
    f->data = NULL;
    f->size = 0;
    return f;
  default:
    return NULL;
  }
}

/* WHY of a file that is changed for several reasons. */
static int
because (struct linux_state *st, struct conf_file *f, const char *why)
{
  struct text t = TEXT_INIT;

  if (f->why && strstr (f->why, why))
    return 0;
  if (f->why)
    text_addf (&t, "%s; ", f->why);
  text_adds (&t, why);
  if (t.failed) {
    text_free (&t);
    linux_oom (st);
    return -1;
  }
  free (f->why);
  f->why = t.data;
  return 0;
}

int
conf_set (struct linux_state *st, struct conf_file *f, const char *data,
          size_t size, const char *why)
{
  char *copy;

  if (f->data && f->size == size && memcmp (f->data, data, size) == 0 &&
      !f->remove)
    return 0;
  copy = malloc (size + 1);
  if (!copy) {
    linux_oom (st);
    return -1;
  }
  memcpy (copy, data, size);
  copy[size] = '\0';
  free (f->data);
  f->data = copy;
  f->size = size;
  f->dirty = true;
  f->remove = false;
  return because (st, f, why);
}

int
conf_create (struct linux_state *st, const char *path, const char *data,
             size_t size, int mode, const char *why)
{
  struct conf_file *f = conf_get (st, path);

  if (!f)
    return -1;
  f->mode = mode;
  return conf_set (st, f, data, size, why);
}

int
conf_put (struct linux_state *st, const char *path, const char *data,
          size_t size, int mode, const char *why)
{
  struct conf_file *f = lookup (st, path);

  if (!f)
    f = add (st, path);
  if (!f)
    return -1;
  f->mode = mode;
  return conf_set (st, f, data, size, why);
}

int
conf_symlink (struct linux_state *st, const char *target, const char *path,
              const char *why)
{
  struct conf_file *f = lookup (st, path);

  if (!f)
    f = add (st, path);
  if (!f)
    return -1;
  free (f->target);
  f->target = strdup (target);
  if (!f->target) {
    linux_oom (st);
    return -1;
  }
  f->dirty = true;
  return because (st, f, why);
}

int
conf_remove (struct linux_state *st, const char *path, const char *why)
{
  struct conf_file *f = conf_get (st, path);

  if (!f)
    return -1;
  if (!f->data)
    return 0;
  free (f->data);
  f->data = NULL;
  f->size = 0;
  f->dirty = true;
  f->remove = f->was;
  return because (st, f, why);
}

int
conf_unlink (struct linux_state *st, const char *path, const char *why)
{
  struct conf_file *f = lookup (st, path);

  if (!f)
    f = add (st, path);
  if (!f)
    return -1;
  f->dirty = f->remove = true;
  return because (st, f, why);
}

/* How many directories PATH may need: not more than it has. */
static uint64_t
directories (const char *path)
{
  uint64_t n = 0;

  for (; *path; path++)
    n += *path == '/';
  return n > 0 ? n - 1 : 0;
}

int
conf_reserve (struct linux_state *st)
{
  size_t i;
  int r = 0;

  for (i = 0; i < st->nr_files && r == 0; i++) {
    const struct conf_file *f = st->files[i];

    if (!f->dirty || f->remove)
      continue;
    r = f->was ? guest_reserve_change (st->gst, f->path, f->old_size, f->size)
               : guest_reserve (st->gst, f->path, f->size,
                                1 + directories (f->path));
  }
  return r;
}

int
conf_flush (struct linux_state *st)
{
  struct guest *gst = st->gst;
  size_t i;

  for (i = 0; i < st->nr_files; i++) {
    struct conf_file *f = st->files[i];
    int r = 0;

    if (!f->dirty)
      continue;
    if (f->remove)
      r = guest_remove (gst, f->path, f->why);
    else if (f->target)
      r = guest_symlink (gst, f->target, f->path, f->why);
    else if (f->data)
      r = guest_write (gst, f->path, f->data, f->size, f->mode, f->why);
    if (r == -1)
      return -1;
    f->dirty = false;
  }
  return 0;
}

void
conf_free (struct linux_state *st)
{
  size_t i;

  for (i = 0; i < st->nr_files; i++) {
    free (st->files[i]->path);
    free (st->files[i]->data);
    free (st->files[i]->target);
    free (st->files[i]->why);
    free (st->files[i]);
  }
  free (st->files);
}

const char *
linux_option (const struct linux_state *st, const char *name)
{
  const char *value = NULL;
  size_t i;

  for (i = 0; i < st->opts->nr_options; i++)
    if (strcmp (st->opts->options[i].name, name) == 0)
      value = st->opts->options[i].value;
  return value;
}

bool
linux_option_yes (const struct linux_state *st, const char *name,
                  bool otherwise)
{
  const char *v = linux_option (st, name);

  if (!v)
    return otherwise;
  return strcmp (v, "yes") == 0 || strcmp (v, "true") == 0 ||
         strcmp (v, "1") == 0 || strcmp (v, "on") == 0;
}

bool
linux_distro_is (const struct linux_state *st, const char *const *names)
{
  for (; st->gst->distro && *names; names++)
    if (strcmp (st->gst->distro, *names) == 0)
      return true;
  return false;
}
