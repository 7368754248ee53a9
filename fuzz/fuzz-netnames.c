/* SPDX-License-Identifier: BSD-3-Clause */

/* Fuzz the readers of network configurations and of leases.  The first
 * byte chooses; after "%%%" come leases of the same guest;
 * whatever was read, what is written must stay on its lines.
 */

#include <config.h>

#include <stdint.h>
#include <stdlib.h>

#include "text.c"
#include "netnames.c"
#define taken leases_taken
#include "netleases.c"

extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const char *const macs[] = { "00:0c:29:00:00:01",
                                      "00:0c:29:00:00:02" };
  static const char *const leases[] = {
    "/var/lib/dhcp/dhclient.leases", "/var/lib/wicked/lease-ens2-dhcp-ipv4.xml",
    "/var/lib/dhcpcd/ens3.lease",
    "/var/lib/NetworkManager/internal-"
    "11111111-2222-3333-4444-555555555555-ens4.lease",
  };
  struct netnames n = { 0 };
  struct span in;
  const char *cut;
  size_t i, j;

  if (size == 0)
    return 0;
  in = (struct span) { (const char *)data + 1, size - 1 };
  cut = memmem (in.p, in.n, "%%%", 3);
  if (cut) {
    const struct span lease = span_skip (in, cut + 3 - in.p);

    in.n = cut - in.p;
    for (i = 0; i < V2V_ARRAY_SIZE (leases); i++)
      netnames_lease (&n, leases[i], lease);
  }
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
  netnames_use_leases (&n, macs, data[0] & 128 ? 2 : 0);
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
