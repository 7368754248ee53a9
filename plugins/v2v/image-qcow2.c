/* SPDX-License-Identifier: BSD-3-Clause */

/* The map of a qcow2 image: which clusters are plain bytes of the file.
 *
 * Read through QEMU, every byte crosses one more socket: on two cores that
 * cost a third of qemu-nbd's rate.  So plain clusters are read from the file
 * by ourselves, zero clusters are zeroes, and only what needs the driver
 * (compressed clusters, clusters of a backing file, and whatever is odd in
 * any way) is left to the node.
 *
 * Format (docs/interop/qcow2.txt of QEMU): L1 table of 8 byte entries, bits
 * 9-55 the offset of an L2 table of one cluster; its entries: bit 62
 * compressed, bit 0 reads as zeroes (version 3), bits 9-55 the offset of the
 * cluster.
 *
 * Invariants: a cluster becomes a file segment only if it is normal,
 * aligned, and lies completely inside the file (QEMU reads zeroes behind the
 * end); images with subclusters or a data file are not mapped at all.
 */

#include <config.h>

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "v2v-utils.h"

#define OFFSET_MASK UINT64_C (0x00fffffffffffe00)
#define COMPRESSED (UINT64_C (1) << 62)
#define ZERO UINT64_C (1)
#define MAX_L1 (4 * 1024 * 1024)
#define MAX_MAPPED (1024 * 1024) /* segments: 24 MB */

struct map {
  struct plan *plan;
  const struct blob *b;
  struct diag *d;
  uint32_t node, file;
  uint64_t size, cluster;
  bool has_backing, version3;
};

static int
add_cluster (struct map *m, uint64_t entry)
{
  struct plan *p = m->plan;
  uint64_t len = V2V_MIN (m->cluster, m->size - p->size);
  uint64_t offset = entry & OFFSET_MASK;

  if ((entry & COMPRESSED) == 0) {
    if ((entry & ZERO) && m->version3)
      return plan_add (p, SEGMENT_ZERO, 0, 0, len, m->d);
    if (offset == 0 && (entry & ZERO) == 0 && !m->has_backing)
      return plan_add (p, SEGMENT_ZERO, 0, 0, len, m->d);
    if (offset != 0 && (entry & ZERO) == 0 &&
        (offset & (m->cluster - 1)) == 0 && offset <= m->b->size &&
        m->cluster <= m->b->size - offset)
      return plan_add (p, SEGMENT_FILE, m->file, m->b->offset + offset, len,
                       m->d);
  }
  return plan_add (p, SEGMENT_NODE, m->node, p->size, len, m->d);
}

/* The range of a whole L2 table, or what is left of the disk. */
static int
add_table (struct map *m, uint64_t entry, uint64_t *table)
{
  uint64_t n = m->cluster / 8, offset = entry & OFFSET_MASK, i;
  uint64_t left = m->size - m->plan->size;
  uint64_t len = left / m->cluster < n ? left : n * m->cluster;

  if (offset == 0 && !m->has_backing)
    return plan_add (m->plan, SEGMENT_ZERO, 0, 0, len, m->d);
  if (offset == 0 || (offset & (m->cluster - 1)) != 0 ||
      !blob_pread (m->b, table, m->cluster, offset))
    return plan_add (m->plan, SEGMENT_NODE, m->node, m->plan->size, len, m->d);
  for (i = 0; i < n && m->plan->size < m->size; ++i)
    if (add_cluster (m, be64toh (table[i])) == -1)
      return -1;
  return 0;
}

int
image_map_qcow2 (const struct blob *b, const char *header, uint64_t size,
                 bool has_backing, uint32_t node, struct plan *r,
                 struct diag *d)
{
  struct map m = { .plan = r,
                   .b = b,
                   .d = d,
                   .node = node,
                   .size = size,
                   .has_backing = has_backing };
  CLEANUP_FREE uint64_t *l1 = NULL, *table = NULL;
  uint32_t bits, l1_size, version;
  uint64_t l1_offset, need, per_table, i;
  int file;

  memcpy (&version, header + 4, 4);
  memcpy (&bits, header + 20, 4);
  memcpy (&l1_size, header + 36, 4);
  memcpy (&l1_offset, header + 40, 8);
  m.version3 = be32toh (version) >= 3;
  bits = be32toh (bits);
  l1_size = be32toh (l1_size);
  l1_offset = be64toh (l1_offset);
  if (bits < 9 || bits > 21)
    return diag_error (d, "qcow2: clusters of 2^%u bytes", bits);
  m.cluster = UINT64_C (1) << bits;
  per_table = m.cluster / 8 * m.cluster;
  need = size / per_table + (size % per_table != 0);
  file = plan_add_fd (r, b->fd, d);
  if (file == -1)
    return -1;
  m.file = file;

  if (need <= l1_size && need <= MAX_L1) {
    l1 = malloc (need * 8 + 8);
    table = malloc (m.cluster);
    if (l1 == NULL || table == NULL)
      return diag_memory (d);
    if (blob_pread (b, l1, need * 8, l1_offset)) {
      for (i = 0; i < need && r->nr_segments <= MAX_MAPPED; ++i)
        if (add_table (&m, be64toh (l1[i]), table) == -1)
          return -1;
      if (r->size == size)
        return 0;
    }
  }
  /* Not mapped: all through the node. */
  r->nr_segments = 0;
  r->size = 0;
  return plan_add (r, SEGMENT_NODE, node, 0, size, d);
}
