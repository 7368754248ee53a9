/* SPDX-License-Identifier: BSD-3-Clause */

/* Fuzz target: VMDK descriptors and the headers of all image formats. */

#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image.h"
#include "vmdk.h"

/* A server that has it. */
struct memory {
  const uint8_t *data;
  size_t size;
};

static int
pread_memory (void *opaque, void *buf, size_t count, uint64_t offset)
{
  struct memory *m = opaque;

  /* Blobs do not ask for more than there is, nor for nothing. */
  if (count == 0 || offset > m->size || count > m->size - offset)
    abort ();
  memcpy (buf, m->data + offset, count);
  return 0;
}

/* A plan never leaves the file FD of SIZE bytes.  On a server there is no
 * other file.
 */
static void
check_plan (const struct plan *p, int fd, size_t size)
{
  size_t k;

  for (k = 0; k < p->nr_segments; ++k) {
    const struct segment *s = &p->segments[k];
    uint64_t end = k + 1 < p->nr_segments ? p->segments[k + 1].start
      : p->size;

    if (end <= s->start)
      abort ();
    if (s->kind == SEGMENT_FILE
        && (s->index >= p->nr_fds
            || (p->fds[s->index] == fd
                && s->offset + (end - s->start) > size)))
      abort ();
    if (s->kind == SEGMENT_NODE && s->index >= p->nr_nodes)
      abort ();
  }
  if (fd == -1 && (p->nr_fds > 1 || (p->nr_fds == 1 && p->fds[0] != -1)))
    abort ();
}

/* The descriptor; then the whole as an image of each format, in a directory
 * where nothing else is, and on a server.
 */
extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const char *const formats[] = { "qcow2", "vmdk", "vdi", "vhd",
                                         "vhdx", "raw" };
  static const struct image_options io = { .allow_backing = true };
  static const struct container_options co = { .tmpdir = "/tmp" };
  struct vmdk_descriptor desc;
  struct container *c;
  struct diag d = { 0 };
  struct memory memory = { data, size };
  struct blob_server server = { pread_memory, &memory };
  struct blob b, remote = { .fd = -1, .size = size, .server = &server };
  size_t i;
  int fd;

  vmdk_parse_descriptor ((const char *)data, size, &desc, &d);
  vmdk_free_descriptor (&desc);
  diag_clear (&d);

  fd = memfd_create ("fuzz", MFD_CLOEXEC);
  if (fd == -1 || write (fd, data, size) != (ssize_t)size)
    abort ();
  c = container_new_dir ("/proc/self/fdinfo", &co, &d);
  if (c == NULL || blob_from_fd (fd, "fuzz", &b, &d) == -1)
    abort ();
  for (i = 0; i < sizeof formats / sizeof formats[0]; ++i) {
    struct plan p;

    if (image_plan (c, &b, "none/x", formats[i], &io, &p, &d) == 0)
      check_plan (&p, fd, size);
    plan_free (&p);
    diag_clear (&d);
    if (image_plan (NULL, &remote, "none/x", formats[i], &io, &p, &d) == 0)
      check_plan (&p, -1, size);
    plan_free (&p);
    diag_clear (&d);
  }
  container_free (c);
  close (fd);
  return 0;
}
