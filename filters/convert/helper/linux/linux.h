/* SPDX-License-Identifier: BSD-3-Clause */

/* Conversion of a Linux guest.  The helper calls these in this order,
 * with the guest inspected, mounted read-write and all its fields set:
 *
 *   linux_plan      look, decide, and reserve room; writes nothing
 *   linux_convert   write
 *   linux_free      always, also after a failure
 *
 * With a dry run linux_convert is called as well: guest_write and its
 * friends then report the change and leave the guest alone.
 */

#ifndef V2V_LINUX_H
#define V2V_LINUX_H

#include <stdbool.h>
#include <stddef.h>

struct guest;

/* --option NAME=VALUE of the command line, in its order. */
struct linux_option {
  const char *name;
  const char *value;
};

struct linux_options {
  const struct linux_option *options;
  size_t nr_options;
  bool dry_run;
  const char *workdir; /* private directory of the host, 0700; what
                                   is left in it is removed at the end */
};

/* Plan.  Calls guest_reserve for each file system it is going to write to,
 * which fails (reported as no-space or no-inodes) before anything was
 * changed.  What is worth keeping for linux_convert goes to gst->state.
 * Return 0, or -1 with the error reported.
 */
extern int linux_plan (struct guest *gst, const struct linux_options *opts);

/* Convert.  Return 0, or -1 with the error reported. */
extern int linux_convert (struct guest *gst, const struct linux_options *opts);

/* Free gst->state. */
extern void linux_free (struct guest *gst);

#endif /* V2V_LINUX_H */
