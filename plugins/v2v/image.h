/* SPDX-License-Identifier: BSD-3-Clause */

/* From a disk image to a plan of how its bytes are read. */

#ifndef V2V_IMAGE_H
#define V2V_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "container.h"
#include "diag.h"

enum segment_kind {
  SEGMENT_FILE, /* bytes at OFFSET of the file FDS[index] */
  SEGMENT_ZERO,
  SEGMENT_NODE, /* bytes at OFFSET of the node NODES[index] */
};

/* Segments follow each other without gaps from 0 to the plan's size. */
struct segment {
  uint64_t start;
  uint64_t offset;
  uint32_t index;
  uint32_t kind; /* enum segment_kind */
};

struct plan {
  uint64_t size; /* of the disk, bytes */
  struct segment *segments;
  size_t nr_segments, alloc;
  char **nodes; /* blockdev objects of QEMU, JSON */
  size_t nr_nodes;
  char **refs; /* the same, that nodes name as "r0", ... */
  size_t nr_refs;
  int *fds; /* not owned: the container's */
  size_t nr_fds;
};

/* In the nodes' JSON a file FDS[i] is /proc/self/fd/(PLAN_FIRST_FD + i). */
#define PLAN_FIRST_FD 4

struct image_options {
  bool allow_backing; /* backing files, data files, parents */
};

/* One of "raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx", or NULL if FORMAT
 * (with the aliases "vpc", "img") is none of them.
 */
extern const char *image_format (const char *format);

/* The format that the name's ending stands for, or NULL. */
extern const char *image_format_of_name (const char *name);

/* The format whose mark the image bears, or NULL: only ever to refuse, or to
 * check what was said, never to choose.
 */
extern const char *image_mark (const struct blob *b);

/* Check the image B (the member NAME of C) and fill in the plan.
 * 0, or -1 with an error.  plan_free in both cases.
 */
extern int
image_plan (struct container *c, const struct blob *b, const char *name,
            const char *format, const struct image_options *opts,
            struct plan *r, struct diag *d);
extern void plan_free (struct plan *p);

/* The segment that OFFSET < size lies in; *LEN = how far it goes on. */
extern const struct segment *
plan_find (const struct plan *p, uint64_t offset, uint64_t *len);

/* For image-*.c. */
struct image_context {
  struct container *c;
  const struct image_options *opts;
  struct plan *plan; /* has the fds */
  unsigned depth;
};
extern int plan_add (struct plan *p, enum segment_kind kind, uint32_t index,
                     uint64_t offset, uint64_t len, struct diag *d);
extern int plan_add_node (struct plan *p, char *json, struct diag *d);
/* Add a node that others name; returns the name in quotation marks. */
extern char *plan_add_ref (struct plan *p, char *json, struct diag *d);
extern int plan_add_fd (struct plan *p, int fd, struct diag *d);
extern int image_vmdk (struct image_context *ctx, const struct blob *b,
                       const char *name, struct plan *r, struct diag *d);
/* Add the segments of a qcow2 image whose driver is the node NODE. */
extern int image_map_qcow2 (const struct blob *b, const char *header,
                            uint64_t size, bool has_backing, uint32_t node,
                            struct plan *r, struct diag *d);
extern int image_vhd (struct image_context *ctx, const struct blob *b,
                      struct plan *r, struct diag *d);
extern int image_vhdx (struct image_context *ctx, const struct blob *b,
                       struct plan *r, struct diag *d);
/* JSON of the node that reads B's bytes. */
extern char *image_file_node (struct image_context *ctx, const struct blob *b,
                              struct diag *d);
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

#endif /* V2V_IMAGE_H */
