/* SPDX-License-Identifier: BSD-3-Clause */

/* The kernel's loop over an image, at offset o:
 *
 *    "0" at a multiple of 4: uncompressed entries, until something else
 *    a zero byte: skipped
 *    a magic number: one compressed member; inside it archives, each at
 *      a multiple of 4 of the unpacked data, with zeroes between them
 *    anything else: an error, and all that follows is ignored
 *
 * The kernel does not insist on trailers, and does not notice when a
 * member's last archive ends early.  We are stricter: what we cannot
 * explain to its last byte we do not append to.
 *
 * Invariants:
 * 1. Segments are in ascending order, do not overlap, and only zeroes are
 *    between them and after the last.
 * 2. The unpacked sizes of all compressed segments together are at most
 *    INITRD_MAX_UNPACKED.
 * 3. img->end is where a compressed member can be appended.  Trailing
 *    zeroes are found by asking the decompressor where it ended, never by
 *    looking at bytes: a gzip member of less than 16 MiB ends in a zero.
 */

#include <config.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpio-read.h"
#include "initrd-image.h"

void
initrd_error_set (struct initrd_error *e, const char *code, const char *fmt,
                  ...)
{
  va_list ap;

  e->code = code;
  free (e->text);
  va_start (ap, fmt);
  if (vasprintf (&e->text, fmt, ap) == -1)
    e->text = NULL;
  va_end (ap);
}

/* Apply one archive, from *pos to after its trailer. */
static int
apply_archive (struct initrd_image *img, struct initrd_segment *seg,
               const uint8_t *data, size_t size, size_t *pos, unsigned nr,
               struct initrd_error *e)
{
  struct cpio_entry entry;
  const char *err;
  size_t start;

  for (;;) {
    start = *pos;
    if (start == size) {
      initrd_error_set (e, "initrd-unreadable",
                        "part %u of the initrd has no end (truncated?)",
                        nr + 1);
      return 0;
    }
    switch (cpio_next (data, size, pos, &entry, &err)) {
    case CPIO_ENTRY:
      if (initrd_tree_apply (img->tree, &entry, nr) == -1) {
        if (!initrd_tree_full (img->tree))
          return -1;
        initrd_error_set (e, "initrd-too-large",
                          "the initrd has more files or levels of "
                          "directories than can be believed");
        return 0;
      }
      seg->entries++;
      break;
    case CPIO_IGNORED:
      seg->entries++;
      break;
    case CPIO_TRAILER:
      initrd_tree_trailer (img->tree);
      seg->archives++;
      return 1;
    case CPIO_BAD:
      if (start == 0 && seg->format != INITRD_FORMAT_CPIO)
        initrd_error_set (e, "initrd-not-cpio",
                          "part %u of the initrd is not a cpio archive but "
                          "perhaps an old-style ramdisk",
                          nr + 1);
      else
        initrd_error_set (e, "initrd-unreadable",
                          "part %u of the initrd, byte %zu: %s", nr + 1, start,
                          err);
      return 0;
    }
  }
}

int
initrd_image_apply (struct initrd_image *img, struct initrd_segment *seg,
                    unsigned nr, struct initrd_error *e)
{
  size_t pos = 0;
  bool guarded = false;
  int r;

  for (;;) {
    while (pos < seg->size && seg->data[pos] == 0)
      pos++;
    if (pos == seg->size)
      return 1;
    if (pos % 4 != 0) {
      initrd_error_set (e, "initrd-unreadable",
                        "part %u of the initrd: archive at byte %zu, which "
                        "is not a multiple of 4",
                        nr + 1, pos);
      return 0;
    }
    if (pos >= seg->guard && !guarded) {
      initrd_tree_guard (img->tree);
      guarded = true;
    }
    r = apply_archive (img, seg, seg->data, seg->size, &pos, nr, e);
    if (r != 1)
      return r;
  }
}

static struct initrd_segment *
add_segment (struct initrd_image *img)
{
  struct initrd_segment *p;

  /* Grows in powers of two. */
  if ((img->nr_segments & (img->nr_segments - 1)) == 0) {
    size_t n = img->nr_segments ? img->nr_segments * 2 : 1;

    p = realloc (img->segments, n * sizeof *p);
    if (p == NULL)
      return NULL;
    img->segments = p;
  }
  p = &img->segments[img->nr_segments++];
  memset (p, 0, sizeof *p);
  return p;
}

/* Unpack the member at POS.  Frames of lz4 that follow each other are one
 * segment, so that the guard can fall inside it: there it is unpacked in
 * two parts, and seg->guard becomes the border in the unpacked data.
 */
static enum initrd_codec_result
unpack_segment (const uint8_t *image, size_t size, size_t pos, size_t guard,
                struct initrd_segment *seg, struct initrd_buf *out,
                size_t *consumed, const char **err)
{
  enum initrd_codec_result r;
  size_t first;

  if (seg->format == INITRD_FORMAT_LZ4 && guard > pos && guard < size &&
      initrd_format_of (image + guard, size - guard) == INITRD_FORMAT_LZ4) {
    r = initrd_unpack (seg->format, image + pos, guard - pos, out, &first, err);
    if (r == INITRD_CODEC_OK && first == guard - pos) {
      seg->guard = out->size;
      r = initrd_unpack (seg->format, image + guard, size - guard, out,
                         consumed, err);
      *consumed += first;
      return r;
    }
    if (r != INITRD_CODEC_BAD && r != INITRD_CODEC_OK)
      return r;
    out->size = 0;
  }
  return initrd_unpack (seg->format, image + pos, size - pos, out, consumed,
                        err);
}

static int
read_compressed (const uint8_t *image, size_t size, size_t *pos, size_t guard,
                 size_t *unpacked, struct initrd_image *img,
                 struct initrd_segment *seg, struct initrd_error *e)
{
  struct initrd_buf out = { .max = INITRD_MAX_UNPACKED - *unpacked };
  unsigned nr = (unsigned)img->nr_segments;
  const char *err;
  size_t consumed = 0;

  if (out.max == 0)
    goto too_large;
  switch (
    unpack_segment (image, size, *pos, guard, seg, &out, &consumed, &err)) {
  case INITRD_CODEC_OK:
    break;
  case INITRD_CODEC_BAD:
    initrd_buf_free (&out);
    initrd_error_set (e, "initrd-unreadable",
                      "part %u of the initrd, at byte %zu: %s", nr, *pos, err);
    return 0;
  case INITRD_CODEC_TOO_LARGE:
    initrd_buf_free (&out);
    goto too_large;
  case INITRD_CODEC_NO_MEMORY:
    initrd_buf_free (&out);
    return -1;
  }
  seg->packed = consumed;
  seg->data = seg->owned = out.data;
  seg->size = out.size;
  *unpacked += out.size;
  *pos += consumed;
  return initrd_image_apply (img, seg, nr - 1, e);

too_large:
  initrd_error_set (e, "initrd-too-large",
                    "the initrd unpacks to more than %zu MiB",
                    INITRD_MAX_UNPACKED >> 20);
  return 0;
}

static int
read_segment (const uint8_t *image, size_t size, size_t *pos, size_t guard,
              size_t *unpacked, struct initrd_image *img,
              struct initrd_error *e)
{
  enum initrd_format format = initrd_format_of (image + *pos, size - *pos);
  struct initrd_segment *seg;
  size_t start = *pos;
  int r;

  if (format == INITRD_FORMAT_NONE) {
    if (start == 0 && size >= 2 && memcmp (image, "MZ", 2) == 0)
      initrd_error_set (e, "initrd-uki",
                        "this is a unified kernel image, not an initrd");
    else
      initrd_error_set (e, "initrd-unreadable",
                        "at byte %zu of the initrd there is neither a cpio "
                        "archive nor a compressed one",
                        start);
    return 0;
  }
  if (format == INITRD_FORMAT_LZOP) {
    initrd_error_set (e, "initrd-lzop",
                      "part %zu of the initrd is compressed with lzop, "
                      "which cannot be read here",
                      img->nr_segments + 1);
    return 0;
  }
  if (format == INITRD_FORMAT_CPIO && start % 4 != 0) {
    initrd_error_set (e, "initrd-unreadable",
                      "uncompressed archive at byte %zu of the initrd, which "
                      "is not a multiple of 4: the kernel ignores it",
                      start);
    return 0;
  }
  if (img->nr_segments >= INITRD_MAX_SEGMENTS) {
    initrd_error_set (e, "initrd-too-large",
                      "the initrd has more than %d parts", INITRD_MAX_SEGMENTS);
    return 0;
  }
  seg = add_segment (img);
  if (seg == NULL)
    return -1;
  seg->format = format;
  seg->offset = start;
  seg->guard = SIZE_MAX;
  if (format == INITRD_FORMAT_CPIO) {
    /* Offsets in here count from the start of the image. */
    r = apply_archive (img, seg, image, size, pos,
                       (unsigned)img->nr_segments - 1, e);
    seg->packed = seg->size = *pos - start;
    seg->data = image + start;
  }
  else
    r = read_compressed (image, size, pos, guard, unpacked, img, seg, e);
  return r;
}

int
initrd_image_read (const uint8_t *image, size_t size, size_t guard,
                   struct initrd_image *img, struct initrd_error *e)
{
  size_t pos = 0, unpacked = 0;
  bool guarded = false;
  int r;

  memset (img, 0, sizeof *img);
  img->tree = initrd_tree_new ();
  if (img->tree == NULL)
    return -1;
  if (size > (size_t)1 << 31) {
    initrd_error_set (e, "initrd-too-large", "the initrd is larger than 2 GiB");
    return 0;
  }
  for (;;) {
    while (pos < size && image[pos] == 0)
      pos++;
    if (pos == size)
      break;
    if (pos >= guard && !guarded) {
      initrd_tree_guard (img->tree);
      guarded = true;
    }
    r = read_segment (image, size, &pos, guard, &unpacked, img, e);
    if (r != 1)
      return r;
    img->end = pos;
  }
  if (img->nr_segments == 0) {
    initrd_error_set (e, "initrd-unreadable", "the initrd is empty");
    return 0;
  }
  return 1;
}

void
initrd_image_free (struct initrd_image *img)
{
  size_t i;

  initrd_tree_free (img->tree);
  for (i = 0; i < img->nr_segments; ++i)
    free (img->segments[i].owned);
  free (img->segments);
  memset (img, 0, sizeof *img);
}
