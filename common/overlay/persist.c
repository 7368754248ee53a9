/* SPDX-License-Identifier: BSD-3-Clause */

/* A store that survives the server.
 *
 * Files in the directory, for an export NAME (escaped):
 *
 *   overlay-NAME.0.data …  the segments of the store (store.c)
 *   overlay-NAME.map       a header of 4096 bytes, then for every group
 *                          32 bytes: the planes valid, zero, dirty and a
 *                          check value; all zero = nothing known.  Sparse.
 *
 * The map is locked (flock) while it is in use; map-file.c has its format.
 * An entry lies in one
 * sector and one page, so that it is on disk either as before or as
 * after; the check value finds what is neither.
 *
 * What a crash may do.  The process may die (kill -9): then everything
 * that was written to the files is there.  Or the machine may: then only
 * what was synced surely is, the rest in any combination.  The header
 * knows which of them happened, because it keeps the boot's id and a flag
 * for a clean stop.
 *
 * Rules:
 *
 *  1. Flush syncs the data first, then writes the entries of the groups
 *     that changed, then syncs the map.  So a block that the map calls
 *     valid had its bytes on disk before the map said so.  The entries
 *     are taken before the data is synced (a later one might name data
 *     that is not there), and narrowed to what still holds when they are
 *     written: see merge_entry.
 *  2. Between flushes a block that the client wrote may be on disk in its
 *     flushed or in a newer form: no flush covered the newer one, so both
 *     are right.
 *  3. A clean block must not change while the map calls it clean: it
 *     would be evicted after a crash and the client would see the bytes
 *     change back.  So before the first change of a block that the map has
 *     as clean, the map gets its dirty bit (ov_persist_dirty).
 *  4. A block must not be punched while the map calls it valid, unless the
 *     client asked for zeroes.  So eviction takes it out of the map first
 *     (ov_persist_drop).
 *
 * Rules 3 and 4 write single entries without syncing.  That is enough when
 * the process died.  When the machine died, their order with respect to
 * the data is unknown, hence all clean blocks are forgotten then: the
 * source has them.  Dirty blocks are not touched by this.
 *
 * A store is refused if its header names another size, source or export,
 * if an entry is damaged, and if another process uses it.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine.h"
#include "v2v-utils.h"

#define FLUSH_BATCH 8192

struct changed {
  uint64_t g;
  uint64_t valid, zero, dirty;
};

/* Take the entries from the map.  If !KEEP_CLEAN, only what the client
 * wrote, and the rest is taken out of the map too.
 */
static int
load_group (struct overlay *ov, uint64_t g, struct map_entry *e,
            bool keep_clean)
{
  struct group *gr;

  if (e->valid == 0 && e->zero == 0 && e->dirty == 0 && e->check == 0)
    return 0;
  if (!ov_map_entry_is_sound (ov, g, e)) {
    errno = EBADMSG;
    return -1;
  }
  if (!keep_clean && (e->valid & ~e->dirty)) {
    const uint64_t forget = e->valid & ~e->dirty;

    e->valid &= e->dirty;
    if (ov_map_write (ov, g, e) == -1)
      return -1;
    ov_store_punch_mask (ov, g, forget);
  }
  if (e->valid && ov_store_require (ov, g * GROUP_BYTES) == -1) {
    errno = EBADMSG;
    return -1;
  }
  gr = ov_group_get (ov, g);
  if (gr == NULL) {
    errno = ENOMEM;
    return -1;
  }
  if (e->valid & e->dirty)
    ov_publish (ov, g, gr, e->valid & e->dirty, ST_VALID, true);
  if (e->valid & ~e->dirty)
    ov_publish (ov, g, gr, e->valid & ~e->dirty, ST_VALID, false);
  if (e->zero & e->dirty)
    ov_publish (ov, g, gr, e->zero & e->dirty, ST_ZERO, true);
  if (e->zero & ~e->dirty)
    ov_publish (ov, g, gr, e->zero & ~e->dirty, ST_ZERO, false);
  if (e->valid | e->zero)
    atomic_fetch_and (ov_side (ov, g), (uint8_t)~SIDE_CHANGED);
  return 0;
}

static int
load_map (struct overlay *ov, bool keep_clean)
{
  static const uint64_t batch = 4096;
  CLEANUP_FREE struct map_entry *e = malloc (batch * sizeof *e);
  uint64_t g, n, i;

  if (e == NULL)
    return -1;
  for (g = 0; g < ov->nr_groups; g += n) {
    g = ov_map_next (ov, g);
    if (g >= ov->nr_groups)
      break;
    n = V2V_MIN (batch, ov->nr_groups - g);
    if (ov_map_read (ov, g, n, e) == -1)
      return -1;
    for (i = 0; i < n; ++i)
      if (load_group (ov, g + i, &e[i], keep_clean) == -1)
        return -1;
  }
  return 0;
}

int
ov_persist_open (struct overlay *ov, int *err)
{
  CLEANUP_FREE char *file = NULL;
  struct stat st;
  bool keep_clean = true;

  ov->dir_fd = open (ov->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (ov->dir_fd == -1) {
    *err = errno;
    ov_log (ov, 'e',
            "cannot open the store's directory %s: %s: "
            "create it first",
            ov->dir, strerror (*err));
    return -1;
  }
  file = ov_store_filename (ov, ".map");
  if (file == NULL) {
    *err = ENOMEM;
    goto fail;
  }
  ov->map_fd = openat (ov->dir_fd, file,
                       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (ov->map_fd == -1 || fstat (ov->map_fd, &st) == -1) {
    *err = errno;
    ov_log (ov, 'e', "cannot open %s/%s: %s", ov->dir, file, strerror (*err));
    goto fail;
  }
  if (flock (ov->map_fd, LOCK_EX | LOCK_NB) == -1) {
    *err = errno;
    ov_log (ov, 'e', "%s/%s is in use by another server (%s)", ov->dir, file,
            strerror (*err));
    if (*err == EWOULDBLOCK)
      *err = EBUSY;
    goto fail;
  }
  if (st.st_size >= OV_MAP_HEADER_BYTES &&
      ov_map_check_header (ov, file, &keep_clean, err) == -1)
    goto fail;
  if (st.st_size < (off_t)ov_map_bytes (ov) &&
      ftruncate (ov->map_fd, (off_t)ov_map_bytes (ov)) == -1) {
    *err = errno;
    ov_log (ov, 'e', "cannot extend %s/%s: %s", ov->dir, file, strerror (*err));
    goto fail;
  }
  if (load_map (ov, keep_clean) == -1) {
    *err = errno;
    if (*err == EBADMSG)
      ov_map_refuse (ov, file, "is damaged", err);
    else
      ov_log (ov, 'e', "cannot read %s/%s: %s", ov->dir, file, strerror (*err));
    goto fail;
  }
  /* Clean blocks that were forgotten must be gone from the map before the
   * header says that this boot wrote it.
   */
  if (fdatasync (ov->map_fd) == -1 || ov_map_write_header (ov, false) == -1 ||
      fsync (ov->dir_fd) == -1) {
    *err = errno;
    ov_log (ov, 'e', "cannot write %s/%s: %s", ov->dir, file, strerror (*err));
    goto fail;
  }
  return 0;

fail:
  if (ov->map_fd >= 0)
    close (ov->map_fd);
  close (ov->dir_fd);
  ov->map_fd = ov->dir_fd = -1;
  return -1;
}

void
ov_persist_close (struct overlay *ov)
{
  int err;

  if (ov->map_fd == -1)
    return;
  if (overlay_flush (ov, &err) == 0 && ov_map_write_header (ov, true) == -1)
    ov_log (ov, 'e', "cannot close the store in %s: %s", ov->dir,
            strerror (errno));
  close (ov->map_fd);
  close (ov->dir_fd);
  ov->map_fd = ov->dir_fd = -1;
}

/* Change the entry of G in the map; rules 3 and 4. */
static int
change_entry (struct overlay *ov, uint64_t g, uint64_t dirty, uint64_t drop,
              int *err)
{
  struct map_entry e;

  if (ov->map_fd == -1)
    return 0;
  if (ov_map_read (ov, g, 1, &e) == -1)
    goto fail;
  dirty &= e.valid & ~e.dirty;
  drop &= e.valid & ~e.dirty;
  if (dirty == 0 && drop == 0)
    return 0;
  e.dirty |= dirty;
  e.valid &= ~drop;
  if (ov_map_write (ov, g, &e) == -1)
    goto fail;
  return 0;

fail:
  *err = errno;
  ov_log (ov, 'e', "changing the map of the store in %s: %s", ov->dir,
          strerror (*err));
  return -1;
}

int
ov_persist_dirty (struct overlay *ov, uint64_t g, uint64_t mask, int *err)
{
  return change_entry (ov, g, mask, 0, err);
}

int
ov_persist_drop (struct overlay *ov, uint64_t g, uint64_t mask, int *err)
{
  return change_entry (ov, g, 0, mask, err);
}

static void
load_planes (const struct group *gr, struct changed *c)
{
  c->valid = atomic_load (&gr->valid);
  c->zero = atomic_load (&gr->zero);
  c->dirty = atomic_load (&gr->dirty);
}

/* What may be written about a group, of which OLD was taken before the
 * data was synced and which is now in state NOW (its stripe is locked).
 * Per block:
 *
 *   then        now                 map gets
 *   valid       valid, as dirty     valid
 *   clean       dirty               absent: its data may not be synced
 *   clean       absent (evicted)    absent
 *   valid       zero                zero, dirty: it may be punched
 *   zero        anything            zero
 *   absent      anything            absent: covered by the next flush
 */
static void
merge_entry (struct map_entry *e, const struct changed *old,
             const struct changed *now)
{
  const uint64_t trimmed = old->valid & now->zero;

  e->valid = old->valid & now->valid & ~(now->dirty & ~old->dirty);
  e->zero = (old->zero | trimmed) & ~e->valid;
  e->dirty = (old->dirty | (trimmed & now->dirty)) & (e->valid | e->zero);
}

/* Flush the N groups in C: rule 1. */
static int
flush_batch (struct overlay *ov, const struct changed *c, size_t n, int *err)
{
  size_t i;

  if (ov_store_sync (ov, err) == -1) {
    ov->sync_failed = true;
    return -1;
  }
  for (i = 0; i < n; ++i) {
    struct group *gr = ov_group (ov, c[i].g);
    struct changed now;
    struct map_entry e;
    int r;

    overlay_race_point ();
    pthread_mutex_lock (&ov_stripe (ov, c[i].g)->lock);
    load_planes (gr, &now);
    merge_entry (&e, &c[i], &now);
    r = ov_map_write (ov, c[i].g, &e);
    pthread_mutex_unlock (&ov_stripe (ov, c[i].g)->lock);
    if (r == -1) {
      *err = errno;
      ov_log (ov, 'e', "writing the map of the store in %s: %s", ov->dir,
              strerror (*err));
      return -1;
    }
  }
  return 0;
}

static int
flush_groups (struct overlay *ov, struct changed *c, size_t n, int *err)
{
  size_t i;

  if (flush_batch (ov, c, n, err) == 0)
    return 0;
  /* They are still to do. */
  for (i = 0; i < n; ++i)
    atomic_fetch_or (ov_side (ov, c[i].g), SIDE_CHANGED);
  return -1;
}

/* C has room for FLUSH_BATCH groups; flush_lock is held. */
static int
flush_changed (struct overlay *ov, struct changed *c, int *err)
{
  size_t i, n = 0;
  uint64_t j;

  for (i = 0; i < ov->nr_leaves; ++i) {
    struct leaf *leaf = ov_leaf (ov, i);

    for (j = 0; leaf && j < LEAF_GROUPS; ++j) {
      const uint64_t g = (uint64_t)i * LEAF_GROUPS + j;

      if (g >= ov->nr_groups)
        break;
      if (!(atomic_load (&leaf->side[j]) & SIDE_CHANGED))
        continue;
      pthread_mutex_lock (&ov_stripe (ov, g)->lock);
      atomic_fetch_and (&leaf->side[j], (uint8_t)~SIDE_CHANGED);
      c[n].g = g;
      load_planes (&leaf->group[j], &c[n]);
      pthread_mutex_unlock (&ov_stripe (ov, g)->lock);
      if (++n == FLUSH_BATCH) {
        if (flush_groups (ov, c, n, err) == -1)
          return -1;
        n = 0;
      }
    }
  }
  if (n > 0 && flush_groups (ov, c, n, err) == -1)
    return -1;
  if (ov_store_sync (ov, err) == -1) {
    ov->sync_failed = true;
    return -1;
  }
  if (fdatasync (ov->map_fd) == -1) {
    *err = errno;
    ov->sync_failed = true;
    ov_log (ov, 'e', "syncing the map of the store in %s: %s", ov->dir,
            strerror (*err));
    return -1;
  }
  return 0;
}

int
overlay_flush (struct overlay *ov, int *err)
{
  struct changed *c;
  int r = -1;

  if (ov->map_fd == -1)
    return 0;
  c = malloc (FLUSH_BATCH * sizeof *c);
  if (c == NULL) {
    *err = ENOMEM;
    return -1;
  }
  pthread_mutex_lock (&ov->flush_lock);
  /* After a failed sync the kernel may have thrown away what it could not
   * write, and a second one would succeed.
   */
  if (ov->sync_failed)
    *err = EIO;
  else
    r = flush_changed (ov, c, err);
  pthread_mutex_unlock (&ov->flush_lock);
  free (c);
  return r;
}
