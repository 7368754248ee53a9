/* SPDX-License-Identifier: BSD-3-Clause */

/* VHD and VHDX.
 *
 * VHD (Virtual Hard Disk Image Format Specification 1.0): all numbers are
 * big endian.  The footer's "current size" at 48 is the size of the disk.
 * QEMU takes the size from the CHS geometry for files of most creators and
 * so cuts the end off disks of VirtualBox, whose geometry is rounded; that
 * is why VHD is read here: a fixed disk is plain bytes before the footer, a
 * dynamic one has a table (BAT) of blocks, each a sector bitmap followed by
 * the data.
 *
 * VHDX ([MS-VHDX]): read by QEMU; here only size and "has parent" are looked
 * up in the metadata region.
 */

#include <config.h>

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image-common.h"
#include "v2v-utils.h"

#define MAX_BAT (8 * 1024 * 1024)

/* The one's complement of the sum of the other bytes. */
static bool
checksum_ok (const unsigned char *p, size_t len, size_t at)
{
  uint32_t sum = 0;
  size_t i;

  for (i = 0; i < len; ++i)
    if (i < at || i >= at + 4)
      sum += p[i];
  return (uint32_t)~sum == v2v_be (p + at, 4);
}

static int
dynamic (const struct blob *b, uint64_t header, uint64_t size, int file,
         struct plan *r, struct diag *d)
{
  CLEANUP_FREE unsigned char *bat = NULL;
  unsigned char h[1024];
  uint64_t offset, entries, block, bitmap, i, at, len;

  if (!blob_pread (b, h, sizeof h, header) || memcmp (h, "cxsparse", 8) != 0)
    return diag_error (d, "VHD: no dynamic disk header at byte %" PRIu64,
                       header);
  if (!checksum_ok (h, sizeof h, 36))
    return diag_error (d, "VHD: the dynamic disk header is damaged");
  offset = v2v_be (h + 16, 8);
  entries = v2v_be (h + 28, 4);
  block = v2v_be (h + 32, 4);
  if (block < 512 || (block & (block - 1)) != 0)
    return diag_error (d, "VHD: a block size of %" PRIu64 " bytes", block);
  if (entries > MAX_BAT || entries < (size + block - 1) / block)
    return diag_error (d, "VHD: a table of %" PRIu64 " blocks", entries);
  bitmap = v2v_round_up (block / 512 / 8, 512);
  bat = malloc (entries * 4);
  if (bat == NULL)
    return diag_memory (d);
  if (!blob_pread (b, bat, entries * 4, offset))
    return diag_error (d, "VHD: the block table lies outside of the file");
  for (i = 0; r->size < size; ++i) {
    len = V2V_MIN (block, size - r->size);
    at = v2v_be (bat + 4 * i, 4);
    if (at == UINT32_MAX) {
      if (plan_add (r, SEGMENT_ZERO, 0, 0, len, d) == -1)
        return -1;
      continue;
    }
    at = at * 512 + bitmap;
    if (at > b->size || len > b->size - at)
      return diag_error (d,
                         "VHD: block %" PRIu64 " lies outside of the "
                         "file",
                         i);
    if (plan_add (r, SEGMENT_FILE, file, b->offset + at, len, d) == -1)
      return -1;
  }
  return 0;
}

int
image_vhd (struct image_context *ctx, const struct blob *b, const char *name,
           struct plan *r, struct diag *d)
{
  unsigned char f[512];
  uint64_t size;
  int file;

  (void)ctx;
  (void)name;
  /* The footer is the last sector (511 bytes in files of old versions);
   * of dynamic disks there is a copy at the start.
   */
  if (b->size < 512 ||
      ((!blob_pread (b, f, 512, b->size - 512) ||
        memcmp (f, "conectix", 8) != 0) &&
       (!blob_pread (b, f, 512, 0) || memcmp (f, "conectix", 8) != 0)))
    return diag_error (d, "not a vhd image: no footer");
  if (!checksum_ok (f, sizeof f, 64))
    return diag_error (d, "VHD: the footer is damaged");
  size = v2v_round_down (v2v_be (f + 48, 8), 512);
  if (size > INT64_MAX / 2)
    return diag_error (d, "VHD: the disk is larger than 2^62 bytes");
  file = plan_add_fd (r, b->fd, d);
  if (file == -1)
    return -1;
  switch (v2v_be (f + 60, 4)) {
  case 2:
    if (size > b->size)
      return diag_error (d, "VHD: the file is shorter than the disk");
    return plan_add (r, SEGMENT_FILE, file, b->offset, size, d);
  case 3:
    return dynamic (b, v2v_be (f + 16, 8), size, file, r, d);
  case 4:
    return diag_error (d, "a differencing VHD depends on another image: "
                          "merge it first");
  default:
    return diag_error (d, "VHD: disk type %" PRIu64 " is not known",
                       v2v_be (f + 60, 4));
  }
}

/*--------------------------------------------------------------------*/

static const unsigned char guid_metadata[16] = {
  0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b,
  0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e,
};
static const unsigned char guid_file_parameters[16] = {
  0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d,
  0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b,
};
static const unsigned char guid_size[16] = {
  0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48,
  0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8,
};

/* The offset of the metadata region by the region table at AT; 0 = none. */
static uint64_t
metadata_region (const struct blob *b, uint64_t at)
{
  unsigned char h[16], e[32];
  uint64_t n, i;

  if (!blob_pread (b, h, sizeof h, at) || memcmp (h, "regi", 4) != 0)
    return 0;
  n = v2v_le (h + 8, 4);
  for (i = 0; i < n && i < 2047; ++i)
    if (!blob_pread (b, e, sizeof e, at + 16 + 32 * i))
      return 0;
    else if (memcmp (e, guid_metadata, 16) == 0)
      return v2v_le (e + 16, 8);
  return 0;
}

int
image_vhdx (struct image_context *ctx, const struct blob *b, const char *name,
            struct plan *r, struct diag *d)
{
  CLEANUP_FREE char *file = NULL;
  unsigned char h[32], e[32], v[8];
  uint64_t at, n, i, size = 0;
  bool parameters = false;
  char *json;

  (void)name;
  at = metadata_region (b, 192 * 1024);
  if (at == 0)
    at = metadata_region (b, 256 * 1024);
  if (at == 0 || !blob_pread (b, h, sizeof h, at) ||
      memcmp (h, "metadata", 8) != 0)
    return diag_error (d, "VHDX: the metadata region is damaged");
  n = v2v_le (h + 10, 2);
  for (i = 0; i < n && i < 2047; ++i) {
    if (!blob_pread (b, e, sizeof e, at + 32 + 32 * i))
      break;
    if (memcmp (e, guid_file_parameters, 16) == 0) {
      if (!blob_pread (b, v, 8, at + v2v_le (e + 16, 4)))
        break;
      parameters = true;
      if (v[4] & 2)
        return diag_error (d, "a differencing VHDX depends on another "
                              "image: merge it first");
    }
    else if (memcmp (e, guid_size, 16) == 0) {
      if (!blob_pread (b, v, 8, at + v2v_le (e + 16, 4)))
        break;
      size = v2v_le (v, 8);
    }
  }
  if (!parameters || size == 0 || size > INT64_MAX - 512)
    return diag_error (d, "VHDX: the metadata lacks the disk's parameters");
  file = image_file_node (ctx, b, d);
  if (file == NULL)
    return -1;
  if (asprintf (&json,
                "{\"driver\":\"vhdx\",\"read-only\":true,"
                "\"file\":%s}",
                file) == -1)
    return diag_memory (d);
  if (plan_add_node (r, json, d) == -1)
    return -1;
  return plan_add (r, SEGMENT_NODE, r->nr_nodes - 1, 0, size, d);
}
