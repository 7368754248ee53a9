/* SPDX-License-Identifier: BSD-3-Clause */

/* Files of the target.
 *
 * Invariants:
 * 1. Until everything is there and has been checked, nothing has its
 *    final name: data is written to NAME.part.  What exists is replaced
 *    only with --force, and only when all others have their names, too
 *    (place.c).  Volumes of a pool have their name at once (pool.c), and
 *    never replace another.
 * 2. On failure every file that we made is removed, and every one that was
 *    there before is there.
 * 3. Neither the source nor a file that it names is among the files that
 *    are replaced, or removed because an interrupted run may have left
 *    them.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <json-c/json.h>

#include "copy.h"
#include "target.h"
#include "v2v-utils.h"

static struct json_object *
get (struct json_object *o, const char *key)
{
  struct json_object *v = NULL;

  return o && json_object_is_type (o, json_type_object) &&
             json_object_object_get_ex (o, key, &v)
           ? v
           : NULL;
}

static struct json_object *
parse (const struct survey *s, const char *name)
{
  const struct document *d = survey_document (s, name);

  return d ? json_tokener_parse (d->data) : NULL;
}

/* The machine's name: as given, or as a document has it, or as the source
 * is called.
 */
static char *
machine_name (const struct options *o, const struct survey *s)
{
  static const char *const suffixes[] = {
    ".ova",   ".ovf",  ".vmx", ".xml",  ".img", ".raw",
    ".qcow2", ".vmdk", ".vhd", ".vhdx", ".vdi",
  };
  static const char *const docs[] = { "vm.json", "source.json" };
  char *base, *p, *name = NULL;
  size_t i;

  if (o->name)
    return xstrdup (o->name);
  for (i = 0; name == NULL && i < V2V_ARRAY_SIZE (docs); ++i) {
    struct json_object *doc = parse (s, docs[i]), *v = get (doc, "name");

    if (v && json_object_get_string_len (v) > 0)
      name = xstrdup (json_object_get_string (v));
    json_object_put (doc);
  }
  if (name)
    return name;
  base = xstrdup (o->source);
  for (p = base + strlen (base); p > base + 1 && p[-1] == '/'; --p)
    p[-1] = '\0';
  p = strrchr (base, '/');
  p = p && p[1] ? p + 1 : base;
  for (i = 0; i < V2V_ARRAY_SIZE (suffixes); ++i) {
    size_t n = strlen (p), m = strlen (suffixes[i]);

    if (n > m && strcasecmp (p + n - m, suffixes[i]) == 0) {
      p[n - m] = '\0';
      break;
    }
  }
  name = xstrdup (p);
  free (base);
  return name;
}

static const char *
disk_dir (const struct session *h)
{
  return h->opt.pool ? h->pool.path : h->opt.target;
}

/* The documents name the disks: follow them, if they mean this directory
 * and plain files in it.
 */
static bool
paths_from_document (struct outputs *out, const struct session *h,
                     const struct survey *s, const char *dir)
{
  const struct options *o = &h->opt;
  struct json_object *doc = parse (s, "vm.json"), *disks, *f;
  bool ok = false;
  size_t i, len = strlen (dir);

  disks = get (doc, "disks");
  if (disks && json_object_is_type (disks, json_type_array) &&
      json_object_array_length (disks) == out->nr_disks) {
    ok = true;
    for (i = 0; ok && i < out->nr_disks; ++i) {
      const char *path, *name;

      f = get (json_object_array_get_idx (disks, i), "file");
      path = f ? json_object_get_string (f) : "";
      name = strrchr (path, '/');
      name = name ? name + 1 : path;
      if (*name == '\0' || *name == '.' || *name == '-' ||
          (name > path &&
           ((size_t)(name - path) != len + 1 || strncmp (path, dir, len) != 0)))
        ok = false;
      f = get (json_object_array_get_idx (disks, i), "format");
      if (f == NULL ||
          strcmp (json_object_get_string (f), o->qcow2 ? "qcow2" : "raw") != 0)
        ok = false;
      if (ok)
        out->disks[i].path = xasprintf ("%s/%s", disk_dir (h), name);
    }
    if (!ok)
      for (i = 0; i < out->nr_disks; ++i) {
        free (out->disks[i].path);
        out->disks[i].path = NULL;
      }
  }
  json_object_put (doc);
  return ok;
}

static int
check_free (const char *path, const struct options *o, const struct survey *s)
{
  CLEANUP_FREE char *part = xasprintf ("%s.part", path);
  const char *paths[] = { path, part };
  struct stat st, src;
  size_t i;

  for (i = 0; i < V2V_ARRAY_SIZE (paths); ++i)
    if (held_has (&s->held, paths[i]) ||
        (stat (o->source, &src) == 0 && stat (paths[i], &st) == 0 &&
         st.st_dev == src.st_dev && st.st_ino == src.st_ino)) {
      show_error ("output-is-source",
                  "%s is the source, or a file of it: choose another "
                  "directory or --name",
                  paths[i]);
      return EXIT_OUTPUT;
    }
  if (lstat (path, &st) == -1)
    return 0;
  if (!o->force) {
    show_error ("output-exists",
                "%s exists: remove it, choose another "
                "--name, or use --force",
                path);
    return EXIT_OUTPUT;
  }
  if (!S_ISREG (st.st_mode)) {
    show_error ("output-exists", "%s is not a regular file", path);
    return EXIT_OUTPUT;
  }
  return 0;
}

static char *
document_path (const struct outputs *out, const struct options *o,
               const char *name)
{
  static const struct {
    const char *name, *suffix;
  } map[] = {
    { "domain.xml", "xml" }, { "qemu.sh", "sh" }, { "kubevirt.yaml", "yaml" },
    { "vm.json", "json" },   { "vm.ovf", "ovf" },
  };
  size_t i;

  for (i = 0; i < V2V_ARRAY_SIZE (map); ++i)
    if (strcmp (name, map[i].name) == 0)
      return xasprintf ("%s/%s.%s", o->documents, out->base, map[i].suffix);
  return xasprintf ("%s/%s.%s", o->documents, out->base, name);
}

static int
check_domain (const struct outputs *out, const struct options *o,
              const struct survey *s)
{
  struct json_object *doc = parse (s, "vm.json"), *uuid = get (doc, "uuid");
  int r = domain_check (o, out->name,
                        uuid ? json_object_get_string (uuid) : NULL);

  json_object_put (doc);
  return r;
}

/* All names of disks, and of documents. */
static int
check_names (const struct outputs *out, const struct options *o,
             const struct survey *s)
{
  size_t i;
  int r = 0;

  for (i = 0; r == 0 && i < out->nr_disks; ++i)
    r = check_free (out->disks[i].path, o, s);
  for (i = 0; r == 0 && i < s->nr_docs; ++i) {
    CLEANUP_FREE char *path = document_path (out, o, s->docs[i].name);

    r = check_free (path, o, s);
  }
  return r;
}

int
outputs_plan (struct outputs *out, const struct session *h,
              const struct survey *s)
{
  const struct options *o = &h->opt;
  CLEANUP_FREE char *dir = realpath (disk_dir (h), NULL);
  struct stat st;
  uint64_t total = 0;
  struct statvfs vfs;
  size_t i;
  int r;

  if (dir == NULL || stat (dir, &st) == -1 || !S_ISDIR (st.st_mode)) {
    show_error ("output-directory", "%s: %s", disk_dir (h),
                dir ? "is not a directory" : strerror (errno));
    return EXIT_OUTPUT;
  }
  out->name = machine_name (o, s);
  out->base = target_name_file (out->name);
  out->nr_disks = s->nr_disks;
  out->disks = xrealloc (NULL, (s->nr_disks + 1) * sizeof *out->disks);
  memset (out->disks, 0, (s->nr_disks + 1) * sizeof *out->disks);
  for (i = 0; i < s->nr_disks; ++i) {
    out->disks[i].export = s->exports[i];
    out->disks[i].size = s->sizes[i];
    out->disks[i].progress_fd = -1;
    total += s->sizes[i];
  }
  if (!paths_from_document (out, h, s, dir))
    for (i = 0; i < s->nr_disks; ++i)
      out->disks[i].path = xasprintf ("%s/%s-disk%zu.%s", disk_dir (h),
                                      out->base, i, o->qcow2 ? "qcow2" : "img");
  for (i = 0; i < s->nr_disks; ++i)
    out->disks[i].part = o->pool ? xstrdup (out->disks[i].path)
                                 : xasprintf ("%s.part", out->disks[i].path);
  r = check_names (out, o, s);
  if (r)
    return r;
  if (o->preallocated && statvfs (dir, &vfs) == 0 &&
      total / vfs.f_frsize > vfs.f_bavail) {
    show_error ("no-space",
                "%s has room for %" PRIu64 " bytes, the disks "
                "need %" PRIu64,
                dir, (uint64_t)vfs.f_bavail * vfs.f_frsize, total);
    return EXIT_OUTPUT;
  }
  return o->define ? check_domain (out, o, s) : 0;
}

int
outputs_create (struct disk *d, const struct session *h)
{
  struct stat st;
  int fd, r;

  if (h->opt.pool) {
    r = pool_create (h, d->path, d->size);
    d->created = r == 0;
    /* It was not there before (check_free): so it is the one that libvirt
     * made, unless that is on another host with such a directory, where
     * the volume would stay empty.
     */
    if (r == 0 && (lstat (d->path, &st) == -1 || !S_ISREG (st.st_mode))) {
      show_error ("pool",
                  "libvirt made the volume, but not as %s of this host: run "
                  "this on libvirt's host",
                  d->path);
      r = EXIT_OUTPUT;
    }
    return r == 0 && interrupted () ? EXIT_INTERRUPTED : r;
  }
  /* What an interrupted run left; never through a symbolic link. */
  if (unlink (d->part) == -1 && errno != ENOENT) {
    show_error ("output", "%s: %s", d->part, strerror (errno));
    return EXIT_OUTPUT;
  }
  fd = open (d->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
             0666);
  if (fd == -1) {
    show_error ("output", "%s: %s", d->part, strerror (errno));
    return EXIT_OUTPUT;
  }
  d->created = true;
  close (fd);
  return 0;
}

static uint64_t
qcow2_size (int fd)
{
  unsigned char h[32];
  uint64_t n = 0;
  int i;

  if (pread (fd, h, sizeof h, 0) != sizeof h || memcmp (h, "QFI\xfb", 4) != 0)
    return UINT64_MAX;
  for (i = 24; i < 32; ++i)
    n = n << 8 | h[i];
  return n;
}

int
outputs_check (struct disk *d, const struct options *o)
{
  CLEANUP_CLOSE int fd = open (d->part, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  struct stat st;
  uint64_t size;
  int err;

  /* nbdcopy --allocated (1.14) leaves holes in files that it made. */
  if (fd >= 0 && o->preallocated && !o->qcow2 && d->size > 0 &&
      (err = posix_fallocate (fd, 0, (off_t)d->size)) != 0) {
    show_error ("no-space", "%s: %s", d->part, strerror (err));
    return EXIT_OUTPUT;
  }
  if (fd == -1 || fstat (fd, &st) == -1 || fsync (fd) == -1) {
    show_error ("output", "%s: %s", d->part, strerror (errno));
    return EXIT_OUTPUT;
  }
  size = o->qcow2 ? qcow2_size (fd) : (uint64_t)st.st_size;
  if (size != d->size) {
    show_error ("wrong-size", "%s has %" PRIu64 " bytes and not %" PRIu64,
                d->part, size, d->size);
    return EXIT_COPY;
  }
  return 0;
}

static int
write_document (const struct document *doc, const char *part, mode_t mode)
{
  CLEANUP_CLOSE int fd = -1;
  size_t n = 0;
  ssize_t r;

  if (unlink (part) == -1 && errno != ENOENT)
    goto error;
  fd = open (part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd == -1)
    goto error;
  while (n < doc->size) {
    r = write (fd, doc->data + n, doc->size - n);
    if (r == -1 && errno == EINTR)
      continue;
    if (r == -1)
      goto error;
    n += r;
  }
  if (fsync (fd) == -1)
    goto error;
  return 0;

error:
  show_error ("output", "%s: %s", part, strerror (errno));
  return EXIT_OUTPUT;
}

static int
place_files (struct places *p, const struct outputs *out,
             const struct options *o)
{
  size_t i;
  int r = 0;

  for (i = 0; r == 0 && !o->pool && i < out->nr_disks; ++i)
    r = place (p, out->disks[i].part, out->disks[i].path, o->force);
  for (i = 0; r == 0 && i < out->docs.n; ++i) {
    CLEANUP_FREE char *part = xasprintf ("%s.part", out->docs.v[i]);

    r = place (p, part, out->docs.v[i], o->force);
  }
  return r;
}

static int
sync_directory (const char *path)
{
  CLEANUP_CLOSE int dir = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (dir == -1 || fsync (dir) == -1) {
    show_error ("output", "%s: %s", path, strerror (errno));
    return EXIT_OUTPUT;
  }
  return 0;
}

int
outputs_finish (struct outputs *out, const struct options *o,
                const struct survey *s)
{
  struct places p = { .n = 0 };
  size_t i;
  int r = 0;

  /* First everything that can run out of space, then the names. */
  for (i = 0; r == 0 && i < s->nr_docs; ++i) {
    CLEANUP_FREE char *path = document_path (out, o, s->docs[i].name);
    CLEANUP_FREE char *part = xasprintf ("%s.part", path);
    /* The display's password may be in some of them. */
    mode_t mode = strcmp (s->docs[i].name, "qemu.sh") == 0 ? 0700 : 0600;

    strings_add (&out->docs, path);
    r = write_document (&s->docs[i], part, mode);
  }
  if (r == 0)
    r = place_files (&p, out, o);
  if (r == 0 && !o->pool)
    r = sync_directory (o->target);
  if (r == 0 && out->docs.n > 0)
    r = sync_directory (o->documents);
  if (r)
    place_undo (&p);
  else
    place_done (&p);
  return r;
}

const char *
outputs_document (const struct outputs *out, const struct options *o,
                  const char *name)
{
  CLEANUP_FREE char *path = document_path (out, o, name);
  size_t i;

  for (i = 0; i < out->docs.n; ++i)
    if (strcmp (out->docs.v[i], path) == 0)
      return out->docs.v[i];
  return NULL;
}

void
outputs_discard (struct outputs *out, const struct options *o)
{
  size_t i;

  for (i = 0; i < out->nr_disks; ++i)
    if (out->disks[i].created && o->pool)
      pool_delete (o, out->disks[i].path);
    else if (out->disks[i].created)
      unlink (out->disks[i].part);
  for (i = 0; i < out->docs.n; ++i) {
    CLEANUP_FREE char *part = xasprintf ("%s.part", out->docs.v[i]);

    unlink (part);
  }
}

void
outputs_clear (struct outputs *out)
{
  size_t i;

  for (i = 0; i < out->nr_disks; ++i) {
    struct disk *d = &out->disks[i];

    free (d->path);
    free (d->part);
    free (d->qemu_socket);
    if (d->progress_fd >= 0)
      close (d->progress_fd);
  }
  free (out->disks);
  free (out->name);
  free (out->base);
  strings_free (&out->docs);
}
