/* SPDX-License-Identifier: BSD-3-Clause */

/* Plans: sorted segments, looked up by bisection. */

#include <config.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

#define MAX_SEGMENTS (16 * 1024 * 1024)

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
