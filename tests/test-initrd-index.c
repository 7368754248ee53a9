/* SPDX-License-Identifier: BSD-3-Clause */

/* The binary indexes of kmod: what is written is read back, order and
 * merged prefixes included, and nothing that is not an index is believed.
 */

#include <config.h>

#include <fcntl.h>
#include <glob.h>
#include <unistd.h>

#include "test-initrd-util.h"

static void
add (struct kmod_index *idx, const char *key, const char *value,
     uint32_t priority)
{
  assert_int_equal (kmod_index_add (idx, key, value, priority), 0);
}

static void
check_same (const struct kmod_index *a, const struct kmod_index *b)
{
  size_t i;

  assert_int_equal (a->n, b->n);
  for (i = 0; i < a->n; ++i) {
    assert_string_equal (a->entries[i].key, b->entries[i].key);
    assert_string_equal (a->entries[i].value, b->entries[i].value);
    assert_int_equal (a->entries[i].priority, b->entries[i].priority);
  }
}

static void
round_trip (struct kmod_index *idx)
{
  struct kmod_index back = { 0 };
  const char *err;
  uint8_t *data;
  size_t size;

  kmod_index_sort (idx);
  assert_int_equal (kmod_index_write (idx, &data, &size), 0);
  assert_int_equal (kmod_index_read (data, size, &back, &err), 1);
  kmod_index_sort (&back);
  check_same (idx, &back);
  kmod_index_free (&back);
  free (data);
}

static void
test_round_trip (void **state)
{
  struct kmod_index idx = { 0 };
  char key[64];
  unsigned i;

  (void) state;
  round_trip (&idx);            /* empty */
  add (&idx, "one", "1", 5);
  round_trip (&idx);
  /* A key inside another, several values, the extreme bytes. */
  add (&idx, "on", "0", 1);
  add (&idx, "one", "2", 3);
  add (&idx, "one", "3", 3);
  add (&idx, "onerous", "4", 0);
  add (&idx, "\001", "5", 0);
  add (&idx, "\177\177", "", 0xffffffff);
  round_trip (&idx);
  assert_string_equal (kmod_index_find (&idx, "one")->value, "2");
  assert_null (kmod_index_find (&idx, "o"));
  assert_null (kmod_index_find (&idx, "zzz"));
  for (i = 0; i < 5000; ++i) {
    snprintf (key, sizeof key, "pci:v%08Xd%08Xsv*", i * 7919 % 97, i);
    add (&idx, key, "module", i);
  }
  round_trip (&idx);
  kmod_index_free (&idx);
}

/* Keys that the format cannot hold are left out. */
static void
test_impossible_keys (void **state)
{
  struct kmod_index idx = { 0 };
  char key[2000];

  (void) state;
  add (&idx, "", "x", 0);
  add (&idx, "caf\303\251", "x", 0);
  memset (key, 'k', sizeof key);
  key[sizeof key - 1] = '\0';
  add (&idx, key, "x", 0);
  assert_int_equal (idx.n, 0);
  key[1024] = '\0';
  add (&idx, key, "x", 0);
  assert_int_equal (idx.n, 1);
  round_trip (&idx);
  kmod_index_free (&idx);
}

static void
expect_bad (const uint8_t *data, size_t size)
{
  struct kmod_index idx = { 0 };
  const char *err = NULL;

  assert_int_equal (kmod_index_read (data, size, &idx, &err), 0);
  assert_non_null (err);
  kmod_index_free (&idx);
}

static void
test_corrupt (void **state)
{
  static const uint8_t loop[] = {
    0xb0, 0x07, 0xf4, 0x57, 0, 2, 0, 1, 0x20, 0, 0, 12,
    'a', 'b', 0x20, 0, 0, 12, 0x20, 0, 0, 12,
  };
  static const uint8_t empty_range[] = {
    0xb0, 0x07, 0xf4, 0x57, 0, 2, 0, 1, 0x20, 0, 0, 12,
    'b', 'a', 0, 0, 0, 0,
  };
  static const uint8_t zero_child[] = {
    0xb0, 0x07, 0xf4, 0x57, 0, 2, 0, 1, 0x20, 0, 0, 12,
    0, 0, 0, 0, 0, 0,
  };
  static const uint8_t many_values[] = {
    0xb0, 0x07, 0xf4, 0x57, 0, 2, 0, 1, 0xc0, 0, 0, 12,
    'a', 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 'x', 0,
  };
  static const uint8_t version[] = {
    0xb0, 0x07, 0xf4, 0x57, 0, 3, 0, 0, 0x20, 0, 0, 12,
  };
  struct kmod_index idx = { 0 }, other;
  const char *err;
  uint8_t *data, *copy;
  size_t size, i;

  (void) state;
  expect_bad (loop, sizeof loop);
  expect_bad (empty_range, sizeof empty_range);
  expect_bad (zero_child, sizeof zero_child);
  expect_bad (many_values, sizeof many_values);
  expect_bad (version, sizeof version);
  expect_bad ((const uint8_t *) "x", 1);

  add (&idx, "abc", "1", 5);
  add (&idx, "abd", "2", 5);
  add (&idx, "b", "3", 5);
  kmod_index_sort (&idx);
  assert_int_equal (kmod_index_write (&idx, &data, &size), 0);
  for (i = 0; i < size; ++i) {
    /* The root comes last, so that every cut destroys it. */
    copy = malloc (i ? i : 1);
    memcpy (copy, data, i);
    expect_bad (copy, i);
    free (copy);
    /* A wrong byte: any result, but within bounds. */
    data[i] ^= 0xff;
    memset (&other, 0, sizeof other);
    kmod_index_read (data, size, &other, &err);
    kmod_index_free (&other);
    data[i] ^= 0xff;
  }
  free (data);
  kmod_index_free (&idx);
}

/* Indexes that depmod wrote on this machine come out byte for byte. */
static void
test_as_depmod (void **state)
{
  struct kmod_index idx = { 0 };
  const char *err;
  uint8_t *data, *out;
  size_t i, n, out_size;
  glob_t g = { 0 };
  FILE *f;
  long size;

  (void) state;
  if (glob ("/lib/modules/*/modules.*.bin", 0, NULL, &g) != 0) {
    print_message ("no module indexes on this machine\n");
    skip ();
  }
  for (i = 0; i < g.gl_pathc; ++i) {
    f = fopen (g.gl_pathv[i], "re");
    if (f == NULL)
      continue;
    assert_int_equal (fseek (f, 0, SEEK_END), 0);
    size = ftell (f);
    rewind (f);
    data = malloc ((size_t) size + 1);
    n = fread (data, 1, (size_t) size, f);
    fclose (f);
    assert_int_equal (n, size);
    /* modules.builtin.modinfo and the like have other formats. */
    if (n >= 4 && memcmp (data, "\xb0\x07\xf4\x57", 4) == 0) {
      assert_int_equal (kmod_index_read (data, n, &idx, &err), 1);
      kmod_index_sort (&idx);
      assert_int_equal (kmod_index_write (&idx, &out, &out_size), 0);
      assert_int_equal (out_size, n);
      assert_memory_equal (out, data, n);
      free (out);
      kmod_index_free (&idx);
    }
    free (data);
  }
  globfree (&g);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_round_trip),
    cmocka_unit_test (test_impossible_keys),
    cmocka_unit_test (test_corrupt),
    cmocka_unit_test (test_as_depmod),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
