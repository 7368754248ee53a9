/* SPDX-License-Identifier: BSD-3-Clause */

/* What the kernel's unpacker does to its root file system, modelled.
 *
 * Rules (init/initramfs.c of 4.4 to 6.12 behaves so; each has a test):
 *  a. A name whose type differs from what is there already: the old one is
 *     unlinked, or removed if it is an empty directory, first.  A symlink
 *     always replaces.  This never follows a final symlink, so that a
 *     directory entry over a symlink leaves an empty directory.
 *  b. A directory that is there gets the entry's mode and owner.
 *  c. A file over a file truncates the inode that is there: all its names
 *     change.
 *  d. A missing parent: the entry is lost without a message.
 *  e. nlink >= 2: the first name of (ino, major, minor, type) makes the
 *     inode, later names are linked to it, and data replaces the inode's
 *     content whenever an entry carries some; forgotten at the trailer.
 *     A name of more than 255 bytes is lost, too.
 *  f. Parents are looked up as any path is: through symlinks, "." and "..".
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

#include "initrd-tree.h"

#define MAX_LINKS 40
#define MAX_NODES ((size_t)1 << 20)
#define MAX_DEPTH 256
#define MAX_NAME 255
#define MAX_HARD_LINKS 65536
#define MAX_STEPS (UINT64_C (1) << 28)
#define LINK_BUCKETS 4096

/* A name that later entries may link to (rule e). */
struct hard_link {
  struct hard_link *next;
  uint32_t ino, major, minor, type;
  const char *name; /* borrowed from the archive */
};

struct initrd_tree {
  struct initrd_node *root;
  size_t count; /* nodes, the root not counted */
  struct initrd_node **hash;
  size_t buckets; /* a power of two */
  struct hard_link *links[LINK_BUCKETS];
  size_t nr_links;
  uint64_t steps; /* components looked up so far */
  bool full;      /* invariant 4 was hit */
  bool guard;
  char *damage;
};

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

static struct initrd_node *
new_node (struct initrd_tree *t, struct initrd_node *parent, const char *name,
          size_t len, struct initrd_inode *inode)
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

static void
remove_node (struct initrd_tree *t, struct initrd_node *n)
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
  t->root = new_node (t, NULL, "", 0, inode);
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
      remove_node (t, n);
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

/* Where a path leads: to a node, or to the place of one that is missing
 * in a directory that is there.
 */
struct place {
  struct initrd_node *node;   /* NULL: not there */
  struct initrd_node *parent; /* NULL: the last component is no name */
  const char *name;
  size_t len;
  bool slash; /* the path ends in a slash */
};

/* Walk PATH from DIR.  False: it cannot exist (a component that is not the
 * last is missing, is not a directory, or symlinks go round).
 */
static bool
resolve (struct initrd_tree *t, struct initrd_node *dir, const char *path,
         size_t path_len, bool follow, unsigned *links, struct place *place)
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
      struct place target;

      if (++*links > MAX_LINKS ||
          !resolve (t, dir, (const char *)child->inode->data,
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
  struct place place;
  unsigned links = 0;

  if (!resolve (t, dir, path, strlen (path), follow, &links, &place))
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

static int
note_damage (struct initrd_tree *t, const struct initrd_node *n)
{
  if (!t->guard || t->damage)
    return 0;
  t->damage = initrd_node_path (n);
  return t->damage ? 0 : -1;
}

/* Rules a: make way for an entry of type MODE; 0 = whatever is there goes.
 * A directory that is not empty stays.
 */
static int
make_way (struct initrd_tree *t, struct place *place, uint32_t mode)
{
  struct initrd_node *n = place->node;

  /* "dir/." and the like cannot be unlinked. */
  if (n == NULL || n->parent == NULL || place->name == NULL)
    return 0;
  if (((n->inode->mode ^ mode) & S_IFMT) == 0)
    return 0;
  if (initrd_node_is_dir (n) && n->children)
    return 0;
  if (n->old && !initrd_node_is_file (n) && note_damage (t, n) == -1)
    return -1;
  place->parent = n->parent;
  remove_node (t, n);
  place->node = NULL;
  return 0;
}

static size_t
link_bucket (const struct cpio_entry *e)
{
  uint32_t h = e->ino * UINT32_C (2654435761);

  h ^= (e->dev_major << 7) ^ e->dev_minor;
  return (h ^ h >> 16) % LINK_BUCKETS;
}

/* Rule e.  1: linked to an earlier name, 0: the first name, 2: the kernel
 * would fail to link; -1: no memory.
 */
static int
maybe_link (struct initrd_tree *t, const struct cpio_entry *e,
            struct place *place)
{
  struct hard_link *l, **bucket = &t->links[link_bucket (e)];
  struct initrd_node *n;

  if (e->nlink < 2)
    return 0;
  for (l = *bucket; l; l = l->next)
    if (l->ino == e->ino && l->major == e->dev_major &&
        l->minor == e->dev_minor && l->type == (e->mode & S_IFMT))
      break;
  if (l) {
    struct place from;
    unsigned links = 0;

    if (make_way (t, place, 0) == -1)
      return -1;
    if (place->node || place->parent == NULL || place->slash)
      return 2;
    if (!resolve (t, t->root, l->name, strlen (l->name), false, &links,
                  &from) ||
        from.node == NULL || initrd_node_is_dir (from.node))
      return 2;
    n = new_node (t, place->parent, place->name, place->len, from.node->inode);
    if (n == NULL)
      return -1;
    n->segment = from.node->segment;
    place->node = n;
    return 1;
  }
  if (t->nr_links >= MAX_HARD_LINKS) {
    t->full = true;
    return -1;
  }
  l = malloc (sizeof *l);
  if (l == NULL)
    return -1;
  l->ino = e->ino;
  l->major = e->dev_major;
  l->minor = e->dev_minor;
  l->type = e->mode & S_IFMT;
  l->name = e->name;
  l->next = *bucket;
  *bucket = l;
  t->nr_links++;
  return 0;
}

/* Create the name, or take what is there.  NULL with *lost set: the kernel
 * could not; NULL without: no memory.
 */
static struct initrd_node *
create (struct initrd_tree *t, const struct cpio_entry *e, struct place *place,
        bool *lost)
{
  struct initrd_inode *inode;
  struct initrd_node *n = place->node;

  *lost = false;
  if (n) {
    /* mkdir, symlink and mknod fail if the name is there. */
    if (((n->inode->mode ^ e->mode) & S_IFMT) != 0 || S_ISLNK (e->mode)) {
      *lost = true;
      return NULL;
    }
    return n;
  }
  if (place->parent == NULL || (place->slash && !S_ISDIR (e->mode))) {
    *lost = true;
    return NULL;
  }
  inode = calloc (1, sizeof *inode);
  if (inode == NULL)
    return NULL;
  n = new_node (t, place->parent, place->name, place->len, inode);
  if (n == NULL) {
    free (inode);
    return NULL;
  }
  inode->mode = e->mode;
  inode->uid = e->uid;
  inode->gid = e->gid;
  inode->mtime = e->mtime;
  inode->rdev_major = e->rdev_major;
  inode->rdev_minor = e->rdev_minor;
  return n;
}

static int
apply_file (struct initrd_tree *t, const struct cpio_entry *e,
            struct place *place, unsigned segment)
{
  struct initrd_inode *inode;
  struct initrd_node *n;
  bool lost;
  int linked;

  linked = maybe_link (t, e, place);
  if (linked == -1)
    return -1;
  if (linked == 2)
    return 0;
  n = create (t, e, place, &lost);
  if (n == NULL)
    return lost ? 0 : -1;
  inode = n->inode;
  if (!S_ISREG (inode->mode))
    return 0;
  if (n->old && inode->old && inode->nlink > 1 && note_damage (t, n) == -1)
    return -1;
  n->segment = segment;
  inode->mode = e->mode;
  inode->uid = e->uid;
  inode->gid = e->gid;
  /* A linked name is opened without truncation: no data, no change. */
  if (!linked || e->size > 0) {
    inode->data = e->data;
    inode->size = e->size;
    inode->mtime = e->mtime;
  }
  return 0;
}

int
initrd_tree_apply (struct initrd_tree *t, const struct cpio_entry *e,
                   unsigned segment)
{
  struct initrd_inode *inode;
  struct initrd_node *n;
  struct place place;
  unsigned links = 0;
  bool lost;
  int linked;

  if (!resolve (t, t->root, e->name, strlen (e->name), false, &links, &place))
    return t->full ? -1 : 0; /* rule d */
  if (make_way (t, &place, S_ISLNK (e->mode) ? 0 : e->mode) == -1)
    return -1;

  switch (e->mode & S_IFMT) {
  case S_IFREG:
    return apply_file (t, e, &place, segment);

  case S_IFDIR:
    n = create (t, e, &place, &lost);
    if (n == NULL)
      return lost ? 0 : -1;
    inode = n->inode;
    if (n->old &&
        (inode->mode != e->mode || inode->uid != e->uid ||
         inode->gid != e->gid) &&
        note_damage (t, n) == -1)
      return -1;
    inode->mode = e->mode;
    inode->uid = e->uid;
    inode->gid = e->gid;
    n->segment = segment;
    return 0;

  case S_IFLNK:
    n = create (t, e, &place, &lost);
    if (n == NULL)
      return lost ? 0 : -1;
    n->segment = segment;
    n->inode->data = e->data;
    n->inode->size = strnlen ((const char *)e->data, e->size);
    return 0;

  case S_IFBLK:
  case S_IFCHR:
  case S_IFIFO:
  case S_IFSOCK:
    linked = maybe_link (t, e, &place);
    if (linked != 0)
      return linked == -1 ? -1 : 0;
    n = create (t, e, &place, &lost);
    if (n == NULL)
      return lost ? 0 : -1;
    n->inode->mode = e->mode;
    n->inode->uid = e->uid;
    n->inode->gid = e->gid;
    n->segment = segment;
    return 0;

  default:
    return 0;
  }
}
