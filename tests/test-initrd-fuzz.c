/* SPDX-License-Identifier: BSD-3-Clause */

/* Replay hand-made seeds, and a few thousand changes of each, through the
 * fuzz targets; built once for each target (FUZZ_INDEX: kmod's indexes,
 * else: images).  With V2V_FUZZ_SEEDS=DIR only write the seeds there, to
 * begin real fuzzing with.
 */

#include <config.h>

#include "test-initrd-util.h"

extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define ROUNDS 500

static struct initrd_buf seeds[32];
static size_t nr_seeds;

static struct initrd_buf *
new_seed (void)
{
  assert_true (nr_seeds < sizeof seeds / sizeof seeds[0]);
  return &seeds[nr_seeds++];
}

#ifdef FUZZ_INDEX

static void
make_seeds (void)
{
  static const char *const keys[][8] = {
    { NULL },
    { "virtio", "virtio_pci", "virtio_blk", NULL },
    { "pci:v*", "pci:v0000*", "pci:", "pci:v0001*", NULL },
  };
  size_t i, j;

  for (i = 0; i < 3; ++i) {
    struct kmod_index idx = { 0 };
    struct initrd_buf *s = new_seed ();

    for (j = 0; keys[i][j]; ++j) {
      kmod_index_add (&idx, keys[i][j], "value", (uint32_t) j);
      kmod_index_add (&idx, keys[i][j], "other: value", (uint32_t) j);
    }
    kmod_index_sort (&idx);
    assert_int_equal (kmod_index_write (&idx, &s->data, &s->size), 0);
    s->alloc = s->size;
    kmod_index_free (&idx);
  }
}

#else

/* The least that takes an append. */
static void
put_tiny (struct cpio_writer *w, const char *lib)
{
  static const char *const dep[] = { "ahci", "kernel/ahci.ko:", NULL };
  static const char *const alias[] = { "pci:v*", "ahci", NULL };
  char path[256];

  put_dirs (w, "sbin");
  put_text (w, "sbin/udevd", "x");
  put_dirs (w, "usr");
  snprintf (path, sizeof path, "%s/modules/" KVER "/kernel", lib);
  put_dirs (w, path);
  if (strcmp (lib, "usr/lib") == 0)
    cpio_write_symlink (w, "lib", "usr/lib");
  snprintf (path, sizeof path, "%s/modules/" KVER "/kernel/ahci.ko", lib);
  put_text (w, path, "x");
  snprintf (path, sizeof path, "%s/modules/" KVER "/modules.dep.bin", lib);
  put_index (w, path, dep);
  snprintf (path, sizeof path, "%s/modules/" KVER "/modules.alias.bin", lib);
  put_index (w, path, alias);
  snprintf (path, sizeof path, "%s/modules/" KVER "/modules.dep", lib);
  put_text (w, path, "kernel/ahci.ko:");
}

static void
make_seeds (void)
{
  static const enum initrd_format formats[] = {
    INITRD_FORMAT_CPIO, INITRD_FORMAT_GZIP, INITRD_FORMAT_BZIP2,
    INITRD_FORMAT_LZMA, INITRD_FORMAT_XZ, INITRD_FORMAT_LZ4,
    INITRD_FORMAT_ZSTD,
  };
  static const char *const libs[] = { "lib", "usr/lib" };
  struct cpio_writer w = { 0 };
  struct initrd_buf *s;
  size_t i, j;

  for (i = 0; i < sizeof formats / sizeof formats[0]; ++i) {
    for (j = 0; j < 2; ++j) {
      s = new_seed ();
      if (j == 1)
        put_early (s);
      put_tiny (&w, libs[j]);
      make_image (s, formats[i], &w);
    }
  }
  /* Without padding, to be short; and with hard links. */
  s = new_seed ();
  put_tiny (&w, "lib");
  put_text (&w, "lib/modules/" KVER "/modules.softdep", "softdep a pre: b\n");
  put_dirs (&w, "conf");
  put_text (&w, "conf/modules", "x");
  initrd_buf_append (s, w.buf.data, w.buf.size);
  initrd_buf_free (&w.buf);
  assert_int_equal (cpio_write_end (&w), 0);
  initrd_buf_append (s, w.buf.data, 124);
  initrd_buf_free (&w.buf);
}

#endif

static uint32_t
next_random (uint32_t *x)
{
  *x = *x * 1664525 + 1013904223;
  return *x >> 8;
}

static void
test_replay (void **state)
{
  uint32_t x = 1;
  uint8_t *copy;
  size_t i, round, size, n;

  (void) state;
  for (i = 0; i < nr_seeds; ++i) {
    assert_int_equal (LLVMFuzzerTestOneInput (seeds[i].data, seeds[i].size),
                      0);
    for (round = 0; round < ROUNDS && seeds[i].size > 0; ++round) {
      size = seeds[i].size;
      if (round % 4 == 0)
        size = next_random (&x) % size;
      /* Of its own, so that every read beyond it is seen. */
      copy = malloc (size ? size : 1);
      assert_non_null (copy);
      memcpy (copy, seeds[i].data, size);
      for (n = size ? round % 5 : 0; n > 0; --n)
        copy[next_random (&x) % size] =
          next_random (&x) & 1 ? (uint8_t) next_random (&x)
          : "0F/x.\0\377"[next_random (&x) % 7];
      assert_int_equal (LLVMFuzzerTestOneInput (copy, size), 0);
      free (copy);
    }
  }
}

static int
write_seeds (const char *dir)
{
  char path[4096];
  size_t i;
  FILE *f;

  for (i = 0; i < nr_seeds; ++i) {
    snprintf (path, sizeof path, "%s/seed%zu", dir, i);
    f = fopen (path, "we");
    if (f == NULL || fwrite (seeds[i].data, 1, seeds[i].size, f) !=
        seeds[i].size || fclose (f) != 0) {
      perror (path);
      return 1;
    }
  }
  return 0;
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_replay),
  };
  const char *dir = getenv ("V2V_FUZZ_SEEDS");
  size_t i;
  int r;

  make_seeds ();
  r = dir ? write_seeds (dir) : cmocka_run_group_tests (tests, NULL, NULL);
  for (i = 0; i < nr_seeds; ++i)
    initrd_buf_free (&seeds[i]);
  return r;
}
