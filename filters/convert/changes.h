/* SPDX-License-Identifier: BSD-3-Clause */

/* changes.json: the extents that the conversion changed, so that a user of
 * snapshots can copy a delta and then only these again.
 */

#ifndef V2V_CHANGES_H
#define V2V_CHANGES_H

#include <stddef.h>

#include "conversion.h"

/* Add it to DOCUMENTS.  Return 0, or -1. */
extern int changes_add (struct document_list *documents,
                        const struct converted_disk *disks, size_t nr_disks);

#endif /* V2V_CHANGES_H */
