/* SPDX-License-Identifier: BSD-3-Clause */

/* What the files of the filter share: how the engine (readahead.h) is put
 * into nbdkit.
 *
 * What the fetch threads may call depends on the thread model of the
 * whole stack, which nbdkit tells in get_ready:
 *
 * PARALLEL.  Fetch threads use the contexts of the connections that are
 * open, any of them, since they may be used by several threads at once.
 * No further handle of the plugin is opened.
 *
 * OWN (serialize_requests).  One request at a time per context.  Each
 * fetch thread opens a context of its own, when it first fetches.  Not
 * possible if the plugin says that its connections may differ
 * (can_multi_conn).
 *
 * LOCKED (serialize_all_requests; or serialize_requests without
 * multi-conn).  One fetch thread borrows the context of a connection.  A
 * mutex makes its calls and the connection's exclude each other: one for
 * the whole server, or one per connection.  This is why all callbacks are
 * defined in filter.c: one that is not would bypass the mutex.  Under
 * serialize_all_requests it is also why the layer below is opened,
 * finalized and closed by us rather than by the server, which would do so
 * without the mutex.
 *
 * PASSIVE.  Everything is passed on: under serialize_connections; and for a
 * named export where requests are serialized, on nbdkit < 1.43.9.  There a
 * context that one of our threads opens does not know the export's name, and
 * neither does the one that nbdkit-retry-filter opens anew, in our thread,
 * in place of a connection's.  It would show another disk (or crash: file
 * dir=...).  Our own plugin is told the name (source-exports.h).
 *
 * Locks, in this order: call lock (the server's, or a handle's), around
 * calls of the layer below; the table's in exports.c; export.lock.  The
 * engine's own lock is a leaf.  None of the latter three is held during a
 * call of the layer below, and nobody waits for the engine while holding
 * one.
 */

#ifndef V2V_READAHEAD_FILTER_H
#define V2V_READAHEAD_FILTER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-filter.h>

#include "readahead.h"

#define MAX_CONNECTIONS 64

/* parameters.c.  Constant after get_ready. */
struct parameters {
  uint64_t memory;      /* bytes, of all exports together */
  uint32_t max_request; /* bytes, 0 = what the layer below says */
  unsigned connections; /* 0 = by thread model */
};
extern struct parameters parameters;
extern const char parameters_help[];
/* .config: 1 if KEY is ours and was taken, 0 if it is not ours, -1 after
 * nbdkit_error.
 */
extern int parameters_config (const char *key, const char *value);

/* Of the whole stack; constant after get_ready. */
extern int thread_model;

enum mode { PASSIVE, PARALLEL, OWN, LOCKED };

/* A disk that clients read, and its engine.  Made by the first handle that
 * is attached to it, freed by the last that is detached.  All handles of an
 * export share it if the plugin has multi-conn (or is known to be safe);
 * otherwise each has its own.
 */
struct export
{
  struct export *next; /* exports.c's lock */
  unsigned refs;       /* the same: handles attached */

  /* Constant. */
  char *name; /* canonical: nbdkit resolved the empty one */
  int is_tls;
  uint64_t size; /* bytes */
  bool shared;   /* by all connections */
  int multi;     /* can_multi_conn */
  enum mode mode;
  struct readahead *ra;
  nbdkit_backend *backend; /* the layer below */

  /* OWN: a context per lane, used by that lane only. */
  struct own_context {
    nbdkit_next *next; /* NULL = not open */
    unsigned errors;   /* in a row */
  } * own;

  pthread_mutex_t lock;
  pthread_cond_t idle;    /* a reader has no fetch in flight */
  struct handle *readers; /* lock: whose contexts may be borrowed */
};

/* A connection.  Belongs to nbdkit between .open and .close; its own
 * thread, or threads, use it without a lock but for what export->lock
 * protects.
 */
struct handle {
  char *name;
  int is_tls;
  nbdkit_backend *backend; /* the layer below */
  int64_t open_ns;         /* how long opening the layer below took */

  nbdkit_next *own; /* the layer below, if we opened it */
  bool own_prepared;

  struct export *export;      /* NULL while PASSIVE */
  pthread_mutex_t *call_lock; /* LOCKED or `own': around every call */
  pthread_mutex_t lock;       /* may be call_lock */

  /* Protected by export->lock. */
  struct handle *next_reader;
  nbdkit_next *reader_next; /* what fetch threads call */
  unsigned borrowed;        /* fetches in flight */
};

/* exports.c: the exports that are open.  Any thread may call these; no call
 * lock may be held but where it is said.
 */

/* Choose how to work for H, whose layer below (NEXT) was just prepared and
 * which is locked by its call lock, if it has one.  -1 after nbdkit_error.
 */
extern int export_attach (struct handle *h, nbdkit_next *next);
/* H's context is not used any more when this returns.  Waits for a request
 * in flight.  Idempotent.
 */
extern void export_detach (struct handle *h);
/* The disk changes: every export but SELF (may be NULL) may hold the same
 * one under another name.
 */
extern void
exports_invalidate (const struct export *self, uint32_t count, uint64_t offset);
/* Nobody is attached any more. */
extern void exports_free (void);

/* source.c: the layer below as what the engine fetches from.  OPAQUE of
 * both is a struct export.
 */
extern const struct readahead_source_ops source_ops;
extern const struct readahead_source_ops source_ops_no_extents;
/* Fetch threads may (may no longer) borrow H's context, which is NEXT.
 * source_withdraw waits for a request in flight; idempotent.
 */
extern void
source_offer (struct export *x, struct handle *h, nbdkit_next *next);
extern void source_withdraw (struct export *x, struct handle *h);
/* Would a context that is opened in a fetch thread know that it is for the
 * export NAME?
 */
extern bool source_knows_export (const char *name);
/* Tell the engine what the layer below said about extents.  GENERATION as
 * for readahead_note_extent.
 */
extern void source_note_extents (struct readahead *ra, uint64_t generation,
                                 const struct nbdkit_extents *exts);

#endif /* V2V_READAHEAD_FILTER_H */
