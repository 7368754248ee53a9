/* SPDX-License-Identifier: BSD-3-Clause */

/* Fuzz the readers of network configurations.  The first byte chooses;
 * whatever was read, what is written must stay on its lines.
 */

#include <config.h>

#include <stdint.h>
#include <stdlib.h>

#include "text.c"
#include "netnames.c"

extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const char *const macs[] = { "00:0c:29:00:00:01",
                                      "00:0c:29:00:00:02" };
  struct netnames n = { 0 };
  struct span in;
  size_t i, j;

  if (size == 0)
    return 0;
  in = (struct span) { (const char *)data + 1, size - 1 };
  switch (data[0] % 7) {
  case 0: netnames_ifcfg (&n, "ifcfg-eth0", in); break;
  case 1: netnames_keyfile (&n, in); break;
  case 2: netnames_netplan (&n, in); break;
  case 3: netnames_interfaces (&n, in); break;
  case 4: netnames_networkd (&n, in); break;
  case 5: netnames_link (&n, in); break;
  case 6: netnames_rules (&n, in); break;
  }
  if (n.failed)
    abort ();
  netnames_assign (&n, macs, 2);
  for (i = 0; i < n.nr; i++) {
    struct text t = TEXT_INIT;
    size_t lines = 0;

    netname_put_rule (&n.v[i], &t);
    for (j = 0; j < t.len; j++)
      lines += t.data[j] == '\n';
    if (t.failed || lines != 1)
      abort ();
    text_free (&t);
    netname_put_link (&n.v[i], &t);
    text_free (&t);
  }
  netnames_free (&n);
  return 0;
}
