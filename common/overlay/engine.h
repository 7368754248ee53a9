/* SPDX-License-Identifier: BSD-3-Clause */

/* What the files of the overlay engine share.
 *
 * The units, from small to large:
 *
 *   block    4 KiB    has a state: absent, valid (in the store) or zero
 *   group    256 KiB  64 blocks: one machine word per plane; the unit of
 *                     locking, of one store write, and of eviction's clock
 *   window   1 GiB    the unit in which the source's extents are learned
 *   leaf     64 GiB   the unit in which the block map is allocated
 *   segment  4 TiB    one file of the store, or one row of lanes: store.c
 *
 * The planes of a group:
 *
 *   valid  zero  dirty  fetch
 *     0     0      0      0     absent: the source has it
 *     0     0      0      1     absent, and one thread is fetching it
 *     1     0      0      0     clean: a copy of the source, may be evicted
 *     1     0      1      0     dirty: the client wrote it
 *     0     1      0      0     the source has zeroes there (learned)
 *     0     1      1      0     the client zeroed or trimmed it
 *
 * Invariants:
 *
 *  1. Planes change only under the lock of the group's stripe.  They are
 *     read without it; who reads "absent" that way must look again under
 *     the lock before acting upon it.
 *  2. The store is written and punched only under the stripe's lock, and
 *     a valid bit is set after the data was written.  Hence who sees
 *     valid reads the right bytes: never older than the bit, and newer
 *     only if a write runs at the same time.
 *  3. A dirty block never becomes absent.  So only its claimant (or a
 *     write, which also makes it dirty) clears a fetch bit, and a fetch
 *     bit that is still set when the claimant comes back is its own.
 *  4. No lock is held while the source is called; no thread waits for a
 *     claim of another one while it holds claims itself.
 *  5. Eviction clears valid, then bumps the stripe's counter, then
 *     punches.  A reader without lock compares the counter before it
 *     looked at the planes with that after it has read the store.
 *
 * Order of locks: flush_lock or evict_lock, then one stripe, then
 * file_lock.  The others are leaves.  Two stripes are never held at once.
 */

#ifndef V2V_OVERLAY_ENGINE_H
#define V2V_OVERLAY_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "overlay.h"

#define BLOCK OVERLAY_BLOCK_SIZE
#define GROUP_BLOCKS 64
#define GROUP_BYTES ((uint64_t)GROUP_BLOCKS * BLOCK)
#define LEAF_GROUPS 262144
#define WINDOW_BLOCKS 262144
#define WINDOW_GROUPS (WINDOW_BLOCKS / GROUP_BLOCKS)
#define SEGMENT_SHIFT 42
#define NR_LANES 8
#define NR_STRIPES 256

/* Known blocks between absent ones that are cheaper to read again than
 * to pay the source's latency once more: 64 KiB.
 */
#define GAP_BLOCKS 16

/* Sequential misses let a fetch grow up to this many bytes. */
#define MAX_GROWN_UNIT (UINT64_C (1024) * 1024)

/* Where two threads may meet: the tests pause there, so that they do. */
#ifdef OVERLAY_RACE_POINTS
extern void overlay_race_point (void);
#else
#define overlay_race_point() ((void)0)
#endif

enum block_state { ST_ABSENT, ST_VALID, ST_ZERO };

struct group {
  _Atomic uint64_t valid, zero, dirty, fetch;
};

/* Per group, beside the planes. */
#define SIDE_CLEAN 1   /* may hold clean blocks (hint) */
#define SIDE_USED 2    /* read since the clock's hand passed */
#define SIDE_CHANGED 4 /* differs from the persistent map */
#define SIDE_TOUCHED 8 /* was ever published to; never cleared */

struct leaf {
  struct group group[LEAF_GROUPS];
  _Atomic uint8_t side[LEAF_GROUPS];
};

struct stripe {
  pthread_mutex_t lock;
  pthread_cond_t filled;      /* a fetch bit was cleared */
  _Atomic uint64_t evictions; /* invariant 5 */
} __attribute__ ((aligned (64)));

struct window;   /* see holes.c */
struct prefetch; /* see prefetch.c */

struct overlay {
  /* Constant after overlay_open. */
  uint64_t size; /* bytes */
  uint64_t nr_blocks, nr_groups;
  struct overlay_options opt; /* dir, name, identity are ours */
  char *dir, *name, *identity;
  uint64_t limit_blocks; /* 0 = no limit */

  /* map.c: entries are set once, by compare-and-swap. */
  struct leaf *_Atomic *leaves;
  size_t nr_leaves;
  struct stripe *stripe; /* NR_STRIPES of them */

  /* store.c: descriptor + 1, 0 = not open; set once, under file_lock. */
  _Atomic int *file_fd;
  size_t nr_files;
  unsigned nr_lanes;
  pthread_mutex_t file_lock;

  /* holes.c: NULL = unknown; set under holes_lock. */
  struct window *_Atomic *windows;
  size_t nr_windows;
  pthread_mutex_t holes_lock;
  pthread_cond_t holes_known;
  struct window *windows_allocated; /* by holes_lock */
  bool holes_warned;                /* by holes_lock */

  /* evict.c */
  pthread_mutex_t evict_lock;
  uint64_t hand; /* by evict_lock: group */

  /* persist.c: -1 unless the store is persistent. */
  int map_fd, dir_fd;
  pthread_mutex_t flush_lock;
  bool sync_failed; /* by flush_lock; for ever */

  /* prefetch.c */
  pthread_mutex_t prefetch_lock;
  struct prefetch *prefetch; /* by prefetch_lock */

  _Atomic bool copy_on_read;
  _Atomic bool store_full;          /* ENOSPC: nothing more is cached */
  _Atomic uint64_t reserved_blocks; /* room promised to fills */
  _Atomic uint64_t clean_blocks, dirty_blocks, zero_blocks;
  _Atomic uint64_t source_reads, source_bytes, evicted_blocks;
};

/* support.c */
extern void ov_log (struct overlay *ov, char level, const char *fs, ...)
  __attribute__ ((format (printf, 3, 4)));
extern bool ov_is_zero (const void *buf, size_t len);
/* Anonymous zeroed memory of which only touched pages cost anything. */
extern void *ov_reserve (size_t bytes);
extern void ov_unreserve (void *p, size_t bytes);

/* map.c */
extern int ov_map_init (struct overlay *ov);
extern void ov_map_free (struct overlay *ov);
/* NULL if nothing in its leaf was ever known. */
extern struct group *ov_group (struct overlay *ov, uint64_t g);
/* Allocates; NULL = ENOMEM. */
extern struct group *ov_group_get (struct overlay *ov, uint64_t g);
extern _Atomic uint8_t *ov_side (struct overlay *ov, uint64_t g);
extern struct leaf *ov_leaf (struct overlay *ov, size_t i);
extern enum block_state ov_state (struct overlay *ov, uint64_t block);
/* Length of the run of blocks of one state from BLOCK on, 1 .. MAX. */
extern uint64_t ov_run (struct overlay *ov, uint64_t block, uint64_t max,
                        enum block_state *state);
/* How many valid blocks lie directly before BLOCK, at most MAX. */
extern uint64_t
ov_valid_before (struct overlay *ov, uint64_t block, uint64_t max);
/* Change the blocks of MASK; the stripe is locked.  Clears their fetch
 * bits and wakes who waits for them.
 */
extern void ov_publish (struct overlay *ov, uint64_t g, struct group *gr,
                        uint64_t mask, enum block_state state, bool dirty);
extern struct stripe *ov_stripe (struct overlay *ov, uint64_t g);
/* Sum of the eviction counters of the stripes of groups G0 .. G1. */
extern uint64_t ov_evictions (struct overlay *ov, uint64_t g0, uint64_t g1);
/* Blocks FROM .. FROM+N-1 of a group as a mask, N in 0 .. 64. */
static inline uint64_t
ov_mask (unsigned from, unsigned n)
{
  return n == 0 ? 0 : (~UINT64_C (0) >> (64 - n)) << from;
}
/* The blocks of group G that exist (the last group may be shorter). */
extern uint64_t ov_group_mask (struct overlay *ov, uint64_t g);

/* store.c.  Return 0, or -1 and *err.  A write stays in one group. */
extern int ov_store_init (struct overlay *ov);
/* Open or create the file of OFFSET. */
extern int ov_store_open (struct overlay *ov, uint64_t offset, int *err);
/* The file of OFFSET must exist already, with the right size. */
extern int ov_store_require (struct overlay *ov, uint64_t offset);
extern void ov_store_free (struct overlay *ov);
extern int ov_store_read (struct overlay *ov, void *buf, size_t len,
                          uint64_t offset, int *err);
extern int ov_store_write (struct overlay *ov, struct iovec *iov, int nr,
                           uint64_t offset, int *err);
/* Give space back, in one group; failure costs space only and is not
 * reported.
 */
extern void ov_store_punch (struct overlay *ov, uint64_t offset, uint64_t len);
/* Punch the blocks of MASK in group G. */
extern void ov_store_punch_mask (struct overlay *ov, uint64_t g, uint64_t mask);
extern int ov_store_sync (struct overlay *ov, int *err);

/* holes.c.  Make the window of BLOCK known, asking the source if need be.
 * Never fails: what the source does not tell counts as data.
 */
extern int ov_holes_init (struct overlay *ov);
extern void ov_holes_free (struct overlay *ov);
extern void ov_holes_load (struct overlay *ov, const struct overlay_source *src,
                           uint64_t block);
/* Type of BLOCK in the source as far as known (0 if not), and how many
 * blocks from there on have it.  Takes no lock, calls nobody.
 */
extern uint32_t
ov_holes_type (struct overlay *ov, uint64_t block, uint64_t *run);
/* The blocks of group G whose type includes all bits of TYPE. */
extern uint64_t ov_holes_mask (struct overlay *ov, uint64_t g, uint32_t type);

/* fill.c */
/* Read the source, obeying its block size limits. */
extern int
ov_source_read (struct overlay *ov, const struct overlay_source *src, void *buf,
                uint64_t count, uint64_t offset, int *err);
/* POS is absent.  Fetch around it, keep it, and put as much as was
 * fetched of [pos, end) into BUF; *served may be 0: look again.
 */
extern int ov_fill_read (struct overlay *ov, const struct overlay_source *src,
                         uint8_t *buf, uint64_t pos, uint64_t end,
                         uint64_t *served, int *err);
/* Make BLOCK known so that a part of it can be written. */
extern int
ov_fill_for_write (struct overlay *ov, const struct overlay_source *src,
                   uint64_t block, int *err);
/* Fetch the absent blocks of [pos, end) up to one source request.
 * *next is where to go on, *fetched what it cost (bytes).  With WAIT, also
 * wait for what others are fetching.
 */
extern int
ov_fill_step (struct overlay *ov, const struct overlay_source *src,
              uint64_t pos, uint64_t end, uint64_t max_bytes, bool wait,
              uint64_t *next, uint64_t *fetched, int *err);

/* evict.c */
/* Evict until at least BLOCKS clean blocks are gone; how many are. */
extern uint64_t ov_evict (struct overlay *ov, uint64_t blocks);
/* Reserve room for clean blocks under the limit; false = do not keep
 * them.  Released with ov_unreserve_room after publishing.
 */
extern bool ov_reserve_room (struct overlay *ov, uint64_t blocks);
extern void ov_release_room (struct overlay *ov, uint64_t blocks);

/* map-file.c.  The map of a persistent store, open as map_fd. */
#define OV_MAP_HEADER_BYTES 4096
struct map_entry {
  uint64_t valid, zero, dirty; /* the planes of a group */
  uint64_t check;              /* never 0 if any plane is not */
};
/* Name of a file of the store, relative to dir_fd; allocated; NULL =
 * ENOMEM.
 */
extern char *ov_store_filename (struct overlay *ov, const char *suffix);
/* 0, or -1 and errno; this syncs the map. */
extern int ov_map_write_header (struct overlay *ov, bool clean);
/* -1 (logged, *err) unless the map is of this overlay; *keep_clean: its
 * clean blocks may be used.
 */
extern int ov_map_check_header (struct overlay *ov, const char *file,
                                bool *keep_clean, int *err);
/* Log that FILE is refused because of WHY; -1, *err is EINVAL. */
extern int
ov_map_refuse (struct overlay *ov, const char *file, const char *why, int *err);
/* How large the file is. */
extern uint64_t ov_map_bytes (const struct overlay *ov);
/* The first group from G on whose entry may not be all zero. */
extern uint64_t ov_map_next (struct overlay *ov, uint64_t g);
/* Read N entries from group G on; write one, which gets its check value.
 * 0, or -1 and errno.
 */
extern int
ov_map_read (struct overlay *ov, uint64_t g, uint64_t n, struct map_entry *e);
extern int ov_map_write (struct overlay *ov, uint64_t g, struct map_entry *e);
/* Whether an entry that is not all zero may be believed. */
extern bool ov_map_entry_is_sound (struct overlay *ov, uint64_t g,
                                   const struct map_entry *e);

/* persist.c */
extern int ov_persist_open (struct overlay *ov, int *err);
extern void ov_persist_close (struct overlay *ov);
/* Must be called (stripe locked) before clean blocks of the store are
 * overwritten or punched by the client, resp. evicted.
 */
extern int
ov_persist_dirty (struct overlay *ov, uint64_t g, uint64_t mask, int *err);
extern int
ov_persist_drop (struct overlay *ov, uint64_t g, uint64_t mask, int *err);

#endif /* V2V_OVERLAY_ENGINE_H */
