/* SPDX-License-Identifier: BSD-3-Clause */

/* Glue of netnames.c: reads the guest's network configurations, and
 * writes udev rules and .link files.  The configurations themselves, and
 * with them the addresses, are not touched.
 */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netnames.h"
#include "state.h"
#include "v2v-utils.h"
#include "vm.h"

#define GLOB \
  "/{etc/sysconfig/network-scripts/ifcfg-*,etc/sysconfig/network/ifcfg-*," \
  "etc/NetworkManager/system-connections/*,etc/netplan/*.yaml," \
  "etc/network/interfaces,etc/network/interfaces.d/*," \
  "etc/systemd/network/*.network,etc/systemd/network/*.link," \
  "etc/udev/rules.d/*net*.rules}"

#define LEASES \
  "/var/lib/{dhclient/*.leas*,dhcp/*.leas*,dhcp3/*.leas*," \
  "NetworkManager/*.lease,wicked/lease-*.xml,dhcpcd/*.lease," \
  "dhcpcd5/*.lease}"

/* A host with many Wi-Fi or container networks has hundreds of leases. */
#define MAX_LEASES 64

static void
collect (struct netnames *n, const char *path, struct span in)
{
  const char *base = strrchr (path, '/') + 1;
  const size_t len = strlen (base);

  if (strstr (path, "/sysconfig/network"))
    netnames_ifcfg (n, base, in);
  else if (strstr (path, "/system-connections/"))
    netnames_keyfile (n, in);
  else if (strstr (path, "/netplan/"))
    netnames_netplan (n, in);
  else if (strstr (path, "/etc/network/"))
    netnames_interfaces (n, in);
  else if (len > 5 && strcmp (base + len - 5, ".link") == 0)
    netnames_link (n, in);
  else if (strstr (path, "/systemd/network/"))
    netnames_networkd (n, in);
  else
    netnames_rules (n, in);
}

static const char why[] = "the card keeps its name";

/* Is it right to bind a name like eth0?
 *
 * Without udev's naming scheme the kernel hands such names out, in the
 * order of the cards, and the target's order is the same; a lone card is
 * eth0 there anyway.  With the scheme a card of VMware's is eth0 only where
 * the scheme is off, and then it is off on KVM as well; and the name may be
 * a leftover in a configuration that no card has had for years.  But the
 * scheme has no name for cards of Xen and Hyper-V, so that they are eth0,
 * and would become enp1s0.  A MAC that stands beside the name settles it.
 */
static bool
keep_eth (const struct linux_state *st, const struct netnames *n,
          const struct netname *e, bool modern)
{
  const struct vm *vm = st->gst->source;

  if (!modern)
    return n->nr > 1;
  if (e->told && e->mac[0])
    return true;
  return vm && vm->hypervisor &&
         (strcmp (vm->hypervisor, "xen") == 0 ||
          strcmp (vm->hypervisor, "hyperv") == 0);
}

static int
write_names (struct linux_state *st, const struct netnames *n, bool modern)
{
  CLEANUP_TEXT struct text rules = TEXT_INIT;
  size_t i, written = 0;

  text_adds (&rules, "# Network cards keep the names they had on the machine "
                     "that they came from.\n");
  for (i = 0; i < n->nr; i++) {
    const struct netname *e = &n->v[i];
    CLEANUP_TEXT struct text link = TEXT_INIT;
    char path[128];
    const bool eth = strncmp (e->name, "eth", 3) == 0;

    if (e->bound || (!e->mac[0] && n->nr != 1))
      continue;
    if (eth && !keep_eth (st, n, e, modern))
      continue;
    written++;
    netname_put_rule (e, &rules);
    if (!modern)
      continue;
    netname_put_link (e, &link);
    snprintf (path, sizeof path, "/etc/systemd/network/10-v2v-%s.link",
              e->name);
    if (link.failed) {
      linux_oom (st);
      return -1;
    }
    if (conf_create (st, path, link.data, link.len, 0644, why) == -1)
      return -1;
  }
  if (rules.failed) {
    linux_oom (st);
    return -1;
  }
  if (written == 0)
    return 0;
  return conf_create (st, "/etc/udev/rules.d/70-v2v-net.rules", rules.data,
                      rules.len, 0644, why);
}

static int
read_leases (struct linux_state *st, struct netnames *n)
{
  char **names = guest_glob (st->gst, LEASES);
  struct guest_file files[MAX_LEASES] = { { 0 } };
  size_t i, nr;
  int r;

  if (!names) {
    linux_oom (st);
    return -1;
  }
  for (nr = 0; names[nr] && nr < MAX_LEASES; nr++)
    files[nr].path = names[nr];
  r = guest_read_many (st->gst, files, nr, GUEST_MAX_CONFIG);
  for (i = 0; i < nr; i++) {
    if (files[i].data)
      netnames_lease (n, names[i],
                      (struct span){ files[i].data, (size_t)files[i].size });
    free (files[i].data);
  }
  guest_free_strings (names);
  return r;
}

int
network_plan (struct linux_state *st)
{
  struct guest *gst = st->gst;
  char **names = guest_glob (gst, GLOB);
  struct netnames n = { 0 };
  const char **macs = NULL;
  size_t nr_macs = 0, i, left;
  int r = -1;

  if (!names) {
    linux_oom (st);
    return -1;
  }
  if (conf_preload (st, (const char *const *)names) == -1)
    goto out;
  for (i = 0; names[i]; i++) {
    struct conf_file *f = conf_get (st, names[i]);

    if (!f)
      goto out;
    if (f->data)
      collect (&n, names[i], (struct span){ f->data, f->size });
  }
  if (gst->source && gst->source->nr_nics) {
    macs = calloc (gst->source->nr_nics, sizeof *macs);
    if (!macs) {
      linux_oom (st);
      goto out;
    }
    for (i = 0; i < gst->source->nr_nics; i++)
      if (gst->source->nics[i].mac)
        macs[nr_macs++] = gst->source->nics[i].mac;
  }
  if (n.failed) {
    linux_oom (st);
    goto out;
  }
  if (netnames_want_leases (&n)) {
    if (read_leases (st, &n) == -1)
      goto out;
    netnames_use_leases (&n, macs, nr_macs);
    if (n.failed) {
      linux_oom (st);
      goto out;
    }
  }
  if (n.nr == 0) {
    r = 0;
    goto out;
  }
  left = netnames_assign (&n, macs, nr_macs);
  if (left && n.nr > 1)
    report_warning (gst->report, "network-names-unknown",
                    "the guest's configuration names %zu network cards, and "
                    "for %zu of them it cannot be told which card is meant; "
                    "their names may change",
                    n.nr, left);
  r = write_names (st, &n, guest_is_dir (gst, "/etc/systemd/network"));
out:
  netnames_free (&n);
  free (macs);
  guest_free_strings (names);
  return r;
}
