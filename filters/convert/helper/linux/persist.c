/* SPDX-License-Identifier: BSD-3-Clause */

/* So that the guest's next kernel update keeps virtio in the initrd.
 *
 * Only modules that every kernel of the guest has are listed: dracut
 * leaves out what follows a name that it does not know.
 */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>

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

/* DIR/FILE with the line BEFORE DRIVERS AFTER, if the guest has DIR: its tool
 * reads what is in there after its configuration.
 */
static int
drop_in (struct linux_state *st, const char *dir, const char *file,
         const char *before, const char *after)
{
  CLEANUP_FREE char *path = NULL;
  CLEANUP_TEXT struct text t = TEXT_INIT;
  size_t i;

  if (!guest_is_dir (st->gst, dir))
    return 0;
  text_addf (&t, "# Drivers of the virtual machine's disks.\n%s", before);
  for (i = 0; st->drivers[i]; i++)
    text_addf (&t, " %s", st->drivers[i]);
  text_addf (&t, " %s\n", after);
  if (t.failed || asprintf (&path, "%s/%s", dir, file) == -1) {
    path = NULL;
    linux_oom (st);
    return -1;
  }
  return conf_create (st, path, t.data, t.len, 0644, why);
}

int
persist_plan (struct linux_state *st)
{
  static const char *const files[] = { "/etc/initramfs-tools/modules",
                                       "/etc/mkinitcpio.conf",
                                       "/etc/mkinitfs/mkinitfs.conf",
                                       "/etc/sysconfig/kernel", NULL };
  static char *const features[] = { (char *)"virtio", (char *)"scsi", NULL };

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

  /* mkinitcpio reads the files in the order of their names, and any of them
   * may assign MODULES anew; of a preset that names its configuration, it
   * reads mkinitcpio.conf alone.
   */
  if (drop_in (st, "/etc/dracut.conf.d", "90-virtio.conf", "add_drivers+=\"",
               "\"") == -1 ||
      drop_in (st, "/etc/mkinitcpio.conf.d", "zz-virtio.conf", "MODULES+=(",
               ")") == -1)
    return -1;
  return 0;
}
