/* SPDX-License-Identifier: BSD-3-Clause */

/* The documents that describe the converted machine to what will run it.
 *
 * Every writer takes the description of the source (NULL if there was
 * none: two GiB, one CPU, one NIC on the network "default") and the
 * facts that the conversion found, and returns text.  Writers are pure:
 * they open no file, start no program and know neither nbdkit nor
 * libguestfs.  All strings may be hostile; what a document cannot hold is
 * replaced and, where something is lost, said through facts->warn.
 */

#ifndef V2V_TARGET_H
#define V2V_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm.h"

enum target_block {
  TARGET_BLOCK_VIRTIO_BLK = 0,
  TARGET_BLOCK_VIRTIO_SCSI,
  TARGET_BLOCK_IDE
};
enum target_net { TARGET_NET_VIRTIO = 0, TARGET_NET_E1000, TARGET_NET_RTL8139 };

/* TARGET_MACHINE_VIRT stands for "the only one" of other architectures. */
enum target_machine {
  TARGET_MACHINE_Q35 = 0,
  TARGET_MACHINE_I440FX,
  TARGET_MACHINE_VIRT
};

struct target_disk {
  const char *path;   /* absolute, or relative to the documents, or
                                   an NBD URI (nbd://, nbds://, nbd+unix://) */
  const char *pool;   /* libvirt: the disk is the volume of this pool that is
                                   called as the last component of path,
                                   NULL = a file */
  const char *format; /* "raw" (also if NULL) or "qcow2" */
  uint64_t size;      /* bytes of the virtual disk */
  uint64_t allocated; /* bytes in use, 0 = not known */
  bool preallocated;
  unsigned sector_size; /* bytes of a logical sector, 0 = 512 */
  const char *serial;   /* NULL = as the source has it */
  const char *claim;    /* KubeVirt: PersistentVolumeClaim that holds
                                   the disk, NULL = none */
  const char *image_id, *volume_id; /* oVirt: UUIDs, NULL = derived */
};

/* Where a NIC goes.  A rule for its MAC address wins over a rule for its
 * network (or bridge), which wins over a rule with FROM = NULL for all
 * networks (or bridges).  Names compare exactly, MACs without case.
 */
enum target_map_kind {
  TARGET_MAP_MAC = 0,
  TARGET_MAP_NETWORK,
  TARGET_MAP_BRIDGE
};
struct target_map {
  enum target_map_kind kind;
  const char *from;
  enum vm_nic_kind to_kind; /* only for TARGET_MAP_MAC; the other two
                                   keep the kind */
  const char *to;
};

struct target_facts {
  /* Inspection.  NULL or 0 = not known. */
  const char *type;            /* "linux", "windows" */
  const char *distro;          /* "debian", "rhel", "windows" */
  const char *osinfo;          /* libosinfo short id, "debian12" */
  const char *osinfo_id;       /* its full id (target_lookup_os) */
  const char *arch;            /* "x86_64", "i686", "aarch64", ... */
  const char *product_name;    /* "Debian GNU/Linux 12 (bookworm)" */
  const char *product_variant; /* "Server", "Client", ... */
  int major, minor;

  /* What the guest has drivers for. */
  enum target_block block;
  enum target_net net;
  bool rng, balloon, pvpanic, vsock;
  enum target_machine machine;
  bool virtio_1_0; /* false: needs transitional devices */
  bool rtc_utc;
  const char *timezone; /* IANA name, used where the target cannot
                                   say "local time"; NULL = not known */

  /* Firmware: what the source says wins over the first; for the others
   * UNKNOWN means as the source says.
   */
  enum vm_firmware firmware;
  enum vm_tristate secure_boot;
  enum vm_tristate tpm;

  int boot_disk; /* index, -1 = not known */
  const struct target_disk *disks;
  size_t nr_disks;

  const char *name; /* of the target, NULL = the source's */
  const struct target_map *maps;
  size_t nr_maps;

  const char *vm_id;          /* oVirt: UUID, NULL = derived */
  const char *storage_domain; /* oVirt: UUID, NULL = left out */

  /* Receives what a document could not express.  May be NULL.  CODE is
   * stable ("target-sound"); both strings live only during the call.
   */
  void (*warn) (void *opaque, const char *code, const char *message);
  void *warn_opaque;
};

/* Each returns 0 and sets *text (allocated, *len bytes, followed by a
 * NUL that is not counted), or -1 and sets *error (allocated).
 */
typedef int (*target_writer) (const struct vm *source,
                              const struct target_facts *facts, char **text,
                              size_t *len, char **error);

extern int
target_write_libvirt (const struct vm *source, const struct target_facts *facts,
                      char **text, size_t *len, char **error);
extern int
target_write_qemu (const struct vm *source, const struct target_facts *facts,
                   char **text, size_t *len, char **error);
extern int target_write_kubevirt (const struct vm *source,
                                  const struct target_facts *facts, char **text,
                                  size_t *len, char **error);
extern int target_write_openstack (const struct vm *source,
                                   const struct target_facts *facts,
                                   char **text, size_t *len, char **error);
extern int
target_write_ovf (const struct vm *source, const struct target_facts *facts,
                  char **text, size_t *len, char **error);
extern int
target_write_json (const struct vm *source, const struct target_facts *facts,
                   char **text, size_t *len, char **error);

/* All of them, in the order in which they are listed. */
struct target_document {
  const char *name; /* "domain.xml" */
  target_writer write;
  int mode; /* 0755 for the script, else 0644 */
};
extern const struct target_document target_documents[];
extern const size_t target_nr_documents;

/* Write all documents.  CB gets each (TEXT lives during the call) and
 * returns 0, or -1 with *error set to stop.  A warning that several
 * documents share is given once.  Return 0 or -1 with *error.
 */
typedef int (*target_document_cb) (void *opaque,
                                   const struct target_document *document,
                                   const char *text, size_t len, char **error);
extern int
target_write_all (const struct vm *source, const struct target_facts *facts,
                  target_document_cb cb, void *opaque, char **error);

/* What the user says about the target, NAME=VALUE each:
 *
 *   name=NAME                  of the machine
 *   network=[SOURCE:]TARGET    where NICs on this network go
 *   bridge=[SOURCE:]TARGET     the same for bridges
 *   mac=MAC:network|bridge:TARGET
 *   output-dir=DIR             where the disks will be, "" = beside the
 *                              documents
 *   output-pool=POOL           of libvirt, whose directory output-dir is
 *   output-format=raw|qcow2
 *   output-allocation=sparse|preallocated
 *
 * Begin with all zero.  target_options_set returns 1, 0 if it does not
 * know NAME, or -1 with *error.
 */
struct target_options {
  char *name, *output_dir, *output_pool;
  bool qcow2, preallocated;
  struct target_map *maps;
  size_t nr_maps;
  struct target_disk *disks; /* made by target_options_apply */
  size_t nr_disks;
};
extern int target_options_set (struct target_options *o, const char *name,
                               const char *value, char **error);
/* Fill name, disks (SIZES in bytes, N of them) and maps of FACTS.  They
 * are named DIR/NAME-diskI.img or .qcow2 and belong to O, which must
 * outlive FACTS.  Other members of the disks may be set afterwards.
 */
extern int
target_options_apply (struct target_options *o, const struct vm *source,
                      const uint64_t *sizes, size_t n,
                      struct target_facts *facts, char **error);
extern void target_options_clear (struct target_options *o);

/* Names.  All return an allocated string, or NULL when out of memory; a
 * NULL or empty NAME gives "unnamed" (or "vm").  If something had to be
 * cut or the result would be meaningless, eight hex digits of a digest of
 * the name keep two such names apart.
 */

/* A file name: one path component, at most 80 bytes, that does not begin
 * with a dot or a dash.
 */
extern char *target_name_file (const char *name);
/* A libvirt domain name: no slash, no control character. */
extern char *target_name_domain (const char *name);
/* A DNS label (RFC 1123): a-z 0-9 -, at most 63. */
extern char *target_name_dns (const char *name);
/* A Kubernetes label value: at most 63 of A-Za-z0-9._-. */
extern char *target_name_label (const char *name);

/* Quote for a POSIX shell: one word, whatever S holds. */
extern char *target_shell_quote (const char *s);

/* Which machine and which generation of virtio the operating system
 * wants: from libosinfo if it knows SHORT_ID, else from a table.  Every
 * argument may be NULL or 0.  OUT->osinfo_id is allocated, NULL if
 * libosinfo does not know.  Loads libosinfo's database the first time
 * (about a second); not thread safe.
 */
struct target_os {
  char *osinfo_id;
  enum target_machine machine;
  bool virtio_1_0;
};
extern void
target_lookup_os (const char *short_id, const char *type, const char *distro,
                  int major, const char *arch, struct target_os *out);

/* The table behind it, without libosinfo. */
extern void target_default_os (const char *type, const char *distro, int major,
                               const char *arch, struct target_os *out);

#endif /* V2V_TARGET_H */
