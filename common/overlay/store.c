/* SPDX-License-Identifier: BSD-3-Clause */

/* The store: where the bytes of valid blocks are, at the same offset as
 * in the export.  It is cut into segment files of 4 TiB, because a file of
 * ext4 ends at 16 TiB, opened when first needed.
 *
 * The files are sparse; a block that is not valid may hold anything.
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

#include "overlay-internal.h"
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

static int
open_segment (struct overlay *ov, size_t seg, bool must_exist)
{
  const uint64_t start = (uint64_t)seg << SEGMENT_SHIFT;
  const uint64_t left = ov->size - start;
  const off_t want = (off_t)v2v_round_up (V2V_MIN (left, SEGMENT_BYTES), BLOCK);
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
    file = ov_persist_filename (ov, suffix);
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
segment_fd (struct overlay *ov, uint64_t offset, bool must_exist, int *err)
{
  const size_t seg = offset >> SEGMENT_SHIFT;
  int fd = atomic_load_explicit (&ov->seg_fd[seg], memory_order_acquire);

  if (fd > 0)
    return fd - 1;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&ov->seg_lock);
  fd = atomic_load (&ov->seg_fd[seg]);
  if (fd > 0)
    return fd - 1;
  fd = open_segment (ov, seg, must_exist);
  if (fd == -1) {
    *err = errno;
    ov_log (ov, 'e', "cannot open the overlay's store in %s: %s",
            ov->opt.store == OVERLAY_STORE_MEMFD ? "memory" : ov->dir,
            strerror (*err));
    return -1;
  }
  atomic_store_explicit (&ov->seg_fd[seg], fd + 1, memory_order_release);
  return fd;
}

int
ov_store_init (struct overlay *ov)
{
  ov->nr_segs = (ov->size >> SEGMENT_SHIFT) + 1;
  ov->seg_fd = ov_reserve (ov->nr_segs * sizeof ov->seg_fd[0]);
  return ov->seg_fd ? 0 : -1;
}

int
ov_store_open (struct overlay *ov, uint64_t offset, int *err)
{
  return segment_fd (ov, offset, false, err) == -1 ? -1 : 0;
}

int
ov_store_require (struct overlay *ov, uint64_t offset)
{
  int err;

  return segment_fd (ov, offset, true, &err) == -1 ? -1 : 0;
}

void
ov_store_free (struct overlay *ov)
{
  size_t i;

  if (ov->seg_fd == NULL)
    return;
  for (i = 0; i < ov->nr_segs; ++i)
    if (atomic_load (&ov->seg_fd[i]) > 0)
      close (atomic_load (&ov->seg_fd[i]) - 1);
  ov_unreserve ((void *)ov->seg_fd, ov->nr_segs * sizeof ov->seg_fd[0]);
}

int
ov_store_read (struct overlay *ov, void *buf, size_t len, uint64_t offset,
               int *err)
{
  uint8_t *p = buf;

  while (len > 0) {
    const uint64_t in_seg = offset % SEGMENT_BYTES;
    const size_t n = V2V_MIN (len, SEGMENT_BYTES - in_seg);
    const int fd = segment_fd (ov, offset, false, err);
    ssize_t r;

    if (fd == -1)
      return -1;
    r = pread (fd, p, n, (off_t)in_seg);
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
  const int fd = segment_fd (ov, offset, false, err);

  if (fd == -1)
    return -1;
  while (nr > 0) {
    ssize_t r = pwritev (fd, iov, nr, (off_t)(offset % SEGMENT_BYTES));

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
  int err;
  const int fd = segment_fd (ov, offset, false, &err);

  if (fd >= 0)
    (void)!fallocate (fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      (off_t)(offset % SEGMENT_BYTES), (off_t)len);
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

  for (i = 0; i < ov->nr_segs; ++i) {
    const int fd = atomic_load (&ov->seg_fd[i]);

    if (fd > 0 && fdatasync (fd - 1) == -1) {
      *err = errno;
      ov_log (ov, 'e', "syncing the overlay's store: %s", strerror (*err));
      return -1;
    }
  }
  return 0;
}
