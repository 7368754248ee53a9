/* SPDX-License-Identifier: BSD-3-Clause */

/* What the image formats share: nodes of QEMU, and files that images name. */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "image-common.h"
#include "v2v-utils.h"

#define MAX_CHAIN 16

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
  if (b->server) {
    /* A connection to the server is inherited. */
    if (asprintf (&r,
                  "{\"driver\":\"nbd\",\"read-only\":true,"
                  "\"server\":{\"type\":\"fd\",\"str\":\"%d\"}}",
                  PLAN_FIRST_FD + i) == -1) {
      diag_memory (d);
      return NULL;
    }
    return r;
  }
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

int
image_find (struct image_context *ctx, const char *base, const char *what,
            const char *name, struct blob *b, struct diag *d)
{
  int found;

  if (ctx->c == NULL)
    return diag_error (d,
                       "the image names the %s \"%s\", but an image on a "
                       "server must be complete in itself: convert it there "
                       "first (qemu-img convert, vmkfstools -i), or copy all "
                       "its files to this host",
                       what, name);
  found = container_find (ctx->c, base, name, b, d);
  if (found == -1)
    return diag_prefix (d, what);
  return found ? 0 : diag_error (d, "the %s \"%s\" does not exist", what, name);
}

int
image_reference (struct image_context *ctx, const char *base, const char *what,
                 const char *name, const char *format, struct plan *r,
                 struct diag *d)
{
  struct blob b;
  int ret;

  if (ctx->c && !ctx->opts->allow_backing)
    return diag_error (d,
                       "the image names the %s \"%s\": refused; say "
                       "allow-backing=yes if that is meant",
                       what, name);
  if (ctx->c && name[strcspn (name, ":/")] == ':')
    return diag_error (d, "the %s \"%s\" is not a plain file: refused", what,
                       name);
  if (ctx->depth >= MAX_CHAIN)
    return diag_error (d, "a chain of more than %d images", MAX_CHAIN);
  if (image_find (ctx, base, what, name, &b, d) == -1)
    return -1;
  ctx->depth++;
  ret = ctx->plan_image (ctx, &b, name, format, r, d);
  ctx->depth--;
  return ret == -1 ? diag_prefix (d, name) : 0;
}
