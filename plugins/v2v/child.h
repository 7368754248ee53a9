/* SPDX-License-Identifier: BSD-3-Clause */

/* NBD servers that we start ourselves: qemu-storage-daemon for image
 * formats, nbdkit for remote hosts.  They live as long as we do.
 */

#ifndef V2V_CHILD_H
#define V2V_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct child;

struct child_config {
  const char *name; /* in messages */
  char **argv;      /* NULL-terminated */
  const int *fds;   /* become 4, 5, ... in the child */
  size_t nr_fds;
  const int *rewind_fds; /* of these: positioned at 0 before a start */
  size_t nr_rewind_fds;
  bool activation;         /* fd 3 by systemd's LISTEN_FDS */
  unsigned nr_connections; /* that will be claimed, 0 ... n-1 */
  uint64_t memory;         /* RLIMIT_AS, bytes, and no writing of
                                   files; 0 = neither */
  bool no_proxy;           /* drop https_proxy and its like */
  /* FDS[upstream_fd] becomes connection UPSTREAM_INDEX of this child, which
   * must be freed later; NULL = it stands alone.
   */
  struct child *upstream;
  unsigned upstream_index, upstream_fd;
};

/* Everything is copied; the descriptors stay the caller's. */
extern struct child *child_new (const struct child_config *cfg);
/* Ends the process.  All connections must be closed. */
extern void child_free (struct child *c);

/* Start the server if it is not running, and take the connected socket of
 * connection I.  BAD is the generation whose connection was lost (0 = none):
 * if that is still the current one, the server is ended and started anew,
 * not before the backoff has passed.  Returns the socket and *GENERATION; or
 * -1, *ERROR then is an allocated message (or NULL).
 */
extern int child_connect (struct child *c, unsigned i, unsigned bad,
                          unsigned *generation, char **error);
/* The connection works: the next failure starts without backoff. */
extern void child_works (struct child *c);
/* The last line that the server, rather its upstream, printed; "" if none.
 * The caller frees.
 */
extern char *child_last_words (struct child *c);
/* It stands on a child that was replaced since. */
extern bool child_upstream_replaced (struct child *c);

#endif /* V2V_CHILD_H */
