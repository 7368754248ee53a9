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
    /* The kernel calls a lone card eth0 anyway, and udev since 197 cannot
     * swap names within the kernel's own namespace.
     */
    if (eth && (modern || n->nr == 1))
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
