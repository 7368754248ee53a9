/* SPDX-License-Identifier: BSD-3-Clause */

/* Fuzz the reader of SELinux' file_contexts.  Up to a line "%%" the input
 * is the expressions, then the substitutions.  Whatever is answered is a
 * context of one word.
 */

#include <config.h>

#include <stdint.h>
#include <stdlib.h>

#include "text.c"
#include "selabel.c"

extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const char *const paths[] = {
    "/", "/etc/fstab", "/usr/lib/v2v-firstboot/jobs/0001-x", "/lib/a",
    "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
  };
  struct selabel *sl = selabel_new ();
  struct span in = { (const char *)data, size }, more = { "", 0 };
  const char *cut = size ? memmem (data, size, "%%\n", 3) : NULL;
  size_t i;

  if (!sl)
    abort ();
  if (cut) {
    more = span_skip (in, cut + 3 - in.p);
    in.n = cut - in.p;
  }
  selabel_add_specs (sl, in);
  selabel_add_subs (sl, more, false);
  selabel_add_subs (sl, more, true);
  for (i = 0; i < V2V_ARRAY_SIZE (paths); i++) {
    const char *c = selabel_lookup (sl, paths[i], i % 2 ? S_IFREG : S_IFLNK);

    if (c && (strpbrk (c, " \t\r\n") || !strchr (c, ':')))
      abort ();
  }
  selabel_free (sl);
  return 0;
}
