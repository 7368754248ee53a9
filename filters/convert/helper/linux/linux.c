/* SPDX-License-Identifier: BSD-3-Clause */

/* Conversion of a Linux guest: the order of its parts.
 *
 * Everything is decided, and computed, before the first byte is written:
 * a guest that cannot be converted is left as it was, and the room for
 * all files is known to be there.  Small files are written first, because
 * the option rebuild-initrd runs a tool that reads them, and the initrds
 * last.
 */

#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "identity.h"
#include "linux.h"
#include "state.h"
#include "v2v-utils.h"

static const struct {
  const char *name;
  int (*plan) (struct linux_state *st);
} parts[] = {
  { "kernels", ramdisk_find },     { "devices", devices_plan },
  { "initrd", ramdisk_plan },      { "persistence", persist_plan },
  { "modprobe", modprobe_plan },   { "caches", caches_plan },
  { "network", network_plan },     { "uefi", uefi_plan },
  { "identity", identity_plan },   { "tools", tools_plan },
  { "agent", agent_plan },         { "user", user_plan },
  { "firstboot", firstboot_plan },
};

static bool
is_boolean (const char *v)
{
  static const char *const words[] = { "yes", "no", "true", "false", "on",
                                       "off", "1",  "0",    NULL };
  size_t i;

  for (i = 0; words[i]; i++)
    if (strcmp (v, words[i]) == 0)
      return true;
  return false;
}

/* A misspelt value must not count as "no". */
static int
check_options (struct linux_state *st)
{
  size_t i;

  for (i = 0; i < st->opts->nr_options; i++) {
    const struct linux_option *o = &st->opts->options[i];
    const bool agent = strcmp (o->name, "guest-agent") == 0;

    if ((agent || strcmp (o->name, "remove-tools") == 0 ||
         strcmp (o->name, "rebuild-initrd") == 0) &&
        !is_boolean (o->value) && !(agent && o->value[0] == '/')) {
      report_error (
        st->gst->report, "bad-option", "%s=%s: write yes%s no", o->name,
        o->value, agent ? ", the absolute name of a package file, or" : " or");
      return -1;
    }
  }
  return 0;
}

int
linux_plan (struct guest *gst, const struct linux_options *opts)
{
  struct linux_state *st = calloc (1, sizeof *st);
  size_t i;

  if (!st) {
    report_error (gst->report, "out-of-memory", "not enough memory");
    return -1;
  }
  st->gst = gst;
  st->opts = opts;
  gst->state = st;
  if (check_options (st) == -1)
    return -1;
  if (!gst->distro || !identity_is_family (gst->distro))
    report_warning (gst->report, "family-unknown",
                    "%s was not tried before; it is converted as any Linux "
                    "whose kernel and initrd are understood",
                    gst->product_name ? gst->product_name
                    : gst->distro     ? gst->distro
                                      : "this distribution");
  for (i = 0; i < V2V_ARRAY_SIZE (parts); i++)
    if (parts[i].plan (st) == -1)
      return -1;
  return conf_reserve (st);
}

int
linux_convert (struct guest *gst, const struct linux_options *opts)
{
  struct linux_state *st = gst->state;

  if (!st) {
    report_error (gst->report, "internal", "the conversion was not planned");
    return -1;
  }
  st->opts = opts;
  selinux_begin (st);
  if (conf_flush (st) == -1 || ramdisk_write (st) == -1)
    return -1;
  return selinux_end (st);
}

void
linux_free (struct guest *gst)
{
  struct linux_state *st = gst->state;

  if (!st)
    return;
  ramdisk_free (st);
  devices_forget (st);
  selinux_free (st);
  conf_free (st);
  free (st);
  gst->state = NULL;
}
