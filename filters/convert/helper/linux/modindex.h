/* SPDX-License-Identifier: BSD-3-Clause */

/* The indexes of a kernel's modules, and its modules, for initrd.h. */

#ifndef V2V_LINUX_MODINDEX_H
#define V2V_LINUX_MODINDEX_H

#include "state.h"

/* Caps on what is read into memory. */
#define RAMDISK_MAX_INDEX (64 * 1024 * 1024)
#define RAMDISK_MAX_MODULE (64 * 1024 * 1024)
#define RAMDISK_MAX_IMAGE (768 * 1024 * 1024)

struct modindex {
  struct guest_file files[4];
  char *paths[4];
  struct initrd_kernel kernel;
  const char *wanted[5]; /* what an initrd of it must hold */
  struct linux_state *st;
};

/* Return 0, or -1 with an error reported; free it in both cases.  KVER
 * must live as long as the index.
 */
extern int
modindex_read (struct linux_state *st, const char *kver, struct modindex *ix);
extern void modindex_free (struct modindex *ix);

/* Is MODULE one of the files of modules.dep or modules.builtin (TEXT)? */
extern bool module_listed (const char *text, const char *module);

/* What an initrd may hold besides. */
extern const char *const ramdisk_optional[];

/* Keep of st->drivers what is also in DRIVERS (NULL-ended, or NULL).
 * Return 0, or -1 with an error reported.
 */
extern int ramdisk_keep_drivers (struct linux_state *st, char **drivers);
/* What the newest kernel, which boots by default, can drive. */
extern void
ramdisk_note_capabilities (struct guest *gst, const struct initrd_kernel *k);
/* Judge st->ukis; an error if there is no other kernel (unified.c). */
extern int unified_plan (struct linux_state *st);

/* Run the guest's own tool for RD and prove its work. */
extern int ramdisk_rebuild (struct linux_state *st, struct ramdisk *rd);

#endif /* V2V_LINUX_MODINDEX_H */
