/* SPDX-License-Identifier: BSD-3-Clause */

/* Files in an initrd that are replaced or hidden: with drivers or without,
 * in images that have all drivers, or need none.
 */

#include <config.h>

#include "test-initrd-util.h"
#include "initrd-image.h"

/* "sda" becomes "vda" in mdadm.conf, the devices file goes away, a
 * poisoned file makes it fail.
 */
static enum initrd_edit_result
edit (void *opaque, const char *path, const uint8_t *data, size_t size,
      uint8_t **out, size_t *out_size)
{
  unsigned *calls = opaque;
  uint8_t *p;

  ++*calls;
  if (strcmp (path, "etc/poison") == 0)
    return INITRD_EDIT_FAILED;
  if (strcmp (path, "etc/lvm/devices/system.devices") == 0)
    return INITRD_EDIT_HIDE;
  if (strcmp (path, "etc/mdadm/mdadm.conf") != 0 &&
      strcmp (path, "cryptroot/crypttab") != 0)
    return INITRD_EDIT_NONE;
  p = memmem (data, size, "sda", 3);
  if (p == NULL)
    return INITRD_EDIT_NONE;
  *out = malloc (size);
  assert_non_null (*out);
  memcpy (*out, data, size);
  (*out)[p - data] = 'v';
  *out_size = size;
  return INITRD_EDIT_REPLACE;
}

/* PATH in IMAGE is TEXT, or not there (NULL). */
static void
assert_file (const struct initrd_buf *image, const char *path, const char *text)
{
  struct initrd_image img = { 0 };
  struct initrd_error e = { 0 };
  const struct initrd_node *n;

  assert_int_equal (
    initrd_image_read (image->data, image->size, SIZE_MAX, &img, &e), 1);
  n = initrd_tree_lookup (img.tree, path, true);
  if (text == NULL)
    assert_null (n);
  else {
    assert_non_null (n);
    assert_true (initrd_node_is_file (n));
    assert_int_equal (n->inode->size, strlen (text));
    assert_memory_equal (n->inode->data, text, strlen (text));
  }
  initrd_image_free (&img);
  free (e.text);
}

static void
put_configuration (struct cpio_writer *w)
{
  put_dirs (w, "etc/mdadm");
  put_dirs (w, "etc/lvm/devices");
  put_dirs (w, "cryptroot");
  put_text (w, "etc/mdadm/mdadm.conf", "DEVICE /dev/sda*\n");
  cpio_write_symlink (w, "etc/mdadm.conf", "mdadm/mdadm.conf");
  put_text (w, "etc/lvm/devices/system.devices", "DEVNAME=/dev/sda2\n");
  put_text (w, "etc/other", "/dev/sda\n");
  put_text (w, "cryptroot/crypttab", "c /dev/sda2 none luks\n");
}

static void
assert_edited (const struct initrd_buf *image)
{
  assert_file (image, "etc/mdadm/mdadm.conf", "DEVICE /dev/vda*\n");
  assert_file (image, "etc/mdadm.conf", "DEVICE /dev/vda*\n");
  assert_file (image, "etc/lvm/devices/system.devices", NULL);
  assert_file (image, "etc/other", "/dev/sda\n");
  assert_file (image, "cryptroot/crypttab", "c /dev/vda2 none luks\n");
}

/* Drivers and files in one tail; nothing is left to do afterwards. */
static void
test_with_drivers (void **state)
{
  struct initrd_kernel kernel = test_kernel ();
  unsigned calls = 0;
  const struct initrd_editor editor = { edit, &calls };
  struct initrd_buf image = { 0 }, before = { 0 };
  struct cpio_writer w = { 0 };
  struct initrd_plan plan;
  char *reason;

  (void)state;
  put_base (&w);
  put_configuration (&w);
  make_image (&image, INITRD_FORMAT_ZSTD, &w);
  initrd_buf_append (&before, image.data, image.size);
  assert_int_equal (initrd_plan_edited (image.data, image.size, &kernel,
                                        test_wanted, NULL, &editor, &plan),
                    0);
  assert_int_equal (plan.verdict, INITRD_APPEND);
  assert_non_null (plan.added);
  assert_true (has_string (plan.edited, "etc/mdadm/mdadm.conf"));
  assert_true (has_string (plan.edited, "etc/lvm/devices/system.devices"));
  assert_true (has_string (plan.edited, "cryptroot/crypttab"));
  assert_null (plan.edited[3]);
  apply_plan (&image, &plan);
  initrd_plan_free (&plan);
  assert_edited (&image);
  assert_int_equal (initrd_verify (image.data, image.size, before.data,
                                   before.size, &kernel, test_wanted, &reason),
                    0);

  assert_int_equal (initrd_plan_edited (image.data, image.size, &kernel,
                                        test_wanted, NULL, &editor, &plan),
                    0);
  assert_int_equal (plan.verdict, INITRD_PRESENT);
  initrd_plan_free (&plan);
  initrd_buf_free (&before);
  initrd_buf_free (&image);
}

/* Files alone: all drivers are there already, and no index is touched. */
static void
test_without_drivers (void **state)
{
  struct initrd_kernel kernel = test_kernel ();
  unsigned calls = 0;
  const struct initrd_editor editor = { edit, &calls };
  struct initrd_buf image = { 0 };
  struct cpio_writer w = { 0 };
  struct initrd_plan plan;
  char *reason;

  (void)state;
  put_base (&w);
  put_configuration (&w);
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  assert_int_equal (
    initrd_plan (image.data, image.size, &kernel, test_wanted, NULL, &plan), 0);
  assert_null (plan.edited);
  apply_plan (&image, &plan);
  initrd_plan_free (&plan);
  assert_file (&image, "etc/mdadm/mdadm.conf", "DEVICE /dev/sda*\n");

  assert_int_equal (initrd_plan_edited (image.data, image.size, &kernel,
                                        test_wanted, NULL, &editor, &plan),
                    0);
  assert_int_equal (plan.verdict, INITRD_APPEND);
  assert_null (plan.added);
  assert_true (plan.tail_size < 1024);
  apply_plan (&image, &plan);
  initrd_plan_free (&plan);
  assert_edited (&image);
  assert_int_equal (initrd_verify (image.data, image.size, NULL, 0, &kernel,
                                   test_wanted, &reason),
                    0);
  initrd_buf_free (&image);
}

/* The drivers are built in: the image has no modules at all.  One that is
 * not understood is left alone.
 */
static void
test_builtin_drivers (void **state)
{
  static const char *const wanted[] = { "sd_mod", NULL };
  struct initrd_kernel kernel = test_kernel ();
  unsigned calls = 0;
  const struct initrd_editor editor = { edit, &calls };
  struct initrd_buf image = { 0 };
  struct cpio_writer w = { 0 };
  struct initrd_plan plan;

  (void)state;
  put_configuration (&w);
  make_image (&image, INITRD_FORMAT_XZ, &w);
  assert_int_equal (initrd_plan_edited (image.data, image.size, &kernel, wanted,
                                        NULL, &editor, &plan),
                    0);
  assert_int_equal (plan.verdict, INITRD_APPEND);
  apply_plan (&image, &plan);
  initrd_plan_free (&plan);
  assert_edited (&image);
  initrd_buf_free (&image);

  calls = 0;
  assert_int_equal (initrd_plan_edited ((const uint8_t *)"junk", 4, &kernel,
                                        wanted, NULL, &editor, &plan),
                    0);
  assert_int_equal (plan.verdict, INITRD_PRESENT);
  assert_int_equal (calls, 0);
  initrd_plan_free (&plan);
}

/* The directory of the configuration is a symlink: what it leads to is
 * another place, that is not looked at; nothing is damaged.
 */
static void
test_symlinked_directory (void **state)
{
  static const char *const wanted[] = { "sd_mod", NULL };
  struct initrd_kernel kernel = test_kernel ();
  unsigned calls = 0;
  const struct initrd_editor editor = { edit, &calls };
  struct initrd_buf image = { 0 };
  struct cpio_writer w = { 0 };
  struct initrd_plan plan;

  (void)state;
  put_dirs (&w, "usr/etc/mdadm");
  put_text (&w, "usr/etc/mdadm/mdadm.conf", "DEVICE /dev/sda*\n");
  cpio_write_symlink (&w, "etc", "usr/etc");
  make_image (&image, INITRD_FORMAT_CPIO, &w);
  assert_int_equal (initrd_plan_edited (image.data, image.size, &kernel, wanted,
                                        NULL, &editor, &plan),
                    0);
  assert_int_equal (plan.verdict, INITRD_PRESENT);
  initrd_plan_free (&plan);
  initrd_buf_free (&image);
}

/* A file that cannot be edited is an error, not a verdict. */
static void
test_failure (void **state)
{
  struct initrd_kernel kernel = test_kernel ();
  unsigned calls = 0;
  const struct initrd_editor editor = { edit, &calls };
  struct initrd_buf image = { 0 };
  struct cpio_writer w = { 0 };
  struct initrd_plan plan;

  (void)state;
  put_base (&w);
  put_configuration (&w);
  put_text (&w, "etc/poison", "x");
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  assert_int_equal (initrd_plan_edited (image.data, image.size, &kernel,
                                        test_wanted, NULL, &editor, &plan),
                    -1);
  assert_non_null (plan.reason);
  initrd_plan_free (&plan);
  initrd_buf_free (&image);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_with_drivers),
    cmocka_unit_test (test_without_drivers),
    cmocka_unit_test (test_builtin_drivers),
    cmocka_unit_test (test_symlinked_directory),
    cmocka_unit_test (test_failure),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
