/* SPDX-License-Identifier: BSD-3-Clause */

/* For the tests of editors: compare whole texts, and say where they
 * differ.
 */

#ifndef V2V_TEST_LINUX_H
#define V2V_TEST_LINUX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "text.h"

static inline void
same_text (const char *what, const struct text *got, const char *want)
{
  assert_false (got->failed);
  if (got->len != strlen (want) ||
      (got->len && memcmp (got->data, want, got->len) != 0)) {
    print_message ("%s\n--- want\n%s\n--- got\n%s\n---\n", what, want,
                   got->data ? got->data : "");
    fail ();
  }
}

#endif /* V2V_TEST_LINUX_H */
