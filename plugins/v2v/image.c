/* SPDX-License-Identifier: BSD-3-Clause */

/* Disk images: which bytes are read where.
 *
 * A plan is a list of segments.  Plain bytes (raw disks, flat VMDK extents,
 * fixed and dynamic VHD, members of a tar) are read by ourselves from the
 * file; what needs a format driver is a "node", read through QEMU.
 *
 * QEMU gets every file as an inherited descriptor and every reference
 * (backing file, data file, VMDK parent) as an explicit child in the node's
 * JSON or as null.  So it never resolves a name that an image holds, and it
 * opens the very file that was checked.  The JSON contains only numbers and
 * our own words.
 *
 * Invariants:
 * 1. The format is given, never guessed; a mark that contradicts it is an
 *    error.
 * 2. A file that an image names is opened through container_find.
 * 3. A reference is at most 16 deep (a loop ends there).
 * 4. Segments lie inside their files; they have no gaps (plan_add).
 */

#include <config.h>

#include <assert.h>
#include <endian.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image.h"
#include "v2v-utils.h"

#define MAX_CHAIN 16
#define MAX_SEGMENTS (16 * 1024 * 1024)

static const struct {
  const char *word, *format;
} formats[] = {
  { "raw", "raw" },     { "img", "raw" },   { "bin", "raw" },
  { "qcow2", "qcow2" }, { "vmdk", "vmdk" }, { "vdi", "vdi" },
  { "vhd", "vhd" },     { "vpc", "vhd" },   { "vhdx", "vhdx" },
};

const char *
image_format (const char *format)
{
  size_t i;

  for (i = 0; i < V2V_ARRAY_SIZE (formats); ++i)
    if (strcasecmp (formats[i].word, format) == 0)
      return formats[i].format;
  return NULL;
}

const char *
image_format_of_name (const char *name)
{
  const char *p = strrchr (name, '.');

  if (p == NULL || strchr (p, '/'))
    return NULL;
  return image_format (p + 1);
}

static uint32_t
be32 (const void *p)
{
  uint32_t v;

  memcpy (&v, p, sizeof v);
  return be32toh (v);
}

static uint64_t
be64 (const void *p)
{
  uint64_t v;

  memcpy (&v, p, sizeof v);
  return be64toh (v);
}

static uint32_t
le32 (const void *p)
{
  uint32_t v;

  memcpy (&v, p, sizeof v);
  return le32toh (v);
}

static uint64_t
le64 (const void *p)
{
  uint64_t v;

  memcpy (&v, p, sizeof v);
  return le64toh (v);
}

const char *
image_mark (const struct blob *b)
{
  static const char vmdk_text[] = "# Disk DescriptorFile";
  char buf[512];

  memset (buf, 0, sizeof buf);
  if (!blob_pread (b, buf, V2V_MIN (b->size, sizeof buf), 0))
    return NULL;
  if (memcmp (buf, "QFI\xfb", 4) == 0)
    return "qcow2";
  if (memcmp (buf, "KDMV", 4) == 0 ||
      strncasecmp (buf, vmdk_text, sizeof vmdk_text - 1) == 0)
    return "vmdk";
  if (memcmp (buf, "vhdxfile", 8) == 0)
    return "vhdx";
  if (memcmp (buf, "conectix", 8) == 0)
    return "vhd";
  if (memcmp (buf + 0x40, "\x7f\x10\xda\xbe", 4) == 0)
    return "vdi";
  return NULL;
}

/*--------------------------------------------------------------------
 * Plans.
 */
void
plan_free (struct plan *p)
{
  size_t i;

  for (i = 0; i < p->nr_nodes; ++i)
    free (p->nodes[i]);
  for (i = 0; i < p->nr_refs; ++i)
    free (p->refs[i]);
  free (p->nodes);
  free (p->refs);
  free (p->segments);
  free (p->fds);
  memset (p, 0, sizeof *p);
}

int
plan_add (struct plan *p, enum segment_kind kind, uint32_t index,
          uint64_t offset, uint64_t len, struct diag *d)
{
  struct segment *s;

  if (len == 0)
    return 0;
  if (len > INT64_MAX - p->size)
    return diag_error (d, "the disk is larger than 2^63 bytes");
  s = p->nr_segments ? &p->segments[p->nr_segments - 1] : NULL;
  if (s && s->kind == kind && s->index == index &&
      (kind == SEGMENT_ZERO || s->offset + (p->size - s->start) == offset)) {
    p->size += len;
    return 0;
  }
  if (p->nr_segments == p->alloc) {
    size_t n = p->alloc ? p->alloc * 2 : 4;

    if (n > MAX_SEGMENTS)
      return diag_error (d, "the image has too many pieces");
    s = reallocarray (p->segments, n, sizeof *s);
    if (s == NULL)
      return diag_memory (d);
    p->segments = s;
    p->alloc = n;
  }
  assert (p->segments != NULL);
  p->segments[p->nr_segments++] = (struct segment){
    .start = p->size,
    .offset = kind == SEGMENT_ZERO ? 0 : offset,
    .index = index,
    .kind = kind,
  };
  p->size += len;
  return 0;
}

int
plan_add_node (struct plan *p, char *json, struct diag *d)
{
  char **n = reallocarray (p->nodes, p->nr_nodes + 1, sizeof *n);

  if (n == NULL) {
    free (json);
    return diag_memory (d);
  }
  p->nodes = n;
  n[p->nr_nodes] = json;
  return p->nr_nodes++;
}

/* QEMU takes a backing node for sure only if it is named: inline options are
 * mixed with the name that the image holds.
 */
char *
plan_add_ref (struct plan *p, char *json, struct diag *d)
{
  char **n = reallocarray (p->refs, p->nr_refs + 1, sizeof *n), *r;

  if (n == NULL || asprintf (&r, "\"r%zu\"", p->nr_refs) == -1) {
    if (n)
      p->refs = n;
    free (json);
    diag_memory (d);
    return NULL;
  }
  p->refs = n;
  n[p->nr_refs++] = json;
  return r;
}

int
plan_add_fd (struct plan *p, int fd, struct diag *d)
{
  size_t i;
  int *n;

  for (i = 0; i < p->nr_fds; ++i)
    if (p->fds[i] == fd)
      return i;
  n = reallocarray (p->fds, p->nr_fds + 1, sizeof *n);
  if (n == NULL)
    return diag_memory (d);
  p->fds = n;
  n[p->nr_fds] = fd;
  return p->nr_fds++;
}

const struct segment *
plan_find (const struct plan *p, uint64_t offset, uint64_t *len)
{
  size_t lo = 0, hi = p->nr_segments;

  /* Segments [0, lo) start at or before OFFSET. */
  while (lo < hi) {
    size_t mid = lo + (hi - lo) / 2;

    if (p->segments[mid].start <= offset)
      lo = mid + 1;
    else
      hi = mid;
  }
  *len = (lo < p->nr_segments ? p->segments[lo].start : p->size) - offset;
  return &p->segments[lo - 1];
}

/*--------------------------------------------------------------------
 * Nodes.
 */
char *
image_file_node (struct image_context *ctx, const struct blob *b,
                 struct diag *d)
{
  int i = plan_add_fd (ctx->plan, b->fd, d);
  struct stat st;
  bool whole, block;
  char *r;

  if (i == -1)
    return NULL;
  if (fstat (b->fd, &st) == -1) {
    diag_error (d, "fstat: %m");
    return NULL;
  }
  block = S_ISBLK (st.st_mode);
  whole = b->offset == 0 && (block || b->size == (uint64_t)st.st_size);
  if (whole)
    i = asprintf (&r,
                  "{\"driver\":\"%s\",\"read-only\":true,"
                  "\"filename\":\"/proc/self/fd/%d\"}",
                  block ? "host_device" : "file", PLAN_FIRST_FD + i);
  else {
    /* QEMU wants whole sectors; what pads a member in an archive is part
     * of the file.
     */
    if (b->offset % 512 != 0 ||
        v2v_round_up (b->size, 512) > (uint64_t)st.st_size - b->offset) {
      diag_error (d, "the image does not lie at whole sectors of its file");
      return NULL;
    }
    i = asprintf (&r,
                  "{\"driver\":\"raw\",\"read-only\":true,"
                  "\"offset\":%" PRIu64 ",\"size\":%" PRIu64 ",\"file\":"
                  "{\"driver\":\"%s\",\"read-only\":true,"
                  "\"filename\":\"/proc/self/fd/%d\"}}",
                  b->offset, v2v_round_up (b->size, 512),
                  block ? "host_device" : "file", PLAN_FIRST_FD + i);
  }
  if (i == -1) {
    diag_memory (d);
    return NULL;
  }
  return r;
}

char *
image_range_node (struct image_context *ctx, const struct plan *p,
                  uint64_t start, uint64_t len, struct diag *d)
{
  CLEANUP_FREE char *file = NULL;
  const struct segment *s;
  struct blob b;
  uint64_t n;
  char *r;

  if (start >= p->size || len > p->size - start) {
    diag_error (d, "the parent is smaller than the image");
    return NULL;
  }
  s = plan_find (p, start, &n);
  if (n < len) {
    diag_error (d, "the parent's extents are not those of the image: merge "
                   "the snapshots first");
    return NULL;
  }
  switch ((enum segment_kind)s->kind) {
  case SEGMENT_ZERO:
    r = strdup ("null");
    break;
  case SEGMENT_FILE:
    b = (struct blob){ .fd = p->fds[s->index],
                       .offset = s->offset + (start - s->start),
                       .size = len };
    r = image_file_node (ctx, &b, d);
    return r ? plan_add_ref (ctx->plan, r, d) : NULL;
  case SEGMENT_NODE:
    if (asprintf (&r,
                  "{\"driver\":\"raw\",\"read-only\":true,"
                  "\"offset\":%" PRIu64 ",\"size\":%" PRIu64 ",\"file\":%s}",
                  s->offset + (start - s->start), len,
                  p->nodes[s->index]) == -1) {
      diag_memory (d);
      return NULL;
    }
    return plan_add_ref (ctx->plan, r, d);
  default:
    abort ();
  }
  if (r == NULL)
    diag_memory (d);
  return r;
}

static int
plan_image (struct image_context *ctx, const struct blob *b, const char *name,
            const char *format, struct plan *r, struct diag *d);

int
image_reference (struct image_context *ctx, const char *base, const char *what,
                 const char *name, const char *format, struct plan *r,
                 struct diag *d)
{
  struct blob b;
  int found;

  if (!ctx->opts->allow_backing)
    return diag_error (d,
                       "the image names the %s \"%s\": refused; say "
                       "allow-backing=yes if that is meant",
                       what, name);
  if (name[strcspn (name, ":/")] == ':')
    return diag_error (d, "the %s \"%s\" is not a plain file: refused", what,
                       name);
  if (ctx->depth >= MAX_CHAIN)
    return diag_error (d, "a chain of more than %d images", MAX_CHAIN);
  found = container_find (ctx->c, base, name, &b, d);
  if (found == -1)
    return diag_prefix (d, what);
  if (!found)
    return diag_error (d, "the %s \"%s\" does not exist", what, name);
  ctx->depth++;
  found = plan_image (ctx, &b, name, format, r, d);
  ctx->depth--;
  return found == -1 ? diag_prefix (d, name) : 0;
}

/*--------------------------------------------------------------------
 * Formats.
 */
static int
plan_raw (struct image_context *ctx, const struct blob *b, struct plan *r,
          struct diag *d)
{
  int i = plan_add_fd (r, b->fd, d);

  (void)ctx;
  if (i == -1)
    return -1;
  return plan_add (r, SEGMENT_FILE, i, b->offset, b->size, d);
}

/* Header: docs/interop/qcow2.txt of QEMU. */
static int
qcow2_reference (struct image_context *ctx, const char *name, const char *what,
                 const char *file, const char *format, char **node,
                 struct diag *d)
{
  struct plan p = { 0 };
  const char *f = format[0] ? image_format (format) : NULL;
  int r = -1;

  if (f == NULL && ctx->opts->allow_backing)
    diag_error (d,
                "the image does not say the format of its %s \"%s\": "
                "qemu-img rebase -u -F FORMAT adds it",
                what, file);
  else if (image_reference (ctx, name, what, file, f, &p, d) == 0) {
    *node = image_range_node (ctx, &p, 0, p.size, d);
    r = *node ? 0 : -1;
  }
  plan_free (&p);
  return r;
}

static int
plan_qcow2 (struct image_context *ctx, const struct blob *b, const char *name,
            struct plan *r, struct diag *d)
{
  CLEANUP_FREE char *file = NULL, *backing = NULL, *data = NULL;
  char h[112], ext[8], text[1024], backing_name[1024] = "";
  char backing_format[32] = "", data_name[1024] = "", *json;
  uint64_t offset, size, incompatible = 0;
  uint32_t version, type, len, n;

  memset (h, 0, sizeof h);
  if (!blob_pread (b, h, 72, 0))
    return diag_error (d, "too short for a qcow2 image");
  version = be32 (h + 4);
  if (version != 2 && version != 3)
    return diag_error (d, "qcow2 version %" PRIu32 " is not known", version);
  offset = 72;
  if (version == 3) {
    if (!blob_pread (b, h, 104, 0))
      return diag_error (d, "too short for a qcow2 image");
    incompatible = be64 (h + 72);
    offset = be32 (h + 100);
    if (offset < 104 || offset > 4096)
      return diag_error (d, "qcow2: a header of %" PRIu64 " bytes", offset);
  }
  if (incompatible & 2)
    return diag_error (d, "the image is marked as corrupt: run qemu-img "
                          "check -r all on it first");
  if (incompatible & ~UINT64_C (0x1f))
    return diag_error (d, "qcow2: unknown features %#" PRIx64, incompatible);
  if (be32 (h + 32) != 0)
    return diag_error (d, "encrypted qcow2 images are not supported");
  size = v2v_round_down (be64 (h + 24), 512);
  if (size > INT64_MAX - 512)
    return diag_error (d, "the disk is larger than 2^63 bytes");

  n = be32 (h + 16);
  if (be64 (h + 8) != 0) {
    if (n == 0 || n >= sizeof backing_name ||
        !blob_pread (b, backing_name, n, be64 (h + 8)))
      return diag_error (d, "qcow2: damaged name of the backing file");
    backing_name[n] = '\0';
  }
  /* Header extensions: type, length, data padded to 8 bytes. */
  for (n = 0;; ++n) {
    if (n > 64 || !blob_pread (b, ext, sizeof ext, offset))
      break;
    type = be32 (ext);
    len = be32 (ext + 4);
    offset += sizeof ext;
    if (type == 0)
      break;
    if (type == 0xe2792aca || type == 0x44415441) {
      size_t max = type == 0xe2792aca ? sizeof backing_format
                                      : sizeof data_name;

      if (len == 0 || len >= max || len >= sizeof text ||
          !blob_pread (b, text, len, offset))
        return diag_error (d, "qcow2: damaged header extension");
      text[len] = '\0';
      strcpy (type == 0xe2792aca ? backing_format : data_name, text);
    }
    offset += v2v_round_up (len, 8);
  }

  if ((incompatible & 4) || data_name[0]) {
    if (data_name[0] == '\0')
      return diag_error (d, "the image has a data file that it does not "
                            "name: refused");
    if (qcow2_reference (ctx, name, "data file", data_name, "raw", &data, d) ==
        -1)
      return -1;
  }
  if (backing_name[0] &&
      qcow2_reference (ctx, name, "backing file", backing_name, backing_format,
                       &backing, d) == -1)
    return -1;
  file = image_file_node (ctx, b, d);
  if (file == NULL)
    return -1;
  if (asprintf (&json,
                "{\"driver\":\"qcow2\",\"read-only\":true,"
                "\"file\":%s,\"backing\":%s%s%s}",
                file, backing ? backing : "null", data ? ",\"data-file\":" : "",
                data ? data : "") == -1)
    return diag_memory (d);
  if (plan_add_node (r, json, d) == -1)
    return -1;
  /* Subclusters, a data file, and what others build on: through QEMU. */
  if (data == NULL && (incompatible & 0x10) == 0 && ctx->depth == 0)
    return image_map_qcow2 (b, h, size, backing != NULL, r->nr_nodes - 1, r, d);
  return plan_add (r, SEGMENT_NODE, r->nr_nodes - 1, 0, size, d);
}

/* VDI: the pre-header's signature at 0x40, type at 0x4c, size at 0x170,
 * UUIDs of links at 0x1a8 and 0x1b8.
 */
static int
plan_vdi (struct image_context *ctx, const struct blob *b, struct plan *r,
          struct diag *d)
{
  static const char none[16];
  CLEANUP_FREE char *file = NULL;
  char h[512], *json;
  uint64_t size;

  if (!blob_pread (b, h, sizeof h, 0))
    return diag_error (d, "too short for a VDI image");
  if (le32 (h + 0x4c) != 1 && le32 (h + 0x4c) != 2)
    return diag_error (d,
                       "a VDI that depends on another one (type %" PRIu32
                       "): merge the snapshots first",
                       le32 (h + 0x4c));
  if (memcmp (h + 0x1b8, none, 16) != 0)
    return diag_error (d, "a VDI that depends on another one: merge the "
                          "snapshots first");
  size = le64 (h + 0x170);
  if (size > INT64_MAX - 512)
    return diag_error (d, "the disk is larger than 2^63 bytes");
  size = v2v_round_up (size, 512);
  file = image_file_node (ctx, b, d);
  if (file == NULL)
    return -1;
  if (asprintf (&json, "{\"driver\":\"vdi\",\"read-only\":true,\"file\":%s}",
                file) == -1)
    return diag_memory (d);
  if (plan_add_node (r, json, d) == -1)
    return -1;
  return plan_add (r, SEGMENT_NODE, r->nr_nodes - 1, 0, size, d);
}

static int
plan_image (struct image_context *ctx, const struct blob *b, const char *name,
            const char *format, struct plan *r, struct diag *d)
{
  const char *mark = image_mark (b), *f = format;

  if (f == NULL) {
    f = image_format_of_name (name);
    if (f == NULL)
      return diag_error (d, "the image's format is not known: say "
                            "format=raw, qcow2, vmdk, vdi, vhd or vhdx");
    if (strcmp (f, "raw") == 0 && mark)
      return diag_error (d,
                         "the name says raw, the content looks like %s: "
                         "say format=%s, or format=raw if the guest itself "
                         "wrote that",
                         mark, mark);
  }
  if (strcmp (f, "raw") == 0)
    return plan_raw (ctx, b, r, d);
  if (strcmp (f, "vhd") == 0) /* marked at the end */
    return image_vhd (ctx, b, r, d);
  if (mark == NULL || strcmp (mark, f) != 0)
    return diag_error (d, "not a %s image%s%s", f,
                       mark ? " but one of "
                            : " (say format=raw if it is "
                              "a raw one)",
                       mark ? mark : "");
  if (strcmp (f, "qcow2") == 0)
    return plan_qcow2 (ctx, b, name, r, d);
  if (strcmp (f, "vmdk") == 0)
    return image_vmdk (ctx, b, name, r, d);
  if (strcmp (f, "vdi") == 0)
    return plan_vdi (ctx, b, r, d);
  return image_vhdx (ctx, b, r, d);
}

/* QEMU locks byte 101 (100 + its permission "write") of what it may write
 * to.
 */
static bool
in_use (int fd)
{
  struct flock l = {
    .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 101, .l_len = 1
  };

  return fcntl (fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

int
image_plan (struct container *c, const struct blob *b, const char *name,
            const char *format, const struct image_options *opts,
            struct plan *r, struct diag *d)
{
  struct image_context ctx = { .c = c, .opts = opts, .plan = r };

  memset (r, 0, sizeof *r);
  if (in_use (b->fd))
    return diag_error (d,
                       "%s: a running QEMU writes to it: shut the machine "
                       "down first",
                       name);
  if (plan_image (&ctx, b, name, format, r, d) == -1)
    return diag_prefix (d, name);
  if (r->size == 0)
    return diag_error (d, "%s: the disk is empty", name);
  return 0;
}
