/* SPDX-License-Identifier: BSD-3-Clause */

/* Which kernels a guest can boot: module directory, image and initrd put
 * together by their names.  See kernels.c.
 */

#ifndef V2V_LINUX_KERNELS_H
#define V2V_LINUX_KERNELS_H

#include <stddef.h>

struct kernel {
  char *kver;     /* "6.1.0-13-amd64" */
  char *image;    /* path of vmlinuz, or NULL */
  char **initrds; /* paths, NULL-terminated, or NULL */
  size_t nr_initrds;
};

/* A module directory: its name, and the content of its "pkgbase" file
 * (Arch: "linux-lts"), which is what the files in /boot are named after;
 * NULL if it has none.
 */
struct kernel_dir {
  const char *kver;
  const char *pkgbase;
};

/* Match the NR_DIRS module directories with FILES, the paths found in
 * /boot and below (NULL-terminated).  Kernels come newest first.  Return
 * how many, or -1 when out of memory.
 */
extern int kernels_match (const struct kernel_dir *dirs, size_t nr_dirs,
                          char *const *files, struct kernel **kernels);
extern void kernels_free (struct kernel *kernels, size_t nr);

#endif /* V2V_LINUX_KERNELS_H */
