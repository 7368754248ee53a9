/* SPDX-License-Identifier: BSD-3-Clause */

/* The binary indexes of kmod: modules.dep.bin, modules.alias.bin. */

#ifndef V2V_KMOD_INDEX_H
#define V2V_KMOD_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct kmod_entry {
  char *key; /* bytes 1 to 127 */
  char *value;
  uint32_t priority; /* order among values of one key */
};

/* Zero it to begin with. */
struct kmod_index {
  struct kmod_entry *entries;
  size_t n, alloc;
};

/* Read DATA, appending to IDX.  1 if read, 0 if it is not a valid index
 * (*err is a static message), -1 when out of memory.
 */
extern int kmod_index_read (const uint8_t *data, size_t size,
                            struct kmod_index *idx, const char **err);

/* Add an entry (copies).  0; -1 when out of memory.  A key that the
 * format cannot hold (empty, longer than 1024, bytes over 127) is left
 * out: modprobe could not find it either.
 */
extern int kmod_index_add (struct kmod_index *idx, const char *key,
                           const char *value, uint32_t priority);

/* Sort by key, priority and value.  Needed before kmod_index_find and
 * kmod_index_write.
 */
extern void kmod_index_sort (struct kmod_index *idx);

/* The first entry with KEY, or NULL. */
extern struct kmod_entry *
kmod_index_find (const struct kmod_index *idx, const char *key);

/* Write the index as depmod would.  0, or -1 when out of memory. */
extern int
kmod_index_write (const struct kmod_index *idx, uint8_t **data, size_t *size);

extern void kmod_index_free (struct kmod_index *idx);

#endif /* V2V_KMOD_INDEX_H */
