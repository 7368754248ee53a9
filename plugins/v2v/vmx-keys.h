/* SPDX-License-Identifier: BSD-3-Clause */

/* The keys and values of a VMX file. */

#ifndef V2V_VMX_KEYS_H
#define V2V_VMX_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diag.h"

struct vmx_pair {
  char *key; /* lower case */
  char *value;
  unsigned line;
};

struct vmx {
  struct vmx_pair *pairs; /* sorted by key, then line */
  size_t nr, alloc;
};

/* V is all zero.  0, or -1 with the line in the error; vmx_free in both
 * cases.
 */
extern int
vmx_read (struct vmx *v, const char *text, size_t len, struct diag *d);
extern void vmx_free (struct vmx *v);

/* Keys are given in lower case.  NULL if it is not there. */
extern const struct vmx_pair *vmx_find (const struct vmx *v, const char *key);
/* The same for a formatted key, of less than 128 bytes. */
extern const struct vmx_pair *
vmx_pair (const struct vmx *v, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));
/* Its value, or NULL. */
#define vmx_get(v, ...) \
  ({ \
    const struct vmx_pair *p_ = vmx_pair (v, __VA_ARGS__); \
    p_ ? p_->value : NULL; \
  })

/* S may be NULL: then it is neither. */
extern bool vmx_is_true (const char *s);
extern bool vmx_is_false (const char *s);
/* A number up to MOST; *R is not changed if the key is absent.  0, or -1 with
 * an error.
 */
extern int vmx_number (const struct vmx *v, const char *key, uint64_t most,
                       uint64_t *r, struct diag *d);

#endif /* V2V_VMX_KEYS_H */
