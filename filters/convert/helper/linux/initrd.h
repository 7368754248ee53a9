/* SPDX-License-Identifier: BSD-3-Clause */

/* Give an initrd virtio without rebuilding it: read it as the kernel
 * does, find what is missing, and produce the bytes to append.  Works on
 * bytes in memory; knows neither libguestfs nor files.
 */

#ifndef V2V_INITRD_H
#define V2V_INITRD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum initrd_verdict {
  INITRD_PRESENT,    /* every wanted driver is in the image or built in */
  INITRD_APPEND,     /* append plan.tail at plan.offset */
  INITRD_REBUILD,    /* this image cannot take it; see reason */
  INITRD_IMPOSSIBLE, /* the kernel lacks a wanted driver; see reason */
};

struct initrd_kernel {
  const char *version; /* KVER, as in /lib/modules/KVER */
  /* The guest's index files as text; NULL = file not there. */
  const char *modules_dep;
  const char *modules_softdep;
  const char *modules_builtin;
  const char *modules_alias;
  /* Read a module.  PATH is relative to the module directory, as in
   * modules.dep ("kernel/drivers/block/virtio_blk.ko.xz"), and never has a
   * ".." in it.  *data is malloc'ed and becomes the caller's, as it is in
   * the guest (compressed).  0, or -1.
   */
  int (*read_module) (void *opaque, const char *path, uint8_t **data,
                      size_t *size);
  void *opaque;
};

struct initrd_plan {
  enum initrd_verdict verdict;
  char *reason;     /* one English sentence, or NULL */
  const char *code; /* stable reason code ("initrd-squash", ...),
                                   static, or NULL */
  uint64_t offset;  /* write the tail here (image size less its
                                   trailing zeroes) */
  uint8_t *tail;
  size_t tail_size;
  char **added;   /* names of the modules added, NULL-ended */
  char **edited;  /* files replaced or hidden, NULL-ended */
  char **drivers; /* wanted drivers that exist for this kernel
                                   as modules, for the persistence files */
};

enum initrd_edit_result {
  INITRD_EDIT_FAILED = -1,
  INITRD_EDIT_NONE,    /* the file is right as it is */
  INITRD_EDIT_REPLACE, /* *out is what it must be */
  INITRD_EDIT_HIDE,    /* nothing may find it */
};

/* Who corrects configuration files in the image (below etc, conf and
 * cryptroot).
 */
struct initrd_editor {
  /* PATH has no leading slash.  *out is malloc'ed and becomes the caller's. */
  enum initrd_edit_result (*edit) (void *opaque, const char *path,
                                   const uint8_t *data, size_t size,
                                   uint8_t **out, size_t *out_size);
  void *opaque;
};

/* Plan for the initrd IMAGE.  WANTED: required drivers by module name
 * ("virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod"), NULL-ended.
 * OPTIONAL: added if the image already holds a driver of the guest's
 * NIC ("virtio_net").  Return 0 with *plan filled, or -1 with
 * plan->reason and plan->code set when memory ran out or a module cannot
 * be read.  Either way initrd_plan_free is needed.
 *
 * The new image is the first plan->offset bytes of the old one and the
 * tail: longer files must be truncated there.  Not done here: which files
 * are initrds (leave out kdump and rescue images), state files of
 * initramfs-tools, and LILO or zipl, which must be run again.
 */
extern int
initrd_plan (const uint8_t *image, size_t size,
             const struct initrd_kernel *kernel, const char *const *wanted,
             const char *const *optional, struct initrd_plan *plan);
/* The same; what EDITOR wants changed is appended, too, also if no driver is
 * missing.  An image that has all drivers but cannot be edited is left as
 * it is.
 */
extern int
initrd_plan_edited (const uint8_t *image, size_t size,
                    const struct initrd_kernel *kernel,
                    const char *const *wanted, const char *const *optional,
                    const struct initrd_editor *editor,
                    struct initrd_plan *plan);
extern void initrd_plan_free (struct initrd_plan *plan);

/* Read the finished IMAGE again and prove that the kernel will find each
 * wanted driver in it: index entry, file, ELF, vermagic.  The first
 * PREFIX_SIZE bytes must equal PREFIX (the image as it was; may be NULL);
 * only zeroes at its end may have been overwritten.  Give OPTIONAL drivers
 * that the plan added in WANTED, too, if they are to be proved.
 * Return 0, or -1 with *reason set (allocated).
 */
extern int
initrd_verify (const uint8_t *image, size_t size, const uint8_t *prefix,
               size_t prefix_size, const struct initrd_kernel *kernel,
               const char *const *wanted, char **reason);

#endif /* V2V_INITRD_H */
