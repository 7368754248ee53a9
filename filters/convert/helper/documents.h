/* SPDX-License-Identifier: BSD-3-Clause */

/* The documents about the converted machine: what target/ needs to know of
 * the guest is collected while it is mounted, and written at the end.
 */

#ifndef V2V_HELPER_DOCUMENTS_H
#define V2V_HELPER_DOCUMENTS_H

#include <stddef.h>

struct documents;
struct guest;
struct target_options;

/* Look at the mounted and identified guest, and begin to look it up in
 * libosinfo's database (a second's work) in a thread.  NULL when out of
 * memory (reported).
 */
extern struct documents *documents_begin (struct guest *gst);

/* Write all documents into DIR, each whole or not at all, and name them in
 * the report.  What cannot be written is a warning: the disks are good.
 */
extern void documents_write (struct documents *d, struct guest *gst,
                             struct target_options *options, const char *dir);

extern void documents_free (struct documents *d);

/* Write DIR/NAME atomically.  Return 0 or -1 with errno. */
extern int document_write (const char *dir, const char *name, const char *text,
                           size_t len, int mode);

#endif /* V2V_HELPER_DOCUMENTS_H */
