/* SPDX-License-Identifier: BSD-3-Clause */

/* How the parsers report: one error (which ends the work) and warnings.
 * A struct diag belongs to one thread.
 */

#ifndef V2V_DIAG_H
#define V2V_DIAG_H

struct diag {
  char *error; /* allocated; NULL if memory ran out */
  void (*warn) (void *opaque, const char *message); /* may be NULL */
  void *opaque;
};

/* Set the error (the first one wins), return -1. */
extern int diag_error (struct diag *d, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));
/* Put "PREFIX: " in front of the error, return -1. */
extern int diag_prefix (struct diag *d, const char *prefix);
extern int diag_memory (struct diag *d);
extern void diag_warn (struct diag *d, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));
extern void diag_clear (struct diag *d);

#endif /* V2V_DIAG_H */
