/* SPDX-License-Identifier: BSD-3-Clause */

/* The disks and drives of libvirt's domain XML. */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain-disk.h"
#include "image-format.h"
#include "url.h"
#include "v2v-utils.h"

int
domain_boot_order (xmlNode *n)
{
  CLEANUP_FREE char *s = xml_attr (xml_child (n, "boot"), "order");
  uint64_t v = 0;

  return s && whole_number (s, &v) && v <= 65536 ? (int)v : 0;
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

/* 0 = not said. */
static unsigned
sector_size (xmlNode *disk)
{
  CLEANUP_FREE char *s = xml_attr (xml_child (disk, "blockio"),
                                   "logical_block_size");
  uint64_t v;

  return s && whole_number (s, &v) && v <= 65536 ? (unsigned)v : 0;
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
  if (take_string (&c->method, xml_attr (n, "method"), "checksum", d) == -1)
    return -1;
  return take_string (&c->text, xml_text (n), "checksum", d);
}

int
domain_get_disk (xmlNode *devices, xmlNode *n, struct machine *m,
                 struct diag *d)
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
    disk->boot_order = domain_boot_order (n);
    disk->sector_size = sector_size (n);
    if (set_lower (&disk->controller_model, model, "model", d) == -1)
      return -1;
    return take_string (&disk->serial, xml_text (xml_child (n, "serial")),
                        "serial", d);
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
