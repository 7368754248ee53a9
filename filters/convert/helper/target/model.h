/* SPDX-License-Identifier: BSD-3-Clause */

/* The machine as all writers see it: the source's description and the
 * facts merged, defaults filled in, names cleaned to valid UTF-8, every
 * disk, drive and NIC with its bus, unit, device name and boot order.
 * The rules that hold for all documents are here and only here.
 */

#ifndef V2V_TARGET_MODEL_H
#define V2V_TARGET_MODEL_H

#include "target.h"

enum bus { BUS_VIRTIO = 0, BUS_SCSI, BUS_IDE, BUS_SATA, BUS_FLOPPY, NR_BUSES };

struct model_disk {
  char *path;
  char *pool;         /* of libvirt, or NULL */
  const char *format; /* static: "raw", "qcow2" */
  bool uri;           /* path is an NBD URI */
  uint64_t size;
  unsigned sector; /* bytes of a logical sector, 0 = 512 */
  char *serial;
  enum bus bus;
  unsigned unit; /* on that bus, from 0 */
  char dev[16];  /* "vda"; unique in the machine */
  unsigned boot; /* from 1, unique, dense */
  const struct target_disk *facts;
};

struct model_removable {
  enum vm_removable_kind kind;
  enum bus bus;
  unsigned unit;
  char dev[16];
};

struct model_nic {
  char *mac; /* lower case, or NULL */
  enum vm_nic_kind kind;
  char *vnet;
  unsigned boot; /* 0 = not booted from */
};

struct model {
  const struct target_facts *facts;
  char *name, *title; /* title: the name, only made UTF-8 */
  char *uuid, *genid; /* well formed, lower case, or NULL */
  char *hypervisor;
  const char *arch; /* "x86_64", "i686", "aarch64", ... */
  bool x86;
  enum target_machine machine;
  bool transitional; /* say so for every virtio device */
  uint64_t memory;   /* bytes, a multiple of 1 MiB */
  unsigned vcpus;
  unsigned sockets, cores, threads; /* all 0 = no topology */
  char *cpu_model, *cpu_vendor;
  bool uefi, secure_boot;
  const char *tpm_model; /* static, NULL = no TPM */
  const char *tpm_version;
  bool windows;
  const char *sound;  /* static, one of libvirt's, or NULL */
  char *display_type; /* "vnc", "spice", "window" */
  char *display_keymap, *display_password, *display_listen;
  char *display_listen_type;
  int display_port; /* > 0, or -1 = automatic */
  struct model_disk *disks;
  size_t nr_disks;
  struct model_removable *removables;
  size_t nr_removables;
  struct model_nic *nics;
  size_t nr_nics;
};

/* NULL with *error set on failure. */
extern struct model *model_new (const struct vm *source,
                                const struct target_facts *facts, char **error);
extern void model_free (struct model *m);

extern void
model_warn (const struct model *m, const char *code, const char *fmt, ...)
  __attribute__ ((format (printf, 3, 4)));

/* Within the model: model.c. */

/* A copy of S if it is a name that every hypervisor's command line can
 * take, else NULL; also when out of memory, which sets *OOM.
 */
extern char *model_copy_word (const char *s, bool *oom);

/* model-disks.c.  SOURCE may be NULL.  Return 0, or -1 with *ERROR set. */
extern int model_set_disks (struct model *m, const struct vm *source, bool *oom,
                            char **error);
/* Of disks and NICs, which are there. */
extern void model_set_boot_order (struct model *m, const struct vm *source);

/* How many units of BUS are used: the highest, plus one. */
extern unsigned model_bus_size (const struct model *m, enum bus bus);

/* TARGET has no word for the size of sectors: warn of disks that need it. */
extern void model_warn_sectors (const struct model *m, const char *target);

/* The NIC's model: "virtio", "e1000", "rtl8139". */
extern const char *model_nic_model (const struct model *m);

/* A UUID made from the machine's name and identity, and WHAT; the same
 * every time.
 */
extern void model_derive_uuid (const struct model *m, const char *what,
                               unsigned i, char out[37]);

/* nbd-uri.c: an NBD URI taken apart.  Strings are allocated. */
struct nbd_uri {
  bool tls;
  char *socket; /* or: */
  char *host;
  int port;
  char *export; /* never NULL */
};
extern bool nbd_uri_is (const char *s);
extern int nbd_uri_parse (const char *s, struct nbd_uri *out, char **error);
extern void nbd_uri_clear (struct nbd_uri *u);

/* text.c: a copy with every invalid byte sequence of UTF-8 replaced by
 * U+FFFD.  NULL gives NULL and is no error; out of memory aborts the
 * writer through *oom.
 */
extern char *text_utf8 (const char *s, bool *oom);
extern unsigned text_digest (const char *s);
extern bool text_is_uuid (const char *s);

/* error.c: set *error and return -1. */
extern int target_error (char **error, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));

#endif /* V2V_TARGET_MODEL_H */
