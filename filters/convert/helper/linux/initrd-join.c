/* SPDX-License-Identifier: BSD-3-Clause */

/* The rule: the same format as the last segment, directly after its last
 * byte, no padding.  It is the only one that every kernel from 4.4 on
 * unpacks: a raw archive after lz4 is an error on kernels without commit
 * 2c484419efc0, and 4.4 then throws the whole initramfs away.
 *
 * Two formats differ:
 *
 *  uncompressed, lzma, lzop   zeroes to a multiple of 4 of the image, then
 *      the archive as it is.  (The kernel's lzma decompressor may stop a
 *      byte before the end of a member; zeroes are skipped either way.)
 *  lz4   frames that follow each other are one stream for the kernel, so
 *      that the archive's alignment counts in what the frames before it
 *      unpack to: zeroes go in front of it, inside the new frame.
 */

#include <config.h>

#include <stdint.h>

#include "initrd-join.h"

int
initrd_join (const struct initrd_image *img, const uint8_t *archive,
             size_t size, struct initrd_buf *out)
{
  const struct initrd_segment *last = &img->segments[img->nr_segments - 1];
  struct initrd_buf padded = { 0 };
  int r = -1;

  switch (last->format) {
  case INITRD_FORMAT_GZIP:
  case INITRD_FORMAT_BZIP2:
  case INITRD_FORMAT_XZ:
  case INITRD_FORMAT_ZSTD:
    r = initrd_pack (last->format, archive, size, out) == INITRD_CODEC_OK ? 0
                                                                          : -1;
    break;

  case INITRD_FORMAT_LZ4:
    if (initrd_buf_zeroes (&padded, -last->size % 4) == 0 &&
        initrd_buf_append (&padded, archive, size) == 0 &&
        initrd_pack (last->format, padded.data, padded.size, out) ==
          INITRD_CODEC_OK)
      r = 0;
    initrd_buf_free (&padded);
    break;

  case INITRD_FORMAT_CPIO:
  case INITRD_FORMAT_LZMA:
  case INITRD_FORMAT_LZOP:
  case INITRD_FORMAT_NONE:
    if (initrd_buf_zeroes (out, -img->end % 4) == 0 &&
        initrd_buf_append (out, archive, size) == 0)
      r = 0;
    break;
  }
  return r;
}
