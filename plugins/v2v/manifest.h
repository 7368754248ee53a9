/* SPDX-License-Identifier: BSD-3-Clause */

/* Manifests (.mf) of OVF packages: ALGORITHM(name)= hexadecimal digest. */

#ifndef V2V_MANIFEST_H
#define V2V_MANIFEST_H

#include <stddef.h>

#include "container.h"
#include "diag.h"
#include "digest.h"

struct manifest_entry {
  struct digest digest; /* SHA1, SHA224, ..., SHA512 */
  char *name;
  unsigned line;
};

struct manifest {
  struct manifest_entry *entries;
  size_t nr;
};

/* 0, or -1 with the line in the error; manifest_free in both cases. */
extern int manifest_parse (const char *text, size_t len, struct manifest *m,
                           struct diag *d);
extern void manifest_free (struct manifest *m);

/* Check every entry of the manifest NAME of C.  A file that is missing or
 * differs is an error.
 */
extern int
manifest_verify (struct container *c, const char *name, struct diag *d);

#endif /* V2V_MANIFEST_H */
