/* SPDX-License-Identifier: BSD-3-Clause */

/* A whole initrd, read as the kernel does: its segments, and the root
 * file system that they make together.
 */

#ifndef V2V_INITRD_IMAGE_H
#define V2V_INITRD_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "initrd-codec.h"
#include "initrd-tree.h"

/* What an image may unpack to, and how many parts it may have. */
#define INITRD_MAX_UNPACKED ((size_t)2 << 30)
#define INITRD_MAX_SEGMENTS 4096

struct initrd_segment {
  enum initrd_format format;
  size_t offset, packed; /* where it is in the image */
  const uint8_t *data;   /* its archives, uncompressed */
  size_t size;
  uint8_t *owned;  /* data, if it was compressed */
  size_t entries;  /* without trailers */
  size_t archives; /* trailers in it */
  size_t guard;    /* set the tree's guard before the first
                                   archive at or after this byte of data */
};

struct initrd_image {
  struct initrd_segment *segments;
  size_t nr_segments;
  size_t end; /* after the last segment's last byte */
  struct initrd_tree *tree;
};

/* A failure that the user is told about. */
struct initrd_error {
  const char *code; /* static */
  char *text;       /* allocated, NULL if memory ran out */
};

extern void
initrd_error_set (struct initrd_error *e, const char *code, const char *fmt,
                  ...) __attribute__ ((format (printf, 3, 4)));

/* Read IMAGE, which must stay until initrd_image_free.  Before the first
 * segment that begins at or after GUARD the tree's guard is set
 * (SIZE_MAX: never).  Return 1 if all of it is what the kernel takes
 * without a complaint, 0 if not (*e is set; *img keeps what came before,
 * so that it can be shown), -1 when out of memory.
 */
extern int initrd_image_read (const uint8_t *image, size_t size, size_t guard,
                              struct initrd_image *img, struct initrd_error *e);

/* Apply all archives of an unpacked segment to the image's tree.  For
 * images as above, and for the archive that is about to be appended.
 */
extern int
initrd_image_apply (struct initrd_image *img, struct initrd_segment *seg,
                    unsigned nr, struct initrd_error *e);

extern void initrd_image_free (struct initrd_image *img);

#endif /* V2V_INITRD_IMAGE_H */
