/* SPDX-License-Identifier: BSD-3-Clause */

/* The guest that is being converted: the appliance's handle, what
 * inspection found, and access to its files.  Every change goes through
 * guest_write and its friends, so that it is capped, keeps mode, owner
 * and label, and is reported (report.json).
 */

#ifndef V2V_GUEST_H
#define V2V_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <guestfs.h>

struct report;                  /* report.h */
struct vm;                      /* common/vm/vm.h */

struct guest_mount {
  char *mountpoint;             /* "/", "/boot", ... */
  char *mountable;              /* libguestfs name: "/dev/sda1",
                                   "btrfsvol:/dev/sda2/@" */
  char *fstype;                 /* "ext4" */
  char *uuid;                   /* of the file system, or NULL */
};

struct guest {
  guestfs_h *g;
  struct report *report;
  const struct vm *source;      /* may be NULL */

  /* Inspection. */
  char *root;                   /* device of "/" */
  char *type;                   /* "linux", "windows" */
  char *distro;                 /* os-release ID or libguestfs name */
  char *osinfo;                 /* libosinfo short id, or "unknown" */
  char *arch;                   /* "x86_64", "i386", "aarch64" */
  char *product_name;
  char *package_format;         /* "deb", "rpm", "pacman", "apk", NULL */
  char *package_management;     /* "apt", "dnf", "yum", "zypper", ... */
  char *hostname;
  int major, minor;
  bool uefi;
  char **esps;                  /* devices, NULL-terminated */
  struct guest_mount *mounts;   /* shortest mountpoint first */
  size_t nr_mounts;
  int boot_disk;                /* index of the disk to boot, -1 = unknown */
};

/* Default cap on what is read of one guest file. */
#define GUEST_MAX_CONFIG (1024 * 1024)

/* Read a regular file of the guest (symlinks are followed inside the
 * guest).  *data is allocated and NUL-terminated.
 * Return 1 if read, 0 if there is no such regular file, -1 on error (too
 * large, I/O; reported with a code).
 */
extern int guest_read (struct guest *gst, const char *path, size_t max,
                       char **data, size_t *size);

/* Write a file: atomically (temporary name in the same directory, then
 * rename), keeping mode, owner and xattrs of the one it replaces (through
 * a symlink: of its target), else MODE, root, and the label that its
 * neighbours have.  Missing parent directories are made 0755.  WHY is a
 * short reason for the report.  Return 0 or -1 (error reported).
 */
extern int guest_write (struct guest *gst, const char *path, const char *data,
                        size_t size, int mode, const char *why);

/* Also reported: removal (0 if it was not there), symlink. */
extern int guest_remove (struct guest *gst, const char *path,
                         const char *why);
extern int guest_symlink (struct guest *gst, const char *target,
                          const char *path, const char *why);

extern bool guest_is_file (struct guest *gst, const char *path);
extern bool guest_is_dir (struct guest *gst, const char *path);

/* Names matching a glob in the guest, sorted, NULL-terminated; never
 * NULL except when out of memory.
 */
extern char **guest_glob (struct guest *gst, const char *pattern);
extern void guest_free_strings (char **strings);

#endif /* V2V_GUEST_H */
