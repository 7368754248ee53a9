/* SPDX-License-Identifier: BSD-3-Clause */

/* What initrd-tree.c (names and inodes) and initrd-tree-apply.c (the rules of
 * the kernel's unpacker) share.
 */

#ifndef V2V_INITRD_TREE_INTERNAL_H
#define V2V_INITRD_TREE_INTERNAL_H

#include "initrd-tree.h"

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

/* Where a path leads: to a node, or to the place of one that is missing
 * in a directory that is there.
 */
struct initrd_place {
  struct initrd_node *node;   /* NULL: not there */
  struct initrd_node *parent; /* NULL: the last component is no name */
  const char *name;
  size_t len;
  bool slash; /* the path ends in a slash */
};

/* Walk PATH from DIR.  False: it cannot exist (a component that is not the
 * last is missing, is not a directory, or symlinks go round).
 */
extern bool initrd_tree_resolve (struct initrd_tree *t, struct initrd_node *dir,
                                 const char *path, size_t path_len, bool follow,
                                 unsigned *links, struct initrd_place *place);

/* A new name in PARENT for INODE, whose nlink grows.  NULL when out of memory
 * or if the tree is full.
 */
extern struct initrd_node *
initrd_tree_new_node (struct initrd_tree *t, struct initrd_node *parent,
                      const char *name, size_t len, struct initrd_inode *inode);
extern void
initrd_tree_remove_node (struct initrd_tree *t, struct initrd_node *n);

#endif /* V2V_INITRD_TREE_INTERNAL_H */
