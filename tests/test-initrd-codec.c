/* SPDX-License-Identifier: BSD-3-Clause */

/* Members of every format: where they end, when they are cut off, and the
 * cap on what they unpack to.
 */

#include <config.h>

#include "test-initrd-util.h"
#include "initrd-module.h"

static const enum initrd_format formats[] = {
  INITRD_FORMAT_GZIP, INITRD_FORMAT_BZIP2, INITRD_FORMAT_LZMA,
  INITRD_FORMAT_XZ, INITRD_FORMAT_LZ4, INITRD_FORMAT_ZSTD,
};
#define NR_FORMATS (sizeof formats / sizeof formats[0])

/* Half of it compresses. */
static void
fill (struct initrd_buf *b, size_t size)
{
  uint32_t x = 12345;
  size_t i;

  initrd_buf_zeroes (b, size);
  for (i = 0; i < size / 2; ++i) {
    x = x * 1664525 + 1013904223;
    b->data[i] = (uint8_t) (x >> 24);
  }
}

/* Exact lengths, with other things and with nothing behind. */
static void
test_lengths (void **state)
{
  static const size_t sizes[] = { 1, 1000, 300000, 9000001 };
  struct initrd_buf plain = { 0 }, packed = { 0 }, out = { 0 };
  size_t f, i, n, consumed;
  const char *err;

  (void) state;
  for (i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
    plain.size = 0;
    fill (&plain, sizes[i]);
    for (f = 0; f < NR_FORMATS; ++f) {
      packed.size = out.size = 0;
      put_segment (&packed, formats[f], plain.data, plain.size);
      n = packed.size;
      assert_int_equal (initrd_format_of (packed.data, packed.size),
                        formats[f]);
      assert_int_equal (initrd_unpack (formats[f], packed.data, n, &out,
                                       &consumed, &err), INITRD_CODEC_OK);
      assert_int_equal (consumed, n);
      assert_int_equal (out.size, plain.size);
      assert_memory_equal (out.data, plain.data, plain.size);

      /* Zeroes behind. */
      out.size = 0;
      initrd_buf_zeroes (&packed, 9);
      assert_int_equal (initrd_unpack (formats[f], packed.data, packed.size,
                                       &out, &consumed, &err),
                        INITRD_CODEC_OK);
      assert_int_equal (consumed, n);
      assert_int_equal (out.size, plain.size);
      /* Another member behind: lz4 alone goes on. */
      if (formats[f] == INITRD_FORMAT_LZMA)
        continue;
      out.size = 0;
      packed.size = n;
      put_segment (&packed, formats[f], (const uint8_t *) "more", 4);
      assert_int_equal (initrd_unpack (formats[f], packed.data, packed.size,
                                       &out, &consumed, &err),
                        INITRD_CODEC_OK);
      if (formats[f] == INITRD_FORMAT_LZ4) {
        assert_int_equal (consumed, packed.size);
        assert_int_equal (out.size, plain.size + 4);
      }
      else {
        assert_int_equal (consumed, n);
        assert_int_equal (out.size, plain.size);
      }
    }
  }
  initrd_buf_free (&plain);
  initrd_buf_free (&packed);
  initrd_buf_free (&out);
}

/* Cut off anywhere: never taken for whole (but lz4 has no end mark, and is
 * whole after each block).
 */
static void
test_truncated (void **state)
{
  struct initrd_buf plain = { 0 }, packed = { 0 }, out = { 0 };
  size_t f, cut, consumed;
  const char *err;
  enum initrd_codec_result r;

  (void) state;
  fill (&plain, 2000);
  for (f = 0; f < NR_FORMATS; ++f) {
    packed.size = 0;
    put_segment (&packed, formats[f], plain.data, plain.size);
    for (cut = 0; cut < packed.size; ++cut) {
      out.size = 0;
      r = initrd_unpack (formats[f], packed.data, cut, &out, &consumed,
                         &err);
      if (formats[f] == INITRD_FORMAT_LZ4 && cut >= 4 && cut < 8) {
        assert_int_equal (r, INITRD_CODEC_OK);
        assert_int_equal (consumed, 4);
      }
      else {
        assert_int_equal (r, INITRD_CODEC_BAD);
        assert_non_null (err);
      }
    }
  }
  initrd_buf_free (&plain);
  initrd_buf_free (&packed);
  initrd_buf_free (&out);
}

/* What unpacks to more than the cap is stopped there. */
static void
test_cap (void **state)
{
  struct initrd_buf plain = { 0 }, packed = { 0 };
  size_t f, consumed;
  const char *err;

  (void) state;
  initrd_buf_zeroes (&plain, 20 << 20);
  for (f = 0; f < NR_FORMATS; ++f) {
    struct initrd_buf out = { .max = 1 << 20 };

    packed.size = 0;
    put_segment (&packed, formats[f], plain.data, plain.size);
    assert_int_equal (initrd_unpack (formats[f], packed.data, packed.size,
                                     &out, &consumed, &err),
                      INITRD_CODEC_TOO_LARGE);
    assert_true (out.alloc <= 1 << 20);
    initrd_buf_free (&out);
    /* Exactly the cap is allowed. */
    out.max = plain.size;
    assert_int_equal (initrd_unpack (formats[f], packed.data, packed.size,
                                     &out, &consumed, &err),
                      INITRD_CODEC_OK);
    assert_int_equal (out.size, plain.size);
    initrd_buf_free (&out);
  }
  initrd_buf_free (&plain);
  initrd_buf_free (&packed);
}

/* The kernel skips the name in a gzip header, and knows no other option. */
static void
test_gzip_header (void **state)
{
  struct initrd_buf packed = { 0 }, named = { 0 }, out = { 0 };
  size_t consumed;
  const char *err;

  (void) state;
  put_segment (&packed, INITRD_FORMAT_GZIP, (const uint8_t *) "text", 4);
  initrd_buf_append (&named, packed.data, 10);
  named.data[3] = 8;
  initrd_buf_append (&named, "name", 5);
  initrd_buf_append (&named, packed.data + 10, packed.size - 10);
  assert_int_equal (initrd_unpack (INITRD_FORMAT_GZIP, named.data,
                                   named.size, &out, &consumed, &err),
                    INITRD_CODEC_OK);
  assert_int_equal (consumed, named.size);
  named.data[3] = 16;           /* a comment: zlib would take it */
  out.size = 0;
  assert_int_equal (initrd_unpack (INITRD_FORMAT_GZIP, named.data,
                                   named.size, &out, &consumed, &err),
                    INITRD_CODEC_BAD);
  initrd_buf_free (&packed);
  initrd_buf_free (&named);
  initrd_buf_free (&out);
}

/* What old kernels can take: CRC32 in xz, windows up to 8 MiB in zstd even
 * for archives that are larger.
 */
static void
test_kernel_limits (void **state)
{
  struct initrd_buf plain = { 0 }, packed = { 0 };
  uint8_t window;

  (void) state;
  fill (&plain, 20 << 20);
  put_segment (&packed, INITRD_FORMAT_XZ, plain.data, plain.size);
  assert_int_equal (packed.data[7], 1);
  packed.size = 0;
  put_segment (&packed, INITRD_FORMAT_ZSTD, plain.data, plain.size);
  assert_int_equal (packed.data[4] & 0x20, 0); /* not a single segment */
  window = packed.data[5];
  assert_true ((window >> 3) + 10 < 23);
  initrd_buf_free (&plain);
  initrd_buf_free (&packed);
}

/* Modules: names, and the section that says what they are for. */
static void
test_modules (void **state)
{
  char name[MODULE_NAME_MAX];
  struct initrd_buf m = { 0 };
  const char *why;
  size_t i;

  (void) state;
  assert_true (module_name_of_path ("kernel/a-b/c-d.ko.zst", name));
  assert_string_equal (name, "c_d");
  assert_true (module_name_of_path ("x.ko", name));
  assert_false (module_name_of_path ("x.kop", name));
  assert_false (module_name_of_path (".ko", name));
  assert_false (module_name_of_path ("a/.ko.xz", name));
  assert_false (module_name_of_path ("012345678901234567890123456789012345678"
                                     "9012345678901234567890123456.ko",
                                     name));
  make_module (&m, KVER, "a:b-[c-d]");
  assert_true (module_fits (m.data, m.size, KVER, &why));
  assert_false (module_fits (m.data, m.size, "6.1.0", &why));
  for (i = 0; i < m.size; ++i) {
    /* Whatever is cut off or wrong is never read beyond. */
    uint8_t *copy = malloc (i ? i : 1);

    memcpy (copy, m.data, i);
    module_fits (copy, i, KVER, &why);
    free (copy);
    m.data[i] ^= 0xff;
    module_fits (m.data, m.size, KVER, &why);
    m.data[i] ^= 0xff;
  }
  initrd_buf_free (&m);

  strcpy (name, "a-b-[c-d]-e");
  module_alias_normalize (name);
  assert_string_equal (name, "a_b_[c-d]_e");
}

/* modules.dep of any shape. */
static void
test_modules_dep (void **state)
{
  struct module_list list;
  const struct module *m;
  const char *deps, *path;
  size_t len;

  (void) state;
  assert_int_equal (module_list_parse (
    "no colon\n:\nx:\n../evil.ko:\nkernel/../../evil2.ko:\n"
    "/lib/modules/1/kernel/old.ko: /lib/modules/1/kernel/dep.ko\r\n"
    "kernel/b-c.ko.xz: kernel/d.ko.xz  kernel/e.ko.xz \n"
    "kernel/last.ko:", &list), 0);
  assert_int_equal (list.n, 3);
  assert_null (module_list_find (&list, "evil"));
  assert_null (module_list_find (&list, "evil2"));
  m = module_list_find (&list, "old");
  assert_string_equal (m->path, "kernel/old.ko");
  deps = m->deps;
  assert_true (module_next_dep (&deps, &path, &len));
  assert_int_equal (len, strlen ("kernel/dep.ko"));
  assert_memory_equal (path, "kernel/dep.ko", len);
  assert_false (module_next_dep (&deps, &path, &len));
  m = module_list_find (&list, "b_c");
  deps = m->deps;
  assert_true (module_next_dep (&deps, &path, &len));
  assert_true (module_next_dep (&deps, &path, &len));
  assert_memory_equal (path, "kernel/e.ko.xz", len);
  assert_false (module_next_dep (&deps, &path, &len));
  assert_non_null (module_list_find (&list, "last"));
  module_list_free (&list);

  assert_int_equal (module_list_parse ("", &list), 0);
  assert_null (module_list_find (&list, "x"));
  module_list_free (&list);

  assert_true (module_is_builtin ("kernel/x.ko\nkernel/sd-mod.ko", "sd_mod"));
  assert_false (module_is_builtin ("kernel/x.ko\n", "sd_mod"));
  assert_false (module_is_builtin (NULL, "x"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_lengths),
    cmocka_unit_test (test_truncated),
    cmocka_unit_test (test_cap),
    cmocka_unit_test (test_gzip_header),
    cmocka_unit_test (test_kernel_limits),
    cmocka_unit_test (test_modules),
    cmocka_unit_test (test_modules_dep),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
