/* SPDX-License-Identifier: BSD-3-Clause */

/* The libguestfs appliance: launched with what works best on this
 * machine, watched while it starts, and gone when we go.
 */

#ifndef V2V_APPLIANCE_H
#define V2V_APPLIANCE_H

#include <stdbool.h>
#include <stddef.h>

#include <guestfs.h>

struct report;

struct appliance_options {
  char **uris; /* nbd+unix:///NAME?socket=PATH,
                                   nbd://host:port/NAME */
  size_t nr_uris;
  const unsigned *sectors; /* of each: 512 or 4096 bytes */
  unsigned memsize, smp;   /* MiB, CPUs; 0 = choose */
  bool has_keys;           /* keys will be tried: opening LUKS 2 needs
                                   a gigabyte */
  bool verbose;
  const char *tmpdir; /* exists, 0700 */
};

/* Check that URI is one that appliance_launch takes.  Return 0, or -1 with
 * *why static.
 */
extern int appliance_check_uri (const char *uri, const char **why);

/* Launch.  NULL with the error reported. */
extern guestfs_h *
appliance_launch (struct report *r, const struct appliance_options *opts);

/* Shut down cleanly and free.  Return 0, or -1 with the error reported:
 * then not everything that was written has reached the disks.
 */
extern int appliance_shutdown (struct report *r, guestfs_h *g);

/* Kill the appliance (and whatever else we have started) at once.  The
 * call of libguestfs that is running then fails.  Any thread.
 */
extern void appliance_kill (void);

/* The same, and libguestfs' recovery process too: for a program that is
 * about to end without having freed the handle.  Any thread.
 */
extern void appliance_abandon (void);

/* Where the flags of the CPU are read: "/proc/cpuinfo".  Tests give another
 * file, to have KVM tried where it is known not to work.
 */
extern const char *appliance_cpuinfo;

/* From now on nothing is launched any more.  Any thread. */
extern void appliance_cancel (void);
extern bool appliance_cancelled (void);

#endif /* V2V_APPLIANCE_H */
