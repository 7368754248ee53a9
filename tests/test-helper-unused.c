/* SPDX-License-Identifier: BSD-3-Clause */

/* What is taken to be unused: the contents of swap spaces, and extents of
 * volume groups.  In doubt it is nothing.
 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unused.h"
#include "v2v-utils.h"

/* ---- swap ---- */

static uint8_t first[65536];

static void
le32 (uint8_t *p, uint32_t n)
{
  size_t i;

  for (i = 0; i < 4; ++i)
    p[i] = (uint8_t)(n >> (8 * i));
}

static void
make_swap (size_t page, uint32_t version, uint32_t last_page,
           const char *signature)
{
  memset (first, 0xaa, sizeof first);
  le32 (first + 1024, version);
  le32 (first + 1028, last_page);
  memcpy (first + page - strlen (signature), signature, strlen (signature));
}

static uint64_t
end_of (uint64_t size)
{
  return unused_swap_end (first, sizeof first, size);
}

/* Each size of a page; a swap space ends before its device does. */
static void
test_swap (void **state)
{
  size_t page;

  (void)state;
  for (page = 4096; page <= 65536; page *= 2) {
    make_swap (page, 1, 99, "SWAPSPACE2");
    assert_int_equal (end_of (1 << 30), 100 * page);
    assert_int_equal (end_of (100 * page), 100 * page);
    assert_int_equal (end_of (100 * page - 1), 0);
    assert_int_equal (unused_swap_end (first, page - 1, 1 << 30), 0);
    assert_int_equal (unused_swap_end (first, page, 1 << 30), 100 * page);
  }
  make_swap (4096, 1, UINT32_MAX, "SWAPSPACE2");
  assert_int_equal (end_of (UINT64_MAX), (1ULL << 32) * 4096);
  assert_int_equal (end_of (1 << 30), 0);
}

static void
test_no_swap (void **state)
{
  static const char *const others[] = { "SWAP-SPACE", " S1SUSPEND",
                                        " S2SUSPEND", " ULSUSPEND",
                                        "LINHIB0001", "swapspace2" };
  size_t i;

  (void)state;
  for (i = 0; i < V2V_ARRAY_SIZE (others); ++i) {
    make_swap (4096, 1, 99, others[i]);
    assert_int_equal (end_of (1 << 30), 0);
  }
  make_swap (2048, 1, 99, "SWAPSPACE2");
  assert_int_equal (end_of (1 << 30), 0);
  /* of the other byte order; of no version that we know */
  make_swap (4096, 1 << 24, 99 << 24, "SWAPSPACE2");
  assert_int_equal (end_of (1 << 30), 0);
  make_swap (4096, 2, 99, "SWAPSPACE2");
  assert_int_equal (end_of (1 << 30), 0);
}

/* ---- LVM ---- */

#define VG "|wz--n-|8192|2048|10|100000|"
#define SDA "  /dev/sda2|a--|vg-id" VG
#define SDB "  /dev/sdb|a--|vg-id" VG

static struct unused_ranges r;

/* How many ranges, or -1. */
static int
ranges (const char *text)
{
  unused_ranges_free (&r);
  return unused_extents (text, &r) == -1 ? -1 : (int)r.n;
}

static void
assert_range (size_t i, const char *device, uint64_t start, uint64_t size)
{
  assert_true (i < r.n);
  assert_string_equal (r.v[i].device, device);
  assert_int_equal (r.v[i].start, start);
  assert_int_equal (r.v[i].size, size);
}

static void
test_extents (void **state)
{
  const uint64_t extent = 8192 * 512, start = 1 << 20;

  (void)state;
  assert_int_equal (ranges (""), 0);
  assert_int_equal (ranges (SDA "0|3|linear|lv-id\n" SDA "3|2|free|\n" SDA
                                "5|4|linear|lv-id\n" SDA "9|1|free|\n" SDB
                                "0|10|free|\n"
                                "  /dev/sdc|a--||r-----|0|0|0|500|0|0|free|\n"),
                    3);
  assert_range (0, "/dev/sda2", start + 3 * extent, 2 * extent);
  assert_range (1, "/dev/sda2", start + 9 * extent, extent);
  assert_range (2, "/dev/sdb", start, 10 * extent);
  assert_int_equal (ranges (SDA "0|10|linear|lv-id\n"), 0);
}

/* Groups and volumes that are not ours alone, or not complete. */
static void
test_left_alone (void **state)
{
  static const char *const attributes[] = {
    "a--|vg-id|rz--n-", "a--|vg-id|wzx-n-", "a--|vg-id|wz-pn-",
    "a--|vg-id|wz--nc", "a--|vg-id|wz--ns", "a--|vg-id|wz--n",
    "ax-|vg-id|wz--n-", "a-m|vg-id|wz--n-", "u--|vg-id|wz--n-",
    "d--|vg-id|wz--n-",
  };
  char line[200];
  size_t i;

  (void)state;
  for (i = 0; i < V2V_ARRAY_SIZE (attributes); ++i) {
    snprintf (line, sizeof line, "/dev/sda2|%s|8192|2048|10|100000|0|10|free|",
              attributes[i]);
    assert_int_equal (ranges (line), 0);
  }
}

static void
test_nothing_in_doubt (void **state)
{
  static const char *const texts[] = {
    /* messages */
    SDA "0|10|free|\n  WARNING: ignoring metadata seqno 3\n",
    "failed\n",
    /* not all segments; a gap; overlap; none; more than there are */
    SDA "0|9|free|\n",
    SDA "0|9|free|\n" SDB "0|10|free|\n",
    SDA "0|3|linear|l\n" SDA "4|6|free|\n",
    SDA "0|3|linear|l\n" SDA "2|8|free|\n",
    SDA "0|10|free|\n" SDA "0|10|free|\n",
    SDA "0|10|free|\n" SDA "10|0|free|\n",
    SDA "0|11|free|\n",
    SDA "1|9|free|\n",
    /* the same volume again */
    SDA "0|10|linear|l\n" SDB "0|10|free|\n" SDA "0|10|free|\n",
    /* free and of a logical volume */
    SDA "0|10|free|lv-id\n",
    SDA "0|10|linear|\n",
    /* numbers */
    SDA "-0|10|free|\n",
    SDA "0|-1|free|\n",
    SDA "0|0x10|free|\n",
    SDA "0|18446744073709551615|free|\n",
    SDA "0|18446744073709551626|free|\n",
    SDA "0|10B|free|\n",
    SDA "0||free|\n",
    SDA "0|10.00|free|\n",
    /* fields */
    SDA "0|10|free\n",
    SDA "0|10|free||\n",
    /* larger than the device, by a sector; much larger */
    "/dev/sda|a--|v|wz--n-|8192|2048|10|83967|0|10|free|\n",
    "/dev/sda|a--|v|wz--n-|8192|2048|4503599627370496|100000|0|"
    "4503599627370496|free|\n",
    "/dev/sda|a--|v|wz--n-|8192|100001|0|100000|0|0|free|\n",
    /* no size of an extent; extents over the label */
    "/dev/sda|a--|v|wz--n-|0|2048|10|100000|0|10|free|\n",
    "/dev/sda|a--|v|wz--n-|8192|0|10|100000|0|10|free|\n",
    /* two sizes */
    SDA "0|9|free|\n/dev/sda2|a--|v|wz--n-|4096|2048|10|100000|9|1|free|\n",
  };
  size_t i;

  (void)state;
  for (i = 0; i < V2V_ARRAY_SIZE (texts); ++i)
    if (ranges (texts[i]) != -1)
      fail_msg ("accepted: %s", texts[i]);
  assert_int_equal (
    ranges ("/dev/sda|a--|v|wz--n-|8192|2048|10|83968|0|10|free|\n"), 1);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_swap),
    cmocka_unit_test (test_no_swap),
    cmocka_unit_test (test_extents),
    cmocka_unit_test (test_left_alone),
    cmocka_unit_test (test_nothing_in_doubt),
  };
  int failed = cmocka_run_group_tests (tests, NULL, NULL);

  unused_ranges_free (&r);
  return failed;
}
