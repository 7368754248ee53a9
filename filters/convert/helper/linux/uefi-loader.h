/* SPDX-License-Identifier: BSD-3-Clause */

/* Which boot loader of an EFI system partition firmware without boot entries
 * must be given.
 */

#ifndef V2V_LINUX_UEFI_LOADER_H
#define V2V_LINUX_UEFI_LOADER_H

#include <stdbool.h>

struct uefi_arch {
  const char *arch;          /* as struct guest has it: "x86_64" */
  const char *upper, *lower; /* in names of files: "X64", "x64" */
};

/* NULL if firmware's name of ARCH (which may be NULL) is not known. */
extern const struct uefi_arch *uefi_arch_find (const char *arch);

struct uefi_choice {
  bool present;       /* EFI/BOOT has a loader: nothing is to be done */
  const char *loader; /* of NAMES; NULL = there is none */
  const char *shim;   /* starts LOADER, or NULL */
  const char *mm;     /* shim's MokManager, or NULL */
};

/* Choose among NAMES, the .efi files of a partition (NULL-ended): shim with
 * the GRUB that it starts, else GRUB, else systemd-boot.  Letters count
 * without their case, as in FAT.
 */
extern void uefi_choose (char *const *names, const struct uefi_arch *arch,
                         struct uefi_choice *c);

#endif /* V2V_LINUX_UEFI_LOADER_H */
