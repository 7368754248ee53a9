/* SPDX-License-Identifier: BSD-3-Clause */

/* Find the operating system, mount it, and say what it is. */

#ifndef V2V_INSPECTION_H
#define V2V_INSPECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "devices.h"
#include "fstab.h"

struct guest;
struct keys;

enum fsck_policy { FSCK_AUTO = 0, FSCK_ALWAYS, FSCK_NEVER };

struct inspection_options {
  size_t nr_disks;
  const char *root; /* "single", "first", or a device */
  const struct keys *keys;
  enum fsck_policy fsck;
};

struct subvolume {
  const struct device *device;
  unsigned long long id;
  char *path; /* from the top of the file system */
};

struct inspection {
  struct devices devices;
  struct device_names names;
  struct fstab fstab;           /* of the chosen root */
  char *crypttab, *mdadm_conf;  /* its tables, text or NULL */
  struct subvolume *subvolumes; /* of the btrfs file systems looked at */
  size_t nr_subvolumes;
  const struct device *root; /* its device */
  char *mounted_ro;          /* mountable that is now mounted read-only
                                   on "/", or NULL */
  bool *unclean;             /* one for each device: had a journal to
                                   replay, or is marked as damaged */
};

/* Find the root and what it mounts.  Sets gst->root, type, uefi, esps,
 * boot_disk, devices, names.  Nothing is mounted read-write yet.  Return
 * 0, or -1 with the error reported.
 */
extern int inspection_find (struct guest *gst, struct inspection *in,
                            const struct inspection_options *opts);

/* Identify what is mounted: distro, version, arch, packages, host name. */
extern int inspection_identify (struct guest *gst);

extern void inspection_free (struct inspection *in);

/* mounts.c: mount everything read-write (in a dry run too: only the
 * overlay changes) and fill gst->mounts; refuse what is damaged.
 */
extern int mounts_mount (struct guest *gst, struct inspection *in,
                         const struct inspection_options *opts);

/* Record whether V needs a check, before it is mounted the first time. */
extern void mounts_note_state (struct guest *gst, struct inspection *in,
                               const struct device *v);

/* What the checker of V's file system says about its damage (allocated),
 * or NULL if it finds none or there is no checker.  V is not mounted.
 */
extern char *mounts_damage (struct guest *gst, const struct device *v);

/* Is V, or a part of it, one of gst->mounts? */
extern bool mounts_is_mounted (const struct guest *gst, const struct device *v);

/* trim.c: unmount everything; if TRIM, give back what nothing uses.  Return
 * 0, or -1 with the error reported.
 */
extern int
trim_and_unmount (struct guest *gst, const struct inspection *in, bool trim);

#endif /* V2V_INSPECTION_H */
