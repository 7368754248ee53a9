/* SPDX-License-Identifier: BSD-3-Clause */

/* The text descriptor of VMDK: parsed here, so that QEMU never follows a
 * name that it holds.
 */

#ifndef V2V_VMDK_H
#define V2V_VMDK_H

#include <stddef.h>
#include <stdint.h>

#include "diag.h"

enum vmdk_extent_type {
  VMDK_FLAT,   /* FLAT and VMFS: plain bytes */
  VMDK_SPARSE, /* SPARSE and VMFSSPARSE */
  VMDK_ZERO,
};

struct vmdk_extent {
  enum vmdk_extent_type type;
  uint64_t sectors; /* > 0 */
  char *name;       /* NULL for VMDK_ZERO */
  uint64_t offset;  /* sectors into the file, of VMDK_FLAT */
  unsigned line;
};

struct vmdk_descriptor {
  struct vmdk_extent *extents;
  size_t nr_extents;
  uint64_t sectors;                 /* sum of the extents */
  uint32_t parent_cid;              /* 0xffffffff = no parent */
  char *parent;                     /* parentFileNameHint, or NULL */
  char *create_type, *adapter_type; /* or NULL */
};

/* Parse LEN bytes.  0, or -1 with the line in the error.  The result must
 * be freed in both cases.
 */
extern int vmdk_parse_descriptor (const char *text, size_t len,
                                  struct vmdk_descriptor *r, struct diag *d);
extern void vmdk_free_descriptor (struct vmdk_descriptor *r);

#endif /* V2V_VMDK_H */
