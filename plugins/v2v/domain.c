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

#include "image-format.h"
#include "machine.h"
#include "url.h"
#include "v2v-utils.h"
#include "xml.h"

/* What replaces *P, and owns S. */
static int
take (char **p, char *s, const char *what, struct diag *d)
{
  int r = set_string (p, s, what, d);

  free (s);
  return r;
}

/* libvirt's units (docs: "scaled integer"); 0 = not known. */
static uint64_t
unit_bytes (const char *s)
{
  static const struct {
    const char *word;
    uint64_t bytes;
  } units[] = {
    { "b", 1 },
    { "bytes", 1 },
    { "KB", 1000 },
    { "MB", 1000000 },
    { "GB", 1000000000 },
    { "TB", 1000000000000 },
    { "k", 1 << 10 },
    { "KiB", 1 << 10 },
    { "M", 1 << 20 },
    { "MiB", 1 << 20 },
    { "G", 1 << 30 },
    { "GiB", 1 << 30 },
    { "T", UINT64_C (1) << 40 },
    { "TiB", UINT64_C (1) << 40 },
  };
  size_t i;

  for (i = 0; i < V2V_ARRAY_SIZE (units); ++i)
    if (strcasecmp (units[i].word, s) == 0)
      return units[i].bytes;
  return 0;
}

static int
get_memory (xmlNode *dom, struct vm *vm, struct diag *d)
{
  xmlNode *n = xml_child (dom, "memory");
  CLEANUP_FREE char *s = xml_text (n), *unit = xml_attr (n, "unit");
  uint64_t bytes = unit ? unit_bytes (unit) : 1024;

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

  if (take (&vm->cpu_vendor, xml_text (xml_child (cpu, "vendor")), "vendor",
            d) == -1 ||
      take (&vm->cpu_model, xml_text (xml_child (cpu, "model")), "model", d) ==
        -1 ||
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
  if (take (&vm->nvram, xml_text (xml_child (os, "nvram")), "nvram", d) == -1)
    return -1;
  if (vm->nvram == NULL) /* <nvram type='file'><source file=/> */
    return take (&vm->nvram, xml_attr (xml_path (os, "nvram/source"), "file"),
                 "nvram", d);
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
      take (&v->keymap, xml_attr (g, "keymap"), "keymap", d) == -1 ||
      take (&v->password, xml_attr (g, "passwd"), "passwd", d) == -1 ||
      take (&v->listen_type, xml_attr (listen, "type"), "listen", d) == -1)
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
  if (take (&v->listen,
            xml_attr (listen,
                      v->listen_type && v->listen_type[0] == 'n'   ? "network"
                      : v->listen_type && v->listen_type[0] == 's' ? "socket"
                                                                   : "address"),
            "listen", d) == -1)
    return -1;
  if (listen == NULL) {
    if (take (&v->listen, xml_attr (g, "listen"), "listen", d) == -1)
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
  if (take (&vm->tpm_model, xml_attr (n, "model"), "tpm", d) == -1 ||
      take (&vm->tpm_version, xml_attr (backend, "version"), "tpm", d) == -1)
    return -1;
  return vm->tpm_model ? 0 : set_string (&vm->tpm_model, "tpm-tis", "tpm", d);
}

/* The letters of "sda", "hdc", "vdaa" as a number from 0; -1 = not known. */
static int
slot_of (const char *dev)
{
  static const char *const prefixes[] = {
    "hd", "sd", "vd", "xvd", "fd", "ubd"
  };
  size_t i, n;
  const char *p;
  uint64_t v;
  int r = 0;

  if (strncmp (dev, "sr", 2) == 0)
    return whole_number (dev + 2, &v) && v < 1024 ? (int)v : -1;
  for (i = 0; i < V2V_ARRAY_SIZE (prefixes); ++i) {
    n = strlen (prefixes[i]);
    if (strncmp (dev, prefixes[i], n) != 0)
      continue;
    for (p = dev + n; *p >= 'a' && *p <= 'z'; ++p) {
      r = r * 26 + (*p - 'a' + 1);
      if (r > 100000)
        return -1;
    }
    if (p > dev + n && *p == '\0')
      return r - 1;
  }
  return -1;
}

/* The SCSI controller INDEX ("0" if NULL), or the first one. */
static xmlNode *
scsi_controller (xmlNode *devices, const char *index)
{
  xmlNode *n;

  for (n = xml_child (devices, "controller"); n; n = xml_next (n)) {
    CLEANUP_FREE char *type = xml_attr (n, "type");
    CLEANUP_FREE char *i = xml_attr (n, "index");

    if (type && strcmp (type, "scsi") == 0 &&
        (index == NULL || (i && strcmp (i, index) == 0)))
      return n;
  }
  return NULL;
}

static enum vm_controller
controller_of (xmlNode *devices, xmlNode *disk, char **model, struct diag *d)
{
  static const struct {
    const char *bus;
    enum vm_controller controller;
  } buses[] = {
    { "ide", VM_CONTROLLER_IDE },   { "sata", VM_CONTROLLER_SATA },
    { "scsi", VM_CONTROLLER_SCSI }, { "virtio", VM_CONTROLLER_VIRTIO_BLK },
    { "xen", VM_CONTROLLER_XEN },   { "fdc", VM_CONTROLLER_FLOPPY },
    { "nvme", VM_CONTROLLER_NVME },
  };
  xmlNode *target = xml_child (disk, "target"), *c;
  CLEANUP_FREE char *bus = xml_attr (target, "bus");
  CLEANUP_FREE char *dev = xml_attr (target, "dev");
  CLEANUP_FREE char *index = xml_attr (xml_child (disk, "address"),
                                       "controller");
  size_t i;

  *model = NULL;
  if (bus == NULL) { /* what libvirt makes of the name */
    bus = strdup (dev == NULL                    ? ""
                  : strncmp (dev, "hd", 2) == 0  ? "ide"
                  : strncmp (dev, "sd", 2) == 0  ? "scsi"
                  : strncmp (dev, "vd", 2) == 0  ? "virtio"
                  : strncmp (dev, "xvd", 3) == 0 ? "xen"
                  : strncmp (dev, "fd", 2) == 0  ? "fdc"
                                                 : "");
    if (bus == NULL)
      return VM_CONTROLLER_UNKNOWN;
  }
  for (i = 0; i < V2V_ARRAY_SIZE (buses); ++i)
    if (strcmp (buses[i].bus, bus) == 0)
      break;
  if (i == V2V_ARRAY_SIZE (buses)) {
    diag_warn (d, "line %u: the bus \"%.40s\" is not known", xml_line (disk),
               bus);
    return VM_CONTROLLER_UNKNOWN;
  }
  if (buses[i].controller != VM_CONTROLLER_SCSI)
    return buses[i].controller;
  c = scsi_controller (devices, index);
  *model = xml_attr (c, "model");
  return *model && strncmp (*model, "virtio-", 7) == 0
           ? VM_CONTROLLER_VIRTIO_SCSI
           : VM_CONTROLLER_SCSI;
}

/* <boot order=N/>, or 0. */
static int
boot_order (xmlNode *n)
{
  CLEANUP_FREE char *s = xml_attr (xml_child (n, "boot"), "order");
  uint64_t v = 0;

  return s && whole_number (s, &v) && v <= 65536 ? (int)v : 0;
}

static int
network_source (xmlNode *source, struct disk_ref *ref, struct diag *d)
{
  xmlNode *host = xml_child (source, "host"), *cookie;
  CLEANUP_FREE char *protocol = xml_attr (source, "protocol");
  CLEANUP_FREE char *name = xml_attr (source, "name");
  CLEANUP_FREE char *query = xml_attr (source, "query");
  CLEANUP_FREE char *hostname = xml_attr (host, "name");
  CLEANUP_FREE char *port = xml_attr (host, "port");
  CLEANUP_FREE char *transport = xml_attr (host, "transport");
  CLEANUP_FREE char *socket = xml_attr (host, "socket");
  CLEANUP_FREE char *tls = xml_attr (source, "tls");
  CLEANUP_FREE char *path = url_quote (name ? name : "", URL_KEEP_PATH);
  unsigned line = xml_line (source);
  const char *colon;
  uint64_t n = 0;
  bool http, unix_socket = transport && strcmp (transport, "unix") == 0;
  int r;

  if (protocol == NULL)
    return diag_error (d, "line %u: the source has no protocol", line);
  if (path == NULL)
    return diag_memory (d);
  http = strcmp (protocol, "http") == 0 || strcmp (protocol, "https") == 0;
  if (!http && strcmp (protocol, "nbd") != 0 && strcmp (protocol, "ssh") != 0)
    return diag_error (d,
                       "line %u: disks of protocol \"%.40s\" cannot be "
                       "read: only nbd, http, https and ssh",
                       line, protocol);
  if (port && (!whole_number (port, &n) || n < 1 || n > 65535))
    return diag_error (d, "line %u: the port \"%.40s\" is not valid",
                       xml_line (host), port);
  if (hostname && strpbrk (hostname, "/?#@ "))
    return diag_error (d, "line %u: the host \"%.80s\" is not valid",
                       xml_line (host), hostname);
  if (strcmp (protocol, "nbd") == 0) {
    CLEANUP_FREE char *sock = socket ? url_quote (socket, URL_KEEP_PATH) : NULL;

    ref->kind = REF_NBD;
    if (unix_socket && sock)
      r = asprintf (&ref->location, "nbd+unix:///%s?socket=%s", path, sock);
    else if (hostname == NULL)
      return diag_error (d, "line %u: the source has no host", line);
    else {
      colon = strchr (hostname, ':');
      r = asprintf (&ref->location, "%s://%s%s%s:%" PRIu64 "/%s",
                    tls && strcmp (tls, "yes") == 0 ? "nbds" : "nbd",
                    colon ? "[" : "", hostname, colon ? "]" : "", n ? n : 10809,
                    path);
    }
    return r == -1 ? diag_memory (d) : 0;
  }
  if (hostname == NULL || name == NULL)
    return diag_error (d, "line %u: the source has no host or no name", line);
  colon = strchr (hostname, ':');
  if (n == (strcmp (protocol, "http") == 0 ? 80u : http ? 443u : 22u))
    n = 0;
  cookie = xml_path (source, "cookies/cookie");
  if (cookie)
    diag_warn (d,
               "line %u: cookies are not taken from the XML: give them "
               "with cookie=+FILE",
               xml_line (cookie));
  ref->kind = http ? REF_HTTP : REF_SSH;
  if (n)
    r = asprintf (&ref->location, "%s://%s%s%s:%" PRIu64 "%s%s%s%s", protocol,
                  colon ? "[" : "", hostname, colon ? "]" : "", n,
                  name[0] == '/' ? "" : "/", path, query ? "?" : "",
                  query ? query : "");
  else
    r = asprintf (&ref->location, "%s://%s%s%s%s%s%s%s", protocol,
                  colon ? "[" : "", hostname, colon ? "]" : "",
                  name[0] == '/' ? "" : "/", path, query ? "?" : "",
                  query ? query : "");
  return r == -1 ? diag_memory (d) : 0;
}

static int
get_source (xmlNode *disk, struct disk_ref *ref, struct diag *d)
{
  xmlNode *source = xml_child (disk, "source");
  CLEANUP_FREE char *type = xml_attr (disk, "type");
  CLEANUP_FREE char *driver = xml_attr (xml_child (disk, "driver"), "type");
  unsigned line = xml_line (source ? source : disk);
  const char *format;

  ref->line = xml_line (disk);
  if (source == NULL)
    return diag_error (d, "line %u: the disk has no <source>", line);
  if (xml_child (source, "encryption") || xml_child (disk, "encryption"))
    return diag_error (d,
                       "line %u: disks that the host encrypts cannot be "
                       "read",
                       line);
  if (type == NULL || strcmp (type, "file") == 0) {
    ref->kind = REF_PATH;
    ref->location = xml_attr (source, "file");
  }
  else if (strcmp (type, "block") == 0) {
    ref->kind = REF_PATH;
    ref->block = true;
    ref->location = xml_attr (source, "dev");
  }
  else if (strcmp (type, "volume") == 0) {
    ref->kind = REF_VOLUME;
    ref->pool = xml_attr (source, "pool");
    ref->location = xml_attr (source, "volume");
    if (ref->pool == NULL)
      return diag_error (d, "line %u: the source has no pool", line);
  }
  else if (strcmp (type, "network") == 0) {
    if (network_source (source, ref, d) == -1)
      return -1;
  }
  else
    return diag_error (d, "line %u: disks of type \"%.40s\" cannot be read",
                       xml_line (disk), type);
  if (ref->location == NULL)
    return diag_error (d, "line %u: the source names no disk", line);
  if (ref->kind == REF_PATH && ref->location[0] == '[')
    ref->kind = REF_VDDK;

  /* libvirt does not probe either: without a type it is raw. */
  if (driver == NULL || strcmp (driver, "aio") == 0)
    format = ref->kind == REF_VOLUME ? NULL : "raw";
  else {
    format = image_format (driver);
    if (format == NULL)
      return diag_error (d, "line %u: the format \"%.40s\" is not known",
                         xml_line (xml_child (disk, "driver")), driver);
  }
  if (format && (ref->format = strdup (format)) == NULL)
    return diag_memory (d);
  return 0;
}

/* virt-v2v's <checksum>.  Its manual says that the default is "warn". */
static int
get_checksum (xmlNode *disk, struct checksum *c, struct diag *d)
{
  static const struct {
    const char *word;
    enum checksum_fail fail;
  } fails[] = {
    { "error", CHECKSUM_ERROR },
    { "warn", CHECKSUM_WARN },
    { "print", CHECKSUM_PRINT },
    { "ignore", CHECKSUM_NONE },
  };
  xmlNode *n = xml_child (disk, "checksum");
  CLEANUP_FREE char *fail = xml_attr (n, "fail");
  size_t i = 1;

  if (n == NULL)
    return 0;
  if (fail)
    for (i = 0; i < V2V_ARRAY_SIZE (fails); ++i)
      if (strcmp (fails[i].word, fail) == 0)
        break;
  if (i == V2V_ARRAY_SIZE (fails))
    return diag_error (d,
                       "line %u: checksum: fail=\"%.40s\" is none of error, "
                       "warn, print and ignore",
                       xml_line (n), fail);
  c->fail = fails[i].fail;
  c->line = xml_line (n);
  if (take (&c->method, xml_attr (n, "method"), "checksum", d) == -1)
    return -1;
  return take (&c->text, xml_text (n), "checksum", d);
}

static int
get_disk (xmlNode *devices, xmlNode *n, struct machine *m, struct diag *d)
{
  CLEANUP_FREE char *device = xml_attr (n, "device"), *model = NULL;
  CLEANUP_FREE char *dev = xml_attr (xml_child (n, "target"), "dev");
  enum vm_controller controller = controller_of (devices, n, &model, d);
  struct vm_removable *r;
  struct disk_ref *ref;
  struct vm_disk *disk;

  if (device == NULL || strcmp (device, "disk") == 0 ||
      strcmp (device, "lun") == 0) {
    disk = machine_add_disk (m, &ref, d);
    if (disk == NULL || get_checksum (n, &ref->checksum, d) == -1 ||
        get_source (n, ref, d) == -1)
      return -1;
    disk->controller = controller;
    disk->boot_order = boot_order (n);
    if (set_lower (&disk->controller_model, model, "model", d) == -1)
      return -1;
    return take (&disk->serial, xml_text (xml_child (n, "serial")), "serial",
                 d);
  }
  if (strcmp (device, "cdrom") != 0 && strcmp (device, "floppy") != 0) {
    diag_warn (d, "line %u: device=\"%.40s\" is not known: ignored",
               xml_line (n), device);
    return 0;
  }
  r = vm_add_removable (m->vm);
  if (r == NULL)
    return diag_memory (d);
  r->kind = device[0] == 'f' ? VM_FLOPPY : VM_CDROM;
  r->controller = controller;
  r->slot = dev ? slot_of (dev) : -1;
  if (r->slot == -1)
    diag_warn (d, "line %u: the place of the drive is not known", xml_line (n));
  return 0;
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
  nic->boot_order = boot_order (n);
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
    if (get_disk (devices, n, m, d) == -1)
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
  else if (take (&vm->hypervisor, xml_attr (dom, "type"), "type", d) == 0 &&
           take (&vm->name, xml_text (xml_child (dom, "name")), "name", d) ==
             0 &&
           take (&vm->genid, xml_text (xml_child (dom, "genid")), "genid", d) ==
             0 &&
           take (&vm->os_hint,
                 xml_attr (xml_find (xml_child (dom, "metadata"), "os"), "id"),
                 "metadata", d) == 0 &&
           take (&m->datacenter, xml_text (xml_child (dom, "datacenterpath")),
                 "datacenterpath", d) == 0 &&
           take (&m->moref, xml_text (xml_child (dom, "moref")), "moref", d) ==
             0 &&
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
