/* SPDX-License-Identifier: BSD-3-Clause */

/* Prove, on the finished bytes, that the kernel finds the drivers.
 *
 * The image is read from nothing again; what the plan meant to do does not
 * matter.  For each wanted driver that is not built in:
 *
 *  1. modules.dep.bin of the last segment that has one lists it
 *  2. every file of its line is there, not empty
 *  3. each is an ELF module, after unpacking, built for this very kernel
 *  4. the alias index, if the driver has aliases at all, names it, so that
 *     udev comes to load it
 *
 * and the original bytes are an unchanged prefix, after which nothing
 * replaces a directory, a symlink or a hard-linked file.  The kernel would
 * not notice a truncated archive; reading it strictly does.
 *
 * Symbol versions need no check: modules, index and kernel are of one
 * package.
 */

#include <config.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "initrd-image.h"
#include "initrd-lookup.h"
#include "initrd-module.h"
#include "initrd.h"

static int
has_alias (void *opaque, const char *info)
{
  (void)opaque;
  return strncmp (info, "alias=", 6) == 0 ? 2 : 0;
}

/* One file of a line.  *ALIASES: whether it has any. */
static int
check_file (struct initrd_lookup *lk, const char *path, const char *version,
            bool *aliases, struct initrd_error *e)
{
  const struct initrd_node *n;
  const char *why;
  uint8_t *data;
  size_t size;
  bool ok;
  int r;

  n = initrd_tree_lookup_at (lk->tree, lk->dir, path, true);
  if (n == NULL || !initrd_node_is_file (n) || n->inode->size == 0) {
    initrd_error_set (e, "initrd-verify", "%s is not in the initrd", path);
    return 0;
  }
  size = n->inode->size;
  data = malloc (size);
  if (data == NULL)
    return -1;
  memcpy (data, n->inode->data, size);
  r = module_unpack (&data, &size, &why);
  ok = r == 1 && (strncmp (path, "weak-updates/", 13) == 0 ||
                  module_fits (data, size, version, &why));
  if (ok)
    *aliases = module_modinfo (data, size, has_alias, NULL) == 2;
  free (data);
  if (r == -1)
    return -1;
  if (!ok)
    initrd_error_set (e, "initrd-verify", "%s in the initrd is no good: %s",
                      path, why);
  return ok;
}

static bool
alias_index_names (const struct initrd_lookup *lk, const char *name)
{
  size_t i;

  for (i = 0; i < lk->alias.n; ++i)
    if (strcmp (lk->alias.entries[i].value, name) == 0)
      return true;
  return false;
}

static int
check_driver (struct initrd_lookup *lk, const char *name, const char *version,
              struct initrd_error *e)
{
  const struct kmod_entry *entry;
  const char *path, *deps;
  char *copy, *why = NULL;
  size_t len;
  bool aliases, driver_aliases = false, first = true;
  int r;

  if (!initrd_lookup_loads (lk, name, &why)) {
    initrd_error_set (e, "initrd-verify", "%s: %s", name,
                      why ? why : "out of memory");
    free (why);
    return 0;
  }
  /* initrd_lookup_loads found the entry and its colon. */
  entry = kmod_index_find (&lk->dep, name);
  path = entry->value;
  deps = strchr (path, ':');
  len = (size_t)(deps - path);
  deps++;
  do {
    copy = strndup (path, len);
    if (copy == NULL)
      return -1;
    r = check_file (lk, copy, version, &aliases, e);
    free (copy);
    if (r != 1)
      return r;
    if (first)
      driver_aliases = aliases;
    first = false;
  } while (module_next_dep (&deps, &path, &len));

  if (driver_aliases && !alias_index_names (lk, name)) {
    initrd_error_set (e, "initrd-verify",
                      "%s is not in the initrd's modules.alias index", name);
    return 0;
  }
  return 1;
}

static int
verify (struct initrd_image *img, struct initrd_lookup *lk,
        const struct initrd_kernel *kernel, const char *const *wanted,
        struct initrd_error *e)
{
  char name[MODULE_NAME_MAX];
  const char *damage;
  bool opened = false;
  int r;

  damage = initrd_tree_damage (img->tree);
  if (damage) {
    initrd_error_set (e, "initrd-verify",
                      "what was appended damages /%s in the initrd", damage);
    return 0;
  }
  for (; wanted && *wanted; ++wanted) {
    if (!module_name (*wanted, name)) {
      initrd_error_set (e, "initrd-verify", "'%s' is not a module's name",
                        *wanted);
      return 0;
    }
    if (module_is_builtin (kernel->modules_builtin, name))
      continue;
    if (!opened) {
      r = initrd_lookup_open (img->tree, kernel->version, lk, e);
      if (r != 1)
        return r;
      opened = true;
    }
    r = check_driver (lk, name, kernel->version, e);
    if (r != 1)
      return r;
  }
  return 1;
}

/* How much of PREFIX the image begins with, if all that is different are
 * zeroes at the end of PREFIX, which an append may overwrite.  Else -1.
 */
static int
check_prefix (const uint8_t *image, size_t size, const uint8_t *prefix,
              size_t prefix_size, size_t *same)
{
  size_t n = size < prefix_size ? size : prefix_size, i;

  if (n == prefix_size && memcmp (image, prefix, n) == 0) {
    *same = n;
    return 0;
  }
  for (i = 0; i < n && image[i] == prefix[i]; ++i)
    ;
  *same = i;
  for (; i < prefix_size; ++i)
    if (prefix[i] != 0)
      return -1;
  return 0;
}

int
initrd_verify (const uint8_t *image, size_t size, const uint8_t *prefix,
               size_t prefix_size, const struct initrd_kernel *kernel,
               const char *const *wanted, char **reason)
{
  struct initrd_image img = { 0 };
  struct initrd_lookup lk = { 0 };
  struct initrd_error e = { 0 };
  size_t same = SIZE_MAX;
  int r;

  *reason = NULL;
  if (prefix && check_prefix (image, size, prefix, prefix_size, &same) == -1) {
    initrd_error_set (&e, "initrd-verify",
                      "the original bytes of the initrd have changed");
    r = 0;
  }
  else {
    r = initrd_image_read (image, size, same, &img, &e);
    if (r == 1)
      r = verify (&img, &lk, kernel, wanted, &e);
  }
  initrd_lookup_free (&lk);
  initrd_image_free (&img);
  if (r == 1) {
    free (e.text);
    return 0;
  }
  *reason = r == 0 && e.text ? e.text : strdup ("out of memory");
  if (*reason != e.text)
    free (e.text);
  return -1;
}
