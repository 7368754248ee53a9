/* SPDX-License-Identifier: BSD-3-Clause */

/* VDI images, read by QEMU: here only the size and whether it stands alone. */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image-common.h"
#include "v2v-utils.h"

/* VDI: the pre-header's signature at 0x40, type at 0x4c, size at 0x170,
 * UUIDs of links at 0x1a8 and 0x1b8.
 */
int
image_vdi (struct image_context *ctx, const struct blob *b, const char *name,
           struct plan *r, struct diag *d)
{
  static const char none[16];
  CLEANUP_FREE char *file = NULL;
  char h[512], *json;
  uint64_t size;

  (void)name;
  if (!blob_pread (b, h, sizeof h, 0))
    return diag_error (d, "too short for a VDI image");
  if (v2v_le (h + 0x4c, 4) != 1 && v2v_le (h + 0x4c, 4) != 2)
    return diag_error (d,
                       "a VDI that depends on another one (type %" PRIu64
                       "): merge the snapshots first",
                       v2v_le (h + 0x4c, 4));
  if (memcmp (h + 0x1b8, none, 16) != 0)
    return diag_error (d, "a VDI that depends on another one: merge the "
                          "snapshots first");
  size = v2v_le (h + 0x170, 8);
  if (size > INT64_MAX - 512)
    return diag_error (d, "the disk is larger than 2^63 bytes");
  size = v2v_round_up (size, 512);
  file = image_file_node (ctx, b, d);
  if (file == NULL)
    return -1;
  if (asprintf (&json, "{\"driver\":\"vdi\",\"read-only\":true,\"file\":%s}",
                file) == -1)
    return diag_memory (d);
  if (plan_add_node (r, json, d) == -1)
    return -1;
  return plan_add (r, SEGMENT_NODE, r->nr_nodes - 1, 0, size, d);
}
