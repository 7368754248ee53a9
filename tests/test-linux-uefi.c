/* SPDX-License-Identifier: BSD-3-Clause */

/* Which loader becomes EFI/BOOT/BOOT<ARCH>.EFI: by any vendor's directory,
 * for every architecture, in any case of letters.
 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "uefi-loader.h"

static struct uefi_choice
choose (const char *arch, const char *const *names)
{
  const struct uefi_arch *a = uefi_arch_find (arch);
  struct uefi_choice c;

  assert_non_null (a);
  uefi_choose ((char *const *) names, a, &c);
  return c;
}

static void
test_shim (void **state)
{
  static const char *const names[] = {
    "/boot/efi/EFI/rocky/fbx64.efi", "/boot/efi/EFI/rocky/grubx64.efi",
    "/boot/efi/EFI/rocky/mmx64.efi", "/boot/efi/EFI/rocky/shim.efi",
    "/boot/efi/EFI/rocky/shimx64.efi", NULL
  };
  struct uefi_choice c = choose ("x86_64", names);

  (void) state;
  assert_false (c.present);
  assert_string_equal (c.loader, names[1]);
  assert_string_equal (c.mm, names[2]);
  assert_string_equal (c.shim, names[4]);
}

/* Not IA64, and not the other architecture's. */
static void
test_ia32 (void **state)
{
  static const char *const names[] = {
    "/boot/efi/EFI/BOOT/BOOTX64.EFI", "/boot/efi/EFI/debian/GRUBIA32.EFI",
    "/boot/efi/EFI/debian/grubx64.efi", NULL
  };
  struct uefi_choice c = choose ("i386", names);

  (void) state;
  assert_string_equal (uefi_arch_find ("i386")->upper, "IA32");
  assert_false (c.present);
  assert_string_equal (c.loader, names[1]);
  assert_null (c.shim);
  assert_true (choose ("x86_64", names).present);
}

static void
test_aa64 (void **state)
{
  static const char *const grub[] = { "/efi/EFI/ubuntu/grubaa64.efi",
                                      "/efi/EFI/ubuntu/shimaa64.efi", NULL };
  static const char *const sdboot[] = {
    "/boot/EFI/systemd/systemd-bootaa64.efi",
    "/boot/EFI/systemd/systemd-bootx64.efi", NULL
  };
  struct uefi_choice c = choose ("aarch64", grub);

  (void) state;
  assert_string_equal (c.loader, grub[0]);
  assert_string_equal (c.shim, grub[1]);
  assert_null (c.mm);
  c = choose ("aarch64", sdboot);
  assert_string_equal (c.loader, sdboot[0]);
  assert_null (c.shim);
}

static void
test_none (void **state)
{
  /* In a directory of another name, it is not what firmware starts. */
  static const char *const names[] = { "/boot/efi/EFI/xBOOT/BOOTX64.EFI",
                                       "/boot/efi/EFI/a/fwupdx64.efi",
                                       NULL };
  static const char *const lower[] = { "/boot/efi/efi/boot/bootx64.efi",
                                       NULL };
  static const char *const nothing[] = { NULL };

  (void) state;
  assert_false (choose ("x86_64", names).present);
  assert_null (choose ("x86_64", names).loader);
  assert_null (choose ("x86_64", nothing).loader);
  assert_true (choose ("x86_64", lower).present);
  assert_null (uefi_arch_find ("s390x"));
  assert_null (uefi_arch_find (NULL));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_shim),
    cmocka_unit_test (test_ia32),
    cmocka_unit_test (test_aa64),
    cmocka_unit_test (test_none),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
