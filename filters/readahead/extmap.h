/* SPDX-License-Identifier: BSD-3-Clause */

/* What is known of ranges of a disk: a sorted set of disjoint ranges,
 * each with one bit of meaning.  Used for "reads as zero / holds data"
 * and for "was served already".  Bounded: an extmap that would grow past
 * EXTMAP_MAX ranges forgets everything, which is always safe.
 *
 * No locking: the caller's lock protects it.
 */

#ifndef V2V_EXTMAP_H
#define V2V_EXTMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXTMAP_MAX 65536

struct extmap_range {
  uint64_t start, end; /* [start, end), never empty */
  bool bit;
};

struct extmap {
  struct extmap_range *r; /* sorted by start, disjoint; neighbours
                                   that touch have different bits */
  size_t nr, alloc;
};

extern void extmap_free (struct extmap *m);

/* Say that [start, end) has BIT.  Out of memory: forgets everything. */
extern void
extmap_set (struct extmap *m, uint64_t start, uint64_t end, bool bit);

/* Nothing is known of [start, end) any more. */
extern void extmap_forget (struct extmap *m, uint64_t start, uint64_t end);

/* The first range that ends after OFFSET, or NULL. */
extern const struct extmap_range *
extmap_find (const struct extmap *m, uint64_t offset);

/* How many bytes of [start, end) are known to have BIT. */
extern uint64_t
extmap_count (const struct extmap *m, uint64_t start, uint64_t end, bool bit);

#endif /* V2V_EXTMAP_H */
