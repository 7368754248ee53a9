/* SPDX-License-Identifier: BSD-3-Clause */

/* Files of the image whose text is wrong on another machine. */

#ifndef V2V_INITRD_EDIT_H
#define V2V_INITRD_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "initrd-tree.h"
#include "initrd.h"

struct initrd_edit {
  char *path;    /* canonical, without leading slash */
  uint8_t *data; /* NULL: hidden */
  size_t size;
};

struct initrd_edits {
  struct initrd_edit *v;
  size_t n;
};

/* Show EDITOR (may be NULL) the configuration files in T and keep what it
 * wants changed.  0, or -1 when out of memory or if the editor failed.
 */
extern int
initrd_edits_collect (struct initrd_tree *t, const struct initrd_editor *editor,
                      struct initrd_edits *edits);
/* The first that T does not have as it should be, or NULL. */
extern const struct initrd_edit *
initrd_edits_missing (struct initrd_tree *t, const struct initrd_edits *edits);
extern void initrd_edits_free (struct initrd_edits *edits);

#endif /* V2V_INITRD_EDIT_H */
