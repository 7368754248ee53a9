/* SPDX-License-Identifier: BSD-3-Clause */

/* Make the archive that gives an image the modules that it lacks. */

#ifndef V2V_INITRD_BUILD_H
#define V2V_INITRD_BUILD_H

#include <stdbool.h>

#include "cpio-write.h"
#include "initrd-closure.h"
#include "initrd-edit.h"
#include "initrd-image.h"
#include "initrd-lookup.h"

struct initrd_kernel;

/* Set image_path or new_path of every module in C. */
extern int
initrd_build_paths (const struct initrd_lookup *lk, struct closure *c);

/* Write the archive into W.  The new modules' data must be there.  EDITS
 * are files that are replaced or hidden.
 * LIST_FILE: also add the new modules to conf/modules, for images whose
 * scripts load by name.  LK's indexes become the new ones.
 * 1, 0 if the image's layout does not allow it (*e is set), -1 when out of
 * memory.
 */
extern int initrd_build (const struct initrd_kernel *kernel,
                         struct initrd_lookup *lk, const struct closure *c,
                         bool list_file, const struct initrd_edits *edits,
                         struct cpio_writer *w, struct initrd_error *e);

#endif /* V2V_INITRD_BUILD_H */
