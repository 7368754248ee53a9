/* SPDX-License-Identifier: BSD-3-Clause */

/* A private, writable, hole-aware copy of one read-only export.
 *
 * An overlay holds for every 4 KiB block of one export whether it is
 * absent (ask the source), data (in the store), or zero.  Writes,
 * zeroes and trims stay in the overlay; blocks that were read from the
 * source can be kept too (copy-on-read).  This is the only place that
 * knows how blocks are stored.
 *
 * Locking: every function except overlay_open and overlay_close may be
 * called from any number of threads at once.  No lock of the engine is
 * held while the source is called.
 *
 * Errors: functions that return int give 0, or -1 with *err set to a
 * positive errno.  The engine never calls nbdkit; messages go through
 * options.log.
 */

#ifndef V2V_OVERLAY_H
#define V2V_OVERLAY_H

#include <stdbool.h>
#include <stdint.h>

#define OVERLAY_BLOCK_SIZE 4096

struct overlay;

/* What the overlay reads from.  A source is passed to each call, because
 * a client's thread reads through that client's connection while
 * background work has one of its own.  All of them must show the same
 * bytes: the source is assumed immutable.
 */
#define OVERLAY_EXTENT_HOLE 1 /* = NBD_STATE_HOLE */
#define OVERLAY_EXTENT_ZERO 2 /* = NBD_STATE_ZERO */

/* Receives one extent: TYPE is a mask of OVERLAY_EXTENT_*.  Extents come
 * in ascending order without gaps.  Return 0 to go on, 1 to stop without
 * error, -1 on error.
 */
typedef int (*overlay_extent_cb) (void *opaque, uint64_t offset,
                                  uint64_t length, uint32_t type);

struct overlay_source_ops {
  /* Read COUNT > 0 bytes, all inside the export. */
  int (*pread) (void *opaque, void *buf, uint32_t count, uint64_t offset,
                int *err);
  /* Describe the range from OFFSET on; must report at least one extent
   * that begins at OFFSET, may report less than COUNT, and may report
   * more (the engine clips).  NULL if the source cannot tell.
   */
  int (*extents) (void *opaque, uint64_t count, uint64_t offset,
                  overlay_extent_cb cb, void *cb_opaque, int *err);
};

struct overlay_source {
  const struct overlay_source_ops *ops;
  void *opaque;
};

enum overlay_store {
  OVERLAY_STORE_TMPFILE, /* unlinked file in DIR */
  OVERLAY_STORE_MEMFD,
  OVERLAY_STORE_PERSISTENT, /* files in DIR that survive, see IDENTITY */
};

struct overlay_options {
  enum overlay_store store;
  const char *dir;      /* NULL = $TMPDIR or /var/tmp */
  const char *name;     /* canonical export name; names the files of
                                   a persistent store (escaped) */
  const char *identity; /* what the source is (persistent store): a
                                   store made for another identity or size is
                                   refused with EINVAL-like error and message */
  bool copy_on_read;    /* may be changed later */
  uint64_t clean_limit; /* bytes of clean data kept, 0 = no limit */
  uint32_t fetch_unit;  /* bytes, power of two, 0 = 64 KiB */
  uint32_t max_request; /* largest read of the source, 0 = 32 MiB */
  uint32_t min_request; /* source's minimum block size, 0 = 1 */
  /* Where messages go; level 'e' error, 'w' warning, 'd' debug. */
  void (*log) (void *opaque, char level, const char *message);
  void *log_opaque;
};

/* Open an overlay over SIZE bytes (0 .. 2^63-1).  NULL with *err set (and
 * a message logged) on failure.  The strings are copied.
 */
extern struct overlay *
overlay_open (uint64_t size, const struct overlay_options *options, int *err);

/* Stop background work, flush a persistent store, free everything.  The
 * caller guarantees that no other call is running.
 */
extern void overlay_close (struct overlay *ov);

extern uint64_t overlay_size (const struct overlay *ov);
extern void overlay_set_copy_on_read (struct overlay *ov, bool on);

/* COUNT may be any 32-bit value; OFFSET + COUNT must not pass the end. */
extern int overlay_pread (struct overlay *ov, const struct overlay_source *src,
                          void *buf, uint32_t count, uint64_t offset, int *err);
extern int
overlay_pwrite (struct overlay *ov, const struct overlay_source *src,
                const void *buf, uint32_t count, uint64_t offset, int *err);

/* Make the range read as zeroes.  Whole blocks cost no I/O.  Trim is the
 * same: what was trimmed reads as zero and is reported as a hole.
 */
extern int overlay_zero (struct overlay *ov, const struct overlay_source *src,
                         uint32_t count, uint64_t offset, int *err);

/* Persistent store: everything acknowledged before is on stable storage
 * when this returns.  Otherwise nothing.
 */
extern int overlay_flush (struct overlay *ov, int *err);

/* Describe [offset, offset+count): data, hole|zero; adjacent extents of
 * one type are merged and clipped to the range.  With ONE, stop after the
 * first.
 */
extern int
overlay_extents (struct overlay *ov, const struct overlay_source *src,
                 uint64_t count, uint64_t offset, bool one,
                 overlay_extent_cb cb, void *cb_opaque, int *err);

/* Fetch what is absent of the range and keep it, whatever the
 * copy-on-read mode.  Holes are not fetched.
 */
extern int overlay_cache (struct overlay *ov, const struct overlay_source *src,
                          uint32_t count, uint64_t offset, int *err);

/* Fetch ranges in the background with THREADS threads.  One prefetch at
 * a time per overlay.  SRC must stay valid until overlay_prefetch_stop
 * returned and must allow calls from THREADS threads at once.  MAX_BYTES
 * bounds what is fetched (0 = no bound).  Errors end it quietly (logged).
 */
struct overlay_range {
  uint64_t offset, length;
};
extern int
overlay_prefetch_start (struct overlay *ov, const struct overlay_source *src,
                        const struct overlay_range *ranges, size_t nr_ranges,
                        uint64_t max_bytes, unsigned threads, int *err);
/* Cancel and wait (at most for one source request per thread). */
extern void overlay_prefetch_stop (struct overlay *ov);

/* Report the ranges that were written, zeroed or trimmed (TYPE is 0 for
 * data, OVERLAY_EXTENT_HOLE|ZERO for zero); ranges equal to the source
 * are skipped, so there are gaps.
 */
extern int overlay_changes (struct overlay *ov, overlay_extent_cb cb,
                            void *cb_opaque, int *err);

struct overlay_stats {
  uint64_t source_reads, source_bytes; /* requests sent to the source */
  uint64_t clean_bytes, dirty_bytes;   /* held in the store */
  uint64_t zero_bytes;                 /* state only */
  uint64_t evicted_bytes;
};
extern void overlay_get_stats (struct overlay *ov, struct overlay_stats *st);

#endif /* V2V_OVERLAY_H */
