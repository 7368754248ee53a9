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

#include <fcntl.h>
#include <string.h>

#include "image-common.h"
#include "image-format.h"

static int
image_raw (struct image_context *ctx, const struct blob *b, const char *name,
           struct plan *r, struct diag *d)
{
  int i = plan_add_fd (r, b->fd, d);

  (void)ctx;
  (void)name;
  if (i == -1)
    return -1;
  return plan_add (r, SEGMENT_FILE, i, b->offset, b->size, d);
}

static const struct {
  const char *format;
  bool marked; /* at the start */
  image_fn *fn;
} formats[] = {
  { "raw", false, image_raw },  { "qcow2", true, image_qcow2 },
  { "vmdk", true, image_vmdk }, { "vdi", true, image_vdi },
  { "vhd", false, image_vhd },  { "vhdx", true, image_vhdx },
};

static int
plan_image (struct image_context *ctx, const struct blob *b, const char *name,
            const char *format, struct plan *r, struct diag *d)
{
  const char *mark = image_mark (b), *f = format;
  size_t i;

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
  for (i = 0; strcmp (formats[i].format, f) != 0; ++i)
    ;
  if (formats[i].marked && (mark == NULL || strcmp (mark, f) != 0))
    return diag_error (d, "not a %s image%s%s", f,
                       mark ? " but one of "
                            : " (say format=raw if it is "
                              "a raw one)",
                       mark ? mark : "");
  return formats[i].fn (ctx, b, name, r, d);
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
  struct image_context ctx = {
    .c = c, .opts = opts, .plan = r, .plan_image = plan_image
  };

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
