/* SPDX-License-Identifier: BSD-3-Clause */

/* Network names: what each kind of configuration says, which card is
 * meant, and what is written.
 */

#include <config.h>

#include "test-linux.h"

#include "netnames.h"
#include "v2v-utils.h"

static void
has (const struct netnames *n, const char *name, const char *mac)
{
  size_t i;

  assert_false (n->failed);
  for (i = 0; i < n->nr; i++)
    if (strcmp (n->v[i].name, name) == 0) {
      assert_string_equal (n->v[i].mac, mac);
      return;
    }
  print_message ("no %s\n", name);
  fail ();
}

static void
test_names (void **state)
{
  static const char *const good[] = {
    "eth0", "ens192", "enp0s3", "eno1", "em1", "p2p1", "enx000c29aabbcc",
    "enX0",
  };
  static const char *const bad[] = {
    "", "lo", "br0", "bond0", "virbr0", "eth", "eth0.5", "docker0", "en0",
    "ens192; rm", "enp0s3\"", "wlan0", "ensabcdefghijklm", "p2", "pp1", "tun0", "enX",
  };
  size_t i;

  (void) state;
  for (i = 0; i < V2V_ARRAY_SIZE (good); i++)
    assert_true (netname_is_card (span_of (good[i])));
  for (i = 0; i < V2V_ARRAY_SIZE (bad); i++) {
    print_message ("# not %s\n", bad[i]);
    assert_false (netname_is_card (span_of (bad[i])));
  }
}

static void
test_ifcfg (void **state)
{
  struct netnames n = { 0 };

  (void) state;
  netnames_ifcfg (&n, "ifcfg-ens192", span_of (
    "DEVICE=\"ens192\"\nHWADDR=00:0C:29:AA:BB:CC\nIPADDR=10.0.0.2\n"));
  netnames_ifcfg (&n, "ifcfg-ens224", span_of ("BOOTPROTO=static\n"));
  netnames_ifcfg (&n, "ifcfg-lo", span_of ("DEVICE=lo\n"));
  netnames_ifcfg (&n, "ifcfg-eth5", span_of ("TYPE=Bond\n"));
  netnames_ifcfg (&n, "ifcfg-eth6.bak", span_of ("DEVICE=eth6\n"));
  netnames_ifcfg (&n, "ifcfg-eth7", span_of ("VLAN=yes\n"));
  assert_int_equal (n.nr, 2);
  has (&n, "ens192", "00:0c:29:aa:bb:cc");
  has (&n, "ens224", "");
  netnames_free (&n);
}

static void
test_keyfile (void **state)
{
  struct netnames n = { 0 };

  (void) state;
  netnames_keyfile (&n, span_of (
    "[connection]\nid=x\ntype=ethernet\ninterface-name=ens192\n\n"
    "[ethernet]\nmac-address=00:50:56:01:02:04\n[ipv4]\n"
    "address1=10.0.0.2/24,10.0.0.1\n"));
  netnames_keyfile (&n, span_of (
    "[connection]\ntype=bridge\ninterface-name=eth9\n"));
  assert_int_equal (n.nr, 1);
  has (&n, "ens192", "00:50:56:01:02:04");
  netnames_free (&n);
}

static void
test_netplan (void **state)
{
  struct netnames n = { 0 };

  (void) state;
  netnames_netplan (&n, span_of (
    "network:\n  version: 2\n  ethernets:\n"
    "    ens160:\n      addresses: [10.0.0.2/24]\n"
    "    lan:\n      match:\n        macaddress: '00:0c:29:01:02:04'\n"
    "      set-name: eth7\n"
    "    any:\n      match: {name: 'en*'}\n      dhcp4: true\n"
    "  vlans:\n    ens160.5: {id: 5, link: ens160}\n"));
  assert_int_equal (n.nr, 2);
  has (&n, "ens160", "");
  has (&n, "eth7", "00:0c:29:01:02:04");
  netnames_netplan (&n, span_of ("network: [broken\n"));
  netnames_netplan (&n, span_of ("- a\n- b\n"));
  assert_int_equal (n.nr, 2);
  netnames_free (&n);
}

static void
test_interfaces (void **state)
{
  struct netnames n = { 0 };

  (void) state;
  netnames_interfaces (&n, span_of (
    "auto lo ens33\niface lo inet loopback\n"
    "# iface eth9 inet dhcp\nallow-hotplug ens34\n"
    "iface ens33 inet static\n  address 10.0.0.2\n"
    "iface ens33:1 inet static\niface br0 inet dhcp\n"));
  assert_int_equal (n.nr, 2);
  has (&n, "ens33", "");
  has (&n, "ens34", "");
  netnames_free (&n);
}

static void
test_networkd (void **state)
{
  struct netnames n = { 0 };

  (void) state;
  netnames_networkd (&n, span_of (
    "[Match]\nName=ens192 ens224\n[Network]\nName=ens9\n"));
  netnames_networkd (&n, span_of ("[Match]\nName=en*\n"));
  assert_int_equal (n.nr, 2);
  netnames_free (&n);
}

static void
test_bound (void **state)
{
  static const char *const macs[] = { "00:0c:29:00:00:01",
                                      "00:0c:29:00:00:03" };
  struct netnames n = { 0 };

  (void) state;
  netnames_rules (&n, span_of (
    "# comment NAME=\"eth8\"\n"
    "SUBSYSTEM==\"net\", ACTION==\"add\", "
    "ATTR{address}==\"00:0c:29:00:00:01\", NAME=\"eth0\"\n"));
  netnames_link (&n, span_of (
    "[Match]\nMACAddress=00:0c:29:00:00:03\n[Link]\nName=ens1\n"));
  assert_int_equal (n.nr, 2);
  assert_true (n.v[0].bound && n.v[1].bound);
  assert_int_equal (netnames_assign (&n, macs, 2), 0);
  netnames_free (&n);
}

static void
test_assign (void **state)
{
  static const char *const macs[] = {
    "00:0c:29:00:00:11", "00:0c:29:00:00:33", "00:0c:29:00:00:55" };
  struct netnames n = { 0 };

  (void) state;
  /* By number, not by the order in which they were found. */
  netnames_interfaces (&n, span_of ("auto ens224 ens192 ens34\n"));
  assert_int_equal (netnames_assign (&n, macs, 3), 0);
  has (&n, "ens34", macs[0]);
  has (&n, "ens192", macs[1]);
  has (&n, "ens224", macs[2]);
  netnames_free (&n);

  /* The guest's own word beats the order. */
  netnames_ifcfg (&n, "ifcfg-ens192", span_of ("HWADDR=00:0c:29:00:00:33\n"));
  netnames_interfaces (&n, span_of ("auto ens224\n"));
  assert_int_equal (netnames_assign (&n, macs, 2), 0);
  has (&n, "ens192", macs[1]);
  has (&n, "ens224", macs[0]);
  netnames_free (&n);

  /* Two names, three cards: no guess. */
  netnames_interfaces (&n, span_of ("auto ens192 ens224\n"));
  assert_int_equal (netnames_assign (&n, macs, 3), 2);
  has (&n, "ens192", "");
  netnames_free (&n);
}

/* Names of the administrator's own, bound to where the card was. */
static void
test_own_names (void **state)
{
  static const char *const macs[] = { "00:0c:29:00:00:01",
                                      "00:0c:29:00:00:02" };
  struct netnames n = { 0 };

  (void) state;
  netnames_link (&n, span_of (
    "[Match]\nPath=pci-0000:0b:00.0\n[Link]\nName=lan0\n"));
  netnames_rules (&n, span_of (
    "SUBSYSTEM==\"net\", KERNELS==\"0000:13:00.0\", NAME=\"lan1\"\n"
    "KERNEL==\"wwan*\", NAME=\"modem\"\n"
    "KERNELS==\"x\", NAME=\"a;b\"\n"));
  netnames_link (&n, span_of ("[Match]\nType=wlan\n[Link]\nName=air0\n"));
  assert_int_equal (n.nr, 2);
  assert_int_equal (netnames_assign (&n, macs, 2), 0);
  has (&n, "lan0", macs[0]);
  has (&n, "lan1", macs[1]);
  netnames_free (&n);

  /* Which of these is the first card? */
  netnames_link (&n, span_of (
    "[Match]\nPath=pci-0000:0b:00.0\n[Link]\nName=lan0\n"));
  netnames_interfaces (&n, span_of ("auto ens192\n"));
  assert_int_equal (netnames_assign (&n, macs, 2), 2);
  has (&n, "lan0", "");
  netnames_free (&n);
}

#define LEASE(name, id) \
  "lease {\n  interface \"" name "\";\n  fixed-address 10.0.0.2;\n" id \
  "  renew 1 2026/11/26 10:00:00;\n}\n"

static void
test_leases (void **state)
{
  static const char *const macs[] = { "00:0c:29:00:00:01",
                                      "00:0c:29:00:00:02" };
  unsigned char packet[300] = { 2, 1, 6 };
  struct netnames n = { 0 };

  (void) state;
  netnames_interfaces (&n, span_of ("auto ens192 ens224 ens256 ens161\n"));
  assert_true (netnames_want_leases (&n));
  netnames_lease (&n, "/var/lib/dhcp/dhclient.ens192.leases", span_of (
    LEASE ("ens192", "  option dhcp-client-identifier 1:0:c:29:0:0:2;\n")
    LEASE ("ens192", "  option dhcp-client-identifier 1:0:c:29:0:0:2;\n")
    LEASE ("lo", "") "lease {\n interface \"ens1"));
  netnames_lease (&n, "/var/lib/dhclient/dhclient-ens224.lease", span_of (
    LEASE ("ens224",
           "  option dhcp-client-identifier \"\\001\\000\\014)\\000\\000\\003\";\n")));
  netnames_lease (&n, "/var/lib/NetworkManager/internal-"
                  "11111111-2222-3333-4444-555555555555-ens256.lease",
                  span_of ("# private\nADDRESS=10.0.0.9\n"
                           "CLIENTID=01000c29000004\n"));
  assert_int_equal (n.nr_hints, 3);
  /* Without a description, all count. */
  netnames_use_leases (&n, NULL, 0);
  has (&n, "ens192", "00:0c:29:00:00:02");
  has (&n, "ens224", "00:0c:29:00:00:03");
  has (&n, "ens256", "00:0c:29:00:00:04");
  has (&n, "ens161", "");
  assert_int_equal (netnames_assign (&n, NULL, 0), 1);
  netnames_free (&n);

  /* They turn the order of the cards around, where the description has the
   * MAC; one of a card that is gone counts for nothing.
   */
  netnames_interfaces (&n, span_of ("auto ens192 ens224\n"));
  netnames_lease (&n, "/var/lib/wicked/lease-ens192-dhcp-ipv4.xml", span_of (
    "<lease>\n <ipv4:dhcp>\n  <client-id>01:00:0c:29:00:00:02</client-id>\n"));
  netnames_lease (&n, "/var/lib/wicked/lease-ens224-dhcp-ipv4.xml", span_of (
    "<lease><client-id>01:00:0c:29:99:99:99</client-id></lease>"));
  netnames_use_leases (&n, macs, 2);
  assert_int_equal (netnames_assign (&n, macs, 2), 0);
  has (&n, "ens192", macs[1]);
  has (&n, "ens224", macs[0]);
  netnames_free (&n);

  /* dhcpcd's: the packet.  Two that disagree count for nothing. */
  netnames_interfaces (&n, span_of ("auto ens192 ens224\n"));
  memcpy (packet + 236, "\x63\x82\x53\x63", 4);
  memcpy (packet + 28, "\0\x0c\x29\0\0\2", 6);
  netnames_lease (&n, "/var/lib/dhcpcd/ens192.lease",
                  (struct span) { (const char *) packet, sizeof packet });
  netnames_lease (&n, "/var/lib/dhcpcd5/dhcpcd-ens224.lease",
                  (struct span) { (const char *) packet, 239 });
  packet[33] = 1;
  netnames_lease (&n, "/var/lib/dhcpcd5/dhcpcd-ens192.lease",
                  (struct span) { (const char *) packet, sizeof packet });
  assert_int_equal (n.nr_hints, 2);
  netnames_use_leases (&n, macs, 2);
  has (&n, "ens192", "");
  netnames_free (&n);

  /* A lone name: its card may have got another MAC since. */
  netnames_interfaces (&n, span_of ("auto ens192\n"));
  netnames_lease (&n, "/var/lib/dhcp/dhclient.leases", span_of (
    LEASE ("ens192", "  option dhcp-client-identifier 1:0:c:29:0:0:2;\n")));
  netnames_use_leases (&n, NULL, 0);
  has (&n, "ens192", "");
  netnames_free (&n);
}

/* "ens*" would match no card of the new machine. */
static void
test_patterns (void **state)
{
  static const char *const macs[] = { "00:0c:29:00:00:01",
                                      "00:0c:29:00:00:02" };
  struct netnames n = { 0 };

  (void) state;
  netnames_networkd (&n, span_of ("[Match]\nName=ens*\n"));
  netnames_use_leases (&n, macs, 2);
  assert_int_equal (n.nr, 2);
  has (&n, "ens192", macs[0]);
  has (&n, "ens193", macs[1]);
  netnames_free (&n);

  netnames_networkd (&n, span_of ("[Match]\nName=ens*\n"));
  netnames_lease (&n, "/var/lib/dhcp/dhclient.leases", span_of (
    LEASE ("ens224", "  option dhcp-client-identifier 1:0:c:29:0:0:2;\n")));
  netnames_use_leases (&n, macs, 2);
  assert_int_equal (n.nr, 1);
  has (&n, "ens224", macs[1]);
  netnames_free (&n);

  netnames_networkd (&n, span_of ("[Match]\nName=en* e* * wl*\n"));
  netnames_use_leases (&n, macs, 2);
  assert_int_equal (n.nr, 0);
  netnames_free (&n);
}

static void
test_output (void **state)
{
  const struct netname known = { "ens192", "00:0c:29:00:00:02", false, false };
  const struct netname lone = { "ens192", "", false, false };
  struct text t = TEXT_INIT;

  (void) state;
  netname_put_rule (&known, &t);
  same_text ("rule", &t,
             "SUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", "
             "ATTR{address}==\"00:0c:29:00:00:02\", ATTR{type}==\"1\", "
             "NAME=\"ens192\"\n");
  text_free (&t);
  netname_put_link (&known, &t);
  assert_non_null (strstr (t.data, "\n[Match]\nMACAddress=00:0c:29:00:00:02\n"
                                   "Path="));
  assert_non_null (strstr (t.data, "\n[Link]\nName=ens192\n"));
  text_free (&t);
  netname_put_link (&lone, &t);
  assert_non_null (strstr (t.data, "\n[Match]\nDriver=virtio_net "));
  assert_null (strstr (t.data, "MACAddress"));
  text_free (&t);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_names),
    cmocka_unit_test (test_ifcfg),
    cmocka_unit_test (test_keyfile),
    cmocka_unit_test (test_netplan),
    cmocka_unit_test (test_interfaces),
    cmocka_unit_test (test_networkd),
    cmocka_unit_test (test_bound),
    cmocka_unit_test (test_assign),
    cmocka_unit_test (test_own_names),
    cmocka_unit_test (test_leases),
    cmocka_unit_test (test_patterns),
    cmocka_unit_test (test_output),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
