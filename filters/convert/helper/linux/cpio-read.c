/* SPDX-License-Identifier: BSD-3-Clause */

/* Format of an entry ("newc", "070701"; "070702" with a checksum):
 *
 *    magic[6] and 13 numbers of 8 hex digits: ino mode uid gid nlink mtime
 *    filesize devmajor devminor rdevmajor rdevminor namesize check
 *    name with NUL, zeroes to a multiple of 4, data, zeroes to a multiple
 *    of 4
 *
 * Offsets count from the start of the member (or of the image, for an
 * uncompressed archive), which is itself a multiple of 4.
 *
 * The kernel skips entries with an overlong name or symlink target, and
 * those that carry data without being a file or a symlink.  It does not
 * notice an archive that ends inside an entry; we do, because what is
 * lost there is what was appended last.
 *
 * Invariant: nothing outside archive[0 .. size - 1] is read, whatever the
 * numbers say; sums are made in 64 bits of numbers of 32.
 */

#include <config.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "cpio-read.h"

#define HEADER_SIZE 110

static int
hex8 (const uint8_t *p, uint32_t *n)
{
  uint32_t v = 0;
  int i;

  for (i = 0; i < 8; ++i) {
    uint8_t c = p[i];

    if (c >= '0' && c <= '9')
      c -= '0';
    else if (c >= 'a' && c <= 'f')
      c = (uint8_t)(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F')
      c = (uint8_t)(c - 'A' + 10);
    else
      return -1;
    v = v << 4 | c;
  }
  *n = v;
  return 0;
}

static uint64_t
align4 (uint64_t n)
{
  return (n + 3) & ~(uint64_t)3;
}

static bool
checksum_ok (const uint8_t *data, size_t size, uint32_t sum)
{
  uint32_t s = 0;

  while (size-- > 0)
    s += *data++;
  return s == sum;
}

enum cpio_result
cpio_next (const uint8_t *archive, size_t size, size_t *pos,
           struct cpio_entry *e, const char **err)
{
  const uint8_t *p = archive + *pos;
  uint32_t f[13], name_size;
  uint64_t data_at, end;
  size_t i, rest = size - *pos;

  *err = NULL;
  if (rest < HEADER_SIZE) {
    *err = "truncated cpio header";
    return CPIO_BAD;
  }
  if (memcmp (p, "07070", 5) != 0 || (p[5] != '1' && p[5] != '2')) {
    *err = "not a newc cpio header";
    return CPIO_BAD;
  }
  for (i = 0; i < 13; ++i) {
    if (hex8 (p + 6 + 8 * i, &f[i]) == -1) {
      *err = "cpio header with a number that is not hexadecimal";
      return CPIO_BAD;
    }
  }
  e->ino = f[0];
  e->mode = f[1];
  e->uid = f[2];
  e->gid = f[3];
  e->nlink = f[4];
  e->mtime = f[5];
  e->size = f[6];
  e->dev_major = f[7];
  e->dev_minor = f[8];
  e->rdev_major = f[9];
  e->rdev_minor = f[10];
  name_size = f[11];

  data_at = align4 ((uint64_t)HEADER_SIZE + name_size);
  end = data_at + e->size;
  if ((uint64_t)HEADER_SIZE + name_size > rest || (e->size > 0 && end > rest)) {
    *err = "truncated cpio entry";
    return CPIO_BAD;
  }
  /* Only the padding may be missing at the very end. */
  end = align4 (end);
  *pos += end > rest ? rest : (size_t)end;

  if (name_size == 0 || name_size > CPIO_PATH_MAX)
    return CPIO_IGNORED;
  if (p[HEADER_SIZE + name_size - 1] != '\0') {
    *err = "cpio entry whose name is not terminated";
    return CPIO_BAD;
  }
  e->name = (const char *)p + HEADER_SIZE;
  /* An entry without data may end before its padding. */
  e->data = e->size > 0 ? p + data_at : p;

  if (S_ISLNK (e->mode))
    return e->size > CPIO_PATH_MAX ? CPIO_IGNORED : CPIO_ENTRY;
  if (!S_ISREG (e->mode) && e->size > 0)
    return CPIO_IGNORED;
  if (strcmp (e->name, "TRAILER!!!") == 0)
    return CPIO_TRAILER;
  if (p[5] == '2' && S_ISREG (e->mode) &&
      !checksum_ok (e->data, e->size, f[12])) {
    *err = "cpio entry with a wrong checksum";
    return CPIO_BAD;
  }
  return CPIO_ENTRY;
}
