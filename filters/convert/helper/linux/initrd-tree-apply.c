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
 */

#include <config.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "initrd-tree-internal.h"

#define MAX_HARD_LINKS 65536

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
make_way (struct initrd_tree *t, struct initrd_place *place, uint32_t mode)
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
  initrd_tree_remove_node (t, n);
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
            struct initrd_place *place)
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
    struct initrd_place from;
    unsigned links = 0;

    if (make_way (t, place, 0) == -1)
      return -1;
    if (place->node || place->parent == NULL || place->slash)
      return 2;
    if (!initrd_tree_resolve (t, t->root, l->name, strlen (l->name), false,
                              &links, &from) ||
        from.node == NULL || initrd_node_is_dir (from.node))
      return 2;
    n = initrd_tree_new_node (t, place->parent, place->name, place->len,
                              from.node->inode);
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
create (struct initrd_tree *t, const struct cpio_entry *e,
        struct initrd_place *place, bool *lost)
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
  n = initrd_tree_new_node (t, place->parent, place->name, place->len, inode);
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
            struct initrd_place *place, unsigned segment)
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
  struct initrd_place place;
  unsigned links = 0;
  bool lost;
  int linked;

  if (!initrd_tree_resolve (t, t->root, e->name, strlen (e->name), false,
                            &links, &place))
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
