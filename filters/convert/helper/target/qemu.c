/* SPDX-License-Identifier: BSD-3-Clause */

/* A shell script that runs the machine with QEMU.
 *
 * Rules:
 *
 * 1. Whatever comes from the guest or the user is one word that
 *    target_shell_quote made; files that the script itself makes
 *    (NVRAM, TPM state, agent socket) have names of A-Za-z0-9._- only.
 * 2. Disks are -blockdev with JSON: no file name can be mistaken for a
 *    protocol ("nbd:", "fat:") or end an option at a comma.  bootindex is
 *    on -device, where QEMU wants it.
 * 3. The NVRAM is copied from the firmware's template once, next to the
 *    script, and kept: boot entries survive.  A template of another size
 *    than the NVRAM that is there belongs to another firmware build and
 *    is passed over.
 * 4. The script changes to its own directory: relative paths of disks are
 *    relative to it.
 */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "jsonutil.h"
#include "model.h"
#include "qemu.h"
#include "v2v-utils.h"

#define SATA_PORTS 6
/* From this number on, eight disks share a PCI slot as functions. */
#define DISKS_PER_SLOT_FROM 8
#define FIRST_SHARED_SLOT 0x10
#define MAX_SHARED_DISKS ((0x1d - FIRST_SHARED_SLOT) * 8)

/* "virtio-blk" -> "virtio-blk-pci". */
static const char *
virtio (const struct model *m, const char *name, char buf[64])
{
  snprintf (buf, 64, "%s-%s", name,
            strcmp (m->arch, "s390x") == 0 ? "ccw"
            : m->transitional              ? "pci-transitional"
                                           : "pci");
  return buf;
}

static void
write_head (struct script *s)
{
  const struct model *m = s->m;
  const char *arch = strcmp (m->arch, "i686") == 0      ? "i386"
                     : strcmp (m->arch, "ppc64le") == 0 ? "ppc64"
                                                        : m->arch;

  qemu_put (s,
            "#!/bin/bash -\n"
            "# Runs the converted machine with QEMU.  Made by nbdkit-v2v.\n");
  fprintf (s->fp, "# Machine: %s\n", m->name);
  qemu_put (
    s, "#\n"
       "# Arguments are passed on to QEMU, after all others.  Environment:\n"
       "#   QEMU         the program to run\n"
       "#   V2V_ACCEL    accelerators to try, \"kvm:tcg\"\n"
       "#   V2V_DISPLAY  value of -display, such as \"none\" or \"gtk\"\n"
       "#   V2V_SERIAL   value of -serial, such as \"none\" or \"stdio\"\n"
       "#   V2V_NET0, V2V_NET1, ...  backend of a NIC, such as\n"
       "#                \"bridge,br=br0\"; \"user\" if not given\n"
       "set -euo pipefail\n"
       "cd -- \"$(dirname -- \"${BASH_SOURCE[0]}\")\"\n");
  fprintf (s->fp, "qemu=${QEMU:-qemu-system-%s}\n", arch);
  qemu_put (s, "args=(-no-user-config -nodefaults)\n"
               "IFS=: read -r -a accels <<<\"${V2V_ACCEL:-kvm:tcg}\"\n"
               "for a in \"${accels[@]}\"; do args+=(-accel \"$a\"); done\n\n");
}

static void
write_machine (struct script *s)
{
  const struct model *m = s->m;
  const char *type = m->machine == TARGET_MACHINE_I440FX  ? "pc"
                     : m->machine == TARGET_MACHINE_Q35   ? "q35"
                     : strncmp (m->arch, "ppc64", 5) == 0 ? "pseries"
                     : strcmp (m->arch, "s390x") == 0     ? "s390-ccw-virtio"
                     : strcmp (m->arch, "aarch64") == 0 ? "virt,gic-version=max"
                                                        : "virt";
  CLEANUP_FREE char *name = qemu_commas (m->name);

  if (name == NULL) {
    s->failed = true;
    return;
  }
  qemu_arg (s, "-name", "guest=%s", name);
  qemu_arg (s, "-machine", "%s%s%s", type, m->secure_boot ? ",smm=on" : "",
            m->uefi ? ",pflash0=code,pflash1=vars" : "");
  if (m->secure_boot)
    qemu_args (s, "-global", "driver=cfi.pflash01,property=secure,value=on",
               "-global", "ICH9-LPC.disable_s3=1", NULL);
  qemu_arg (s, "-m", "%llu", (unsigned long long)(m->memory >> 20));
  /* Unlike "host", "max" also means something without KVM. */
  qemu_arg (s, "-cpu", "%s%s", m->cpu_model ? m->cpu_model : "max",
            m->windows && m->x86
              ? ",hv-relaxed=on,hv-vapic=on,hv-spinlocks=0x1fff"
              : "");
  if (m->sockets)
    qemu_arg (s, "-smp", "cpus=%u,sockets=%u,cores=%u,threads=%u", m->vcpus,
              m->sockets, m->cores, m->threads);
  else
    qemu_arg (s, "-smp", "%u", m->vcpus);
  if (m->uuid)
    qemu_arg (s, "-uuid", "%s", m->uuid);
  if (m->genid && m->x86)
    qemu_arg (s, "-device", "vmgenid,guid=%s", m->genid);
  qemu_arg (s, "-rtc", "base=%s", m->facts->rtc_utc ? "utc" : "localtime");
  if (m->x86)
    qemu_args (s, "-boot", "strict=on", NULL);
  qemu_put (s, "\n");
}

static char *
block_node (struct script *s, const struct model_disk *d, size_t i,
            char **error)
{
  struct json_object *o = json_object_new_object ();
  struct json_object *file = json_object_new_object (), *server;
  struct nbd_uri u;
  char name[32], *ret;

  if (d->uri) {
    if (nbd_uri_parse (d->path, &u, error) == -1) {
      json_object_put (o);
      json_object_put (file);
      return NULL;
    }
    json_put (file, "driver", "nbd");
    server = json_object_new_object ();
    if (u.socket) {
      json_put (server, "type", "unix");
      json_put (server, "path", u.socket);
    }
    else {
      json_put (server, "type", "inet");
      json_put (server, "host", u.host);
      json_put_text_uint (server, "port", u.port);
    }
    json_object_object_add (file, "server", server);
    json_put (file, "export", u.export);
    if (u.tls) {
      qemu_put (s, "args+=(-object \"tls-creds-x509,endpoint=client,");
      fprintf (s->fp, "id=tls%zu,dir=${V2V_TLS_DIR:-/etc/pki/qemu}\")\n", i);
      snprintf (name, sizeof name, "tls%zu", i);
      json_put (file, "tls-creds", name);
    }
    nbd_uri_clear (&u);
  }
  else {
    json_put (file, "driver",
              strncmp (d->path, "/dev/", 5) == 0 ? "host_device" : "file");
    json_put (file, "filename", d->path);
    json_put (file, "discard", "unmap");
  }
  json_put (o, "driver", d->format);
  snprintf (name, sizeof name, "disk%zu", i);
  json_put (o, "node-name", name);
  json_put (o, "discard", "unmap");
  json_object_object_add (o, "file", file);
  ret = strdup (json_object_to_json_string_ext (
    o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
  json_object_put (o);
  if (ret == NULL)
    target_error (error, "out of memory");
  return ret;
}

/* "bus=..." of a unit on IDE, SATA or SCSI. */
static void
bus_address (const struct model *m, enum bus bus, unsigned unit, char buf[64])
{
  switch (bus) {
  case BUS_IDE:
    snprintf (buf, 64, "bus=ide.%u,unit=%u", unit / 2, unit % 2);
    break;
  case BUS_SATA:
    /* The first controller of q35 is part of its chipset. */
    if (m->machine == TARGET_MACHINE_Q35 && unit < SATA_PORTS)
      snprintf (buf, 64, "bus=ide.%u", unit);
    else
      snprintf (buf, 64, "bus=ahci%u.%u", unit / SATA_PORTS, unit % SATA_PORTS);
    break;
  case BUS_SCSI:
    snprintf (buf, 64, "bus=scsi0.0,channel=0,scsi-id=%u,lun=0", unit);
    break;
  case BUS_VIRTIO:
  case BUS_FLOPPY:
  default:
    buf[0] = '\0';
  }
}

static int
write_disks (struct script *s, char **error)
{
  const struct model *m = s->m;
  unsigned n;
  char dev[64], addr[64];
  size_t i;

  if (model_bus_size (m, BUS_SCSI) > 0)
    qemu_arg (s, "-device", "%s,id=scsi0", virtio (m, "virtio-scsi", dev));
  for (n = m->machine == TARGET_MACHINE_Q35 ? 1 : 0;
       n * SATA_PORTS < model_bus_size (m, BUS_SATA); ++n)
    qemu_arg (s, "-device", "ich9-ahci,id=ahci%u", n);

  for (i = 0; i < m->nr_disks; ++i) {
    const struct model_disk *d = &m->disks[i];
    CLEANUP_FREE char *node = block_node (s, d, i, error);
    char serial[64] = "", slot[64] = "", sector[80] = "";

    if (node == NULL)
      return -1;
    qemu_arg (s, "-blockdev", "%s", node);
    /* ATA and virtio have room for 20 characters, SCSI takes 36. */
    if (d->serial)
      snprintf (serial, sizeof serial, ",serial=%.*s",
                d->bus == BUS_SCSI ? 36 : 20, d->serial);
    if (d->sector)
      snprintf (sector, sizeof sector,
                ",logical_block_size=%u,physical_block_size=%u", d->sector,
                d->sector);
    switch (d->bus) {
    case BUS_VIRTIO:
      if (m->nr_disks > DISKS_PER_SLOT_FROM && strcmp (m->arch, "s390x") != 0) {
        if (i >= MAX_SHARED_DISKS)
          return target_error (error, "QEMU's machine has room for %d disks",
                               MAX_SHARED_DISKS);
        snprintf (slot, sizeof slot, ",addr=0x%zx.%zu,multifunction=on",
                  FIRST_SHARED_SLOT + i / 8, i % 8);
      }
      qemu_arg (s, "-device", "%s,drive=disk%zu,bootindex=%u%s%s%s",
                virtio (m, "virtio-blk", dev), i, d->boot, serial, sector,
                slot);
      break;
    case BUS_SCSI:
    case BUS_IDE:
    case BUS_SATA:
      bus_address (m, d->bus, d->unit, addr);
      qemu_arg (s, "-device", "%s-hd,%s,drive=disk%zu,bootindex=%u%s%s",
                d->bus == BUS_SCSI ? "scsi" : "ide", addr, i, d->boot, serial,
                sector);
      break;
    case BUS_FLOPPY:
    default:
      break;
    }
  }
  if (model_bus_size (m, BUS_FLOPPY) > 0 && m->machine == TARGET_MACHINE_Q35)
    qemu_args (s, "-device", "isa-fdc", NULL);
  for (i = 0; i < m->nr_removables; ++i) {
    const struct model_removable *r = &m->removables[i];

    bus_address (m, r->bus, r->unit, addr);
    if (r->kind == VM_FLOPPY)
      qemu_arg (s, "-device", "floppy,unit=%u,drive-type=144", r->unit);
    else
      qemu_arg (s, "-device", "%s-cd,%s", r->bus == BUS_SCSI ? "scsi" : "ide",
                addr);
  }
  qemu_put (s, "\n");
  return 0;
}

static void
write_nics (struct script *s)
{
  const struct model *m = s->m;
  size_t i;
  char dev[64];

  for (i = 0; i < m->nr_nics; ++i) {
    const struct model_nic *n = &m->nics[i];
    const char *model = m->facts->net == TARGET_NET_VIRTIO
                          ? virtio (m, "virtio-net", dev)
                          : model_nic_model (m);
    CLEANUP_FREE char *vnet = target_name_domain (n->vnet);
    char boot[32] = "";

    if (vnet == NULL) {
      s->failed = true;
      return;
    }
    if (n->boot)
      snprintf (boot, sizeof boot, ",bootindex=%u", n->boot);
    fprintf (s->fp, "# Was on the %s: %s\n",
             n->kind == VM_NIC_BRIDGE ? "bridge" : "network", vnet);
    fprintf (s->fp, "args+=(-netdev \"${V2V_NET%zu:-user},id=net%zu\")\n", i,
             i);
    qemu_arg (s, "-device", "%s,netdev=net%zu%s%s%s", model, i,
              n->mac ? ",mac=" : "", n->mac ? n->mac : "", boot);
  }
  qemu_put (s, "\n");
}

static void
write_display (struct script *s)
{
  const struct model *m = s->m;
  const char *type = m->display_type, *listen = m->display_listen;
  bool password = m->display_password && m->display_password[0];
  const char *secret = password ? ",password-secret=display" : "";

  /* Only addresses that every host has. */
  if (listen == NULL ||
      (strcmp (listen, "0.0.0.0") != 0 && strcmp (listen, "::") != 0 &&
       strcmp (listen, "::1") != 0))
    listen = "127.0.0.1";

  qemu_put (s, "if [ -n \"${V2V_DISPLAY-}\" ]; then\n"
               "    args+=(-display \"$V2V_DISPLAY\")\nelse\n");
  if (strcmp (type, "window") == 0)
    qemu_args (s, "-display", "gtk", NULL);
  else {
    if (password) {
      CLEANUP_FREE char *q = target_shell_quote (m->display_password);

      /* Through a pipe: arguments can be seen by other users. */
      if (q == NULL)
        s->failed = true;
      else
        fprintf (s->fp,
                 "exec {pw}< <(printf %%s %s)\n"
                 "args+=(-object \"secret,id=display,file=/dev/fd/$pw\")\n",
                 q);
    }
    if (strcmp (type, "spice") == 0)
      qemu_arg (s, "-spice", "port=%d,addr=%s%s",
                m->display_port > 0 ? m->display_port : 5900, listen,
                password ? secret : ",disable-ticketing=on");
    else {
      const char *open = strchr (listen, ':') ? "[" : "";
      const char *close = strchr (listen, ':') ? "]" : "";

      if (m->display_port >= 5900)
        qemu_arg (s, "-display", "vnc=%s%s%s:%d%s", open, listen, close,
                  m->display_port - 5900, secret);
      else
        qemu_arg (s, "-display", "vnc=%s%s%s:0,to=99%s", open, listen, close,
                  secret);
    }
  }
  qemu_put (s, "fi\n");
  if (m->display_keymap)
    qemu_arg (s, "-k", "%s", m->display_keymap);
  if (m->x86)
    qemu_args (s, "-device", "VGA,vgamem_mb=16", "-usb", "-device",
               "usb-tablet", NULL);
  else if (strcmp (m->arch, "s390x") != 0)
    qemu_args (s, "-device", "virtio-gpu-pci", "-device", "qemu-xhci",
               "-device", "usb-tablet", "-device", "usb-kbd", NULL);
  qemu_put (s, "\n");
}

static void
write_sound (struct script *s)
{
  const char *sound = s->m->sound;

  if (sound == NULL)
    return;
  qemu_put (s, "args+=(-audiodev \"${V2V_AUDIO:-none},id=audio\")\n");
  if (strcmp (sound, "ac97") == 0)
    qemu_args (s, "-device", "AC97,audiodev=audio", NULL);
  else if (strcmp (sound, "es1370") == 0)
    qemu_args (s, "-device", "ES1370,audiodev=audio", NULL);
  else if (strcmp (sound, "sb16") == 0)
    qemu_args (s, "-device", "sb16,audiodev=audio", NULL);
  else if (strcmp (sound, "usb") == 0)
    qemu_args (s, "-device", "usb-audio,audiodev=audio", NULL);
  else if (strcmp (sound, "pcspk") == 0)
    qemu_args (s, "-machine", "pcspk-audiodev=audio", NULL);
  else
    qemu_args (s, "-device",
               strcmp (sound, "ich9") == 0 ? "ich9-intel-hda" : "intel-hda",
               "-device", "hda-duplex,audiodev=audio", NULL);
}

static void
write_devices (struct script *s)
{
  const struct model *m = s->m;
  const struct target_facts *f = m->facts;
  char dev[64];

  qemu_tpm (s);
  if (f->rng) {
    qemu_args (s, "-object", "rng-random,id=rng0,filename=/dev/urandom", NULL);
    qemu_arg (s, "-device", "%s,rng=rng0", virtio (m, "virtio-rng", dev));
  }
  if (f->balloon)
    qemu_args (s, "-device", virtio (m, "virtio-balloon", dev), NULL);
  if (f->pvpanic && m->x86)
    qemu_args (s, "-device", "pvpanic,ioport=0x505", NULL);
  if (f->vsock) {
    qemu_put (s, "# A context id that no other machine of this host has.\n"
                 "if [ -w /dev/vhost-vsock ]; then\n");
    fprintf (s->fp, "    args+=(-device \"%s,guest-cid=$(($$ + 3))\")\n",
             virtio (m, "vhost-vsock", dev));
    qemu_put (s, "fi\n");
  }
  qemu_put (s, "# The guest agent's channel.\n");
  qemu_args (s, "-device", virtio (m, "virtio-serial", dev), NULL);
  qemu_arg (s, "-chardev", "socket,id=qga,server=on,wait=off,path=./%s.qga",
            s->aux);
  qemu_args (s, "-device",
             "virtserialport,chardev=qga,name=org.qemu.guest_agent.0", NULL);
  if (!m->windows)
    qemu_put (s, "args+=(-serial \"${V2V_SERIAL:-stdio}\")\n");
}

int
target_write_qemu (const struct vm *source, const struct target_facts *f,
                   char **text, size_t *len, char **error)
{
  struct script s = { .m = model_new (source, f, error) };
  char *buf = NULL;
  size_t size = 0;
  int r = -1;

  if (s.m == NULL)
    return -1;
  s.aux = target_name_label (s.m->title);
  s.fp = open_memstream (&buf, &size);
  if (s.aux == NULL || s.fp == NULL)
    s.failed = true;
  else {
    write_head (&s);
    qemu_firmware (&s);
    write_machine (&s);
    r = write_disks (&s, error);
    write_nics (&s);
    write_display (&s);
    write_sound (&s);
    write_devices (&s);
    qemu_put (&s, "\nexec \"$qemu\" \"${args[@]}\" \"$@\"\n");
  }
  if (s.fp && fclose (s.fp) == EOF)
    s.failed = true;
  if (r == 0 && s.failed)
    r = target_error (error, "out of memory");
  else if (s.failed && *error == NULL)
    target_error (error, "out of memory");
  if (r == 0) {
    *text = buf;
    *len = size;
  }
  else
    free (buf);
  free (s.aux);
  model_free ((struct model *)s.m);
  return r;
}
