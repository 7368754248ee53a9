/* SPDX-License-Identifier: BSD-3-Clause */

/* The names that a guest's configuration gives its network cards, and
 * which card each name means.  See netnames.c, and netleases.c for what
 * old leases tell.
 */

#ifndef V2V_LINUX_NETNAMES_H
#define V2V_LINUX_NETNAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

#define NET_NAME 16 /* IFNAMSIZ */
#define NET_MAC 18

struct netname {
  char name[NET_NAME];
  char mac[NET_MAC]; /* lower case, "" = not known */
  bool bound;        /* the guest binds name and MAC itself */
  bool told;         /* the MAC stood in a file of the guest */
};

/* Of a lease: a card that was really there once. */
struct nethint {
  char name[NET_NAME];
  char mac[NET_MAC]; /* "" = the lease does not say */
};

#define NET_PATTERNS 16

struct netnames {
  struct netname *v;
  size_t nr;
  struct nethint *hints;
  size_t nr_hints;
  char patterns[NET_PATTERNS][NET_NAME]; /* "ens*" */
  size_t nr_patterns;
  bool failed; /* out of memory */
};

/* Is S a name that the kernel, udev or biosdevname gives to a card? */
extern bool netname_is_card (struct span s);
/* Is S a MAC address of a card? */
extern bool netname_mac (struct span s, char mac[NET_MAC]);

/* Collect from one file.  BASE is its name without the directory. */
extern void
netnames_ifcfg (struct netnames *n, const char *base, struct span in);
extern void netnames_keyfile (struct netnames *n, struct span in);
extern void netnames_netplan (struct netnames *n, struct span in);
extern void netnames_interfaces (struct netnames *n, struct span in);
extern void netnames_networkd (struct netnames *n, struct span in);
extern void netnames_rules (struct netnames *n, struct span in);
extern void netnames_link (struct netnames *n, struct span in);
extern void netnames_free (struct netnames *n);

/* Collect from a lease.  PATH says which program's it is. */
extern void
netnames_lease (struct netnames *n, const char *path, struct span in);
/* Are leases worth reading? */
extern bool netnames_want_leases (const struct netnames *n);
/* Take the hints: MACs for names that have none, if they are of MACS (or
 * nothing is known of the cards); names for patterns, NR_CARDS if no lease
 * has any.  Before netnames_assign.
 */
extern void netnames_use_leases (struct netnames *n, const char *const *macs,
                                 size_t nr_macs);
/* Add a name, whatever it looks like, if it is one; for the readers. */
extern struct netname *netnames_add (struct netnames *n, struct span name,
                                     struct span mac, bool bound);

/* Give each name without a MAC one of MACS (the cards in the order of the
 * machine's description), if that can be told.  Return how many names
 * that need one are left without.
 */
extern size_t
netnames_assign (struct netnames *n, const char *const *macs, size_t nr_macs);

/* udev rules and a .link file for a name. */
extern void netname_put_rule (const struct netname *n, struct text *out);
extern void netname_put_link (const struct netname *n, struct text *out);

#endif /* V2V_LINUX_NETNAMES_H */
