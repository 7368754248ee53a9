/* SPDX-License-Identifier: BSD-3-Clause */

/* VMX, the configuration file of VMware's machines: what its keys mean.  A
 * device whose "present" is false does not exist.
 */

#include <config.h>

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "machine.h"
#include "v2v-utils.h"
#include "vmx-keys.h"

/*--------------------------------------------------------------------
 * Devices.
 */

/* Numbers of a "scsi0:1" or "ethernet3" whose keys exist, sorted. */
struct numbers {
  struct {
    unsigned bus, unit;
  } at[1024];
  size_t nr;
};

static void
collect (const struct vmx *v, const char *type, bool units, struct numbers *r)
{
  size_t i, j, n = strlen (type);

  r->nr = 0;
  for (i = 0; i < v->nr; ++i) {
    const char *p = v->pairs[i].key;
    unsigned long bus, unit = 0;
    char *end;

    if (strncmp (p, type, n) != 0 || !isdigit ((unsigned char)p[n]))
      continue;
    bus = strtoul (p + n, &end, 10);
    if (units) {
      if (*end != ':' || !isdigit ((unsigned char)end[1]))
        continue;
      unit = strtoul (end + 1, &end, 10);
    }
    if (*end != '.' || bus > 255 || unit > 255)
      continue;
    for (j = 0; j < r->nr; ++j)
      if (r->at[j].bus == bus && r->at[j].unit == unit)
        break;
    if (j < r->nr || r->nr == V2V_ARRAY_SIZE (r->at))
      continue;
    for (j = r->nr++;
         j > 0 && (r->at[j - 1].bus > bus ||
                   (r->at[j - 1].bus == bus && r->at[j - 1].unit > unit));
         --j)
      r->at[j] = r->at[j - 1];
    r->at[j].bus = bus;
    r->at[j].unit = unit;
  }
}

static bool
word_in (const char *s, const char *const *words)
{
  for (; *words; ++words)
    if (strcasecmp (s, *words) == 0)
      return true;
  return false;
}

static bool
ends_with (const char *s, const char *end)
{
  size_t n = strlen (s), m = strlen (end);

  return n >= m && strcasecmp (s + n - m, end) == 0;
}

static int
add_disk (const struct vmx *v, const char *type, unsigned bus, unsigned unit,
          enum vm_controller controller, struct machine *m, struct diag *d)
{
  const struct vmx_pair *p = vmx_pair (v, "%s%u:%u.filename", type, bus, unit);
  const char *dev = vmx_get (v, "%s%u.virtualdev", type, bus);
  struct disk_ref *ref;
  struct vm_disk *disk;

  if (p == NULL || p->value[0] == '\0')
    return 0;
  disk = machine_add_disk (m, &ref, d);
  if (disk == NULL)
    return -1;
  disk->controller = controller;
  ref->kind = REF_FILE;
  ref->line = p->line;
  ref->location = strdup (p->value);
  ref->format = strdup ("vmdk");
  if (ref->location == NULL || ref->format == NULL)
    return diag_memory (d);
  return set_lower (&disk->controller_model, dev, "virtualDev", d);
}

/* "scsi0:1,scsi0:0" in bios.hddOrder: which disk is tried first. */
static int
boot_rank (const struct vmx *v, const char *type, unsigned bus, unsigned unit)
{
  const char *p = vmx_get (v, "bios.hddorder");
  char name[32];
  size_t n;
  int rank = 1;

  if (p == NULL)
    return 0;
  snprintf (name, sizeof name, "%s%u:%u", type, bus, unit);
  for (;; ++rank) {
    p += strspn (p, " \t,");
    if (*p == '\0')
      return 0;
    n = strcspn (p, " \t,");
    if (strlen (name) == n && strncasecmp (p, name, n) == 0)
      return rank;
    p += n;
  }
}

static int
get_drives (const struct vmx *v, struct machine *m, struct diag *d)
{
  static const struct {
    const char *type;
    enum vm_controller controller;
    unsigned per_bus;
  } types[] = {
    { "scsi", VM_CONTROLLER_SCSI, 16 },
    { "nvme", VM_CONTROLLER_NVME, 64 },
    { "sata", VM_CONTROLLER_SATA, 30 },
    { "ide", VM_CONTROLLER_IDE, 2 },
  };
  static const char *const disks[] = {
    "disk", "plainDisk", "rawDisk", "scsi-hardDisk", "ata-hardDisk", NULL,
  };
  static const char *const cdroms[] = {
    "atapi-cdrom", "cdrom-image", "cdrom-raw", "scsi-passthru", NULL,
  };
  struct numbers n;
  size_t i, j;

  for (i = 0; i < V2V_ARRAY_SIZE (types); ++i) {
    const char *type = types[i].type;

    collect (v, type, true, &n);
    for (j = 0; j < n.nr; ++j) {
      unsigned bus = n.at[j].bus, unit = n.at[j].unit;
      const char *kind = vmx_get (v, "%s%u:%u.devicetype", type, bus, unit);
      const char *file = vmx_get (v, "%s%u:%u.filename", type, bus, unit);
      struct vm_removable *r;

      if (vmx_is_false (vmx_get (v, "%s%u.present", type, bus)) ||
          vmx_is_false (vmx_get (v, "%s%u:%u.present", type, bus, unit)))
        continue;
      if (kind ? word_in (kind, disks)
               : file && file[0] && !ends_with (file, ".iso")) {
        size_t before = m->vm->nr_disks;

        if (add_disk (v, type, bus, unit, types[i].controller, m, d) == -1)
          return -1;
        if (m->vm->nr_disks > before)
          m->vm->disks[before].boot_order = boot_rank (v, type, bus, unit);
      }
      else if (kind ? word_in (kind, cdroms) : file && file[0]) {
        r = vm_add_removable (m->vm);
        if (r == NULL)
          return diag_memory (d);
        r->kind = VM_CDROM;
        r->controller = types[i].controller;
        r->slot = bus * types[i].per_bus + unit;
      }
      else if (kind)
        diag_warn (d, "%s%u:%u: device type \"%.40s\" is not known: ignored",
                   type, bus, unit, kind);
    }
  }

  collect (v, "floppy", false, &n);
  for (i = 0; i < n.nr; ++i) {
    struct vm_removable *r;

    if (vmx_is_false (vmx_get (v, "floppy%u.present", n.at[i].bus)))
      continue;
    r = vm_add_removable (m->vm);
    if (r == NULL)
      return diag_memory (d);
    r->kind = VM_FLOPPY;
    r->controller = VM_CONTROLLER_FLOPPY;
    r->slot = n.at[i].bus;
  }
  return 0;
}

static int
get_nics (const struct vmx *v, struct machine *m, struct diag *d)
{
  struct numbers n;
  size_t i;

  collect (v, "ethernet", false, &n);
  for (i = 0; i < n.nr; ++i) {
    unsigned k = n.at[i].bus;
    const char *type = vmx_get (v, "ethernet%u.addresstype", k);
    const char *is_static = vmx_get (v, "ethernet%u.address", k);
    const char *generated = vmx_get (v, "ethernet%u.generatedaddress", k);
    const char *connection = vmx_get (v, "ethernet%u.connectiontype", k);
    const char *network = vmx_get (v, "ethernet%u.networkname", k);
    char name[32];
    struct vm_nic *nic;

    /* Whatever a machine that never had the device left behind. */
    if (vmx_is_false (vmx_get (v, "ethernet%u.present", k)))
      continue;
    nic = vm_add_nic (m->vm);
    if (nic == NULL)
      return diag_memory (d);
    nic->kind = connection && strcasecmp (connection, "bridged") == 0
                  ? VM_NIC_BRIDGE
                  : VM_NIC_NETWORK;
    snprintf (name, sizeof name, "ethernet%u", k);
    if (type && strcasecmp (type, "static") == 0 && is_static)
      generated = is_static;
    if (set_mac (&nic->mac, generated ? generated : is_static, d) == -1 ||
        set_lower (&nic->model, vmx_get (v, "ethernet%u.virtualdev", k),
                   "virtualDev", d) == -1 ||
        set_string (&nic->vnet, network && network[0] ? network : name,
                    "networkName", d) == -1)
      return -1;
  }
  return 0;
}

/*--------------------------------------------------------------------
 * The machine.
 */

/* Two signed 64 bit numbers to libvirt's text (Windows' byte order). */
static int
get_genid (const struct vmx *v, struct vm *vm, struct diag *d)
{
  const struct vmx_pair *a = vmx_find (v, "vm.genid"),
                        *b = vmx_find (v, "vm.genidx");
  uint64_t lo, hi;
  char *end1, *end2;
  int i;

  if (a == NULL || b == NULL)
    return 0;
  errno = 0;
  lo = a->value[0] == '-' ? (uint64_t)strtoll (a->value, &end1, 10)
                          : strtoull (a->value, &end1, 10);
  hi = b->value[0] == '-' ? (uint64_t)strtoll (b->value, &end2, 10)
                          : strtoull (b->value, &end2, 10);
  if (errno || end1 == a->value || *end1 || end2 == b->value || *end2) {
    diag_warn (d,
               "line %u: vm.genid and vm.genidX are not 64 bit numbers: "
               "ignored",
               a->line);
    return 0;
  }
  if (lo == 0 && hi == 0)
    return 0;
  vm->genid = malloc (37);
  if (vm->genid == NULL)
    return diag_memory (d);
  i = sprintf (vm->genid, "%08" PRIx32 "-%04x-%04x-%02x%02x-", (uint32_t)lo,
               (unsigned)(lo >> 32 & 0xffff), (unsigned)(lo >> 48),
               (unsigned)(hi & 0xff), (unsigned)(hi >> 8 & 0xff));
  for (hi >>= 16; i < 36; hi >>= 8)
    i += sprintf (vm->genid + i, "%02x", (unsigned)(hi & 0xff));
  return 0;
}

static int
get_sound (const struct vmx *v, struct vm *vm, struct diag *d)
{
  static const struct {
    const char *dev, *model;
  } models[] = {
    { "sb16", "sb16" },
    { "es1371", "es1370" },
    { "hdaudio", "ich6" },
  };
  const char *dev = vmx_get (v, "sound.virtualdev");
  size_t i;

  if (dev == NULL || vmx_is_false (vmx_get (v, "sound.present")))
    return 0;
  for (i = 0; i < V2V_ARRAY_SIZE (models); ++i)
    if (strcasecmp (models[i].dev, dev) == 0)
      return set_string (&vm->sound, models[i].model, "sound", d);
  diag_warn (d, "sound.virtualDev: \"%.40s\" is not known: ignored", dev);
  return 0;
}

static int
get_machine (const struct vmx *v, const char *fallback, struct machine *m,
             struct diag *d)
{
  struct vm *vm = m->vm;
  uint64_t memory = 32, vcpus = 1, cores = UINT64_MAX;
  const char *s;
  char uuid[37];

  if (set_string (&vm->hypervisor, "vmware", "hypervisor", d) == -1 ||
      set_string (&vm->name, vmx_get (v, "displayname"), "displayName", d) ==
        -1 ||
      set_string (&vm->os_hint, vmx_get (v, "guestos"), "guestOS", d) == -1 ||
      set_string (&vm->nvram, vmx_get (v, "nvram"), "nvram", d) == -1 ||
      vmx_number (v, "memsize", UINT64_MAX >> 20, &memory, d) == -1 ||
      vmx_number (v, "numvcpus", 65536, &vcpus, d) == -1 ||
      vmx_number (v, "cpuid.corespersocket", UINT64_MAX - 1, &cores, d) == -1 ||
      get_genid (v, vm, d) == -1 || get_sound (v, vm, d) == -1)
    return -1;
  if (vm->name == NULL) {
    diag_warn (d, "displayName is missing: the machine is called \"%s\"",
               fallback);
    if (set_string (&vm->name, fallback, "name", d) == -1)
      return -1;
  }
  vm->memory = memory << 20;
  vm->vcpus = vcpus ? vcpus : 1;
  if (cores != UINT64_MAX)
    set_topology (vm, cores, "cpuid.coresPerSocket", d);

  s = vmx_get (v, "uuid.bios");
  if (s && uuid_text (s, uuid)) {
    if (set_string (&vm->uuid, uuid, "uuid.bios", d) == -1)
      return -1;
  }
  else if (s)
    diag_warn (d, "uuid.bios is not a UUID: ignored");

  s = vmx_get (v, "firmware");
  vm->firmware = VM_FIRMWARE_BIOS;
  if (s && strcasecmp (s, "efi") == 0) {
    vm->firmware = VM_FIRMWARE_UEFI;
    vm->secure_boot = vmx_is_true (vmx_get (v, "uefi.secureboot.enabled"))
                        ? VM_YES
                        : VM_NO;
  }
  else if (s && strcasecmp (s, "bios") != 0)
    diag_warn (d, "firmware: \"%.40s\" is not known: taken as BIOS", s);

  if (vmx_is_true (vmx_get (v, "vtpm.present")) &&
      (set_string (&vm->tpm_model, "tpm-crb", "tpm", d) == -1 ||
       set_string (&vm->tpm_version, "2.0", "tpm", d) == -1))
    return -1;
  if (get_drives (v, m, d) == -1 || get_nics (v, m, d) == -1)
    return -1;
  if (vm->nr_disks == 0)
    return diag_error (d, "the machine has no disks");
  return 0;
}

int
vmx_parse (const char *text, size_t len, const char *fallback,
           struct machine *m, struct diag *d)
{
  struct vmx v = { 0 };
  int r;

  if (machine_init (m, d) == -1)
    return -1;
  r = vmx_read (&v, text, len, d);
  if (r == 0)
    r = get_machine (&v, fallback, m, d);
  vmx_free (&v);
  return r;
}
