/* SPDX-License-Identifier: BSD-3-Clause */

/* OpenStack: one image per disk with the properties that Nova reads, and
 * the commands that upload them.
 *
 *   { "version": 1, "name": ..., "min_ram": MiB, "vcpus": N,
 *     "images": [ { "name", "file", "disk_format", "min_disk": GiB,
 *                   "boot": bool, "properties": { ... } } ],
 *     "commands": [ [ "openstack", "image", "create", ... ], ... ] }
 *
 * Commands are argument vectors and not lines: no shell has to take them
 * apart, so that no name can break out of one.
 */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "jsonutil.h"
#include "model.h"
#include "v2v-utils.h"

#define GiB (UINT64_C (1) << 30)

static const char *
os_distro (const char *distro)
{
  /* Nova's names, where they are not those of os-release. */
  static const struct {
    const char *from, *to;
  } map[] = {
    { "archlinux", "arch" },
    { "opensuse-leap", "opensuse" },
    { "opensuse-tumbleweed", "opensuse" },
    { "ol", "oraclelinux" },
    { "redhat-based", "rhel" },
    { "rhel", "rhel" },
    { "sled", "sled" },
  };
  size_t i;

  for (i = 0; i < V2V_ARRAY_SIZE (map); ++i)
    if (strcmp (distro, map[i].from) == 0)
      return map[i].to;
  return distro;
}

static struct json_object *
properties (const struct model *m)
{
  const struct target_facts *f = m->facts;
  struct json_object *o = json_object_new_object ();
  const char *bus = "virtio", *vif = model_nic_model (m);

  json_put (o, "architecture", m->arch);
  json_put (o, "hypervisor_type", "kvm");
  json_put (o, "vm_mode", "hvm");
  /* One property for all disks: what the first one is on. */
  if (m->nr_disks > 0)
    bus = m->disks[0].bus == BUS_SCSI   ? "scsi"
          : m->disks[0].bus == BUS_IDE  ? "ide"
          : m->disks[0].bus == BUS_SATA ? "sata"
                                        : "virtio";
  json_put (o, "hw_disk_bus", bus);
  if (strcmp (bus, "scsi") == 0)
    json_put (o, "hw_scsi_model", "virtio-scsi");
  json_put (o, "hw_cdrom_bus",
            m->machine == TARGET_MACHINE_I440FX ? "ide"
            : m->machine == TARGET_MACHINE_Q35  ? "sata"
                                                : "scsi");
  json_put (o, "hw_vif_model", vif);
  json_put (o, "hw_video_model", m->x86 ? "vga" : "virtio");
  if (m->machine != TARGET_MACHINE_VIRT)
    json_put (o, "hw_machine_type",
              m->machine == TARGET_MACHINE_I440FX ? "pc" : "q35");
  else if (strcmp (m->arch, "aarch64") == 0)
    json_put (o, "hw_machine_type", "virt");
  /* "windows" also makes Nova set the clock to local time. */
  if (f->type && (strcmp (f->type, "linux") == 0 || m->windows))
    json_put (o, "os_type", f->type);
  if (f->distro)
    json_put (o, "os_distro", os_distro (f->distro));
  if (f->major > 0 || f->minor > 0) {
    char v[32];

    if (f->minor > 0)
      snprintf (v, sizeof v, "%d.%d", f->major, f->minor);
    else
      snprintf (v, sizeof v, "%d", f->major);
    json_put (o, "os_version", v);
  }
  json_put_text_uint (o, "hw_cpu_sockets", m->sockets ? m->sockets : 1);
  json_put_text_uint (o, "hw_cpu_cores", m->sockets ? m->cores : m->vcpus);
  json_put_text_uint (o, "hw_cpu_threads", m->sockets ? m->threads : 1);
  if (f->rng)
    json_put (o, "hw_rng_model", "virtio");
  json_put (o, "hw_qemu_guest_agent", "yes");
  if (m->uefi)
    json_put (o, "hw_firmware_type", "uefi");
  else if (m->x86)
    json_put (o, "hw_firmware_type", "bios");
  if (m->uefi && m->x86)
    json_put (o, "os_secure_boot", m->secure_boot ? "required" : "disabled");
  if (m->tpm_model) {
    json_put (o, "hw_tpm_model", m->tpm_model);
    json_put (o, "hw_tpm_version", m->tpm_version);
  }
  if (m->genid)
    json_put (o, "vm_generation_id", m->genid);
  return o;
}

int
target_write_openstack (const struct vm *source, const struct target_facts *f,
                        char **text, size_t *len, char **error)
{
  struct model *m = model_new (source, f, error);
  struct json_object *root, *props, *images, *commands;
  size_t i;
  int r = -1;

  if (m == NULL)
    return -1;
  root = json_object_new_object ();
  images = json_object_new_array ();
  commands = json_object_new_array ();
  json_object_object_add (root, "version", json_object_new_int (1));
  json_put (root, "name", m->name);
  json_put_uint (root, "min_ram", m->memory >> 20);
  json_put_uint (root, "vcpus", m->vcpus);
  props = properties (m);
  model_warn_sectors (m, "OpenStack");

  for (i = 0; i < m->nr_disks; ++i) {
    const struct model_disk *d = &m->disks[i];
    struct json_object *o = json_object_new_object ();
    struct json_object *c = json_object_new_array ();
    CLEANUP_FREE char *name = NULL, *arg = NULL;
    uint64_t gib = (d->size + GiB - 1) / GiB;

    if (d->uri)
      model_warn (m, "target-upload",
                  "Disk %zu is on an NBD server: copy it "
                  "to a file before it is uploaded.",
                  i);
    if ((i == 0 ? asprintf (&name, "%s", m->name)
                : asprintf (&name, "%s-disk%zu", m->name, i + 1)) == -1)
      name = NULL;
    json_put (o, "name", name);
    json_put (o, "file", d->path);
    json_put (o, "disk_format", d->format);
    json_put_uint (o, "size", d->size);
    json_put_uint (o, "min_disk", gib);
    json_put_uint (o, "boot_order", d->boot);
    json_object_object_add (o, "properties", json_object_get (props));
    json_object_array_add (images, o);

    json_push (c, "openstack");
    json_push (c, "image");
    json_push (c, "create");
    json_push (c, "--disk-format");
    json_push (c, d->format);
    json_push (c, "--container-format");
    json_push (c, "bare");
    /* "=", so that a path or name that begins with a dash stays one. */
    if (asprintf (&arg, "--file=%s", d->path) == -1)
      arg = NULL;
    json_push (c, arg);
    json_push (c, "--min-ram");
    json_push_uint (c, m->memory >> 20);
    json_push (c, "--min-disk");
    json_push_uint (c, gib);
    json_object_object_foreach (props, key, val)
    {
      CLEANUP_FREE char *p = NULL;

      if (asprintf (&p, "--property=%s=%s", key,
                    json_object_get_string (val)) == -1)
        p = NULL;
      json_push (c, p);
    }
    json_push (c, "--");
    json_push (c, name);
    json_object_array_add (commands, c);
  }
  json_object_put (props);
  json_object_object_add (root, "images", images);
  json_object_object_add (root, "commands", commands);
  r = json_finish (root, text, len, error);
  model_free (m);
  return r;
}
