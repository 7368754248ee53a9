/* SPDX-License-Identifier: BSD-3-Clause */

/* A source in the making, for source*.c.  Functions that return int return 0,
 * or -1 with an error.
 */

#ifndef V2V_SOURCE_BUILD_H
#define V2V_SOURCE_BUILD_H

#include "container.h"
#include "source.h"

#define MAX_DOCUMENT (16 * 1024 * 1024)

/* Takes over C, which may be NULL: then NULL. */
extern struct container *
source_add_container (struct source *s, struct container *c, struct diag *d);
extern void source_container_options (const struct source_options *opts,
                                      struct container_options *r);

/* Takes over DISK; NULL is an error, errno says which. */
extern int
source_add_disk (struct source *s, struct disk *disk, struct diag *d);
/* The disk of an image in C; FORMAT may be NULL. */
extern int
source_add_image (struct source *s, const struct source_options *opts,
                  struct container *c, const struct blob *b, const char *name,
                  const char *format, struct diag *d);
/* The disk of the image PATH; the image's own references are confined to its
 * directory.
 */
extern int
source_add_path (struct source *s, const struct source_options *opts,
                 const char *path, const char *format, struct diag *d);
/* The disk of an image that SERVER (with two connections; NULL with an error
 * already set) serves; takes it over.  FORMAT is not NULL.
 */
extern int
source_add_server_image (struct source *s, const struct source_options *opts,
                         struct disk *server, const char *name,
                         const char *format, struct diag *d);
/* A disk of zeroes. */
extern int source_add_zeroes (struct source *s, uint64_t size, struct diag *d);

/* From here on until source_open returns servers can be asked. */
extern int source_supervise (struct source *s, struct diag *d);

/* Read the document PATH; *C = its directory. */
extern int source_read (struct source *s, const struct source_options *opts,
                        const char *path, struct container **c, char **text,
                        size_t *len, struct diag *d);
/* "disk.0" of "/dir/disk.0.img": the name without directory and one known
 * ending; NULL and errno.
 */
extern char *source_stem (const char *path);

#endif /* V2V_SOURCE_BUILD_H */
