/* SPDX-License-Identifier: BSD-3-Clause */

/* Fuzz target: VMX files. */

#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"

extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct machine m = { 0 };
  struct diag d = { 0 };
  char *json, *error = NULL;

  if (vmx_parse ((const char *)data, size, "x", &m, &d) == 0) {
    /* What was accepted can be written, and has its references. */
    json = vm_to_json (m.vm, &error);
    if (json == NULL || m.nr_refs != m.vm->nr_disks || d.error)
      abort ();
    free (json);
  }
  else if (d.error == NULL)
    abort ();
  machine_free (&m);
  diag_clear (&d);
  return 0;
}
