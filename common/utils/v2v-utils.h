/* SPDX-License-Identifier: BSD-3-Clause */

/* The few helpers that everything shares.  Nothing here knows nbdkit,
 * libguestfs or libnbd.
 */

#ifndef V2V_UTILS_H
#define V2V_UTILS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define V2V_MIN(a, b) ((a) < (b) ? (a) : (b))
#define V2V_MAX(a, b) ((a) > (b) ? (a) : (b))
#define V2V_ARRAY_SIZE(a) (sizeof (a) / sizeof ((a)[0]))

/* Round N to a multiple of M, which is a power of two. */
static inline uint64_t
v2v_round_down (uint64_t n, uint64_t m)
{
  return n & ~(m - 1);
}

static inline uint64_t
v2v_round_up (uint64_t n, uint64_t m)
{
  return (n + m - 1) & ~(m - 1);
}

/* The number in the N bytes (at most 8) at P, the least or the most
 * significant byte first.  P need not be aligned.
 */
static inline uint64_t
v2v_le (const void *p, size_t n)
{
  const uint8_t *b = p;
  uint64_t r = 0;

  while (n > 0)
    r = r << 8 | b[--n];
  return r;
}

static inline uint64_t
v2v_be (const void *p, size_t n)
{
  const uint8_t *b = p;
  uint64_t r = 0;

  while (n-- > 0)
    r = r << 8 | *b++;
  return r;
}

/* Clean-up attributes. */
static inline void
v2v_cleanup_free (void *p)
{
  free (*(void **)p);
}

static inline void
v2v_cleanup_close (int *fd)
{
  if (*fd >= 0)
    close (*fd);
}

static inline void
v2v_cleanup_unlock (pthread_mutex_t **m)
{
  pthread_mutex_unlock (*m);
}

#define CLEANUP_FREE __attribute__ ((cleanup (v2v_cleanup_free)))
#define CLEANUP_CLOSE __attribute__ ((cleanup (v2v_cleanup_close)))

#define V2V_PASTE_(a, b) a##b
#define V2V_PASTE(a, b) V2V_PASTE_ (a, b)
#define ACQUIRE_LOCK_FOR_CURRENT_SCOPE(lock) \
  __attribute__ ((cleanup (v2v_cleanup_unlock))) \
  pthread_mutex_t *V2V_PASTE (v2v_lock_, __LINE__) = (lock); \
  pthread_mutex_lock (V2V_PASTE (v2v_lock_, __LINE__))

#endif /* V2V_UTILS_H */
