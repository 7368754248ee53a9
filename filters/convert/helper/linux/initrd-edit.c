/* SPDX-License-Identifier: BSD-3-Clause */

/* An initrd has copies of the configuration that its tools read before
 * there is a root: mdadm.conf, lvm.conf, crypttab, pieces of the kernel's
 * command line.  What they say about disks is as wrong on virtio as what
 * the files in the root say, and the root's are not looked at until it is
 * mounted: an array whose mdadm.conf allows /dev/sd* only is not assembled.
 *
 * What is to change is decided by the caller (struct initrd_editor); here
 * is which files it is shown: the regular ones in the directories where
 * such configuration is, whatever their number, once each.
 */

#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "initrd-edit.h"

/* Configuration is text, and small. */
#define MAX_SIZE ((size_t)1 << 20)

static const char *const directories[] = { "etc", "conf", "cryptroot" };

static int
keep (struct initrd_edits *edits, char *path, uint8_t *data, size_t size)
{
  struct initrd_edit *v = realloc (edits->v, (edits->n + 1) * sizeof *v);

  if (v == NULL) {
    free (path);
    free (data);
    return -1;
  }
  edits->v = v;
  v[edits->n++] = (struct initrd_edit){ path, data, size };
  return 0;
}

static int
show (const struct initrd_editor *editor, const struct initrd_node *n,
      struct initrd_edits *edits)
{
  char *path = initrd_node_path (n);
  uint8_t *data = NULL;
  size_t size = 0;

  if (path == NULL)
    return -1;
  switch (editor->edit (editor->opaque, path, n->inode->data, n->inode->size,
                        &data, &size)) {
  case INITRD_EDIT_NONE:
    free (path);
    return 0;
  case INITRD_EDIT_REPLACE:
    return keep (edits, path, data, size);
  case INITRD_EDIT_HIDE:
    return keep (edits, path, NULL, 0);
  default:
    free (path);
    return -1;
  }
}

int
initrd_edits_collect (struct initrd_tree *t, const struct initrd_editor *editor,
                      struct initrd_edits *edits)
{
  struct initrd_node *root = initrd_tree_root (t), *top, *n;
  size_t i;

  for (i = 0; editor && i < sizeof directories / sizeof directories[0]; ++i) {
    top = initrd_tree_lookup_at (t, root, directories[i], false);
    if (top == NULL || !initrd_node_is_dir (top))
      continue;
    for (n = initrd_node_walk (top, top); n != NULL;
         n = initrd_node_walk (top, n))
      if (initrd_node_is_file (n) && n->inode->size > 0 &&
          n->inode->size <= MAX_SIZE && show (editor, n, edits) == -1)
        return -1;
  }
  return 0;
}

const struct initrd_edit *
initrd_edits_missing (struct initrd_tree *t, const struct initrd_edits *edits)
{
  size_t i;

  for (i = 0; i < edits->n; ++i) {
    const struct initrd_edit *e = &edits->v[i];
    const struct initrd_node *n = initrd_tree_lookup (t, e->path, true);

    if (e->data == NULL
          ? n != NULL
          : n == NULL || !initrd_node_is_file (n) ||
              n->inode->size != e->size ||
              (e->size > 0 && memcmp (n->inode->data, e->data, e->size) != 0))
      return e;
  }
  return NULL;
}

void
initrd_edits_free (struct initrd_edits *edits)
{
  size_t i;

  for (i = 0; i < edits->n; ++i) {
    free (edits->v[i].path);
    free (edits->v[i].data);
  }
  free (edits->v);
  *edits = (struct initrd_edits){ 0 };
}
