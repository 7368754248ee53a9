/* SPDX-License-Identifier: BSD-3-Clause */

/* The readahead engine's map of extents against an array. */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "v2v-utils.h"

#include "extmap.h"

static uint32_t
rnd (unsigned *seed)
{
  *seed = *seed * 1103515245 + 12345;
  return *seed >> 8;
}

static void
test_extmap (void **state)
{
  enum { N = 300 };
  struct extmap m = { 0 };
  char ref[N]; /* '?' unknown, 0, 1 */
  unsigned seed = 42, round, i;

  (void)state;
  memset (ref, '?', N);
  for (round = 0; round < 20000; ++round) {
    unsigned a = rnd (&seed) % N, b = a + rnd (&seed) % (N - a + 1);
    unsigned op = rnd (&seed) % 3;
    uint64_t ones = 0;

    if (op == 2) {
      extmap_forget (&m, a, b);
      memset (ref + a, '?', b - a);
    }
    else {
      extmap_set (&m, a, b, op);
      memset (ref + a, op, b - a);
    }
    for (i = 0; i < N; ++i) {
      const struct extmap_range *r = extmap_find (&m, i);

      if (ref[i] == '?')
        assert_true (r == NULL || r->start > i);
      else {
        assert_non_null (r);
        assert_true (r->start <= i && i < r->end && r->bit == ref[i]);
      }
      if (i >= a && i < b && ref[i] == 1)
        ones++;
    }
    assert_int_equal (extmap_count (&m, a, b, true), ones);
    for (i = 1; i < m.nr; ++i)
      assert_true (
        m.r[i - 1].end < m.r[i].start ||
        (m.r[i - 1].end == m.r[i].start && m.r[i - 1].bit != m.r[i].bit));
  }
  extmap_free (&m);
}

static void
test_extmap_full (void **state)
{
  struct extmap m = { 0 };
  uint64_t i;

  (void)state;
  for (i = 0; i <= EXTMAP_MAX; ++i)
    extmap_set (&m, i * 2, i * 2 + 1, true);
  assert_true (m.nr <= 1);
  extmap_free (&m);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_extmap),
    cmocka_unit_test (test_extmap_full),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
