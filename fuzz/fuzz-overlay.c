/* SPDX-License-Identifier: BSD-3-Clause */

/* Two parts of the overlay engine.
 *
 * First byte even: the input is a program of reads, writes, zeroes, cache
 * and extents requests, run against a flat reference, in memory.
 *
 * First byte odd: the input is the map of a persistent store, written by
 * somebody else: it is refused or read, but never harms.
 */

#include "../common/overlay/engine.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/overlay/evict.c"
#include "../common/overlay/extents.c"
#include "../common/overlay/fill.c"
#include "../common/overlay/holes.c"
#include "../common/overlay/map-file.c"
#include "../common/overlay/map.c"
#include "../common/overlay/overlay.c"
#include "../common/overlay/prefetch.c"
#define load_planes load_planes_of
#include "../common/overlay/persist.c"
#include "../common/overlay/store.c"
#include "../common/overlay/support.c"
#include "../common/overlay/write.c"

#define MAX_SIZE (1024 * 1024 + 300)

static uint8_t ref[MAX_SIZE], source_data[MAX_SIZE], answer[MAX_SIZE];
static uint64_t size;

static int
fuzz_pread (void *opaque, void *buf, uint32_t count, uint64_t offset, int *err)
{
  (void)opaque;
  (void)err;
  assert (offset + count <= size);
  memcpy (buf, source_data + offset, count);
  return 0;
}

static int
fuzz_extents (void *opaque, uint64_t count, uint64_t offset,
              overlay_extent_cb cb, void *cb_opaque, int *err)
{
  const uint64_t end = V2V_MIN (offset + count, size);
  uint64_t n;
  int r = 0;

  (void)opaque;
  (void)err;
  for (; r == 0 && offset < end; offset += n) {
    const bool zero = source_data[offset] == 0;

    for (n = 1; offset + n < end && (source_data[offset + n] == 0) == zero;)
      n++;
    r = cb (cb_opaque, offset, n,
            zero ? OVERLAY_EXTENT_HOLE | OVERLAY_EXTENT_ZERO : 0);
  }
  return r == -1 ? -1 : 0;
}

static const struct overlay_source_ops fuzz_ops[2] = {
  { fuzz_pread, NULL }, { fuzz_pread, fuzz_extents },
};

struct position { uint64_t pos, end; };

static int
fuzz_extent (void *opaque, uint64_t offset, uint64_t length, uint32_t type)
{
  struct position *p = opaque;
  uint64_t i;

  assert (offset == p->pos && length > 0 && length <= p->end - offset);
  if (type & OVERLAY_EXTENT_ZERO)
    for (i = 0; i < length; ++i)
      assert (ref[offset + i] == 0);
  p->pos = offset + length;
  return 0;
}

static void
run_program (const uint8_t *data, size_t len)
{
  struct overlay_options o = { .store = OVERLAY_STORE_MEMFD };
  struct overlay_source src = { .ops = &fuzz_ops[data[0] >> 1 & 1] };
  struct overlay *ov;
  size_t i;
  int err;

  size = 1 + (data[1] << 12 | data[2] << 4) % (MAX_SIZE - 1);
  o.copy_on_read = data[0] >> 2 & 1;
  o.clean_limit = data[0] >> 3 & 1 ? 16 * BLOCK : 0;
  o.min_request = data[0] >> 4 & 1 ? 512 : 1;
  o.fetch_unit = BLOCK << (data[0] >> 5 & 3);
  for (i = 0; i < size; ++i)
    source_data[i] = i / 5000 % 3 ? i * 7 / 64 + 1 : 0;
  memcpy (ref, source_data, size);
  ov = overlay_open (size, &o, &err);
  assert (ov);

  for (i = 3; i + 6 <= len; i += 6) {
    const uint64_t offset = (data[i + 1] << 12 | data[i + 2] << 4 |
                             data[i] >> 4) % size;
    uint64_t count = 1 + (data[i + 3] << 10 | data[i + 4] << 2);
    struct position p;

    count = V2V_MIN (count, size - offset);
    switch (data[i] % 8) {
    case 0: case 1:
      assert (overlay_pread (ov, &src, answer, count, offset, &err) == 0);
      assert (memcmp (answer, ref + offset, count) == 0);
      break;
    case 2: case 3:
      memset (ref + offset, data[i + 5], count);
      assert (overlay_pwrite (ov, &src, ref + offset, count, offset, &err)
              == 0);
      break;
    case 4:
      memset (ref + offset, 0, count);
      assert (overlay_zero (ov, &src, count, offset, &err) == 0);
      break;
    case 5:
      assert (overlay_cache (ov, &src, count, offset, &err) == 0);
      break;
    case 6:
      p.pos = offset;
      p.end = offset + count;
      assert (overlay_extents (ov, &src, count, offset, data[i + 5] & 1,
                               fuzz_extent, &p, &err) == 0);
      assert (p.pos > offset);
      break;
    case 7:
      overlay_set_copy_on_read (ov, data[i + 5] & 1);
      break;
    }
  }
  assert (overlay_pread (ov, &src, answer, size, 0, &err) == 0);
  assert (memcmp (answer, ref, size) == 0);
  overlay_close (ov);
}

static void
open_map (const uint8_t *data, size_t len)
{
  static char dir[] = "/tmp/fuzz-overlay-XXXXXX";
  struct overlay_options o = { .store = OVERLAY_STORE_PERSISTENT,
                               .dir = dir, .name = "x", .identity = "y" };
  struct overlay_source src = { .ops = &fuzz_ops[0] };
  char map[64], store[64];
  struct overlay *ov;
  int err, fd;

  size = 600000;
  strcpy (dir + sizeof dir - 7, "XXXXXX");
  if (mkdtemp (dir) == NULL)
    abort ();
  snprintf (map, sizeof map, "%s/overlay-x.map", dir);
  snprintf (store, sizeof store, "%s/overlay-x.0.data", dir);

  /* A store as it should be, then the input in place of its entries, or,
   * if the second byte says so, of its header.
   */
  ov = overlay_open (size, &o, &err);
  assert (ov);
  memset (ref, 1, size);
  assert (overlay_pwrite (ov, &src, ref, 300000, 5000, &err) == 0);
  overlay_close (ov);
  fd = open (map, O_RDWR);
  assert (fd >= 0);
  assert (pwrite (fd, data + 2, len - 2, data[1] & 1 ? data[1] : 4096)
          == (ssize_t)(len - 2));
  close (fd);
  ov = overlay_open (size, &o, &err);
  if (ov) {
    assert (overlay_pread (ov, &src, answer, size, 0, &err) == 0 ||
            err == EIO);
    overlay_close (ov);
  }
  unlink (map);
  unlink (store);
  rmdir (dir);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  if (len < 3)
    return 0;
  if (data[0] & 1)
    open_map (data, len);
  else
    run_program (data, len);
  return 0;
}
