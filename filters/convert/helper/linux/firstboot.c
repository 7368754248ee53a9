/* SPDX-License-Identifier: BSD-3-Clause */

/* What only the guest itself can do (install or remove packages) waits
 * for its first boot.
 *
 * 1. Each job runs at most once: it is moved out of jobs/ before it
 *    starts, so that one that takes the machine down is not tried again.
 * 2. Jobs run one after another in the order registered; one that fails
 *    does not keep the next from running.
 * 3. The boot never waits: the service is no target's requirement, and
 *    under SysV it runs in the background.  A job has half an hour.
 * 4. Jobs called *.net wait for a default route, at most a minute for all.
 * 5. All output goes to /var/log/v2v-firstboot.log, which stays; all else
 *    is removed at the end.
 *
 * The runner is one function called in the last line, because a shell
 * reads its script as it goes, and this one is deleted while it runs.
 */

#include <config.h>

#include <ctype.h>
#include <stdio.h>

#include "confedit.h"
#include "firstboot-scripts.h"
#include "state.h"
#include "v2v-utils.h"

static const char why[] = "work that is left to the first boot";

int
firstboot_job (struct linux_state *st, const char *name, const char *script,
               size_t size, bool network)
{
  CLEANUP_TEXT struct text path = TEXT_INIT;
  size_t i;

  text_addf (&path, "%s/jobs/%04u-", FIRSTBOOT_DIR, ++st->jobs);
  for (i = 0; i < 60 && name[i]; i++)
    text_add (&path, isalnum ((unsigned char)name[i]) ? name + i : "-", 1);
  if (network)
    text_adds (&path, ".net");
  if (path.failed) {
    linux_oom (st);
    return -1;
  }
  return conf_put (st, path.data, script, size, 0755, why);
}

static int
put (struct linux_state *st, const char *path, const char *text, int mode)
{
  return conf_put (st, path, text, strlen (text), mode, why);
}

static int
plan_sysv (struct linux_state *st)
{
  static const char *const dirs[] = {
    "/etc/rc.d/rc%d.d",
    "/etc/init.d/rc%d.d",
    "/etc/rc%d.d",
  };
  struct guest *gst = st->gst;
  struct conf_file *f;
  char dir[64], link[128];
  size_t i;
  int level;

  if (put (st, "/etc/init.d/v2v-firstboot", sysv, 0755) == -1)
    return -1;
  for (i = 0; i < V2V_ARRAY_SIZE (dirs); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf (dir, sizeof dir, dirs[i], 3);
    if (!guest_is_dir (gst, dir))
      continue;
    for (level = 2; level <= 5; level++) {
      snprintf (dir, sizeof dir, dirs[i], level);
#pragma GCC diagnostic pop
      snprintf (link, sizeof link, "%s/S99v2v-firstboot", dir);
      if (conf_symlink (st, "/etc/init.d/v2v-firstboot", link, why) == -1)
        return -1;
    }
    break;
  }
  /* startpar runs what insserv noted, whatever links there are. */
  f = conf_get (st, "/etc/init.d/.depend.start");
  if (!f)
    return -1;
  if (f->data) {
    CLEANUP_TEXT struct text out = TEXT_INIT;

    edit_depend_start ((struct span){ f->data, f->size }, "v2v-firstboot",
                       &out);
    if (out.failed) {
      linux_oom (st);
      return -1;
    }
    if (conf_set (st, f, out.data ? out.data : "", out.len, why) == -1)
      return -1;
  }
  return 0;
}

int
firstboot_plan (struct linux_state *st)
{
  struct guest *gst = st->gst;

  if (st->jobs == 0)
    return 0;
  if (put (st, FIRSTBOOT_DIR "/run", runner, 0755) == -1)
    return -1;
  if (guest_is_file (gst, "/lib/systemd/systemd") ||
      guest_is_file (gst, "/usr/lib/systemd/systemd")) {
    if (put (st, "/etc/systemd/system/v2v-firstboot.service", unit, 0644) == -1)
      return -1;
    return conf_symlink (st, "/etc/systemd/system/v2v-firstboot.service",
                         "/etc/systemd/system/multi-user.target.wants/"
                         "v2v-firstboot.service",
                         why);
  }
  if (guest_is_file (gst, "/sbin/openrc-run")) {
    if (put (st, "/etc/init.d/v2v-firstboot", openrc, 0755) == -1)
      return -1;
    return conf_symlink (st, "/etc/init.d/v2v-firstboot",
                         "/etc/runlevels/default/v2v-firstboot", why);
  }
  if (guest_is_dir (gst, "/etc/init.d"))
    return plan_sysv (st);
  report_warning (gst->report, "no-first-boot",
                  "the guest's init system is not known: what was left to "
                  "its first boot must be started by hand: " FIRSTBOOT_DIR
                  "/run");
  return 0;
}
