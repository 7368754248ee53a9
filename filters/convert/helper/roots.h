/* SPDX-License-Identifier: BSD-3-Clause */

/* The operating systems on the disks. */

#ifndef V2V_ROOTS_H
#define V2V_ROOTS_H

#include <stdbool.h>
#include <stddef.h>

#include "inspection.h"

#define MAX_ROOTS 64

struct root {
  const struct device *device;
  char *mountable;
  char *fstab, *release; /* text or NULL */
  char *subvolume;       /* NULL = not one, or the whole file system */
  bool is_default;       /* the default subvolume */
  bool windows;
};

struct roots {
  struct root roots[MAX_ROOTS];
  size_t nr_roots;
  unsigned tried, mounted;
  char *mount_error; /* the first one */
  const struct device *failed;
};

/* Mount each file system that may hold an operating system read-only, and
 * collect those found.  Fills in->subvolumes, unclean and mounted_ro (the
 * last one looked at).  *S is zero.  Return 0, also if there is none, or -1
 * with the error reported.
 */
extern int
roots_find (struct guest *gst, struct inspection *in, struct roots *s);
extern void roots_free (struct roots *s);

/* Below PREFIX ("" or a directory): is there anything at PATH?  The text of
 * PATH (allocated), NULL if it is no regular file, or larger than
 * GUEST_MAX_CONFIG.
 */
extern bool
inspection_exists (struct guest *gst, const char *prefix, const char *path);
extern char *
inspection_text (struct guest *gst, const char *prefix, const char *path);

/* Unmount in->mounted_ro.  Return 0, or -1 with the error reported. */
extern int inspection_unmount (struct guest *gst, struct inspection *in);

#endif /* V2V_ROOTS_H */
