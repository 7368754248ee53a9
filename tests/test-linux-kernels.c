/* SPDX-License-Identifier: BSD-3-Clause */

/* Which files in /boot belong to which kernel, family by family. */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "bootentries.h"
#include "kernels.h"
#include "text.h"
#include "uki.h"
#include "v2v-utils.h"

static struct kernel *k;
static int n;

static void
match (const struct kernel_dir *dirs, size_t nr, const char *const *files)
{
  n = kernels_match (dirs, nr, (char *const *)files, &k);
  assert_int_equal (n, nr);
}

static void
done (void)
{
  kernels_free (k, n);
}

static void
test_debian (void **state)
{
  const struct kernel_dir dirs[] = { { "6.1.0-9-amd64", NULL },
                                     { "6.1.0-13-amd64", NULL } };
  const char *const files[] = {
    "/boot/System.map-6.1.0-13-amd64", "/boot/config-6.1.0-13-amd64",
    "/boot/grub", "/boot/initrd.img-6.1.0-13-amd64",
    "/boot/initrd.img-6.1.0-13-amd64.old-dkms",
    "/boot/initrd.img-6.1.0-9-amd64", "/boot/vmlinuz-6.1.0-13-amd64",
    "/boot/vmlinuz-6.1.0-9-amd64", NULL
  };

  (void) state;
  match (dirs, 2, files);
  /* -13 is newer than -9. */
  assert_string_equal (k[0].kver, "6.1.0-13-amd64");
  assert_string_equal (k[0].image, "/boot/vmlinuz-6.1.0-13-amd64");
  assert_int_equal (k[0].nr_initrds, 1);
  assert_string_equal (k[0].initrds[0], "/boot/initrd.img-6.1.0-13-amd64");
  assert_string_equal (k[1].initrds[0], "/boot/initrd.img-6.1.0-9-amd64");
  done ();
}

static void
test_rhel (void **state)
{
  const struct kernel_dir dirs[] = { { "5.14.0-362.8.1.el9_3.x86_64", NULL } };
  const char *const files[] = {
    "/boot/initramfs-0-rescue-0123.img",
    "/boot/initramfs-5.14.0-362.8.1.el9_3.x86_64.img",
    "/boot/initramfs-5.14.0-362.8.1.el9_3.x86_64kdump.img",
    "/boot/vmlinuz-0-rescue-0123",
    "/boot/vmlinuz-5.14.0-362.8.1.el9_3.x86_64", NULL
  };

  (void) state;
  match (dirs, 1, files);
  /* Neither rescue nor kdump. */
  assert_int_equal (k[0].nr_initrds, 1);
  assert_string_equal (k[0].initrds[0],
                       "/boot/initramfs-5.14.0-362.8.1.el9_3.x86_64.img");
  done ();
}

static void
test_rhel5_xen (void **state)
{
  const struct kernel_dir dirs[] = { { "2.6.18-8.el5", NULL },
                                     { "2.6.18-8.el5xen", NULL } };
  const char *const files[] = {
    "/boot/initrd-2.6.18-8.el5.img", "/boot/initrd-2.6.18-8.el5kdump.img",
    "/boot/initrd-2.6.18-8.el5xen.img", "/boot/vmlinuz-2.6.18-8.el5",
    "/boot/vmlinuz-2.6.18-8.el5xen", NULL
  };
  int i;

  (void) state;
  match (dirs, 2, files);
  for (i = 0; i < 2; i++) {
    assert_int_equal (k[i].nr_initrds, 1);
    assert_non_null (strstr (k[i].initrds[0], k[i].kver));
  }
  done ();
}

static void
test_suse (void **state)
{
  const struct kernel_dir dirs[] = { { "5.14.21-150500.53-default", NULL } };
  const char *const files[] = {
    "/boot/initrd", "/boot/initrd-5.14.21-150500.53-default",
    "/boot/initrd-5.14.21-150500.53-default-kdump", "/boot/vmlinuz",
    "/boot/vmlinuz-5.14.21-150500.53-default", NULL
  };

  (void) state;
  match (dirs, 1, files);
  assert_int_equal (k[0].nr_initrds, 1);
  assert_string_equal (k[0].initrds[0],
                       "/boot/initrd-5.14.21-150500.53-default");
  done ();
}

static void
test_arch (void **state)
{
  const struct kernel_dir dirs[] = { { "6.6.7-arch1-1", "linux" },
                                     { "6.1.69-1-lts", "linux-lts" } };
  const char *const files[] = {
    "/boot/initramfs-linux-fallback.img", "/boot/initramfs-linux-lts.img",
    "/boot/initramfs-linux.img", "/boot/vmlinuz-linux",
    "/boot/vmlinuz-linux-lts", NULL
  };

  (void) state;
  match (dirs, 2, files);
  assert_string_equal (k[0].kver, "6.6.7-arch1-1");
  assert_int_equal (k[0].nr_initrds, 2);
  assert_string_equal (k[0].initrds[0],
                       "/boot/initramfs-linux-fallback.img");
  assert_string_equal (k[0].initrds[1], "/boot/initramfs-linux.img");
  assert_int_equal (k[1].nr_initrds, 1);
  done ();
}

static void
test_alpine (void **state)
{
  const struct kernel_dir one[] = { { "6.6.4-0-lts", NULL } };
  const struct kernel_dir two[] = { { "6.6.4-0-lts", NULL },
                                    { "6.6.3-0-lts", NULL } };
  const char *const files[] = {
    "/boot/initramfs-lts", "/boot/vmlinuz-lts", NULL
  };

  (void) state;
  match (one, 1, files);
  assert_int_equal (k[0].nr_initrds, 1);
  assert_string_equal (k[0].image, "/boot/vmlinuz-lts");
  done ();
  /* Which of two it is cannot be told from the name. */
  match (two, 2, files);
  assert_int_equal (k[0].nr_initrds + k[1].nr_initrds, 0);
  done ();
}

static void
test_kernel_install (void **state)
{
  const struct kernel_dir dirs[] = { { "6.1.0-13-amd64", NULL } };
  const char *const files[] = {
    "/boot/efi/0123456789abcdef/6.1.0-13-amd64/initrd.img-6.1.0-13-amd64",
    "/boot/efi/0123456789abcdef/6.1.0-13-amd64/linux",
    "/boot/efi/0123456789abcdef/6.1.0-12-amd64/initrd", NULL
  };

  (void) state;
  match (dirs, 1, files);
  assert_int_equal (k[0].nr_initrds, 1);
  assert_string_equal (k[0].image,
                       "/boot/efi/0123456789abcdef/6.1.0-13-amd64/linux");
  done ();
}

static void
test_versions (void **state)
{
  static const char *const rising[] = {
    "2.6.9-89.EL", "2.6.18-8.el5", "4.4.0-21-generic", "5.4.0-26-generic",
    "5.4.0-216-generic", "5.10.0-8-amd64", "6.1~rc1", "6.1", "6.1.0-9",
    "6.1.0-13", "6.10.1",
  };
  size_t i, j;

  (void) state;
  for (i = 0; i < V2V_ARRAY_SIZE (rising); i++)
    for (j = 0; j < V2V_ARRAY_SIZE (rising); j++) {
      const int r = text_version_cmp (rising[i], rising[j]);

      assert_true (i < j ? r < 0 : i > j ? r > 0 : r == 0);
    }
}

static void
entry_is (const struct bootentries *b, size_t i, const char *image,
          const char *initrd)
{
  assert_true (i < b->nr);
  assert_string_equal (b->v[i].image, image);
  if (initrd)
    assert_string_equal (b->v[i].initrd, initrd);
  else
    assert_null (b->v[i].initrd);
}

static void
test_entries (void **state)
{
  struct bootentries b = { 0 };

  (void) state;
  /* GRUB 2: the same twice is one; the initrd is the last of several. */
  bootentries_read (&b, span_of (
    "menuentry 'a' {\n\tlinux\t/vmlinuz-1 root=x\n\tinitrd /ucode /i-1\n}\n"
    "submenu 'b' {\n menuentry 'c' {\n  linux /vmlinuz-1 single\n"
    "  initrd /ucode /i-1\n }\n}\n"
    "menuentry 'memtest' {\n\tlinux16 /memtest86+.bin\n}\n"));
  assert_int_equal (b.nr, 2);
  entry_is (&b, 0, "/vmlinuz-1", "/i-1");
  entry_is (&b, 1, "/memtest86+.bin", NULL);
  bootentries_free (&b);

  /* GRUB legacy names the disk, too. */
  bootentries_read (&b, span_of (
    "default=0\ntitle A\n\troot (hd0,0)\n\tkernel (hd0,0)/k ro\n"
    "\tinitrd (hd0,0)/i\ntitle B\n\tkernel /k2\n"));
  assert_int_equal (b.nr, 2);
  entry_is (&b, 0, "/k", "/i");
  entry_is (&b, 1, "/k2", NULL);
  bootentries_free (&b);

  /* BLS, in the other order; extlinux in capitals. */
  bootentries_read (&b, span_of ("initrd /i\r\nlinux /k\r\n"));
  bootentries_read (&b, span_of (
    "LABEL x\n  KERNEL /k3\n  INITRD /i3\n  APPEND root=y\n"));
  assert_int_equal (b.nr, 2);
  entry_is (&b, 0, "/k", "/i");
  entry_is (&b, 1, "/k3", "/i3");
  bootentries_free (&b);
}

/* Syslinux' own ways to write names. */
static void
test_syslinux (void **state)
{
  const char *const files[] = { "/boot/initramfs-lts", "/boot/vmlinuz-lts",
                                "/boot/efi/a/linux", "/boot/syslinux/initrd.gz",
                                NULL };
  char *const *const f = (char *const *)files;
  struct bootentries b = { 0 };
  char *s;

  (void)state;
  bootentries_read (&b, span_of ("DEFAULT lts\n"
                                 "LABEL lts\n"
                                 "  LINUX vmlinuz-lts\n"
                                 "  INITRD initramfs-lts\n"
                                 "  APPEND root=/dev/sda3 quiet\n"
                                 "label old\n"
                                 "  kernel ../vmlinuz-lts\n"
                                 "  append initrd=../ucode.img,initrd.gz ro\n"
                                 "label bare\n"
                                 "  kernel k\n"
                                 "  append initrd=\n"));
  assert_false (b.failed);
  assert_int_equal (b.nr, 3);
  entry_is (&b, 0, "vmlinuz-lts", "initramfs-lts");
  entry_is (&b, 1, "../vmlinuz-lts", "initrd.gz");
  entry_is (&b, 2, "k", NULL);
  bootentries_free (&b);

  s = bootentry_locate (f, "initramfs-lts");
  assert_string_equal (s, "/boot/initramfs-lts");
  free (s);
  s = bootentry_locate (f, "../vmlinuz-lts");
  assert_string_equal (s, "/boot/vmlinuz-lts");
  free (s);
  s = bootentry_locate (f, "initrd.gz");
  assert_string_equal (s, "/boot/syslinux/initrd.gz");
  free (s);
  s = bootentry_locate (f, "/vmlinuz-lts");
  assert_string_equal (s, "/boot/vmlinuz-lts");
  free (s);
  s = bootentry_locate (f, "/a/linux");
  assert_string_equal (s, "/boot/efi/a/linux");
  free (s);
  s = bootentry_locate (f, "/@/.snapshots/1/snapshot/boot/vmlinuz-lts");
  assert_string_equal (s, "/boot/vmlinuz-lts");
  free (s);
  assert_null (bootentry_locate (f, "vmlinuz"));
  assert_null (bootentry_locate (f, "/vmlinuz"));
  assert_null (bootentry_locate (f, "../"));
}

static void
test_image_version (void **state)
{
  uint8_t image[0x300] = { 0 };
  char *s;

  (void) state;
  assert_null (kernel_image_version (image, sizeof image));
  memcpy (image + 0x202, "HdrS", 4);
  image[0x20e] = 0x40;
  memcpy (image + 0x240, "6.1.0-9-custom (me@here) #1", 27);
  s = kernel_image_version (image, sizeof image);
  assert_string_equal (s, "6.1.0-9-custom");
  free (s);
  /* It ends with the file, or lies behind it. */
  assert_null (kernel_image_version (image, 0x243));
  image[0x20f] = 0x7f;
  assert_null (kernel_image_version (image, sizeof image));
  assert_null (kernel_image_version (image, 0x20f));
}

static void
test_arm64_image_version (void **state)
{
  uint8_t image[0x300] = { 0 };
  char *s;

  (void) state;
  memcpy (image + 0x240, "Linux version 6.1.0-9-arm64 (me@here)", 37);
  assert_null (kernel_image_version (image, sizeof image));
  memcpy (image + 56, "ARM\x64", 4);
  s = kernel_image_version (image, sizeof image);
  assert_string_equal (s, "6.1.0-9-arm64");
  free (s);
  assert_null (kernel_image_version (image, 0x240 + 20));
  assert_null (kernel_image_version (image, 0x240));
  assert_null (kernel_image_version (image, 58));
}

/* A PE file of SECTIONS, each 64 bytes of the letter that is its name's
 * second; *TABLE gets where its section table is.
 */
#define UKI_SIZE 2048
static void
make_uki (uint8_t *image, const char *const *sections, uint8_t **table)
{
  uint8_t *s;
  unsigned i;

  memset (image, 0, UKI_SIZE);
  memcpy (image, "MZ", 2);
  image[0x3c] = 0x80;
  memcpy (image + 0x80, "PE\0", 4);
  image[0x80 + 20] = 16; /* of the optional header */
  s = *table = image + 0x80 + 24 + 16;
  for (i = 0; sections[i]; i++, s += 40) {
    const unsigned at = 1024 + i * 64;

    memcpy (s, sections[i], V2V_MIN (strlen (sections[i]), (size_t) 8));
    s[8] = 60;  /* virtual size */
    s[16] = 64; /* in the file */
    s[20] = at & 0xff;
    s[21] = at >> 8;
    memset (image + at, sections[i][1], 50);
  }
  image[0x80 + 6] = i;
}

static void
test_uki (void **state)
{
  static const char *const sections[] = { ".text",    ".osrel",   ".uname",
                                          ".cmdline", ".initrd",  ".linux",
                                          ".profile", ".cmdline", NULL };
  static const char *const plain[] = { ".text", ".data", NULL };
  uint8_t image[UKI_SIZE], *table;
  struct uki uki;
  size_t i;

  (void) state;
  make_uki (image, sections, &table);
  assert_true (uki_parse (image, sizeof image, &uki));
  /* The virtual size cuts; of text the padding is cut, too. */
  assert_int_equal (uki.kernel.n, 60);
  assert_int_equal (uki.initrd.n, 60);
  assert_int_equal (uki.uname.n, 50);
  assert_int_equal (uki.cmdline.n, 50);
  assert_int_equal (uki.osrel.p[0], 'o');
  assert_int_equal (uki.initrd.p[0], 'i');
  /* That of another profile does not count. */
  assert_ptr_equal (uki.cmdline.p, image + 1024 + 3 * 64);

  /* Cut anywhere, it says nothing about bytes that are not there. */
  for (i = 0; i < sizeof image; i++) {
    uint8_t *cut = malloc (i + 1);

    memcpy (cut, image, i);
    if (uki_parse (cut, i, &uki))
      assert_true (i >= 1024 + 5 * 64 + 60);
    free (cut);
  }
  /* Offsets and sizes that lie. */
  memset (table + 5 * 40 + 20, 0xff, 4);
  assert_false (uki_parse (image, sizeof image, &uki));
  make_uki (image, sections, &table);
  memset (table + 5 * 40 + 8, 0xff, 12);
  assert_false (uki_parse (image, sizeof image, &uki));
  make_uki (image, sections, &table);
  memset (image + 0x3c, 0xff, 4);
  assert_false (uki_parse (image, sizeof image, &uki));
  make_uki (image, sections, &table);
  image[0x80 + 7] = 0xff; /* sections */
  assert_false (uki_parse (image, sizeof image, &uki));

  /* A boot loader is none. */
  make_uki (image, plain, &table);
  assert_false (uki_parse (image, sizeof image, &uki));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_debian),
    cmocka_unit_test (test_rhel),
    cmocka_unit_test (test_rhel5_xen),
    cmocka_unit_test (test_suse),
    cmocka_unit_test (test_arch),
    cmocka_unit_test (test_alpine),
    cmocka_unit_test (test_kernel_install),
    cmocka_unit_test (test_versions),
    cmocka_unit_test (test_entries),
    cmocka_unit_test (test_syslinux),
    cmocka_unit_test (test_image_version),
    cmocka_unit_test (test_arm64_image_version),
    cmocka_unit_test (test_uki),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
