/* SPDX-License-Identifier: BSD-3-Clause */

/* Adaptive readahead for one disk: keeps what sequential readers will
 * want next in a bounded set of buffers, or asks the source to cache it.
 * The design is described at the head of readahead.c.
 *
 * Locking: every function except readahead_new and readahead_free may be
 * called from any number of threads at once.  No lock of the engine is
 * held while a source is called.
 *
 * Errors: functions that return int give 0, or -1 with *err set to a
 * positive errno.
 */

#ifndef V2V_READAHEAD_H
#define V2V_READAHEAD_H

#include <stdbool.h>
#include <stdint.h>

struct readahead;

/* What the fetch threads read from.  LANE (0 .. connections - 1) is the
 * number of the calling thread; one lane makes one call at a time.
 * Offsets and lengths are multiples of min_request and inside the disk.
 */
struct readahead_source_ops {
  /* Read COUNT > 0 bytes.  ECANCELED means "cannot now" and is not
   * counted as an error of the source.
   */
  int (*pread) (void *opaque, unsigned lane, void *buf, uint32_t count,
                uint64_t offset, int *err);
  /* Make later reads of the range fast.  May be NULL. */
  int (*cache) (void *opaque, unsigned lane, uint32_t count, uint64_t offset,
                int *err);
  /* Describe [OFFSET, OFFSET+COUNT) by calls of readahead_note_extent.
   * May be NULL.
   */
  int (*extents) (void *opaque, unsigned lane, uint32_t count, uint64_t offset,
                  uint64_t generation, int *err);
  /* The lane's thread makes no more calls.  Called from that thread; may
   * be NULL.
   */
  void (*lane_end) (void *opaque, unsigned lane);
};

/* How a client's own thread reads what is not there: each call passes
 * its own, because a client reads through its own connection.
 */
struct readahead_direct {
  int (*pread) (void *opaque, void *buf, uint32_t count, uint64_t offset,
                int *err);
  void *opaque;
};

struct readahead_options {
  uint64_t size;        /* of the disk, bytes */
  uint64_t memory;      /* bytes for buffers, at least 256 KiB */
  uint32_t request;     /* usual length of a fetch, bytes; longer
                                   where clients read in longer pieces */
  uint32_t max_request; /* no request of the source is longer, not
                                   even a client's own; 0 = no limit */
  uint32_t min_request; /* power of two, 0 = 1 */
  unsigned connections; /* most fetches at a time, at least 1 */
  unsigned busy_depth;  /* do not read ahead while clients keep more
                                   requests than this in flight, 0 = always */
  int64_t prove_ns;     /* read ahead only after clients read for so
                                   long without, and only while that is
                                   seen to be slower; 0 = always */
  bool serial;          /* the source does one thing at a time, also
                                   beside clients' requests: do not spend
                                   its time on questions for extents */
  bool use_cache;       /* ops->cache instead of buffers */
  int64_t fast_ns;      /* a source that answers within this (plus
                                   1 ns per byte) needs no readahead */
  int64_t pause_ns;     /* after three errors in a row */
  /* Level 'w' warning, 'd' debug.  May be NULL. */
  void (*log) (void *opaque, char level, const char *message);
};

/* NULL with *err set if out of memory.  OPS and OPAQUE (passed to OPS and
 * log) must live until readahead_free.  Threads are started when they
 * are first needed.
 */
extern struct readahead *
readahead_new (const struct readahead_options *opts,
               const struct readahead_source_ops *ops, void *opaque, int *err);

/* Stop fetching, wait for what is in flight (at most one request per
 * lane), free everything.  No other call may be running or come later.
 */
extern void readahead_free (struct readahead *ra);

/* Read for a client.  The answer is that of the source at some time
 * between call and return.  Only a failure of DIRECT is an error.
 */
extern int
readahead_pread (struct readahead *ra, const struct readahead_direct *direct,
                 void *buf, uint32_t count, uint64_t offset, int *err);

/* Surround each change of the disk with these two.  Between them nothing
 * of the range is fetched; nothing older is served after begin returned.
 */
struct readahead_write {
  uint64_t start, end;
  struct readahead_write *next;
};
extern void
readahead_write_begin (struct readahead *ra, struct readahead_write *w,
                       uint64_t count, uint64_t offset);
extern void
readahead_write_end (struct readahead *ra, struct readahead_write *w);

/* Drop what is held of the range. */
extern void
readahead_invalidate (struct readahead *ra, uint64_t count, uint64_t offset);

/* Tell what is known about the disk: [OFFSET, OFFSET+LENGTH) reads as
 * zeroes, or does not.  GENERATION was taken before the question was
 * asked; what was learned before a write is then ignored.
 */
extern uint64_t readahead_generation (struct readahead *ra);
extern void readahead_note_extent (struct readahead *ra, uint64_t generation,
                                   uint64_t offset, uint64_t length, bool zero);

/* Until told otherwise, what is known to be zero is answered without
 * asking the source.  Wrong if the disk may be written.
 */
extern void readahead_set_writable (struct readahead *ra);

/* Change the limit; buffers beyond it are given up as they can be. */
extern void readahead_set_memory (struct readahead *ra, uint64_t memory);

struct readahead_stats {
  uint64_t direct_reads, direct_bytes; /* by clients' threads, not kept */
  uint64_t fetches, fetched_bytes;     /* into buffers, or by ops->cache */
  uint64_t hit_bytes;                  /* served from buffers */
  uint64_t zero_bytes;                 /* served from the map of zeroes */
  uint64_t wasted_bytes;               /* fetched and dropped unread */
  uint64_t errors;                     /* fetches that failed, by lanes */
  uint64_t held_bytes, max_held_bytes; /* memory of buffers */
  unsigned lanes;                      /* threads started */
  unsigned concurrency;                /* fetches allowed at a time now */
};
extern void
readahead_get_stats (struct readahead *ra, struct readahead_stats *st);

#endif /* V2V_READAHEAD_H */
