/* SPDX-License-Identifier: BSD-3-Clause */

/* Fuzz the initrd engine: the input is an image.  Whatever the plan
 * appends to it must be readable after it, without damage to what was
 * there, and must leave nothing more to do.
 *
 * The guest's index files are fixed; its modules are tiny, but real.
 *
 * With clang, from the top of a configured tree:
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. \
 *     -Ifilters/convert/helper/linux fuzz/fuzz-initrd.c \
 *     $(ls filters/convert/helper/linux/{cpio,kmod,initrd}*.c |
 *       grep -v tool) -lz -llzma -lzstd -llz4 -lbz2 -o fuzz-initrd
 */

#include <config.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "initrd-image.h"
#include "initrd.h"

extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define KVER "6.1.0-99-test"

static const char dep[] =
  "kernel/virtio.ko:\n"
  "kernel/drivers/virtio_pci.ko: kernel/virtio.ko\n"
  "kernel/drivers/block/virtio_blk.ko: kernel/virtio.ko\n";
static const char alias[] =
  "alias pci:v00001AF4d* virtio_pci\n"
  "alias virtio:d00000002v* virtio_blk\n";

/* A little-endian ELF64 file of .modinfo and .shstrtab. */
static int
read_module (void *opaque, const char *path, uint8_t **data, size_t *size)
{
  static const char info[64] = "vermagic=" KVER " SMP\0alias=x";
  static const char names[32] = "\0.modinfo\0.shstrtab";
  uint8_t *p = calloc (1, 512);

  (void) opaque;
  (void) path;
  if (p == NULL)
    return -1;
  memcpy (p, "\177ELF\2\1\1", 7);
  p[40] = 160;                  /* e_shoff */
  p[58] = 64;                   /* e_shentsize */
  p[60] = 3;                    /* e_shnum */
  p[62] = 2;                    /* e_shstrndx */
  memcpy (p + 64, info, sizeof info);
  memcpy (p + 128, names, sizeof names);
  p[160 + 64] = 1;              /* sh_name */
  p[160 + 64 + 24] = 64;        /* sh_offset */
  p[160 + 64 + 32] = sizeof info;
  p[160 + 128] = 10;
  p[160 + 128 + 24] = 128;
  p[160 + 128 + 32] = sizeof names;
  *data = p;
  *size = 512;
  return 0;
}

/* Files that begin with "h" go, the others become "edited". */
static enum initrd_edit_result
edit (void *opaque, const char *path, const uint8_t *data, size_t size,
      uint8_t **out, size_t *out_size)
{
  static const char text[] = "edited";

  (void) opaque;
  if (*path == '/' || size == 0)
    abort ();
  if (size == strlen (text) && memcmp (data, text, size) == 0)
    return INITRD_EDIT_NONE;
  if (data[0] == 'h')
    return INITRD_EDIT_HIDE;
  *out = (uint8_t *) strdup (text);
  *out_size = strlen (text);
  return *out ? INITRD_EDIT_REPLACE : INITRD_EDIT_FAILED;
}

static const struct initrd_editor editor = { edit, NULL };

static void
check_append (const uint8_t *data, const struct initrd_plan *plan,
              const struct initrd_kernel *kernel, const char *const *wanted)
{
  size_t size = (size_t) plan->offset + plan->tail_size;
  struct initrd_image img;
  struct initrd_error e = { 0 };
  struct initrd_plan again;
  uint8_t *image = malloc (size);
  char *reason = NULL;

  if (image == NULL)
    abort ();
  memcpy (image, data, (size_t) plan->offset);
  memcpy (image + plan->offset, plan->tail, plan->tail_size);
  if (initrd_image_read (image, size, (size_t) plan->offset, &img, &e) != 1 ||
      initrd_tree_damage (img.tree) != NULL) {
    fprintf (stderr, "%s\n", e.text ? e.text : "damage");
    abort ();
  }
  free (e.text);
  initrd_image_free (&img);
  if (initrd_plan (image, size, kernel, wanted, NULL, &again) != 0 ||
      again.verdict != INITRD_PRESENT)
    abort ();
  initrd_plan_free (&again);
  if (plan->edited &&
      (initrd_plan_edited (image, size, kernel, wanted, NULL, &editor,
                           &again) != 0 || again.verdict != INITRD_PRESENT))
    abort ();
  if (plan->edited)
    initrd_plan_free (&again);
  /* May rightly find that the image's own modules are no good. */
  if (initrd_verify (image, size, data, (size_t) plan->offset, kernel,
                     wanted, &reason) == -1 && reason == NULL)
    abort ();
  free (reason);
  free (image);
}

__attribute__ ((visibility ("default"))) int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const char *const wanted[] = { "virtio_pci", "virtio_blk", NULL };
  struct initrd_kernel kernel = {
    .version = KVER, .modules_dep = dep, .modules_alias = alias,
    .read_module = read_module,
  };
  struct initrd_plan plan;

  if (initrd_plan (data, size, &kernel, wanted, NULL, &plan) == -1)
    abort ();
  if (plan.verdict == INITRD_APPEND)
    check_append (data, &plan, &kernel, wanted);
  else if (plan.reason == NULL || plan.tail != NULL)
    abort ();
  initrd_plan_free (&plan);

  if (initrd_plan_edited (data, size, &kernel, wanted, NULL, &editor,
                          &plan) == -1)
    abort ();
  if (plan.verdict == INITRD_APPEND)
    check_append (data, &plan, &kernel, wanted);
  initrd_plan_free (&plan);
  return 0;
}
