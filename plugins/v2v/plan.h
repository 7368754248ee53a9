/* SPDX-License-Identifier: BSD-3-Clause */

/* How a disk's bytes are read: its segments, in order. */

#ifndef V2V_PLAN_H
#define V2V_PLAN_H

#include <stddef.h>
#include <stdint.h>

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
  int *fds; /* not owned: the container's; -1 = the disk's server */
  size_t nr_fds;
};

/* In the nodes' JSON a file FDS[i] is /proc/self/fd/(PLAN_FIRST_FD + i). */
#define PLAN_FIRST_FD 4

extern void plan_free (struct plan *p);

/* The segment that OFFSET < size lies in; *LEN = how far it goes on. */
extern const struct segment *
plan_find (const struct plan *p, uint64_t offset, uint64_t *len);

/* Append LEN bytes.  0, or -1 with an error. */
extern int plan_add (struct plan *p, enum segment_kind kind, uint32_t index,
                     uint64_t offset, uint64_t len, struct diag *d);
extern int plan_add_node (struct plan *p, char *json, struct diag *d);
/* Add a node that others name; returns the name in quotation marks. */
extern char *plan_add_ref (struct plan *p, char *json, struct diag *d);
extern int plan_add_fd (struct plan *p, int fd, struct diag *d);

#endif /* V2V_PLAN_H */
