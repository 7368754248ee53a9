/* SPDX-License-Identifier: BSD-3-Clause */

/* The pieces of a disk that are being fetched or are held, and their
 * memory.  No locking: the engine's lock protects everything here, but
 * the bytes of a buffer, which belong to the fetcher while FETCHING and
 * are constant while READY.
 */

#ifndef V2V_SEGMENTS_H
#define V2V_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEG_CLASSES 12 /* of buffers: 64 KiB << class */
#define SEG_CLASS_SHIFT 16
#define SEG_MAX (UINT32_C (1) << (SEG_CLASS_SHIFT + SEG_CLASSES - 1))

/*            ┌───────────────────────────── error, write ──► dead
 *   QUEUED ──┴► FETCHING ──► READY ──► consumed, evicted, write ──► dead
 */
enum seg_state { SEG_QUEUED, SEG_FETCHING, SEG_READY };

struct seg {
  uint64_t offset, end; /* [offset, end) */
  enum seg_state state;
  bool dead;               /* left the table: its data serves nobody
                                   who did not already start to copy */
  unsigned refs;           /* the table, the fetcher, each reader */
  uint64_t stream;         /* who it was fetched for */
  uint64_t consumed;       /* bytes that readers took, about */
  int64_t ready_ns;        /* when it became READY */
  char *buf;               /* NULL where the source caches */
  unsigned class;          /* size of buf */
  struct seg *prev, *next; /* queue, if QUEUED */
};

struct segments {
  struct seg **t; /* by offset, disjoint */
  size_t nr, alloc;
  struct seg *first, *last; /* queue of what is QUEUED */
  void *spare[SEG_CLASSES]; /* buffers without a segment */
  uint64_t held;            /* bytes of all buffers, spare or not */
  uint64_t spare_bytes;
};

/* All segments must have been removed. */
extern void segments_free (struct segments *ss);

/* Index of the first segment that ends after OFFSET; nr if none. */
extern size_t segments_find (const struct segments *ss, uint64_t offset);

/* Bytes of memory that a buffer for COUNT bytes costs. */
extern uint64_t segments_cost (uint64_t count);

/* Free spare buffers until held is at most LIMIT, or none are left. */
extern void segments_trim (struct segments *ss, uint64_t limit);

/* Make a segment (QUEUED, in table and queue, one reference).  It must
 * not overlap any.  WITH_BUFFER: LIMIT bounds held.  NULL: no memory.
 */
extern struct seg *
segments_add (struct segments *ss, uint64_t offset, uint64_t end,
              bool with_buffer, uint64_t limit);

/* Take out of the queue. */
extern void segments_dequeue (struct segments *ss, struct seg *seg);

/* Take out of the table (and queue) and drop the table's reference. */
extern void segments_remove (struct segments *ss, struct seg *seg);

extern void segments_unref (struct segments *ss, struct seg *seg);

#endif /* V2V_SEGMENTS_H */
