/* SPDX-License-Identifier: BSD-3-Clause */

/* Fuzz target: manifests. */

#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "manifest.h"

extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct manifest m;
  struct diag d = { 0 };
  size_t i;

  if (manifest_parse ((const char *)data, size, &m, &d) == 0)
    for (i = 0; i < m.nr; ++i)
      if (m.entries[i].name[0] == '\0' || m.entries[i].digest.len < 20)
        abort ();
  manifest_free (&m);
  diag_clear (&d);
  return 0;
}
