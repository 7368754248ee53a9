/* SPDX-License-Identifier: BSD-3-Clause */

/* libvirt's domain XML.
 *
 * The document is the user's: which files its disks are is his word.  What
 * the images then name is checked like everywhere (image.c).  Defaults are
 * libvirt's own: a <disk> without device= is a disk, a missing driver type
 * is raw, a missing unit of <memory> is KiB.
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

#include "domain-disk.h"
#include "machine.h"
#include "units.h"
#include "v2v-utils.h"
#include "xml.h"

static int
get_memory (xmlNode *dom, struct vm *vm, struct diag *d)
{
  xmlNode *n = xml_child (dom, "memory");
  CLEANUP_FREE char *s = xml_text (n), *unit = xml_attr (n, "unit");
  uint64_t bytes = unit ? units_libvirt (unit) : 1024;

  if (s == NULL) {
    diag_warn (d, "the domain has no <memory>: 1 GiB is assumed");
    vm->memory = UINT64_C (1) << 30;
    return 0;
  }
  if (bytes == 0)
    return diag_error (d, "line %u: memory: the unit \"%.40s\" is not known",
                       xml_line (n), unit);
  if (!whole_number (s, &vm->memory) ||
      __builtin_mul_overflow (vm->memory, bytes, &vm->memory) ||
      vm->memory == 0 || vm->memory > INT64_MAX)
    return diag_error (d, "line %u: memory: \"%.40s\" is not a size",
                       xml_line (n), s);
  return 0;
}

/* A number from 1 of an attribute, 0 if it is not there. */
static int
count_attr (xmlNode *n, const char *name, unsigned *r, struct diag *d)
{
  CLEANUP_FREE char *s = xml_attr (n, name);
  uint64_t v = 0;

  *r = 0;
  if (s && (!whole_number (s, &v) || v == 0 || v > 65536))
    return diag_error (d,
                       "line %u: %s=\"%.40s\" is not a number from 1 to "
                       "65536",
                       xml_line (n), name, s);
  *r = v;
  return 0;
}

static int
get_cpu (xmlNode *dom, struct vm *vm, struct diag *d)
{
  xmlNode *cpu = xml_child (dom, "cpu"), *n = xml_child (dom, "vcpu");
  xmlNode *topology = xml_child (cpu, "topology");
  CLEANUP_FREE char *s = xml_text (n);
  unsigned sockets, dies, cores, threads;
  uint64_t v = 0;

  if (take_string (&vm->cpu_vendor, xml_text (xml_child (cpu, "vendor")),
                   "vendor", d) == -1 ||
      take_string (&vm->cpu_model, xml_text (xml_child (cpu, "model")), "model",
                   d) == -1 ||
      count_attr (topology, "sockets", &sockets, d) == -1 ||
      count_attr (topology, "dies", &dies, d) == -1 ||
      count_attr (topology, "cores", &cores, d) == -1 ||
      count_attr (topology, "threads", &threads, d) == -1)
    return -1;
  cores *= dies ? dies : 1;
  if (s) {
    if (!whole_number (s, &v) || v == 0 || v > 65536)
      return diag_error (d,
                         "line %u: vcpu: \"%.40s\" is not a number from 1 "
                         "to 65536",
                         xml_line (n), s);
  }
  else {
    v = (uint64_t)(sockets ? sockets : 1) * (cores ? cores : 1) *
        (threads ? threads : 1);
    if (v > 65536)
      return diag_error (d, "line %u: the topology has more than 65536 CPUs",
                         xml_line (topology));
  }
  vm->vcpus = v;
  if (sockets && cores && threads) {
    vm->cpu_sockets = sockets;
    vm->cpu_cores = cores;
    vm->cpu_threads = threads;
  }
  return 0;
}

static int
get_os (xmlNode *dom, struct vm *vm, struct diag *d)
{
  xmlNode *os = xml_child (dom, "os"), *loader = xml_child (os, "loader"), *f;
  CLEANUP_FREE char *firmware = xml_attr (os, "firmware");
  CLEANUP_FREE char *type = xml_attr (loader, "type");
  CLEANUP_FREE char *secure = xml_attr (loader, "secure");
  CLEANUP_FREE char *offset = xml_attr (xml_child (dom, "clock"), "offset");

  if (firmware && strcmp (firmware, "efi") == 0)
    vm->firmware = VM_FIRMWARE_UEFI;
  else if (firmware && strcmp (firmware, "bios") == 0)
    vm->firmware = VM_FIRMWARE_BIOS;
  else if (firmware)
    diag_warn (d, "line %u: the firmware \"%.40s\" is not known: ignored",
               xml_line (os), firmware);
  else if (type && strcmp (type, "pflash") == 0)
    vm->firmware = VM_FIRMWARE_UEFI;

  if (secure)
    vm->secure_boot = strcmp (secure, "yes") == 0 ? VM_YES : VM_NO;
  for (f = xml_child (xml_child (os, "firmware"), "feature"); f;
       f = xml_next (f)) {
    CLEANUP_FREE char *name = xml_attr (f, "name");
    CLEANUP_FREE char *enabled = xml_attr (f, "enabled");

    if (name && enabled && strcmp (name, "secure-boot") == 0)
      vm->secure_boot = strcmp (enabled, "yes") == 0 ? VM_YES : VM_NO;
  }
  if (offset && strcmp (offset, "utc") == 0)
    vm->rtc_utc = VM_YES;
  else if (offset && strcmp (offset, "localtime") == 0)
    vm->rtc_utc = VM_NO;
  if (take_string (&vm->nvram, xml_text (xml_child (os, "nvram")), "nvram",
                   d) == -1)
    return -1;
  if (vm->nvram == NULL) /* <nvram type='file'><source file=/> */
    return take_string (
      &vm->nvram, xml_attr (xml_path (os, "nvram/source"), "file"), "nvram", d);
  return 0;
}

static int
get_features (xmlNode *dom, struct vm *vm, struct diag *d)
{
  xmlNode *f = xml_child (dom, "features"), *n;

  for (n = f ? f->children : NULL; n; n = n->next) {
    CLEANUP_FREE char *state = NULL;

    if (n->type != XML_ELEMENT_NODE)
      continue;
    state = xml_attr (n, "state");
    if (state && strcmp (state, "off") == 0)
      continue;
    if (vm_add_feature (vm, (const char *)n->name) == -1)
      return diag_error (d, "features: %m");
  }
  return 0;
}

/*--------------------------------------------------------------------
 * Devices.
 */
static int
get_display (xmlNode *devices, struct vm_display *v, struct diag *d)
{
  xmlNode *g, *listen = NULL;
  CLEANUP_FREE char *type = NULL, *autoport = NULL, *port = NULL;
  uint64_t n;

  /* The first that is known; a machine may have several. */
  for (g = xml_child (devices, "graphics"); g; g = xml_next (g)) {
    free (type);
    type = xml_attr (g, "type");
    if (type && (strcmp (type, "vnc") == 0 || strcmp (type, "spice") == 0))
      break;
    diag_warn (d, "line %u: graphics of type \"%.40s\" are ignored",
               xml_line (g), type ? type : "");
  }
  if (g == NULL)
    return 0;
  listen = xml_child (g, "listen");
  if (set_string (&v->type, type, "graphics", d) == -1 ||
      take_string (&v->keymap, xml_attr (g, "keymap"), "keymap", d) == -1 ||
      take_string (&v->password, xml_attr (g, "passwd"), "passwd", d) == -1 ||
      take_string (&v->listen_type, xml_attr (listen, "type"), "listen", d) ==
        -1)
    return -1;
  if (v->listen_type && strcmp (v->listen_type, "address") != 0 &&
      strcmp (v->listen_type, "network") != 0 &&
      strcmp (v->listen_type, "socket") != 0 &&
      strcmp (v->listen_type, "none") != 0) {
    diag_warn (d, "line %u: listen type=\"%.40s\" is not known: ignored",
               xml_line (listen), v->listen_type);
    free (v->listen_type);
    v->listen_type = NULL;
  }
  if (take_string (
        &v->listen,
        xml_attr (listen, v->listen_type && v->listen_type[0] == 'n' ? "network"
                          : v->listen_type && v->listen_type[0] == 's'
                            ? "socket"
                            : "address"),
        "listen", d) == -1)
    return -1;
  if (listen == NULL) {
    if (take_string (&v->listen, xml_attr (g, "listen"), "listen", d) == -1)
      return -1;
    if (v->listen && set_string (&v->listen_type, "address", "listen", d) == -1)
      return -1;
  }
  autoport = xml_attr (g, "autoport");
  port = xml_attr (g, "port");
  if (autoport && strcmp (autoport, "no") == 0 && port &&
      whole_number (port, &n) && n > 0 && n < 65536)
    v->port = (int)n;
  return 0;
}

static int
get_sound (xmlNode *devices, struct vm *vm, struct diag *d)
{
  static const char *const models[] = {
    "ac97", "es1370", "ich6", "ich9", "pcspk", "sb16", "usb",
  };
  xmlNode *n = xml_child (devices, "sound");
  CLEANUP_FREE char *s = xml_attr (n, "model");
  size_t i;

  if (s == NULL)
    return 0;
  for (i = 0; i < V2V_ARRAY_SIZE (models); ++i)
    if (strcmp (models[i], s) == 0)
      return set_string (&vm->sound, s, "sound", d);
  diag_warn (d, "line %u: the sound model \"%.40s\" is not known: ignored",
             xml_line (n), s);
  return 0;
}

static int
get_tpm (xmlNode *devices, struct vm *vm, struct diag *d)
{
  xmlNode *n = xml_child (devices, "tpm"), *backend = xml_child (n, "backend");

  if (n == NULL)
    return 0;
  if (take_string (&vm->tpm_model, xml_attr (n, "model"), "tpm", d) == -1 ||
      take_string (&vm->tpm_version, xml_attr (backend, "version"), "tpm", d) ==
        -1)
    return -1;
  return vm->tpm_model ? 0 : set_string (&vm->tpm_model, "tpm-tis", "tpm", d);
}

static int
get_nic (xmlNode *n, struct vm *vm, struct diag *d)
{
  CLEANUP_FREE char *type = xml_attr (n, "type"), *name = NULL;
  xmlNode *source = xml_child (n, "source");
  bool network = type && strcmp (type, "network") == 0;
  bool bridge = type && strcmp (type, "bridge") == 0;
  struct vm_nic *nic;

  if (type && strcmp (type, "hostdev") == 0) {
    diag_warn (d, "line %u: a passed-through network card is ignored",
               xml_line (n));
    return 0;
  }
  if (!network && !bridge)
    diag_warn (d,
               "line %u: an interface of type \"%.40s\": its connection "
               "is not taken over",
               xml_line (n), type ? type : "");
  nic = vm_add_nic (vm);
  if (nic == NULL)
    return diag_memory (d);
  nic->kind = bridge ? VM_NIC_BRIDGE : VM_NIC_NETWORK;
  nic->boot_order = domain_boot_order (n);
  name = xml_attr (source, bridge ? "bridge" : "network");
  if (name == NULL && asprintf (&name, "eth%zu", vm->nr_nics - 1) == -1) {
    name = NULL;
    return diag_memory (d);
  }
  if (set_string (&nic->vnet, name, "source", d) == -1)
    return -1;
  free (name);
  name = xml_attr (xml_child (n, "mac"), "address");
  if (set_mac (&nic->mac, name, d) == -1)
    return -1;
  free (name);
  name = xml_attr (xml_child (n, "model"), "type");
  return set_lower (&nic->model, name, "model", d);
}

/* <os><boot dev='hd'/>: only if no device has an order of its own. */
static void
boot_from_os (xmlNode *dom, struct vm *vm)
{
  xmlNode *b;
  size_t i;
  int rank = 0;

  for (i = 0; i < vm->nr_disks; ++i)
    if (vm->disks[i].boot_order)
      return;
  for (i = 0; i < vm->nr_nics; ++i)
    if (vm->nics[i].boot_order)
      return;
  for (b = xml_path (dom, "os/boot"); b; b = xml_next (b)) {
    CLEANUP_FREE char *dev = xml_attr (b, "dev");

    rank++;
    if (dev && strcmp (dev, "hd") == 0 && vm->nr_disks > 0)
      vm->disks[0].boot_order = rank;
    else if (dev && strcmp (dev, "network") == 0 && vm->nr_nics > 0)
      vm->nics[0].boot_order = rank;
  }
}

static int
get_devices (xmlNode *dom, struct machine *m, struct diag *d)
{
  xmlNode *devices = xml_child (dom, "devices"), *n;

  for (n = xml_child (devices, "disk"); n; n = xml_next (n))
    if (domain_get_disk (devices, n, m, d) == -1)
      return -1;
  for (n = xml_child (devices, "interface"); n; n = xml_next (n))
    if (get_nic (n, m->vm, d) == -1)
      return -1;
  for (n = xml_child (devices, "hostdev"); n; n = xml_next (n))
    diag_warn (d, "line %u: a passed-through device is ignored", xml_line (n));
  if (get_display (devices, &m->vm->display, d) == -1 ||
      get_sound (devices, m->vm, d) == -1 || get_tpm (devices, m->vm, d) == -1)
    return -1;
  boot_from_os (dom, m->vm);
  if (m->vm->nr_disks == 0)
    return diag_error (d, "the domain has no disks");
  return 0;
}

static int
get_uuid (xmlNode *dom, struct vm *vm, struct diag *d)
{
  xmlNode *e;
  CLEANUP_FREE char *s = NULL;
  char text[37];

  /* What the guest sees: <sysinfo> wins. */
  for (e = xml_path (dom, "sysinfo/system/entry"); e && s == NULL;
       e = xml_next (e)) {
    CLEANUP_FREE char *name = xml_attr (e, "name");

    if (name && strcmp (name, "uuid") == 0)
      s = xml_text (e);
  }
  if (s == NULL)
    s = xml_text (xml_child (dom, "uuid"));
  if (s == NULL)
    return 0;
  if (!uuid_text (s, text)) {
    diag_warn (d, "uuid: \"%.40s\" is not a UUID: ignored", s);
    return 0;
  }
  return set_string (&vm->uuid, text, "uuid", d);
}

int
domain_parse (const char *text, size_t len, struct machine *m, struct diag *d)
{
  xmlDoc *doc;
  xmlNode *dom;
  struct vm *vm;
  int r = -1;

  if (machine_init (m, d) == -1)
    return -1;
  vm = m->vm;
  doc = xml_parse (text, len, d);
  if (doc == NULL)
    return -1;
  dom = xmlDocGetRootElement (doc);
  if (strcmp ((const char *)dom->name, "domain") != 0)
    diag_error (d, "line %u: <%.40s> is not a libvirt <domain>", xml_line (dom),
                (const char *)dom->name);
  else if (take_string (&vm->hypervisor, xml_attr (dom, "type"), "type", d) ==
             0 &&
           take_string (&vm->name, xml_text (xml_child (dom, "name")), "name",
                        d) == 0 &&
           take_string (&vm->genid, xml_text (xml_child (dom, "genid")),
                        "genid", d) == 0 &&
           take_string (
             &vm->os_hint,
             xml_attr (xml_find (xml_child (dom, "metadata"), "os"), "id"),
             "metadata", d) == 0 &&
           take_string (&m->datacenter,
                        xml_text (xml_child (dom, "datacenterpath")),
                        "datacenterpath", d) == 0 &&
           take_string (&m->moref, xml_text (xml_child (dom, "moref")), "moref",
                        d) == 0 &&
           get_uuid (dom, vm, d) == 0 && get_memory (dom, vm, d) == 0 &&
           get_cpu (dom, vm, d) == 0 && get_os (dom, vm, d) == 0 &&
           get_features (dom, vm, d) == 0) {
    if (vm->hypervisor == NULL)
      diag_error (d, "line %u: the domain has no type", xml_line (dom));
    else if (vm->name == NULL)
      diag_error (d, "line %u: the domain has no name", xml_line (dom));
    else
      r = get_devices (dom, m, d);
  }
  xmlFreeDoc (doc);
  return r;
}
