/* SPDX-License-Identifier: BSD-3-Clause */

/* Kernels by name.
 *
 * No package manager is asked: what boots is what lies in /boot, whoever
 * put it there.  A file belongs to a module directory if its name is one
 * of the known stems followed by
 *   - the kernel's version (everybody),
 *   - the package's base name, perhaps with "-fallback" (Arch),
 *   - the version's flavour, the part after its last dash, if only one
 *     kernel has it (Alpine),
 * or if it is called "linux" or "initrd" in a directory named after the
 * version (kernel-install).
 * Rescue and kdump images have other names and are left alone: they hold
 * every driver, or rebuild themselves (spec of kdumpctl).
 */

#include <config.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "text.h"
#include "v2v-utils.h"

enum kind { NEITHER, IMAGE, INITRD };

/* The stem of BASE; *REST gets what follows. */
static enum kind
stem (const char *base, const char **rest)
{
  static const struct {
    const char *s;
    enum kind kind;
  } stems[] = {
    { "initrd.img-", INITRD },
    { "initramfs.img-", INITRD },
    { "initramfs-", INITRD },
    { "initrd-", INITRD },
    { "initramfs-genkernel-x86_64-", INITRD },
    { "vmlinuz-", IMAGE },
    { "vmlinux-", IMAGE },
    { "kernel-", IMAGE },
    { "kernel-genkernel-x86_64-", IMAGE },
    { "Image-", IMAGE },
  };
  size_t i, best = 0;
  enum kind kind = NEITHER;

  for (i = 0; i < V2V_ARRAY_SIZE (stems); i++)
    if (strncmp (base, stems[i].s, strlen (stems[i].s)) == 0 &&
        strlen (stems[i].s) > best) {
      best = strlen (stems[i].s);
      kind = stems[i].kind;
    }
  *rest = base + best;
  return kind;
}

static bool
names (struct span s, const char *name)
{
  if (!name || !*name)
    return false;
  if (span_is (s, name))
    return true;
  return s.n > 9 && memcmp (s.p + s.n - 9, "-fallback", 9) == 0 &&
         span_is ((struct span){ s.p, s.n - 9 }, name);
}

static const char *
flavour (const char *kver)
{
  const char *dash = strrchr (kver, '-');

  return dash && dash[1] ? dash + 1 : NULL;
}

/* Which of DIRS the file called BASE in the directory DIR is for, or -1. */
static int
owner (const struct kernel_dir *dirs, size_t nr, struct span dir,
       const char *base, enum kind *kind)
{
  const char *rest;
  struct span s;
  int found = -1;
  size_t i;

  *kind = stem (base, &rest);
  s = span_of (rest);
  if (*kind == INITRD && s.n > 4 && memcmp (s.p + s.n - 4, ".img", 4) == 0)
    s.n -= 4;
  if (*kind != NEITHER) {
    for (i = 0; i < nr; i++)
      if (span_is (s, dirs[i].kver))
        return i;
    for (i = 0; i < nr; i++)
      if (names (s, dirs[i].pkgbase))
        return i;
    for (i = 0; i < nr; i++) {
      const char *f = flavour (dirs[i].kver);

      if (f && span_is (s, f) && strlen (f) < strlen (dirs[i].kver)) {
        if (found >= 0)
          return -1;
        found = i;
      }
    }
    return found;
  }
  if (strcmp (base, "linux") == 0)
    *kind = IMAGE;
  else if (strcmp (base, "initrd") == 0)
    *kind = INITRD;
  else
    return -1;
  for (i = 0; i < nr; i++) {
    const size_t n = strlen (dirs[i].kver);

    if (dir.n > n && dir.p[dir.n - n - 1] == '/' &&
        memcmp (dir.p + dir.n - n, dirs[i].kver, n) == 0)
      return i;
  }
  return -1;
}

static int
newest_first (const void *a, const void *b)
{
  const struct kernel *ka = a, *kb = b;

  return text_version_cmp (kb->kver, ka->kver);
}

int
kernels_match (const struct kernel_dir *dirs, size_t nr_dirs,
               char *const *files, struct kernel **kernels)
{
  struct kernel *k = calloc (nr_dirs + 1, sizeof *k);
  enum kind kind;
  size_t i;

  *kernels = NULL;
  if (!k)
    return -1;
  for (i = 0; i < nr_dirs; i++) {
    k[i].kver = strdup (dirs[i].kver);
    if (!k[i].kver)
      goto oom;
  }
  for (i = 0; files && files[i]; i++) {
    const char *slash = strrchr (files[i], '/');
    const char *base = slash ? slash + 1 : files[i];
    struct span dir = { files[i], slash ? (size_t)(slash - files[i]) : 0 };
    const int n = owner (dirs, nr_dirs, dir, base, &kind);
    char *copy;

    if (n < 0)
      continue;
    copy = strdup (files[i]);
    if (!copy)
      goto oom;
    if (kind == IMAGE) {
      if (k[n].image)
        free (copy);
      else
        k[n].image = copy;
    }
    else {
      char **v = realloc (k[n].initrds, (k[n].nr_initrds + 2) * sizeof *v);

      if (!v) {
        free (copy);
        goto oom;
      }
      k[n].initrds = v;
      v[k[n].nr_initrds++] = copy;
      v[k[n].nr_initrds] = NULL;
    }
  }
  qsort (k, nr_dirs, sizeof *k, newest_first);
  *kernels = k;
  return nr_dirs;

oom:
  kernels_free (k, nr_dirs);
  return -1;
}

void
kernels_free (struct kernel *k, size_t nr)
{
  size_t i, j;

  for (i = 0; k && i < nr; i++) {
    free (k[i].kver);
    free (k[i].image);
    for (j = 0; j < k[i].nr_initrds; j++)
      free (k[i].initrds[j]);
    free (k[i].initrds);
  }
  free (k);
}
