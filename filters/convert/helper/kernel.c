/* SPDX-License-Identifier: BSD-3-Clause */

/* A bzImage decompresses itself, which takes QEMU's TCG several seconds
 * of emulated XZ.  QEMU enters an uncompressed ELF kernel directly through
 * PVH, so that the host unpacks it once, in well under a second.
 *
 * Format (Linux Documentation/arch/x86/boot.rst): the first sector holds
 * setup_sects at 0x1f1, "HdrS" at 0x202, the protocol version at 0x206 and
 * since 2.08 payload_offset (0x248) and payload_length (0x24c), counted
 * from the protected-mode code at (setup_sects + 1) * 512.  The payload is
 * a whole compressed file.  After all but gzip's, the kernel's build adds
 * the unpacked size, 32 bits little endian, which payload_length includes.
 *
 * Invariants: (1) nothing outside [image, image + size) is read; (2) no
 * more than KERNEL_MAX bytes are ever allocated or produced; (3) what is
 * returned is a little-endian 64-bit x86-64 ELF file that has the note.
 */

#include <config.h>

#include <stdlib.h>
#include <string.h>

#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "kernel.h"
#include "v2v-utils.h"

static int
unpack_gzip (const uint8_t *in, size_t n, uint8_t *out, size_t *out_size)
{
  z_stream z = { .next_in = (uint8_t *)in,
                 .avail_in = n,
                 .next_out = out,
                 .avail_out = *out_size };
  int r;

  if (inflateInit2 (&z, 16 + MAX_WBITS) != Z_OK)
    return -1;
  r = inflate (&z, Z_FINISH);
  *out_size = z.total_out;
  inflateEnd (&z);
  return r == Z_STREAM_END ? 0 : -1;
}

/* XZ (with its x86 filter), and the older "lzma alone" format. */
static int
unpack_lzma (const uint8_t *in, size_t n, uint8_t *out, size_t *out_size)
{
  lzma_stream s = LZMA_STREAM_INIT;
  lzma_ret r;

  if (lzma_auto_decoder (&s, (uint64_t)512 << 20, 0) != LZMA_OK)
    return -1;
  s.next_in = in;
  s.avail_in = n;
  s.next_out = out;
  s.avail_out = *out_size;
  do
    r = lzma_code (&s, LZMA_RUN);
  while (r == LZMA_OK && s.avail_in > 0 && s.avail_out > 0);
  *out_size = s.total_out;
  lzma_end (&s);
  return r == LZMA_STREAM_END ? 0 : -1;
}

static int
unpack_zstd (const uint8_t *in, size_t n, uint8_t *out, size_t *out_size)
{
  ZSTD_DCtx *d = ZSTD_createDCtx ();
  ZSTD_inBuffer i = { in, n, 0 };
  ZSTD_outBuffer o = { out, *out_size, 0 };
  size_t r, before;

  if (d == NULL)
    return -1;
  do {
    before = i.pos + o.pos;
    r = ZSTD_decompressStream (d, &o, &i);
  } while (r != 0 && !ZSTD_isError (r) && i.pos + o.pos > before);
  ZSTD_freeDCtx (d);
  *out_size = o.pos;
  return r == 0 ? 0 : -1;
}

/* LZ4's legacy frame: magic, then blocks of a 32-bit length and data that
 * unpack to at most 8 MiB.
 */
static int
unpack_lz4 (const uint8_t *in, size_t n, uint8_t *out, size_t *out_size)
{
  size_t pos = 4, done = 0;

  while (n - pos >= 4) {
    uint32_t len = v2v_le (in + pos, 4);
    int r, room;

    if (len == 0 || len > n - pos - 4)
      break;
    room = *out_size - done > (8 << 20) ? 8 << 20 : (int)(*out_size - done);
    r = LZ4_decompress_safe ((const char *)in + pos + 4, (char *)out + done,
                             len, room);
    if (r <= 0)
      return -1;
    done += r;
    pos += 4 + (size_t)len;
  }
  if (done == 0)
    return -1;
  *out_size = done;
  return 0;
}

/* Is there a note "Xen", type 18 (PHYS32_ENTRY)? */
static int
has_pvh_note (const uint8_t *elf, size_t size)
{
  uint64_t phoff;
  unsigned i, phnum, phentsize;

  if (size < 64 || memcmp (elf, "\177ELF\2\1", 6) != 0 || elf[18] != 62 ||
      elf[19] != 0)
    return 0;
  phoff = v2v_le (elf + 32, 8);
  phentsize = elf[54] | elf[55] << 8;
  phnum = elf[56] | elf[57] << 8;
  if (phentsize < 56 || phoff > size ||
      (uint64_t)phentsize * phnum > size - phoff)
    return 0;
  for (i = 0; i < phnum; ++i) {
    const uint8_t *ph = elf + phoff + (size_t)i * phentsize;
    uint64_t off = v2v_le (ph + 8, 8), len = v2v_le (ph + 32, 8);

    if (v2v_le (ph, 4) != 4 /* PT_NOTE */ || off > size || len > size - off)
      continue;
    while (len >= 12) {
      const uint8_t *note = elf + off;
      uint64_t namesz = v2v_le (note, 4), descsz = v2v_le (note + 4, 4);
      uint64_t total = 12 + ((namesz + 3) & ~UINT64_C (3)) +
                       ((descsz + 3) & ~UINT64_C (3));

      if (total > len)
        break;
      if (v2v_le (note + 8, 4) == 18 && namesz == 4 &&
          memcmp (note + 12, "Xen", 4) == 0)
        return 1;
      off += total;
      len -= total;
    }
  }
  return 0;
}

int
kernel_unpack (const uint8_t *image, size_t size, uint8_t **vmlinux,
               size_t *vmlinux_size, const char **why)
{
  uint64_t start, len, code, setup;
  const uint8_t *payload;
  uint8_t *out;
  size_t out_size;
  int r;

  *vmlinux = NULL;
  *vmlinux_size = 0;
  if (size < 0x250 || memcmp (image + 0x202, "HdrS", 4) != 0 ||
      (image[0x206] | image[0x207] << 8) < 0x208) {
    *why = "not a bzImage with a payload";
    return -1;
  }
  setup = image[0x1f1] == 0 ? 4 : image[0x1f1];
  code = (setup + 1) * 512;
  start = code + v2v_le (image + 0x248, 4);
  len = v2v_le (image + 0x24c, 4);
  if (start > size || len > size - start || len < 32) {
    *why = "the payload lies outside the image";
    return -1;
  }
  payload = image + start;

  /* The size that the build wrote behind the payload (gzip has the same
   * field as its own trailer).
   */
  out_size = v2v_le (payload + len - 4, 4);
  if (out_size < 4096 || out_size > KERNEL_MAX) {
    *why = "the size of the payload is out of range";
    return -1;
  }
  out = malloc (out_size);
  if (out == NULL) {
    *why = "out of memory";
    return -1;
  }

  if (memcmp (payload, "\037\213", 2) == 0)
    r = unpack_gzip (payload, len, out, &out_size);
  else if (memcmp (payload, "\3757zXZ", 6) == 0 ||
           memcmp (payload, "\135\0\0", 3) == 0)
    r = unpack_lzma (payload, len - 4, out, &out_size);
  else if (memcmp (payload, "\050\265\057\375", 4) == 0)
    r = unpack_zstd (payload, len - 4, out, &out_size);
  else if (memcmp (payload, "\002\041\114\030", 4) == 0)
    r = unpack_lz4 (payload, len - 4, out, &out_size);
  else {
    free (out);
    *why = "its compression is not known";
    return -1;
  }
  if (r == -1) {
    free (out);
    *why = "the payload cannot be unpacked";
    return -1;
  }
  if (!has_pvh_note (out, out_size)) {
    free (out);
    *why = "the kernel has no PVH entry point";
    return -1;
  }
  *vmlinux = out;
  *vmlinux_size = out_size;
  return 0;
}
