/* SPDX-License-Identifier: BSD-3-Clause */

/* The root file system that an initramfs becomes: its names, its inodes,
 * and walks over them.  What an entry does to it is in initrd-tree-apply.c.
 *
 * Nodes (names) and inodes are separate, as in a file system.  All names
 * are in one hash table, keyed by (directory, name).
 *
 * Invariants:
 * 1. A node is in its parent's list and in the hash table, or freed.
 * 2. inode->nlink is the number of nodes that point to it; 0 frees it.
 * 3. A path costs at most MAX_LINKS symlinks of CPIO_PATH_MAX bytes each,
 *    and recursion is no deeper than MAX_LINKS.
 * 4. No more than MAX_NODES names, MAX_HARD_LINKS of them waiting for
 *    links, and MAX_DEPTH levels exist; and no more than MAX_STEPS
 *    components are looked up in the life of a tree.  A real image needs
 *    thousands, tens, about ten, and less than a million.
 */

#include <config.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "initrd-tree-internal.h"

#define MAX_LINKS 40
#define MAX_NODES ((size_t)1 << 20)
#define MAX_DEPTH 256
#define MAX_NAME 255
#define MAX_STEPS (UINT64_C (1) << 28)

/* FNV-1a; seeded by an address, so that collisions cannot be prepared
 * without knowing it.
 */
static size_t
hash_of (const struct initrd_tree *t, const struct initrd_node *dir,
         const char *name, size_t len)
{
  uint64_t h = UINT64_C (14695981039346656037);
  size_t i;

  h ^= (uintptr_t)dir;
  h *= UINT64_C (1099511628211);
  for (i = 0; i < len; ++i) {
    h ^= (uint8_t)name[i];
    h *= UINT64_C (1099511628211);
  }
  h ^= h >> 32;
  return (size_t)h & (t->buckets - 1);
}

static void
hash_insert (struct initrd_tree *t, struct initrd_node *n)
{
  struct initrd_node **bucket =
    &t->hash[hash_of (t, n->parent, n->name, n->name_len)];

  n->hash_next = *bucket;
  if (n->hash_next)
    n->hash_next->hash_pprev = &n->hash_next;
  n->hash_pprev = bucket;
  *bucket = n;
}

/* The children of every directory, and theirs, go into the new table. */
static int
hash_grow (struct initrd_tree *t)
{
  struct initrd_node **hash, *n;

  hash = calloc (t->buckets * 2, sizeof *hash);
  if (hash == NULL)
    return -1;
  free (t->hash);
  t->hash = hash;
  t->buckets *= 2;
  for (n = initrd_node_walk (t->root, t->root); n;
       n = initrd_node_walk (t->root, n))
    hash_insert (t, n);
  return 0;
}

static struct initrd_node *
find_child (struct initrd_tree *t, struct initrd_node *dir, const char *name,
            size_t len)
{
  struct initrd_node *n;

  for (n = t->hash[hash_of (t, dir, name, len)]; n; n = n->hash_next)
    if (n->parent == dir && n->name_len == len &&
        memcmp (n->name, name, len) == 0)
      return n;
  return NULL;
}

struct initrd_node *
initrd_tree_new_node (struct initrd_tree *t, struct initrd_node *parent,
                      const char *name, size_t len, struct initrd_inode *inode)
{
  struct initrd_node *n;

  if (t->count >= MAX_NODES || (parent && parent->depth >= MAX_DEPTH)) {
    t->full = true;
    return NULL;
  }
  if (parent && t->count >= t->buckets && hash_grow (t) == -1)
    return NULL;
  n = calloc (1, sizeof *n + len + 1);
  if (n == NULL)
    return NULL;
  n->parent = parent;
  n->depth = parent ? parent->depth + 1 : 0;
  n->name_len = len;
  memcpy (n->name, name, len);
  n->inode = inode;
  inode->nlink++;
  if (parent) {
    n->next = parent->children;
    if (n->next)
      n->next->pprev = &n->next;
    n->pprev = &parent->children;
    parent->children = n;
    hash_insert (t, n);
    t->count++;
  }
  return n;
}

static void
free_node (struct initrd_node *n)
{
  if (--n->inode->nlink == 0)
    free (n->inode);
  free (n);
}

void
initrd_tree_remove_node (struct initrd_tree *t, struct initrd_node *n)
{
  *n->pprev = n->next;
  if (n->next)
    n->next->pprev = n->pprev;
  *n->hash_pprev = n->hash_next;
  if (n->hash_next)
    n->hash_next->hash_pprev = n->hash_pprev;
  t->count--;
  free_node (n);
}

bool
initrd_node_is_dir (const struct initrd_node *n)
{
  return S_ISDIR (n->inode->mode);
}

bool
initrd_node_is_file (const struct initrd_node *n)
{
  return S_ISREG (n->inode->mode);
}

bool
initrd_node_is_symlink (const struct initrd_node *n)
{
  return S_ISLNK (n->inode->mode);
}

struct initrd_tree *
initrd_tree_new (void)
{
  struct initrd_tree *t;
  struct initrd_inode *inode;

  t = calloc (1, sizeof *t);
  inode = calloc (1, sizeof *inode);
  if (t == NULL || inode == NULL)
    goto error;
  inode->mode = S_IFDIR | 0755;
  t->buckets = 1024;
  t->hash = calloc (t->buckets, sizeof *t->hash);
  if (t->hash == NULL)
    goto error;
  t->root = initrd_tree_new_node (t, NULL, "", 0, inode);
  if (t->root == NULL)
    goto error;
  return t;

error:
  if (t)
    free (t->hash);
  free (t);
  free (inode);
  return NULL;
}

void
initrd_tree_trailer (struct initrd_tree *t)
{
  struct hard_link *l, *next;
  size_t i;

  if (t->nr_links == 0)
    return;
  for (i = 0; i < LINK_BUCKETS; ++i) {
    for (l = t->links[i]; l; l = next) {
      next = l->next;
      free (l);
    }
    t->links[i] = NULL;
  }
  t->nr_links = 0;
}

void
initrd_tree_free (struct initrd_tree *t)
{
  struct initrd_node *n, *parent;

  if (t == NULL)
    return;
  initrd_tree_trailer (t);
  /* Children before parents, without recursion. */
  for (n = t->root; n;) {
    if (n->children) {
      n = n->children;
      continue;
    }
    parent = n->parent;
    if (parent)
      initrd_tree_remove_node (t, n);
    else
      free_node (n);
    n = parent;
  }
  free (t->hash);
  free (t->damage);
  free (t);
}

struct initrd_node *
initrd_tree_root (struct initrd_tree *t)
{
  return t->root;
}

size_t
initrd_tree_count (const struct initrd_tree *t)
{
  return t->count;
}

bool
initrd_tree_full (const struct initrd_tree *t)
{
  return t->full;
}

struct initrd_node *
initrd_node_walk (struct initrd_node *top, struct initrd_node *n)
{
  if (n->children)
    return n->children;
  while (n != top) {
    if (n->next)
      return n->next;
    n = n->parent;
  }
  return NULL;
}

char *
initrd_node_path (const struct initrd_node *n)
{
  const struct initrd_node *p;
  size_t len = 0;
  char *path;

  for (p = n; p->parent; p = p->parent)
    len += p->name_len + 1;
  path = malloc (len + 1);
  if (path == NULL)
    return NULL;
  if (len > 0)
    len--;
  path[len] = '\0';
  for (p = n; p->parent; p = p->parent) {
    len -= p->name_len;
    memcpy (path + len, p->name, p->name_len);
    if (len > 0)
      path[--len] = '/';
  }
  return path;
}

bool
initrd_tree_resolve (struct initrd_tree *t, struct initrd_node *dir,
                     const char *path, size_t path_len, bool follow,
                     unsigned *links, struct initrd_place *place)
{
  const char *end = path + path_len, *name;
  struct initrd_node *child;
  bool last;

  memset (place, 0, sizeof *place);
  if (path_len > 0 && *path == '/')
    dir = t->root;
  for (;;) {
    while (path < end && *path == '/')
      path++;
    if (path == end) {
      place->node = dir;
      return true;
    }
    name = path;
    while (path < end && *path != '/')
      path++;
    place->len = (size_t)(path - name);
    while (path < end && *path == '/')
      path++;
    last = path == end;
    if (place->len > MAX_NAME)
      return false;
    if (++t->steps > MAX_STEPS) {
      t->full = true;
      return false;
    }

    if (place->len == 1 && name[0] == '.')
      continue;
    if (place->len == 2 && name[0] == '.' && name[1] == '.') {
      if (dir->parent)
        dir = dir->parent;
      continue;
    }
    child = find_child (t, dir, name, place->len);
    /* A trailing slash follows, whatever the caller wants. */
    if (last && (child == NULL || !initrd_node_is_symlink (child) ||
                 (!follow && end[-1] != '/'))) {
      place->node = child;
      place->parent = dir;
      place->name = name;
      place->slash = end[-1] == '/';
      return true;
    }
    if (child == NULL)
      return false;
    if (initrd_node_is_symlink (child)) {
      struct initrd_place target;

      if (++*links > MAX_LINKS ||
          !initrd_tree_resolve (t, dir, (const char *)child->inode->data,
                                child->inode->size, true, links, &target) ||
          target.node == NULL)
        return false;
      child = target.node;
    }
    if (last) {
      place->node = child;
      return true;
    }
    if (!initrd_node_is_dir (child))
      return false;
    dir = child;
  }
}

struct initrd_node *
initrd_tree_lookup_at (struct initrd_tree *t, struct initrd_node *dir,
                       const char *path, bool follow)
{
  struct initrd_place place;
  unsigned links = 0;

  if (!initrd_tree_resolve (t, dir, path, strlen (path), follow, &links,
                            &place))
    return NULL;
  return place.node;
}

struct initrd_node *
initrd_tree_lookup (struct initrd_tree *t, const char *path, bool follow)
{
  return initrd_tree_lookup_at (t, t->root, path, follow);
}

void
initrd_tree_guard (struct initrd_tree *t)
{
  struct initrd_node *n;

  t->guard = true;
  for (n = t->root; n; n = initrd_node_walk (t->root, n)) {
    n->old = true;
    n->inode->old = true;
  }
}

const char *
initrd_tree_damage (const struct initrd_tree *t)
{
  return t->damage;
}
