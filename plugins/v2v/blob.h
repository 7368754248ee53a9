/* SPDX-License-Identifier: BSD-3-Clause */

/* Bytes that parsers read: a range of an open file, or a file on a server. */

#ifndef V2V_BLOB_H
#define V2V_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diag.h"

/* A file on a server, whole. */
struct blob_server {
  /* 0, or -1 and errno.  The range lies inside the file; COUNT > 0. */
  int (*pread) (void *opaque, void *buf, size_t count, uint64_t offset);
  void *opaque;
};

/* The descriptor, or the server, belongs to whoever made the blob and
 * outlives it.
 */
struct blob {
  int fd; /* -1 if SERVER */
  uint64_t offset, size;
  const struct blob_server *server; /* or NULL */
};

/* Read exactly LEN bytes at OFFSET; false if they are not there. */
extern bool
blob_pread (const struct blob *b, void *buf, size_t len, uint64_t offset);
/* Read all of a document into *TEXT (NUL-terminated), at most LIMIT bytes. */
extern int blob_read_all (const struct blob *b, size_t limit, char **text,
                          size_t *len, struct diag *d);
/* The blob of an open file or block device. */
extern int
blob_from_fd (int fd, const char *name, struct blob *r, struct diag *d);

#endif /* V2V_BLOB_H */
