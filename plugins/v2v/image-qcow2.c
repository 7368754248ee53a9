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
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image-common.h"
#include "image-format.h"
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

/* Add the segments of an image whose driver is the node NODE. */
static int
map_clusters (const struct blob *b, const char *header, uint64_t size,
              bool has_backing, uint32_t node, struct plan *r, struct diag *d)
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

/*--------------------------------------------------------------------*/

/* Header: docs/interop/qcow2.txt of QEMU. */
static int
qcow2_reference (struct image_context *ctx, const char *name, const char *what,
                 const char *file, const char *format, char **node,
                 struct diag *d)
{
  struct plan p = { 0 };
  const char *f = format[0] ? image_format (format) : NULL;
  int r = -1;

  if (f == NULL && ctx->c && ctx->opts->allow_backing)
    diag_error (d,
                "the image does not say the format of its %s \"%s\": "
                "qemu-img rebase -u -F FORMAT adds it",
                what, file);
  else if (image_reference (ctx, name, what, file, f, &p, d) == 0) {
    *node = image_range_node (ctx, &p, 0, p.size, d);
    r = *node ? 0 : -1;
  }
  plan_free (&p);
  return r;
}

int
image_qcow2 (struct image_context *ctx, const struct blob *b, const char *name,
             struct plan *r, struct diag *d)
{
  CLEANUP_FREE char *file = NULL, *backing = NULL, *data = NULL;
  char h[112], ext[8], text[1024], backing_name[1024] = "";
  char backing_format[32] = "", data_name[1024] = "", *json;
  uint64_t offset, size, incompatible = 0;
  uint32_t version, type, len, n;

  memset (h, 0, sizeof h);
  if (!blob_pread (b, h, 72, 0))
    return diag_error (d, "too short for a qcow2 image");
  version = v2v_be (h + 4, 4);
  if (version != 2 && version != 3)
    return diag_error (d, "qcow2 version %" PRIu32 " is not known", version);
  offset = 72;
  if (version == 3) {
    if (!blob_pread (b, h, 104, 0))
      return diag_error (d, "too short for a qcow2 image");
    incompatible = v2v_be (h + 72, 8);
    offset = v2v_be (h + 100, 4);
    if (offset < 104 || offset > 4096)
      return diag_error (d, "qcow2: a header of %" PRIu64 " bytes", offset);
  }
  if (incompatible & 2)
    return diag_error (d, "the image is marked as corrupt: run qemu-img "
                          "check -r all on it first");
  if (incompatible & ~UINT64_C (0x1f))
    return diag_error (d, "qcow2: unknown features %#" PRIx64, incompatible);
  if (v2v_be (h + 32, 4) != 0)
    return diag_error (d, "encrypted qcow2 images are not supported");
  size = v2v_round_down (v2v_be (h + 24, 8), 512);
  if (size > INT64_MAX - 512)
    return diag_error (d, "the disk is larger than 2^63 bytes");

  n = v2v_be (h + 16, 4);
  if (v2v_be (h + 8, 8) != 0) {
    if (n == 0 || n >= sizeof backing_name ||
        !blob_pread (b, backing_name, n, v2v_be (h + 8, 8)))
      return diag_error (d, "qcow2: damaged name of the backing file");
    backing_name[n] = '\0';
  }
  /* Header extensions: type, length, data padded to 8 bytes. */
  for (n = 0;; ++n) {
    if (n > 64 || !blob_pread (b, ext, sizeof ext, offset))
      break;
    type = v2v_be (ext, 4);
    len = v2v_be (ext + 4, 4);
    offset += sizeof ext;
    if (type == 0)
      break;
    if (type == 0xe2792aca || type == 0x44415441) {
      size_t max = type == 0xe2792aca ? sizeof backing_format
                                      : sizeof data_name;

      if (len == 0 || len >= max || len >= sizeof text ||
          !blob_pread (b, text, len, offset))
        return diag_error (d, "qcow2: damaged header extension");
      text[len] = '\0';
      strcpy (type == 0xe2792aca ? backing_format : data_name, text);
    }
    offset += v2v_round_up (len, 8);
  }

  if ((incompatible & 4) || data_name[0]) {
    if (data_name[0] == '\0')
      return diag_error (d, "the image has a data file that it does not "
                            "name: refused");
    if (qcow2_reference (ctx, name, "data file", data_name, "raw", &data, d) ==
        -1)
      return -1;
  }
  if (backing_name[0] &&
      qcow2_reference (ctx, name, "backing file", backing_name, backing_format,
                       &backing, d) == -1)
    return -1;
  file = image_file_node (ctx, b, d);
  if (file == NULL)
    return -1;
  if (asprintf (&json,
                "{\"driver\":\"qcow2\",\"read-only\":true,"
                "\"file\":%s,\"backing\":%s%s%s}",
                file, backing ? backing : "null", data ? ",\"data-file\":" : "",
                data ? data : "") == -1)
    return diag_memory (d);
  if (plan_add_node (r, json, d) == -1)
    return -1;
  /* Subclusters, a data file, and what others build on: through QEMU.  On a
   * server, too: all tables would have to be fetched before the start.
   */
  if (data == NULL && (incompatible & 0x10) == 0 && ctx->depth == 0 &&
      b->server == NULL)
    return map_clusters (b, h, size, backing != NULL, r->nr_nodes - 1, r, d);
  return plan_add (r, SEGMENT_NODE, r->nr_nodes - 1, 0, size, d);
}
