/* SPDX-License-Identifier: BSD-3-Clause */

/* v2v-convert-helper: see run.h and v2v-convert-helper(1). */

#include <config.h>

#include "run.h"

int
main (int argc, char *argv[])
{
  return run_helper (argc, argv);
}
