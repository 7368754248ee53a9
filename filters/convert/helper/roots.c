/* SPDX-License-Identifier: BSD-3-Clause */

/* See roots.h.
 *
 * A root is a directory that has etc/fstab or a release file, and a
 * directory where programs are.  In a btrfs every subvolume may be one;
 * snapshots of a root are not other operating systems: of those with the
 * same identity (fstab and release file) the default subvolume stands for
 * all, else the one that its fstab names, else the first.
 */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include <guestfs.h>

#include "guest-internal.h"
#include "inspection.h"
#include "report.h"
#include "roots.h"
#include "v2v-utils.h"

#define MAX_SUBVOLUMES 512

static bool
is_type (const struct device *v, const char *type)
{
  return v->type != NULL && strcmp (v->type, type) == 0;
}

static void
root_free (struct root *r)
{
  free (r->mountable);
  free (r->fstab);
  free (r->release);
  free (r->subvolume);
}

bool
inspection_exists (struct guest *gst, const char *prefix, const char *path)
{
  CLEANUP_FREE char *full = NULL;
  struct guestfs_statns *st;
  bool r;

  if (asprintf (&full, "%s%s", prefix, path) == -1) {
    full = NULL;
    return false;
  }
  st = guestfs_lstatns (gst->g, full);
  r = st != NULL;
  guestfs_free_statns (st);
  return r;
}

char *
inspection_text (struct guest *gst, const char *prefix, const char *path)
{
  CLEANUP_FREE char *full = NULL;
  struct guestfs_statns *st;
  char *data = NULL;
  size_t size;
  bool ok;

  if (asprintf (&full, "%s%s", prefix, path) == -1) {
    full = NULL;
    return NULL;
  }
  st = guestfs_statns (gst->g, full);
  ok = st != NULL && S_ISREG (st->st_mode) && st->st_size >= 0 &&
       st->st_size <= GUEST_MAX_CONFIG;
  guestfs_free_statns (st);
  if (!ok || guest_read (gst, full, GUEST_MAX_CONFIG, &data, &size) != 1)
    return NULL;
  return data;
}

static bool
is_linux_root (struct guest *gst, const char *prefix)
{
  static const char *const marks[] = { "/etc/fstab",
                                       "/etc/os-release",
                                       "/etc/debian_version",
                                       "/etc/redhat-release",
                                       "/etc/SuSE-release",
                                       "/etc/alpine-release",
                                       NULL };
  static const char *const programs[] = { "/usr", "/bin", "/sbin", NULL };
  size_t i, j;

  for (i = 0; marks[i] != NULL; ++i)
    if (inspection_exists (gst, prefix, marks[i])) {
      for (j = 0; programs[j] != NULL; ++j)
        if (inspection_exists (gst, prefix, programs[j]))
          return true;
      return false;
    }
  return false;
}

/* Names of Windows are in any case. */
static bool
is_windows_root (struct guest *gst)
{
  static const char *const path[] = { "windows", "system32", "config", NULL };
  CLEANUP_FREE char *dir = strdup ("/");
  size_t i, j;

  for (i = 0; path[i] != NULL && dir != NULL; ++i) {
    struct guestfs_dirent_list *list = guestfs_readdir (gst->g, dir);
    char *next = NULL;

    for (j = 0; list != NULL && j < list->len; ++j)
      if (strcasecmp (list->val[j].name, path[i]) == 0 &&
          asprintf (&next, "%s%s/", dir, list->val[j].name) == -1)
        next = NULL;
    guestfs_free_dirent_list (list);
    free (dir);
    dir = next;
  }
  return dir != NULL;
}

static struct root *
add_root (struct guest *gst, struct roots *s, const struct device *v,
          const char *subvolume, const char *prefix)
{
  struct root *r;

  if (s->nr_roots == MAX_ROOTS)
    return NULL;
  r = &s->roots[s->nr_roots];
  memset (r, 0, sizeof *r);
  r->device = v;
  if (subvolume != NULL) {
    r->subvolume = strdup (subvolume);
    if (asprintf (&r->mountable, "btrfsvol:%s/%s", v->name, subvolume) == -1)
      r->mountable = NULL;
  }
  else
    r->mountable = strdup (v->name);
  if (r->mountable == NULL)
    return NULL;
  r->fstab = inspection_text (gst, prefix, "/etc/fstab");
  r->release = inspection_text (gst, prefix, "/etc/os-release");
  if (r->release == NULL)
    r->release = inspection_text (gst, prefix, "/usr/lib/os-release");
  if (r->release == NULL)
    r->release = inspection_text (gst, prefix, "/etc/redhat-release");
  s->nr_roots++;
  return r;
}

static bool
same_text (const char *a, const char *b)
{
  return a == NULL || b == NULL ? a == b : strcmp (a, b) == 0;
}

/* Does R's fstab say that R's subvolume is the root? */
static bool
names_itself (const struct root *r)
{
  CLEANUP_FREE char *subvol = NULL;
  struct fstab fstab;
  bool found = false;

  if (r->fstab == NULL || r->subvolume == NULL ||
      fstab_parse (r->fstab, &fstab) == -1)
    return false;
  if (fstab.n > 0 && strcmp (fstab.v[0].mountpoint, "/") == 0) {
    subvol = fstab_option (fstab.v[0].options, "subvol");
    found = subvol != NULL &&
            strcmp (*subvol == '/' ? subvol + 1 : subvol, r->subvolume) == 0;
  }
  fstab_free (&fstab);
  return found;
}

/* Of the roots from FIRST on (one btrfs), drop the snapshots of another. */
static void
drop_snapshots (struct roots *s, size_t first)
{
  size_t i, j;

  for (i = first; i < s->nr_roots; ++i)
    for (j = first; j < s->nr_roots;) {
      const struct root *a = &s->roots[i], *b = &s->roots[j];
      int a_rank = a->is_default * 2 + names_itself (a);
      int b_rank = b->is_default * 2 + names_itself (b);

      if (i == j || !same_text (a->fstab, b->fstab) ||
          !same_text (a->release, b->release) || a_rank < b_rank ||
          (a_rank == b_rank && i > j)) {
        ++j;
        continue;
      }
      root_free (&s->roots[j]);
      memmove (&s->roots[j], &s->roots[j + 1],
               (s->nr_roots - j - 1) * sizeof s->roots[0]);
      s->nr_roots--;
      if (j < i)
        i--;
    }
}

static int
remember_subvolume (struct inspection *in, const struct device *v,
                    const struct guestfs_btrfssubvolume *sub)
{
  struct subvolume *p = realloc (in->subvolumes,
                                 (in->nr_subvolumes + 1) * sizeof *p);

  if (p == NULL)
    return -1;
  in->subvolumes = p;
  p += in->nr_subvolumes;
  p->device = v;
  p->id = sub->btrfssubvolume_id;
  p->path = strdup (sub->btrfssubvolume_path);
  if (p->path == NULL)
    return -1;
  in->nr_subvolumes++;
  return 0;
}

/* V's top level is mounted.  Paths of subvolumes are guest-controlled, but
 * only used as paths in the guest.
 */
static int
look_at_btrfs (struct guest *gst, struct inspection *in, struct roots *s,
               const struct device *v)
{
  struct guestfs_btrfssubvolume_list *list;
  size_t first = s->nr_roots, i;
  int64_t def = guestfs_btrfs_subvolume_get_default (gst->g, "/");
  struct root *r;

  if (is_linux_root (gst, "")) {
    r = add_root (gst, s, v, NULL, "");
    if (r != NULL)
      r->is_default = def <= 5;
  }
  list = guestfs_btrfs_subvolume_list (gst->g, "/");
  for (i = 0; list != NULL && i < list->len && i < MAX_SUBVOLUMES; ++i) {
    const struct guestfs_btrfssubvolume *sub = &list->val[i];
    CLEANUP_FREE char *prefix = NULL;

    if (remember_subvolume (in, v, sub) == -1 ||
        asprintf (&prefix, "/%s", sub->btrfssubvolume_path) == -1) {
      prefix = NULL;
      guestfs_free_btrfssubvolume_list (list);
      return guest_no_memory (gst);
    }
    if (!is_linux_root (gst, prefix))
      continue;
    r = add_root (gst, s, v, sub->btrfssubvolume_path, prefix);
    if (r != NULL)
      r->is_default = (int64_t)sub->btrfssubvolume_id == def;
  }
  guestfs_free_btrfssubvolume_list (list);
  drop_snapshots (s, first);
  return 0;
}

/* Can V hold an operating system? */
static bool
is_candidate (const struct device *v)
{
  static const char *const not [] = { "vfat", "exfat",    "iso9660",
                                      "udf",  "squashfs", NULL };
  size_t i;

  if (v->type == NULL || v->usage == NULL ||
      strcmp (v->usage, "filesystem") != 0)
    return false;
  for (i = 0; not [i] != NULL; ++i)
    if (is_type (v, not [i]))
      return false;
  return true;
}

/* Is V another device of a file system that was looked at: of a btrfs that
 * has several, or a path to the same disk?
 */
static bool
is_repeated (const struct inspection *in, const struct device *v)
{
  const struct device *w;

  for (w = in->devices.v; w < v; ++w)
    if (is_candidate (w) && w->uuid != NULL && v->uuid != NULL &&
        strcmp (w->uuid, v->uuid) == 0)
      return true;
  return false;
}

int
inspection_unmount (struct guest *gst, struct inspection *in)
{
  free (in->mounted_ro);
  in->mounted_ro = NULL;
  if (guestfs_umount_all (gst->g) == 0)
    return 0;
  report_error (gst->report, "unmount-failed",
                "cannot unmount what was inspected: %s",
                guest_last_error (gst));
  return -1;
}

static int
look_at (struct guest *gst, struct inspection *in, struct roots *s,
         const struct device *v)
{
  bool btrfs = is_type (v, "btrfs");
  int r;

  if (in->mounted_ro != NULL && inspection_unmount (gst, in) == -1)
    return -1;
  s->tried++;
  mounts_note_state (gst, in, v);
  r = btrfs ? guestfs_mount_vfs (gst->g, "ro,subvolid=5", "btrfs", v->name, "/")
            : guestfs_mount_ro (gst->g, v->name, "/");
  if (r == -1) {
    if (s->failed == NULL) {
      s->mount_error = strdup (guest_last_error (gst));
      s->failed = v;
    }
    return 0;
  }
  s->mounted++;
  in->mounted_ro = strdup (btrfs ? "" : v->name);
  if (in->mounted_ro == NULL)
    return guest_no_memory (gst);
  if (btrfs)
    return look_at_btrfs (gst, in, s, v);
  if (is_linux_root (gst, ""))
    add_root (gst, s, v, NULL, "");
  else if (is_windows_root (gst)) {
    struct root *root = add_root (gst, s, v, NULL, "");

    if (root != NULL)
      root->windows = true;
  }
  return 0;
}

int
roots_find (struct guest *gst, struct inspection *in, struct roots *s)
{
  size_t i;

  for (i = 0; i < in->devices.n; ++i)
    if (is_candidate (&in->devices.v[i]) &&
        !is_repeated (in, &in->devices.v[i]) &&
        look_at (gst, in, s, &in->devices.v[i]) == -1)
      return -1;
  return report_failed (gst->report) ? -1 : 0; /* a read failed */
}

void
roots_free (struct roots *s)
{
  size_t i;

  for (i = 0; i < s->nr_roots; ++i)
    root_free (&s->roots[i]);
  free (s->mount_error);
}
