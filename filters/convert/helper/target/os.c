/* SPDX-License-Identifier: BSD-3-Clause */

/* Which machine an operating system wants.
 *
 * libosinfo lists the devices that each release supports: the q35
 * chipset, and virtio-net in its modern form (PCI id 1af4:1041) as a
 * sign of virtio 1.0.  Releases that are newer than its database, and
 * distributions that it does not have, fall back on a table.  In doubt
 * the table says "no virtio 1.0": a transitional device also serves a
 * modern driver, the reverse does not hold.
 */

#include <config.h>

#include <stdio.h>
#include <string.h>

#include <osinfo/osinfo.h>

#include "target.h"
#include "v2v-utils.h"

#define Q35 "http://qemu.org/chipset/x86/q35"
#define VIRTIO_1_0_NET "http://pcisig.com/pci/1af4/1041"

/* The last row of a distribution whose MAJOR is not above the guest's
 * decides.  Linux has virtio 1.0 since 4.0; RHEL 7 has it backported.
 */
static const struct {
  const char *distro;
  int major;
  enum target_machine machine;
  bool virtio_1_0;
} table[] = {
  { "rhel", 0, TARGET_MACHINE_I440FX, false },
  { "rhel", 5, TARGET_MACHINE_Q35, false },
  { "rhel", 7, TARGET_MACHINE_Q35, true },
  { "fedora", 0, TARGET_MACHINE_Q35, false },
  { "fedora", 22, TARGET_MACHINE_Q35, true },
  { "suse", 0, TARGET_MACHINE_I440FX, false },
  { "suse", 10, TARGET_MACHINE_Q35, false },
  { "suse", 13, TARGET_MACHINE_Q35, true },
  { "opensuse", 0, TARGET_MACHINE_Q35, false },
  { "opensuse", 15, TARGET_MACHINE_Q35, true },
  { "debian", 0, TARGET_MACHINE_I440FX, false },
  { "debian", 4, TARGET_MACHINE_Q35, false },
  { "debian", 9, TARGET_MACHINE_Q35, true },
  { "ubuntu", 0, TARGET_MACHINE_I440FX, false },
  { "ubuntu", 6, TARGET_MACHINE_Q35, false },
  { "ubuntu", 16, TARGET_MACHINE_Q35, true },
  { "windows", 0, TARGET_MACHINE_I440FX, false },
  { "windows", 6, TARGET_MACHINE_Q35, true },
};

static const char *
family (const char *type, const char *distro)
{
  static const struct {
    const char *distro, *family;
  } map[] = {
    { "rhel", "rhel" },         { "centos", "rhel" },
    { "redhat-based", "rhel" }, { "scientificlinux", "rhel" },
    { "oraclelinux", "rhel" },  { "ol", "rhel" },
    { "rocky", "rhel" },        { "almalinux", "rhel" },
    { "circle", "rhel" },       { "eurolinux", "rhel" },
    { "fedora", "fedora" },     { "sles", "suse" },
    { "sled", "suse" },         { "suse-based", "suse" },
    { "opensuse", "opensuse" }, { "opensuse-leap", "opensuse" },
    { "debian", "debian" },     { "devuan", "debian" },
    { "kalilinux", "" },        { "ubuntu", "ubuntu" },
    { "linuxmint", "" },
  };
  size_t i;

  if (type && strcmp (type, "windows") == 0)
    return "windows";
  for (i = 0; distro && i < V2V_ARRAY_SIZE (map); ++i)
    if (strcmp (distro, map[i].distro) == 0)
      return map[i].family;
  return "";
}

static bool
is_x86 (const char *arch)
{
  return arch == NULL || strcmp (arch, "x86_64") == 0 ||
         strcmp (arch, "unknown") == 0 ||
         (strlen (arch) == 4 && arch[0] == 'i' && strcmp (arch + 2, "86") == 0);
}

void
target_default_os (const char *type, const char *distro, int major,
                   const char *arch, struct target_os *out)
{
  const char *f = family (type, distro);
  size_t i;

  out->osinfo_id = NULL;
  out->machine = TARGET_MACHINE_Q35;
  out->virtio_1_0 = true;
  if (!is_x86 (arch)) {
    out->machine = TARGET_MACHINE_VIRT;
    return;
  }
  if (major <= 0) /* rolling, or not known */
    return;
  for (i = 0; i < V2V_ARRAY_SIZE (table); ++i)
    if (strcmp (f, table[i].distro) == 0 && major >= table[i].major) {
      out->machine = table[i].machine;
      out->virtio_1_0 = table[i].virtio_1_0;
    }
}

static OsinfoDb *
database (void)
{
  static OsinfoLoader *loader;

  if (loader == NULL) {
    loader = osinfo_loader_new ();
    /* Without its data it knows nothing, and the table serves. */
    osinfo_loader_process_default_path (loader, NULL);
  }
  return osinfo_loader_get_db (loader);
}

static bool
has_device (OsinfoDeviceList *devices, const char *id)
{
  return osinfo_list_find_by_id (OSINFO_LIST (devices), id) != NULL;
}

void
target_lookup_os (const char *short_id, const char *type, const char *distro,
                  int major, const char *arch, struct target_os *out)
{
  OsinfoOsList *list;
  OsinfoOs *os = NULL;
  OsinfoDeviceList *devices;
  int i, n;

  target_default_os (type, distro, major, arch, out);
  if (short_id == NULL || *short_id == '\0' ||
      strcmp (short_id, "unknown") == 0)
    return;
  list = osinfo_db_get_os_list (database ());
  n = osinfo_list_get_length (OSINFO_LIST (list));
  for (i = 0; i < n && os == NULL; ++i) {
    OsinfoOs *o = OSINFO_OS (osinfo_list_get_nth (OSINFO_LIST (list), i));
    const char *id = osinfo_product_get_short_id (OSINFO_PRODUCT (o));

    if (id && strcmp (id, short_id) == 0)
      os = o;
  }
  if (os) {
    out->osinfo_id = strdup (osinfo_entity_get_id (OSINFO_ENTITY (os)));
    if (is_x86 (arch)) {
      devices = osinfo_os_get_all_devices (os, NULL);
      out->machine = has_device (devices, Q35) ? TARGET_MACHINE_Q35
                                               : TARGET_MACHINE_I440FX;
      out->virtio_1_0 = has_device (devices, VIRTIO_1_0_NET);
      g_object_unref (devices);
    }
  }
  g_object_unref (list);
}
