/* SPDX-License-Identifier: BSD-3-Clause */

/* What the source says about its holes.
 *
 * The source is asked once for every window of 1 GiB, when something
 * there is first needed; one thread asks, the others wait for it, and no
 * lock is held meanwhile.  The source does not change, so that the answer
 * is kept for ever.  It is stored per block, as
 *
 *   one of two constants   all data, all hole (what most windows of a
 *                          sparse terabyte are)
 *   runs                   start << 2 | type, ascending; 4 bytes each
 *   two bits per block     when there are more than MAX_RUNS runs: a
 *                          window never costs more than 64 KiB
 *
 * A block has a type bit if all bytes of it have.  If the source fails to
 * answer, the window counts as data this time and is asked again later,
 * up to MAX_FAILURES times.
 */

#include <config.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "v2v-utils.h"

#define MAX_RUNS 16384
#define MAX_FAILURES 3
#define TYPE_MASK (OVERLAY_EXTENT_HOLE | OVERLAY_EXTENT_ZERO)

struct window {
  struct window *link; /* all that were allocated; by holes_lock */
  uint32_t nr;         /* runs; 0 = bits */
  uint32_t run[];      /* or 2 × WINDOW_BLOCKS / 32 words of bits */
};

struct one_run_window {
  struct window *link;
  uint32_t nr;
  uint32_t run[1];
};

/* Windows of one run, by type; never freed. */
static struct one_run_window uniform[4] = {
  { NULL, 1, { 0 } },
  { NULL, 1, { 1 } },
  { NULL, 1, { 2 } },
  { NULL, 1, { 3 } },
};

/* Being asked for, and failed so many times. */
static char asking_tag, failed_tag[MAX_FAILURES];
#define ASKING ((struct window *)(void *)&asking_tag)
#define FAILED(i) ((struct window *)(void *)&failed_tag[i])

static bool
is_uniform (const struct window *w)
{
  return (const void *)w >= (const void *)&uniform[0] &&
         (const void *)w < (const void *)&uniform[V2V_ARRAY_SIZE (uniform)];
}

static int
failures (const struct window *w)
{
  int i;

  for (i = 0; i < MAX_FAILURES; ++i)
    if (w == FAILED (i))
      return i + 1;
  return 0;
}

static bool
is_known (const struct window *w)
{
  return w != NULL && w != ASKING && failures (w) == 0;
}

int
ov_holes_init (struct overlay *ov)
{
  ov->nr_windows = (ov->nr_blocks + WINDOW_BLOCKS - 1) / WINDOW_BLOCKS;
  ov->windows = ov_reserve (ov->nr_windows * sizeof ov->windows[0]);
  return ov->windows ? 0 : -1;
}

void
ov_holes_free (struct overlay *ov)
{
  struct window *w, *link;

  if (ov->windows == NULL)
    return;
  for (w = ov->windows_allocated; w; w = link) {
    link = w->link;
    free (w);
  }
  ov_unreserve ((void *)ov->windows, ov->nr_windows * sizeof ov->windows[0]);
}

/* Collects the source's extents of one window into runs of blocks. */
struct collector {
  uint64_t start, end; /* bytes of the window */
  uint64_t pos;        /* bytes described so far */
  uint32_t partial;    /* type of the unfinished block before pos */
  uint32_t *run;
  size_t nr, alloc;
  int err;
};

static int
add_run (struct collector *c, uint64_t byte, uint32_t type)
{
  const uint32_t block = (byte - c->start) / BLOCK;

  if (c->nr > 0 && (c->run[c->nr - 1] & TYPE_MASK) == type)
    return 0;
  if (c->nr == c->alloc) {
    const size_t want = c->alloc ? c->alloc * 2 : 64;
    uint32_t *p = realloc (c->run, want * sizeof *p);

    if (p == NULL) {
      c->err = ENOMEM;
      return -1;
    }
    c->run = p;
    c->alloc = want;
  }
  c->run[c->nr++] = block << 2 | type;
  return 0;
}

static int
collect (void *opaque, uint64_t offset, uint64_t length, uint32_t type)
{
  struct collector *c = opaque;
  uint64_t end, n;

  type &= TYPE_MASK;
  if (length > UINT64_MAX - offset)
    length = UINT64_MAX - offset;
  end = V2V_MIN (offset + length, c->end);
  if (offset > c->pos) { /* a gap: the source breaks its contract */
    c->err = EIO;
    return -1;
  }
  while (c->pos < end) {
    const uint64_t in_block = c->pos % BLOCK;

    if (in_block) {
      /* Finish the block, if the extent reaches so far. */
      n = V2V_MIN (BLOCK - in_block, end - c->pos);
      c->partial &= type;
      c->pos += n;
      if ((c->pos % BLOCK == 0 || c->pos == c->end) &&
          add_run (c, (c->pos - 1) / BLOCK * BLOCK, c->partial) == -1)
        return -1;
    }
    else if (end - c->pos >= BLOCK) {
      if (add_run (c, c->pos, type) == -1)
        return -1;
      c->pos = v2v_round_down (end, BLOCK);
    }
    else {
      c->partial = type;
      n = end - c->pos;
      if (end == c->end && add_run (c, c->pos, type) == -1)
        return -1;
      c->pos += n;
    }
  }
  return c->pos >= c->end;
}

static struct window *
make_window (const struct collector *c)
{
  struct window *w;
  size_t i;

  assert (c->run != NULL && c->nr > 0);
  if (c->nr == 1)
    return (struct window *)(void *)&uniform[c->run[0] & TYPE_MASK];

  if (c->nr <= MAX_RUNS) {
    w = malloc (sizeof *w + c->nr * sizeof w->run[0]);
    if (w == NULL)
      return NULL;
    w->nr = c->nr;
    memcpy (w->run, c->run, c->nr * sizeof w->run[0]);
    return w;
  }

  w = calloc (1, sizeof *w + WINDOW_BLOCKS / 16 * sizeof w->run[0]);
  if (w == NULL)
    return NULL;
  for (i = 0; i < c->nr; ++i) {
    const uint32_t type = c->run[i] & TYPE_MASK;
    uint32_t b = c->run[i] >> 2;
    const uint32_t end = i + 1 < c->nr ? c->run[i + 1] >> 2 : WINDOW_BLOCKS;

    for (; b < end; ++b)
      w->run[b / 16] |= type << (b % 16 * 2);
  }
  return w;
}

/* Ask the source about window I.  NULL if it fails. */
static struct window *
ask (struct overlay *ov, const struct overlay_source *src, size_t i)
{
  const uint64_t window_bytes = (uint64_t)WINDOW_BLOCKS * BLOCK;
  struct collector c = { .start = i * window_bytes };
  struct window *w = NULL;
  int err = 0;

  c.pos = c.start;
  c.end = V2V_MIN (ov->size - c.start, window_bytes) + c.start;
  while (c.pos < c.end) {
    const uint64_t before = c.pos;

    if (src->ops->extents (src->opaque, c.end - c.pos, c.pos, collect, &c,
                           &err) == -1) {
      if (err == 0)
        err = EIO;
      break;
    }
    if (c.err || c.pos == before) {
      err = c.err ? c.err : EIO;
      break;
    }
    err = 0; /* of a call that succeeded it says nothing */
  }
  if (err == 0) {
    w = make_window (&c);
    if (w == NULL)
      err = ENOMEM;
  }
  free (c.run);
  if (w == NULL) {
    bool warn;

    pthread_mutex_lock (&ov->holes_lock);
    warn = !ov->holes_warned;
    ov->holes_warned = true;
    pthread_mutex_unlock (&ov->holes_lock);
    if (warn)
      ov_log (ov, 'w',
              "the source does not tell its extents at %llu (%s): "
              "what it does not tell is taken for data",
              (unsigned long long)c.start, strerror (err));
  }
  return w;
}

void
ov_holes_load (struct overlay *ov, const struct overlay_source *src,
               uint64_t block)
{
  const size_t i = block / WINDOW_BLOCKS;
  struct window *w, *now;
  int n;

  if (src->ops->extents == NULL)
    return;
  w = atomic_load_explicit (&ov->windows[i], memory_order_acquire);
  if (is_known (w))
    return;

  pthread_mutex_lock (&ov->holes_lock);
  while ((w = atomic_load (&ov->windows[i])) == ASKING)
    pthread_cond_wait (&ov->holes_known, &ov->holes_lock);
  if (is_known (w)) {
    pthread_mutex_unlock (&ov->holes_lock);
    return;
  }
  atomic_store (&ov->windows[i], ASKING);
  pthread_mutex_unlock (&ov->holes_lock);

  now = ask (ov, src, i);
  if (now == NULL) {
    n = failures (w);
    now = n == MAX_FAILURES ? (struct window *)(void *)&uniform[0] : FAILED (n);
  }

  pthread_mutex_lock (&ov->holes_lock);
  if (is_known (now) && !is_uniform (now)) {
    now->link = ov->windows_allocated;
    ov->windows_allocated = now;
  }
  atomic_store_explicit (&ov->windows[i], now, memory_order_release);
  pthread_cond_broadcast (&ov->holes_known);
  pthread_mutex_unlock (&ov->holes_lock);
}

uint32_t
ov_holes_type (struct overlay *ov, uint64_t block, uint64_t *run)
{
  const uint32_t b = block % WINDOW_BLOCKS;
  const struct window *w = atomic_load_explicit (
    &ov->windows[block / WINDOW_BLOCKS], memory_order_acquire);
  uint32_t type, end;

  if (!is_known (w)) {
    *run = WINDOW_BLOCKS - b;
    return 0;
  }
  if (w->nr > 0) {
    /* The last run that begins at or before B. */
    uint32_t lo = 0, hi = w->nr;

    while (hi - lo > 1) {
      const uint32_t mid = lo + (hi - lo) / 2;

      if (w->run[mid] >> 2 <= b)
        lo = mid;
      else
        hi = mid;
    }
    end = hi < w->nr ? w->run[hi] >> 2 : WINDOW_BLOCKS;
    *run = end - b;
    return w->run[lo] & TYPE_MASK;
  }
  type = (w->run[b / 16] >> (b % 16 * 2)) & TYPE_MASK;
  for (end = b + 1; end < WINDOW_BLOCKS; ++end)
    if (((w->run[end / 16] >> (end % 16 * 2)) & TYPE_MASK) != type)
      break;
  *run = end - b;
  return type;
}

uint64_t
ov_holes_mask (struct overlay *ov, uint64_t g, uint32_t type)
{
  uint64_t mask = 0, run;
  unsigned i;

  for (i = 0; i < GROUP_BLOCKS; i += run) {
    const uint32_t t = ov_holes_type (ov, g * GROUP_BLOCKS + i, &run);

    run = V2V_MIN (run, GROUP_BLOCKS - i);
    if ((t & type) == type)
      mask |= ov_mask (i, run);
  }
  return mask & ov_group_mask (ov, g);
}
