/* SPDX-License-Identifier: BSD-3-Clause */

/* Software of the old hypervisor.
 *
 * What could hinder the first boot is disabled here: SysV links of
 * VMware's tarball tools are removed, units are masked, Upstart's jobs are
 * overridden, getty lines that Citrix's tools took away come back, folders
 * that the hypervisor shared are no longer mounted at boot, repositories on
 * vmware.com (which answer nobody else) are disabled.  The packages themselves are removed
 * by the guest at its first boot, by its own package manager, because
 * their scripts must run; nothing else is removed along with them (no
 * autoremove).  remove-tools=no leaves everything but the shared folders.
 */

#include <config.h>

#include <stdio.h>
#include <string.h>

#include "confedit.h"
#include "state.h"
#include "tools-scripts.h"
#include "v2v-utils.h"

static const struct {
  enum tool tool;
  const char *path;
} signs[] = {
  { VMWARE_TARBALL, "/usr/bin/vmware-uninstall-tools.pl" },
  { VMWARE, "/usr/bin/vmtoolsd" },
  { VMWARE, "/usr/sbin/vmware-guestd" },
  { VIRTUALBOX, "/usr/sbin/VBoxService" },
  { VIRTUALBOX, "/var/lib/VBoxGuestAdditions/config" },
  { CITRIX, "/usr/sbin/xe-daemon" },
  { CITRIX, "/usr/sbin/xe-linux-distribution" },
  { CITRIX, "/usr/sbin/xen-guest-agent" },
  { PARALLELS, "/usr/lib/parallels-tools/install" },
  { HYPERV, "/usr/sbin/hv_kvp_daemon" },
  { HYPERV, "/usr/sbin/hypervkvpd" },
  { HYPERV, "/usr/sbin/waagent" },
  { NUTANIX, "/usr/local/nutanix/ngt/python/bin/uninstall_ngt.py" },
};

#define GLOB \
  "/{usr/bin/vmware-uninstall-tools.pl,usr/bin/vmtoolsd," \
  "usr/sbin/vmware-guestd,usr/sbin/VBoxService," \
  "var/lib/VBoxGuestAdditions/config,usr/sbin/xe-daemon," \
  "usr/sbin/xe-linux-distribution,usr/sbin/xen-guest-agent," \
  "usr/lib/parallels-tools/install,usr/sbin/hv_kvp_daemon," \
  "usr/sbin/hypervkvpd,usr/sbin/waagent," \
  "usr/local/nutanix/ngt/python/bin/uninstall_ngt.py}"

/* Units and SysV scripts that are stopped from starting at once. */
static const char *const services[NR_TOOLS][5] = {
  [VMWARE_TARBALL] = { "vmware-tools", "vmware-tools-thinprint", NULL },
  [VIRTUALBOX] = { "vboxadd", "vboxadd-service", "vboxadd-x11", NULL },
  [CITRIX] = { "xe-linux-distribution", "xe-daemon", NULL },
  [PARALLELS] = { "prltoolsd", "prl-x11", NULL },
  [NUTANIX] = { "ngt_guest_agent", "ngt_self_service_restore", NULL },
};

static const char why[] = "software of the old hypervisor";

/* Keep the service NAME from starting. */
static int
disable (struct linux_state *st, const char *name)
{
  struct guest *gst = st->gst;
  CLEANUP_FREE char *pattern = NULL, *mask = NULL, *manual = NULL;
  char **links;
  size_t i;
  int r = 0;
  bool unit = false;

  if (asprintf (&pattern,
                "/{etc/rc?.d/S??%s,etc/rc.d/rc?.d/S??%s,"
                "etc/init.d/rc?.d/S??%s,etc/systemd/system/%s.service,"
                "lib/systemd/system/%s.service,"
                "usr/lib/systemd/system/%s.service,etc/init.d/%s,"
                "etc/init/%s.conf}",
                name, name, name, name, name, name, name, name) == -1 ||
      asprintf (&manual, "/etc/init/%s.override", name) == -1 ||
      asprintf (&mask, "/etc/systemd/system/%s.service", name) == -1) {
    linux_oom (st);
    return -1;
  }
  links = guest_glob (gst, pattern);
  if (!links) {
    linux_oom (st);
    return -1;
  }
  for (i = 0; links[i] && r == 0; i++) {
    if (strcmp (links[i], mask) == 0) {
      /* A unit of the administrator's directory cannot be masked. */
      unit = false;
      break;
    }
    if (strstr (links[i], "/S"))
      r = conf_unlink (st, links[i], why);
    else if (strncmp (links[i], "/etc/init/", 10) == 0)
      r = conf_create (st, manual, "manual\n", 7, 0644, why);
    else
      unit = true;
  }
  if (r == 0 && unit && guest_is_dir (gst, "/etc/systemd/system"))
    r = conf_symlink (st, "/dev/null", mask, why);
  guest_free_strings (links);
  return r;
}

static int
edit_all (struct linux_state *st, const char *glob,
          void (*fn) (struct span, struct text *), const char *because)
{
  char **names = guest_glob (st->gst, glob);
  size_t i;
  int r = -1;

  if (!names) {
    linux_oom (st);
    return -1;
  }
  if (conf_preload (st, (const char *const *)names) == -1)
    goto out;
  for (i = 0; names[i]; i++) {
    CLEANUP_TEXT struct text t = TEXT_INIT;
    struct conf_file *f = conf_get (st, names[i]);

    if (!f)
      goto out;
    if (!f->data || !f->size)
      continue;
    fn ((struct span){ f->data, f->size }, &t);
    if (t.failed) {
      linux_oom (st);
      goto out;
    }
    if (conf_set (st, f, t.data, t.len, because) == -1)
      goto out;
  }
  r = 0;
out:
  guest_free_strings (names);
  return r;
}

int
tools_plan (struct linux_state *st)
{
  static const char *const names[NR_TOOLS] = {
    "VMware's tools (tarball)", "VMware's tools",   "VirtualBox's additions",
    "Xen's guest utilities",    "Parallels' tools", "Hyper-V's daemons",
    "Nutanix' guest tools",
  };
  CLEANUP_TEXT struct text script = TEXT_INIT;
  bool found[NR_TOOLS] = { false }, any = false;
  char **paths;
  size_t i, j;

  if (edit_all (st, "/etc/fstab", edit_shared_folders,
                "folders that the old hypervisor shared are not there") == -1)
    return -1;
  if (!linux_option_yes (st, "remove-tools", true))
    return 0;
  paths = guest_glob (st->gst, GLOB);
  if (!paths) {
    linux_oom (st);
    return -1;
  }
  for (i = 0; paths[i]; i++)
    for (j = 0; j < V2V_ARRAY_SIZE (signs); j++)
      if (strcmp (paths[i], signs[j].path) == 0)
        found[signs[j].tool] = any = true;
  guest_free_strings (paths);

  if (edit_all (st, "/etc/{yum.repos.d,zypp/repos.d}/*.repo", edit_repo,
                "VMware's repositories serve its customers only") == -1 ||
      edit_all (st, "/etc/apt/{sources.list,sources.list.d/*.list}",
                edit_sources_list,
                "VMware's repositories serve its customers only") == -1 ||
      edit_all (st, "/etc/apt/sources.list.d/*.sources", edit_deb822,
                "VMware's repositories serve its customers only") == -1)
    return -1;
  if (!any)
    return 0;
  if (found[CITRIX] &&
      edit_all (st, "/etc/inittab", edit_inittab_gettys,
                "Xen's guest utilities had taken the consoles away") == -1)
    return -1;

  text_adds (&script, tools_head);
  for (i = 0; i < NR_TOOLS; i++) {
    if (!found[i])
      continue;
    report_info (st->gst->report,
                 "%s will be removed when the guest boots first", names[i]);
    for (j = 0; services[i][j]; j++)
      if (disable (st, services[i][j]) == -1)
        return -1;
    text_adds (&script, tools_scripts[i]);
  }
  text_adds (&script, "exit 0\n");
  if (script.failed) {
    linux_oom (st);
    return -1;
  }
  return firstboot_job (st, "remove-tools", script.data, script.len, false);
}
