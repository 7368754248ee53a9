/* SPDX-License-Identifier: BSD-3-Clause */

/* kmod's view of an image.
 *
 * kmod opens /lib/modules/KVER; distributions with a merged /usr have it in
 * usr/lib, and images may have both as different directories.  The one
 * that holds modules.dep.bin is the one that the image's kmod uses; its
 * path is taken without symlinks, because entries that are appended must
 * not name a symlink as a directory.
 *
 * modprobe loads what the line of modules.dep.bin says, in that order and
 * by path.  A module file that is not in the index is invisible to it, and
 * so is an indexed one whose file, or a dependency's file, is not there.
 * Images without the binary index (very old, or made for busybox) have the
 * text, which is read instead.
 */

#include <config.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "initrd-lookup.h"

/* A kernel has some 5000 modules, about 6 levels deep. */
#define MAX_FILES 65536
#define MAX_LEVELS 32

void
initrd_lookup_free (struct initrd_lookup *lk)
{
  size_t i;

  for (i = 0; i < lk->nr_files; ++i)
    free (lk->files[i].path);
  free (lk->files);
  free (lk->dir_path);
  kmod_index_free (&lk->dep);
  kmod_index_free (&lk->alias);
  memset (lk, 0, sizeof *lk);
}

static int
compare_files (const void *a, const void *b)
{
  const struct initrd_module_file *x = a, *y = b;
  int r = strcmp (x->name, y->name);

  return r != 0 ? r : strcmp (x->path, y->path);
}

static int
find_files (struct initrd_lookup *lk)
{
  struct initrd_module_file *f;
  struct initrd_node *n;
  size_t alloc = 0, skip = strlen (lk->dir_path);
  char name[MODULE_NAME_MAX], *path;

  if (skip > 0)
    skip++; /* the slash */
  for (n = initrd_node_walk (lk->dir, lk->dir); n;
       n = initrd_node_walk (lk->dir, n)) {
    struct initrd_node *file = n;

    if (!module_name_of_path (n->name, name) ||
        n->depth - lk->dir->depth > MAX_LEVELS || lk->nr_files >= MAX_FILES)
      continue;
    path = initrd_node_path (n);
    if (path == NULL)
      return -1;
    if (initrd_node_is_symlink (n))
      file = initrd_tree_lookup (lk->tree, path, true);
    if (file == NULL || !initrd_node_is_file (file)) {
      free (path);
      continue;
    }
    if (lk->nr_files == alloc) {
      alloc = alloc ? alloc * 2 : 256;
      f = realloc (lk->files, alloc * sizeof *f);
      if (f == NULL) {
        free (path);
        return -1;
      }
      lk->files = f;
    }
    f = &lk->files[lk->nr_files++];
    memcpy (f->name, name, sizeof name);
    memmove (path, path + skip, strlen (path + skip) + 1);
    f->path = path;
    f->node = file;
  }
  if (lk->nr_files > 1)
    qsort (lk->files, lk->nr_files, sizeof lk->files[0], compare_files);
  return 0;
}

static struct initrd_node *
file_in (struct initrd_lookup *lk, const char *name)
{
  struct initrd_node *n;

  n = initrd_tree_lookup_at (lk->tree, lk->dir, name, true);
  return n && initrd_node_is_file (n) ? n : NULL;
}

/* The text of a file, NUL-terminated. */
static char *
text_of (const struct initrd_node *n)
{
  if (n->inode->size == 0)
    return strdup ("");
  return strndup ((const char *)n->inode->data, n->inode->size);
}

static int
read_text_dep (struct initrd_lookup *lk, const struct initrd_node *n)
{
  struct module_list list;
  char *text = text_of (n), *value;
  size_t i;
  int r = -1;

  if (text == NULL)
    return -1;
  if (module_list_parse (text, &list) == -1)
    goto out;
  for (i = 0; i < list.n; ++i) {
    if (asprintf (&value, "%s:%s", list.modules[i].path,
                  list.modules[i].deps) == -1)
      goto out;
    r = kmod_index_add (&lk->dep, list.modules[i].name, value,
                        list.modules[i].order);
    free (value);
    if (r == -1)
      goto out;
  }
  r = 0;
out:
  module_list_free (&list);
  free (text);
  return r;
}

static bool
want_all (void *opaque, const char *name)
{
  (void)opaque;
  (void)name;
  return true;
}

static int
add_alias (void *opaque, const char *pattern, const char *name)
{
  struct initrd_lookup *lk = opaque;

  return kmod_index_add (&lk->alias, pattern, name, (uint32_t)lk->alias.n);
}

static int
read_text_alias (struct initrd_lookup *lk, const struct initrd_node *n)
{
  char *text = text_of (n);
  int r;

  if (text == NULL)
    return -1;
  r = module_aliases (text, want_all, add_alias, lk);
  free (text);
  return r;
}

static int
read_index (struct initrd_lookup *lk, const char *bin, const char *text,
            struct kmod_index *idx, bool *from_bin,
            int (*read_text) (struct initrd_lookup *,
                              const struct initrd_node *),
            struct initrd_error *e)
{
  struct initrd_node *n = file_in (lk, bin);
  const char *err;
  int r = 1;

  if (n) {
    r = kmod_index_read (n->inode->data, n->inode->size, idx, &err);
    if (r == 0)
      initrd_error_set (e, "initrd-index", "%s/%s in the initrd: %s",
                        lk->dir_path, bin, err);
    *from_bin = true;
  }
  else if ((n = file_in (lk, text)) != NULL)
    r = read_text (lk, n) == -1 ? -1 : 1;
  kmod_index_sort (idx);
  return r;
}

/* Why is there no module directory? */
static void
no_directory (struct initrd_tree *tree, const char *version,
              struct initrd_error *e)
{
  static const char *const places[] = { "lib/modules", "usr/lib/modules" };
  struct initrd_node *dir, *n;
  size_t i;

  for (i = 0; i < 2; ++i) {
    dir = initrd_tree_lookup (tree, places[i], true);
    if (dir == NULL || !initrd_node_is_dir (dir))
      continue;
    if (initrd_tree_lookup_at (tree, dir, version, true)) {
      initrd_error_set (e, "initrd-no-index",
                        "the initrd has modules of kernel %s, but no index "
                        "of them",
                        version);
      return;
    }
    for (n = dir->children; n; n = n->next) {
      if (initrd_node_is_dir (n)) {
        initrd_error_set (e, "initrd-other-kernel",
                          "the initrd belongs to kernel %s, not %s", n->name,
                          version);
        return;
      }
    }
  }
  initrd_error_set (e, "initrd-no-modules",
                    "the initrd has no directory of kernel modules");
}

int
initrd_lookup_open (struct initrd_tree *tree, const char *version,
                    struct initrd_lookup *lk, struct initrd_error *e)
{
  static const char *const places[] = { "lib/modules", "usr/lib/modules" };
  static const char *const indexes[] = { "modules.dep.bin", "modules.dep" };
  char path[512];
  size_t i, j;
  int r;

  memset (lk, 0, sizeof *lk);
  lk->tree = tree;
  if (*version == '\0' || strchr (version, '/') || version[0] == '.' ||
      strlen (version) > 255) {
    initrd_error_set (e, "initrd-other-kernel", "not the version of a kernel");
    return 0;
  }
  for (i = 0; i < 2 && lk->dir == NULL; ++i) {
    for (j = 0; j < 2 && lk->dir == NULL; ++j) {
      snprintf (path, sizeof path, "%s/%s", places[j], version);
      lk->dir = initrd_tree_lookup (tree, path, true);
      if (lk->dir == NULL)
        continue;
      if (!initrd_node_is_dir (lk->dir) || !file_in (lk, indexes[i]))
        lk->dir = NULL;
    }
  }
  if (lk->dir == NULL) {
    no_directory (tree, version, e);
    return 0;
  }
  lk->dir_path = initrd_node_path (lk->dir);
  if (lk->dir_path == NULL || find_files (lk) == -1)
    return -1;
  r = read_index (lk, "modules.dep.bin", "modules.dep", &lk->dep, &lk->dep_bin,
                  read_text_dep, e);
  if (r == 1)
    r = read_index (lk, "modules.alias.bin", "modules.alias", &lk->alias,
                    &lk->alias_bin, read_text_alias, e);
  return r;
}

const struct initrd_module_file *
initrd_lookup_file (const struct initrd_lookup *lk, const char *name)
{
  size_t lo = 0, hi = lk->nr_files, mid;

  while (lo < hi) {
    mid = lo + (hi - lo) / 2;
    if (strcmp (lk->files[mid].name, name) < 0)
      lo = mid + 1;
    else
      hi = mid;
  }
  if (lo < lk->nr_files && strcmp (lk->files[lo].name, name) == 0)
    return &lk->files[lo];
  return NULL;
}

static void
say (char **why, const char *text)
{
  if (why)
    *why = strdup (text);
}

bool
initrd_lookup_loads (const struct initrd_lookup *lk, const char *name,
                     char **why)
{
  const struct kmod_entry *e = kmod_index_find (&lk->dep, name);
  struct initrd_node *n;
  const char *p, *path, *deps;
  char *copy;
  size_t len;
  bool more = true;

  if (e == NULL) {
    say (why, "it is not in the initrd's modules.dep index");
    return false;
  }
  p = strchr (e->value, ':');
  if (p == NULL || p == e->value) {
    say (why, "its line in the initrd's modules.dep index is bad");
    return false;
  }
  path = e->value;
  len = (size_t)(p - path);
  deps = p + 1;
  while (more) {
    /* Absolute paths (old indexes) are looked up from the root. */
    copy = strndup (path, len);
    if (copy == NULL) {
      if (why)
        *why = NULL;
      return false;
    }
    n = initrd_tree_lookup_at (lk->tree, lk->dir, copy, true);
    free (copy);
    if (n == NULL || !initrd_node_is_file (n) || n->inode->size == 0) {
      if (why && asprintf (why, "%.*s is indexed, but not in the initrd",
                           (int)(len < 256 ? len : 256), path) == -1)
        *why = NULL;
      return false;
    }
    more = module_next_dep (&deps, &path, &len);
  }
  return true;
}

bool
initrd_tree_has_module (struct initrd_tree *tree, const char *name)
{
  struct initrd_node *root = initrd_tree_root (tree), *n;
  char file[MODULE_NAME_MAX], *path;
  bool inside;

  for (n = initrd_node_walk (root, root); n; n = initrd_node_walk (root, n)) {
    if (!initrd_node_is_file (n) || !module_name_of_path (n->name, file) ||
        strcmp (file, name) != 0)
      continue;
    path = initrd_node_path (n);
    if (path == NULL)
      return false;
    inside = strstr (path, "lib/modules/") != NULL;
    free (path);
    if (!inside)
      return true;
  }
  return false;
}

/* "blacklist NAME", or "install NAME /bin/true" or the like. */
static bool
line_forbids (const char *line, const char *end,
              bool (*match) (void *opaque, const char *name), void *opaque)
{
  char word[3][128];
  char normal[MODULE_NAME_MAX];
  size_t i, n;
  const char *base;

  for (i = 0; i < 3; ++i) {
    while (line < end && (*line == ' ' || *line == '\t' || *line == '\r'))
      line++;
    for (n = 0; line < end && *line != ' ' && *line != '\t' && *line != '\r';
         ++line)
      if (n < sizeof word[i] - 1)
        word[i][n++] = *line;
    word[i][n] = '\0';
  }
  if (strcmp (word[0], "install") == 0) {
    base = strrchr (word[2], '/');
    base = base ? base + 1 : word[2];
    if (strcmp (base, "true") != 0 && strcmp (base, "false") != 0 &&
        strcmp (base, ":") != 0)
      return false;
  }
  else if (strcmp (word[0], "blacklist") != 0)
    return false;
  return module_name (word[1], normal) && match (opaque, normal);
}

static bool
file_forbids (const struct initrd_node *n,
              bool (*match) (void *opaque, const char *name), void *opaque)
{
  const char *p = (const char *)n->inode->data, *end, *nl;

  if (n->inode->size == 0)
    return false;
  for (end = p + n->inode->size; p < end; p = nl + 1) {
    nl = memchr (p, '\n', (size_t)(end - p));
    if (nl == NULL)
      nl = end;
    if (line_forbids (p, nl, match, opaque))
      return true;
  }
  return false;
}

bool
initrd_tree_blacklists (struct initrd_tree *tree,
                        bool (*match) (void *opaque, const char *name),
                        void *opaque)
{
  static const char *const dirs[] = { "etc/modprobe.d", "run/modprobe.d",
                                      "lib/modprobe.d", "usr/lib/modprobe.d",
                                      "usr/local/lib/modprobe.d" };
  struct initrd_node *dir, *n, *file;
  size_t i;

  for (i = 0; i < sizeof dirs / sizeof dirs[0]; ++i) {
    dir = initrd_tree_lookup (tree, dirs[i], true);
    if (dir == NULL)
      continue;
    for (n = dir->children; n; n = n->next) {
      if (n->name_len < 5 || strcmp (n->name + n->name_len - 5, ".conf") != 0)
        continue;
      file = initrd_tree_lookup_at (tree, dir, n->name, true);
      if (file && initrd_node_is_file (file) &&
          file_forbids (file, match, opaque))
        return true;
    }
  }
  file = initrd_tree_lookup (tree, "etc/modprobe.conf", true);
  return file && initrd_node_is_file (file) &&
         file_forbids (file, match, opaque);
}
