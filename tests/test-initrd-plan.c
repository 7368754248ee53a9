/* SPDX-License-Identifier: BSD-3-Clause */

/* Plans for synthetic images of every format and family, and what the
 * verification must catch.
 */

#include <config.h>

#include "test-initrd-util.h"
#include "initrd-lookup.h"

static const enum initrd_format formats[] = {
  INITRD_FORMAT_CPIO, INITRD_FORMAT_GZIP, INITRD_FORMAT_BZIP2,
  INITRD_FORMAT_LZMA, INITRD_FORMAT_XZ, INITRD_FORMAT_LZ4,
  INITRD_FORMAT_ZSTD,
};

/* Plan, append, verify; the image must then be complete. */
static void
plan_and_verify (struct initrd_buf *image)
{
  struct initrd_kernel kernel = test_kernel ();
  struct initrd_buf before = { 0 };
  struct initrd_plan plan;
  char *reason;

  initrd_buf_append (&before, image->data, image->size);
  assert_int_equal (initrd_plan (image->data, image->size, &kernel,
                                 test_wanted, test_optional, &plan), 0);
  assert_int_equal (plan.verdict, INITRD_APPEND);
  apply_plan (image, &plan);
  /* The original with all its padding, and without. */
  assert_int_equal (initrd_verify (image->data, image->size, before.data,
                                   before.size, &kernel, test_wanted,
                                   &reason), 0);
  assert_int_equal (initrd_verify (image->data, image->size, before.data,
                                   (size_t) plan.offset, &kernel,
                                   test_wanted, &reason), 0);
  initrd_plan_free (&plan);

  /* Nothing is added twice. */
  assert_int_equal (initrd_plan (image->data, image->size, &kernel,
                                 test_wanted, test_optional, &plan), 0);
  assert_int_equal (plan.verdict, INITRD_PRESENT);
  initrd_plan_free (&plan);
  initrd_buf_free (&before);
}

/* Every format, behind an early archive or not, at every size modulo 4,
 * with and without zeroes after it.
 */
static void
test_formats (void **state)
{
  struct cpio_writer w;
  struct initrd_buf image;
  size_t f, i;
  unsigned early, zeroes;
  bool sizes[4];
  char noise[32] = "";

  (void) state;
  for (f = 0; f < sizeof formats / sizeof formats[0]; ++f) {
    for (early = 0; early < 2; ++early) {
      memset (sizes, 0, sizeof sizes);
      for (i = 0; i < 12; ++i) {
        for (zeroes = 0; zeroes < 8; zeroes += 7) {
          memset (&w, 0, sizeof w);
          memset (&image, 0, sizeof image);
          if (early)
            put_early (&image);
          put_base (&w);
          /* Grows by an incompressible byte each time. */
          snprintf (noise, 2 + i, "q8Zk2VxT7mWd");
          put_text (&w, "noise", noise);
          make_image (&image, formats[f], &w);
          sizes[image.size % 4] = true;
          initrd_buf_zeroes (&image, zeroes);
          plan_and_verify (&image);
          initrd_buf_free (&image);
        }
      }
      /* The inputs did vary in what they were made for.  (Streams of xz
       * are always a multiple of 4.)
       */
      assert_true (formats[f] == INITRD_FORMAT_CPIO ||
                   formats[f] == INITRD_FORMAT_XZ ||
                   (sizes[1] + sizes[2] + sizes[3] >= 2));
    }
  }
}

/* The tail is the format that it should be, right after the last byte. */
static void
test_join (void **state)
{
  struct initrd_kernel kernel = test_kernel ();
  struct initrd_plan plan;
  struct initrd_buf image;
  struct cpio_writer w;
  size_t f, end, i;

  (void) state;
  for (f = 0; f < sizeof formats / sizeof formats[0]; ++f) {
    memset (&w, 0, sizeof w);
    memset (&image, 0, sizeof image);
    put_base (&w);
    make_image (&image, formats[f], &w);
    end = image.size;
    initrd_buf_zeroes (&image, 100);
    assert_int_equal (initrd_plan (image.data, image.size, &kernel,
                                   test_wanted, test_optional, &plan), 0);
    assert_int_equal (plan.verdict, INITRD_APPEND);
    if (formats[f] == INITRD_FORMAT_CPIO) {
      /* Its padding to 512 belongs to nobody. */
      assert_true (plan.offset <= end);
      end = (size_t) plan.offset;
    }
    assert_int_equal (plan.offset, end);
    for (i = 0; i < plan.tail_size && plan.tail[i] == 0; ++i)
      ;
    switch (formats[f]) {
    case INITRD_FORMAT_CPIO:
    case INITRD_FORMAT_LZMA:
      assert_true (i < 4 && (end + i) % 4 == 0);
      assert_int_equal (initrd_format_of (plan.tail + i, plan.tail_size - i),
                        INITRD_FORMAT_CPIO);
      break;
    default:
      assert_int_equal (i, 0);
      assert_int_equal (initrd_format_of (plan.tail, plan.tail_size),
                        formats[f]);
    }
    initrd_plan_free (&plan);
    initrd_buf_free (&image);
  }
}

/* lz4 frames are one stream: an archive that does not end at a multiple of
 * 4 in it must be padded inside ours.
 */
static void
test_lz4_alignment (void **state)
{
  struct initrd_image img;
  struct initrd_error e = { 0 };
  struct cpio_writer w;
  struct initrd_buf image;
  size_t cut;

  (void) state;
  for (cut = 0; cut < 4; ++cut) {
    memset (&w, 0, sizeof w);
    memset (&image, 0, sizeof image);
    put_base (&w);
    assert_int_equal (cpio_write_end (&w), 0);
    put_segment (&image, INITRD_FORMAT_LZ4, w.buf.data, w.buf.size - cut);
    initrd_buf_free (&w.buf);
    plan_and_verify (&image);
    assert_int_equal (initrd_image_read (image.data, image.size, SIZE_MAX,
                                         &img, &e), 1);
    assert_int_equal (img.nr_segments, 1);
    assert_int_equal (img.segments[0].archives, 2);
    initrd_image_free (&img);
    initrd_buf_free (&image);
  }
}

static struct initrd_plan
plan_for (struct initrd_buf *image)
{
  struct initrd_kernel kernel = test_kernel ();
  struct initrd_plan plan;

  assert_int_equal (initrd_plan (image->data, image->size, &kernel,
                                 test_wanted, test_optional, &plan), 0);
  return plan;
}

/* What is added: the closure, the soft dependency by its alias, not what
 * the image has under another suffix; and what the indexes say then.
 */
static void
test_content (void **state)
{
  struct initrd_buf image = { 0 };
  struct cpio_writer w = { 0 };
  struct initrd_image img;
  struct initrd_lookup lk;
  struct initrd_error e = { 0 };
  struct initrd_plan plan;
  struct initrd_node *n;

  (void) state;
  put_base (&w);
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  plan = plan_for (&image);
  assert_true (has_string (plan.added, "virtio"));
  assert_true (has_string (plan.added, "virtio_ring"));
  assert_true (has_string (plan.added, "virtio_pci"));
  assert_true (has_string (plan.added, "virtio_blk"));
  assert_true (has_string (plan.added, "virtio_scsi"));
  assert_true (has_string (plan.added, "soft_thing"));
  assert_false (has_string (plan.added, "scsi_mod"));
  assert_false (has_string (plan.added, "virtio_net"));
  assert_true (has_string (plan.drivers, "virtio_blk"));
  assert_true (has_string (plan.drivers, "virtio_net"));
  assert_false (has_string (plan.drivers, "sd_mod")); /* built in */
  apply_plan (&image, &plan);
  initrd_plan_free (&plan);

  assert_int_equal (initrd_image_read (image.data, image.size, SIZE_MAX,
                                       &img, &e), 1);
  assert_int_equal (initrd_lookup_open (img.tree, KVER, &lk, &e), 1);
  assert_string_equal (lk.dir_path, MODDIR);
  /* The image's own path of scsi_mod; uncompressed files of ours. */
  assert_string_equal (kmod_index_find (&lk.dep, "virtio_scsi")->value,
                       "kernel/drivers/scsi/virtio_scsi.ko: "
                       "kernel/drivers/scsi/scsi_mod.ko.xz "
                       "kernel/drivers/virtio/virtio_ring.ko "
                       "kernel/drivers/virtio/virtio.ko");
  /* The image's own entries are still there. */
  assert_non_null (kmod_index_find (&lk.dep, "ahci"));
  assert_string_equal (kmod_index_find (&lk.alias,
                                        "pci:v*d*sv*sd*bc01sc06i01*")->value,
                       "ahci");
  assert_string_equal (kmod_index_find (&lk.alias,
                                        "virtio:d00000002v*")->value,
                       "virtio_blk");
  assert_non_null (kmod_index_find (&lk.alias, "soft_alias"));
  n = initrd_tree_lookup (img.tree,
                          "lib/modules/" KVER
                          "/kernel/drivers/block/virtio_blk.ko", true);
  assert_non_null (n);
  assert_memory_equal (n->inode->data, "\177ELF", 4);
  /* The symlink survived. */
  n = initrd_tree_lookup (img.tree, "lib", false);
  assert_true (n && initrd_node_is_symlink (n));
  /* The new module's soft dependency is known to kmod. */
  n = initrd_tree_lookup (img.tree, MODDIR "/modules.softdep", false);
  assert_non_null (n);
  assert_memory_equal (n->inode->data,
                       "softdep virtio_blk pre: soft-alias\n",
                       n->inode->size);
  initrd_lookup_free (&lk);
  initrd_image_free (&img);
  initrd_buf_free (&image);
}

/* Modules in a first uncompressed archive, the rest compressed; the text
 * indexes are kept up too, and a hard-linked index is not written through.
 */
static void
test_layouts (void **state)
{
  static const char *const dep[] = { "ahci", "kernel/ahci.ko:", NULL };
  struct initrd_buf image = { 0 }, m = { 0 };
  struct cpio_writer w = { 0 };
  struct initrd_image img;
  struct initrd_error e = { 0 };
  struct initrd_node *n;
  char *text;

  (void) state;
  put_base (&w);
  put_text (&w, MODDIR "/modules.dep",
            "kernel/drivers/ata/ahci.ko: kernel/drivers/scsi/scsi_mod.ko.xz\n"
            "kernel/stale/virtio_blk.ko:"); /* no newline, no such file */
  put_text (&w, MODDIR "/modules.alias", "alias x y");
  make_image (&image, INITRD_FORMAT_CPIO, &w);
  put_text (&w, "scripts", "x");
  make_image (&image, INITRD_FORMAT_ZSTD, &w);
  plan_and_verify (&image);
  assert_int_equal (initrd_image_read (image.data, image.size, SIZE_MAX,
                                       &img, &e), 1);
  assert_int_equal (img.nr_segments, 3);
  n = initrd_tree_lookup (img.tree, MODDIR "/modules.dep", false);
  text = strndup ((const char *) n->inode->data, n->inode->size);
  assert_null (strstr (text, "stale"));
  assert_non_null (strstr (text, "ata/ahci.ko: "));
  assert_non_null (strstr (text, "\nkernel/drivers/block/virtio_blk.ko: "));
  free (text);
  n = initrd_tree_lookup (img.tree, MODDIR "/modules.alias", false);
  text = strndup ((const char *) n->inode->data, n->inode->size);
  assert_non_null (strstr (text, "alias x y\nalias pci:v00001AF4d"));
  free (text);
  initrd_image_free (&img);
  initrd_buf_free (&image);

  /* lib is real, usr/lib a symlink; the index comes as text only. */
  put_dirs (&w, "usr");
  put_dirs (&w, "sbin");
  put_dirs (&w, "lib/modules/" KVER "/kernel");
  assert_int_equal (cpio_write_symlink (&w, "usr/lib", "../lib"), 0);
  put_text (&w, "sbin/udevd", "x");
  make_module (&m, KVER, NULL);
  assert_int_equal (cpio_write_file (&w, "lib/modules/" KVER
                                     "/kernel/ahci.ko", 0644, m.data,
                                     m.size), 0);
  put_text (&w, "lib/modules/" KVER "/modules.dep", "kernel/ahci.ko:\n");
  make_image (&image, INITRD_FORMAT_XZ, &w);
  plan_and_verify (&image);
  initrd_buf_free (&image);

  /* An index that is a symlink: its target is written. */
  put_dirs (&w, "sbin");
  put_dirs (&w, "lib/modules/" KVER "/kernel");
  put_text (&w, "sbin/udevd", "x");
  assert_int_equal (cpio_write_file (&w, "lib/modules/" KVER
                                     "/kernel/ahci.ko", 0644, m.data,
                                     m.size), 0);
  put_index (&w, "dep.bin", dep);
  assert_int_equal (cpio_write_symlink (&w, "lib/modules/" KVER
                                        "/modules.dep.bin",
                                        "../../../dep.bin"), 0);
  make_image (&image, INITRD_FORMAT_BZIP2, &w);
  plan_and_verify (&image);
  assert_int_equal (initrd_image_read (image.data, image.size, SIZE_MAX,
                                       &img, &e), 1);
  n = initrd_tree_lookup (img.tree, "lib/modules/" KVER "/modules.dep.bin",
                          false);
  assert_true (initrd_node_is_symlink (n));
  initrd_image_free (&img);
  initrd_buf_free (&image);
  initrd_buf_free (&m);
}

/* The image holds the guest's network driver: virtio_net is wanted. */
static void
test_optional_net (void **state)
{
  struct initrd_buf image = { 0 }, m = { 0 };
  struct cpio_writer w = { 0 };
  struct initrd_plan plan;

  (void) state;
  put_base (&w);
  make_module (&m, KVER, NULL);
  assert_int_equal (cpio_write_file (&w, MODDIR "/kernel/e1000.ko", 0644,
                                     m.data, m.size), 0);
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  plan = plan_for (&image);
  assert_int_equal (plan.verdict, INITRD_APPEND);
  assert_true (has_string (plan.added, "virtio_net"));
  assert_true (has_string (plan.added, "net_failover"));
  initrd_plan_free (&plan);
  initrd_buf_free (&image);
  initrd_buf_free (&m);
}

static void
expect (struct initrd_buf *image, enum initrd_verdict verdict,
        const char *code)
{
  struct initrd_plan plan = plan_for (image);

  assert_int_equal (plan.verdict, verdict);
  assert_non_null (plan.reason);
  assert_non_null (plan.code);
  assert_string_equal (plan.code, code);
  assert_null (plan.tail);
  initrd_plan_free (&plan);
  initrd_buf_free (image);
}

/* Section 8 of the recipe: families that must be rebuilt. */
static void
test_families (void **state)
{
  char deep[1024] = "";
  size_t i;
  static const char *const dep[] = { "scsi_mod", "kernel/scsi_mod.ko:",
                                     NULL };
  struct initrd_buf image = { 0 };
  struct cpio_writer w = { 0 };

  (void) state;
  put_base (&w);
  put_text (&w, "erofs-root.img", "x");
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  expect (&image, INITRD_REBUILD, "initrd-squash");

  put_base (&w);
  put_text (&w, "squash-root.img", "hsqs");
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  expect (&image, INITRD_REBUILD, "initrd-squash");

  put_dirs (&w, "squash");
  put_text (&w, "squash/root.img", "hsqs");
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  expect (&image, INITRD_REBUILD, "initrd-squash");

  put_text (&w, "init", "#!/bin/nash\n\ninsmod /lib/scsi_mod.ko\n");
  put_dirs (&w, "lib");
  put_text (&w, "lib/scsi_mod.ko", "x");
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  expect (&image, INITRD_REBUILD, "initrd-nash");

  put_base (&w);
  put_dirs (&w, "config");
  put_text (&w, "run_all.sh", "x");
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  expect (&image, INITRD_REBUILD, "initrd-mkinitrd");

  put_base (&w);
  put_dirs (&w, "etc/modprobe.d");
  put_text (&w, "etc/modprobe.d/x.conf", "# hi\nblacklist virtio-blk\n");
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  expect (&image, INITRD_REBUILD, "initrd-blacklist");

  put_base (&w);
  put_dirs (&w, "etc/modprobe.d");
  put_text (&w, "etc/modprobe.d/x.conf", "install virtio_pci /bin/false");
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  expect (&image, INITRD_REBUILD, "initrd-blacklist");

  put_text (&w, "init", "x");
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  expect (&image, INITRD_REBUILD, "initrd-no-modules");

  put_dirs (&w, "lib/modules/5.5.5");
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  expect (&image, INITRD_REBUILD, "initrd-other-kernel");

  put_dirs (&w, "lib/modules/" KVER);
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  expect (&image, INITRD_REBUILD, "initrd-no-index");

  put_dirs (&w, "lib/modules/" KVER);
  put_index (&w, "lib/modules/" KVER "/modules.dep.bin", dep);
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  expect (&image, INITRD_REBUILD, "initrd-no-udev");

  /* Arch's mkinitcpio with neither of the hooks udev and systemd. */
  put_text (&w, "config", "MODULES=\"ahci\"\nEARLYHOOKS=\"\"\n");
  put_text (&w, "init", "#!/usr/bin/ash\n");
  put_dirs (&w, "lib/modules/" KVER);
  put_index (&w, "lib/modules/" KVER "/modules.dep.bin", dep);
  make_image (&image, INITRD_FORMAT_ZSTD, &w);
  expect (&image, INITRD_REBUILD, "initrd-no-udev");

  put_dirs (&w, "lib/modules/" KVER);
  put_text (&w, "lib/modules/" KVER "/modules.dep.bin", "not an index");
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  expect (&image, INITRD_REBUILD, "initrd-index");

  /* A file where a directory is needed. */
  put_dirs (&w, "sbin");
  put_text (&w, "sbin/udevd", "x");
  put_dirs (&w, "lib/modules/" KVER);
  put_text (&w, "lib/modules/" KVER "/kernel", "x");
  put_index (&w, "lib/modules/" KVER "/modules.dep.bin", dep);
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  expect (&image, INITRD_REBUILD, "initrd-layout");

  /* Deeper than anything real. */
  for (i = 0; i < 300; ++i) {
    snprintf (deep + strlen (deep), sizeof deep - strlen (deep), "%sd",
              i ? "/" : "");
    cpio_write_dir (&w, deep, 0755);
  }
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  expect (&image, INITRD_REBUILD, "initrd-too-large");

  initrd_buf_string (&image, "MZ\x90");
  expect (&image, INITRD_REBUILD, "initrd-uki");
  initrd_buf_append (&image, "\x89LZO\0\r\n\x1a\n", 9);
  expect (&image, INITRD_REBUILD, "initrd-lzop");
  initrd_buf_zeroes (&image, 64);
  expect (&image, INITRD_REBUILD, "initrd-unreadable");
  put_segment (&image, INITRD_FORMAT_GZIP, (const uint8_t *) "ext2....", 8);
  expect (&image, INITRD_REBUILD, "initrd-not-cpio");
}

/* No udev, but a list that its scripts read: it is extended, not lost. */
static void
test_list_file (void **state)
{
  static const char *const dep[] = { "ahci", "kernel/ahci.ko:", NULL };
  struct initrd_buf image = { 0 }, m = { 0 };
  struct cpio_writer w = { 0 };
  struct initrd_image img;
  struct initrd_error e = { 0 };
  struct initrd_node *n;
  char *text;

  (void) state;
  put_dirs (&w, "conf");
  put_text (&w, "conf/modules", "ahci");
  put_dirs (&w, "lib/modules/" KVER "/kernel");
  make_module (&m, KVER, NULL);
  assert_int_equal (cpio_write_file (&w, "lib/modules/" KVER
                                     "/kernel/ahci.ko", 0644, m.data,
                                     m.size), 0);
  put_index (&w, "lib/modules/" KVER "/modules.dep.bin", dep);
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  plan_and_verify (&image);
  assert_int_equal (initrd_image_read (image.data, image.size, SIZE_MAX,
                                       &img, &e), 1);
  n = initrd_tree_lookup (img.tree, "conf/modules", false);
  text = strndup ((const char *) n->inode->data, n->inode->size);
  assert_int_equal (strncmp (text, "ahci\n", 5), 0);
  assert_non_null (strstr (text, "\nvirtio_blk\n"));
  free (text);
  initrd_image_free (&img);
  initrd_buf_free (&image);
  initrd_buf_free (&m);
}

/* Alpine's mkinitfs: its busybox reads the text indexes and its
 * nlplug-findfs, which stands for udev, the binary ones.
 */
static void
test_mkinitfs (void **state)
{
  static const char *const texts[][2] = {
    { "modules.dep", "\nkernel/drivers/block/virtio_blk.ko: " },
    { "modules.alias", "\nalias virtio:d00000002v* virtio_blk\n" },
  };
  static const char *const dep[] = { "ahci", "kernel/ahci.ko:", NULL };
  static const char *const alias[] = { "pci:v*bc01sc06i01*", "ahci", NULL };
  struct initrd_buf image = { 0 }, m = { 0 };
  struct cpio_writer w = { 0 };
  struct initrd_image img;
  struct initrd_error e = { 0 };
  struct initrd_node *n;
  char *text, path[256];
  size_t i;

  (void)state;
  put_dirs (&w, "bin");
  put_text (&w, "bin/busybox", "\177ELF");
  put_dirs (&w, "sbin");
  put_text (&w, "sbin/nlplug-findfs", "\177ELF");
  put_text (&w, "init", "#!/bin/sh\n");
  put_dirs (&w, "lib/modules/" KVER "/kernel");
  make_module (&m, KVER, NULL);
  assert_int_equal (cpio_write_file (&w, "lib/modules/" KVER "/kernel/ahci.ko",
                                     0644, m.data, m.size),
                    0);
  put_index (&w, "lib/modules/" KVER "/modules.dep.bin", dep);
  put_index (&w, "lib/modules/" KVER "/modules.alias.bin", alias);
  put_text (&w, "lib/modules/" KVER "/modules.dep", "kernel/ahci.ko:\n");
  put_text (&w, "lib/modules/" KVER "/modules.alias",
            "alias pci:v*bc01sc06i01* ahci\n");
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  plan_and_verify (&image);
  assert_int_equal (
    initrd_image_read (image.data, image.size, SIZE_MAX, &img, &e), 1);
  for (i = 0; i < 2; ++i) {
    snprintf (path, sizeof path, "lib/modules/" KVER "/%s", texts[i][0]);
    n = initrd_tree_lookup (img.tree, path, false);
    assert_non_null (n);
    text = strndup ((const char *)n->inode->data, n->inode->size);
    assert_non_null (strstr (text, "ahci"));
    assert_non_null (strstr (text, texts[i][1]));
    free (text);
  }
  initrd_image_free (&img);
  initrd_buf_free (&image);
  initrd_buf_free (&m);
}

/* What needs no initrd at all, and what no initrd can give. */
static void
test_verdicts (void **state)
{
  static const char *const want_builtin[] = { "sd_mod", NULL };
  static const char *const want_strange[] = { "virtio_pci", "no_such", NULL };
  static const char *const want_blk[] = { "virtio_blk", NULL };
  struct initrd_kernel kernel = test_kernel ();
  struct initrd_buf image = { 0 };
  struct cpio_writer w = { 0 };
  struct initrd_plan plan;

  (void) state;
  /* Built in: the image is not even looked at. */
  assert_int_equal (initrd_plan ((const uint8_t *) "junk", 4, &kernel,
                                 want_builtin, NULL, &plan), 0);
  assert_int_equal (plan.verdict, INITRD_PRESENT);
  assert_null (plan.drivers);
  initrd_plan_free (&plan);

  put_base (&w);
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  assert_int_equal (initrd_plan (image.data, image.size, &kernel,
                                 want_strange, NULL, &plan), 0);
  assert_int_equal (plan.verdict, INITRD_IMPOSSIBLE);
  assert_string_equal (plan.code, "initrd-driver-missing");
  assert_non_null (strstr (plan.reason, "no_such"));
  assert_true (has_string (plan.drivers, "virtio_pci"));
  initrd_plan_free (&plan);

  /* Modules of another kernel lie in this one's directory. */
  kernel.opaque = (void *) "6.1.0-98-other";
  assert_int_equal (initrd_plan (image.data, image.size, &kernel,
                                 test_wanted, NULL, &plan), 0);
  assert_int_equal (plan.verdict, INITRD_IMPOSSIBLE);
  assert_string_equal (plan.code, "initrd-module");
  initrd_plan_free (&plan);
  /* "6.1.0-99-test2" begins with "6.1.0-99-test". */
  kernel.opaque = (void *) KVER "2";
  assert_int_equal (initrd_plan (image.data, image.size, &kernel,
                                 test_wanted, NULL, &plan), 0);
  assert_int_equal (plan.verdict, INITRD_IMPOSSIBLE);
  initrd_plan_free (&plan);

  kernel = test_kernel ();
  kernel.modules_dep = NULL;
  assert_int_equal (initrd_plan (image.data, image.size, &kernel,
                                 test_wanted, NULL, &plan), 0);
  assert_int_equal (plan.verdict, INITRD_IMPOSSIBLE);
  assert_string_equal (plan.code, "initrd-no-modules-dep");
  initrd_plan_free (&plan);
  initrd_buf_free (&image);

  /* nash images keep modules in /lib. */
  put_text (&w, "init", "#!/bin/nash\n");
  put_dirs (&w, "lib");
  put_text (&w, "lib/virtio_blk.ko", "x");
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  kernel = test_kernel ();
  assert_int_equal (initrd_plan (image.data, image.size, &kernel, want_blk,
                                 NULL, &plan), 0);
  assert_int_equal (plan.verdict, INITRD_PRESENT);
  initrd_plan_free (&plan);
  initrd_buf_free (&image);
}

static int
fail_to_read (void *opaque, const char *path, uint8_t **data, size_t *size)
{
  (void) opaque;
  (void) path;
  (void) data;
  (void) size;
  return -1;
}

/* A module that cannot be read is an error, not a verdict. */
static void
test_read_error (void **state)
{
  struct initrd_kernel kernel = test_kernel ();
  struct initrd_buf image = { 0 };
  struct cpio_writer w = { 0 };
  struct initrd_plan plan;

  (void) state;
  put_base (&w);
  make_image (&image, INITRD_FORMAT_GZIP, &w);
  kernel.read_module = fail_to_read;
  assert_int_equal (initrd_plan (image.data, image.size, &kernel,
                                 test_wanted, NULL, &plan), -1);
  assert_non_null (strstr (plan.reason, "cannot be read"));
  assert_string_equal (plan.code, "initrd-module");
  initrd_plan_free (&plan);
  initrd_buf_free (&image);
}

/* Aliases come from the modules if the guest has no modules.alias. */
static void
test_alias_from_modinfo (void **state)
{
  struct initrd_kernel kernel = test_kernel ();
  struct initrd_buf image = { 0 };
  struct cpio_writer w = { 0 };
  struct initrd_plan plan;
  char *reason;

  (void) state;
  kernel.modules_alias = NULL;
  put_base (&w);
  make_image (&image, INITRD_FORMAT_ZSTD, &w);
  assert_int_equal (initrd_plan (image.data, image.size, &kernel,
                                 test_wanted, NULL, &plan), 0);
  apply_plan (&image, &plan);
  initrd_plan_free (&plan);
  assert_int_equal (initrd_verify (image.data, image.size, NULL, 0, &kernel,
                                   test_wanted, &reason), 0);
  initrd_buf_free (&image);
}

static void
expect_bad (struct initrd_buf *image, const struct initrd_buf *prefix,
            const char *text)
{
  struct initrd_kernel kernel = test_kernel ();
  char *reason = NULL;

  assert_int_equal (initrd_verify (image->data, image->size,
                                   prefix ? prefix->data : NULL,
                                   prefix ? prefix->size : 0, &kernel,
                                   test_wanted, &reason), -1);
  assert_non_null (reason);
  if (strstr (reason, text) == NULL)
    fail_msg ("'%s' does not say '%s'", reason, text);
  free (reason);
}

/* Everything that verification is for. */
static void
test_verify_catches (void **state)
{
  static const char *const dep[] = {
    "virtio_pci", "kernel/virtio_pci.ko:", "virtio_blk",
    "kernel/virtio_blk.ko:", "virtio_scsi", "kernel/virtio_scsi.ko:", NULL
  };
  struct initrd_kernel kernel = test_kernel ();
  struct initrd_buf base = { 0 }, good = { 0 }, bad = { 0 }, m = { 0 };
  struct cpio_writer w = { 0 };
  struct initrd_plan plan;
  size_t i;

  (void) state;
  put_base (&w);
  make_image (&base, INITRD_FORMAT_GZIP, &w);
  assert_int_equal (initrd_plan (base.data, base.size, &kernel, test_wanted,
                                 NULL, &plan), 0);
  initrd_buf_append (&good, base.data, base.size);
  apply_plan (&good, &plan);
  initrd_plan_free (&plan);

  /* Nothing was appended. */
  expect_bad (&base, &base, "not in the initrd's modules.dep");

  /* Truncated at any place. */
  for (i = base.size + 1; i < good.size; i += 97) {
    bad.size = 0;
    initrd_buf_append (&bad, good.data, i);
    expect_bad (&bad, &base, "");
  }
  /* Trailing junk. */
  bad.size = 0;
  initrd_buf_append (&bad, good.data, good.size);
  initrd_buf_string (&bad, "junk");
  expect_bad (&bad, &base, "neither");
  /* A byte of the prefix changed. */
  bad.size = 0;
  initrd_buf_append (&bad, good.data, good.size);
  bad.data[9] ^= 1;
  expect_bad (&bad, &base, "original bytes");
  /* A byte of the tail changed. */
  bad.data[9] ^= 1;
  bad.data[good.size - 20] ^= 1;
  expect_bad (&bad, &base, "");
  /* An uncompressed archive at an odd place. */
  bad.size = 0;
  initrd_buf_append (&bad, base.data, base.size);
  while (bad.size % 4 != 1)
    initrd_buf_zeroes (&bad, 1);
  put_early (&bad);
  expect_bad (&bad, NULL, "not a multiple of 4");

  /* Modules, but no index. */
  make_module (&m, KVER, NULL);
  bad.size = 0;
  initrd_buf_append (&bad, base.data, base.size);
  put_dirs (&w, MODDIR "/kernel");
  cpio_write_file (&w, MODDIR "/kernel/virtio_pci.ko", 0644, m.data, m.size);
  make_image (&bad, INITRD_FORMAT_GZIP, &w);
  expect_bad (&bad, NULL, "not in the initrd's modules.dep");

  /* An index, but no modules. */
  bad.size = 0;
  initrd_buf_append (&bad, base.data, base.size);
  put_index (&w, MODDIR "/modules.dep.bin", dep);
  make_image (&bad, INITRD_FORMAT_GZIP, &w);
  expect_bad (&bad, NULL, "indexed, but not in");

  /* Modules of another kernel. */
  m.size = 0;
  make_module (&m, "5.4.0", NULL);
  bad.size = 0;
  initrd_buf_append (&bad, base.data, base.size);
  put_index (&w, MODDIR "/modules.dep.bin", dep);
  cpio_write_file (&w, MODDIR "/kernel/virtio_pci.ko", 0644, m.data, m.size);
  make_image (&bad, INITRD_FORMAT_GZIP, &w);
  expect_bad (&bad, NULL, "another kernel");

  /* Not a module. */
  bad.size = 0;
  initrd_buf_append (&bad, base.data, base.size);
  put_index (&w, MODDIR "/modules.dep.bin", dep);
  put_text (&w, MODDIR "/kernel/virtio_pci.ko", "text");
  make_image (&bad, INITRD_FORMAT_GZIP, &w);
  expect_bad (&bad, NULL, "not an ELF file");

  /* A driver with aliases that the index does not have. */
  m.size = 0;
  make_module (&m, KVER, "pci:v*");
  bad.size = 0;
  initrd_buf_append (&bad, base.data, base.size);
  put_index (&w, MODDIR "/modules.dep.bin", dep);
  cpio_write_file (&w, MODDIR "/kernel/virtio_pci.ko", 0644, m.data, m.size);
  make_image (&bad, INITRD_FORMAT_GZIP, &w);
  expect_bad (&bad, NULL, "modules.alias index");

  /* The right things, and "lib" made a directory on the way (C1). */
  bad.size = 0;
  initrd_buf_append (&bad, good.data, good.size);
  put_dirs (&w, "lib");
  make_image (&bad, INITRD_FORMAT_GZIP, &w);
  expect_bad (&bad, &base, "damages /lib");

  initrd_buf_free (&m);
  initrd_buf_free (&bad);
  initrd_buf_free (&good);
  initrd_buf_free (&base);
}

/* The guard must also see what a frame of lz4 after the prefix does. */
static void
test_verify_lz4_guard (void **state)
{
  struct initrd_buf base = { 0 }, bad = { 0 };
  struct initrd_kernel kernel = test_kernel ();
  struct cpio_writer w = { 0 };
  struct initrd_plan plan;

  (void) state;
  put_base (&w);
  make_image (&base, INITRD_FORMAT_LZ4, &w);
  assert_int_equal (initrd_plan (base.data, base.size, &kernel, test_wanted,
                                 NULL, &plan), 0);
  initrd_buf_append (&bad, base.data, base.size);
  apply_plan (&bad, &plan);
  initrd_plan_free (&plan);
  put_dirs (&w, "lib");
  make_image (&bad, INITRD_FORMAT_LZ4, &w);
  expect_bad (&bad, &base, "damages /lib");
  initrd_buf_free (&bad);
  initrd_buf_free (&base);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_formats),
    cmocka_unit_test (test_join),
    cmocka_unit_test (test_lz4_alignment),
    cmocka_unit_test (test_content),
    cmocka_unit_test (test_layouts),
    cmocka_unit_test (test_optional_net),
    cmocka_unit_test (test_families),
    cmocka_unit_test (test_list_file),
    cmocka_unit_test (test_mkinitfs),
    cmocka_unit_test (test_verdicts),
    cmocka_unit_test (test_read_error),
    cmocka_unit_test (test_alias_from_modinfo),
    cmocka_unit_test (test_verify_catches),
    cmocka_unit_test (test_verify_lz4_guard),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
