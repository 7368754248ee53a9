/* SPDX-License-Identifier: BSD-3-Clause */

/* Makes what the tests of the initrd engine look at: modules, module
 * directories and images, all synthetic.  Included once per test program.
 */

#ifndef V2V_TEST_INITRD_UTIL_H
#define V2V_TEST_INITRD_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <lzma.h>

#include "cpio-write.h"
#include "initrd-buf.h"
#include "initrd-codec.h"
#include "initrd-image.h"
#include "initrd.h"
#include "kmod-index.h"

#define KVER "6.1.0-99-test"
#define MODDIR "usr/lib/modules/" KVER

static inline void
put_le (uint8_t *p, uint64_t v, unsigned n)
{
  while (n-- > 0) {
    *p++ = (uint8_t) v;
    v >>= 8;
  }
}

/* An ELF file with nothing but .modinfo.  INFO: strings with NULs between
 * them, LEN bytes.
 */
static inline void
make_elf (struct initrd_buf *out, const char *info, size_t len)
{
  static const char names[] = "\0.modinfo\0.shstrtab";
  uint8_t header[64] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };
  uint8_t sections[3 * 64] = { 0 };
  size_t names_at = 64 + len;

  put_le (header + 16, 1, 2);   /* ET_REL */
  put_le (header + 18, 62, 2);  /* EM_X86_64 */
  put_le (header + 40, names_at + sizeof names, 8); /* e_shoff */
  put_le (header + 52, 64, 2);  /* e_ehsize */
  put_le (header + 58, 64, 2);  /* e_shentsize */
  put_le (header + 60, 3, 2);   /* e_shnum */
  put_le (header + 62, 2, 2);   /* e_shstrndx */
  put_le (sections + 64, 1, 4);
  put_le (sections + 64 + 24, 64, 8);
  put_le (sections + 64 + 32, len, 8);
  put_le (sections + 128, 10, 4);
  put_le (sections + 128 + 24, names_at, 8);
  put_le (sections + 128 + 32, sizeof names, 8);
  assert_int_equal (initrd_buf_append (out, header, sizeof header), 0);
  assert_int_equal (initrd_buf_append (out, info, len), 0);
  assert_int_equal (initrd_buf_append (out, names, sizeof names), 0);
  assert_int_equal (initrd_buf_append (out, sections, sizeof sections), 0);
}

/* A module for kernel VERSION with at most one alias. */
static inline void
make_module (struct initrd_buf *out, const char *version, const char *alias)
{
  struct initrd_buf info = { 0 };

  initrd_buf_string (&info, "license=GPL");
  initrd_buf_zeroes (&info, 1);
  if (alias) {
    initrd_buf_string (&info, "alias=");
    initrd_buf_string (&info, alias);
    initrd_buf_zeroes (&info, 1);
  }
  initrd_buf_string (&info, "vermagic=");
  initrd_buf_string (&info, version);
  initrd_buf_string (&info, " SMP mod_unload ");
  initrd_buf_zeroes (&info, 1);
  make_elf (out, (char *) info.data, info.size);
  initrd_buf_free (&info);
}

/* The guest's kernel. */
static const char test_dep[] =
  "kernel/drivers/virtio/virtio.ko.xz:\n"
  "kernel/drivers/virtio/virtio_ring.ko.gz: "
  "kernel/drivers/virtio/virtio.ko.xz\n"
  "kernel/drivers/virtio/virtio_pci.ko: "
  "kernel/drivers/virtio/virtio_ring.ko.gz "
  "kernel/drivers/virtio/virtio.ko.xz\n"
  "kernel/drivers/block/virtio_blk.ko.zst: "
  "kernel/drivers/virtio/virtio_ring.ko.gz "
  "kernel/drivers/virtio/virtio.ko.xz\n"
  "kernel/drivers/scsi/scsi_mod.ko:\n"
  "kernel/drivers/scsi/virtio_scsi.ko.xz: kernel/drivers/scsi/scsi_mod.ko "
  "kernel/drivers/virtio/virtio_ring.ko.gz "
  "kernel/drivers/virtio/virtio.ko.xz\n"
  "kernel/drivers/net/net_failover.ko:\n"
  "kernel/drivers/net/virtio_net.ko: kernel/drivers/net/net_failover.ko "
  "kernel/drivers/virtio/virtio_ring.ko.gz "
  "kernel/drivers/virtio/virtio.ko.xz\n"
  "kernel/drivers/net/e1000.ko:\n"
  "kernel/crypto/soft-thing.ko:\n";

static const char test_alias[] =
  "# Aliases extracted from modules themselves.\n"
  "alias pci:v00001AF4d*sv*sd*bc*sc*i* virtio_pci\n"
  "alias virtio:d00000002v* virtio_blk\n"
  "alias virtio:d00000008v* virtio_scsi\n"
  "alias virtio:d00000001v* virtio_net\n"
  "alias soft-alias soft_thing\n";

static const char test_softdep[] =
  "# Soft dependencies extracted from modules themselves.\n"
  "softdep virtio_blk pre: soft-alias\n";

static const char test_builtin[] = "kernel/drivers/scsi/sd_mod.ko\n";

static int
test_read_module (void *opaque, const char *path, uint8_t **data,
                  size_t *size)
{
  struct initrd_buf plain = { 0 }, packed = { 0 };
  const char *version = opaque;
  enum initrd_format format = INITRD_FORMAT_NONE;
  size_t n = strlen (path);

  if (strstr (path, "virtio_pci"))
    make_module (&plain, version, "pci:v00001AF4d*sv*sd*bc*sc*i*");
  else if (strstr (path, "virtio_blk"))
    make_module (&plain, version, "virtio:d00000002v*");
  else if (strstr (path, "virtio_scsi"))
    make_module (&plain, version, "virtio:d00000008v*");
  else
    make_module (&plain, version, NULL);
  if (strcmp (path + n - 3, ".gz") == 0)
    format = INITRD_FORMAT_GZIP;
  else if (strcmp (path + n - 3, ".xz") == 0)
    format = INITRD_FORMAT_XZ;
  else if (strcmp (path + n - 4, ".zst") == 0)
    format = INITRD_FORMAT_ZSTD;
  if (format != INITRD_FORMAT_NONE) {
    assert_int_equal (initrd_pack (format, plain.data, plain.size, &packed),
                      INITRD_CODEC_OK);
    initrd_buf_free (&plain);
    plain = packed;
  }
  *data = plain.data;
  *size = plain.size;
  return 0;
}

static inline struct initrd_kernel
test_kernel (void)
{
  struct initrd_kernel k = {
    .version = KVER,
    .modules_dep = test_dep,
    .modules_softdep = test_softdep,
    .modules_builtin = test_builtin,
    .modules_alias = test_alias,
    .read_module = test_read_module,
    .opaque = (void *) KVER,
  };

  return k;
}

static const char *const test_wanted[] = {
  "virtio_pci", "virtio_blk", "virtio-scsi", "sd_mod", NULL
};
static const char *const test_optional[] = { "virtio_net", NULL };

/* A directory and its parents; every one is written again each time. */
static inline void
put_dirs (struct cpio_writer *w, const char *path)
{
  char copy[512];
  char *p;

  snprintf (copy, sizeof copy, "%s", path);
  for (p = strchr (copy, '/'); p; p = strchr (p + 1, '/')) {
    *p = '\0';
    assert_int_equal (cpio_write_dir (w, copy, 0755), 0);
    *p = '/';
  }
  assert_int_equal (cpio_write_dir (w, copy, 0755), 0);
}

static inline void
put_text (struct cpio_writer *w, const char *path, const char *text)
{
  assert_int_equal (cpio_write_file (w, path, 0644, text, strlen (text)), 0);
}

static inline void
put_index (struct cpio_writer *w, const char *path,
           const char *const *entries)
{
  struct kmod_index idx = { 0 };
  uint8_t *data;
  size_t size, i;

  for (i = 0; entries[i]; i += 2)
    assert_int_equal (kmod_index_add (&idx, entries[i], entries[i + 1],
                                      (uint32_t) i), 0);
  kmod_index_sort (&idx);
  assert_int_equal (kmod_index_write (&idx, &data, &size), 0);
  assert_int_equal (cpio_write_file (w, path, 0644, data, size), 0);
  free (data);
  kmod_index_free (&idx);
}

/* What an initrd of a distribution has, without virtio: merged /usr, udev,
 * scsi_mod packed differently from the guest's, and binary indexes.
 */
static inline void
put_base (struct cpio_writer *w)
{
  static const char *const dep[] = {
    "scsi_mod", "kernel/drivers/scsi/scsi_mod.ko.xz:",
    "ahci", "kernel/drivers/ata/ahci.ko: kernel/drivers/scsi/scsi_mod.ko.xz",
    NULL
  };
  static const char *const alias[] = {
    "pci:v*d*sv*sd*bc01sc06i01*", "ahci", NULL
  };
  struct initrd_buf m = { 0 }, xz = { 0 };

  put_dirs (w, "usr/lib/systemd");
  put_dirs (w, MODDIR "/kernel/drivers/scsi");
  put_dirs (w, MODDIR "/kernel/drivers/ata");
  assert_int_equal (cpio_write_symlink (w, "lib", "usr/lib"), 0);
  put_text (w, "init", "#!/bin/sh\n");
  put_text (w, "usr/lib/systemd/systemd-udevd", "\177ELF");
  make_module (&m, KVER, NULL);
  assert_int_equal (initrd_pack (INITRD_FORMAT_XZ, m.data, m.size, &xz),
                    INITRD_CODEC_OK);
  assert_int_equal (cpio_write_file (w, MODDIR
                                     "/kernel/drivers/scsi/scsi_mod.ko.xz",
                                     0644, xz.data, xz.size), 0);
  assert_int_equal (cpio_write_file (w, MODDIR "/kernel/drivers/ata/ahci.ko",
                                     0644, m.data, m.size), 0);
  put_index (w, MODDIR "/modules.dep.bin", dep);
  put_index (w, MODDIR "/modules.alias.bin", alias);
  initrd_buf_free (&m);
  initrd_buf_free (&xz);
}

/* lzma is only written by tests. */
static inline void
pack_lzma (const uint8_t *data, size_t size, struct initrd_buf *out)
{
  lzma_options_lzma opt;
  lzma_stream z = LZMA_STREAM_INIT;

  assert_false (lzma_lzma_preset (&opt, 6));
  assert_int_equal (lzma_alone_encoder (&z, &opt), LZMA_OK);
  assert_int_equal (initrd_buf_reserve (out, size + size / 2 + 4096), 0);
  z.next_in = data;
  z.avail_in = size;
  z.next_out = out->data + out->size;
  z.avail_out = out->alloc - out->size;
  assert_int_equal (lzma_code (&z, LZMA_FINISH), LZMA_STREAM_END);
  out->size = out->alloc - z.avail_out;
  lzma_end (&z);
}

/* Append a segment of the given format. */
static inline void
put_segment (struct initrd_buf *image, enum initrd_format format,
             const uint8_t *data, size_t size)
{
  if (format == INITRD_FORMAT_CPIO)
    assert_int_equal (initrd_buf_append (image, data, size), 0);
  else if (format == INITRD_FORMAT_LZMA)
    pack_lzma (data, size, image);
  else
    assert_int_equal (initrd_pack (format, data, size, image),
                      INITRD_CODEC_OK);
}

/* The usual small early archive. */
static inline void
put_early (struct initrd_buf *image)
{
  struct cpio_writer w = { 0 };

  put_dirs (&w, "kernel/x86/microcode");
  put_text (&w, "kernel/x86/microcode/GenuineIntel.bin", "microcode");
  assert_int_equal (cpio_write_end (&w), 0);
  assert_int_equal (initrd_buf_append (image, w.buf.data, w.buf.size), 0);
  initrd_buf_free (&w.buf);
}

/* An image in one segment from what W holds; W is emptied. */
static inline void
make_image (struct initrd_buf *image, enum initrd_format format,
            struct cpio_writer *w)
{
  assert_int_equal (cpio_write_end (w), 0);
  put_segment (image, format, w->buf.data, w->buf.size);
  initrd_buf_free (&w->buf);
}

/* Append the plan's tail as a caller would. */
static inline void
apply_plan (struct initrd_buf *image, const struct initrd_plan *plan)
{
  assert_int_equal (plan->verdict, INITRD_APPEND);
  assert_true (plan->offset <= image->size);
  image->size = (size_t) plan->offset;
  assert_int_equal (initrd_buf_append (image, plan->tail, plan->tail_size),
                    0);
}

static inline bool
has_string (char **list, const char *s)
{
  for (; list && *list; ++list)
    if (strcmp (*list, s) == 0)
      return true;
  return false;
}

#endif /* V2V_TEST_INITRD_UTIL_H */
