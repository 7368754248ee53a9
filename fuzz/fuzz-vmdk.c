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

/* The descriptor; then the whole as an image of each format, in a directory
 * where nothing else is.  A plan never leaves the file.
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
  struct blob b;
  size_t i, k;
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
      for (k = 0; k < p.nr_segments; ++k) {
        const struct segment *s = &p.segments[k];
        uint64_t end = k + 1 < p.nr_segments ? p.segments[k + 1].start
          : p.size;

        if (end <= s->start)
          abort ();
        if (s->kind == SEGMENT_FILE
            && (s->index >= p.nr_fds
                || (p.fds[s->index] == fd
                    && s->offset + (end - s->start) > size)))
          abort ();
        if (s->kind == SEGMENT_NODE && s->index >= p.nr_nodes)
          abort ();
      }
    plan_free (&p);
    diag_clear (&d);
  }
  container_free (c);
  close (fd);
  return 0;
}
