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

#include "initrd-build-internal.h"
#include "initrd.h"

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
refuse (struct initrd_builder *b, const char *path, const char *what)
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
make_dir (struct initrd_builder *b, const char *path)
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
make_parents (struct initrd_builder *b, const char *rel, char **path)
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
put_file (struct initrd_builder *b, const char *path, const void *data,
          size_t size)
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

int
initrd_put_index (struct initrd_builder *b, const char *name, const void *data,
                  size_t size)
{
  char *path;
  int r;

  if (asprintf (&path, "%s/%s", b->lk->dir_path, name) == -1)
    return -1;
  r = put_file (b, path, data, size);
  free (path);
  return r;
}

const struct initrd_node *
initrd_image_file (struct initrd_builder *b, const char *name)
{
  const struct initrd_node *n;

  n = initrd_tree_lookup_at (b->lk->tree, b->lk->dir, name, true);
  return n && initrd_node_is_file (n) ? n : NULL;
}

static int
put_modules (struct initrd_builder *b)
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

int
initrd_keep_all (const struct initrd_node *n, struct initrd_buf *out)
{
  if (n->inode->size == 0)
    return 0;
  initrd_buf_append (out, n->inode->data, n->inode->size);
  if (out->data && out->size > 0 && out->data[out->size - 1] != '\n')
    initrd_buf_string (out, "\n");
  return out->no_memory ? -1 : 0;
}

static int
put_list_file (struct initrd_builder *b)
{
  const struct initrd_node *n;
  struct initrd_buf out = { 0 };
  size_t i;
  int r = -1;

  n = initrd_tree_lookup (b->lk->tree, "conf/modules", true);
  if (n == NULL || !initrd_node_is_file (n))
    return 1;
  if (initrd_keep_all (n, &out) == -1)
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
put_edits (struct initrd_builder *b, const struct initrd_edits *edits)
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
  struct initrd_builder b = {
    .kernel = kernel, .lk = lk, .c = c, .w = w, .e = e
  };
  size_t i;
  int r = 1;

  /* A module that is there but not in the index has an image path, too. */
  if (c->n > 0) {
    r = put_modules (&b);
    if (r == 1)
      r = initrd_put_indexes (&b);
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
