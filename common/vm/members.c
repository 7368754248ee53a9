/* SPDX-License-Identifier: BSD-3-Clause */

/* See members.h. */

#include <config.h>

#include "members.h"
#include "v2v-utils.h"
#include "vm.h"

static const char *const controllers[] = {
  [VM_CONTROLLER_UNKNOWN] = NULL,
  [VM_CONTROLLER_IDE] = "ide",
  [VM_CONTROLLER_SATA] = "sata",
  [VM_CONTROLLER_SCSI] = "scsi",
  [VM_CONTROLLER_NVME] = "nvme",
  [VM_CONTROLLER_VIRTIO_BLK] = "virtio-blk",
  [VM_CONTROLLER_VIRTIO_SCSI] = "virtio-scsi",
  [VM_CONTROLLER_XEN] = "xen",
  [VM_CONTROLLER_FLOPPY] = "floppy",
};
static const char *const firmwares[] = { NULL, "bios", "uefi" };
static const char *const removable_kinds[] = { "cdrom", "floppy" };
static const char *const nic_kinds[] = { "network", "bridge" };

#define M(type, key, kind, member) \
  { \
    key, kind, offsetof (struct type, member), NULL, 0, 0 \
  }
#define M_WORD(type, key, member, words) \
  { \
    key, WORD, offsetof (struct type, member), words, V2V_ARRAY_SIZE (words), \
      0 \
  }
#define M_INT(type, key, member, missing) \
  { \
    key, INT, offsetof (struct type, member), NULL, 0, missing \
  }
#define MEMBERS(list) \
  { \
    list, V2V_ARRAY_SIZE (list) \
  }

static const struct member vm_list[] = {
  M (vm, "hypervisor", STRING, hypervisor),
  M (vm, "name", STRING, name),
  M (vm, "uuid", STRING, uuid),
  M (vm, "genid", STRING, genid),
  M (vm, "os_hint", STRING, os_hint),
  M (vm, "memory", UINT64, memory),
  M (vm, "vcpus", UNSIGNED, vcpus),
  M_WORD (vm, "firmware", firmware, firmwares),
  M (vm, "secure_boot", TRISTATE, secure_boot),
  M (vm, "nvram", STRING, nvram),
  M (vm, "rtc_utc", TRISTATE, rtc_utc),
  M (vm, "sound", STRING, sound),
};

static const struct member cpu_list[] = {
  M (vm, "vendor", STRING, cpu_vendor),
  M (vm, "model", STRING, cpu_model),
  M (vm, "sockets", UNSIGNED, cpu_sockets),
  M (vm, "cores", UNSIGNED, cpu_cores),
  M (vm, "threads", UNSIGNED, cpu_threads),
};

static const struct member tpm_list[] = {
  M (vm, "model", STRING, tpm_model),
  M (vm, "version", STRING, tpm_version),
};

static const struct member display_list[] = {
  M (vm_display, "type", STRING, type),
  M (vm_display, "keymap", STRING, keymap),
  M (vm_display, "password", STRING, password),
  M (vm_display, "listen", STRING, listen),
  M (vm_display, "listen_type", STRING, listen_type),
  M_INT (vm_display, "port", port, -1),
};

static const struct member disk_list[] = {
  M (vm_disk, "name", STRING, name),
  M (vm_disk, "size", UINT64, size),
  M_WORD (vm_disk, "controller", controller, controllers),
  M (vm_disk, "controller_model", STRING, controller_model),
  M (vm_disk, "serial", STRING, serial),
  M (vm_disk, "sector_size", UNSIGNED, sector_size),
  M_INT (vm_disk, "boot_order", boot_order, 0),
};

static const struct member removable_list[] = {
  M_WORD (vm_removable, "kind", kind, removable_kinds),
  M_WORD (vm_removable, "controller", controller, controllers),
  M_INT (vm_removable, "slot", slot, -1),
};

static const struct member nic_list[] = {
  M (vm_nic, "mac", STRING, mac),
  M (vm_nic, "model", STRING, model),
  M_WORD (vm_nic, "kind", kind, nic_kinds),
  M (vm_nic, "vnet", STRING, vnet),
  M_INT (vm_nic, "boot_order", boot_order, 0),
};

const struct members vm_members_machine = MEMBERS (vm_list);
const struct members vm_members_cpu = MEMBERS (cpu_list);
const struct members vm_members_tpm = MEMBERS (tpm_list);
const struct members vm_members_display = MEMBERS (display_list);
const struct members vm_members_disk = MEMBERS (disk_list);
const struct members vm_members_removable = MEMBERS (removable_list);
const struct members vm_members_nic = MEMBERS (nic_list);
