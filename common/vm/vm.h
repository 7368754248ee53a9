/* SPDX-License-Identifier: BSD-3-Clause */

/* `struct vm`: the description of a virtual machine as its source
 * documents give it.  Filled by the readers of plugins/v2v, carried as
 * JSON (v2v/source.json, docs/source.schema.json), read by the writers
 * of filters/convert/helper/target.
 *
 * Strings are UTF-8, allocated, owned by the struct; NULL = not known.
 * Numbers: 0 = not known, unless said otherwise.
 */

#ifndef V2V_VM_H
#define V2V_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vm_tristate { VM_UNKNOWN = 0, VM_NO, VM_YES };

enum vm_firmware {
  VM_FIRMWARE_UNKNOWN = 0,
  VM_FIRMWARE_BIOS,
  VM_FIRMWARE_UEFI
};

enum vm_controller {
  VM_CONTROLLER_UNKNOWN = 0,
  VM_CONTROLLER_IDE,
  VM_CONTROLLER_SATA,
  VM_CONTROLLER_SCSI,
  VM_CONTROLLER_NVME,
  VM_CONTROLLER_VIRTIO_BLK,
  VM_CONTROLLER_VIRTIO_SCSI,
  VM_CONTROLLER_XEN,
  VM_CONTROLLER_FLOPPY,
};

enum vm_nic_kind { VM_NIC_NETWORK = 0, VM_NIC_BRIDGE };

struct vm_disk {
  char *name;    /* export name: "disk0", "disk1", ... */
  uint64_t size; /* bytes */
  enum vm_controller controller;
  char *controller_model; /* "lsilogic", "pvscsi", ... */
  char *serial;
  unsigned sector_size; /* bytes, as the guest sees them */
  int boot_order;       /* from 1 */
};

enum vm_removable_kind { VM_CDROM = 0, VM_FLOPPY };

struct vm_removable {
  enum vm_removable_kind kind;
  enum vm_controller controller;
  int slot; /* on its bus, from 0; -1 = not known */
};

struct vm_nic {
  char *mac;   /* "00:0c:29:aa:bb:cc", lower case */
  char *model; /* as the source names it, lower case */
  enum vm_nic_kind kind;
  char *vnet; /* name of the network or bridge */
  int boot_order;
};

struct vm_display {
  char *type; /* "vnc", "spice", "window"; NULL = none */
  char *keymap;
  char *password;
  char *listen;      /* address, or NULL */
  char *listen_type; /* "address", "network", "socket", "none" */
  int port;          /* -1 = automatic */
};

struct vm {
  char *hypervisor; /* "vmware", "kvm", "xen", "hyperv", ... */
  char *name;
  char *uuid;      /* SMBIOS */
  char *genid;     /* libvirt's layout of the text */
  char *os_hint;   /* what the source says it is */
  uint64_t memory; /* bytes */
  unsigned vcpus;
  char *cpu_vendor, *cpu_model;
  unsigned cpu_sockets, cpu_cores, cpu_threads;
  char **features; /* NULL-terminated, "acpi", "apic", ... */
  enum vm_firmware firmware;
  enum vm_tristate secure_boot;
  char *nvram;                   /* path or URI of the NVRAM file */
  char *tpm_model, *tpm_version; /* "tpm-crb", "2.0" */
  enum vm_tristate rtc_utc;
  char *sound; /* libvirt's model names */
  struct vm_display display;
  struct vm_disk *disks;
  size_t nr_disks;
  struct vm_removable *removables;
  size_t nr_removables;
  struct vm_nic *nics;
  size_t nr_nics;
};

extern struct vm *vm_new (void);
extern void vm_free (struct vm *vm);

/* One more element, zeroed (vm_add_disk names it "diskN", vm_add_removable
 * sets slot = -1).  The pointer is valid until the next element of that
 * array is added.  NULL and errno on error.  vm_add_feature does nothing if
 * the feature is there already; 0, or -1 and errno.
 */
extern struct vm_disk *vm_add_disk (struct vm *vm);
extern struct vm_removable *vm_add_removable (struct vm *vm);
extern struct vm_nic *vm_add_nic (struct vm *vm);
extern int vm_add_feature (struct vm *vm, const char *name);

/* True if the LEN bytes are UTF-8 without NUL. */
extern bool vm_utf8_valid (const char *s, size_t len);

/* JSON.  Both return NULL on error; *error then is an allocated message
 * that names the key (itself NULL only when memory ran out).  Unknown keys
 * are ignored when reading; text of at most 16 MiB, 4096 elements in an
 * array.
 */
extern char *vm_to_json (const struct vm *vm, char **error);
extern struct vm *vm_from_json (const char *text, size_t len, char **error);

#endif /* V2V_VM_H */
