/* SPDX-License-Identifier: BSD-3-Clause */

/* See uefi-loader.h.  The names are those of the UEFI specification (3.5.1.1)
 * and of the distributions' packages.
 */

#include <config.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "uefi-loader.h"
#include "v2v-utils.h"

const struct uefi_arch *
uefi_arch_find (const char *arch)
{
  static const struct uefi_arch arches[] = {
    { "x86_64", "X64", "x64" },
    { "i386", "IA32", "ia32" },
    { "aarch64", "AA64", "aa64" },
    { "arm", "ARM", "arm" },
    { "riscv64", "RISCV64", "riscv64" },
    { "loongarch64", "LOONGARCH64", "loongarch64" },
  };
  size_t i;

  for (i = 0; arch && i < V2V_ARRAY_SIZE (arches); i++)
    if (strcmp (arch, arches[i].arch) == 0)
      return &arches[i];
  return NULL;
}

/* The first name in NAMES that ends in "/BEFORE", the architecture and
 * ".efi".
 */
static const char *
ending (char *const *names, const char *before, const char *arch)
{
  char suffix[64];
  size_t i, n;

  snprintf (suffix, sizeof suffix, "/%s%s.efi", before, arch);
  n = strlen (suffix);
  for (i = 0; names[i]; i++) {
    const size_t len = strlen (names[i]);

    if (len >= n && strcasecmp (names[i] + len - n, suffix) == 0)
      return names[i];
  }
  return NULL;
}

void
uefi_choose (char *const *names, const struct uefi_arch *arch,
             struct uefi_choice *c)
{
  memset (c, 0, sizeof *c);
  c->present = ending (names, "BOOT/BOOT", arch->upper) != NULL;
  c->loader = ending (names, "grub", arch->lower);
  if (!c->loader)
    c->loader = ending (names, "grub", "");
  if (!c->loader) {
    c->loader = ending (names, "systemd-boot", arch->lower);
    return;
  }
  c->shim = ending (names, "shim", arch->lower);
  if (!c->shim)
    c->shim = ending (names, "shim", "");
  if (c->shim)
    c->mm = ending (names, "mm", arch->lower);
}
