/* SPDX-License-Identifier: BSD-3-Clause */

/* What is in a unified kernel image.
 *
 * Format (PE/COFF specification, and the UAPI group's "Unified Kernel
 * Image"): "MZ"; at 0x3c the offset of "PE\0\0"; a COFF header of 20 bytes
 * with the number of sections at 2 and the size of the optional header at
 * 16; after both the section table, 40 bytes each: name (8, padded with
 * NUL), virtual size, address, size in the file, offset in the file.  The
 * name, not its place, says what a section is: .linux, .initrd, .cmdline,
 * .uname, .osrel.  All numbers are little-endian.
 *
 * Of sections with the same name the first counts: those after a .profile
 * section are of other profiles, the base's come first.
 *
 * Invariant: every span lies within the image, whatever its headers say.
 */

#include <config.h>

#include "uki.h"
#include "v2v-utils.h"

/* A UKI has about ten. */
#define MAX_SECTIONS 96

/* The content of the section whose table entry is at S. */
static bool
content (const uint8_t *image, size_t size, const uint8_t *s,
         struct span *found)
{
  /* What is beyond the virtual size pads to the alignment of the file. */
  const uint32_t raw = v2v_le (s + 16, 4), at = v2v_le (s + 20, 4);
  const uint32_t len = V2V_MIN (v2v_le (s + 8, 4), raw);

  if (at > size || len > size - at)
    return false;
  *found = (struct span){ (const char *)image + at, len };
  return true;
}

bool
uki_parse (const uint8_t *image, size_t size, struct uki *uki)
{
  const struct {
    const char *name;
    struct span *span;
    bool text;
  } sections[] = {
    { ".linux", &uki->kernel, false },   { ".initrd", &uki->initrd, false },
    { ".cmdline", &uki->cmdline, true }, { ".uname", &uki->uname, true },
    { ".osrel", &uki->osrel, true },
  };
  size_t pe, table, nr, i, k;

  for (k = 0; k < V2V_ARRAY_SIZE (sections); k++)
    *sections[k].span = (struct span){ "", 0 };
  if (size < 0x40 || image[0] != 'M' || image[1] != 'Z')
    return false;
  pe = v2v_le (image + 0x3c, 4);
  if (pe > size || size - pe < 24 || memcmp (image + pe, "PE\0", 4) != 0)
    return false;
  nr = v2v_le (image + pe + 6, 2);
  table = pe + 24 + v2v_le (image + pe + 20, 2);
  if (nr > MAX_SECTIONS || table > size || size - table < nr * 40)
    return false;

  for (i = 0; i < nr; i++) {
    const uint8_t *s = image + table + i * 40;

    for (k = 0; k < V2V_ARRAY_SIZE (sections); k++) {
      struct span *span = sections[k].span;

      if (strncmp ((const char *)s, sections[k].name, 8) != 0 || span->n > 0)
        continue;
      if (!content (image, size, s, span))
        return false;
      while (sections[k].text && span->n > 0 && span->p[span->n - 1] == '\0')
        span->n--;
    }
  }
  return uki->kernel.n > 0;
}
