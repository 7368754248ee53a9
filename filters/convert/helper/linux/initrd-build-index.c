/* SPDX-License-Identifier: BSD-3-Clause */

/* The indexes of modules that go into the appended archive: the image's own
 * entries and those of the new modules.  What each form is for: see
 * initrd-build.c, 3 to 5.
 */

#include <config.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "initrd-build-internal.h"
#include "initrd-module.h"
#include "initrd.h"

/* The path of module M in the image. */
static const char *
path_of (const struct closure_module *m)
{
  return m->image_path ? m->image_path : m->new_path;
}

/* "path: dep dep" as the index of this image must say it. */
static int
dep_line (const struct closure *c, const struct closure_module *m,
          struct initrd_buf *line)
{
  const char *deps = m->module->deps, *path;
  const struct closure_module *d;
  char name[MODULE_NAME_MAX];
  char *copy;
  size_t len;

  line->size = 0;
  initrd_buf_string (line, path_of (m));
  initrd_buf_string (line, ":");
  while (module_next_dep (&deps, &path, &len)) {
    copy = strndup (path, len);
    if (copy == NULL)
      return -1;
    d = module_name_of_path (copy, name) ? closure_find (c, name) : NULL;
    initrd_buf_string (line, " ");
    initrd_buf_string (line, d ? path_of (d) : copy);
    free (copy);
  }
  return initrd_buf_append (line, "", 1);
}

/* Is the image's own line good? */
static bool
line_is_good (struct initrd_builder *b, const struct closure_module *m)
{
  return m->image_path && initrd_lookup_loads (b->lk, m->module->name, NULL);
}

/* Merge into lk->dep; TEXT gets the new lines. */
static int
merge_dep (struct initrd_builder *b, struct initrd_buf *text)
{
  struct kmod_index add = { 0 };
  struct initrd_buf line = { 0 };
  const struct closure_module *m;
  struct kmod_entry *old;
  size_t i, nr_new = 0;
  int r = -1;

  for (i = 0; i < b->c->n; ++i) {
    m = &b->c->modules[i];
    if (line_is_good (b, m))
      continue;
    if (dep_line (b->c, m, &line) == -1)
      goto out;
    initrd_buf_string (text, (char *)line.data);
    if (initrd_buf_string (text, "\n") == -1)
      goto out;
    if (kmod_index_add (&add, m->module->name, (char *)line.data,
                        m->module->order) == -1)
      goto out;
  }
  for (i = 0; i < add.n; ++i) {
    old = kmod_index_find (&b->lk->dep, add.entries[i].key);
    if (old) {
      char *value = old->value;

      old->value = add.entries[i].value;
      add.entries[i].value = value;
    }
    else {
      /* Those that are new go to the front. */
      struct kmod_entry e = add.entries[nr_new];

      add.entries[nr_new++] = add.entries[i];
      add.entries[i] = e;
    }
  }
  for (i = 0; i < nr_new; ++i)
    if (kmod_index_add (&b->lk->dep, add.entries[i].key, add.entries[i].value,
                        add.entries[i].priority) == -1)
      goto out;
  kmod_index_sort (&b->lk->dep);
  r = 1;
out:
  kmod_index_free (&add);
  initrd_buf_free (&line);
  return r;
}

static bool
in_closure (void *opaque, const char *name)
{
  struct initrd_builder *b = opaque;

  return closure_find (b->c, name) != NULL;
}

static int
note_alias (void *opaque, const char *pattern, const char *name)
{
  struct initrd_builder *b = opaque;
  const struct closure_module *m = closure_find (b->c, name);
  const struct kmod_entry *e = kmod_index_find (&b->lk->alias, pattern);
  unsigned tries = 0;
  size_t i;

  /* An entry that is there twice does no harm. */
  for (i = e ? (size_t)(e - b->lk->alias.entries) : b->lk->alias.n;
       i < b->lk->alias.n && tries++ < 1000 &&
       strcmp (b->lk->alias.entries[i].key, pattern) == 0;
       ++i)
    if (strcmp (b->lk->alias.entries[i].value, name) == 0)
      return 0;
  return kmod_index_add (&b->aliases, pattern, name, m->module->order);
}

static int
note_modinfo (void *opaque, const char *info)
{
  struct initrd_builder *b = opaque;
  char *pattern;
  int r;

  if (strncmp (info, "alias=", 6) != 0)
    return 0;
  pattern = strdup (info + 6);
  if (pattern == NULL)
    return -1;
  module_alias_normalize (pattern);
  r = note_alias (b, pattern, b->alias_owner);
  free (pattern);
  return r;
}

/* Merge into lk->alias; TEXT gets the new lines.  Without a modules.alias
 * of the guest the modules themselves say what their aliases are.
 */
static int
merge_alias (struct initrd_builder *b, struct initrd_buf *text)
{
  const struct kmod_entry *e;
  size_t i;

  if (b->kernel->modules_alias) {
    if (module_aliases (b->kernel->modules_alias, in_closure, note_alias, b) ==
        -1)
      return -1;
  }
  else {
    for (i = 0; i < b->c->n; ++i) {
      const struct closure_module *m = &b->c->modules[i];

      if (m->data == NULL)
        continue;
      b->alias_owner = m->module->name;
      if (module_modinfo (m->data, m->size, note_modinfo, b) == -1)
        return -1;
    }
  }
  for (i = 0; i < b->aliases.n; ++i) {
    e = &b->aliases.entries[i];
    initrd_buf_string (text, "alias ");
    initrd_buf_string (text, e->key);
    initrd_buf_string (text, " ");
    initrd_buf_string (text, e->value);
    if (initrd_buf_string (text, "\n") == -1 ||
        kmod_index_add (&b->lk->alias, e->key, e->value, e->priority) == -1)
      return -1;
  }
  kmod_index_sort (&b->lk->alias);
  return 1;
}

static int
put_bin (struct initrd_builder *b, const char *name,
         const struct kmod_index *idx)
{
  uint8_t *data;
  size_t size;
  int r;

  if (kmod_index_write (idx, &data, &size) == -1)
    return -1;
  r = initrd_put_index (b, name, data, size);
  free (data);
  return r;
}

/* Copy the lines of modules.dep that are not about a module which gets a
 * new line.
 */
static int
keep_lines (struct initrd_builder *b, const struct initrd_node *n,
            struct initrd_buf *out)
{
  const char *p = (const char *)n->inode->data, *end, *nl, *colon;
  const struct closure_module *m;
  char name[MODULE_NAME_MAX], *path;
  bool drop;

  if (n->inode->size == 0)
    return 0;
  for (end = p + n->inode->size; p < end; p = nl + 1) {
    nl = memchr (p, '\n', (size_t)(end - p));
    if (nl == NULL)
      nl = end;
    drop = false;
    colon = memchr (p, ':', (size_t)(nl - p));
    if (colon) {
      path = strndup (p, (size_t)(colon - p));
      if (path == NULL)
        return -1;
      m = module_name_of_path (path, name) ? closure_find (b->c, name) : NULL;
      drop = m && !line_is_good (b, m);
      free (path);
    }
    if (!drop) {
      initrd_buf_append (out, p, (size_t)(nl - p));
      if (initrd_buf_string (out, "\n") == -1)
        return -1;
    }
  }
  return 0;
}

struct softdep_line {
  struct initrd_buf *out;
  const char *name;
};

static int
add_softdep (void *opaque, const char *dep)
{
  struct softdep_line *s = opaque;

  initrd_buf_string (s->out, "softdep ");
  initrd_buf_string (s->out, s->name);
  initrd_buf_string (s->out, " pre: ");
  initrd_buf_string (s->out, dep);
  return initrd_buf_string (s->out, "\n");
}

static int
put_softdep (struct initrd_builder *b)
{
  const struct initrd_node *n = initrd_image_file (b, "modules.softdep");
  struct initrd_buf lines = { 0 }, out = { 0 };
  struct softdep_line s = { .out = &lines };
  size_t i;
  int r = -1;

  for (i = 0; i < b->c->n; ++i) {
    if (b->c->modules[i].image_path)
      continue;
    s.name = b->c->modules[i].module->name;
    if (module_softdeps (b->kernel->modules_softdep, s.name, add_softdep, &s) ==
        -1)
      goto out;
  }
  r = 1;
  if (lines.size == 0)
    goto out;
  r = -1;
  if ((n && initrd_keep_all (n, &out) == -1) ||
      initrd_buf_append (&out, lines.data, lines.size) == -1)
    goto out;
  r = initrd_put_index (b, "modules.softdep", out.data, out.size);
out:
  initrd_buf_free (&lines);
  initrd_buf_free (&out);
  return r;
}

int
initrd_put_indexes (struct initrd_builder *b)
{
  struct initrd_buf dep = { 0 }, alias = { 0 }, out = { 0 };
  const struct initrd_node *n;
  int r = -1;

  /* Before merge_dep, which makes every line good. */
  n = initrd_image_file (b, "modules.dep");
  if (n && keep_lines (b, n, &out) == -1)
    goto out;
  if (merge_dep (b, &dep) == -1 || merge_alias (b, &alias) == -1)
    goto out;
  r = put_bin (b, "modules.dep.bin", &b->lk->dep);
  if (r == 1)
    r = put_bin (b, "modules.alias.bin", &b->lk->alias);
  if (r == 1 && n) {
    r = -1;
    if (initrd_buf_append (&out, dep.data, dep.size) == 0)
      r = initrd_put_index (b, "modules.dep", out.data, out.size);
  }
  n = initrd_image_file (b, "modules.alias");
  if (r == 1 && n) {
    r = -1;
    out.size = 0;
    if (initrd_keep_all (n, &out) == 0 &&
        initrd_buf_append (&out, alias.data, alias.size) == 0)
      r = initrd_put_index (b, "modules.alias", out.data, out.size);
  }
  if (r == 1)
    r = put_softdep (b);
out:
  initrd_buf_free (&dep);
  initrd_buf_free (&alias);
  initrd_buf_free (&out);
  return r;
}
