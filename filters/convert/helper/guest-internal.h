/* SPDX-License-Identifier: BSD-3-Clause */

/* What guest.c (reading, and the room that is left) and guest-write.c
 * share.
 */

#ifndef V2V_GUEST_INTERNAL_H
#define V2V_GUEST_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "guest.h"

/* One message of the protocol holds 4 MiB. */
#define GUEST_CHUNK (2 * 1024 * 1024)

struct guest_reservation {
  bool known;
  uint64_t block; /* bytes */
  uint64_t free_bytes, free_inodes;
  bool counts_inodes;
  uint64_t bytes, inodes; /* asked for so far, to stay */
  /* Besides, while one file after the other is replaced. */
  uint64_t spare_bytes, spare_inodes;
};

struct guest_files {
  int selinux;                            /* -1 = not yet known */
  unsigned serial;                        /* of temporary names */
  struct guest_reservation *reservations; /* one for each mount */
};

/* NULL when out of memory. */
extern struct guest_files *guest_files_of (struct guest *gst);

extern const char *guest_last_error (struct guest *gst);

/* Report it; -1. */
extern int guest_no_memory (struct guest *gst);

/* 1 and *st filled, 0 if there is nothing of that name, -1. */
extern int guest_look (struct guest *gst, const char *path, bool follow,
                       struct guestfs_statns *st);

#endif /* V2V_GUEST_INTERNAL_H */
