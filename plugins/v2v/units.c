/* SPDX-License-Identifier: BSD-3-Clause */

/* Units of sizes (see units.h). */

#include <config.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "units.h"
#include "v2v-utils.h"

/* libvirt's units (docs: "scaled integer"); 0 = not known. */
uint64_t
units_libvirt (const char *s)
{
  static const struct {
    const char *word;
    uint64_t bytes;
  } units[] = {
    { "b", 1 },
    { "bytes", 1 },
    { "KB", 1000 },
    { "MB", 1000000 },
    { "GB", 1000000000 },
    { "TB", 1000000000000 },
    { "k", 1 << 10 },
    { "KiB", 1 << 10 },
    { "M", 1 << 20 },
    { "MiB", 1 << 20 },
    { "G", 1 << 30 },
    { "GiB", 1 << 30 },
    { "T", UINT64_C (1) << 40 },
    { "TiB", UINT64_C (1) << 40 },
  };
  size_t i;

  for (i = 0; i < V2V_ARRAY_SIZE (units); ++i)
    if (strcasecmp (units[i].word, s) == 0)
      return units[i].bytes;
  return 0;
}

/* Bytes in one unit of DSP0004 ("byte * 2^20", "MegaBytes", "MB"); 0 if it is
 * none of them.
 */
uint64_t
units_dsp0004 (const char *s)
{
  static const struct {
    const char *word;
    unsigned shift;
  } words[] = {
    { "b", 0 },    { "byte", 0 },      { "bytes", 0 },      { "kb", 10 },
    { "kib", 10 }, { "kilobyte", 10 }, { "kilobytes", 10 }, { "mb", 20 },
    { "mib", 20 }, { "megabyte", 20 }, { "megabytes", 20 }, { "gb", 30 },
    { "gib", 30 }, { "gigabyte", 30 }, { "gigabytes", 30 }, { "tb", 40 },
    { "tib", 40 }, { "terabyte", 40 }, { "terabytes", 40 },
  };
  char buf[64];
  size_t n = 0, i;
  unsigned long base, power;
  uint64_t r = 1;
  char *end, *p;

  for (; *s; ++s)
    if (!isspace ((unsigned char)*s)) {
      if (n == sizeof buf - 1)
        return 0;
      buf[n++] = tolower ((unsigned char)*s);
    }
  buf[n] = '\0';
  for (i = 0; i < V2V_ARRAY_SIZE (words); ++i)
    if (strcmp (words[i].word, buf) == 0)
      return UINT64_C (1) << words[i].shift;

  /* byte*2^20, byte*10^6, byte*512 */
  if (strncmp (buf, "byte", 4) != 0)
    return 0;
  p = buf + 4;
  p += *p == 's';
  if (*p++ != '*' || !isdigit ((unsigned char)*p))
    return 0;
  base = strtoul (p, &end, 10);
  if (*end == '\0')
    return base;
  if (*end++ != '^' || !isdigit ((unsigned char)*end))
    return 0;
  power = strtoul (end, &end, 10);
  if (*end || power > 62 || (base != 2 && base != 10))
    return 0;
  while (power-- > 0)
    if (__builtin_mul_overflow (r, base, &r))
      return 0;
  return r;
}
