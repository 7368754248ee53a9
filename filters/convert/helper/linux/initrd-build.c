/* SPDX-License-Identifier: BSD-3-Clause */

/* What goes into the appended archive, in this order:
 *
 *  1. directories that the image does not have, parents first
 *  2. the new modules, uncompressed (the kmod in the image may not be able
 *     to uncompress, and the signature covers the plain file)
 *  3. modules.dep.bin and modules.alias.bin: the image's own entries and
 *     those of the new modules.  A new module's line names the image's own
 *     copy of a dependency, whatever suffix that has.
 *  4. modules.dep, modules.alias as text, if the image has them
 *  5. modules.softdep, if a new module has soft dependencies
 *  6. conf/modules, if wanted: it replaces the image's, so it repeats it
 *
 * Invariants, because the kernel obeys an archive blindly:
 *  1. No entry names a directory that exists: it would get our mode.
 *  2. No entry's path has a symlink in it, and none replaces a symlink or a
 *     directory: a directory entry over "lib -> usr/lib" leaves the guest
 *     without its libraries.
 *  3. No entry's parent is missing: the file would be lost silently.
 *  4. A file with more names than one is not written through: its name is
 *     first turned into a symlink, which the file then replaces.
 */

#include <config.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "initrd-build.h"
#include "initrd.h"

/* Directories that are in the archive already.  There are few. */
struct builder {
  const struct initrd_kernel *kernel;
  struct initrd_lookup *lk;
  const struct closure *c;
  struct cpio_writer *w;
  struct initrd_error *e;
  char **dirs;
  size_t nr_dirs;
  struct kmod_index aliases; /* of the closure, not in the image */
  const char *alias_owner;   /* while reading .modinfo */
};

/* The path of module M in the image. */
static const char *
path_of (const struct closure_module *m)
{
  return m->image_path ? m->image_path : m->new_path;
}

int
initrd_build_paths (const struct initrd_lookup *lk, struct closure *c)
{
  struct closure_module *m;
  const struct initrd_module_file *f;
  char *ko, *p;
  size_t i;

  for (i = 0; i < c->n; ++i) {
    m = &c->modules[i];
    f = initrd_lookup_file (lk, m->module->name);
    if (f) {
      m->image_path = f->path;
      continue;
    }
    m->new_path = strdup (m->module->path);
    if (m->new_path == NULL)
      return -1;
    /* Up to the last ".ko": the list has only paths that end so. */
    for (ko = NULL, p = m->new_path; (p = strstr (p, ".ko")) != NULL; ++p)
      ko = p;
    if (ko)
      ko[3] = '\0';
  }
  return 0;
}

static int
refuse (struct builder *b, const char *path, const char *what)
{
  initrd_error_set (b->e, "initrd-layout",
                    "in the initrd /%s %s, so that no module can be added",
                    path, what);
  return 0;
}

/* Make the directory PATH, which is canonical but for its last component,
 * exist.  1, 0, -1 as initrd_build.
 */
static int
make_dir (struct builder *b, const char *path)
{
  char **p;
  size_t i;

  for (i = 0; i < b->nr_dirs; ++i)
    if (strcmp (b->dirs[i], path) == 0)
      return 1;
  p = realloc (b->dirs, (b->nr_dirs + 1) * sizeof *p);
  if (p == NULL)
    return -1;
  b->dirs = p;
  p[b->nr_dirs] = strdup (path);
  if (p[b->nr_dirs] == NULL)
    return -1;
  b->nr_dirs++;
  return cpio_write_dir (b->w, path, 0755) == -1 ? -1 : 1;
}

/* The canonical path for the new file REL below the module directory;
 * its missing parents are written.  Result in *path (allocated).
 */
static int
make_parents (struct builder *b, const char *rel, char **path)
{
  struct initrd_node *dir = b->lk->dir;
  const char *slash;
  char *cur, *next;
  int r;

  cur = strdup (b->lk->dir_path);
  if (cur == NULL)
    return -1;
  while ((slash = strchr (rel, '/')) != NULL) {
    char *name = strndup (rel, (size_t)(slash - rel));
    struct initrd_node *n = NULL;

    rel = slash + 1;
    if (name == NULL)
      goto no_memory;
    if (*name == '\0' || strcmp (name, ".") == 0) {
      free (name);
      continue;
    }
    if (dir) {
      n = initrd_tree_lookup_at (b->lk->tree, dir, name, false);
      if (n && initrd_node_is_symlink (n)) {
        n = initrd_tree_lookup_at (b->lk->tree, dir, name, true);
        if (n == NULL) {
          free (name);
          r = refuse (b, cur, "has a symlink that leads nowhere");
          goto out;
        }
      }
    }
    if (n) {
      free (name);
      free (cur);
      cur = initrd_node_path (n);
      if (cur == NULL)
        return -1;
      if (!initrd_node_is_dir (n)) {
        r = refuse (b, cur, "is not a directory");
        goto out;
      }
      dir = n;
      continue;
    }
    r = asprintf (&next, "%s%s%s", cur, *cur ? "/" : "", name);
    free (name);
    if (r == -1)
      goto no_memory;
    free (cur);
    cur = next;
    dir = NULL;
    r = make_dir (b, cur);
    if (r != 1)
      goto out;
  }
  r = asprintf (path, "%s%s%s", cur, *cur ? "/" : "", rel);
  if (r == -1)
    *path = NULL;
  else
    r = 1;
out:
  free (cur);
  return r;

no_memory:
  free (cur);
  return -1;
}

/* Write a file at PATH, whose parents exist. */
static int
put_file (struct builder *b, const char *path, const void *data, size_t size)
{
  struct initrd_node *n = initrd_tree_lookup (b->lk->tree, path, false);
  char *target = NULL;
  uint32_t mode = 0644;
  int r = -1;

  if (n && initrd_node_is_symlink (n)) {
    /* Write what it leads to. */
    n = initrd_tree_lookup (b->lk->tree, path, true);
    if (n == NULL)
      return refuse (b, path, "is a symlink that leads nowhere");
    target = initrd_node_path (n);
    if (target == NULL)
      return -1;
    path = target;
  }
  if (n && !initrd_node_is_file (n)) {
    r = refuse (b, path, "is not a file");
    goto out;
  }
  if (n) {
    mode = n->inode->mode & 07777;
    if (n->inode->nlink > 1 && cpio_write_symlink (b->w, path, "nowhere") == -1)
      goto out;
  }
  r = cpio_write_file (b->w, path, mode, data, size) == -1 ? -1 : 1;
out:
  free (target);
  return r;
}

/* The same for a file of the module directory. */
static int
put_index (struct builder *b, const char *name, const void *data, size_t size)
{
  char *path;
  int r;

  if (asprintf (&path, "%s/%s", b->lk->dir_path, name) == -1)
    return -1;
  r = put_file (b, path, data, size);
  free (path);
  return r;
}

/* A file of the module directory of the image, if it is there. */
static const struct initrd_node *
image_file (struct builder *b, const char *name)
{
  const struct initrd_node *n;

  n = initrd_tree_lookup_at (b->lk->tree, b->lk->dir, name, true);
  return n && initrd_node_is_file (n) ? n : NULL;
}

static int
put_modules (struct builder *b)
{
  const struct closure_module *m;
  char *path;
  size_t i;
  int r;

  for (i = 0; i < b->c->n; ++i) {
    m = &b->c->modules[i];
    if (m->image_path)
      continue;
    r = make_parents (b, m->new_path, &path);
    if (r != 1)
      return r;
    r = put_file (b, path, m->data, m->size);
    free (path);
    if (r != 1)
      return r;
  }
  return 1;
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
line_is_good (struct builder *b, const struct closure_module *m)
{
  return m->image_path && initrd_lookup_loads (b->lk, m->module->name, NULL);
}

/* Merge into lk->dep; TEXT gets the new lines. */
static int
merge_dep (struct builder *b, struct initrd_buf *text)
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
  struct builder *b = opaque;

  return closure_find (b->c, name) != NULL;
}

static int
note_alias (void *opaque, const char *pattern, const char *name)
{
  struct builder *b = opaque;
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
  struct builder *b = opaque;
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
merge_alias (struct builder *b, struct initrd_buf *text)
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
put_bin (struct builder *b, const char *name, const struct kmod_index *idx)
{
  uint8_t *data;
  size_t size;
  int r;

  if (kmod_index_write (idx, &data, &size) == -1)
    return -1;
  r = put_index (b, name, data, size);
  free (data);
  return r;
}

/* Copy the lines of modules.dep that are not about a module which gets a
 * new line.
 */
static int
keep_lines (struct builder *b, const struct initrd_node *n,
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

/* All of the file and a newline if it lacks one. */
static int
keep_all (const struct initrd_node *n, struct initrd_buf *out)
{
  if (n->inode->size == 0)
    return 0;
  initrd_buf_append (out, n->inode->data, n->inode->size);
  if (out->data && out->size > 0 && out->data[out->size - 1] != '\n')
    initrd_buf_string (out, "\n");
  return out->no_memory ? -1 : 0;
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
put_softdep (struct builder *b)
{
  const struct initrd_node *n = image_file (b, "modules.softdep");
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
  if ((n && keep_all (n, &out) == -1) ||
      initrd_buf_append (&out, lines.data, lines.size) == -1)
    goto out;
  r = put_index (b, "modules.softdep", out.data, out.size);
out:
  initrd_buf_free (&lines);
  initrd_buf_free (&out);
  return r;
}

static int
put_indexes (struct builder *b)
{
  struct initrd_buf dep = { 0 }, alias = { 0 }, out = { 0 };
  const struct initrd_node *n;
  int r = -1;

  /* Before merge_dep, which makes every line good. */
  n = image_file (b, "modules.dep");
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
      r = put_index (b, "modules.dep", out.data, out.size);
  }
  n = image_file (b, "modules.alias");
  if (r == 1 && n) {
    r = -1;
    out.size = 0;
    if (keep_all (n, &out) == 0 &&
        initrd_buf_append (&out, alias.data, alias.size) == 0)
      r = put_index (b, "modules.alias", out.data, out.size);
  }
  if (r == 1)
    r = put_softdep (b);
out:
  initrd_buf_free (&dep);
  initrd_buf_free (&alias);
  initrd_buf_free (&out);
  return r;
}

static int
put_list_file (struct builder *b)
{
  const struct initrd_node *n;
  struct initrd_buf out = { 0 };
  size_t i;
  int r = -1;

  n = initrd_tree_lookup (b->lk->tree, "conf/modules", true);
  if (n == NULL || !initrd_node_is_file (n))
    return 1;
  if (keep_all (n, &out) == -1)
    goto out;
  for (i = 0; i < b->c->n; ++i) {
    if (b->c->modules[i].image_path)
      continue;
    initrd_buf_string (&out, b->c->modules[i].module->name);
    if (initrd_buf_string (&out, "\n") == -1)
      goto out;
  }
  r = put_file (b, "conf/modules", out.data, out.size);
out:
  initrd_buf_free (&out);
  return r;
}

static int
put_edits (struct builder *b, const struct initrd_edits *edits)
{
  size_t i;
  int r = 1;

  for (i = 0; i < edits->n && r == 1; ++i) {
    const struct initrd_edit *e = &edits->v[i];

    if (e->data)
      r = put_file (b, e->path, e->data, e->size);
    else
      /* Nothing can be removed, but replaced by a link. */
      r = cpio_write_symlink (b->w, e->path, "nowhere") == -1 ? -1 : 1;
  }
  return r;
}

int
initrd_build (const struct initrd_kernel *kernel, struct initrd_lookup *lk,
              const struct closure *c, bool list_file,
              const struct initrd_edits *edits, struct cpio_writer *w,
              struct initrd_error *e)
{
  struct builder b = { .kernel = kernel, .lk = lk, .c = c, .w = w, .e = e };
  size_t i;
  int r = 1;

  /* A module that is there but not in the index has an image path, too. */
  if (c->n > 0) {
    r = put_modules (&b);
    if (r == 1)
      r = put_indexes (&b);
    if (r == 1 && list_file)
      r = put_list_file (&b);
  }
  if (r == 1)
    r = put_edits (&b, edits);
  if (r == 1 && cpio_write_end (w) == -1)
    r = -1;
  for (i = 0; i < b.nr_dirs; ++i)
    free (b.dirs[i]);
  free (b.dirs);
  kmod_index_free (&b.aliases);
  return r;
}
