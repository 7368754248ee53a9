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
#include <sys/types.h>

#include <guestfs.h>

struct devices; /* devices.h */
struct device_names;
struct report; /* report.h */
struct vm;     /* common/vm/vm.h */

struct guest_mount {
  char *mountpoint; /* "/", "/boot", ... */
  char *mountable;  /* libguestfs name: "/dev/sda1",
                                   "btrfsvol:/dev/sda2/@" */
  char *fstype;     /* "ext4" */
  char *uuid;       /* of the file system, or NULL */
};

/* What the guest has drivers for, besides those without which it would
 * not boot.  Set by linux/ or windows/.
 */
struct guest_capabilities {
  bool virtio_net, rng, balloon, vsock, pvpanic;
};

struct guest {
  guestfs_h *g;
  struct report *report;
  const struct vm *source; /* may be NULL */

  /* Inspection. */
  char *root;   /* device of "/" */
  char *type;   /* "linux", "windows" */
  char *distro; /* os-release ID or libguestfs name */
  char *osinfo; /* libosinfo short id, or "unknown" */
  char *arch;   /* "x86_64", "i386", "aarch64" */
  char *product_name;
  char *package_format;     /* "deb", "rpm", "pacman", "apk", NULL */
  char *package_management; /* "apt", "dnf", "yum", "zypper", ... */
  char *hostname;
  int major, minor;
  bool uefi;
  char **esps;                /* devices, NULL-terminated */
  struct guest_mount *mounts; /* shortest mountpoint first */
  size_t nr_mounts;
  int boot_disk;     /* index of the disk to boot, -1 = unknown */
  unsigned *sectors; /* sectors.h; of each disk */

  /* All block devices, and the names that the guest's files give them:
     devices_resolve (gst->devices, gst->names, "/dev/sda1", NULL).  NULL
     before inspection. */
  const struct devices *devices; /* devices.h */
  const struct device_names *names;

  struct guest_capabilities caps;

  /* The SELinux label that the guest's policy gives PATH, MODE's S_IFMT
     its kind; NULL if it has none.  Set by linux/, may be NULL. */
  const char *(*label_of) (struct guest *gst, const char *path, unsigned mode);
  bool unlabelled; /* something new has no label, but should */

  bool dry_run;              /* report changes, make none */
  void *state;               /* of linux/ or windows/, theirs alone */
  struct guest_files *files; /* of guest.c, its alone */
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
 * a symlink: of its target), else MODE, root, and the label that the policy
 * gives it, or its neighbours have.  Missing parent directories are made 0755.  WHY is a
 * short reason for the report.  Return 0 or -1 (error reported).
 */
extern int guest_write (struct guest *gst, const char *path, const char *data,
                        size_t size, int mode, const char *why);

/* Also reported: removal (0 if it was not there), symlink. */
extern int guest_remove (struct guest *gst, const char *path, const char *why);
extern int guest_symlink (struct guest *gst, const char *target,
                          const char *path, const char *why);

/* A link's target (allocated) without following it; NULL if PATH is not
 * a symbolic link.
 */
extern char *guest_readlink (struct guest *gst, const char *path);

/* Read several regular files at once, which is cheaper than one by one.
 * SIZE is -1 for those that are not there, are not regular files, or are
 * larger than MAX.  Return 0, or -1 on error (reported).
 */
struct guest_file {
  const char *path; /* in */
  char *data;       /* out: allocated, NUL-terminated, or NULL */
  ssize_t size;
};
extern int guest_read_many (struct guest *gst, struct guest_file *files,
                            size_t nr_files, size_t max);

/* Replace the end of a large file (an initrd) without sending all of it:
 * the file becomes its first OFFSET bytes followed by TAIL.  IMAGE is what
 * guest_read gave for the whole file; it is used for the digests, and the
 * call fails if the file is no longer of that size.  Atomic as
 * guest_write is, and the new file is read back in full and compared
 * before it takes the old one's place.
 */
extern int guest_append (struct guest *gst, const char *path, const void *image,
                         size_t image_size, uint64_t offset, const void *tail,
                         size_t tail_size, const char *why);

/* Announce that about BYTES bytes and INODES new files will be written
 * below PATH (a directory of the guest; it need not exist).  Requests for
 * the same file system add up.  Return 0, or -1 if they do not fit
 * (reported as no-space or no-inodes with what is needed and what is
 * free).
 */
extern int guest_reserve (struct guest *gst, const char *path, uint64_t bytes,
                          uint64_t inodes);
/* The same for the file PATH of OLD bytes, which guest_write or guest_append
 * will make SIZE bytes: room for its growth, and once, not for each file, for
 * having the largest twice.
 */
extern int guest_reserve_change (struct guest *gst, const char *path,
                                 uint64_t old, uint64_t size);

/* The mount that holds PATH, never NULL. */
extern const struct guest_mount *
guest_mount_of (const struct guest *gst, const char *path);

extern bool guest_is_file (struct guest *gst, const char *path);
extern bool guest_is_dir (struct guest *gst, const char *path);

/* Names matching a glob in the guest, sorted, NULL-terminated; never
 * NULL except when out of memory.
 */
extern char **guest_glob (struct guest *gst, const char *pattern);
extern void guest_free_strings (char **strings);

/* Free what the struct points to, except g, report and source. */
extern void guest_free (struct guest *gst);

#endif /* V2V_GUEST_H */
