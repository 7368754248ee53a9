/* SPDX-License-Identifier: BSD-3-Clause */

/* Decompressors and compressors of initramfs members.
 *
 * The kernel hands a decompressor the whole rest of the image, and goes
 * on after the bytes that it took.  So what matters here, and what general
 * libraries hide, is where exactly a member ends:
 *
 *  gzip   after the 8 bytes of CRC and size.  The kernel skips the name
 *         field of the header and knows no other option, so that a member
 *         with one is refused.
 *  xz     after the stream footer; one stream.  Only CRC32 checks are
 *         understood by kernels, which is what we write.
 *  lzma   after the end marker or the size of the header.
 *  bzip2  after the stream's last byte.
 *  zstd   after the frame.  Kernels refuse windows over 8 MiB: we write
 *         less.
 *  lz4    has no end mark.  The kernel reads blocks (u32 length, data)
 *         until the input ends; a magic number between blocks is skipped;
 *         newer kernels also stop at a length of zero.  One call thus
 *         takes all frames that follow each other, and padding after them
 *         is not harmless to older kernels.
 *  lzop   needs a library that is rarely wanted: not unpacked.
 *
 * Invariants:
 * 1. Nothing is read beyond data + size, and nothing is written beyond
 *    out->max, whatever the member claims of itself.
 * 2. A result of OK means that the member is complete and that its own
 *    checksums are right.
 * 3. *consumed <= size, and > 0 after OK.
 */

#include <config.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <bzlib.h>
#include <lz4.h>
#include <lz4hc.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "initrd-codec.h"
#include "v2v-utils.h"

/* First growth of the output, and the least room that is offered. */
#define CHUNK ((size_t)256 << 10)

/* An xz dictionary of 64 MiB (preset -9) needs about 65 MiB. */
#define XZ_MEMORY (UINT64_C (256) << 20)

/* Both numbers are part of lz4's legacy format. */
#define LZ4_MAGIC 0x184c2102
#define LZ4_BLOCK (8 << 20)

/* zlib, bzip2 and lz4 count in 32 bits. */
#define MAX_PACKED (UINT32_C (1) << 31)

const char *
initrd_format_name (enum initrd_format format)
{
  switch (format) {
  case INITRD_FORMAT_CPIO:
    return "cpio";
  case INITRD_FORMAT_GZIP:
    return "gzip";
  case INITRD_FORMAT_BZIP2:
    return "bzip2";
  case INITRD_FORMAT_LZMA:
    return "lzma";
  case INITRD_FORMAT_XZ:
    return "xz";
  case INITRD_FORMAT_LZOP:
    return "lzop";
  case INITRD_FORMAT_LZ4:
    return "lz4";
  case INITRD_FORMAT_ZSTD:
    return "zstd";
  case INITRD_FORMAT_NONE:
    break;
  }
  return "unknown";
}

enum initrd_format
initrd_format_of (const uint8_t *data, size_t size)
{
  static const struct {
    uint8_t magic[6];
    uint8_t len;
    enum initrd_format format;
  } formats[] = {
    { "070701", 6, INITRD_FORMAT_CPIO },
    { "070702", 6, INITRD_FORMAT_CPIO },
    /* The kernel looks at two bytes of these; so do we. */
    { { 0x1f, 0x8b }, 2, INITRD_FORMAT_GZIP },
    { { 0x42, 0x5a }, 2, INITRD_FORMAT_BZIP2 },
    { { 0x5d, 0x00 }, 2, INITRD_FORMAT_LZMA },
    { { 0xfd, 0x37 }, 2, INITRD_FORMAT_XZ },
    { { 0x89, 0x4c }, 2, INITRD_FORMAT_LZOP },
    { { 0x02, 0x21 }, 2, INITRD_FORMAT_LZ4 },
    { { 0x28, 0xb5 }, 2, INITRD_FORMAT_ZSTD },
  };
  size_t i;

  for (i = 0; i < sizeof formats / sizeof formats[0]; ++i) {
    if (size >= formats[i].len &&
        memcmp (data, formats[i].magic, formats[i].len) == 0)
      return formats[i].format;
  }
  return INITRD_FORMAT_NONE;
}

/* Room for more output.  The room that is left under the cap may be less
 * than CHUNK; no room at all is a failure.
 */
static int
more_room (struct initrd_buf *out)
{
  size_t n;

  if (out->alloc > out->size)
    return 0;
  n = out->size > CHUNK ? out->size : CHUNK;
  if (out->max && n > out->max - out->size)
    n = out->max - out->size;
  if (n == 0) {
    out->too_large = true;
    return -1;
  }
  return initrd_buf_reserve (out, n);
}

/* The room as a count for libraries that count in unsigned int. */
static unsigned
room32 (const struct initrd_buf *out)
{
  size_t n = out->alloc - out->size;

  return n > MAX_PACKED ? MAX_PACKED : (unsigned)n;
}

static enum initrd_codec_result
buf_failure (const struct initrd_buf *out)
{
  return out->too_large ? INITRD_CODEC_TOO_LARGE : INITRD_CODEC_NO_MEMORY;
}

static enum initrd_codec_result
unpack_gzip (const uint8_t *data, size_t size, struct initrd_buf *out,
             size_t *consumed, const char **err)
{
  enum initrd_codec_result ret = INITRD_CODEC_BAD;
  z_stream z = { 0 };
  int r;

  if (size >= 4 && (data[2] != 8 || (data[3] & ~0x09) != 0)) {
    *err = "gzip header with options that the kernel does not know";
    return INITRD_CODEC_BAD;
  }
  if (inflateInit2 (&z, 15 + 16) != Z_OK)
    return INITRD_CODEC_NO_MEMORY;
  z.next_in = (Bytef *)data;
  z.avail_in = (uInt)size;
  do {
    unsigned room;

    if (more_room (out) == -1) {
      ret = buf_failure (out);
      goto out;
    }
    room = room32 (out);
    z.next_out = out->data + out->size;
    z.avail_out = room;
    r = inflate (&z, Z_NO_FLUSH);
    out->size += room - z.avail_out;
    if (r == Z_MEM_ERROR) {
      ret = INITRD_CODEC_NO_MEMORY;
      goto out;
    }
    if (r == Z_BUF_ERROR && z.avail_out == 0)
      r = Z_OK;
  } while (r == Z_OK && (z.avail_in > 0 || z.avail_out == 0));
  if (r == Z_STREAM_END) {
    *consumed = size - z.avail_in;
    ret = INITRD_CODEC_OK;
  }
  else
    *err = r == Z_OK || r == Z_BUF_ERROR ? "truncated gzip member"
                                         : "corrupt gzip member";
out:
  inflateEnd (&z);
  return ret;
}

static enum initrd_codec_result
unpack_bzip2 (const uint8_t *data, size_t size, struct initrd_buf *out,
              size_t *consumed, const char **err)
{
  enum initrd_codec_result ret = INITRD_CODEC_BAD;
  bz_stream z = { 0 };
  int r;

  if (BZ2_bzDecompressInit (&z, 0, 0) != BZ_OK)
    return INITRD_CODEC_NO_MEMORY;
  z.next_in = (char *)data;
  z.avail_in = (unsigned)size;
  do {
    unsigned room;

    if (more_room (out) == -1) {
      ret = buf_failure (out);
      goto out;
    }
    room = room32 (out);
    z.next_out = (char *)out->data + out->size;
    z.avail_out = room;
    r = BZ2_bzDecompress (&z);
    out->size += room - z.avail_out;
    if (r == BZ_MEM_ERROR) {
      ret = INITRD_CODEC_NO_MEMORY;
      goto out;
    }
  } while (r == BZ_OK && (z.avail_in > 0 || z.avail_out == 0));
  if (r == BZ_STREAM_END) {
    *consumed = size - z.avail_in;
    ret = INITRD_CODEC_OK;
  }
  else
    *err = r == BZ_OK ? "truncated bzip2 member" : "corrupt bzip2 member";
out:
  BZ2_bzDecompressEnd (&z);
  return ret;
}

/* xz and lzma. */
static enum initrd_codec_result
unpack_liblzma (enum initrd_format format, const uint8_t *data, size_t size,
                struct initrd_buf *out, size_t *consumed, const char **err)
{
  enum initrd_codec_result ret = INITRD_CODEC_BAD;
  lzma_stream z = LZMA_STREAM_INIT;
  lzma_ret r;

  r = format == INITRD_FORMAT_XZ ? lzma_stream_decoder (&z, XZ_MEMORY, 0)
                                 : lzma_alone_decoder (&z, XZ_MEMORY);
  if (r != LZMA_OK)
    return INITRD_CODEC_NO_MEMORY;
  z.next_in = data;
  z.avail_in = size;
  do {
    if (more_room (out) == -1) {
      ret = buf_failure (out);
      goto out;
    }
    z.next_out = out->data + out->size;
    z.avail_out = out->alloc - out->size;
    r = lzma_code (&z, LZMA_RUN);
    out->size = out->alloc - z.avail_out;
  } while (r == LZMA_OK && (z.avail_in > 0 || z.avail_out == 0));
  if (r == LZMA_STREAM_END) {
    *consumed = size - z.avail_in;
    ret = INITRD_CODEC_OK;
  }
  else if (r == LZMA_MEM_ERROR)
    ret = INITRD_CODEC_NO_MEMORY;
  else if (r == LZMA_MEMLIMIT_ERROR)
    *err = "xz dictionary larger than 256 MiB";
  else
    *err = r == LZMA_OK || r == LZMA_BUF_ERROR ? "truncated xz or lzma member"
                                               : "corrupt xz or lzma member";
out:
  lzma_end (&z);
  return ret;
}

static enum initrd_codec_result
unpack_zstd (const uint8_t *data, size_t size, struct initrd_buf *out,
             size_t *consumed, const char **err)
{
  enum initrd_codec_result ret = INITRD_CODEC_BAD;
  ZSTD_DCtx *z;
  ZSTD_inBuffer in = { data, size, 0 };
  ZSTD_outBuffer o;
  size_t r;

  z = ZSTD_createDCtx ();
  if (z == NULL)
    return INITRD_CODEC_NO_MEMORY;
  ZSTD_DCtx_setParameter (z, ZSTD_d_windowLogMax, 27);
  do {
    if (more_room (out) == -1) {
      ret = buf_failure (out);
      goto out;
    }
    o.dst = out->data + out->size;
    o.size = out->alloc - out->size;
    o.pos = 0;
    r = ZSTD_decompressStream (z, &o, &in);
    if (ZSTD_isError (r)) {
      *err = "corrupt zstd frame";
      goto out;
    }
    out->size += o.pos;
  } while (r != 0 && (in.pos < in.size || o.pos == o.size));
  if (r == 0) {
    *consumed = in.pos;
    ret = INITRD_CODEC_OK;
  }
  else
    *err = "truncated zstd frame";
out:
  ZSTD_freeDCtx (z);
  return ret;
}

static void
put_le32 (uint8_t *p, uint32_t n)
{
  p[0] = (uint8_t)n;
  p[1] = (uint8_t)(n >> 8);
  p[2] = (uint8_t)(n >> 16);
  p[3] = (uint8_t)(n >> 24);
}

static enum initrd_codec_result
unpack_lz4 (const uint8_t *data, size_t size, struct initrd_buf *out,
            size_t *consumed, const char **err)
{
  size_t pos = 4;

  if (size < 4 || v2v_le (data, 4) != LZ4_MAGIC) {
    *err = "not an lz4 legacy frame";
    return INITRD_CODEC_BAD;
  }
  while (size - pos >= 4) {
    uint32_t n = v2v_le (data + pos, 4);
    size_t room;
    int r;

    if (n == LZ4_MAGIC) {
      pos += 4;
      continue;
    }
    if (n == 0)
      break;
    pos += 4;
    if (n > size - pos || n > (uint32_t)LZ4_compressBound (LZ4_BLOCK)) {
      *err = "truncated lz4 block, or trailing data that is not one";
      return INITRD_CODEC_BAD;
    }
    /* A block holds at most 8 MiB, and a byte of input makes at most 255
     * bytes of output.
     */
    room = (size_t)n * 255 + 16;
    if (room > LZ4_BLOCK)
      room = LZ4_BLOCK;
    if (out->max && room > out->max - out->size)
      room = out->max - out->size;
    if (initrd_buf_reserve (out, room) == -1)
      return buf_failure (out);
    r = LZ4_decompress_safe ((const char *)data + pos,
                             (char *)out->data + out->size, (int)n, (int)room);
    if (r < 0) {
      if (out->max && out->max - out->size < LZ4_BLOCK)
        return INITRD_CODEC_TOO_LARGE;
      *err = "corrupt lz4 block";
      return INITRD_CODEC_BAD;
    }
    out->size += (size_t)r;
    pos += n;
  }
  *consumed = pos;
  return INITRD_CODEC_OK;
}

enum initrd_codec_result
initrd_unpack (enum initrd_format format, const uint8_t *data, size_t size,
               struct initrd_buf *out, size_t *consumed, const char **err)
{
  *err = NULL;
  *consumed = 0;
  if (size > MAX_PACKED) {
    *err = "more than 2 GiB";
    return INITRD_CODEC_BAD;
  }
  switch (format) {
  case INITRD_FORMAT_GZIP:
    return unpack_gzip (data, size, out, consumed, err);
  case INITRD_FORMAT_BZIP2:
    return unpack_bzip2 (data, size, out, consumed, err);
  case INITRD_FORMAT_LZMA:
  case INITRD_FORMAT_XZ:
    return unpack_liblzma (format, data, size, out, consumed, err);
  case INITRD_FORMAT_LZ4:
    return unpack_lz4 (data, size, out, consumed, err);
  case INITRD_FORMAT_ZSTD:
    return unpack_zstd (data, size, out, consumed, err);
  case INITRD_FORMAT_LZOP:
  case INITRD_FORMAT_CPIO:
  case INITRD_FORMAT_NONE:
    break;
  }
  *err = "this compression cannot be read here";
  return INITRD_CODEC_BAD;
}

static enum initrd_codec_result
pack_gzip (const uint8_t *data, size_t size, struct initrd_buf *out)
{
  z_stream z = { 0 };
  size_t bound;
  int r;

  /* Level 9: 0.1 s more (of 0.3 for a whole plan) for 1 % less. */
  if (deflateInit2 (&z, 6, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
    return INITRD_CODEC_NO_MEMORY;
  bound = deflateBound (&z, (uLong)size);
  if (initrd_buf_reserve (out, bound) == -1) {
    deflateEnd (&z);
    return buf_failure (out);
  }
  z.next_in = (Bytef *)data;
  z.avail_in = (uInt)size;
  z.next_out = out->data + out->size;
  z.avail_out = (uInt)bound;
  r = deflate (&z, Z_FINISH);
  out->size += bound - z.avail_out;
  deflateEnd (&z);
  return r == Z_STREAM_END ? INITRD_CODEC_OK : INITRD_CODEC_NO_MEMORY;
}

static enum initrd_codec_result
pack_bzip2 (const uint8_t *data, size_t size, struct initrd_buf *out)
{
  /* The library's documentation gives this bound. */
  unsigned n = (unsigned)(size + size / 100 + 600);

  if (initrd_buf_reserve (out, n) == -1)
    return buf_failure (out);
  if (BZ2_bzBuffToBuffCompress ((char *)out->data + out->size, &n, (char *)data,
                                (unsigned)size, 9, 0, 0) != BZ_OK)
    return INITRD_CODEC_NO_MEMORY;
  out->size += n;
  return INITRD_CODEC_OK;
}

static enum initrd_codec_result
pack_xz (const uint8_t *data, size_t size, struct initrd_buf *out)
{
  lzma_options_lzma opt;
  lzma_filter filters[2] = {
    { .id = LZMA_FILTER_LZMA2, .options = &opt },
    { .id = LZMA_VLI_UNKNOWN },
  };
  size_t bound = lzma_stream_buffer_bound (size), pos = 0;

  /* 1 MiB of dictionary is what the distributions' tools use too; the
   * kernel allocates it.
   */
  if (bound == 0 || lzma_lzma_preset (&opt, 6))
    return INITRD_CODEC_NO_MEMORY;
  opt.dict_size = 1 << 20;
  if (initrd_buf_reserve (out, bound) == -1)
    return buf_failure (out);
  if (lzma_stream_buffer_encode (filters, LZMA_CHECK_CRC32, NULL, data, size,
                                 out->data + out->size, &pos, bound) != LZMA_OK)
    return INITRD_CODEC_NO_MEMORY;
  out->size += pos;
  return INITRD_CODEC_OK;
}

static enum initrd_codec_result
pack_zstd (const uint8_t *data, size_t size, struct initrd_buf *out)
{
  ZSTD_CCtx *z;
  size_t bound = ZSTD_compressBound (size), r;

  if (initrd_buf_reserve (out, bound) == -1)
    return buf_failure (out);
  z = ZSTD_createCCtx ();
  if (z == NULL)
    return INITRD_CODEC_NO_MEMORY;
  ZSTD_CCtx_setParameter (z, ZSTD_c_compressionLevel, 12);
  ZSTD_CCtx_setParameter (z, ZSTD_c_checksumFlag, 1);
  /* 4 MiB; but see below. */
  ZSTD_CCtx_setParameter (z, ZSTD_c_windowLog, 22);
  /* A frame whose size is known and smaller than the window becomes a
   * "single segment", whose window is its content and so may pass 8 MiB.
   */
  ZSTD_CCtx_setParameter (z, ZSTD_c_contentSizeFlag, 0);
  r = ZSTD_compress2 (z, out->data + out->size, bound, data, size);
  ZSTD_freeCCtx (z);
  if (ZSTD_isError (r))
    return INITRD_CODEC_NO_MEMORY;
  out->size += r;
  return INITRD_CODEC_OK;
}

static enum initrd_codec_result
pack_lz4 (const uint8_t *data, size_t size, struct initrd_buf *out)
{
  uint8_t head[4];
  size_t pos, n;
  int bound, r;

  put_le32 (head, LZ4_MAGIC);
  if (initrd_buf_append (out, head, 4) == -1)
    return buf_failure (out);
  for (pos = 0; pos < size; pos += n) {
    n = size - pos < LZ4_BLOCK ? size - pos : LZ4_BLOCK;
    bound = LZ4_compressBound ((int)n);
    if (initrd_buf_reserve (out, 4 + (size_t)bound) == -1)
      return buf_failure (out);
    r = LZ4_compress_HC ((const char *)data + pos,
                         (char *)out->data + out->size + 4, (int)n, bound,
                         LZ4HC_CLEVEL_DEFAULT);
    if (r <= 0)
      return INITRD_CODEC_NO_MEMORY;
    put_le32 (out->data + out->size, (uint32_t)r);
    out->size += 4 + (size_t)r;
  }
  return INITRD_CODEC_OK;
}

enum initrd_codec_result
initrd_pack (enum initrd_format format, const uint8_t *data, size_t size,
             struct initrd_buf *out)
{
  if (size > MAX_PACKED / 2)
    return INITRD_CODEC_TOO_LARGE;
  switch (format) {
  case INITRD_FORMAT_GZIP:
    return pack_gzip (data, size, out);
  case INITRD_FORMAT_BZIP2:
    return pack_bzip2 (data, size, out);
  case INITRD_FORMAT_XZ:
    return pack_xz (data, size, out);
  case INITRD_FORMAT_LZ4:
    return pack_lz4 (data, size, out);
  case INITRD_FORMAT_ZSTD:
    return pack_zstd (data, size, out);
  case INITRD_FORMAT_LZMA:
  case INITRD_FORMAT_LZOP:
  case INITRD_FORMAT_CPIO:
  case INITRD_FORMAT_NONE:
    break;
  }
  return INITRD_CODEC_BAD;
}
