/* SPDX-License-Identifier: BSD-3-Clause */

/* What the image formats share, and the formats themselves: for image.c and
 * image-*.c.
 */

#ifndef V2V_IMAGE_COMMON_H
#define V2V_IMAGE_COMMON_H

#include "image.h"

struct image_context {
  struct container *c; /* NULL = the image is on a server */
  const struct image_options *opts;
  struct plan *plan; /* has the fds */
  unsigned depth;    /* of references */
  /* Any format, for what an image names; FORMAT may be NULL. */
  int (*plan_image) (struct image_context *ctx, const struct blob *b,
                     const char *name, const char *format, struct plan *r,
                     struct diag *d);
};

/* Check the image B, the member NAME of ctx->c, and add its segments to R.
 * 0, or -1 with an error.
 */
typedef int image_fn (struct image_context *ctx, const struct blob *b,
                      const char *name, struct plan *r, struct diag *d);
extern image_fn image_qcow2, image_vdi, image_vhd, image_vhdx, image_vmdk;

/* JSON of the node that reads B's bytes; the caller frees. */
extern char *image_file_node (struct image_context *ctx, const struct blob *b,
                              struct diag *d);
/* Find the file NAME, the WHAT ("extent", "parent") of the image BASE: 0, or
 * -1 with an error.
 */
extern int
image_find (struct image_context *ctx, const char *base, const char *what,
            const char *name, struct blob *b, struct diag *d);
/* Like image_plan for a file that an image names: 0, or -1. */
extern int image_reference (struct image_context *ctx, const char *base,
                            const char *what, const char *name,
                            const char *format, struct plan *r, struct diag *d);
/* What stands for LEN bytes at START of the plan P as the child of a node:
 * the name of a node in quotation marks, or null if they are zeroes; NULL on
 * error.
 */
extern char *image_range_node (struct image_context *ctx, const struct plan *p,
                               uint64_t start, uint64_t len, struct diag *d);

#endif /* V2V_IMAGE_COMMON_H */
