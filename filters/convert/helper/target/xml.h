/* SPDX-License-Identifier: BSD-3-Clause */

/* A thin layer over libxml2's writer: every attribute and text goes
 * through it, so that nothing from the guest can become markup.  The
 * first failure is remembered; xmlw_finish reports it.
 */

#ifndef V2V_TARGET_XML_H
#define V2V_TARGET_XML_H

#include <stdbool.h>
#include <stddef.h>

struct xml;

extern struct xml *xmlw_new (void);

/* Open an element; then (name, value) pairs of attributes up to NULL.  A
 * pair with the value NULL is left out: use xmlw_attr for those.
 */
extern void
xmlw_open (struct xml *x, const char *name, ...) __attribute__ ((sentinel));
extern void xmlw_close (struct xml *x);
/* Only between xmlw_open and the first child. */
extern void xmlw_attr (struct xml *x, const char *name, const char *value);
/* A whole element without children. */
extern void
xmlw_leaf (struct xml *x, const char *name, ...) __attribute__ ((sentinel));
/* A whole element with text (FMT may be "%s" and a guest's string). */
extern void xmlw_text (struct xml *x, const char *name, const char *fmt, ...)
  __attribute__ ((format (printf, 3, 4)));
/* Text inside the open element. */
extern void xmlw_content (struct xml *x, const char *text);

/* Free X and return the document, or -1 with *error. */
extern int xmlw_finish (struct xml *x, char **text, size_t *len, char **error);
extern void xmlw_free (struct xml *x);

#endif /* V2V_TARGET_XML_H */
