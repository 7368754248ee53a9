/* SPDX-License-Identifier: BSD-3-Clause */

/* The compressed formats that the kernel unpacks an initramfs from, one
 * member at a time, with the exact number of bytes that a member takes.
 */

#ifndef V2V_INITRD_CODEC_H
#define V2V_INITRD_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "initrd-buf.h"

enum initrd_format {
  INITRD_FORMAT_NONE, /* no magic that the kernel knows */
  INITRD_FORMAT_CPIO, /* uncompressed "newc" archive */
  INITRD_FORMAT_GZIP,
  INITRD_FORMAT_BZIP2,
  INITRD_FORMAT_LZMA, /* .lzma ("alone") */
  INITRD_FORMAT_XZ,
  INITRD_FORMAT_LZOP,
  INITRD_FORMAT_LZ4, /* the legacy frame, magic 02 21 4c 18 */
  INITRD_FORMAT_ZSTD,
};

enum initrd_codec_result {
  INITRD_CODEC_OK,
  INITRD_CODEC_BAD,       /* corrupt, truncated or unsupported */
  INITRD_CODEC_TOO_LARGE, /* does not fit into out->max */
  INITRD_CODEC_NO_MEMORY,
};

/* "gzip", "xz", ...: for people. */
extern const char *initrd_format_name (enum initrd_format format);

/* What starts at DATA, by the magic numbers that the kernel looks at.
 * Never INITRD_FORMAT_CPIO for anything but "070701" or "070702".
 */
extern enum initrd_format initrd_format_of (const uint8_t *data, size_t size);

/* Unpack the one member that starts at DATA, appending to OUT.  *CONSUMED
 * is the length of the member: as the kernel's decompressor counts it,
 * which for lz4 means up to the end of DATA or a zero block size.
 * *ERR is a static message if the result is INITRD_CODEC_BAD.
 */
extern enum initrd_codec_result
initrd_unpack (enum initrd_format format, const uint8_t *data, size_t size,
               struct initrd_buf *out, size_t *consumed, const char **err);

/* Pack DATA as one member that every kernel can unpack after a member of
 * the same format.  Formats: gzip, bzip2, xz, lz4, zstd.
 */
extern enum initrd_codec_result
initrd_pack (enum initrd_format format, const uint8_t *data, size_t size,
             struct initrd_buf *out);

#endif /* V2V_INITRD_CODEC_H */
