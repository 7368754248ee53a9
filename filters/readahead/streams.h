/* SPDX-License-Identifier: BSD-3-Clause */

/* Recognises sequential readers of one disk.
 *
 * One disk is read by several readers at once, in any order of arrival:
 * nbdcopy walks as many ranges of 128 MiB as it has connections, and its
 * requests overtake each other by up to 6 MiB (measured with libnbd
 * 1.14).  So a read belongs to a stream if it starts near the stream's
 * head (the largest end seen), and a step back does not end a stream.
 * Near alone would also hold for random reads of a small disk.  Hence
 * each stream keeps books: `good', the bytes that were read, and `bad',
 * the bytes that were jumped over and neither known to be zero nor read
 * later.  A stream counts as sequential only while bad is small against
 * good.
 *
 * No locking: the caller's lock protects it.
 */

#ifndef V2V_STREAMS_H
#define V2V_STREAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "extmap.h"

#define STREAMS_MAX 16

/* How far from a stream's head a read may start.  Back is more than the
 * largest step that was seen.  A longer step forward makes a stream of
 * its own, which does no harm: the first one goes on where it was.
 */
#define STREAM_BACK (UINT64_C (8) << 20)
#define STREAM_FORWARD (UINT64_C (2) << 20)

struct stream {
  uint64_t id;          /* 0 = free slot; never reused */
  uint64_t start, head; /* [start, head) was read, but for `bad' */
  uint64_t good, bad;   /* bytes, halved together from time to time */
  unsigned hits;        /* reads that belonged to it, but the first */
  uint64_t avg;         /* average length of its reads, bytes */
  int64_t last_ns;      /* when it was last used */

  /* How far to read ahead; kept here for the engine. */
  uint64_t window;     /* bytes beyond head, 0 = not yet chosen */
  uint64_t grown_at;   /* head when the window last changed */
  uint64_t rate;       /* bytes per second, average */
  uint64_t rate_bytes; /* since rate_ns */
  int64_t rate_ns;
};

struct streams {
  struct stream s[STREAMS_MAX];
  uint64_t last_id;
  struct extmap served; /* what ended streams have read */
};

extern void streams_free (struct streams *ss);

/* Account for a read of [offset, end), at time NOW_NS.  ZEROES (may be
 * NULL) tells what is known to read as zero.  Returns the stream that
 * the read belongs to.  *ADVANCED: the read moved the stream's head.
 * *ENDED: the id of the stream that gave way to a new one, or 0.
 */
extern struct stream *
streams_read (struct streams *ss, uint64_t offset, uint64_t end, int64_t now_ns,
              const struct extmap *zeroes, bool *advanced, uint64_t *ended);

/* Is it worth reading ahead of this stream?  NEED is how many hits it
 * takes.
 */
extern bool stream_is_sequential (const struct stream *s, unsigned need);

extern struct stream *streams_by_id (struct streams *ss, uint64_t id);

/* How many sequential streams were used since SINCE_NS (at least 1). */
extern unsigned streams_active (const struct streams *ss, int64_t since_ns);

/* Where a prefetch for S that would go up to END has to stop, because
 * another stream already read, or is reading, what follows.
 */
extern uint64_t streams_clip (const struct streams *ss, const struct stream *s,
                              uint64_t end, int64_t since_ns);

#endif /* V2V_STREAMS_H */
