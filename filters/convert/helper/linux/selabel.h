/* SPDX-License-Identifier: BSD-3-Clause */

/* The labels that a guest's SELinux policy gives its files.  See
 * selabel.c.
 */

#ifndef V2V_LINUX_SELABEL_H
#define V2V_LINUX_SELABEL_H

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

struct selabel;

/* NULL when out of memory. */
extern struct selabel *selabel_new (void);
extern void selabel_free (struct selabel *sl);

/* The lines of file_contexts; then of file_contexts.homedirs, then of
 * file_contexts.local.  A later line beats an earlier one.
 */
extern void selabel_add_specs (struct selabel *sl, struct span in);
/* file_contexts.subs, or with DIST file_contexts.subs_dist. */
extern void selabel_add_subs (struct selabel *sl, struct span in, bool dist);

/* The context of PATH, of the kind (S_IFMT) in MODE; it is SL's.  NULL if
 * the policy has none, or selabel_failed.
 */
extern const char *
selabel_lookup (struct selabel *sl, const char *path, unsigned mode);

/* Was the policy more than is read, or memory too little? */
extern bool selabel_failed (const struct selabel *sl);
/* Lines that say something. */
extern size_t selabel_count (const struct selabel *sl);

#endif /* V2V_LINUX_SELABEL_H */
