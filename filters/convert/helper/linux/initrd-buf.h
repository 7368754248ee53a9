/* SPDX-License-Identifier: BSD-3-Clause */

/* A growing byte buffer with a cap, used by everything that writes or
 * unpacks in the initrd engine.  Once an operation has failed the buffer
 * stays failed, so that a writer checks once, at its end.
 */

#ifndef V2V_INITRD_BUF_H
#define V2V_INITRD_BUF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct initrd_buf {
  uint8_t *data;  /* malloc'ed, or NULL while empty */
  size_t size;    /* bytes in use */
  size_t alloc;   /* bytes allocated */
  size_t max;     /* size never exceeds this; 0 = no cap */
  bool too_large; /* failed because of max */
  bool no_memory; /* failed because malloc did */
};

/* Make room for N more bytes.  0 or -1. */
static inline int
initrd_buf_reserve (struct initrd_buf *b, size_t n)
{
  size_t want, alloc;
  uint8_t *p;

  if (b->too_large || b->no_memory)
    return -1;
  if (n > SIZE_MAX - b->size || (b->max && n > b->max - b->size)) {
    b->too_large = true;
    return -1;
  }
  want = b->size + n;
  if (want <= b->alloc)
    return 0;
  alloc = b->alloc < 4096 ? 4096 : b->alloc;
  while (alloc < want)
    alloc = alloc > SIZE_MAX / 2 ? want : alloc * 2;
  if (b->max && alloc > b->max)
    alloc = b->max;
  p = realloc (b->data, alloc);
  if (p == NULL) {
    b->no_memory = true;
    return -1;
  }
  b->data = p;
  b->alloc = alloc;
  return 0;
}

static inline int
initrd_buf_append (struct initrd_buf *b, const void *data, size_t n)
{
  if (initrd_buf_reserve (b, n) == -1)
    return -1;
  if (n > 0)
    memcpy (b->data + b->size, data, n);
  b->size += n;
  return 0;
}

static inline int
initrd_buf_string (struct initrd_buf *b, const char *s)
{
  return initrd_buf_append (b, s, strlen (s));
}

static inline int
initrd_buf_zeroes (struct initrd_buf *b, size_t n)
{
  if (initrd_buf_reserve (b, n) == -1)
    return -1;
  if (n > 0)
    memset (b->data + b->size, 0, n);
  b->size += n;
  return 0;
}

static inline void
initrd_buf_free (struct initrd_buf *b)
{
  free (b->data);
  memset (b, 0, sizeof *b);
}

#endif /* V2V_INITRD_BUF_H */
