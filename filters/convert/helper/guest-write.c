/* SPDX-License-Identifier: BSD-3-Clause */

/* Changing files of the guest.  See guest.h.
 *
 * A write goes to a new file in the same directory, gets mode, owner and
 * extended attributes of the one it replaces, and takes its place by
 * rename.  Without one to replace, and if the guest uses SELinux, it gets
 * the label of the guest's policy, else the one that most regular files
 * beside it with the same suffix have, else most files, else the directory.
 *
 * Invariants: (1) a file is complete or untouched; (2) what changes is
 * reported with digests of both; (3) nothing is changed in a dry run.
 */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "guest-internal.h"
#include "guest.h"
#include "report.h"
#include "v2v-utils.h"

/* Largest file that is replaced, or digested when it is removed. */
#define MAX_REPLACED ((size_t)256 * 1024 * 1024)

/* How many neighbours are asked for their label. */
#define MAX_NEIGHBOURS 64

static void
to_hex (const uint8_t digest[32], char hex[65])
{
  unsigned i;

  for (i = 0; i < 32; ++i)
    sprintf (hex + 2 * i, "%02x", digest[i]);
}

static void
sha256 (const void *data, size_t size, char hex[65])
{
  uint8_t digest[32] = { 0 };

  gnutls_hash_fast (GNUTLS_DIG_SHA256, data, size, digest);
  to_hex (digest, hex);
}

static void
sha256_2 (const void *a, size_t a_size, const void *b, size_t b_size,
          char hex[65])
{
  gnutls_hash_hd_t h;
  uint8_t digest[32] = { 0 };

  if (gnutls_hash_init (&h, GNUTLS_DIG_SHA256) == 0) {
    gnutls_hash (h, a, a_size);
    gnutls_hash (h, b, b_size);
    gnutls_hash_deinit (h, digest);
  }
  to_hex (digest, hex);
}

/* ---- labels ---- */

static char *
dirname_of (const char *path)
{
  const char *slash = strrchr (path, '/');

  if (slash == NULL)
    return NULL;
  return slash == path ? strdup ("/") : strndup (path, slash - path);
}

static bool
has_selinux (struct guest *gst)
{
  struct guest_files *f = guest_files_of (gst);
  size_t n;
  char *label;

  if (f == NULL)
    return false;
  if (f->selinux == -1) {
    label = guestfs_lgetxattr (gst->g, "/etc", "security.selinux", &n);
    f->selinux = label != NULL;
    free (label);
  }
  return f->selinux;
}

static const char *
suffix (const char *name)
{
  const char *dot = strrchr (name, '.');

  return dot != NULL && dot != name ? dot : "";
}

/* The most frequent of the labels (allocated), or NULL. */
static char *
majority (char **labels, size_t n)
{
  size_t i, j, count, best = 0;
  char *r = NULL;

  for (i = 0; i < n; ++i) {
    if (labels[i] == NULL)
      continue;
    for (count = 0, j = 0; j < n; ++j)
      count += labels[j] != NULL && strcmp (labels[i], labels[j]) == 0;
    if (count > best) {
      best = count;
      r = labels[i];
    }
  }
  return r ? strdup (r) : NULL;
}

static char *
get_label (struct guest *gst, const char *path)
{
  size_t n;
  char *v = guestfs_lgetxattr (gst->g, path, "security.selinux", &n);
  char *r = v ? strndup (v, n) : NULL;

  free (v);
  return r;
}

/* The label for a new file NAME in DIR (allocated), or NULL. */
static char *
neighbours_label (struct guest *gst, const char *dir, const char *name)
{
  struct guestfs_dirent_list *list;
  char *same[MAX_NEIGHBOURS], *any[MAX_NEIGHBOURS], *r;
  size_t nr_same = 0, nr_any = 0, i;

  list = guestfs_readdir (gst->g, dir);
  for (i = 0; list != NULL && i < list->len; ++i) {
    const struct guestfs_dirent *d = &list->val[i];
    CLEANUP_FREE char *path = NULL;
    bool alike = strcmp (suffix (d->name), suffix (name)) == 0;

    if (d->ftyp != 'r' || d->name[0] == '.')
      continue;
    if (alike ? nr_same == MAX_NEIGHBOURS : nr_any == MAX_NEIGHBOURS / 4)
      continue;
    if (asprintf (&path, "%s/%s", strcmp (dir, "/") == 0 ? "" : dir, d->name) ==
        -1) {
      path = NULL;
      continue;
    }
    if (alike)
      same[nr_same++] = get_label (gst, path);
    else
      any[nr_any++] = get_label (gst, path);
  }
  guestfs_free_dirent_list (list);
  r = majority (same, nr_same);
  if (r == NULL)
    r = majority (any, nr_any);
  if (r == NULL)
    r = get_label (gst, dir);
  for (i = 0; i < nr_same; ++i)
    free (same[i]);
  for (i = 0; i < nr_any; ++i)
    free (any[i]);
  return r;
}

/* The label for something new of the kind MODE (allocated), or NULL. */
static char *
new_label (struct guest *gst, const char *path, unsigned mode)
{
  CLEANUP_FREE char *dir = NULL;
  const char *label;
  char *r;

  if (!has_selinux (gst) ||
      strcmp (guest_mount_of (gst, path)->fstype, "vfat") == 0)
    return NULL;
  label = gst->label_of ? gst->label_of (gst, path, mode) : NULL;
  if (label != NULL)
    return strdup (label);
  dir = dirname_of (path);
  r = dir == NULL      ? NULL
      : S_ISREG (mode) ? neighbours_label (gst, dir, strrchr (path, '/') + 1)
                       : get_label (gst, dir);
  if (r == NULL)
    gst->unlabelled = true;
  return r;
}

static int
set_label (struct guest *gst, const char *path, const char *label)
{
  /* The policy's own form includes the terminating zero. */
  return guestfs_lsetxattr (gst->g, "security.selinux", label,
                            (int)strlen (label) + 1, path);
}

/* ---- writing ---- */

static int
write_failed (struct guest *gst, const char *path)
{
  int e = guestfs_last_errno (gst->g);

  report_error (gst->report,
                e == ENOSPC  ? "no-space"
                : e == EROFS ? "read-only-root"
                             : "guest-file-write",
                "%s: %s", path, guest_last_error (gst));
  return -1;
}

/* Make the missing directories above PATH, 0755. */
static int
make_parents (struct guest *gst, const char *path, const char *why)
{
  CLEANUP_FREE char *dir = dirname_of (path);
  CLEANUP_FREE char *label = NULL;
  struct guestfs_statns st;
  int r;

  if (dir == NULL)
    return guest_no_memory (gst);
  r = guest_look (gst, dir, true, &st);
  if (r == -1)
    return -1;
  if (r == 1) {
    if (S_ISDIR (st.st_mode))
      return 0;
    report_error (gst->report, "guest-file-write", "%s: %s is not a directory",
                  path, dir);
    return -1;
  }
  if (make_parents (gst, dir, why) == -1)
    return -1;
  if (guestfs_mkdir_mode (gst->g, dir, 0755) == -1)
    return write_failed (gst, dir);
  if (guestfs_chmod (gst->g, 0755, dir) == -1)
    return write_failed (gst, dir);
  label = new_label (gst, dir, S_IFDIR);
  if (label != NULL && set_label (gst, dir, label) == -1)
    return write_failed (gst, dir);
  report_change (gst->report, dir, "mkdir", why, NULL, NULL);
  return 0;
}

/* Where a write to PATH really goes: through links to the file, or PATH
 * itself (allocated).  *there says whether there is such a file now, *st
 * then is its.  NULL with the error reported.
 */
static char *
destination (struct guest *gst, const char *path, bool *there,
             struct guestfs_statns *st)
{
  char *real;
  int r;

  *there = false;
  r = guest_look (gst, path, true, st);
  if (r == -1)
    return NULL;
  if (r == 1) {
    if (!S_ISREG (st->st_mode)) {
      report_error (gst->report, "guest-file-write", "%s is not a regular file",
                    path);
      return NULL;
    }
    *there = true;
    real = guestfs_realpath (gst->g, path);
    if (real == NULL)
      write_failed (gst, path);
    return real;
  }
  /* A dangling link is replaced. */
  real = strdup (path);
  if (real == NULL)
    guest_no_memory (gst);
  return real;
}

/* A name beside PATH that is not there (allocated). */
static char *
temporary_name (struct guest *gst, const char *path)
{
  CLEANUP_FREE char *dir = dirname_of (path);
  struct guest_files *f = guest_files_of (gst);
  uint32_t salt;
  char *r;

  if (dir == NULL || f == NULL ||
      gnutls_rnd (GNUTLS_RND_NONCE, &salt, sizeof salt) < 0 ||
      asprintf (&r, "%s/.v2v-%08" PRIx32 "-%u",
                strcmp (dir, "/") == 0 ? "" : dir, salt, f->serial++) == -1) {
    guest_no_memory (gst);
    return NULL;
  }
  return r;
}

static int
write_pieces (struct guest *gst, const char *path, const char *data,
              size_t size, uint64_t offset)
{
  size_t done = 0;

  while (done < size) {
    size_t n = V2V_MIN (size - done, (size_t)GUEST_CHUNK);
    int put = guestfs_pwrite (gst->g, path, data + done, n,
                              (int64_t)(offset + done));

    if (put <= 0)
      return -1;
    done += put;
  }
  return 0;
}

int
guest_write (struct guest *gst, const char *path, const char *data, size_t size,
             int mode, const char *why)
{
  CLEANUP_FREE char *real = NULL, *tmp = NULL, *old = NULL;
  struct guestfs_statns st;
  size_t old_size = 0;
  char before[65], after[65];
  bool there;

  real = destination (gst, path, &there, &st);
  if (real == NULL)
    return -1;
  if (there) {
    if (guest_read (gst, real, MAX_REPLACED, &old, &old_size) != 1)
      return -1;
    if (old_size == size && memcmp (old, data, size) == 0)
      return 0;
    sha256 (old, old_size, before);
  }
  sha256 (data, size, after);
  if (gst->dry_run)
    goto done;

  if (!there && make_parents (gst, real, why) == -1)
    return -1;
  tmp = temporary_name (gst, real);
  if (tmp == NULL)
    return -1;
  if (guestfs_write (gst->g, tmp, data, V2V_MIN (size, (size_t)GUEST_CHUNK)) ==
        -1 ||
      (size > GUEST_CHUNK &&
       write_pieces (gst, tmp, data + GUEST_CHUNK, size - GUEST_CHUNK,
                     GUEST_CHUNK) == -1))
    goto failed;
  if (there) {
    if (guestfs_copy_attributes (gst->g, real, tmp, GUESTFS_COPY_ATTRIBUTES_ALL,
                                 1, -1) == -1)
      goto failed;
  }
  else {
    CLEANUP_FREE char *label = new_label (gst, real, S_IFREG);

    if (guestfs_chmod (gst->g, mode & 07777, tmp) == -1)
      goto failed;
    if (label != NULL && set_label (gst, tmp, label) == -1)
      goto failed;
  }
  if (guestfs_rename (gst->g, tmp, real) == -1)
    goto failed;

done:
  report_change (gst->report, path, there ? "modify" : "create", why,
                 there ? before : NULL, after);
  return 0;

failed:
  write_failed (gst, path);
  guestfs_rm_f (gst->g, tmp);
  return -1;
}

int
guest_append (struct guest *gst, const char *path, const void *image,
              size_t image_size, uint64_t offset, const void *tail,
              size_t tail_size, const char *why)
{
  CLEANUP_FREE char *real = NULL, *tmp = NULL;
  struct guestfs_statns st;
  char before[65], after[65];
  bool there;

  real = destination (gst, path, &there, &st);
  if (real == NULL)
    return -1;
  if (!there || offset > image_size || st.st_size != (int64_t)image_size) {
    report_error (gst->report, "guest-file-write",
                  "%s is not the file that was read", path);
    return -1;
  }
  sha256 (image, image_size, before);
  sha256_2 (image, offset, tail, tail_size, after);
  if (gst->dry_run)
    goto done;

  tmp = temporary_name (gst, real);
  if (tmp == NULL)
    return -1;
  /* All inside the appliance: only the tail is sent. */
  if ((offset > 0 ? guestfs_copy_file_to_file (gst->g, real, tmp,
                                               GUESTFS_COPY_FILE_TO_FILE_SIZE,
                                               (int64_t)offset, -1)
                  : guestfs_touch (gst->g, tmp)) == -1 ||
      guestfs_copy_attributes (gst->g, real, tmp, GUESTFS_COPY_ATTRIBUTES_ALL,
                               1, -1) == -1 ||
      write_pieces (gst, tmp, tail, tail_size, offset) == -1)
    goto failed;
  {
    /* sha256sum in the appliance reads the whole new file. */
    CLEANUP_FREE char *sum = guestfs_checksum (gst->g, "sha256", tmp);

    if (sum == NULL)
      goto failed;
    if (strcmp (sum, after) != 0) {
      guestfs_rm_f (gst->g, tmp);
      report_error (gst->report, "guest-file-write",
                    "%s: what was written reads back differently", path);
      return -1;
    }
  }
  if (guestfs_rename (gst->g, tmp, real) == -1)
    goto failed;

done:
  report_change (gst->report, path, "append", why, before, after);
  return 0;

failed:
  write_failed (gst, path);
  guestfs_rm_f (gst->g, tmp);
  return -1;
}

/* Digest of the regular file PATH for the report; false if it is none. */
static bool
digest_of (struct guest *gst, const char *path, const struct guestfs_statns *st,
           char hex[65])
{
  CLEANUP_FREE char *data = NULL;
  size_t size;

  if (!S_ISREG (st->st_mode) || (uint64_t)st->st_size > MAX_REPLACED ||
      guest_read (gst, path, MAX_REPLACED, &data, &size) != 1)
    return false;
  sha256 (data, size, hex);
  return true;
}

int
guest_remove (struct guest *gst, const char *path, const char *why)
{
  struct guestfs_statns st;
  char before[65];
  bool have;
  int r = guest_look (gst, path, false, &st);

  if (r <= 0)
    return r;
  if (S_ISDIR (st.st_mode)) {
    report_error (gst->report, "guest-file-write", "%s is a directory", path);
    return -1;
  }
  have = digest_of (gst, path, &st, before);
  if (!gst->dry_run && guestfs_rm (gst->g, path) == -1)
    return write_failed (gst, path);
  report_change (gst->report, path, "remove", why, have ? before : NULL, NULL);
  return 0;
}

int
guest_symlink (struct guest *gst, const char *target, const char *path,
               const char *why)
{
  CLEANUP_FREE char *old = guest_readlink (gst, path);
  CLEANUP_FREE char *tmp = NULL, *label = NULL;
  struct guestfs_statns st;
  char before[65];
  bool have = false;
  int r;

  if (old != NULL && strcmp (old, target) == 0)
    return 0;
  r = guest_look (gst, path, false, &st);
  if (r == -1)
    return -1;
  if (r == 1) {
    if (S_ISDIR (st.st_mode)) {
      report_error (gst->report, "guest-file-write", "%s is a directory", path);
      return -1;
    }
    have = digest_of (gst, path, &st, before);
  }
  if (gst->dry_run)
    goto done;
  if (r == 0 && make_parents (gst, path, why) == -1)
    return -1;
  tmp = temporary_name (gst, path);
  if (tmp == NULL)
    return -1;
  if (guestfs_ln_s (gst->g, target, tmp) == -1)
    return write_failed (gst, path);
  label = r == 1 && has_selinux (gst) ? get_label (gst, path)
                                      : new_label (gst, path, S_IFLNK);
  if ((label != NULL && set_label (gst, tmp, label) == -1) ||
      guestfs_rename (gst->g, tmp, path) == -1) {
    write_failed (gst, path);
    guestfs_rm_f (gst->g, tmp);
    return -1;
  }

done:
  report_change (gst->report, path, "symlink", why, have ? before : NULL, NULL);
  return 0;
}
