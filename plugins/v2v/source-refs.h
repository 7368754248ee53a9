/* SPDX-License-Identifier: BSD-3-Clause */

/* Disks by what names them, for source-*.c.  All return 0, or -1 with an
 * error.
 */

#ifndef V2V_SOURCE_REFS_H
#define V2V_SOURCE_REFS_H

#include "container.h"
#include "source.h"

/* FORMAT = NULL: raw. */
extern int source_add_uri (struct source *s, const struct source_options *opts,
                           const char *uri, const char *format, struct diag *d);
/* Add the disks of s->machine.refs; C (or NULL) is where REF_FILEs are, BASE
 * (or NULL) the document that names them.
 */
extern int
source_add_refs (struct source *s, const struct source_options *opts,
                 struct container *c, const char *base, struct diag *d);

#endif /* V2V_SOURCE_REFS_H */
