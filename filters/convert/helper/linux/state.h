/* SPDX-License-Identifier: BSD-3-Clause */

/* What the parts of the Linux conversion share.
 *
 * Planning reads the guest and keeps every intended change in memory, as
 * the new content of files, so that several parts may edit one file and
 * it is still written once, and so that the room needed is known before
 * anything is written.  Converting writes.
 */

#ifndef V2V_LINUX_STATE_H
#define V2V_LINUX_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "firstboot-dir.h"
#include "guest.h"
#include "initrd.h"
#include "kernels.h"
#include "linux.h"
#include "report.h"
#include "text.h"

struct conf_file {
  char *path;
  char *data; /* NUL-terminated; NULL = not there */
  size_t size;
  char *target; /* new symbolic link; DATA is NULL */
  bool was;     /* there before */
  size_t old_size;
  bool dirty, remove;
  int mode; /* if new */
  char *why;
};

/* An initrd that gets a tail. */
struct ramdisk {
  const char *kver;
  char *path;
  char *image;
  size_t size;
  struct initrd_plan plan;
};

struct linux_state {
  struct guest *gst;
  const struct linux_options *opts;

  struct conf_file **files; /* sorted by nothing, few */
  size_t nr_files;

  struct kernel *kernels; /* newest first */
  size_t nr_kernels;
  char **ukis; /* .efi files that may be unified kernels, NULL-ended */
  struct ramdisk *ramdisks; /* to write */
  size_t nr_ramdisks;
  bool rebuild;       /* run the guest's own tool at the end */
  char **drivers;     /* modules that every kernel has, for the
                                   persistence files; NULL-ended or NULL */
  unsigned jobs;      /* first-boot jobs registered */
  struct view *disks; /* of devices.c */

  bool policy_read;       /* or could not be: then it is NULL */
  struct selabel *policy; /* of SELinux, or NULL */
};

/* Files (conf.c).  conf_get returns NULL only on an error that has been
 * reported; a file that is not there has DATA == NULL.
 */
extern int conf_preload (struct linux_state *st, const char *const *paths);
extern struct conf_file *conf_get (struct linux_state *st, const char *path);
/* The file's new content; no-op if that is what it has.  Takes nothing. */
extern int conf_set (struct linux_state *st, struct conf_file *f,
                     const char *data, size_t size, const char *why);
extern int
conf_create (struct linux_state *st, const char *path, const char *data,
             size_t size, int mode, const char *why);
/* The same without looking at what is there; for what may be large. */
extern int conf_put (struct linux_state *st, const char *path, const char *data,
                     size_t size, int mode, const char *why);
extern int conf_symlink (struct linux_state *st, const char *target,
                         const char *path, const char *why);
extern int
conf_remove (struct linux_state *st, const char *path, const char *why);
/* The same for a link, or anything else that need not be read. */
extern int
conf_unlink (struct linux_state *st, const char *path, const char *why);
extern int conf_reserve (struct linux_state *st);
extern int conf_flush (struct linux_state *st);
extern void conf_free (struct linux_state *st);
extern void *linux_oom (struct linux_state *st);

/* The value of the last option NAME, or NULL. */
extern const char *
linux_option (const struct linux_state *st, const char *name);
extern bool linux_option_yes (const struct linux_state *st, const char *name,
                              bool otherwise);
/* Is the guest's distro one of the NULL-ended list? */
extern bool
linux_distro_is (const struct linux_state *st, const char *const *names);

/* The concerns; each returns 0, or -1 with an error reported. */
extern int devices_plan (struct linux_state *st);
/* After devices_plan: what file PATH of the initrd IMAGE must be; see
 * struct initrd_editor.
 */
extern enum initrd_edit_result
devices_edit_initrd (struct linux_state *st, const char *image,
                     const char *path, const uint8_t *data, size_t size,
                     uint8_t **out, size_t *out_size);
/* After devices_plan: would CMDLINE, which is in the file PATH and cannot be
 * changed, have to be, because it names disks of the old machine?
 */
extern bool
devices_renames (struct linux_state *st, const char *path, struct span cmdline);
extern void devices_forget (struct linux_state *st);
extern int ramdisk_find (struct linux_state *st);
extern int ramdisk_plan (struct linux_state *st);
extern int ramdisk_write (struct linux_state *st);
extern void ramdisk_free (struct linux_state *st);
extern int persist_plan (struct linux_state *st);
extern int modprobe_plan (struct linux_state *st);
extern int caches_plan (struct linux_state *st);
extern int agent_plan (struct linux_state *st);
extern int tools_plan (struct linux_state *st);
extern int network_plan (struct linux_state *st);
extern int identity_plan (struct linux_state *st);
extern int uefi_plan (struct linux_state *st);
extern int user_plan (struct linux_state *st);
extern int firstboot_plan (struct linux_state *st); /* last */

/* Labels of new files; between the two, all writing (selinux.c). */
extern void selinux_begin (struct linux_state *st);
extern int selinux_end (struct linux_state *st);
extern void selinux_free (struct linux_state *st);

/* A job for the first boot, run once, in the order registered.  SCRIPT is
 * a whole shell script.  NETWORK: wait for it, within a bound.
 */
extern int firstboot_job (struct linux_state *st, const char *name,
                          const char *script, size_t size, bool network);
#endif /* V2V_LINUX_STATE_H */
