/* SPDX-License-Identifier: BSD-3-Clause */

/* What initrd-build.c (files of the archive) and initrd-build-index.c (the
 * indexes of modules) share.
 */

#ifndef V2V_INITRD_BUILD_INTERNAL_H
#define V2V_INITRD_BUILD_INTERNAL_H

#include "initrd-build.h"

struct initrd_builder {
  const struct initrd_kernel *kernel;
  struct initrd_lookup *lk;
  const struct closure *c;
  struct cpio_writer *w;
  struct initrd_error *e;
  char **dirs; /* that are in the archive already; there are few */
  size_t nr_dirs;
  struct kmod_index aliases; /* of the closure, not in the image */
  const char *alias_owner;   /* while reading .modinfo */
};

/* 1, 0 or -1, as initrd_build: a file of the module directory. */
extern int initrd_put_index (struct initrd_builder *b, const char *name,
                             const void *data, size_t size);
/* modules.dep, .alias and .softdep in the forms that the image needs. */
extern int initrd_put_indexes (struct initrd_builder *b);

/* A file of the module directory of the image, NULL if it is not there. */
extern const struct initrd_node *
initrd_image_file (struct initrd_builder *b, const char *name);

/* Append all of the file N, and a newline if it lacks one.  0, or -1 when out
 * of memory.
 */
extern int
initrd_keep_all (const struct initrd_node *n, struct initrd_buf *out);

#endif /* V2V_INITRD_BUILD_INTERNAL_H */
