/* SPDX-License-Identifier: BSD-3-Clause */

/* The store: where the bytes of valid blocks are.
 *
 * The export is cut into segments of 4 TiB, because a file of ext4 ends at
 * 16 TiB.  A segment is one file, or several lanes that take its groups in
 * turn:
 *
 *   group of the segment   0 1 2 3 4 5 6 7 | 8 9 …
 *   lane                   0 1 2 3 4 5 6 7 | 0 1 …
 *   group of the lane      0 0 0 0 0 0 0 0 | 1 1 …
 *
 * File systems let one thread at a time write to a file.  Clients that copy
 * a disk write to neighbouring groups at once, which with lanes are in
 * different files: 2 threads wrote 1 GiB into fresh ext4 files, 256 KiB at
 * a time, in 0.18 s with 4 or 8 lanes and in 0.31 s with one (2 CPUs).  A
 * persistent store has one lane, so that a flush syncs one file.
 *
 * Files are opened when first needed.  They are sparse; a block that is not
 * valid may hold anything.
 */

#include <config.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine.h"
#include "v2v-utils.h"

#define SEGMENT_BYTES (UINT64_C (1) << SEGMENT_SHIFT)

static int
open_temporary (const char *dir)
{
  CLEANUP_FREE char *template = NULL;
  int fd = -1;

#ifdef O_TMPFILE
  fd = open (dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
    return fd;
#endif
  /* Not every file system has O_TMPFILE. */
  if (asprintf (&template, "%s/overlayXXXXXX", dir) == -1) {
    template = NULL;
    return -1;
  }
  fd = mkostemp (template, O_CLOEXEC);
  if (fd >= 0)
    unlink (template);
  return fd;
}

/* Where a byte of the export is. */
struct place {
  size_t file;   /* index of file_fd */
  uint64_t at;   /* offset in the file */
  uint64_t room; /* bytes from there on that lie side by side */
};

static struct place
locate (const struct overlay *ov, uint64_t offset)
{
  const uint64_t in_seg = offset % SEGMENT_BYTES;
  const uint64_t g = in_seg / GROUP_BYTES, in_group = in_seg % GROUP_BYTES;
  struct place p = { .file = (offset >> SEGMENT_SHIFT) * ov->nr_lanes };

  if (ov->nr_lanes == 1) {
    p.at = in_seg;
    p.room = SEGMENT_BYTES - in_seg;
  }
  else {
    p.file += g % ov->nr_lanes;
    p.at = g / ov->nr_lanes * GROUP_BYTES + in_group;
    p.room = GROUP_BYTES - in_group;
  }
  return p;
}

/* Length of a file, at least what may be written there. */
static off_t
file_size (const struct overlay *ov, size_t seg)
{
  const uint64_t left = ov->size - ((uint64_t)seg << SEGMENT_SHIFT);
  const uint64_t bytes = V2V_MIN (left, SEGMENT_BYTES);

  if (ov->nr_lanes == 1)
    return (off_t)v2v_round_up (bytes, BLOCK);
  return (off_t)(v2v_round_up (bytes, GROUP_BYTES * ov->nr_lanes) /
                 ov->nr_lanes);
}

static int
open_file (struct overlay *ov, size_t file_index, bool must_exist)
{
  const size_t seg = file_index / ov->nr_lanes;
  const off_t want = file_size (ov, seg);
  struct stat st;
  int fd = -1, saved;

  switch (ov->opt.store) {
  case OVERLAY_STORE_MEMFD:
    fd = memfd_create ("v2v-overlay", MFD_CLOEXEC);
    break;
  case OVERLAY_STORE_TMPFILE:
    fd = open_temporary (ov->dir);
    break;
  case OVERLAY_STORE_PERSISTENT: {
    CLEANUP_FREE char *file = NULL;
    char suffix[32];

    snprintf (suffix, sizeof suffix, ".%zu.data", seg);
    file = ov_store_filename (ov, suffix);
    if (file == NULL)
      return -1;
    fd = openat (ov->dir_fd, file,
                 O_RDWR | O_CLOEXEC | O_NOFOLLOW | (must_exist ? 0 : O_CREAT),
                 0600);
    if (fd >= 0 && must_exist &&
        (fstat (fd, &st) == -1 || st.st_size != want)) {
      close (fd);
      errno = EBADMSG;
      return -1;
    }
    if (fd >= 0)
      fsync (ov->dir_fd);
    break;
  }
  }
  if (fd == -1)
    return -1;
  if (ftruncate (fd, want) == -1) {
    saved = errno;
    close (fd);
    errno = saved;
    return -1;
  }
  return fd;
}

static int
get_fd (struct overlay *ov, size_t i, bool must_exist, int *err)
{
  int fd = atomic_load_explicit (&ov->file_fd[i], memory_order_acquire);

  if (fd > 0)
    return fd - 1;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&ov->file_lock);
  fd = atomic_load (&ov->file_fd[i]);
  if (fd > 0)
    return fd - 1;
  fd = open_file (ov, i, must_exist);
  if (fd == -1) {
    *err = errno;
    ov_log (ov, 'e', "cannot open the overlay's store in %s: %s",
            ov->opt.store == OVERLAY_STORE_MEMFD ? "memory" : ov->dir,
            strerror (*err));
    return -1;
  }
  atomic_store_explicit (&ov->file_fd[i], fd + 1, memory_order_release);
  return fd;
}

int
ov_store_init (struct overlay *ov)
{
  ov->nr_lanes = ov->opt.store == OVERLAY_STORE_PERSISTENT ? 1 : NR_LANES;
  ov->nr_files = ((ov->size >> SEGMENT_SHIFT) + 1) * ov->nr_lanes;
  ov->file_fd = ov_reserve (ov->nr_files * sizeof ov->file_fd[0]);
  return ov->file_fd ? 0 : -1;
}

int
ov_store_open (struct overlay *ov, uint64_t offset, int *err)
{
  return get_fd (ov, locate (ov, offset).file, false, err) == -1 ? -1 : 0;
}

int
ov_store_require (struct overlay *ov, uint64_t offset)
{
  int err;

  return get_fd (ov, locate (ov, offset).file, true, &err) == -1 ? -1 : 0;
}

void
ov_store_free (struct overlay *ov)
{
  size_t i;

  if (ov->file_fd == NULL)
    return;
  for (i = 0; i < ov->nr_files; ++i)
    if (atomic_load (&ov->file_fd[i]) > 0)
      close (atomic_load (&ov->file_fd[i]) - 1);
  ov_unreserve ((void *)ov->file_fd, ov->nr_files * sizeof ov->file_fd[0]);
}

int
ov_store_read (struct overlay *ov, void *buf, size_t len, uint64_t offset,
               int *err)
{
  uint8_t *p = buf;

  while (len > 0) {
    const struct place pl = locate (ov, offset);
    const int fd = get_fd (ov, pl.file, false, err);
    ssize_t r;

    if (fd == -1)
      return -1;
    r = pread (fd, p, V2V_MIN (len, pl.room), (off_t)pl.at);
    if (r == -1 && errno == EINTR)
      continue;
    if (r <= 0) {
      *err = r == 0 ? EIO : errno;
      ov_log (ov, 'e', "reading the overlay's store at %llu: %s",
              (unsigned long long)offset,
              r == 0 ? "unexpected end of file" : strerror (*err));
      return -1;
    }
    p += r;
    offset += r;
    len -= r;
  }
  return 0;
}

int
ov_store_write (struct overlay *ov, struct iovec *iov, int nr, uint64_t offset,
                int *err)
{
  struct place pl = locate (ov, offset);
  const int fd = get_fd (ov, pl.file, false, err);

  if (fd == -1)
    return -1;
  while (nr > 0) {
    ssize_t r = pwritev (fd, iov, nr, (off_t)pl.at);

    if (r == -1 && errno == EINTR)
      continue;
    if (r <= 0) {
      *err = r == 0 ? EIO : errno;
      if (*err == EDQUOT || *err == EFBIG)
        *err = ENOSPC;
      if (*err != ENOSPC)
        ov_log (ov, 'e', "writing the overlay's store at %llu: %s",
                (unsigned long long)offset, strerror (*err));
      return -1;
    }
    assert ((uint64_t)r <= pl.room);
    pl.at += r;
    offset += r;
    while (nr > 0 && (size_t)r >= iov->iov_len) {
      r -= (ssize_t)iov->iov_len;
      iov++;
      nr--;
    }
    if (nr > 0) {
      iov->iov_base = (uint8_t *)iov->iov_base + r;
      iov->iov_len -= r;
    }
  }
  return 0;
}

void
ov_store_punch (struct overlay *ov, uint64_t offset, uint64_t len)
{
  const struct place pl = locate (ov, offset);
  int err;
  const int fd = get_fd (ov, pl.file, false, &err);

  assert (len <= pl.room);
  if (fd >= 0)
    (void)!fallocate (fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      (off_t)pl.at, (off_t)len);
}

void
ov_store_punch_mask (struct overlay *ov, uint64_t g, uint64_t mask)
{
  while (mask) {
    const unsigned from = __builtin_ctzll (mask);
    const uint64_t rest = ~(mask >> from);
    const unsigned n = rest ? __builtin_ctzll (rest) : 64;

    ov_store_punch (ov, g * GROUP_BYTES + (uint64_t)from * BLOCK,
                    (uint64_t)n * BLOCK);
    mask &= ~ov_mask (from, n);
  }
}

int
ov_store_sync (struct overlay *ov, int *err)
{
  size_t i;

  for (i = 0; i < ov->nr_files; ++i) {
    const int fd = atomic_load (&ov->file_fd[i]);

    if (fd > 0 && fdatasync (fd - 1) == -1) {
      *err = errno;
      ov_log (ov, 'e', "syncing the overlay's store: %s", strerror (*err));
      return -1;
    }
  }
  return 0;
}
