/* SPDX-License-Identifier: BSD-3-Clause */

/* A disk of the source while it is served. */

#ifndef V2V_DISK_H
#define V2V_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "child.h"
#include "image.h"

struct disk;

/* From a plan, which moves into the disk (also on error).  NAME is for
 * messages.  Nothing is started before the first use.  NULL and errno.
 */
extern struct disk *disk_new_plan (const char *name, struct plan *plan);
/* The same for an image in the disk SERVER (of disk_new_child, with a child
 * of two connections), which moves into it too.
 */
extern struct disk *
disk_new_server_plan (const char *name, struct plan *plan, struct disk *server);
/* All of the default export of a server: takes over CHILD. */
extern struct disk *
disk_new_child (const char *name, struct child *child, const char *export);
extern struct disk *disk_new_uri (const char *uri);
extern void disk_free (struct disk *d);

/* Close connections until the next use: the process may fork. */
extern void disk_rest (struct disk *d);
/* The disk as something that parsers read, as long as D lives.  0, or -1 and
 * errno.
 */
extern int disk_blob (struct disk *d, struct blob *b);

/* All may be called from any number of threads; 0, or -1 and errno (the
 * reason has been logged).  Ranges lie inside the disk.
 */
extern int disk_size (struct disk *d, uint64_t *size);
extern int
disk_pread (struct disk *d, void *buf, size_t count, uint64_t offset);
extern int disk_cache (struct disk *d, uint64_t count, uint64_t offset);
/* Ranges that follow each other from OFFSET, not beyond OFFSET + COUNT; at
 * least one.
 */
extern int
disk_extents (struct disk *d, uint64_t count, uint64_t offset, bool one,
              int (*fn) (void *opaque, uint64_t offset, uint64_t len, bool hole,
                         bool zero),
              void *opaque);
/* disk_cache does something. */
extern bool disk_can_cache (const struct disk *d);

#endif /* V2V_DISK_H */
