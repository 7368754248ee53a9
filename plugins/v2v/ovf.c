/* SPDX-License-Identifier: BSD-3-Clause */

/* OVF (DSP0243 1.x and 2.x) of VMware, VirtualBox, Hyper-V and others.
 *
 *   Envelope
 *     References/File            id, href, size, compression, chunkSize
 *     DiskSection/Disk           diskId, fileRef, capacity, format
 *     VirtualSystem
 *       VirtualHardwareSection/Item (StorageItem, EthernetPortItem)
 *
 * An Item's ResourceType says what it is; Parent is the InstanceID of its
 * controller; HostResource "ovf:/disk/ID" or "ovf:/file/ID" its data.  IDs
 * are compared as strings, never made part of an XPath.
 */

#include <config.h>

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "machine.h"
#include "ovf-disk.h"
#include "ovf-items.h"
#include "v2v-utils.h"
#include "xml.h"

static int
get_removable (const struct ovf *o, const struct item *i, struct vm *vm,
               struct diag *d)
{
  struct vm_removable *r = vm_add_removable (vm);
  const struct item *parent;
  uint64_t slot = UINT64_MAX;
  CLEANUP_FREE char *s = ovf_text (i->node, "AddressOnParent");

  if (r == NULL)
    return diag_memory (d);
  r->kind = i->type == 14 ? VM_FLOPPY : VM_CDROM;
  r->controller = i->type == 14 ? VM_CONTROLLER_FLOPPY
                  : i->parent   ? ovf_controller (o, i, &parent, d)
                                : VM_CONTROLLER_UNKNOWN;
  if (s && whole_number (s, &slot) && slot <= 1024)
    r->slot = (int)slot;
  return 0;
}

static int
get_nic (const struct ovf *o, const struct item *i, struct vm *vm,
         struct diag *d)
{
  struct vm_nic *nic = vm_add_nic (vm);
  CLEANUP_FREE char *connection = ovf_text (i->node, "Connection");
  CLEANUP_FREE char *mac = ovf_text (i->node, "Address");
  char bare[18], *name = NULL;
  int r;

  if (nic == NULL)
    return diag_memory (d);
  nic->boot_order = ovf_boot_order (o, i);
  /* VirtualBox and Hyper-V write it without colons. */
  if (mac && strlen (mac) == 12 &&
      strspn (mac, "0123456789abcdefABCDEF") == 12) {
    snprintf (bare, sizeof bare, "%.2s:%.2s:%.2s:%.2s:%.2s:%.2s", mac, mac + 2,
              mac + 4, mac + 6, mac + 8, mac + 10);
    r = set_mac (&nic->mac, bare, d);
  }
  else
    r = set_mac (&nic->mac, mac, d);
  if (r == -1 ||
      set_lower (&nic->model, i->subtype, "ResourceSubType", d) == -1)
    return -1;
  if (connection) {
    nic->kind = VM_NIC_BRIDGE;
    return set_string (&nic->vnet, connection, "Connection", d);
  }
  nic->kind = VM_NIC_NETWORK;
  if (asprintf (&name, "eth%zu", vm->nr_nics - 1) == -1)
    return diag_memory (d);
  free (nic->vnet);
  nic->vnet = name;
  return 0;
}

static int
get_sound (const struct item *i, struct vm *vm, struct diag *d)
{
  static const struct {
    const char *part, *model;
  } models[] = {
    { "1371", "es1370" }, { "sb16", "sb16" },    { "ac97", "ac97" },
    { "hda", "ich6" },    { "hdaudio", "ich6" },
  };
  size_t k;

  for (k = 0; i->subtype && k < V2V_ARRAY_SIZE (models); ++k)
    if (strcasestr (i->subtype, models[k].part))
      return set_string (&vm->sound, models[k].model, "sound", d);
  return 0;
}

/*--------------------------------------------------------------------
 * The machine.
 */

/* vmw:Config and vmw:ExtraConfig: key, value. */
static char *
get_config (const struct ovf *o, const char *key, xmlNode **node)
{
  static const char *const names[] = { "Config", "ExtraConfig" };
  size_t i;
  xmlNode *n;

  for (i = 0; i < V2V_ARRAY_SIZE (names); ++i)
    for (n = xml_child (o->hardware, names[i]); n; n = xml_next (n)) {
      CLEANUP_FREE char *k = xml_attr (n, "key");

      if (k && strcasecmp (k, key) == 0) {
        *node = n;
        return xml_attr (n, "value");
      }
    }
  return NULL;
}

static int
get_firmware (const struct ovf *o, struct vm *vm, struct diag *d)
{
  static const char *const secure_keys[] = {
    "bootOptions.efiSecureBootEnabled",
    "uefi.secureBoot.enabled",
  };
  xmlNode *n = NULL;
  CLEANUP_FREE char *firmware = get_config (o, "firmware", &n);
  size_t i;

  if (firmware == NULL) { /* VirtualBox */
    n = xml_path (o->system, "Machine/Hardware/Firmware");
    firmware = xml_attr (n, "type");
  }
  if (firmware == NULL)
    vm->firmware = VM_FIRMWARE_UNKNOWN;
  else if (strncasecmp (firmware, "efi", 3) == 0)
    vm->firmware = VM_FIRMWARE_UEFI;
  else if (strcasecmp (firmware, "bios") == 0)
    vm->firmware = VM_FIRMWARE_BIOS;
  else
    return diag_error (d, "line %u: the firmware \"%.40s\" is not known",
                       xml_line (n), firmware);
  for (i = 0; i < V2V_ARRAY_SIZE (secure_keys); ++i) {
    CLEANUP_FREE char *s = get_config (o, secure_keys[i], &n);

    if (s)
      vm->secure_boot = strcasecmp (s, "true") == 0 ? VM_YES : VM_NO;
  }
  return 0;
}

static int
get_hypervisor (const struct ovf *o, struct vm *vm, struct diag *d)
{
  static const struct {
    const char *part, *name;
  } types[] = {
    { "vmx-", "vmware" },    { "vmw", "vmware" },    { "virtualbox", "vbox" },
    { "hyper-v", "hyperv" }, { "hyperv", "hyperv" }, { "xen", "xen" },
    { "kvm", "kvm" },        { "qemu", "kvm" },
  };
  CLEANUP_FREE char *s = xml_text (
    xml_path (o->hardware, "System/VirtualSystemType"));
  size_t i;

  for (i = 0; s && i < V2V_ARRAY_SIZE (types); ++i)
    if (strcasestr (s, types[i].part))
      return set_string (&vm->hypervisor, types[i].name, "hypervisor", d);
  return set_string (&vm->hypervisor, "vmware", "hypervisor", d);
}

static int
get_system (const struct ovf *o, const char *fallback, struct vm *vm,
            struct diag *d)
{
  xmlNode *os = xml_child (o->system, "OperatingSystemSection");
  CLEANUP_FREE char *name = ovf_text (o->system, "Name");
  CLEANUP_FREE char *id = xml_attr (o->system, "id");
  CLEANUP_FREE char *type = xml_attr (os, "osType");
  CLEANUP_FREE char *description = ovf_text (os, "Description");
  CLEANUP_FREE char *uuid = xml_attr (xml_child (o->system, "Machine"), "uuid");
  char text[37];

  if (name == NULL && id == NULL)
    diag_warn (d, "line %u: the machine has no Name: it is called \"%s\"",
               xml_line (o->system), fallback);
  if (set_string (&vm->name,
                  name ? name
                  : id ? id
                       : fallback,
                  "Name", d) == -1 ||
      set_string (&vm->os_hint, type ? type : description,
                  "OperatingSystemSection", d) == -1 ||
      get_hypervisor (o, vm, d) == -1 || get_firmware (o, vm, d) == -1)
    return -1;
  if (uuid && uuid_text (uuid, text))
    return set_string (&vm->uuid, text, "uuid", d);
  return 0;
}

static int
get_cpu (const struct item *i, struct vm *vm, uint64_t *cores, struct diag *d)
{
  uint64_t n = 1;

  if (ovf_number (i->node, "VirtualQuantity", 65536, &n, d) == -1 ||
      ovf_number (i->node, "CoresPerSocket", INT64_MAX, cores, d) == -1)
    return -1;
  vm->vcpus = n ? n : 1;
  return 0;
}

static int
get_items (const struct ovf *o, struct machine *m, struct diag *d)
{
  struct vm *vm = m->vm;
  uint64_t cores = UINT64_MAX;
  bool memory = false;
  size_t k;

  vm->vcpus = 1;
  for (k = 0; k < o->nr; ++k) {
    const struct item *i = &o->items[k];
    CLEANUP_FREE char *quantity = NULL, *units = NULL;
    int r = 0;

    switch (i->type) {
    case 1:
      if (i->subtype && strcasestr (i->subtype, "vtpm")) {
        r = set_string (&vm->tpm_model, "tpm-crb", "tpm", d);
        if (r == 0)
          r = set_string (&vm->tpm_version, "2.0", "tpm", d);
      }
      else
        r = get_sound (i, vm, d);
      break;
    case 3:
      r = get_cpu (i, vm, &cores, d);
      break;
    case 4:
      quantity = ovf_text (i->node, "VirtualQuantity");
      units = ovf_text (i->node, "AllocationUnits");
      if (quantity) {
        r = ovf_size (i->node, "memory", quantity, units, 1 << 20, &vm->memory,
                      d);
        memory = vm->memory > 0;
      }
      break;
    case 10:
      r = get_nic (o, i, vm, d);
      break;
    case 14:
    case 15:
    case 16:
      r = get_removable (o, i, vm, d);
      break;
    case 17:
      r = ovf_get_disk (o, i, m, d);
      break;
    case 35:
      r = get_sound (i, vm, d);
      break;
    default:
      break;
    }
    if (r == -1)
      return -1;
  }
  if (!memory) {
    diag_warn (d, "the machine has no memory size: 1 GiB is assumed");
    vm->memory = UINT64_C (1) << 30;
  }
  if (cores != UINT64_MAX)
    set_topology (vm, cores, "CoresPerSocket", d);
  if (vm->nr_disks == 0)
    return diag_error (d, "the machine has no disks");
  return 0;
}

/* The only VirtualSystem of the envelope, collections included. */
static int
find_systems (xmlNode *n, xmlNode **first, unsigned *count)
{
  xmlNode *c;

  for (c = n->children; c; c = c->next) {
    if (c->type != XML_ELEMENT_NODE)
      continue;
    if (strcmp ((const char *)c->name, "VirtualSystem") == 0 ||
        (strcmp ((const char *)c->name, "Content") == 0 &&
         xml_child (c, "Section"))) {
      if ((*count)++ == 0)
        *first = c;
    }
    else if (strcmp ((const char *)c->name, "VirtualSystemCollection") == 0)
      find_systems (c, first, count);
  }
  return 0;
}

int
ovf_parse (const char *text, size_t len, const char *fallback,
           struct machine *m, struct diag *d)
{
  struct ovf o = { 0 };
  unsigned count = 0;
  xmlDoc *doc;
  int r = -1;

  if (machine_init (m, d) == -1)
    return -1;
  doc = xml_parse (text, len, d);
  if (doc == NULL)
    return -1;
  o.envelope = xmlDocGetRootElement (doc);
  if (strcmp ((const char *)o.envelope->name, "Envelope") != 0)
    diag_error (d, "line %u: <%.40s> is not the Envelope of an OVF",
                xml_line (o.envelope), (const char *)o.envelope->name);
  else {
    find_systems (o.envelope, &o.system, &count);
    o.hardware = xml_child (o.system, "VirtualHardwareSection");
    if (count == 0)
      diag_error (d, "the OVF has no VirtualSystem");
    else if (count > 1)
      diag_error (d, "the OVF has %u machines: export one alone", count);
    else if (o.hardware == NULL)
      diag_error (d, "line %u: the machine has no VirtualHardwareSection",
                  xml_line (o.system));
    else if (get_system (&o, fallback, m->vm, d) == 0 &&
             ovf_collect (&o, d) == 0)
      r = get_items (&o, m, d);
  }
  ovf_free_items (&o);
  xmlFreeDoc (doc);
  return r;
}
