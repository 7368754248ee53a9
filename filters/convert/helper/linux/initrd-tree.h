/* SPDX-License-Identifier: BSD-3-Clause */

/* The root file system that the kernel makes of an initramfs, in memory.
 * Entries are applied one after the other with the kernel's own rules for
 * collisions; paths are resolved as the guest would, through symlinks.
 */

#ifndef V2V_INITRD_TREE_H
#define V2V_INITRD_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpio-read.h"

/* What hard links share. */
struct initrd_inode {
  uint32_t mode, uid, gid, mtime;
  uint32_t rdev_major, rdev_minor;
  uint32_t nlink;      /* names that it has now */
  const uint8_t *data; /* borrowed from the archive */
  size_t size;
  bool old; /* was there before initrd_tree_guard */
};

struct initrd_node {
  struct initrd_node *parent;        /* NULL: the root */
  struct initrd_node *children;      /* of a directory, last one first */
  struct initrd_node *next, **pprev; /* its siblings */
  struct initrd_node *hash_next, **hash_pprev;
  struct initrd_inode *inode;
  unsigned depth;   /* of the root: 0 */
  unsigned segment; /* the segment that wrote it last */
  bool old;         /* was there before initrd_tree_guard */
  size_t name_len;
  char name[]; /* NUL-terminated */
};

struct initrd_tree;

/* NULL when out of memory. */
extern struct initrd_tree *initrd_tree_new (void);
extern void initrd_tree_free (struct initrd_tree *t);

extern struct initrd_node *initrd_tree_root (struct initrd_tree *t);
extern size_t initrd_tree_count (const struct initrd_tree *t);

/* Do what the kernel does with the entry.  SEGMENT is noted in what is
 * written.  The entry's data must outlive the tree.  An entry that the
 * kernel could not create (missing parent, ...) is dropped silently, as
 * there.  Return 0, or -1 when out of memory, or when the tree is full
 * (more than a million names, 256 levels, or other things that no real
 * image has).
 */
extern int initrd_tree_apply (struct initrd_tree *t, const struct cpio_entry *e,
                              unsigned segment);
extern bool initrd_tree_full (const struct initrd_tree *t);
/* Hard links do not reach over the end of an archive. */
extern void initrd_tree_trailer (struct initrd_tree *t);

/* From now on remember if an entry destroys something that is there
 * already: replaces a directory or a symlink, changes a directory's mode,
 * or writes into a file that has other names.  initrd_tree_damage gives
 * the path of the first one, or NULL.
 */
extern void initrd_tree_guard (struct initrd_tree *t);
extern const char *initrd_tree_damage (const struct initrd_tree *t);

/* Find PATH (absolute or relative to the root).  FOLLOW: whether a last
 * component that is a symlink is followed.  NULL: not there.
 */
extern struct initrd_node *
initrd_tree_lookup (struct initrd_tree *t, const char *path, bool follow);
/* The same, beginning at a directory. */
extern struct initrd_node *
initrd_tree_lookup_at (struct initrd_tree *t, struct initrd_node *dir,
                       const char *path, bool follow);

/* The path without leading slash ("" for the root), allocated. */
extern char *initrd_node_path (const struct initrd_node *n);

extern bool initrd_node_is_dir (const struct initrd_node *n);
extern bool initrd_node_is_file (const struct initrd_node *n);
extern bool initrd_node_is_symlink (const struct initrd_node *n);

/* The node after N in a walk over everything below TOP, parents first;
 * NULL at the end.  Start with N = TOP.
 */
extern struct initrd_node *
initrd_node_walk (struct initrd_node *top, struct initrd_node *n);

#endif /* V2V_INITRD_TREE_H */
