/* SPDX-License-Identifier: BSD-3-Clause */

/* The inside of containers, for container*.c. */

#ifndef V2V_CONTAINER_INTERNAL_H
#define V2V_CONTAINER_INTERNAL_H

#include "container.h"

struct container {
  char *path; /* real path */
  /* Fill in the names, if that is not done yet: 0, or -1 with an error. */
  int (*list) (struct container *c, struct diag *d);
  /* Like container_find; NAME is neither empty nor too long. */
  int (*find) (struct container *c, const char *base, const char *name,
               struct blob *r, struct diag *d);
  bool in_place, listed;
  const char *tmpdir;
  char *const *allow_dirs;
  uint64_t unpack_limit, unpacked;
  char **names;       /* of regular files, in order */
  struct blob *blobs; /* of archives only, as names */
  size_t nr, alloc;
  int *fds; /* owned */
  size_t nr_fds;
  int tmpfd; /* in fds; -1 before the first use */
  uint64_t tmp_end;
};

/* What all kinds begin with: NULL with an error. */
extern struct container *
container_new (const char *path, const struct container_options *opts,
               struct diag *d);
/* One more name; B may be NULL. */
extern int container_add_member (struct container *c, const char *name,
                                 const struct blob *b, struct diag *d);
/* The directory part of NAME (or NULL), with the slash: its length. */
extern size_t container_dir_len (const char *name);

/* Unpack the member that A is at into the temporary file. */
struct archive;
extern int container_unpack (struct container *c, struct archive *a,
                             struct blob *r, struct diag *d);

#endif /* V2V_CONTAINER_INTERNAL_H */
