/* SPDX-License-Identifier: BSD-3-Clause */

/* What a boot loader's configuration starts. */

#ifndef V2V_LINUX_BOOTENTRIES_H
#define V2V_LINUX_BOOTENTRIES_H

#include <stddef.h>
#include <stdint.h>

#include "text.h"

struct bootentry {
  char *image;  /* as written, without "(hd0,0)" */
  char *initrd; /* the last one of several, or NULL */
};

struct bootentries {
  struct bootentry *v;
  size_t nr;
  bool failed; /* out of memory */
};

/* Collect the entries of grub.cfg, menu.lst, extlinux.conf, or of one BLS
 * or systemd-boot file.  At most 256 are kept; the same twice is one.
 */
extern void bootentries_read (struct bootentries *b, struct span in);
extern void bootentries_free (struct bootentries *b);

/* The name in the guest of a boot loader's PATH, which begins at the file
 * system that the loader reads, or (syslinux) at the directory where its
 * configuration is: the one of FILES that is meant, allocated; NULL if none
 * is.
 */
extern char *bootentry_locate (char *const *files, const char *path);

/* The version that an x86 kernel image, or an uncompressed one of arm64, says
 * it is ("6.1.0-13-amd64"), allocated, or NULL.
 */
extern char *kernel_image_version (const uint8_t *data, size_t size);

#endif /* V2V_LINUX_BOOTENTRIES_H */
