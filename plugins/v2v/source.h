/* SPDX-License-Identifier: BSD-3-Clause */

/* A source: from what the user named to a machine and its disks. */

#ifndef V2V_SOURCE_H
#define V2V_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diag.h"
#include "disk.h"
#include "machine.h"

enum input {
  INPUT_AUTO = 0,
  INPUT_DISK,
  INPUT_VMX,
  INPUT_OVA,
  INPUT_OVF,
  INPUT_LIBVIRT_XML,
  INPUT_LIBVIRT,
};

/* Strings are as the user gave them, or NULL. */
struct remote_options {
  const char *nbdkit; /* the program */
  const char *user, *server;
  char *password, *cookie; /* the secrets themselves */
  const char *cookie_script, *cookie_script_renew, *cainfo, *sslverify;
  const char *known_hosts, *identity, *verify_remote_host;
  bool vddk_used; /* any vddk-... parameter was given */
  const char *vddk_plugin, *vddk_vm;
  char **vddk; /* "libdir=...", passed on */
  size_t nr_vddk;
};

struct source_options {
  enum input input;
  char **files; /* absolute paths or URIs */
  size_t nr_files;
  const char *name;        /* instead of the machine's own, or NULL */
  const char *format;      /* of all disks, or NULL */
  const char *libvirt_uri; /* or NULL: libvirt's default */
  const char *tmpdir;
  uint64_t unpack_limit;
  bool allow_backing;
  bool verify; /* manifests */
  struct remote_options remote;
  char **allow_dirs; /* real paths, NULL-terminated, or NULL */
};

struct source {
  struct machine machine;
  struct disk **disks;
  size_t nr_disks;
  struct container **containers;
  size_t nr_containers;
  int *secrets; /* memfds */
  size_t nr_secrets;
};

/* NULL with an error. */
extern struct source *
source_open (const struct source_options *opts, struct diag *d);
extern void source_free (struct source *s);

/* The description, with the sizes of all disks (which may start children).
 * NULL with an error.
 */
extern char *source_json (struct source *s, struct diag *d);

/* For source-*.c. */
extern struct container *
source_add_container (struct source *s, struct container *c, struct diag *d);
extern void source_container_options (const struct source_options *opts,
                                      struct container_options *r);
/* Add the disk of an image in C; FORMAT may be NULL. */
extern int
source_add_image (struct source *s, const struct source_options *opts,
                  struct container *c, const struct blob *b, const char *name,
                  const char *format, struct diag *d);
extern int
source_add_disk (struct source *s, struct disk *disk, struct diag *d);
/* Add the disks of s->machine.refs; C is where REF_FILEs are. */
extern int
source_add_refs (struct source *s, const struct source_options *opts,
                 struct container *c, const char *base, struct diag *d);
extern int
source_ova (struct source *s, const struct source_options *opts,
            const char *path, bool is_dir, const char *ovf, struct diag *d);
/* Disks on other hosts. */
extern int source_add_ssh (struct source *s, const struct source_options *opts,
                           const char *url, struct diag *d);
extern int source_add_http (struct source *s, const struct source_options *opts,
                            const char *url, struct diag *d);
extern int
source_add_vmware (struct source *s, const struct source_options *opts,
                   const struct disk_ref *ref, struct diag *d);
extern int source_ssh_vmx (struct source *s, const struct source_options *opts,
                           const char *url, struct diag *d);
/* A domain by name; volumes of a domain, if it has any. */
extern int source_libvirt (struct source *s, const struct source_options *opts,
                           const char *name, struct diag *d);
extern int
source_libvirt_volumes (struct source *s, const struct source_options *opts,
                        struct diag *d);
/* A file's name without directory and ending. */
extern char *source_stem (const char *path);

#endif /* V2V_SOURCE_H */
