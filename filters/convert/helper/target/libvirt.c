/* SPDX-License-Identifier: BSD-3-Clause */

/* libvirt's domain XML.
 *
 * Drives on IDE, SATA, SCSI and the floppy controller get an explicit
 * address, so that libvirt does not derive one from the device name; the
 * virtio-scsi controller is written out, because libvirt's own default is
 * a model for which a converted guest has no driver.
 */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "v2v-utils.h"
#include "xml.h"

#define SATA_PORTS 6

static const char *
machine_type (const struct model *m)
{
  if (m->machine == TARGET_MACHINE_I440FX)
    return "pc";
  if (m->machine == TARGET_MACHINE_Q35)
    return "q35";
  if (strncmp (m->arch, "ppc64", 5) == 0)
    return "pseries";
  if (strcmp (m->arch, "s390x") == 0)
    return "s390-ccw-virtio";
  return "virt";
}

static const char *
virtio_model (const struct model *m)
{
  return m->transitional ? "virtio-transitional" : NULL;
}

static void
write_os (struct xml *x, const struct model *m)
{
  xmlw_open (x, "os", NULL);
  if (m->uefi)
    xmlw_attr (x, "firmware", "efi");
  xmlw_open (x, "type", "arch", m->arch, "machine", machine_type (m), NULL);
  xmlw_content (x, "hvm");
  xmlw_close (x);
  if (m->uefi) {
    /* In doubt libvirt takes a firmware with keys, where there is one that
     * needs no more than that (aarch64).
     */
    const char *yes = m->secure_boot ? "yes" : "no";

    xmlw_open (x, "firmware", NULL);
    xmlw_leaf (x, "feature", "enabled", yes, "name", "secure-boot", NULL);
    xmlw_leaf (x, "feature", "enabled", yes, "name", "enrolled-keys", NULL);
    xmlw_close (x);
  }
  xmlw_close (x);
}

static void
write_cpu (struct xml *x, const struct model *m)
{
  char sockets[16], cores[16], threads[16];

  if (m->cpu_model) {
    xmlw_open (x, "cpu", "mode", "custom", "match", "minimum", NULL);
    if (strcmp (m->cpu_model, "qemu64") == 0)
      xmlw_attr (x, "check", "none");
    xmlw_open (x, "model", "fallback", "allow", NULL);
    xmlw_content (x, m->cpu_model);
    xmlw_close (x);
    if (m->cpu_vendor)
      xmlw_text (x, "vendor", "%s", m->cpu_vendor);
  }
  else if (m->x86)
    xmlw_open (x, "cpu", "mode", "host-model", NULL);
  else
    xmlw_open (x, "cpu", "mode", "host-passthrough", NULL);
  if (m->sockets) {
    snprintf (sockets, sizeof sockets, "%u", m->sockets);
    snprintf (cores, sizeof cores, "%u", m->cores);
    snprintf (threads, sizeof threads, "%u", m->threads);
    xmlw_leaf (x, "topology", "sockets", sockets, "cores", cores, "threads",
               threads, NULL);
  }
  xmlw_close (x);
}

static void
write_features (struct xml *x, const struct model *m)
{
  if (!m->x86 && !m->uefi)
    return;
  xmlw_open (x, "features", NULL);
  xmlw_leaf (x, "acpi", NULL);
  if (m->x86)
    xmlw_leaf (x, "apic", NULL);
  if (strcmp (m->arch, "i686") == 0)
    xmlw_leaf (x, "pae", NULL);
  if (m->secure_boot)
    xmlw_leaf (x, "smm", "state", "on", NULL);
  if (m->windows && m->x86) {
    xmlw_open (x, "hyperv", NULL);
    xmlw_leaf (x, "relaxed", "state", "on", NULL);
    xmlw_leaf (x, "vapic", "state", "on", NULL);
    xmlw_leaf (x, "spinlocks", "state", "on", "retries", "8191", NULL);
    xmlw_close (x);
  }
  xmlw_close (x);
}

static void
write_clock (struct xml *x, const struct model *m)
{
  xmlw_open (x, "clock", "offset", m->facts->rtc_utc ? "utc" : "localtime",
             NULL);
  if (m->x86) {
    xmlw_leaf (x, "timer", "name", "rtc", "tickpolicy", "catchup", NULL);
    xmlw_leaf (x, "timer", "name", "pit", "tickpolicy", "delay", NULL);
    xmlw_leaf (x, "timer", "name", "hpet", "present", "no", NULL);
    if (m->windows)
      xmlw_leaf (x, "timer", "name", "hypervclock", "present", "yes", NULL);
  }
  xmlw_close (x);
}

static void
write_target (struct xml *x, enum bus bus, unsigned unit, const char *dev)
{
  static const char *const names[NR_BUSES] = {
    [BUS_VIRTIO] = "virtio", [BUS_SCSI] = "scsi",  [BUS_IDE] = "ide",
    [BUS_SATA] = "sata",     [BUS_FLOPPY] = "fdc",
  };
  unsigned c = 0, b = 0, t = 0, u = unit;
  char s[4][16];

  xmlw_leaf (x, "target", "dev", dev, "bus", names[bus], NULL);
  switch (bus) {
  case BUS_SCSI:
    t = unit;
    u = 0;
    break;
  case BUS_IDE:
    b = unit / 2;
    u = unit % 2;
    break;
  case BUS_SATA:
    c = unit / SATA_PORTS;
    u = unit % SATA_PORTS;
    break;
  case BUS_FLOPPY:
    c = unit / 2;
    u = unit % 2;
    break;
  case BUS_VIRTIO:
  default:
    return;
  }
  snprintf (s[0], sizeof s[0], "%u", c);
  snprintf (s[1], sizeof s[1], "%u", b);
  snprintf (s[2], sizeof s[2], "%u", t);
  snprintf (s[3], sizeof s[3], "%u", u);
  xmlw_leaf (x, "address", "type", "drive", "controller", s[0], "bus", s[1],
             "target", s[2], "unit", s[3], NULL);
}

/* libvirt takes absolute paths only. */
static void
write_file (struct xml *x, const struct model *m, const struct model_disk *d)
{
  CLEANUP_FREE char *path = NULL;

  if (d->path[0] == '/') {
    xmlw_leaf (x, "source", "file", d->path, NULL);
    return;
  }
  model_warn (m, "target-path",
              "libvirt needs absolute paths: \"%s\" is "
              "taken to be in /var/lib/libvirt/images.",
              d->path);
  xmlw_open (x, "source", NULL);
  if (asprintf (&path, "/var/lib/libvirt/images/%s", d->path) == -1)
    path = NULL;
  xmlw_attr (x, "file", path ? path : "/");
  xmlw_close (x);
}

static const char *
volume_name (const struct model_disk *d)
{
  const char *slash = strrchr (d->path, '/');

  return slash ? slash + 1 : d->path;
}

static int
write_disk (struct xml *x, const struct model *m, const struct model_disk *d,
            char **error)
{
  struct nbd_uri u;
  char order[16], port[16], sector[16];

  if (!d->uri) {
    xmlw_open (x, "disk", "type", d->pool ? "volume" : "file", "device", "disk",
               NULL);
    if (d->bus == BUS_VIRTIO)
      xmlw_attr (x, "model", virtio_model (m));
    xmlw_leaf (x, "driver", "name", "qemu", "type", d->format, "discard",
               "unmap", NULL);
    if (d->pool)
      xmlw_leaf (x, "source", "pool", d->pool, "volume", volume_name (d), NULL);
    else
      write_file (x, m, d);
  }
  else {
    if (nbd_uri_parse (d->path, &u, error) == -1)
      return -1;
    xmlw_open (x, "disk", "type", "network", "device", "disk", NULL);
    if (d->bus == BUS_VIRTIO)
      xmlw_attr (x, "model", virtio_model (m));
    xmlw_leaf (x, "driver", "name", "qemu", "type", d->format, NULL);
    xmlw_open (x, "source", "protocol", "nbd", NULL);
    if (u.export[0])
      xmlw_attr (x, "name", u.export);
    if (u.tls)
      xmlw_attr (x, "tls", "yes");
    if (u.socket)
      xmlw_leaf (x, "host", "transport", "unix", "socket", u.socket, NULL);
    else {
      snprintf (port, sizeof port, "%d", u.port);
      xmlw_leaf (x, "host", "name", u.host, "port", port, NULL);
    }
    xmlw_close (x);
    nbd_uri_clear (&u);
  }
  if (d->serial)
    xmlw_text (x, "serial", "%s", d->serial);
  if (d->sector) {
    snprintf (sector, sizeof sector, "%u", d->sector);
    xmlw_leaf (x, "blockio", "logical_block_size", sector,
               "physical_block_size", sector, NULL);
  }
  snprintf (order, sizeof order, "%u", d->boot);
  xmlw_leaf (x, "boot", "order", order, NULL);
  write_target (x, d->bus, d->unit, d->dev);
  xmlw_close (x);
  return 0;
}

static void
write_removables (struct xml *x, const struct model *m)
{
  size_t i;

  for (i = 0; i < m->nr_removables; ++i) {
    const struct model_removable *r = &m->removables[i];

    xmlw_open (x, "disk", "type", "file", "device",
               r->kind == VM_FLOPPY ? "floppy" : "cdrom", NULL);
    xmlw_leaf (x, "driver", "name", "qemu", "type", "raw", NULL);
    write_target (x, r->bus, r->unit, r->dev);
    if (r->kind == VM_CDROM)
      xmlw_leaf (x, "readonly", NULL);
    xmlw_close (x);
  }
}

static void
write_controllers (struct xml *x, const struct model *m)
{
  unsigned i, n;
  char index[16];

  if (model_bus_size (m, BUS_SCSI) > 0)
    xmlw_leaf (x, "controller", "type", "scsi", "index", "0", "model",
               m->transitional ? "virtio-transitional" : "virtio-scsi", NULL);
  n = model_bus_size (m, BUS_SATA);
  for (i = 0; i * SATA_PORTS < n; ++i) {
    snprintf (index, sizeof index, "%u", i);
    xmlw_leaf (x, "controller", "type", "sata", "index", index, NULL);
  }
  /* libvirt gives a machine of Arm's none of its own accord. */
  if (!m->x86 && strcmp (m->arch, "s390x") != 0)
    xmlw_leaf (x, "controller", "type", "usb", "index", "0", "model",
               "qemu-xhci", NULL);
  xmlw_open (x, "controller", "type", "virtio-serial", "index", "0", NULL);
  xmlw_attr (x, "model", virtio_model (m));
  xmlw_close (x);
}

/* A bridge is a device of the host, and libvirt takes no other names. */
static char *
bridge_name (const struct model *m, const char *vnet)
{
  char *s = strdup (vnet), *p;

  if (s == NULL)
    return NULL;
  for (p = s; *p; ++p)
    if (strchr ("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                "0123456789_.-:",
                *p) == NULL)
      *p = '_';
  if (strcmp (s, vnet) != 0)
    model_warn (m, "target-network",
                "\"%s\" is not a name of a bridge: "
                "\"%s\" is used.  Say which bridge it is to be.",
                vnet, s);
  return s;
}

static void
write_nics (struct xml *x, const struct model *m)
{
  size_t i;
  char order[16];

  for (i = 0; i < m->nr_nics; ++i) {
    const struct model_nic *n = &m->nics[i];
    const char *model = model_nic_model (m);
    bool bridge = n->kind == VM_NIC_BRIDGE;
    CLEANUP_FREE char *vnet = bridge ? bridge_name (m, n->vnet)
                                     : strdup (n->vnet);

    if (m->transitional && m->facts->net == TARGET_NET_VIRTIO)
      model = "virtio-transitional";
    xmlw_open (x, "interface", "type", bridge ? "bridge" : "network", NULL);
    if (n->mac)
      xmlw_leaf (x, "mac", "address", n->mac, NULL);
    xmlw_leaf (x, "source", bridge ? "bridge" : "network",
               vnet ? vnet : "default", NULL);
    xmlw_leaf (x, "model", "type", model, NULL);
    if (n->boot) {
      snprintf (order, sizeof order, "%u", n->boot);
      xmlw_leaf (x, "boot", "order", order, NULL);
    }
    xmlw_close (x);
  }
}

static void
write_graphics (struct xml *x, const struct model *m)
{
  const char *type = m->display_type, *lt = m->display_listen_type;
  bool address;
  char port[16];

  xmlw_open (x, "video", NULL);
  if (m->x86)
    xmlw_leaf (x, "model", "type", "vga", "vram", "16384", "heads", "1", NULL);
  else
    xmlw_leaf (x, "model", "type", "virtio", "heads", "1", NULL);
  xmlw_close (x);

  if (strcmp (type, "window") == 0) {
    xmlw_leaf (x, "graphics", "type", "sdl", NULL);
    return;
  }
  xmlw_open (x, "graphics", "type", type, NULL);
  /* A socket or nothing to listen on excludes a port. */
  if (!lt || (strcmp (lt, "socket") != 0 && strcmp (lt, "none") != 0)) {
    if (m->display_port > 0) {
      snprintf (port, sizeof port, "%d", m->display_port);
      xmlw_attr (x, "autoport", "no");
      xmlw_attr (x, "port", port);
    }
    else
      xmlw_attr (x, "autoport", "yes");
  }
  if (m->display_keymap)
    xmlw_attr (x, "keymap", m->display_keymap);
  if (m->display_password && m->display_password[0])
    xmlw_attr (x, "passwd", m->display_password);
  /* A network is one of the source's host, a socket a path there: only
   * the address, and "none", mean the same elsewhere.
   */
  address = m->display_listen && m->display_listen[0] &&
            (lt == NULL || strcmp (lt, "address") == 0);
  if (address)
    xmlw_leaf (x, "listen", "type", "address", "address", m->display_listen,
               NULL);
  else if (lt && strcmp (lt, "network") == 0 && m->display_listen)
    xmlw_leaf (x, "listen", "type", "network", "network", m->display_listen,
               NULL);
  else if (lt && (strcmp (lt, "none") == 0 || strcmp (lt, "socket") == 0))
    xmlw_leaf (x, "listen", "type", lt, NULL);
  xmlw_close (x);
}

static void
write_devices (struct xml *x, const struct model *m)
{
  const struct target_facts *f = m->facts;

  write_controllers (x, m);
  write_nics (x, m);
  write_graphics (x, m);
  if (m->sound)
    xmlw_leaf (x, "sound", "model", m->sound, NULL);
  if (m->tpm_model) {
    xmlw_open (x, "tpm", "model", m->tpm_model, NULL);
    xmlw_leaf (x, "backend", "type", "emulator", "version", m->tpm_version,
               NULL);
    xmlw_close (x);
  }
  if (f->rng) {
    xmlw_open (x, "rng", "model",
               m->transitional ? "virtio-transitional" : "virtio", NULL);
    xmlw_open (x, "backend", "model", "random", NULL);
    xmlw_content (x, "/dev/urandom");
    xmlw_close (x);
    xmlw_close (x);
  }
  xmlw_leaf (x, "memballoon", "model",
             !f->balloon       ? "none"
             : m->transitional ? "virtio-transitional"
                               : "virtio",
             NULL);
  if (f->pvpanic && m->x86) {
    xmlw_open (x, "panic", "model", "isa", NULL);
    xmlw_leaf (x, "address", "type", "isa", "iobase", "0x505", NULL);
    xmlw_close (x);
  }
  if (f->vsock) {
    xmlw_open (x, "vsock", "model",
               m->transitional ? "virtio-transitional" : "virtio", NULL);
    xmlw_leaf (x, "cid", "auto", "yes", NULL);
    xmlw_close (x);
  }
  if (strcmp (m->arch, "s390x") != 0)
    xmlw_leaf (x, "input", "type", "tablet", "bus", "usb", NULL);
  if (m->x86)
    xmlw_leaf (x, "input", "type", "mouse", "bus", "ps2", NULL);
  else if (strcmp (m->arch, "s390x") != 0)
    xmlw_leaf (x, "input", "type", "keyboard", "bus", "usb", NULL);
  xmlw_leaf (x, "console", "type", "pty", NULL);
  xmlw_open (x, "channel", "type", "unix", NULL);
  xmlw_leaf (x, "target", "type", "virtio", "name", "org.qemu.guest_agent.0",
             NULL);
  xmlw_close (x);
}

int
target_write_libvirt (const struct vm *source, const struct target_facts *f,
                      char **text, size_t *len, char **error)
{
  struct model *m = model_new (source, f, error);
  struct xml *x;
  size_t i;
  int r = 0;

  if (m == NULL)
    return -1;
  x = xmlw_new ();
  if (x == NULL) {
    model_free (m);
    return target_error (error, "out of memory");
  }
  xmlw_open (x, "domain", "type", "kvm", NULL);
  xmlw_text (x, "name", "%s", m->name);
  if (m->uuid)
    xmlw_text (x, "uuid", "%s", m->uuid);
  if (m->genid && m->x86)
    xmlw_text (x, "genid", "%s", m->genid);
  if (f->osinfo_id) {
    xmlw_open (x, "metadata", NULL);
    xmlw_open (x, "libosinfo:libosinfo", "xmlns:libosinfo",
               "http://libosinfo.org/xmlns/libvirt/domain/1.0", NULL);
    xmlw_leaf (x, "libosinfo:os", "id", f->osinfo_id, NULL);
    xmlw_close (x);
    xmlw_close (x);
  }
  xmlw_open (x, "memory", "unit", "KiB", NULL);
  {
    char kib[32];

    snprintf (kib, sizeof kib, "%llu", (unsigned long long)(m->memory / 1024));
    xmlw_content (x, kib);
    xmlw_close (x);
    xmlw_open (x, "currentMemory", "unit", "KiB", NULL);
    xmlw_content (x, kib);
    xmlw_close (x);
  }
  xmlw_text (x, "vcpu", "%u", m->vcpus);
  write_os (x, m);
  write_features (x, m);
  write_cpu (x, m);
  write_clock (x, m);
  xmlw_text (x, "on_poweroff", "destroy");
  xmlw_text (x, "on_reboot", "restart");
  xmlw_text (x, "on_crash", "restart");
  xmlw_open (x, "devices", NULL);
  for (i = 0; r == 0 && i < m->nr_disks; ++i)
    r = write_disk (x, m, &m->disks[i], error);
  if (r == 0) {
    write_removables (x, m);
    write_devices (x, m);
    xmlw_close (x);
    xmlw_close (x);
    r = xmlw_finish (x, text, len, error);
  }
  else
    xmlw_free (x);
  model_free (m);
  return r;
}
