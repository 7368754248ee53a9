/* SPDX-License-Identifier: BSD-3-Clause */

/* fstab(5), as far as a converter needs it.  Knows no libguestfs. */

#ifndef V2V_FSTAB_H
#define V2V_FSTAB_H

#include <stdbool.h>
#include <stddef.h>

struct fstab_entry {
  char *spec, *mountpoint, *type, *options;
};

struct fstab {
  struct fstab_entry *v;
  size_t n;
  char **swaps; /* what it names as swap spaces, swap files too */
  size_t nr_swaps;
};

/* Parse TEXT: entries of real file systems with a mount point that a
 * converter mounts, each mount point once (the first line wins), shortest
 * first.  Octal escapes are decoded, mount points are in normal form and
 * never contain "..".  Network, memory and removable file systems are left
 * out.  Return 0, or -1 when out of memory.
 */
extern int fstab_parse (const char *text, struct fstab *fstab);
extern void fstab_free (struct fstab *fstab);

/* Value of option NAME ("subvol") in an fstab option list, allocated; ""
 * if it is there without a value; NULL if not.
 */
extern char *fstab_option (const char *options, const char *name);

#endif /* V2V_FSTAB_H */
