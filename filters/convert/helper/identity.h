/* SPDX-License-Identifier: BSD-3-Clause */

/* Which operating system this is, from the text of its release files.
 * Knows no libguestfs.
 */

#ifndef V2V_IDENTITY_H
#define V2V_IDENTITY_H

#include <stdbool.h>

/* The files, in this order; see identity_files. */
enum identity_file {
  IDENTITY_OS_RELEASE,
  IDENTITY_USR_OS_RELEASE,
  IDENTITY_LSB_RELEASE,
  IDENTITY_REDHAT_RELEASE,
  IDENTITY_CENTOS_RELEASE,
  IDENTITY_SUSE_RELEASE,
  IDENTITY_DEBIAN_VERSION,
  IDENTITY_ALPINE_RELEASE,
  IDENTITY_ALT_RELEASE,
  IDENTITY_ARCH_RELEASE,
  IDENTITY_NR_FILES
};

/* Their paths in the guest. */
extern const char *const identity_files[IDENTITY_NR_FILES];

struct identity {
  char *distro;       /* libguestfs' name where it has one, else
                                   the ID of os-release; "unknown" */
  char *product_name; /* for people */
  char *osinfo;       /* libosinfo's short id, or "unknown" */
  int major, minor;   /* 0 = not known */
};

/* TEXTS[i] is the content of identity_files[i], or NULL.  Return 0, or -1
 * when out of memory.
 */
extern int identity_parse (const char *const texts[IDENTITY_NR_FILES],
                           struct identity *id);
extern void identity_free (struct identity *id);

/* Is DISTRO, as in struct identity, of a family that the conversion was
 * written for?  Others are converted, too, but the user is told.
 */
extern bool identity_is_family (const char *distro);

/* Value of KEY in shell-like "KEY=value" text, quotes removed; allocated,
 * or NULL.
 */
extern char *identity_value (const char *text, const char *key);

/* "x86_64", "i386", "aarch64", … of the first SIZE bytes of an ELF file;
 * static, NULL if it is none or its machine is not known.
 */
extern const char *identity_elf_arch (const void *header, unsigned long size);

#endif /* V2V_IDENTITY_H */
