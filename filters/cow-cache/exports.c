/* SPDX-License-Identifier: BSD-3-Clause */

/* One overlay per export, keyed by the canonical name.
 *
 * An entry is made when a connection first prepares the export and lives
 * until the server ends: connections come and go (nbdkit-retry-filter
 * above or below reopens at any time), the data stays.
 *
 * The server resolves the empty name for a client's connection, but not
 * for a context that a filter above opens by itself.  Hence the answer of
 * .default_export is kept and used for those.
 *
 * A persistent store must belong to the source.  Without an identity given
 * by the user it is a digest of samples of the source's data: the first
 * MiB, the last 64 KiB and 64 KiB from each 32nd part in between.  Another
 * disk differs there (partition table, UUIDs, superblocks); a disk that
 * was only changed here and there may not, which the manual says.
 *
 * Locks: list_lock protects the list and the default's name; an entry's
 * lock its overlay while it is made.  list_lock is never held while the
 * layer below is called.
 */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nbdkit-filter.h>

#include "cow-cache.h"
#include "v2v-utils.h"

struct export
{
  struct export *link; /* by list_lock */
  char *name;
  pthread_mutex_t lock;
  struct overlay *ov; /* by lock; set once */
};

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct export *list;
static char *default_name;

void
exports_set_default (const char *name)
{
  char *copy = name && name[0] ? strdup (name) : NULL;

  pthread_mutex_lock (&list_lock);
  free (default_name);
  default_name = copy;
  pthread_mutex_unlock (&list_lock);
}

char *
exports_canonical_name (const char *name)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&list_lock);
  if (name[0] == '\0' && default_name)
    name = default_name;
  return strdup (name);
}

static struct export *
find_or_add (const char *name)
{
  struct export *e;

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&list_lock);
  for (e = list; e; e = e->link)
    if (strcmp (e->name, name) == 0)
      return e;
  e = calloc (1, sizeof *e);
  if (e == NULL || (e->name = strdup (name)) == NULL) {
    nbdkit_error ("malloc: %m");
    free (e);
    return NULL;
  }
  pthread_mutex_init (&e->lock, NULL);
  e->link = list;
  list = e;
  return e;
}

static void
log_message (void *opaque, char level, const char *message)
{
  const struct export *e = opaque;

  switch (level) {
  case 'e':
    nbdkit_error ("export \"%s\": %s", e->name, message);
    break;
  case 'w':
    nbdkit_error ("warning: export \"%s\": %s", e->name, message);
    break;
  default:
    nbdkit_debug ("v2v-cow-cache: export \"%s\": %s", e->name, message);
  }
}

/* Two 64 bit sums with different steps; finds accidents. */
struct digest {
  uint64_t a, b;
};

static void
add_to_digest (struct digest *d, const uint8_t *p, size_t n)
{
  size_t i;

  for (i = 0; i < n; ++i) {
    d->a = (d->a ^ p[i]) * UINT64_C (0x100000001b3);
    d->b = (d->b + p[i] + 1) * UINT64_C (0x9e3779b97f4a7c15);
    d->b ^= d->b >> 31;
  }
}

/* Read [offset, offset+count) widened to 64 KiB, the largest minimum
 * block size there is.
 */
static int
sample (nbdkit_next *next, uint64_t size, uint64_t offset, uint64_t count,
        uint32_t max, struct digest *d)
{
  const uint64_t unit = 65536;
  uint64_t end = V2V_MIN (v2v_round_up (offset + count, unit), size);
  CLEANUP_FREE uint8_t *buf = NULL;
  int err = 0;

  offset = v2v_round_down (offset, unit);
  if (max < unit)
    end = V2V_MIN (end, offset + max);
  buf = malloc (unit);
  if (buf == NULL) {
    nbdkit_error ("malloc: %m");
    return -1;
  }
  while (offset < end) {
    const uint32_t n = V2V_MIN (V2V_MIN (end - offset, unit), max);

    if (next->pread (next, buf, n, offset, 0, &err) == -1) {
      errno = err;
      nbdkit_error ("v2v-cow-cache: cannot read the source to identify it: "
                    "%m; v2v-cow-cache-identity=STRING avoids this");
      return -1;
    }
    add_to_digest (d, buf, n);
    offset += n;
  }
  return 0;
}

static char *
make_identity (nbdkit_next *next, uint64_t size, uint32_t max)
{
  struct digest d = { UINT64_C (0xcbf29ce484222325), 1 };
  const uint64_t step = size / 32;
  uint64_t i;
  char *s;

  if (sample (next, size, 0, V2V_MIN (size, 1024 * 1024), max, &d) == -1)
    return NULL;
  for (i = 1; step >= 1024 * 1024 && i < 32; ++i)
    if (sample (next, size, i * step, 4096, max, &d) == -1)
      return NULL;
  if (size > 65536 && sample (next, size, size - 1, 1, max, &d) == -1)
    return NULL;
  if (asprintf (&s, "samples:%016" PRIx64 "%016" PRIx64, d.a, d.b) == -1) {
    nbdkit_error ("asprintf: %m");
    return NULL;
  }
  return s;
}

static int
open_overlay (struct export *e, nbdkit_next *next, uint64_t size)
{
  struct overlay_options o = {
    .store = settings.store,
    .dir = settings.dir,
    .name = e->name,
    .identity = settings.identity,
    .copy_on_read = settings.copy_on_read,
    .clean_limit = settings.max_size,
    .fetch_unit = settings.fetch_unit,
    .max_request = settings.max_request,
    .log = log_message,
    .log_opaque = e,
  };
  CLEANUP_FREE char *identity = NULL;
  uint32_t minimum, preferred, maximum;
  int err;

  if (next->block_size (next, &minimum, &preferred, &maximum) == -1)
    return -1;
  o.min_request = minimum;
  if (maximum > 0 && (o.max_request == 0 || maximum < o.max_request))
    o.max_request = V2V_MIN (maximum, 32 * 1024 * 1024);
  if (o.store == OVERLAY_STORE_PERSISTENT && o.identity == NULL) {
    o.identity = identity = make_identity (
      next, size, o.max_request ? o.max_request : 32 * 1024 * 1024);
    if (identity == NULL)
      return -1;
  }
  e->ov = overlay_open (size, &o, &err);
  if (e->ov == NULL) {
    errno = err;
    nbdkit_error ("v2v-cow-cache: export \"%s\" has no overlay: %m", e->name);
    return -1;
  }
  return 0;
}

struct overlay *
exports_get (const char *name, nbdkit_next *next)
{
  struct export *e;
  int64_t size;

  size = next->get_size (next);
  if (size == -1)
    return NULL;
  e = find_or_add (name);
  if (e == NULL)
    return NULL;

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&e->lock);
  if (e->ov == NULL && open_overlay (e, next, size) == -1)
    return NULL;
  if (overlay_size (e->ov) != (uint64_t)size) {
    nbdkit_error ("v2v-cow-cache: export \"%s\" had %" PRIu64 " bytes and "
                  "now has %" PRIi64 ": the source must not change; "
                  "restart the server",
                  name, overlay_size (e->ov), size);
    return NULL;
  }
  return e->ov;
}

void
exports_close_all (void)
{
  struct export *e, *link;

  for (e = list; e; e = link) {
    link = e->link;
    if (e->ov) {
      struct overlay_stats st;

      overlay_get_stats (e->ov, &st);
      nbdkit_debug ("v2v-cow-cache: export \"%s\": source requests %" PRIu64
                    ", bytes %" PRIu64 "; clean %" PRIu64 ", dirty %" PRIu64
                    ", zero %" PRIu64 ", evicted %" PRIu64,
                    e->name, st.source_reads, st.source_bytes, st.clean_bytes,
                    st.dirty_bytes, st.zero_bytes, st.evicted_bytes);
      overlay_close (e->ov);
    }
    pthread_mutex_destroy (&e->lock);
    free (e->name);
    free (e);
  }
  list = NULL;
  free (default_name);
  default_name = NULL;
}
