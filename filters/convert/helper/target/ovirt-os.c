/* SPDX-License-Identifier: BSD-3-Clause */

/* oVirt's names and numbers of operating systems.  Its engine takes only
 * those that it has a definition of; what is newer than they are gets the
 * nearest older one, or none.
 */

#include <config.h>

#include <string.h>
#include <strings.h>

#include "model.h"
#include "ovirt-os.h"
#include "v2v-utils.h"

static bool
has (const char *s, const char *word)
{
  return s && strcasestr (s, word) != NULL;
}

static bool
is_rhel (const char *distro)
{
  static const char *const family[] = {
    "rhel", "centos", "redhat-based", "scientificlinux", "oraclelinux",
    "ol",   "rocky",  "almalinux",    "circle",
  };
  size_t i;

  for (i = 0; distro && i < V2V_ARRAY_SIZE (family); ++i)
    if (strcmp (distro, family[i]) == 0)
      return true;
  return false;
}

static bool
windows_client (const struct target_facts *f)
{
  if (f->product_variant)
    return strcasecmp (f->product_variant, "Client") == 0;
  return !has (f->product_name, "server");
}

static void
warn_older (const struct model *m, const char *what)
{
  model_warn (m, "target-os",
              "oVirt has no id for this version of %s: the nearest older one "
              "is used.",
              what);
}

static struct ovirt_os
windows_os (const struct model *m, bool x64)
{
  const struct target_facts *f = m->facts;
  bool client = windows_client (f);
  static const struct {
    const char *osinfo;
    struct ovirt_os os;
  } nt10[] = {
    { "win10", { "windows_10x64", 27 } },
    { "win11", { "windows_11", 36 } },
    { "win2k16", { "windows_2016x64", 29 } },
    { "win2k19", { "windows_2019x64", 31 } },
    { "win2k22", { "windows_2022", 37 } },
  };
  size_t i;

  switch (f->major * 10 + f->minor) {
  case 51:
    return (struct ovirt_os){ "WindowsXP", 1 };
  case 52:
    if (has (f->product_name, "XP"))
      return (struct ovirt_os){ "WindowsXP", 1 };
    return x64 ? (struct ovirt_os){ "Windows2003x64", 10 }
               : (struct ovirt_os){ "Windows2003", 3 };
  case 60:
    return x64 ? (struct ovirt_os){ "Windows2008x64", 16 }
               : (struct ovirt_os){ "Windows2008", 4 };
  case 61:
    if (!x64)
      return (struct ovirt_os){ "Windows7", 11 };
    return client ? (struct ovirt_os){ "Windows7x64", 12 }
                  : (struct ovirt_os){ "Windows2008R2x64", 17 };
  case 62:
  case 63:
    if (!x64)
      return (struct ovirt_os){ "windows_8", 20 };
    if (client)
      return (struct ovirt_os){ "windows_8x64", 21 };
    return f->minor == 2 ? (struct ovirt_os){ "windows_2012x64", 23 }
                         : (struct ovirt_os){ "windows_2012R2x64", 25 };
  case 100:
    if (!x64)
      return (struct ovirt_os){ "windows_10", 26 };
    for (i = 0; f->osinfo && i < V2V_ARRAY_SIZE (nt10); ++i)
      if (strcmp (f->osinfo, nt10[i].osinfo) == 0)
        return nt10[i].os;
    warn_older (m, "Windows");
    return client ? (struct ovirt_os){ "windows_11", 36 }
                  : (struct ovirt_os){ "windows_2022", 37 };
  default:
    return (struct ovirt_os){ NULL, 0 };
  }
}

static struct ovirt_os
linux_os (const struct model *m, bool x64, bool ppc, bool s390x)
{
  const struct target_facts *f = m->facts;
  const char *d = f->distro ? f->distro : "";
  int major = f->major;

  if (is_rhel (d)) {
    if (major == 4)
      return x64 ? (struct ovirt_os){ "RHEL4x64", 14 }
                 : (struct ovirt_os){ "RHEL4", 8 };
    if (major == 5)
      return x64 ? (struct ovirt_os){ "RHEL5x64", 13 }
                 : (struct ovirt_os){ "RHEL5", 7 };
    if (major == 6 && ppc)
      return f->minor >= 9 ? (struct ovirt_os){ "rhel_6_9_plus_ppc64", 1007 }
                           : (struct ovirt_os){ "rhel_6_ppc64", 1003 };
    if (major == 6)
      return x64 ? (struct ovirt_os){ "RHEL6x64", 19 }
                 : (struct ovirt_os){ "RHEL6", 18 };
    if (major == 7 && x64)
      return (struct ovirt_os){ "rhel_7x64", 24 };
    if (major == 7 && ppc)
      return (struct ovirt_os){ "rhel_7_ppc64", 1006 };
    if (major == 7 && s390x)
      return (struct ovirt_os){ "rhel_7_s390x", 2003 };
    if (major == 8 && x64)
      return (struct ovirt_os){ "rhel_8x64", 30 };
    if (major >= 9 && x64) {
      if (major > 9)
        warn_older (m, "Linux");
      return (struct ovirt_os){ "rhel_9x64", 34 };
    }
  }
  if ((strcmp (d, "sles") == 0 || strcmp (d, "sled") == 0 ||
       strcmp (d, "suse-based") == 0) &&
      major >= 11) {
    if (ppc)
      return (struct ovirt_os){ "sles_11_ppc64", 1004 };
    if (s390x && major >= 12)
      return (struct ovirt_os){ "sles_12_s390x", 2004 };
    if (x64)
      return (struct ovirt_os){ "sles_11", 1193 };
  }
  if (strcmp (d, "debian") == 0 && major >= 7 && !ppc && !s390x)
    return (struct ovirt_os){ "debian_7", 1300 };
  if (strcmp (d, "ubuntu") == 0) {
    if (major >= 14 && ppc)
      return (struct ovirt_os){ "ubuntu_14_04_ppc64", 1005 };
    if (major >= 16 && s390x)
      return (struct ovirt_os){ "ubuntu_16_04_s390x", 2005 };
    if (!ppc && !s390x) {
      if (major >= 14)
        return (struct ovirt_os){ "ubuntu_14_04", 1256 };
      if (major == 13)
        return f->minor >= 10 ? (struct ovirt_os){ "ubuntu_13_10", 1255 }
                              : (struct ovirt_os){ "ubuntu_13_04", 1254 };
      if (major == 12)
        return f->minor >= 10 ? (struct ovirt_os){ "ubuntu_12_10", 1253 }
                              : (struct ovirt_os){ "ubuntu_12_04", 1252 };
    }
  }
  if (ppc)
    return (struct ovirt_os){ "other_linux_ppc64", 1002 };
  if (s390x)
    return (struct ovirt_os){ "other_linux_s390x", 2002 };
  return (struct ovirt_os){ "OtherLinux", 5 };
}

struct ovirt_os
ovirt_os (const struct model *m)
{
  const struct target_facts *f = m->facts;
  bool x64 = strcmp (m->arch, "x86_64") == 0;
  bool ppc = strncmp (m->arch, "ppc64", 5) == 0;
  bool s390x = strcmp (m->arch, "s390x") == 0;
  struct ovirt_os os = { NULL, 0 };

  if (m->windows)
    os = windows_os (m, x64);
  else if (f->type && strcmp (f->type, "linux") == 0)
    os = linux_os (m, x64, ppc, s390x);
  if (os.name == NULL) {
    model_warn (m, "target-os",
                "oVirt's name of this operating system is "
                "not known: set it in the engine.");
    os.name = "Unassigned";
  }
  return os;
}

int
ovirt_cim_os (int ovirt)
{
  static const struct {
    int ovirt, cim;
  } map[] = {
    { 1, 67 },    { 3, 69 },    { 10, 70 },   { 4, 76 },    { 16, 77 },
    { 11, 105 },  { 12, 105 },  { 17, 103 },  { 20, 114 },  { 21, 115 },
    { 23, 113 },  { 25, 116 },  { 26, 120 },  { 27, 121 },  { 29, 117 },
    { 31, 122 },  { 7, 79 },    { 8, 79 },    { 18, 79 },   { 13, 80 },
    { 14, 80 },   { 19, 80 },   { 24, 80 },   { 30, 80 },   { 34, 80 },
    { 1003, 80 }, { 1006, 80 }, { 1007, 80 }, { 2003, 80 }, { 1193, 83 },
    { 1004, 83 }, { 2004, 83 }, { 1300, 96 }, { 1252, 94 }, { 1253, 94 },
    { 1254, 94 }, { 1255, 94 }, { 1256, 94 }, { 1005, 94 }, { 2005, 94 },
    { 5, 36 },    { 1002, 36 }, { 2002, 36 },
  };
  size_t i;

  for (i = 0; i < V2V_ARRAY_SIZE (map); ++i)
    if (map[i].ovirt == ovirt)
      return map[i].cim;
  return 1; /* "Other" */
}

int
ovirt_vm_type (const struct model *m)
{
  const struct target_facts *f = m->facts;

  if (m->windows)
    return windows_client (f) ? 0 : 1;
  if (f->product_variant && strcasecmp (f->product_variant, "Client") == 0)
    return 0;
  if (has (f->product_name, "desktop") || has (f->product_name, "workstation"))
    return 0;
  return 1;
}
