/* SPDX-License-Identifier: BSD-3-Clause */

/* One export of an NBD server, read with libnbd: one connection, on which
 * the requests of all threads are in flight at the same time.  A connection
 * that is lost is made anew, and what was in flight is asked again.
 */

#ifndef V2V_REMOTE_H
#define V2V_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "child.h"

struct remote;

/* Connection INDEX of CHILD, export EXPORT.  Nothing is started yet. */
extern struct remote *
remote_new_child (struct child *child, unsigned index, const char *export);
/* A server that runs already. */
extern struct remote *remote_new_uri (const char *uri);
/* The server of R stands on the one of UPSTREAM, which is freed later: errors
 * of R are final only if that still is the one which it had.
 */
extern void remote_set_upstream (struct remote *r, struct remote *upstream);
extern void remote_free (struct remote *r);
/* Close the connection until the next use.  Afterwards there is no thread of
 * ours, so that the process may fork.
 */
extern void remote_rest (struct remote *r);

/* All return 0, or -1 and errno; the reason has been given to LOG. */
extern void remote_set_log (void (*log) (const char *message));
/* A server that has not answered a request after this time is replaced, and
 * asked again, three times at most.
 */
extern void remote_set_timeout (unsigned seconds);
extern int remote_size (struct remote *r, uint64_t *size);
extern int
remote_pread (struct remote *r, void *buf, size_t count, uint64_t offset);

/* Calls FN for ranges that follow each other from OFFSET and do not go
 * beyond OFFSET + COUNT; they may end before.  FN returns 0, or -1 and
 * errno.  If the server tells no extents, all is data.
 */
extern int remote_extents (struct remote *r, uint64_t count, uint64_t offset,
                           int (*fn) (void *opaque, uint64_t offset,
                                      uint64_t len, bool hole, bool zero),
                           void *opaque);

#endif /* V2V_REMOTE_H */
