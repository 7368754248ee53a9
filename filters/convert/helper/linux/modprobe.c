/* SPDX-License-Identifier: BSD-3-Clause */

/* Driver aliases, the X server's driver, and caches that name the old
 * disks.
 */

#include <config.h>

#include <stdlib.h>

#include "confedit.h"
#include "state.h"
#include "v2v-utils.h"

static int
apply (struct linux_state *st, const char *path,
       void (*fn) (struct span, struct text *), const char *why)
{
  CLEANUP_TEXT struct text out = TEXT_INIT;
  struct conf_file *f = conf_get (st, path);

  if (!f)
    return -1;
  if (!f->data || !f->size)
    return 0;
  fn ((struct span){ f->data, f->size }, &out);
  if (out.failed) {
    linux_oom (st);
    return -1;
  }
  return conf_set (st, f, out.data, out.len, why);
}

int
modprobe_plan (struct linux_state *st)
{
  static const char *const xorg[] = { "/etc/X11/xorg.conf",
                                      "/etc/X11/XF86Config",
                                      "/etc/X11/XF86Config-4", NULL };
  char **names = guest_glob (st->gst,
                             "/etc/{modprobe.conf,modprobe.conf.local,"
                             "modules.conf,conf.modules,modprobe.d/*}");
  size_t i;
  int r = -1;

  if (!names) {
    linux_oom (st);
    return -1;
  }
  if (conf_preload (st, (const char *const *)names) == -1 ||
      conf_preload (st, xorg) == -1)
    goto out;
  for (i = 0; names[i]; i++)
    if (apply (st, names[i], edit_modprobe, "drivers of the new machine") == -1)
      goto out;
  if (apply (st, "/etc/sysconfig/kernel", edit_suse_modules,
             "drivers of the old hypervisor") == -1)
    goto out;
  for (i = 0; xorg[i]; i++)
    if (apply (st, xorg[i], edit_xorg, "the video card has changed") == -1)
      goto out;
  r = 0;
out:
  guest_free_strings (names);
  return r;
}

int
caches_plan (struct linux_state *st)
{
  static const char *const caches[] = {
    "/etc/blkid/blkid.tab",  "/etc/blkid.tab",
    "/etc/lvm/cache/.cache", "/etc/lvm/devices/system.devices",
    "/run/blkid/blkid.tab",  NULL
  };
  size_t i;

  if (conf_preload (st, caches) == -1)
    return -1;
  for (i = 0; caches[i]; i++)
    if (conf_remove (st, caches[i], "it names disks of the old machine") == -1)
      return -1;
  return 0;
}
