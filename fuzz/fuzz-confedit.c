/* SPDX-License-Identifier: BSD-3-Clause */

/* Fuzz the small editors and the matching of kernels.  The first byte
 * chooses.
 */

#include <config.h>

#include <stdint.h>
#include <stdlib.h>

#include "text.c"
#include "confedit.c"
#define add bootentries_add
#define same bootentries_same
#include "bootentries.c"
#undef add
#undef same
#define le uki_le
#include "uki.c"
#undef le
#include "kernels.c"

extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
fuzz_kernels (struct span in)
{
  struct kernel_dir dirs[8];
  char *files[64];
  struct span line, eol;
  size_t nr_dirs = 0, nr_files = 0, i;
  struct kernel *kernels;
  int n;

  while (nr_files < 63 && span_line (&in, &line, &eol)) {
    char *s = span_dup (line);

    if (s == NULL)
      abort ();
    if (strchr (s, '/') || nr_dirs == 8)
      files[nr_files++] = s;
    else {
      dirs[nr_dirs].kver = s;
      dirs[nr_dirs].pkgbase = nr_dirs % 2 ? dirs[nr_dirs - 1].kver : NULL;
      nr_dirs++;
    }
  }
  files[nr_files] = NULL;
  n = kernels_match (dirs, nr_dirs, files, &kernels);
  if (n < 0)
    abort ();
  kernels_free (kernels, n);
  for (i = 0; i < nr_dirs; i++)
    free ((char *)dirs[i].kver);
  for (i = 0; i < nr_files; i++)
    free (files[i]);
}

static void
fuzz_entries (struct span in)
{
  struct bootentries b = { 0 };

  bootentries_read (&b, in);
  if (b.failed)
    abort ();
  bootentries_free (&b);
}

/* Every byte that is said to be in the image is touched. */
static void
fuzz_uki (struct span in)
{
  struct uki uki;
  const struct span *spans[] = { &uki.kernel, &uki.initrd, &uki.cmdline,
                                 &uki.uname, &uki.osrel };
  volatile char sum = 0;
  size_t i, j;

  if (!uki_parse ((const uint8_t *)in.p, in.n, &uki))
    return;
  for (i = 0; i < sizeof spans / sizeof spans[0]; i++)
    for (j = 0; j < spans[i]->n; j++)
      sum += spans[i]->p[j];
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static char *const words[] = { (char *)"virtio_blk", (char *)"sd_mod",
                                 NULL };
  struct text out = TEXT_INIT;
  struct span in;

  if (size == 0)
    return 0;
  in = (struct span) { (const char *)data + 1, size - 1 };
  switch (data[0] % 15) {
  case 0: edit_add_lines (in, "# x", words, &out); break;
  case 1: edit_add_words (in, "MODULES", words, &out); break;
  case 2: edit_modprobe (in, &out); break;
  case 3: edit_xorg (in, &out); break;
  case 4: edit_repo (in, &out); break;
  case 5: edit_sources_list (in, &out); break;
  case 6: edit_depend_start (in, "x", &out); break;
  case 7: edit_inittab_gettys (in, &out); break;
  case 8: fuzz_kernels (in); break;
  case 9: fuzz_entries (in); break;
  case 10:
    free (kernel_image_version ((const uint8_t *)in.p, in.n));
    break;
  case 11: edit_deb822 (in, &out); break;
  case 12: edit_shared_folders (in, &out); break;
  case 13: fuzz_uki (in); break;
  case 14: edit_suse_modules (in, &out); break;
  }
  if (out.failed)
    abort ();
  text_free (&out);
  return 0;
}
