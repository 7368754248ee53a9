/* SPDX-License-Identifier: BSD-3-Clause */

/* Digests of files and disks: what documents say they are, and what they are. */

#ifndef V2V_DIGEST_H
#define V2V_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diag.h"

#define DIGEST_MAX 64 /* bytes */

struct digest {
  const char *name; /* "SHA256" */
  size_t len;       /* bytes */
  unsigned char bytes[DIGEST_MAX];
};

/* Set name and length of R from the LEN characters at NAME, in either case:
 * MD5, SHA1, SHA224, SHA256, SHA384, SHA512.  False if it is none of them.
 */
extern bool digest_named (const char *name, size_t len, struct digest *r);
/* The bytes from LEN hexadecimal digits, in either case.  False if these are
 * not as many as R's name wants.
 */
extern bool digest_parse (const char *s, size_t len, struct digest *r);
/* The bytes of what READ gives from 0 to SIZE: 0, or -1 with an error.  READ
 * returns 0, or -1 and errno.
 */
extern int digest_compute (struct digest *r, uint64_t size,
                           int (*read) (void *opaque, void *buf, size_t count,
                                        uint64_t offset),
                           void *opaque, struct diag *d);
extern bool digest_equal (const struct digest *a, const struct digest *b);
/* In lower case. */
extern void digest_text (const struct digest *r, char text[2 * DIGEST_MAX + 1]);

#endif /* V2V_DIGEST_H */
