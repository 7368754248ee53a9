/* SPDX-License-Identifier: BSD-3-Clause */

/* The modules that an initrd holds for one kernel, as kmod inside it would
 * find them: the module directory, its files, its indexes.
 */

#ifndef V2V_INITRD_LOOKUP_H
#define V2V_INITRD_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>

#include "initrd-image.h"
#include "initrd-module.h"
#include "initrd-tree.h"
#include "kmod-index.h"

/* A module file of the image. */
struct initrd_module_file {
  char name[MODULE_NAME_MAX];
  char *path;               /* relative to the module directory */
  struct initrd_node *node; /* the file (symlinks followed) */
};

struct initrd_lookup {
  struct initrd_tree *tree;
  struct initrd_node *dir;          /* the module directory, NULL if none */
  char *dir_path;                   /* canonical, without leading slash */
  struct initrd_module_file *files; /* sorted by name */
  size_t nr_files;
  struct kmod_index dep, alias; /* sorted */
  bool dep_bin, alias_bin;      /* they came from the binary indexes */
};

/* Look for the modules of kernel VERSION.  1 if there is a module
 * directory with an index, 0 if not (*e is set), -1 when out of memory.
 * LK must be freed in every case.
 */
extern int
initrd_lookup_open (struct initrd_tree *tree, const char *version,
                    struct initrd_lookup *lk, struct initrd_error *e);
extern void initrd_lookup_free (struct initrd_lookup *lk);

/* A module's file, or NULL.  NAME is normalized. */
extern const struct initrd_module_file *
initrd_lookup_file (const struct initrd_lookup *lk, const char *name);

/* Will kmod load NAME: is it in the index, with all files that its line
 * names?  If not and WHY is not NULL, *why is a sentence's end ("it is not
 * in modules.dep.bin"), allocated, or NULL when memory ran out.
 */
extern bool initrd_lookup_loads (const struct initrd_lookup *lk,
                                 const char *name, char **why);

/* For images without a usable module directory: is there a file of this
 * module anywhere outside lib/modules (RHEL 5 puts them into /lib)?
 */
extern bool initrd_tree_has_module (struct initrd_tree *tree, const char *name);

/* Does a configuration file of modprobe in the image forbid a module for
 * which MATCH returns true?  Names that it is called with are normalized.
 */
extern bool
initrd_tree_blacklists (struct initrd_tree *tree,
                        bool (*match) (void *opaque, const char *name),
                        void *opaque);

#endif /* V2V_INITRD_LOOKUP_H */
