/* SPDX-License-Identifier: BSD-3-Clause */

/* Reading files of the guest, and the room that is left.  See guest.h;
 * guest-write.c is what changes them.
 *
 * Which calls: a call that the daemon answers itself costs 1 to 8 ms under
 * TCG (stat, pread, pwrite, write, rename, xattrs, readdir, glob); one for
 * which it runs a program, and every streamed one (read_file, cat,
 * download, upload), costs about 100 ms.  So files are read with pread and
 * written with pwrite; a file of more than STREAM bytes is streamed.
 *
 * Invariants: (1) only regular files are opened; (2) nothing larger than
 * the caller's cap is read.
 */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "guest-internal.h"
#include "guest.h"
#include "report.h"
#include "v2v-utils.h"

/* Larger files are downloaded. */
#define STREAM (8 * 1024 * 1024)

const char *
guest_last_error (struct guest *gst)
{
  const char *s = guestfs_last_error (gst->g);

  return s ? s : "unknown error";
}

struct guest_files *
guest_files_of (struct guest *gst)
{
  if (gst->files == NULL) {
    gst->files = calloc (1, sizeof *gst->files);
    if (gst->files != NULL)
      gst->files->selinux = -1;
  }
  return gst->files;
}

int
guest_no_memory (struct guest *gst)
{
  report_error (gst->report, "out-of-memory", "out of memory");
  return -1;
}

int
guest_look (struct guest *gst, const char *path, bool follow,
            struct guestfs_statns *st)
{
  struct guestfs_statns *s;

  s = follow ? guestfs_statns (gst->g, path) : guestfs_lstatns (gst->g, path);
  if (s == NULL) {
    switch (guestfs_last_errno (gst->g)) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
      return 0;
    }
    report_error (gst->report, "guest-file-read", "%s: %s", path,
                  guest_last_error (gst));
    return -1;
  }
  *st = *s;
  guestfs_free_statns (s);
  return 1;
}

static int
read_pieces (struct guest *gst, const char *path, char *buf, size_t size)
{
  size_t done = 0;

  while (done < size) {
    size_t n = V2V_MIN (size - done, (size_t)GUEST_CHUNK), got;
    char *p = guestfs_pread (gst->g, path, (int)n, (int64_t)done, &got);

    if (p == NULL || got == 0 || got > n) {
      report_error (gst->report, "guest-file-read", "%s: %s", path,
                    p ? "the file became shorter" : guest_last_error (gst));
      free (p);
      return -1;
    }
    memcpy (buf + done, p, got);
    free (p);
    done += got;
  }
  return 0;
}

static int
read_stream (struct guest *gst, const char *path, char *buf, size_t size)
{
  FILE *fp = tmpfile ();
  char name[64];
  int r = -1;

  if (fp == NULL) {
    report_error (gst->report, "host-temporary-file",
                  "cannot make a temporary file: %s", strerror (errno));
    return -1;
  }
  snprintf (name, sizeof name, "/dev/fd/%d", fileno (fp));
  if (guestfs_download (gst->g, path, name) == -1)
    report_error (gst->report, "guest-file-read", "%s: %s", path,
                  guest_last_error (gst));
  else {
    rewind (fp);
    if (fread (buf, 1, size, fp) != size)
      report_error (gst->report, "guest-file-read",
                    "%s: the file became shorter", path);
    else
      r = 0;
  }
  fclose (fp);
  return r;
}

int
guest_read (struct guest *gst, const char *path, size_t max, char **data,
            size_t *size)
{
  struct guestfs_statns st;
  char *buf;
  int r;

  *data = NULL;
  *size = 0;
  r = guest_look (gst, path, true, &st);
  if (r <= 0)
    return r;
  if (!S_ISREG (st.st_mode))
    return 0;
  if (st.st_size < 0 || (uint64_t)st.st_size > max) {
    report_error (gst->report, "guest-file-too-large",
                  "%s: %" PRIi64 " bytes are more than the %zu that are "
                  "read of such a file",
                  path, st.st_size, max);
    return -1;
  }
  buf = malloc ((size_t)st.st_size + 1);
  if (buf == NULL)
    return guest_no_memory (gst);
  r = st.st_size > STREAM ? read_stream (gst, path, buf, st.st_size)
                          : read_pieces (gst, path, buf, st.st_size);
  if (r == -1) {
    free (buf);
    return -1;
  }
  buf[st.st_size] = '\0';
  *data = buf;
  *size = st.st_size;
  return 1;
}

int
guest_read_many (struct guest *gst, struct guest_file *list, size_t nr_files,
                 size_t max)
{
  size_t i;

  for (i = 0; i < nr_files; ++i) {
    list[i].data = NULL;
    list[i].size = -1;
  }
  for (i = 0; i < nr_files; ++i) {
    struct guestfs_statns st;
    int r = guest_look (gst, list[i].path, true, &st);

    if (r == -1)
      return -1;
    if (r == 0 || !S_ISREG (st.st_mode) || st.st_size < 0 ||
        (uint64_t)st.st_size > max)
      continue;
    list[i].data = malloc ((size_t)st.st_size + 1);
    if (list[i].data == NULL)
      return guest_no_memory (gst);
    if (read_pieces (gst, list[i].path, list[i].data, st.st_size) == -1)
      return -1;
    list[i].data[st.st_size] = '\0';
    list[i].size = st.st_size;
  }
  return 0;
}

char *
guest_readlink (struct guest *gst, const char *path)
{
  struct guestfs_statns *st = guestfs_lstatns (gst->g, path);
  bool link = st != NULL && S_ISLNK (st->st_mode);

  guestfs_free_statns (st);
  return link ? guestfs_readlink (gst->g, path) : NULL;
}

/* ---- looking ---- */

bool
guest_is_file (struct guest *gst, const char *path)
{
  struct guestfs_statns *st = guestfs_statns (gst->g, path);
  bool r = st != NULL && S_ISREG (st->st_mode);

  guestfs_free_statns (st);
  return r;
}

bool
guest_is_dir (struct guest *gst, const char *path)
{
  struct guestfs_statns *st = guestfs_statns (gst->g, path);
  bool r = st != NULL && S_ISDIR (st->st_mode);

  guestfs_free_statns (st);
  return r;
}

static int
by_name (const void *a, const void *b)
{
  return strcmp (*(char *const *)a, *(char *const *)b);
}

char **
guest_glob (struct guest *gst, const char *pattern)
{
  char **r = guestfs_glob_expand_opts (
    gst->g, pattern, GUESTFS_GLOB_EXPAND_OPTS_DIRECTORYSLASH, 0, -1);
  size_t n = 0;

  if (r == NULL)
    return calloc (1, sizeof *r);
  while (r[n] != NULL)
    n++;
  qsort (r, n, sizeof *r, by_name);
  return r;
}

void
guest_free_strings (char **strings)
{
  size_t i;

  for (i = 0; strings != NULL && strings[i] != NULL; ++i)
    free (strings[i]);
  free (strings);
}

/* ---- room ---- */

static size_t
mount_index (const struct guest *gst, const char *path)
{
  size_t i, best = 0, best_len = 0;

  for (i = 0; i < gst->nr_mounts; ++i) {
    const char *mp = gst->mounts[i].mountpoint;
    size_t len = strcmp (mp, "/") == 0 ? 0 : strlen (mp);

    if (strncmp (path, mp, len) == 0 &&
        (path[len] == '/' || path[len] == '\0' || len == 0) &&
        len >= best_len) {
      best = i;
      best_len = len;
    }
  }
  return best;
}

const struct guest_mount *
guest_mount_of (const struct guest *gst, const char *path)
{
  return &gst->mounts[mount_index (gst, path)];
}

/* The account of the file system that holds PATH, *M its mount; NULL with
 * the error reported.
 */
static struct guest_reservation *
reservation_of (struct guest *gst, const char *path,
                const struct guest_mount **m)
{
  struct guest_files *f = guest_files_of (gst);
  const size_t i = mount_index (gst, path);
  struct guest_reservation *v;
  struct guestfs_statvfs *s;

  *m = &gst->mounts[i];
  if (f != NULL && f->reservations == NULL)
    f->reservations = calloc (gst->nr_mounts, sizeof *f->reservations);
  if (f == NULL || f->reservations == NULL) {
    guest_no_memory (gst);
    return NULL;
  }
  v = &f->reservations[i];
  if (v->known)
    return v;
  s = guestfs_statvfs (gst->g, (*m)->mountpoint);
  if (s == NULL) {
    report_error (gst->report, "guest-file-read",
                  "cannot find how much room %s has: %s", (*m)->mountpoint,
                  guest_last_error (gst));
    return NULL;
  }
  if (s->flag & ST_RDONLY) {
    guestfs_free_statvfs (s);
    report_error (gst->report, "read-only-root",
                  "the file system mounted on %s (%s) cannot be written to, "
                  "but the conversion changes %s: is it damaged, or made "
                  "read-only? Repair it in the guest",
                  (*m)->mountpoint, (*m)->mountable, path);
    return NULL;
  }
  v->known = true;
  v->block = s->frsize > 0 ? s->frsize : s->bsize;
  if (v->block == 0)
    v->block = 4096;
  v->free_bytes = (uint64_t)s->bfree * v->block;
  v->counts_inodes = s->files > 0;
  v->free_inodes = s->ffree > 0 ? s->ffree : 0;
  guestfs_free_statvfs (s);
  return v;
}

static int
check_room (struct guest *gst, const struct guest_reservation *v,
            const struct guest_mount *m)
{
  const uint64_t bytes = v->bytes + v->spare_bytes;
  const uint64_t inodes = v->inodes + v->spare_inodes;

  if (bytes > v->free_bytes) {
    report_error (gst->report, "no-space",
                  "the file system mounted on %s (%s) has %" PRIu64
                  " KiB free, but the conversion needs %" PRIu64
                  " KiB: delete something in the guest, or enlarge the file "
                  "system",
                  m->mountpoint, m->mountable, v->free_bytes / 1024,
                  (bytes + 1023) / 1024);
    return -1;
  }
  if (v->counts_inodes && inodes > v->free_inodes) {
    report_error (gst->report, "no-inodes",
                  "the file system mounted on %s (%s) has room for %" PRIu64
                  " more files, but the conversion makes up to %" PRIu64
                  ": delete files in the guest",
                  m->mountpoint, m->mountable, v->free_inodes, inodes);
    return -1;
  }
  return 0;
}

static uint64_t
in_blocks (const struct guest_reservation *v, uint64_t bytes)
{
  return (bytes + v->block - 1) / v->block * v->block;
}

int
guest_reserve (struct guest *gst, const char *path, uint64_t bytes,
               uint64_t inodes)
{
  const struct guest_mount *m;
  struct guest_reservation *v = reservation_of (gst, path, &m);

  if (v == NULL)
    return -1;
  /* Each file ends in a block of its own. */
  v->bytes += in_blocks (v, bytes) + inodes * v->block;
  v->inodes += inodes;
  return check_room (gst, v, m);
}

int
guest_reserve_change (struct guest *gst, const char *path, uint64_t old,
                      uint64_t size)
{
  const struct guest_mount *m;
  struct guest_reservation *v = reservation_of (gst, path, &m);

  if (v == NULL)
    return -1;
  /* While the new file is written the old one is still there. */
  old = in_blocks (v, old);
  size = in_blocks (v, size);
  v->bytes += size > old ? size - old : 0;
  v->spare_bytes = V2V_MAX (v->spare_bytes, V2V_MIN (old, size));
  v->spare_inodes = 1;
  return check_room (gst, v, m);
}

void
guest_free (struct guest *gst)
{
  size_t i;

  free (gst->root);
  free (gst->type);
  free (gst->distro);
  free (gst->osinfo);
  free (gst->arch);
  free (gst->product_name);
  free (gst->package_format);
  free (gst->package_management);
  free (gst->hostname);
  guest_free_strings (gst->esps);
  free (gst->sectors);
  for (i = 0; i < gst->nr_mounts; ++i) {
    free (gst->mounts[i].mountpoint);
    free (gst->mounts[i].mountable);
    free (gst->mounts[i].fstype);
    free (gst->mounts[i].uuid);
  }
  free (gst->mounts);
  if (gst->files != NULL)
    free (gst->files->reservations);
  free (gst->files);
}
