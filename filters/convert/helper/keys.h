/* SPDX-License-Identifier: BSD-3-Clause */

/* Keys of encrypted disks: selectors ID:key:STRING and ID:file:FILE, where
 * ID is a device name of libguestfs, the UUID of the LUKS container, or
 * "all".
 */

#ifndef V2V_KEYS_H
#define V2V_KEYS_H

#include <stdbool.h>
#include <stddef.h>

struct key {
  char *id;
  char *secret; /* NUL-terminated; wiped by keys_free */
};

struct keys {
  struct key *v;
  size_t n;
};

/* Add a selector.  The file is read now.  Return 0, or -1 with *error
 * allocated; it never quotes a key.
 */
extern int keys_add (struct keys *keys, const char *selector, char **error);

/* Add the selectors of a file, one a line; '#' begins a comment line. */
extern int keys_add_file (struct keys *keys, const char *path, char **error);

extern void keys_free (struct keys *keys);

/* Is KEY meant for the container DEVICE with UUID (may be NULL)? */
extern bool
keys_match (const struct key *key, const char *device, const char *uuid);

#endif /* V2V_KEYS_H */
