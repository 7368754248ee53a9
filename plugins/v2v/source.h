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
  bool supervised; /* servers run already, while it is opened */
};

/* NULL with an error. */
extern struct source *
source_open (const struct source_options *opts, struct diag *d);
extern void source_free (struct source *s);

/* The description, with the sizes of all disks (which may start children).
 * NULL with an error.
 */
extern char *source_json (struct source *s, struct diag *d);

#endif /* V2V_SOURCE_H */
