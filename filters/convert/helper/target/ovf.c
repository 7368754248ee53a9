/* SPDX-License-Identifier: BSD-3-Clause */

/* OVF (DSP0243, version 1) as oVirt's engine reads it from an OVA or as
 * the configuration of a machine.  What the engine's reader needs beyond
 * the standard:
 *
 * - ovf:capacity counts GiB, whatever capacityAllocationUnits says; both
 *   are written and agree.
 * - A disk item finds its disk by the last component of HostResource,
 *   compared with ovf:description if there is one: so there is none.
 * - ovf:populatedSize, or a File's ovf:size, must be there.
 * - VirtualQuantity of the CPU item, if present, hides the topology: it is
 *   left out.
 * - The operating system is ovirt:id (ovirt-os.c).
 * - Every disk and NIC of the hardware section has Type and Device.
 */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "ovirt-os.h"
#include "v2v-utils.h"
#include "xml.h"

#define OVF "http://schemas.dmtf.org/ovf/envelope/1"
#define RASD \
  "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/" \
  "CIM_ResourceAllocationSettingData"
#define VSSD \
  "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/" \
  "CIM_VirtualSystemSettingData"

#define GiB (UINT64_C (1) << 30)
#define MAX_DISKS 23 /* of oVirt */

static int
origin (const struct model *m)
{
  static const struct {
    const char *hv;
    int n;
  } map[] = {
    { "vmware", 1 }, { "xen", 2 },      { "qemu", 7 },
    { "kvm", 7 },    { "physical", 8 }, { "hyperv", 9 },
  };
  size_t i;

  for (i = 0; m->hypervisor && i < V2V_ARRAY_SIZE (map); ++i)
    if (strcmp (m->hypervisor, map[i].hv) == 0)
      return map[i].n;
  return -1;
}

static const char *
disk_interface (enum bus bus)
{
  switch (bus) {
  case BUS_SCSI:
    return "VirtIO_SCSI";
  case BUS_IDE:
    return "IDE";
  case BUS_SATA:
    return "SATA";
  case BUS_VIRTIO:
  case BUS_FLOPPY:
  default:
    return "VirtIO";
  }
}

struct ids {
  char disk[37], volume[37], nic[37], href[128];
};

static const char *
base_name (const struct model *m, size_t i)
{
  const char *path = m->disks[i].path, *slash = strrchr (path, '/');

  return slash ? slash + 1 : path;
}

/* Another disk before this one has the same, in another directory. */
static bool
name_is_used (const struct model *m, size_t i)
{
  size_t j;

  for (j = 0; j < i; ++j)
    if (strcmp (base_name (m, j), base_name (m, i)) == 0)
      return true;
  return false;
}

static void
disk_ids (const struct model *m, size_t i, struct ids *ids)
{
  const struct target_disk *t = m->disks[i].facts;
  const char *base = base_name (m, i);
  size_t n = strlen (base);

  if (text_is_uuid (t->image_id))
    snprintf (ids->disk, sizeof ids->disk, "%s", t->image_id);
  else
    model_derive_uuid (m, "disk", i, ids->disk);
  if (text_is_uuid (t->volume_id))
    snprintf (ids->volume, sizeof ids->volume, "%s", t->volume_id);
  else
    model_derive_uuid (m, "volume", i, ids->volume);
  /* Inside an OVA a file lies beside the OVF.  What has no file name of
   * its own has the volume's.
   */
  snprintf (ids->href, sizeof ids->href, "%s",
            m->disks[i].uri || n == 0 || n >= sizeof ids->href ||
                name_is_used (m, i)
              ? ids->volume
              : base);
}

static void
write_references (struct xml *x, const struct model *m)
{
  struct ids ids;
  size_t i;
  char size[32];

  xmlw_open (x, "References", NULL);
  for (i = 0; i < m->nr_disks; ++i) {
    const struct model_disk *d = &m->disks[i];

    disk_ids (m, i, &ids);
    snprintf (size, sizeof size, "%llu",
              (unsigned long long)(d->facts->allocated ? d->facts->allocated
                                                       : d->size));
    xmlw_leaf (x, "File", "ovf:href", ids.href, "ovf:id", ids.volume,
               "ovf:size", size, NULL);
  }
  xmlw_close (x);
}

static void
write_disk_section (struct xml *x, const struct model *m)
{
  struct ids ids;
  size_t i;
  char capacity[32], populated[32];

  xmlw_open (x, "DiskSection", NULL);
  xmlw_text (x, "Info", "Virtual disks");
  for (i = 0; i < m->nr_disks; ++i) {
    const struct model_disk *d = &m->disks[i];
    bool qcow2 = strcmp (d->format, "qcow2") == 0;

    disk_ids (m, i, &ids);
    snprintf (capacity, sizeof capacity, "%llu",
              (unsigned long long)((d->size + GiB - 1) / GiB));
    snprintf (populated, sizeof populated, "%llu",
              (unsigned long long)(d->facts->allocated ? d->facts->allocated
                                                       : d->size));
    xmlw_leaf (x, "Disk", "ovf:diskId", ids.disk, "ovf:fileRef", ids.volume,
               "ovf:capacity", capacity, "ovf:capacityAllocationUnits",
               "byte * 2^30", "ovf:populatedSize", populated, "ovf:format",
               qcow2 ? "http://www.gnome.org/~markmc/qcow-image-format.html"
                     : "http://www.vmware.com/specifications/vmdk.html#sparse",
               "ovf:volume-format", qcow2 ? "COW" : "RAW", "ovf:volume-type",
               d->facts->preallocated ? "Preallocated" : "Sparse",
               "ovf:disk-interface", disk_interface (d->bus), "ovf:boot",
               d->boot == 1 ? "true" : "false", "ovf:disk-alias", m->name,
               NULL);
  }
  xmlw_close (x);
}

static void
write_network_section (struct xml *x, const struct model *m)
{
  size_t i, j;

  xmlw_open (x, "NetworkSection", NULL);
  xmlw_text (x, "Info", "List of networks");
  for (i = 0; i < m->nr_nics; ++i) {
    for (j = 0; j < i; ++j)
      if (strcmp (m->nics[i].vnet, m->nics[j].vnet) == 0)
        break;
    if (j == i)
      xmlw_leaf (x, "Network", "ovf:name", m->nics[i].vnet, NULL);
  }
  xmlw_close (x);
}

/* Opens an Item with the three elements that all have. */
static void
open_item (struct xml *x, const char *caption, const char *id, int type)
{
  xmlw_open (x, "Item", NULL);
  xmlw_text (x, "rasd:Caption", "%s", caption);
  xmlw_text (x, "rasd:InstanceID", "%s", id);
  xmlw_text (x, "rasd:ResourceType", "%d", type);
}

static void
other_item (struct xml *x, const struct model *m, const char *caption,
            const char *type, const char *device, const char *key,
            const char *value)
{
  char id[37];

  model_derive_uuid (m, caption, 0, id);
  open_item (x, caption, id, 0);
  xmlw_text (x, "Type", "%s", type);
  xmlw_text (x, "Device", "%s", device);
  xmlw_leaf (x, "rasd:Address", NULL);
  xmlw_text (x, "IsPlugged", "true");
  xmlw_text (x, "IsReadOnly", "false");
  if (key) {
    xmlw_open (x, "SpecParams", NULL);
    xmlw_text (x, key, "%s", value);
    xmlw_close (x);
  }
  xmlw_close (x);
}

static void
write_disk_items (struct xml *x, const struct model *m)
{
  struct ids ids;
  size_t i;
  char caption[32];

  for (i = 0; i < m->nr_disks; ++i) {
    disk_ids (m, i, &ids);
    snprintf (caption, sizeof caption, "Drive %zu", i + 1);
    open_item (x, caption, ids.volume, 17);
    xmlw_text (x, "rasd:ResourceSubType", "%s",
               disk_interface (m->disks[i].bus));
    xmlw_text (x, "rasd:HostResource", "ovf:/disk/%s", ids.disk);
    if (text_is_uuid (m->facts->storage_domain))
      xmlw_text (x, "rasd:StorageId", "%s", m->facts->storage_domain);
    xmlw_text (x, "Type", "disk");
    xmlw_text (x, "Device", "disk");
    xmlw_leaf (x, "rasd:Address", NULL);
    if (m->disks[i].boot == 1)
      xmlw_text (x, "BootOrder", "1");
    xmlw_text (x, "IsPlugged", "true");
    xmlw_text (x, "IsReadOnly", "false");
    xmlw_close (x);
  }
}

static void
write_nic_items (struct xml *x, const struct model *m)
{
  int subtype = m->facts->net == TARGET_NET_RTL8139 ? 1
                : m->facts->net == TARGET_NET_E1000 ? 2
                                                    : 3;
  size_t i;
  char id[37], caption[64];

  for (i = 0; i < m->nr_nics; ++i) {
    model_derive_uuid (m, "nic", i, id);
    snprintf (caption, sizeof caption, "Ethernet adapter %zu", i + 1);
    open_item (x, caption, id, 10);
    xmlw_text (x, "rasd:ResourceSubType", "%d", subtype);
    xmlw_text (x, "rasd:Connection", "%s", m->nics[i].vnet);
    xmlw_text (x, "rasd:Linked", "true");
    xmlw_text (x, "rasd:Name", "eth%zu", i);
    xmlw_text (x, "rasd:ElementName", "eth%zu", i);
    if (m->nics[i].mac)
      xmlw_text (x, "rasd:MACAddress", "%s", m->nics[i].mac);
    xmlw_text (x, "Type", "interface");
    xmlw_text (x, "Device", "bridge");
    xmlw_leaf (x, "rasd:Address", NULL);
    xmlw_text (x, "IsPlugged", "true");
    xmlw_text (x, "IsReadOnly", "false");
    xmlw_close (x);
  }
}

static void
write_hardware (struct xml *x, const struct model *m)
{
  const struct target_facts *f = m->facts;
  char id[37];

  xmlw_open (x, "VirtualHardwareSection", NULL);
  xmlw_text (x, "Info", "%u CPU, %llu MiB of memory", m->vcpus,
             (unsigned long long)(m->memory >> 20));
  xmlw_open (x, "Item", NULL);
  xmlw_text (x, "rasd:Caption", "%u virtual CPU", m->vcpus);
  xmlw_text (x, "rasd:Description", "Number of virtual CPUs");
  xmlw_text (x, "rasd:InstanceID", "1");
  xmlw_text (x, "rasd:ResourceType", "3");
  xmlw_text (x, "rasd:num_of_sockets", "%u", m->sockets ? m->sockets : 1);
  xmlw_text (x, "rasd:cpu_per_socket", "%u", m->sockets ? m->cores : m->vcpus);
  xmlw_text (x, "rasd:threads_per_cpu", "%u", m->sockets ? m->threads : 1);
  xmlw_close (x);

  xmlw_open (x, "Item", NULL);
  xmlw_text (x, "rasd:Caption", "%llu MB of memory",
             (unsigned long long)(m->memory >> 20));
  xmlw_text (x, "rasd:Description", "Memory Size");
  xmlw_text (x, "rasd:InstanceID", "2");
  xmlw_text (x, "rasd:ResourceType", "4");
  xmlw_text (x, "rasd:AllocationUnits", "byte * 2^20");
  xmlw_text (x, "rasd:VirtualQuantity", "%llu",
             (unsigned long long)(m->memory >> 20));
  xmlw_close (x);

  write_disk_items (x, m);
  write_nic_items (x, m);

  open_item (x, "USB controller", "3", 23);
  xmlw_text (x, "rasd:UsbPolicy", "Disabled");
  xmlw_close (x);
  model_derive_uuid (m, "video", 0, id);
  open_item (x, "Graphical controller", id, 32768);
  xmlw_text (x, "rasd:VirtualQuantity", "1");
  xmlw_text (x, "Type", "video");
  xmlw_text (x, "Device", "vga");
  xmlw_close (x);
  model_derive_uuid (m, "graphics", 0, id);
  open_item (x, "Graphical framebuffer", id, 26);
  xmlw_text (x, "Type", "graphics");
  xmlw_text (x, "Device",
             strcmp (m->display_type, "spice") == 0 ? "spice" : "vnc");
  xmlw_close (x);

  if (m->sound &&
      (strcmp (m->sound, "ac97") == 0 || strcmp (m->sound, "ich6") == 0))
    other_item (x, m, "Sound device", "sound", m->sound, NULL, NULL);
  else if (m->sound)
    model_warn (m, "target-sound",
                "oVirt has no sound card %s: the machine "
                "has none.",
                m->sound);
  if (m->tpm_model)
    other_item (x, m, "TPM device", "tpm", "tpm", NULL, NULL);
  if (f->rng)
    other_item (x, m, "RNG device", "rng", "virtio", "source", "urandom");
  other_item (x, m, "Memory balloon device", "balloon", "memballoon", "model",
              f->balloon ? "virtio" : "none");
  xmlw_close (x);
}

static void
write_system (struct xml *x, const struct model *m)
{
  const struct target_facts *f = m->facts;
  struct ovirt_os os = ovirt_os (m);
  char id[37], n[16];
  int bios = 0;

  if (text_is_uuid (f->vm_id))
    snprintf (id, sizeof id, "%s", f->vm_id);
  else if (m->uuid)
    snprintf (id, sizeof id, "%s", m->uuid);
  else
    model_derive_uuid (m, "machine", 0, id);
  xmlw_open (x, "VirtualSystem", "ovf:id", id, NULL);
  xmlw_text (x, "Info", "A converted virtual machine");
  xmlw_text (x, "Name", "%s", m->name);
  xmlw_text (x, "TemplateId", "00000000-0000-0000-0000-000000000000");
  xmlw_text (x, "TemplateName", "Blank");
  xmlw_text (x, "Description", "Converted by nbdkit-v2v");
  xmlw_leaf (x, "Domain", NULL);
  xmlw_text (x, "IsInitilized", "True");
  xmlw_text (x, "IsAutoSuspend", "False");
  xmlw_text (x, "IsStateless", "False");
  if (origin (m) >= 0)
    xmlw_text (x, "Origin", "%d", origin (m));
  xmlw_text (x, "VmType", "%d", ovirt_vm_type (m));
  xmlw_text (x, "DefaultDisplayType", "2");
  if (m->x86) {
    if (m->secure_boot)
      bios = 3;
    else if (m->uefi)
      bios = 2;
    else
      bios = m->machine == TARGET_MACHINE_Q35 ? 1 : 0;
    if (m->uefi && m->machine == TARGET_MACHINE_I440FX)
      model_warn (m, "target-machine",
                  "oVirt has no UEFI on i440fx: the "
                  "machine is q35.");
  }
  xmlw_text (x, "BiosType", "%d", bios);
  if (m->cpu_model)
    xmlw_text (x, "CustomCpuName", "%s", m->cpu_model);

  snprintf (n, sizeof n, "%d", ovirt_cim_os (os.id));
  xmlw_open (x, "OperatingSystemSection", "ovf:id", n, NULL);
  snprintf (n, sizeof n, "%d", os.id);
  xmlw_attr (x, "ovirt:id", n);
  xmlw_attr (x, "ovf:required", "false");
  xmlw_text (x, "Info", "%s",
             f->product_name && *f->product_name ? f->product_name
                                                 : "Guest operating system");
  xmlw_text (x, "Description", "%s", os.name);
  xmlw_close (x);
  write_hardware (x, m);
  xmlw_close (x);
}

int
target_write_ovf (const struct vm *source, const struct target_facts *f,
                  char **text, size_t *len, char **error)
{
  struct model *m = model_new (source, f, error);
  struct xml *x;
  int r;

  if (m == NULL)
    return -1;
  x = xmlw_new ();
  if (x == NULL) {
    model_free (m);
    return target_error (error, "out of memory");
  }
  if (m->nr_disks > MAX_DISKS)
    model_warn (m, "target-disks",
                "oVirt attaches at most %d disks to a "
                "machine.",
                MAX_DISKS);
  model_warn_sectors (m, "oVirt");
  if (m->nr_removables > 0)
    model_warn (m, "target-drive",
                "Removable drives are left out: the engine "
                "adds a CD-ROM drive of its own.");
  if (m->display_password && m->display_password[0])
    model_warn (m, "target-password",
                "The password of the display is left "
                "out: the engine sets its own.");
  xmlw_open (x, "ovf:Envelope", "xmlns", OVF, "xmlns:ovf", OVF, "xmlns:rasd",
             RASD, "xmlns:vssd", VSSD, "xmlns:xsi",
             "http://www.w3.org/2001/XMLSchema-instance", "xmlns:ovirt",
             "http://www.ovirt.org/ovf", "ovf:version", "4.2.0.0", NULL);
  write_references (x, m);
  write_network_section (x, m);
  write_disk_section (x, m);
  write_system (x, m);
  xmlw_close (x);
  r = xmlw_finish (x, text, len, error);
  model_free (m);
  return r;
}
