/* SPDX-License-Identifier: BSD-3-Clause */

/* Fuzz the editors of files that name disks.  The first byte chooses the
 * editor.  Besides not crashing: text edited twice is as edited once, and
 * grubenv keeps its size.
 */

#include <config.h>

#include <stdint.h>
#include <stdlib.h>

#include "text.c"
#include "devname.c"
#include "devmap.c"
#include "devedit.c"
#include "storageedit.c"
#include "consoleedit.c"

extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static int
identify (void *opaque, unsigned disk, unsigned part, bool want,
          struct devid *id)
{
  (void) opaque;
  (void) want;
  if (part > 8)
    return 0;
  snprintf (id->uuid, sizeof id->uuid, part % 3 ? "aa-%u-%u" : "-", disk,
            part);
  snprintf (id->partuuid, sizeof id->partuuid, part % 4 ? "bb-%u-%u" : ".",
            disk, part);
  snprintf (id->fstype, sizeof id->fstype, "%s", part % 2 ? "ext4" : "xfs");
  return 1;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static devedit_fn *const editors[] = {
    edit_fstab, edit_crypttab, edit_bootconf, edit_assignments,
    edit_cmdline, edit_grubenv, edit_device_map, edit_mdadm_conf,
    edit_lvm_conf, edit_resume_conf, edit_inittab, edit_securetty,
  };
  struct devmap map = {
    .root_disk = -1, .root_part = -1, .console = "ttyS0",
    .identify = identify,
  };
  struct text once = TEXT_INIT, twice = TEXT_INIT, aliases = TEXT_INIT;
  struct span in;
  devedit_fn *edit;

  if (size == 0)
    return 0;
  edit = editors[(data[0] & 15) % V2V_ARRAY_SIZE (editors)];
  map.nr_disks = 1 + (data[0] >> 6);
  in = (struct span) { (const char *)data + 1, size - 1 };
  /* The same bytes may be multipath's. */
  multipath_aliases (in, size & 1, &aliases);
  map.aliases = (struct span) { aliases.data ? aliases.data : "", aliases.len };
  map.serial[0] = "6000C29A-AAA0001";
  devmap_solve (&map, in);
  edit (in, &map, &once);
  if (once.failed)
    abort ();
  if (edit == edit_grubenv && once.len != in.n)
    abort ();
  edit ((struct span) { once.data ? once.data : "", once.len }, &map,
        &twice);
  if (once.len != twice.len ||
      (once.len && memcmp (once.data, twice.data, once.len) != 0))
    abort ();
  text_free (&once);
  text_free (&twice);
  text_free (&aliases);
  return 0;
}
