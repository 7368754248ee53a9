/* SPDX-License-Identifier: BSD-3-Clause */

/* The documents that describe the converted machine: gathers what the
 * writers of target/ want to know.
 */

#ifndef V2V_HELPER_DOCUMENTS_H
#define V2V_HELPER_DOCUMENTS_H

struct guest;
struct options;

/* Load libosinfo's database, which takes about a second, beside other
 * work.  Need not be called; documents_write waits for it.
 */
extern void documents_prepare (void);

/* Hand every document to WRITE, which gets its name, text and mode and
 * returns 0, or -1 with errno set.  Return 0, or -1 with the error
 * reported.
 */
extern int documents_write (struct guest *gst, struct options *o,
                            int (*write) (const char *name, const char *text,
                                          int mode));

#endif /* V2V_HELPER_DOCUMENTS_H */
