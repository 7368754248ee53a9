/* SPDX-License-Identifier: BSD-3-Clause */

/* So that the guest's next kernel update keeps virtio in the initrd.
 *
 * Only modules that every kernel of the guest has are listed: dracut
 * leaves out what follows a name that it does not know.
 */

#include <config.h>

#include "confedit.h"
#include "state.h"
#include "v2v-utils.h"

static const char why[] = "virtio drivers in every future initrd";

typedef void words_fn (struct span in, const char *name, char *const *words,
                       struct text *out);

static int
apply (struct linux_state *st, const char *path, words_fn *fn, const char *arg,
       char *const *words)
{
  CLEANUP_TEXT struct text out = TEXT_INIT;
  struct conf_file *f = conf_get (st, path);

  if (!f)
    return -1;
  if (!f->data)
    return 0;
  fn ((struct span){ f->data, f->size }, arg, words, &out);
  if (out.failed) {
    linux_oom (st);
    return -1;
  }
  return conf_set (st, f, out.data ? out.data : "", out.len, why);
}

int
persist_plan (struct linux_state *st)
{
  static const char *const files[] = { "/etc/initramfs-tools/modules",
                                       "/etc/mkinitcpio.conf",
                                       "/etc/mkinitfs/mkinitfs.conf",
                                       "/etc/sysconfig/kernel", NULL };
  static char *const features[] = { (char *)"virtio", (char *)"scsi", NULL };
  size_t i;

  if (!st->drivers || !st->drivers[0])
    return 0;
  if (conf_preload (st, files) == -1)
    return -1;
  if (apply (st, files[0], edit_add_lines,
             "# Drivers of the virtual machine's disks.", st->drivers) == -1 ||
      apply (st, files[1], edit_add_words, "MODULES", st->drivers) == -1 ||
      apply (st, files[2], edit_add_words, "features",
             (char *const *)features) == -1 ||
      apply (st, files[3], edit_add_words, "INITRD_MODULES", st->drivers) == -1)
    return -1;

  if (guest_is_dir (st->gst, "/etc/dracut.conf.d")) {
    CLEANUP_TEXT struct text t = TEXT_INIT;

    text_adds (&t, "# Drivers of the virtual machine's disks.\n"
                   "add_drivers+=\"");
    for (i = 0; st->drivers[i]; i++)
      text_addf (&t, " %s", st->drivers[i]);
    text_adds (&t, " \"\n");
    if (t.failed) {
      linux_oom (st);
      return -1;
    }
    if (conf_create (st, "/etc/dracut.conf.d/90-virtio.conf", t.data, t.len,
                     0644, why) == -1)
      return -1;
  }
  return 0;
}
