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

#include "image.h"
#include "machine.h"
#include "v2v-utils.h"
#include "xml.h"

#define MAX_ITEMS 4096

struct item {
  xmlNode *node;
  char *id, *parent, *subtype;
  unsigned type;
};

struct ovf {
  xmlNode *envelope, *system, *hardware;
  struct item *items;
  size_t nr;
};

/*--------------------------------------------------------------------
 * Numbers.
 */
static char *
text_of (xmlNode *n, const char *name)
{
  return xml_text (xml_child (n, name));
}

/* Bytes in one unit of DSP0004 ("byte * 2^20", "MegaBytes", "MB"); 0 if it is
 * none of them.
 */
static uint64_t
unit_bytes (const char *s)
{
  static const struct {
    const char *word;
    unsigned shift;
  } words[] = {
    { "b", 0 },    { "byte", 0 },      { "bytes", 0 },      { "kb", 10 },
    { "kib", 10 }, { "kilobyte", 10 }, { "kilobytes", 10 }, { "mb", 20 },
    { "mib", 20 }, { "megabyte", 20 }, { "megabytes", 20 }, { "gb", 30 },
    { "gib", 30 }, { "gigabyte", 30 }, { "gigabytes", 30 }, { "tb", 40 },
    { "tib", 40 }, { "terabyte", 40 }, { "terabytes", 40 },
  };
  char buf[64];
  size_t n = 0, i;
  unsigned long base, power;
  uint64_t r = 1;
  char *end, *p;

  for (; *s; ++s)
    if (!isspace ((unsigned char)*s)) {
      if (n == sizeof buf - 1)
        return 0;
      buf[n++] = tolower ((unsigned char)*s);
    }
  buf[n] = '\0';
  for (i = 0; i < V2V_ARRAY_SIZE (words); ++i)
    if (strcmp (words[i].word, buf) == 0)
      return UINT64_C (1) << words[i].shift;

  /* byte*2^20, byte*10^6, byte*512 */
  if (strncmp (buf, "byte", 4) != 0)
    return 0;
  p = buf + 4;
  p += *p == 's';
  if (*p++ != '*' || !isdigit ((unsigned char)*p))
    return 0;
  base = strtoul (p, &end, 10);
  if (*end == '\0')
    return base;
  if (*end++ != '^' || !isdigit ((unsigned char)*end))
    return 0;
  power = strtoul (end, &end, 10);
  if (*end || power > 62 || (base != 2 && base != 10))
    return 0;
  while (power-- > 0)
    if (__builtin_mul_overflow (r, base, &r))
      return 0;
  return r;
}

static int
get_number (xmlNode *n, const char *name, uint64_t most, uint64_t *r,
            struct diag *d)
{
  CLEANUP_FREE char *s = text_of (n, name);

  if (s == NULL)
    return 0;
  if (!whole_number (s, r) || *r > most)
    return diag_error (d,
                       "line %u: %s: \"%.40s\" is not a number up to %" PRIu64,
                       xml_line (xml_child (n, name)), name, s, most);
  return 0;
}

/* A number with a unit, which is UNIT if there is none. */
static int
scaled (xmlNode *n, const char *what, const char *number, const char *units,
        uint64_t unit, uint64_t *r, struct diag *d)
{
  if (units) {
    unit = unit_bytes (units);
    if (unit == 0)
      return diag_error (d, "line %u: %s: the unit \"%.40s\" is not known",
                         xml_line (n), what, units);
  }
  if (!whole_number (number, r) || __builtin_mul_overflow (*r, unit, r) ||
      *r > INT64_MAX)
    return diag_error (d, "line %u: %s: \"%.40s\" is not a size", xml_line (n),
                       what, number);
  return 0;
}

/*--------------------------------------------------------------------
 * Items.
 */
static int
collect_items (struct ovf *o, struct diag *d)
{
  xmlNode *n;

  for (n = o->hardware->children; n; n = n->next) {
    struct item *i;
    uint64_t type = 0;

    if (n->type != XML_ELEMENT_NODE ||
        (strcmp ((const char *)n->name, "Item") != 0 &&
         strcmp ((const char *)n->name, "StorageItem") != 0 &&
         strcmp ((const char *)n->name, "EthernetPortItem") != 0))
      continue;
    if (o->nr >= MAX_ITEMS)
      return diag_error (d, "line %u: more than %d items", xml_line (n),
                         MAX_ITEMS);
    if (get_number (n, "ResourceType", 65535, &type, d) == -1)
      return -1;
    i = reallocarray (o->items, o->nr + 1, sizeof *i);
    if (i == NULL)
      return diag_memory (d);
    o->items = i;
    i += o->nr++;
    i->node = n;
    i->type = type;
    i->id = text_of (n, "InstanceID");
    if (i->id == NULL)
      i->id = text_of (n, "InstanceId"); /* OVF 0.9 */
    i->parent = text_of (n, "Parent");
    i->subtype = text_of (n, "ResourceSubType");
  }
  return 0;
}

static const struct item *
find_item (const struct ovf *o, const char *id)
{
  size_t i;

  for (i = 0; id && i < o->nr; ++i)
    if (o->items[i].id && strcmp (o->items[i].id, id) == 0)
      return &o->items[i];
  return NULL;
}

static enum vm_controller
controller_of (const struct ovf *o, const struct item *i,
               const struct item **parent, struct diag *d)
{
  const struct item *p = find_item (o, i->parent);
  const char *sub = p && p->subtype ? p->subtype : "";

  *parent = p;
  switch (p ? p->type : 0) {
  case 5:
    return VM_CONTROLLER_IDE;
  case 6:
    return strcasecmp (sub, "virtioscsi") == 0 ? VM_CONTROLLER_VIRTIO_SCSI
                                               : VM_CONTROLLER_SCSI;
  case 20:
    return strcasestr (sub, "nvme") ? VM_CONTROLLER_NVME : VM_CONTROLLER_SATA;
  default:
    diag_warn (d, "line %u: the controller of this drive is not known",
               xml_line (i->node));
    return VM_CONTROLLER_UNKNOWN;
  }
}

/*--------------------------------------------------------------------
 * Disks.
 */
static xmlNode *
find_by_attr (xmlNode *section, const char *name, const char *attr,
              const char *value)
{
  xmlNode *n;

  for (n = xml_child (section, name); n; n = xml_next (n)) {
    CLEANUP_FREE char *s = xml_attr (n, attr);

    if (s && strcmp (s, value) == 0)
      return n;
  }
  return NULL;
}

/* Disk/@format is a URI that names a specification. */
static const char *
format_of_uri (const char *uri)
{
  static const struct {
    const char *part, *format;
  } parts[] = {
    { "vmdk", "vmdk" },    { "vhdx", "vhdx" },         { "vhd", "vhd" },
    { "bb676673", "vhd" }, { "linkid=137171", "vhd" }, { "vdi", "vdi" },
    { "qcow", "qcow2" },   { "wiki/byte", "raw" },     { "#raw", "raw" },
  };
  size_t i;

  for (i = 0; i < V2V_ARRAY_SIZE (parts); ++i)
    if (strcasestr (uri, parts[i].part))
      return parts[i].format;
  return NULL;
}

static int
get_file (const struct ovf *o, const char *id, unsigned line,
          struct disk_ref *ref, struct diag *d)
{
  xmlNode *f = find_by_attr (xml_child (o->envelope, "References"), "File",
                             "id", id);
  CLEANUP_FREE char *compression = xml_attr (f, "compression");
  CLEANUP_FREE char *chunk = xml_attr (f, "chunkSize");

  if (f == NULL)
    return diag_error (d, "line %u: References has no File \"%.80s\"", line,
                       id);
  ref->kind = REF_FILE;
  ref->line = xml_line (f);
  ref->location = xml_attr (f, "href");
  if (ref->location == NULL)
    return diag_error (d, "line %u: the File has no href", ref->line);
  if (strstr (ref->location, "://"))
    return diag_error (d, "line %u: \"%.80s\": a file elsewhere is refused",
                       ref->line, ref->location);
  if (compression && strcasecmp (compression, "gzip") == 0)
    ref->gzip = true;
  else if (compression && strcasecmp (compression, "identity") != 0)
    return diag_error (d, "line %u: the compression \"%.40s\" is not known",
                       ref->line, compression);
  if (chunk &&
      (!whole_number (chunk, &ref->chunk_size) || ref->chunk_size == 0))
    return diag_error (d, "line %u: chunkSize: \"%.40s\" is not a size",
                       ref->line, chunk);
  return 0;
}

static int
get_host_resource (const struct ovf *o, const struct item *i,
                   struct disk_ref *ref, struct diag *d)
{
  CLEANUP_FREE char *host = text_of (i->node, "HostResource");
  CLEANUP_FREE char *file = NULL, *uri = NULL, *capacity = NULL;
  CLEANUP_FREE char *units = NULL, *parent = NULL;
  unsigned line = xml_line (i->node);
  const char *p = host, *format;
  xmlNode *disk;

  if (p == NULL)
    return diag_error (d, "line %u: the disk has no HostResource", line);
  if (strncmp (p, "ovf:", 4) == 0)
    p += 4;
  if (strncmp (p, "/file/", 6) == 0)
    return get_file (o, p + 6, line, ref, d);
  if (strncmp (p, "/disk/", 6) != 0)
    return diag_error (d,
                       "line %u: the HostResource \"%.80s\" is neither "
                       "ovf:/disk/ID nor ovf:/file/ID",
                       line, host);
  disk = find_by_attr (xml_child (o->envelope, "DiskSection"), "Disk", "diskId",
                       p + 6);
  if (disk == NULL) /* OVF 0.9 */
    disk = find_by_attr (xml_child (o->envelope, "Section"), "Disk", "diskId",
                         p + 6);
  if (disk == NULL)
    return diag_error (d, "line %u: DiskSection has no Disk \"%.80s\"", line,
                       p + 6);
  line = xml_line (disk);
  file = xml_attr (disk, "fileRef");
  uri = xml_attr (disk, "format");
  capacity = xml_attr (disk, "capacity");
  units = xml_attr (disk, "capacityAllocationUnits");
  parent = xml_attr (disk, "parentRef");
  if (parent)
    return diag_error (d,
                       "line %u: the disk depends on \"%.80s\": merge "
                       "the snapshots and export again",
                       line, parent);
  /* "${...}" is a property that only a deployment fills in. */
  if (capacity && strncmp (capacity, "${", 2) != 0 &&
      scaled (disk, "capacity", capacity, units, 1, &ref->capacity, d) == -1)
    return -1;
  if (file == NULL) {
    if (ref->capacity == 0)
      return diag_error (d,
                         "line %u: the Disk has neither fileRef nor "
                         "capacity",
                         line);
    ref->kind = REF_BLANK;
    ref->line = line;
    return 0;
  }
  if (get_file (o, file, line, ref, d) == -1)
    return -1;
  format = uri ? format_of_uri (uri) : NULL;
  if (uri && format == NULL)
    diag_warn (d,
               "line %u: the disk format %.80s is not known: the file's "
               "name decides",
               line, uri);
  if (format && (ref->format = strdup (format)) == NULL)
    return diag_memory (d);
  return 0;
}

/* The place of the item in a BootOrderSection, or 0. */
static int
boot_order (const struct ovf *o, const struct item *i)
{
  xmlNode *n;
  int rank = 0;

  for (n = xml_child (o->system, "BootOrderSection"); n; n = xml_next (n)) {
    CLEANUP_FREE char *ids = xml_attr (n, "instanceId");
    char *save = NULL, *p;

    for (p = ids ? strtok_r (ids, " ", &save) : NULL; p;
         p = strtok_r (NULL, " ", &save)) {
      rank++;
      if (i->id && strcmp (p, i->id) == 0)
        return rank;
    }
  }
  return 0;
}

static int
get_disk (const struct ovf *o, const struct item *i, struct machine *m,
          struct diag *d)
{
  const struct item *parent;
  struct disk_ref *ref;
  struct vm_disk *disk = machine_add_disk (m, &ref, d);

  if (disk == NULL || get_host_resource (o, i, ref, d) == -1)
    return -1;
  disk->controller = controller_of (o, i, &parent, d);
  disk->boot_order = boot_order (o, i);
  return set_lower (&disk->controller_model, parent ? parent->subtype : NULL,
                    "ResourceSubType", d);
}

static int
get_removable (const struct ovf *o, const struct item *i, struct vm *vm,
               struct diag *d)
{
  struct vm_removable *r = vm_add_removable (vm);
  const struct item *parent;
  uint64_t slot = UINT64_MAX;
  CLEANUP_FREE char *s = text_of (i->node, "AddressOnParent");

  if (r == NULL)
    return diag_memory (d);
  r->kind = i->type == 14 ? VM_FLOPPY : VM_CDROM;
  r->controller = i->type == 14 ? VM_CONTROLLER_FLOPPY
                  : i->parent   ? controller_of (o, i, &parent, d)
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
  CLEANUP_FREE char *connection = text_of (i->node, "Connection");
  CLEANUP_FREE char *mac = text_of (i->node, "Address");
  char bare[18], *name = NULL;
  int r;

  if (nic == NULL)
    return diag_memory (d);
  nic->boot_order = boot_order (o, i);
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
  CLEANUP_FREE char *name = text_of (o->system, "Name");
  CLEANUP_FREE char *id = xml_attr (o->system, "id");
  CLEANUP_FREE char *type = xml_attr (os, "osType");
  CLEANUP_FREE char *description = text_of (os, "Description");
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

  if (get_number (i->node, "VirtualQuantity", 65536, &n, d) == -1 ||
      get_number (i->node, "CoresPerSocket", INT64_MAX, cores, d) == -1)
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
      quantity = text_of (i->node, "VirtualQuantity");
      units = text_of (i->node, "AllocationUnits");
      if (quantity) {
        r = scaled (i->node, "memory", quantity, units, 1 << 20, &vm->memory,
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
      r = get_disk (o, i, m, d);
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
  size_t i;
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
             collect_items (&o, d) == 0)
      r = get_items (&o, m, d);
  }
  for (i = 0; i < o.nr; ++i) {
    free (o.items[i].id);
    free (o.items[i].parent);
    free (o.items[i].subtype);
  }
  free (o.items);
  xmlFreeDoc (doc);
  return r;
}
