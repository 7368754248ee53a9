/* SPDX-License-Identifier: BSD-3-Clause */

/* VMDK images: hosted sparse files ("KDMV", with or without compression) and
 * text descriptors with their extents.
 *
 * The descriptor is interpreted here.  QEMU only ever sees single sparse
 * extents; a descriptor embedded in one cannot make it open a file, because
 * the backing child is given (or null) and an embedded extent list
 * (capacity 0) is refused.  The extents of a split set have no descriptor,
 * and QEMU wants one: each gets one of ours, a memfd that names the extent
 * as an inherited descriptor.
 *
 * A snapshot's sparse extent gets as backing the same range of the parent,
 * if that is one piece of it.  QEMU compares content ids and wants a VMDK
 * below a VMDK: wherever there is a parent or a child, the descriptor is
 * ours, and so are the ids; a flat parent becomes a FLAT extent of one.
 */

#include <config.h>

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image-common.h"
#include "v2v-utils.h"
#include "vmdk.h"

#define MAX_DESCRIPTOR (1024 * 1024)

/* JSON of the file node of a descriptor of ours for the extent B alone. */
static char *
descriptor_node (struct image_context *ctx, struct blob b, uint64_t sectors,
                 const char *type, bool has_parent, struct diag *d)
{
  CLEANUP_FREE char *text = NULL;
  bool flat = strcmp (type, "FLAT") == 0;
  struct blob desc;
  struct stat st;
  int i, fd;

  /* It is a name in there, so a sparse extent must be a file of its own. */
  if (!flat && (fstat (b.fd, &st) == -1 || b.offset != 0 ||
                b.size != (uint64_t)st.st_size))
    if (container_copy_alone (ctx->c, &b, &b, d) == -1)
      return NULL;
  if (b.offset % 512 != 0) {
    diag_error (d, "the extent does not lie at whole sectors of its file");
    return NULL;
  }
  i = plan_add_fd (ctx->plan, b.fd, d);
  if (i == -1)
    return NULL;
  i = asprintf (&text,
                "# Disk DescriptorFile\nversion=1\nCID=fffffffe\n"
                "parentCID=%s\ncreateType=\"%s\"\n"
                "RW %" PRIu64 " %s \"/proc/self/fd/%d\"",
                has_parent ? "fffffffe\nparentFileNameHint=\"parent\""
                           : "ffffffff",
                flat             ? "monolithicFlat"
                : type[0] == 'V' ? "vmfsSparse"
                                 : "twoGbMaxExtentSparse",
                sectors, type, PLAN_FIRST_FD + i);
  if (i == -1) {
    text = NULL;
    diag_memory (d);
    return NULL;
  }
  fd = memfd_create ("v2v-vmdk", MFD_CLOEXEC);
  if (fd == -1) {
    diag_error (d, "memfd_create: %m");
    return NULL;
  }
  if (container_adopt (ctx->c, fd) == -1) {
    diag_memory (d);
    return NULL;
  }
  if (write (fd, text, i) != i ||
      dprintf (fd, flat ? " %" PRIu64 "\n" : "\n", b.offset / 512) < 1 ||
      fstat (fd, &st) == -1) {
    diag_error (d, "memfd: %m");
    return NULL;
  }
  desc = (struct blob){ .fd = fd, .offset = 0, .size = st.st_size };
  return image_file_node (ctx, &desc, d);
}

/* The backing of an extent for LEN bytes at START of the parent. */
static char *
parent_node (struct image_context *ctx, const struct plan *parent,
             uint64_t start, uint64_t len, struct diag *d)
{
  CLEANUP_FREE char *file = NULL;
  const struct segment *s;
  struct blob b;
  uint64_t n;
  char *json;

  if (start >= parent->size || len > parent->size - start) {
    diag_error (d, "the parent is smaller than the image");
    return NULL;
  }
  s = plan_find (parent, start, &n);
  if (n < len || (s->kind == SEGMENT_NODE &&
                  (s->start != start || s->offset != 0 || n != len))) {
    diag_error (d, "the parent's extents are not those of the image: merge "
                   "the snapshots first");
    return NULL;
  }
  if (s->kind == SEGMENT_ZERO) {
    json = strdup ("null");
    if (json == NULL)
      diag_memory (d);
    return json;
  }
  if (s->kind == SEGMENT_NODE) {
    json = strdup (parent->nodes[s->index]);
    if (json == NULL) {
      diag_memory (d);
      return NULL;
    }
    return plan_add_ref (ctx->plan, json, d);
  }
  b = (struct blob){ .fd = parent->fds[s->index],
                     .offset = s->offset + (start - s->start),
                     .size = len };
  file = descriptor_node (ctx, b, len / 512, "FLAT", false, d);
  if (file == NULL)
    return NULL;
  if (asprintf (&json,
                "{\"driver\":\"vmdk\",\"read-only\":true,"
                "\"file\":%s,\"backing\":null}",
                file) == -1) {
    diag_memory (d);
    return NULL;
  }
  return plan_add_ref (ctx->plan, json, d);
}

/* One sparse file: SECTORS is what a descriptor says, 0 = the file has its
 * own.  PARENT may be NULL.
 */
static int
add_sparse (struct image_context *ctx, const struct blob *b, uint64_t sectors,
            const struct plan *parent, struct plan *r, struct diag *d)
{
  CLEANUP_FREE char *file = NULL, *backing = NULL;
  char h[512], *json;
  uint64_t capacity;

  if (!blob_pread (b, h, sizeof h, 0))
    return diag_error (d, "too short for a sparse VMDK extent");
  if (memcmp (h, "KDMV", 4) == 0) {
    capacity = v2v_le (h + 12, 8);
    if (v2v_le (h + 4, 4) < 1 || v2v_le (h + 4, 4) > 3)
      return diag_error (d, "VMDK version %" PRIu64 " is not known",
                         v2v_le (h + 4, 4));
    if (capacity == 0)
      return diag_error (d, "a sparse VMDK without a size: refused");
  }
  else if (memcmp (h, "COWD", 4) == 0)
    capacity = v2v_le (h + 12, 4);
  else
    return diag_error (d, "not a sparse VMDK extent");
  if (capacity > INT64_MAX / 512)
    return diag_error (d, "the disk is larger than 2^63 bytes");
  if (sectors && sectors > capacity)
    return diag_error (d,
                       "the extent has %" PRIu64 " sectors, the "
                       "descriptor says %" PRIu64,
                       capacity, sectors);
  if (parent) {
    backing = parent_node (ctx, parent, r->size,
                           (sectors ? sectors : capacity) * 512, d);
    if (backing == NULL)
      return -1;
  }
  file = sectors || parent || ctx->depth > 0
           ? descriptor_node (ctx, *b, sectors ? sectors : capacity,
                              h[0] == 'K' ? "SPARSE" : "VMFSSPARSE",
                              parent != NULL, d)
           : image_file_node (ctx, b, d);
  if (file == NULL)
    return -1;
  if (asprintf (&json,
                "{\"driver\":\"vmdk\",\"read-only\":true,\"file\":%s,"
                "\"backing\":%s}",
                file, backing ? backing : "null") == -1)
    return diag_memory (d);
  if (plan_add_node (r, json, d) == -1)
    return -1;
  return plan_add (r, SEGMENT_NODE, r->nr_nodes - 1, 0,
                   (sectors ? sectors : capacity) * 512, d);
}

/* A hosted sparse file that stands alone. */
static int
sparse_image (struct image_context *ctx, const struct blob *b, const char *name,
              struct plan *r, struct diag *d)
{
  CLEANUP_FREE char *text = NULL;
  struct vmdk_descriptor desc = { .parent_cid = UINT32_MAX };
  struct plan parent = { 0 };
  char h[512], qemu[20 * 512 + 1];
  uint64_t offset, len;
  size_t n;
  int ret = -1;

  if (!blob_pread (b, h, sizeof h, 0))
    return diag_error (d, "too short for a VMDK image");
  offset = v2v_le (h + 28, 8);
  len = v2v_le (h + 36, 8);
  if (offset && len) {
    if (offset > b->size / 512 || len > MAX_DESCRIPTOR / 512 ||
        len * 512 > b->size - offset * 512)
      return diag_error (d, "VMDK: the descriptor lies outside of the file");
    text = malloc (len * 512);
    if (text == NULL)
      return diag_memory (d);
    if (!blob_pread (b, text, len * 512, offset * 512))
      return diag_error (d, "VMDK: the descriptor cannot be read");
    if (vmdk_parse_descriptor (text, len * 512, &desc, d) == -1) {
      diag_prefix (d, "VMDK descriptor");
      goto out;
    }
  }
  /* Others look for the parent here whatever the header says. */
  n = V2V_MIN (b->size - 512, sizeof qemu - 1);
  if (desc.parent == NULL && blob_pread (b, qemu, n, 512) &&
      memmem (qemu, n, "parentFileNameHint", 18)) {
    diag_error (d, "VMDK: a hidden reference to a parent: refused");
    goto out;
  }
  if (desc.parent && desc.parent_cid != UINT32_MAX) {
    if (image_reference (ctx, name, "parent", desc.parent, "vmdk", &parent,
                         d) == -1)
      goto out;
  }
  ret = add_sparse (ctx, b, 0, parent.size ? &parent : NULL, r, d);
out:
  vmdk_free_descriptor (&desc);
  plan_free (&parent);
  return ret;
}

static int
add_extent (struct image_context *ctx, const char *name,
            const struct vmdk_extent *e, const struct plan *parent,
            struct plan *r, struct diag *d)
{
  uint64_t len = e->sectors * 512, offset = e->offset * 512;
  struct blob b;
  int i;

  if (e->type == VMDK_ZERO)
    return plan_add (r, SEGMENT_ZERO, 0, 0, len, d);
  if (image_find (ctx, name, "extent", e->name, &b, d) == -1)
    return -1;
  if (e->type == VMDK_FLAT) {
    if (offset > b.size || len > b.size - offset)
      return diag_error (d,
                         "the extent \"%s\" is %" PRIu64 " bytes long, "
                         "the descriptor needs %" PRIu64,
                         e->name, b.size, offset + len);
    i = plan_add_fd (r, b.fd, d);
    if (i == -1)
      return -1;
    return plan_add (r, SEGMENT_FILE, i, b.offset + offset, len, d);
  }
  if (add_sparse (ctx, &b, e->sectors, parent, r, d) == -1)
    return diag_prefix (d, e->name);
  return 0;
}

int
image_vmdk (struct image_context *ctx, const struct blob *b, const char *name,
            struct plan *r, struct diag *d)
{
  CLEANUP_FREE char *text = NULL;
  struct vmdk_descriptor desc;
  struct plan parent = { 0 };
  char magic[4];
  char where[32];
  size_t len, i;
  int ret = -1;

  if (!blob_pread (b, magic, 4, 0))
    return diag_error (d, "too short for a VMDK image");
  if (memcmp (magic, "KDMV", 4) == 0)
    return sparse_image (ctx, b, name, r, d);

  if (blob_read_all (b, MAX_DESCRIPTOR, &text, &len, d) == -1)
    return diag_prefix (d, "VMDK descriptor");
  if (vmdk_parse_descriptor (text, len, &desc, d) == -1) {
    diag_prefix (d, "VMDK descriptor");
    goto out;
  }
  if (desc.nr_extents == 0) {
    diag_error (d, "VMDK descriptor: no extents");
    goto out;
  }
  if (desc.parent_cid != UINT32_MAX) {
    if (desc.parent == NULL) {
      diag_error (d, "VMDK descriptor: there is a parentCID, but no "
                     "parentFileNameHint");
      goto out;
    }
    if (image_reference (ctx, name, "parent", desc.parent, "vmdk", &parent,
                         d) == -1)
      goto out;
  }
  for (i = 0; i < desc.nr_extents; ++i)
    if (add_extent (ctx, name, &desc.extents[i], parent.size ? &parent : NULL,
                    r, d) == -1) {
      snprintf (where, sizeof where, "VMDK descriptor, line %u",
                desc.extents[i].line);
      diag_prefix (d, where);
      goto out;
    }
  ret = 0;
out:
  vmdk_free_descriptor (&desc);
  plan_free (&parent);
  return ret;
}
