/* SPDX-License-Identifier: BSD-3-Clause */

/* The machine for programs (vm.json): what the other documents are made
 * of, without any one hypervisor's notation.  docs/target.schema.json
 * describes it.
 */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jsonutil.h"
#include "model.h"

static const char *const bus_names[NR_BUSES] = {
  [BUS_VIRTIO] = "virtio-blk", [BUS_SCSI] = "virtio-scsi", [BUS_IDE] = "ide",
  [BUS_SATA] = "sata",         [BUS_FLOPPY] = "floppy",
};

static struct json_object *
disks (const struct model *m)
{
  struct json_object *a = json_object_new_array ();
  size_t i;

  for (i = 0; i < m->nr_disks; ++i) {
    const struct model_disk *d = &m->disks[i];
    struct json_object *o = json_object_new_object ();

    json_put (o, "dev", d->dev);
    json_put (o, "bus", bus_names[d->bus]);
    json_put_uint (o, "unit", d->unit);
    json_put (o, "format", d->format);
    json_put (o, d->uri ? "uri" : "file", d->path);
    if (d->pool)
      json_put (o, "pool", d->pool);
    json_put_uint (o, "size", d->size);
    if (d->facts->allocated)
      json_put_uint (o, "allocated", d->facts->allocated);
    json_put_uint (o, "boot_order", d->boot);
    if (d->facts->sector_size)
      json_put_uint (o, "sector_size", d->facts->sector_size);
    if (d->serial)
      json_put (o, "serial", d->serial);
    json_object_array_add (a, o);
  }
  return a;
}

static struct json_object *
removables (const struct model *m)
{
  struct json_object *a = json_object_new_array ();
  size_t i;

  for (i = 0; i < m->nr_removables; ++i) {
    const struct model_removable *r = &m->removables[i];
    struct json_object *o = json_object_new_object ();

    json_put (o, "type", r->kind == VM_FLOPPY ? "floppy" : "cdrom");
    json_put (o, "dev", r->dev);
    json_put (o, "bus", bus_names[r->bus]);
    json_put_uint (o, "unit", r->unit);
    json_object_array_add (a, o);
  }
  return a;
}

static struct json_object *
nics (const struct model *m)
{
  struct json_object *a = json_object_new_array ();
  size_t i;

  for (i = 0; i < m->nr_nics; ++i) {
    const struct model_nic *n = &m->nics[i];
    struct json_object *o = json_object_new_object ();

    json_put (o, "vnet", n->vnet);
    json_put (o, "vnet_type", n->kind == VM_NIC_BRIDGE ? "bridge" : "network");
    json_put (o, "model", model_nic_model (m));
    if (n->mac)
      json_put (o, "mac", n->mac);
    if (n->boot)
      json_put_uint (o, "boot_order", n->boot);
    json_object_array_add (a, o);
  }
  return a;
}

static struct json_object *
capabilities (const struct model *m)
{
  const struct target_facts *f = m->facts;
  struct json_object *o = json_object_new_object ();

  json_put (o, "block_bus",
            f->block == TARGET_BLOCK_VIRTIO_SCSI ? "virtio-scsi"
            : f->block == TARGET_BLOCK_IDE       ? "ide"
                                                 : "virtio-blk");
  json_put (o, "net_bus", model_nic_model (m));
  json_put_bool (o, "virtio_rng", f->rng);
  json_put_bool (o, "virtio_balloon", f->balloon);
  json_put_bool (o, "isa_pvpanic", f->pvpanic);
  json_put_bool (o, "virtio_socket", f->vsock);
  json_put_bool (o, "virtio_1_0", f->virtio_1_0);
  return o;
}

static struct json_object *
inspection (const struct model *m)
{
  const struct target_facts *f = m->facts;
  struct json_object *o = json_object_new_object ();

  json_put (o, "type", f->type);
  json_put (o, "distro", f->distro);
  json_put (o, "osinfo", f->osinfo);
  if (f->osinfo_id)
    json_put (o, "osinfo_id", f->osinfo_id);
  json_put (o, "arch", f->arch);
  json_put (o, "product_name", f->product_name);
  if (f->product_variant)
    json_put (o, "product_variant", f->product_variant);
  json_object_object_add (o, "major_version", json_object_new_int (f->major));
  json_object_object_add (o, "minor_version", json_object_new_int (f->minor));
  return o;
}

int
target_write_json (const struct vm *source, const struct target_facts *f,
                   char **text, size_t *len, char **error)
{
  struct model *m = model_new (source, f, error);
  struct json_object *root, *o;
  int r;

  if (m == NULL)
    return -1;
  root = json_object_new_object ();
  json_object_object_add (root, "version", json_object_new_int (1));
  json_put (root, "name", m->title);
  if (m->uuid)
    json_put (root, "uuid", m->uuid);
  if (m->genid)
    json_put (root, "genid", m->genid);
  if (m->hypervisor)
    json_put (root, "source_hypervisor", m->hypervisor);
  json_put_uint (root, "memory", m->memory);
  json_put_uint (root, "vcpu", m->vcpus);

  o = json_object_new_object ();
  if (m->cpu_model)
    json_put (o, "model", m->cpu_model);
  if (m->cpu_vendor)
    json_put (o, "vendor", m->cpu_vendor);
  if (m->sockets) {
    json_put_uint (o, "sockets", m->sockets);
    json_put_uint (o, "cores", m->cores);
    json_put_uint (o, "threads", m->threads);
  }
  json_object_object_add (root, "cpu", o);

  o = json_object_new_object ();
  json_put (o, "type", m->uefi ? "uefi" : "bios");
  if (m->uefi)
    json_put_bool (o, "secure_boot", m->secure_boot);
  json_object_object_add (root, "firmware", o);
  if (m->tpm_model) {
    o = json_object_new_object ();
    json_put (o, "model", m->tpm_model);
    json_put (o, "version", m->tpm_version);
    json_object_object_add (root, "tpm", o);
  }
  json_put (root, "arch", m->arch);
  json_put (root, "machine",
            m->machine == TARGET_MACHINE_I440FX ? "i440fx"
            : m->machine == TARGET_MACHINE_Q35  ? "q35"
                                                : "virt");
  json_put (root, "clock", f->rtc_utc ? "utc" : "localtime");
  json_object_object_add (root, "disks", disks (m));
  json_object_object_add (root, "removables", removables (m));
  json_object_object_add (root, "nics", nics (m));
  if (m->sound)
    json_put (root, "sound", m->sound);

  o = json_object_new_object ();
  json_put (o, "type", m->display_type);
  if (m->display_keymap)
    json_put (o, "keymap", m->display_keymap);
  /* Whether there is one, not which: this document gets logged. */
  json_put_bool (o, "password", m->display_password && m->display_password[0]);
  if (m->display_listen)
    json_put (o, "listen", m->display_listen);
  if (m->display_port > 0)
    json_put_uint (o, "port", m->display_port);
  json_object_object_add (root, "display", o);

  json_object_object_add (root, "capabilities", capabilities (m));
  json_object_object_add (root, "inspect", inspection (m));
  r = json_finish (root, text, len, error);
  model_free (m);
  return r;
}
