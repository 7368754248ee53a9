/* SPDX-License-Identifier: BSD-3-Clause */

/* Messages, zero detection and sparse memory of the overlay engine. */

#include <config.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "engine.h"
#include "v2v-utils.h"

void
ov_log (struct overlay *ov, char level, const char *fs, ...)
{
  char buf[1024];
  va_list args;

  if (ov->opt.log == NULL)
    return;
  va_start (args, fs);
  vsnprintf (buf, sizeof buf, fs, args);
  va_end (args);
  ov->opt.log (ov->opt.log_opaque, level, buf);
}

bool
ov_is_zero (const void *buf, size_t len)
{
  const uint8_t *p = buf;
  size_t i;

  /* Compare with itself, shifted: memcmp is the fastest loop there is. */
  for (i = 0; i < 16; ++i)
    if (i == len)
      return true;
    else if (p[i])
      return false;
  return memcmp (p, p + 16, len - 16) == 0;
}

void *
ov_reserve (size_t bytes)
{
  void *p = mmap (NULL, V2V_MAX (bytes, 1), PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

  if (p == MAP_FAILED)
    return NULL;
  /* A huge page would make 128 bytes cost 2 MiB. */
  madvise (p, V2V_MAX (bytes, 1), MADV_NOHUGEPAGE);
  return p;
}

void
ov_unreserve (void *p, size_t bytes)
{
  if (p)
    munmap (p, V2V_MAX (bytes, 1));
}
