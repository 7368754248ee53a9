/* SPDX-License-Identifier: BSD-3-Clause */

/* Where the files of a source lie: a directory or an archive.  Whatever a
 * document or an image names is looked up here and nowhere else.  A
 * container's blobs have its descriptors, which stay open until
 * container_free.
 */

#ifndef V2V_CONTAINER_H
#define V2V_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blob.h"
#include "diag.h"

struct container;

struct container_options {
  const char *tmpdir;      /* of unpacked archives */
  uint64_t unpack_limit;   /* bytes that may be unpacked, in all */
  char *const *allow_dirs; /* real paths, NULL-terminated, or NULL */
};

/* A directory.  Names are confined to it and to the allowed directories by
 * real path: symbolic links may lead around inside, but not out.
 */
extern struct container *
container_new_dir (const char *path, const struct container_options *opts,
                   struct diag *d);

/* An archive: tar (read in place) or tar.gz, tar.xz, tar.zst, zip (unpacked
 * into an unlinked temporary file).
 */
extern struct container *
container_new_archive (const char *path, const struct container_options *opts,
                       struct diag *d);

extern void container_free (struct container *c);
extern bool container_in_place (const struct container *c);

/* Number and names of the regular files in a container (of a directory:
 * recursively, at most 65536, found on the first call).
 */
extern int container_list (struct container *c, char *const **names, size_t *nr,
                           struct diag *d);

/* Find NAME as the file BASE of the same container means it (BASE may be
 * NULL).  Returns 1 if found; 0 if there is no such file; -1 with an error
 * if the name leads outside or cannot be opened.
 */
extern int container_find (struct container *c, const char *base,
                           const char *name, struct blob *r, struct diag *d);

/* Copy the parts, one after the other, into an unlinked temporary file;
 * unzip them with GUNZIP.
 */
extern int
container_copy (struct container *c, const struct blob *parts, size_t nr,
                bool gunzip, struct blob *r, struct diag *d);

/* Copy B into a temporary file that holds nothing else. */
extern int container_copy_alone (struct container *c, const struct blob *b,
                                 struct blob *r, struct diag *d);

/* The container takes over FD and closes it at the end. */
extern int container_adopt (struct container *c, int fd);

#endif /* V2V_CONTAINER_H */
