/* SPDX-License-Identifier: BSD-3-Clause */

/* The overlay engine against a flat reference.
 *
 * Four threads do random reads, writes, zeroes, caching, flushes and
 * extents queries at once.  Every thread owns segments of an odd length,
 * so that blocks, fetch units and groups are shared between threads but
 * bytes are not; now and then one works on a large range alone.
 *
 * Every byte has one of 16 values: 0 is a zero byte, the others depend on
 * the position too.  The reference remembers which value a byte has and,
 * for a persistent store, which ones it may have after a crash: the one
 * that the last flush covered or any written since.
 *
 * OVERLAY_MODEL_OPS   operations in total per test (default below)
 * OVERLAY_MODEL_SEED  of the random numbers (default 1)
 */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "overlay.h"
#include "v2v-utils.h"

#define THREADS 4
#define SEGMENT 10007
#ifdef __SANITIZE_THREAD__
#define DEFAULT_OPS 4000        /* ten times slower */
#else
#define DEFAULT_OPS 20000
#endif

static unsigned long nr_ops = DEFAULT_OPS;
static unsigned seed = 1;

enum extents_kind { EXTENTS_NONE, EXTENTS_EXACT, EXTENTS_FAILING };

struct model {
  /* Constant while threads run. */
  uint64_t size;
  uint32_t min_request, max_request;
  enum extents_kind extents;
  unsigned error_rate;          /* one source request in so many fails */
  unsigned delay_rate;          /* one in so many is slow */
  bool crashes;
  unsigned long ops;
  struct overlay *ov;
  struct overlay_source src;

  pthread_rwlock_t large;       /* held for writing by large operations */

  /* Shared with the parent, which outlives a killed child. */
  struct shared {
    _Atomic unsigned long done;
    _Atomic int failed;
    char message[256];
  } *sh;
  uint8_t *source;              /* values of the source */
  uint8_t *ref;                 /* values now; by owner of the byte */
  uint16_t *allowed;            /* values that a crash may leave */
};

/* xorshift: one state per thread. */
static uint64_t
rnd (uint64_t *s)
{
  *s ^= *s << 13;
  *s ^= *s >> 7;
  *s ^= *s << 17;
  return *s;
}

static uint8_t
encode (uint64_t pos, uint8_t value)
{
  return value == 0 ? 0 : value << 4 | ((pos ^ (pos >> 12) * 7) & 15);
}

static void
fail_model (struct model *m, const char *fs, ...)
{
  va_list args;

  if (atomic_exchange (&m->sh->failed, 1))
    return;
  va_start (args, fs);
  vsnprintf (m->sh->message, sizeof m->sh->message, fs, args);
  va_end (args);
}

/* Called by the engine where threads may meet. */
void
overlay_race_point (void)
{
  static _Thread_local uint64_t s;
  uint64_t r;

  if (s == 0)
    s = (uintptr_t)&s * 0x9e3779b97f4a7c15;
  r = rnd (&s);
  if (r % (nr_ops > 100000 ? 512 : 16) == 0) {
    const struct timespec ts = { 0, r / 16 % 200000 };

    nanosleep (&ts, NULL);
  }
  else if (r % 16 < 4)
    sched_yield ();
}

/* The source. */
static _Atomic uint64_t source_rnd = 88172645463325252;

static int
source_pread (void *opaque, void *buf, uint32_t count, uint64_t offset,
              int *err)
{
  struct model *m = opaque;
  uint64_t r = atomic_fetch_add (&source_rnd, 0x9e3779b97f4a7c15), i;
  uint8_t *p = buf;

  r = (r ^ r >> 30) * 0xbf58476d1ce4e5b9;
  r ^= r >> 27;
  if (count == 0 || offset + count > m->size || offset % m->min_request ||
      (count % m->min_request && offset + count != m->size) ||
      (m->max_request && count > m->max_request))
    fail_model (m, "source asked for %u bytes at %llu", count,
                (unsigned long long)offset);
  if (m->delay_rate && r % m->delay_rate == 0) {
    struct timespec ts = { 0, 50000 + r / 256 % 500000 };

    nanosleep (&ts, NULL);
  }
  if (m->error_rate && r / 7 % m->error_rate == 0) {
    *err = EIO;
    return -1;
  }
  for (i = 0; i < count; ++i)
    p[i] = encode (offset + i, m->source[offset + i]);
  return 0;
}

static int
source_extents (void *opaque, uint64_t count, uint64_t offset,
                overlay_extent_cb cb, void *cb_opaque, int *err)
{
  struct model *m = opaque;
  const uint64_t end = offset + V2V_MIN (count, 1000003);
  int r;

  if (m->extents == EXTENTS_FAILING) {
    *err = EIO;
    return -1;
  }
  while (offset < end && offset < m->size) {
    const bool zero = m->source[offset] == 0;
    uint64_t n = 1;

    while (offset + n < m->size && (m->source[offset + n] == 0) == zero)
      n++;
    r = cb (cb_opaque, offset, n,
            zero ? OVERLAY_EXTENT_HOLE | OVERLAY_EXTENT_ZERO : 0);
    if (r != 0)
      return r == -1 ? -1 : 0;
    offset += n;
  }
  return 0;
}

static const struct overlay_source_ops with_extents = {
  .pread = source_pread, .extents = source_extents,
};
static const struct overlay_source_ops without_extents = {
  .pread = source_pread,
};

static void *
map_shared (size_t len)
{
  void *p = mmap (NULL, len, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

  assert_ptr_not_equal (p, MAP_FAILED);
  return p;
}

static void
create_model (struct model *m)
{
  uint64_t s = seed * 0x9e3779b97f4a7c15 + 1, i, n;

  if (m->min_request == 0)
    m->min_request = 1;
  if (m->ops == 0)
    m->ops = nr_ops;
  m->sh = map_shared (sizeof *m->sh);
  m->source = map_shared (m->size + 1);
  m->ref = map_shared (m->size + 1);
  m->allowed = map_shared ((m->size + 1) * sizeof m->allowed[0]);
  pthread_rwlock_init (&m->large, NULL);

  /* Runs of data and zeroes: aligned or not, short or long. */
  for (i = 0; i < m->size; i += n) {
    const bool zero = rnd (&s) % 3 == 0;

    n = 1 + rnd (&s) % (rnd (&s) % 4 ? 200000 : 5000);
    if (rnd (&s) % 2)
      n = v2v_round_up (i + n, OVERLAY_BLOCK_SIZE) - i;
    n = V2V_MIN (n, m->size - i);
    memset (m->source + i, zero ? 0 : 1 + rnd (&s) % 15, n);
  }
  memcpy (m->ref, m->source, m->size);
  for (i = 0; i < m->size; ++i)
    m->allowed[i] = 1 << m->ref[i];
  m->src.ops = m->extents == EXTENTS_NONE ? &without_extents : &with_extents;
  m->src.opaque = m;
}

/* Start again with an empty overlay over what the disk is now. */
static void
new_source (struct model *m)
{
  memcpy (m->source, m->ref, m->size);
}

static void
destroy_model (struct model *m)
{
  munmap (m->sh, sizeof *m->sh);
  munmap (m->source, m->size + 1);
  munmap (m->ref, m->size + 1);
  munmap (m->allowed, (m->size + 1) * sizeof m->allowed[0]);
  pthread_rwlock_destroy (&m->large);
}

/* One connection. */
struct client {
  struct model *m;
  unsigned id;
  uint64_t s;
  uint8_t *buf;
};

struct extents_check {
  struct model *m;
  uint64_t pos, end;
};

static int
check_extent (void *opaque, uint64_t offset, uint64_t length, uint32_t type)
{
  struct extents_check *c = opaque;
  uint64_t i;

  if (offset != c->pos || length == 0 || length > c->end - offset)
    fail_model (c->m, "extents: %llu+%llu after %llu, end %llu",
                (unsigned long long)offset, (unsigned long long)length,
                (unsigned long long)c->pos, (unsigned long long)c->end);
  else if (type & OVERLAY_EXTENT_ZERO)
    for (i = 0; i < length; ++i)
      if (c->m->ref[offset + i] != 0) {
        fail_model (c->m, "extents call %llu zero, but it is data",
                    (unsigned long long)(offset + i));
        break;
      }
  c->pos = offset + length;
  return atomic_load (&c->m->sh->failed) ? -1 : 0;
}

/* Repeat what the source failed: a failed write leaves either. */
#define RETRY(call)                                                           \
  do {                                                                        \
    int tries_ = 0;                                                           \
    while ((call) == -1) {                                                    \
      if (!m->error_rate || err != EIO || ++tries_ > 1000) {                  \
        fail_model (m, "%s: %s", #call, strerror (err));                      \
        return;                                                               \
      }                                                                       \
    }                                                                         \
  } while (0)

static void
do_read (struct client *c, uint64_t pos, uint64_t n)
{
  struct model *m = c->m;
  uint64_t i;
  int err;

  RETRY (overlay_pread (m->ov, &m->src, c->buf, n, pos, &err));
  for (i = 0; i < n; ++i)
    if (c->buf[i] != encode (pos + i, m->ref[pos + i])) {
      fail_model (m, "read %llu+%llu: byte %llu is %02x, should be %02x",
                  (unsigned long long)pos, (unsigned long long)n,
                  (unsigned long long)(pos + i), c->buf[i],
                  encode (pos + i, m->ref[pos + i]));
      return;
    }
}

static void
will_be (struct model *m, uint64_t pos, uint64_t n, uint8_t value)
{
  uint64_t i;

  for (i = pos; i < pos + n; ++i)
    m->allowed[i] |= 1 << value;
}

static void
do_write (struct client *c, uint64_t pos, uint64_t n)
{
  struct model *m = c->m;
  const uint8_t value = rnd (&c->s) % 16;
  uint64_t i;
  int err;

  for (i = 0; i < n; ++i)
    c->buf[i] = encode (pos + i, value);
  will_be (m, pos, n, value);
  RETRY (overlay_pwrite (m->ov, &m->src, c->buf, n, pos, &err));
  memset (m->ref + pos, value, n);
}

static void
do_zero (struct client *c, uint64_t pos, uint64_t n)
{
  struct model *m = c->m;
  int err;

  will_be (m, pos, n, 0);
  RETRY (overlay_zero (m->ov, &m->src, n, pos, &err));
  memset (m->ref + pos, 0, n);
}

static void
do_extents (struct client *c, uint64_t pos, uint64_t n, bool one)
{
  struct model *m = c->m;
  struct extents_check e = { .m = m, .pos = pos, .end = pos + n };
  int err;

  RETRY (overlay_extents (m->ov, &m->src, n, pos, one, check_extent, &e,
                          &err));
  if (e.pos == pos || (!one && e.pos != e.end))
    fail_model (m, "extents end at %llu of %llu+%llu",
                (unsigned long long)e.pos, (unsigned long long)pos,
                (unsigned long long)n);
}

/* All bytes of this client are covered by the flush: it does nothing else
 * meanwhile.
 */
static void
do_flush (struct client *c, bool all)
{
  struct model *m = c->m;
  uint64_t i, j;
  int err;

  RETRY (overlay_flush (m->ov, &err));
  for (i = all ? 0 : c->id; i * SEGMENT < m->size; i += all ? 1 : THREADS)
    for (j = i * SEGMENT; j < V2V_MIN ((i + 1) * SEGMENT, m->size); ++j)
      m->allowed[j] = 1 << m->ref[j];
}

static void
one_op (struct client *c)
{
  struct model *m = c->m;
  const uint64_t segments = (m->size + SEGMENT - 1) / SEGMENT;
  const bool large = rnd (&c->s) % 64 == 0;
  uint64_t start, end, pos, n;
  int err;

  if (large) {
    start = 0;
    end = m->size;
  }
  else {
    uint64_t i = rnd (&c->s) % segments / THREADS * THREADS + c->id;

    if (i >= segments)
      i = c->id;
    if (i >= segments)
      return;
    start = i * SEGMENT;
    end = V2V_MIN (start + SEGMENT, m->size);
  }
  pos = start + rnd (&c->s) % (end - start);
  n = 1 + rnd (&c->s) % (rnd (&c->s) % 4 ? end - pos
                         : V2V_MIN (end - pos, 700));
  if (large)
    n = V2V_MIN (n, 1500000);
  if (rnd (&c->s) % 2) {        /* aligned, if it can be */
    const uint64_t a = v2v_round_up (pos, OVERLAY_BLOCK_SIZE);
    const uint64_t e = v2v_round_down (pos + n, OVERLAY_BLOCK_SIZE);

    if (a < e) {
      pos = a;
      n = e - a;
    }
  }

  if (large)
    pthread_rwlock_wrlock (&m->large);
  else
    pthread_rwlock_rdlock (&m->large);
  switch (rnd (&c->s) % 16) {
  case 0: case 1: case 2: case 3: case 4: case 5:
    do_read (c, pos, n);
    break;
  case 6: case 7: case 8: case 9:
    do_write (c, pos, n);
    break;
  case 10: case 11:
    do_zero (c, pos, n);
    break;
  case 12:
    RETRY (overlay_cache (m->ov, &m->src, n, pos, &err));
    break;
  case 13: case 14:
    do_extents (c, pos, n, rnd (&c->s) % 2);
    break;
  case 15:
    if (rnd (&c->s) % (m->crashes ? 4 : 32) == 0)
      do_flush (c, large);
    if (rnd (&c->s) % 32 == 0)
      overlay_set_copy_on_read (m->ov, rnd (&c->s) % 4 != 0);
    break;
  }
  pthread_rwlock_unlock (&m->large);
}

static void *
client_thread (void *opaque)
{
  struct client *c = opaque;

  while (!atomic_load (&c->m->sh->failed) &&
         atomic_fetch_add (&c->m->sh->done, 1) < c->m->ops)
    one_op (c);
  return NULL;
}

static void
run_clients (struct model *m, unsigned round)
{
  struct client c[THREADS];
  pthread_t thread[THREADS];
  unsigned i;

  for (i = 0; i < THREADS; ++i) {
    c[i].m = m;
    c[i].id = i;
    c[i].s = (seed * 1000003 + round * 101 + i + 1) * 0x9e3779b97f4a7c15;
    c[i].buf = malloc (1500000 + SEGMENT);
    assert_non_null (c[i].buf);
    assert_int_equal (pthread_create (&thread[i], NULL, client_thread, &c[i]),
                      0);
  }
  for (i = 0; i < THREADS; ++i) {
    pthread_join (thread[i], NULL);
    free (c[i].buf);
  }
}

/* At the end every byte is as in the reference. */
static void
check_all (struct model *m)
{
  struct client c = { .m = m, .buf = malloc (m->size + 1) };

  assert_non_null (c.buf);
  if (m->size > 0) {
    do_read (&c, 0, m->size);
    do_extents (&c, 0, m->size, false);
  }
  free (c.buf);
}

static void
finish (struct model *m)
{
  if (m->sh->failed)
    print_error ("seed %u: %s\n", seed, m->sh->message);
  assert_int_equal (m->sh->failed, 0);
}

static void
print_log (void *opaque, char level, const char *message)
{
  (void)opaque;
  if (level == 'e' || getenv ("OVERLAY_MODEL_VERBOSE"))
    fprintf (stderr, "# %c: %s\n", level, message);
}

static void
run_model (struct model *m, const struct overlay_options *options)
{
  struct overlay_options o = *options;
  struct overlay_stats st;
  unsigned long total;
  unsigned round = 0;
  int err;

  o.log = print_log;
  o.min_request = m->min_request;
  o.max_request = m->max_request;
  create_model (m);
  total = m->ops;
  /* Most blocks become known soon, hence many short rounds. */
  for (m->ops = 0; m->ops < total && !m->sh->failed; round++) {
    atomic_store (&m->sh->done, m->ops);
    m->ops = V2V_MIN (m->ops + V2V_MAX (total / 1000, 400), total);
    m->ov = overlay_open (m->size, &o, &err);
    assert_non_null (m->ov);
    run_clients (m, round);
    check_all (m);
    overlay_get_stats (m->ov, &st);
    if (o.clean_limit)
      assert_true (st.clean_bytes <= o.clean_limit + THREADS * 4096);
    overlay_close (m->ov);
    new_source (m);
  }
  finish (m);
  destroy_model (m);
}

static void
test_copy_on_write (void **state)
{
  struct model m = { .size = 8 * 1024 * 1024 + 777, .extents = EXTENTS_EXACT,
                     .delay_rate = 50 };
  struct overlay_options o = { .store = OVERLAY_STORE_TMPFILE };

  (void)state;
  run_model (&m, &o);
}

static void
test_copy_on_read (void **state)
{
  struct model m = { .size = 6 * 1024 * 1024 + 1, .extents = EXTENTS_EXACT,
                     .delay_rate = 20 };
  struct overlay_options o = { .store = OVERLAY_STORE_MEMFD,
                               .copy_on_read = true };

  (void)state;
  run_model (&m, &o);
}

static void
test_no_extents (void **state)
{
  struct model m = { .size = 12 * 1024 * 1024 + 4095, .delay_rate = 20 };
  struct overlay_options o = { .store = OVERLAY_STORE_MEMFD,
                               .copy_on_read = true, .fetch_unit = 4096 };

  (void)state;
  run_model (&m, &o);
}

static void
test_eviction (void **state)
{
  struct model m = { .size = 16 * 1024 * 1024 + 512,
                     .extents = EXTENTS_EXACT, .delay_rate = 50 };
  struct overlay_options o = { .store = OVERLAY_STORE_MEMFD,
                               .copy_on_read = true,
                               .clean_limit = 1024 * 1024 };

  (void)state;
  run_model (&m, &o);
}

static void
test_source_errors (void **state)
{
  struct model m = { .size = 6 * 1024 * 1024 + 63 * 512,
                     .extents = EXTENTS_FAILING, .error_rate = 5,
                     .delay_rate = 20 };
  struct overlay_options o = { .store = OVERLAY_STORE_MEMFD,
                               .copy_on_read = true };

  (void)state;
  run_model (&m, &o);
}

static void
test_source_limits (void **state)
{
  struct model m = { .size = 6 * 1024 * 1024 + 512, .min_request = 512,
                     .max_request = 96 * 1024, .extents = EXTENTS_EXACT };
  struct model large_blocks = { .size = 6 * 1024 * 1024,
                                .min_request = 65536,
                                .max_request = 65536 };
  struct overlay_options o = { .store = OVERLAY_STORE_MEMFD,
                               .copy_on_read = true };

  (void)state;
  run_model (&m, &o);
  large_blocks.ops = nr_ops / 4;
  run_model (&large_blocks, &o);
}

static void
test_sizes (void **state)
{
  static const uint64_t sizes[] = {
    0, 1, 511, 512, 4095, 4096, 4097, 65535, 262143, 262145, 40000,
  };
  size_t i;

  (void)state;
  for (i = 0; i < V2V_ARRAY_SIZE (sizes); ++i) {
    struct model m = { .size = sizes[i], .extents = i % 3,
                       .ops = sizes[i] ? nr_ops / 20 : 1 };
    struct overlay_options o = { .store = OVERLAY_STORE_MEMFD,
                                 .copy_on_read = i % 2 };

    if (sizes[i] == 0)
      m.extents = EXTENTS_NONE;
    if (m.size) {
      run_model (&m, &o);
    }
    else {
      int err;
      struct overlay *ov = overlay_open (0, &o, &err);

      assert_non_null (ov);
      overlay_close (ov);
    }
  }
}

/* The persistent store: a child works on it and is killed. */

static char dir[] = "/tmp/overlay-model-XXXXXX";

static void
remove_dir (void)
{
  char cmd[sizeof dir + 16];
  pid_t pid;

  snprintf (cmd, sizeof cmd, "%s", dir);
  pid = fork ();
  if (pid == 0) {
    execlp ("rm", "rm", "-rf", cmd, NULL);
    _exit (127);
  }
  waitpid (pid, NULL, 0);
}

/* After a crash: what a flush covered is there, everything else is old or
 * new; what it is now it must stay.
 */
static void
check_after_crash (struct model *m)
{
  CLEANUP_FREE uint8_t *buf = malloc (m->size);
  uint64_t i;
  int err;

  assert_non_null (buf);
  while (overlay_pread (m->ov, &m->src, buf, m->size, 0, &err) == -1)
    assert_int_equal (err, EIO);
  for (i = 0; i < m->size; ++i) {
    const uint8_t value = buf[i] >> 4;

    if (buf[i] != encode (i, value) || !((m->allowed[i] >> value) & 1)) {
      fail_model (m, "after a crash byte %llu is %02x, allowed are %04x",
                  (unsigned long long)i, buf[i], m->allowed[i]);
      return;
    }
    m->ref[i] = value;
    m->allowed[i] = 1 << value;
  }
}

static void
crash_rounds (uint64_t clean_limit)
{
  struct model m = { .size = 3 * 1024 * 1024 + 555, .crashes = true,
                     .extents = EXTENTS_EXACT, .delay_rate = 200 };
  struct overlay_options o = { .store = OVERLAY_STORE_PERSISTENT,
                               .dir = dir, .name = "disk/0",
                               .identity = "model", .copy_on_read = true,
                               .clean_limit = clean_limit,
                               .log = print_log };
  uint64_t s = seed * 77 + 5;
  unsigned round = 0, kills = 0, stores = 0;
  unsigned long total;

  create_model (&m);
  total = m.ops;
  while (atomic_load (&m.sh->done) < total && !m.sh->failed) {
    const unsigned long before = atomic_load (&m.sh->done);
    const unsigned long target = before + 20 + rnd (&s) % 400;
    const bool orderly = rnd (&s) % 8 == 0;
    int status, err;
    pid_t pid;

    /* With a new store now and then: an old one is all dirty. */
    if (round == 0 || rnd (&s) % 5 == 0) {
      if (round > 0)
        remove_dir ();
      strcpy (dir + sizeof dir - 7, "XXXXXX");
      assert_non_null (mkdtemp (dir));
      new_source (&m);
      stores++;
    }
    m.ops = total;
    fflush (NULL);
    pid = fork ();
    assert_int_not_equal (pid, -1);
    if (pid == 0) {
      m.ov = overlay_open (m.size, &o, &err);
      if (m.ov == NULL)
        fail_model (&m, "open: %s", strerror (err));
      else {
        check_after_crash (&m);
        if (orderly)
          m.ops = V2V_MIN (total, target);
        run_clients (&m, round);
        if (!m.sh->failed)
          check_all (&m);
        overlay_close (m.ov);
      }
      _exit (m.sh->failed);
    }
    /* Kill it when it has done enough, wherever it is then. */
    status = -1;
    while (waitpid (pid, &status, WNOHANG) == 0) {
      const struct timespec ts = { 0, 200000 };

      if (!orderly && atomic_load (&m.sh->done) >= target) {
        kill (pid, SIGKILL);
        waitpid (pid, &status, 0);
        break;
      }
      nanosleep (&ts, NULL);
    }
    if (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL)
      kills++;
    else if (WIFSIGNALED (status))
      fail_model (&m, "child died of signal %d", WTERMSIG (status));
    else if (WEXITSTATUS (status) != 0)
      fail_model (&m, "child failed");
    round++;
  }
  remove_dir ();
  finish (&m);
  print_message ("# %u stores, %u rounds, %u kills, %lu operations\n",
                 stores, round, kills, (unsigned long)m.sh->done);
  assert_true (kills > 0);
  destroy_model (&m);
}

static void
test_crash (void **state)
{
  (void)state;
  crash_rounds (0);
}

static void
test_crash_eviction (void **state)
{
  (void)state;
  crash_rounds (512 * 1024);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_sizes),
    cmocka_unit_test (test_copy_on_write),
    cmocka_unit_test (test_copy_on_read),
    cmocka_unit_test (test_no_extents),
    cmocka_unit_test (test_eviction),
    cmocka_unit_test (test_source_errors),
    cmocka_unit_test (test_source_limits),
    cmocka_unit_test (test_crash),
    cmocka_unit_test (test_crash_eviction),
  };

  if (getenv ("OVERLAY_MODEL_OPS"))
    nr_ops = strtoul (getenv ("OVERLAY_MODEL_OPS"), NULL, 10);
  if (getenv ("OVERLAY_MODEL_SEED"))
    seed = strtoul (getenv ("OVERLAY_MODEL_SEED"), NULL, 10);
  if (getenv ("OVERLAY_MODEL_ONLY"))
    cmocka_set_test_filter (getenv ("OVERLAY_MODEL_ONLY"));
  return cmocka_run_group_tests_name ("overlay model", tests, NULL, NULL);
}
