/* SPDX-License-Identifier: BSD-3-Clause */

/* Fuzz the reader of kmod's indexes.  Whatever it accepts must survive
 * being written and read again.
 *
 * With clang, from the top of a configured tree:
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. \
 *     -Ifilters/convert/helper/linux fuzz/fuzz-kmod-index.c \
 *     filters/convert/helper/linux/kmod-index.c -o fuzz-kmod-index
 *   ./fuzz-kmod-index CORPUS /lib/modules/VERSION/
 */

#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kmod-index.h"

extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

__attribute__ ((visibility ("default"))) int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct kmod_index idx = { 0 }, back = { 0 };
  const char *err;
  uint8_t *out;
  size_t out_size, i;

  if (kmod_index_read (data, size, &idx, &err) != 1)
    goto out;
  kmod_index_sort (&idx);
  for (i = 0; i < idx.n; ++i)
    if (kmod_index_find (&idx, idx.entries[i].key) == NULL)
      abort ();
  if (kmod_index_write (&idx, &out, &out_size) == -1)
    abort ();
  if (kmod_index_read (out, out_size, &back, &err) != 1)
    abort ();
  kmod_index_sort (&back);
  if (back.n != idx.n)
    abort ();
  for (i = 0; i < idx.n; ++i)
    if (strcmp (idx.entries[i].key, back.entries[i].key) != 0 ||
        strcmp (idx.entries[i].value, back.entries[i].value) != 0 ||
        idx.entries[i].priority != back.entries[i].priority)
      abort ();
  free (out);
out:
  kmod_index_free (&idx);
  kmod_index_free (&back);
  return 0;
}
