/* SPDX-License-Identifier: BSD-3-Clause */

/* Containers: directory or archive (see container.h).
 *
 * Archives are read with libarchive, in this process, never with tar(1) or a
 * shell: a member's name is only ever compared.  A plain tar stays where it
 * is: libarchive gives the members' headers, the data's position follows
 * from how far it has read, and is checked against the header's checksum
 * (the header is the 512 bytes before the data).  Everything else is
 * unpacked into ONE unlinked temporary file, members one after the other at
 * 4096-byte boundaries, zero blocks left out as holes.
 *
 * Invariants:
 * 1. A name never reaches the file system except through open_confined.
 *    There realpath(3) removes the links, the result must lie in an allowed
 *    directory with a '/' at the boundary, and it is then opened below that
 *    directory without following any link, so that a link that is exchanged
 *    between the two calls does not matter.
 * 2. Every blob lies inside its file: offset + size <= size of the file.
 * 3. Members: at most 65536, names at most 4096 bytes; directories at most
 *    16 deep; what is unpacked is at most unpack_limit.
 *
 * No locks: a container is filled in by one thread; afterwards blobs are
 * read with pread only.
 */

#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "container.h"
#include "v2v-utils.h"

#define MAX_MEMBERS 65536
#define MAX_NAME 4096
#define MAX_DEPTH 16

struct container {
  char *path; /* real path */
  bool is_dir, in_place, listed;
  const char *tmpdir;
  char *const *allow_dirs;
  uint64_t unpack_limit, unpacked;
  char **names;       /* of regular files, in order */
  struct blob *blobs; /* of archives only, as names */
  size_t nr, alloc;
  int *fds; /* owned */
  size_t nr_fds;
  int tmpfd; /* in fds; -1 before the first use */
  uint64_t tmp_end;
};

/*--------------------------------------------------------------------
 * Blobs.
 */
bool
blob_pread (const struct blob *b, void *buf, size_t len, uint64_t offset)
{
  char *p = buf;

  if (offset > b->size || len > b->size - offset)
    return false;
  offset += b->offset;
  while (len > 0) {
    ssize_t r = pread (b->fd, p, len, offset);

    if (r == -1 && errno == EINTR)
      continue;
    if (r <= 0)
      return false;
    p += r;
    len -= r;
    offset += r;
  }
  return true;
}

int
blob_read_all (const struct blob *b, size_t limit, char **text, size_t *len,
               struct diag *d)
{
  char *p;

  if (b->size > limit)
    return diag_error (d, "larger than %zu bytes", limit);
  p = malloc (b->size + 1);
  if (p == NULL)
    return diag_memory (d);
  if (!blob_pread (b, p, b->size, 0)) {
    free (p);
    return diag_error (d, "cannot be read: %m");
  }
  p[b->size] = '\0';
  *text = p;
  *len = b->size;
  return 0;
}

int
blob_from_fd (int fd, const char *name, struct blob *r, struct diag *d)
{
  struct stat st;
  uint64_t size = 0;

  if (fstat (fd, &st) == -1)
    return diag_error (d, "%s: fstat: %m", name);
  if (S_ISBLK (st.st_mode)) {
    if (ioctl (fd, BLKGETSIZE64, &size) == -1)
      return diag_error (d, "%s: BLKGETSIZE64: %m", name);
  }
  else if (S_ISREG (st.st_mode))
    size = st.st_size;
  else
    return diag_error (d, "%s: neither a regular file nor a block device",
                       name);
  *r = (struct blob){ .fd = fd, .offset = 0, .size = size };
  return 0;
}

/*--------------------------------------------------------------------*/

static struct container *
new_container (const char *path, const struct container_options *opts,
               struct diag *d)
{
  struct container *c = calloc (1, sizeof *c);

  if (c == NULL) {
    diag_memory (d);
    return NULL;
  }
  c->tmpfd = -1;
  c->tmpdir = opts->tmpdir ? opts->tmpdir : "/var/tmp";
  c->unpack_limit = opts->unpack_limit;
  c->allow_dirs = opts->allow_dirs;
  c->path = realpath (path, NULL);
  if (c->path == NULL) {
    diag_error (d, "%s: %m", path);
    free (c);
    return NULL;
  }
  return c;
}

void
container_free (struct container *c)
{
  size_t i;

  if (c == NULL)
    return;
  for (i = 0; i < c->nr; ++i)
    free (c->names[i]);
  for (i = 0; i < c->nr_fds; ++i)
    close (c->fds[i]);
  free (c->names);
  free (c->blobs);
  free (c->fds);
  free (c->path);
  free (c);
}

bool
container_in_place (const struct container *c)
{
  return c->in_place;
}

int
container_adopt (struct container *c, int fd)
{
  int *p = reallocarray (c->fds, c->nr_fds + 1, sizeof *p);

  if (p == NULL) {
    close (fd);
    return -1;
  }
  c->fds = p;
  p[c->nr_fds++] = fd;
  return 0;
}

static int
add_member (struct container *c, const char *name, const struct blob *b,
            struct diag *d)
{
  size_t n;
  void *p;

  if (c->nr >= MAX_MEMBERS)
    return diag_error (d, "more than %d files", MAX_MEMBERS);
  if (strlen (name) > MAX_NAME)
    return diag_error (d, "a file's name is longer than %d bytes", MAX_NAME);
  if (c->nr == c->alloc) {
    n = c->alloc ? c->alloc * 2 : 64;
    p = reallocarray (c->names, n, sizeof *c->names);
    if (p == NULL)
      return diag_memory (d);
    c->names = p;
    p = reallocarray (c->blobs, n, sizeof *c->blobs);
    if (p == NULL)
      return diag_memory (d);
    c->blobs = p;
    c->alloc = n;
  }
  c->names[c->nr] = strdup (name);
  if (c->names[c->nr] == NULL)
    return diag_memory (d);
  c->blobs[c->nr++] = b ? *b : (struct blob){ .fd = -1 };
  return 0;
}

/*--------------------------------------------------------------------
 * Directories.
 */
struct container *
container_new_dir (const char *path, const struct container_options *opts,
                   struct diag *d)
{
  struct container *c = new_container (path, opts, d);

  if (c)
    c->is_dir = c->in_place = true;
  return c;
}

static int
list_dir (struct container *c, int dfd, const char *prefix, int depth,
          struct diag *d)
{
  DIR *dir = fdopendir (dfd);
  struct dirent *e;
  int r = 0;

  if (dir == NULL) {
    diag_error (d, "%s/%s: %m", c->path, prefix);
    close (dfd);
    return -1;
  }
  if (depth > MAX_DEPTH)
    r = diag_error (d, "%s: directories deeper than %d", c->path, MAX_DEPTH);
  while (r == 0 && (e = readdir (dir)) != NULL) {
    CLEANUP_FREE char *name = NULL;
    struct stat st;
    int fd;

    if (strcmp (e->d_name, ".") == 0 || strcmp (e->d_name, "..") == 0)
      continue;
    if (fstatat (dirfd (dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1)
      continue;
    if (asprintf (&name, "%s%s", prefix, e->d_name) == -1) {
      name = NULL;
      r = diag_memory (d);
    }
    else if (S_ISREG (st.st_mode) || S_ISLNK (st.st_mode))
      r = add_member (c, name, NULL, d);
    else if (S_ISDIR (st.st_mode)) {
      CLEANUP_FREE char *sub = NULL;

      fd = openat (dirfd (dir), e->d_name,
                   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (fd == -1)
        continue;
      if (asprintf (&sub, "%s/", name) == -1) {
        sub = NULL;
        close (fd);
        r = diag_memory (d);
      }
      else
        r = list_dir (c, fd, sub, depth + 1, d);
    }
  }
  closedir (dir);
  return r;
}

int
container_list (struct container *c, char *const **names, size_t *nr,
                struct diag *d)
{
  int fd;

  if (c->is_dir && !c->listed) {
    fd = open (c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd == -1)
      return diag_error (d, "%s: %m", c->path);
    if (list_dir (c, fd, "", 0, d) == -1)
      return -1;
    c->listed = true;
  }
  *names = c->names;
  *nr = c->nr;
  return 0;
}

/* PATH lies below DIR: returns what follows "DIR/", otherwise NULL. */
static const char *
below (const char *dir, const char *path)
{
  size_t n = strlen (dir);

  if (strcmp (dir, "/") == 0)
    return path[0] == '/' && path[1] ? path + 1 : NULL;
  if (strncmp (dir, path, n) != 0 || path[n] != '/')
    return NULL;
  return path + n + 1;
}

/* REST has no links: it comes from realpath. */
static int
open_below (const char *dir, const char *rest)
{
  struct open_how how = {
    .flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
    .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
  };
  CLEANUP_CLOSE int dfd = open (dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
  CLEANUP_FREE char *full = NULL;
  char link[64], now[PATH_MAX];
  ssize_t n;
  int fd;

  if (dfd == -1)
    return -1;
  fd = syscall (SYS_openat2, dfd, rest, &how, sizeof how);
  if (fd != -1 || (errno != ENOSYS && errno != EPERM))
    return fd;

  /* Kernels before 5.6, and sandboxes that do not know the call: open,
   * then ask what was opened.
   */
  fd = openat (dfd, rest,
               O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
  if (fd == -1)
    return -1;
  snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  n = readlink (link, now, sizeof now - 1);
  if (n > 0)
    now[n] = '\0';
  if (n <= 0 ||
      asprintf (&full, "%s/%s", strcmp (dir, "/") ? dir : "", rest) == -1 ||
      strcmp (full, now) != 0) {
    close (fd);
    errno = EXDEV;
    return -1;
  }
  return fd;
}

/* The directory part of NAME, with the slash. */
static size_t
dir_len (const char *name)
{
  const char *p = name ? strrchr (name, '/') : NULL;

  return p ? (size_t)(p - name + 1) : 0;
}

static int
find_in_dir (struct container *c, const char *base, const char *name,
             struct blob *r, struct diag *d)
{
  CLEANUP_FREE char *full = NULL, *real = NULL;
  const char *rest = NULL;
  size_t i;
  int fd = -1;

  if (name[0] == '/')
    full = strdup (name);
  else if (base && base[0] == '/'
             ? asprintf (&full, "%.*s%s", (int)dir_len (base), base, name) == -1
             : asprintf (&full, "%s/%.*s%s", c->path, (int)dir_len (base),
                         base ? base : "", name) == -1)
    full = NULL;
  if (full == NULL)
    return diag_memory (d);
  real = realpath (full, NULL);
  if (real == NULL) {
    if (errno == ENOENT || errno == ENOTDIR)
      return 0;
    return diag_error (d, "%s: %m", full);
  }
  rest = below (c->path, real);
  if (rest)
    fd = open_below (c->path, rest);
  for (i = 0; rest == NULL && c->allow_dirs && c->allow_dirs[i]; ++i) {
    rest = below (c->allow_dirs[i], real);
    if (rest)
      fd = open_below (c->allow_dirs[i], rest);
  }
  if (rest == NULL)
    return diag_error (d,
                       "\"%s\" leads to %s, outside of %s: refused; "
                       "say allow-dir=DIRECTORY if that is meant",
                       name, real, c->path);
  if (fd == -1)
    return diag_error (d, "%s: %m", real);
  if (blob_from_fd (fd, real, r, d) == -1) {
    close (fd);
    return -1;
  }
  if (container_adopt (c, fd) == -1)
    return diag_memory (d);
  return 1;
}

/*--------------------------------------------------------------------
 * Names in archives: compared after normalisation, "a/./b" = "a/b";
 * NULL if the name leads out of the archive.
 */
static char *
normalise (const char *base, const char *name)
{
  size_t blen = name[0] == '/' ? 0 : dir_len (base);
  char *in, *out, *p, *save = NULL, *word;

  if (name[0] == '/')
    return NULL;
  if (asprintf (&in, "%.*s%s", (int)blen, base ? base : "", name) == -1)
    return NULL;
  out = malloc (strlen (in) + 2);
  if (out == NULL) {
    free (in);
    return NULL;
  }
  p = out;
  *p = '\0';
  for (word = strtok_r (in, "/", &save); word;
       word = strtok_r (NULL, "/", &save)) {
    if (strcmp (word, ".") == 0)
      continue;
    if (strcmp (word, "..") == 0) {
      char *q;

      if (p == out) {
        free (in);
        free (out);
        return NULL;
      }
      *p = '\0';
      q = strrchr (out, '/');
      p = q ? q : out;
      *p = '\0';
      continue;
    }
    if (p != out)
      *p++ = '/';
    p = stpcpy (p, word);
  }
  free (in);
  return out;
}

int
container_find (struct container *c, const char *base, const char *name,
                struct blob *r, struct diag *d)
{
  CLEANUP_FREE char *wanted = NULL;
  size_t i;

  if (name[0] == '\0')
    return diag_error (d, "an empty file name");
  if (strlen (name) > MAX_NAME)
    return diag_error (d, "a file's name is longer than %d bytes", MAX_NAME);
  if (c->is_dir)
    return find_in_dir (c, base, name, r, d);
  wanted = normalise (base, name);
  if (wanted == NULL)
    return diag_error (d, "\"%s\" leads out of the archive: refused", name);
  for (i = 0; i < c->nr; ++i)
    if (strcmp (c->names[i], wanted) == 0) {
      *r = c->blobs[i];
      return 1;
    }
  return 0;
}

/*--------------------------------------------------------------------
 * The temporary file.
 */
static int
open_tmp (struct container *c, struct diag *d)
{
  CLEANUP_FREE char *name = NULL;
  int fd;

  if (c->tmpfd != -1)
    return 0;
  fd = open (c->tmpdir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd == -1 && (errno == EOPNOTSUPP || errno == EISDIR)) {
    if (asprintf (&name, "%s/v2vXXXXXX", c->tmpdir) == -1) {
      name = NULL;
      return diag_memory (d);
    }
    fd = mkostemp (name, O_CLOEXEC);
    if (fd != -1)
      unlink (name);
  }
  if (fd == -1)
    return diag_error (d, "tmpdir=%s: cannot make a temporary file: %m",
                       c->tmpdir);
  if (container_adopt (c, fd) == -1)
    return diag_memory (d);
  c->tmpfd = fd;
  return 0;
}

static bool
is_zero (const char *buf, size_t len)
{
  return len == 0 || (buf[0] == 0 && memcmp (buf, buf + 1, len - 1) == 0);
}

/* Append at OFFSET from the end of the temporary file; zeroes as holes. */
static int
tmp_write (struct container *c, const char *buf, size_t len, uint64_t offset,
           struct diag *d)
{
  if (offset > c->unpack_limit - c->unpacked ||
      len > c->unpack_limit - c->unpacked - offset)
    return diag_error (d,
                       "unpacked, it would be larger than %llu bytes; "
                       "raise unpack-limit if that is meant",
                       (unsigned long long)c->unpack_limit);
  while (len > 0) {
    size_t n = V2V_MIN (len, 65536);
    size_t done = 0;

    while (!is_zero (buf, n) && done < n) {
      ssize_t r = pwrite (c->tmpfd, buf + done, n - done,
                          c->tmp_end + offset + done);

      if (r == -1 && errno == EINTR)
        continue;
      if (r == -1)
        return diag_error (d,
                           "writing the unpacked data in %s: %m; "
                           "choose a larger place with tmpdir",
                           c->tmpdir);
      done += r;
    }
    buf += n;
    len -= n;
    offset += n;
  }
  return 0;
}

static int
tmp_finish (struct container *c, uint64_t size, struct blob *r, struct diag *d)
{
  uint64_t end = v2v_round_up (c->tmp_end + size, 4096);

  *r = (struct blob){ .fd = c->tmpfd, .offset = c->tmp_end, .size = size };
  if (ftruncate (c->tmpfd, end) == -1)
    return diag_error (d, "temporary file in %s: %m", c->tmpdir);
  c->tmp_end = end;
  c->unpacked += size;
  return 0;
}

/* Unpack what the archive is at. */
static int
unpack (struct container *c, struct archive *a, struct blob *r, struct diag *d)
{
  const void *buf;
  size_t len;
  la_int64_t offset;
  uint64_t size = 0;
  int ret;

  if (open_tmp (c, d) == -1)
    return -1;
  while ((ret = archive_read_data_block (a, &buf, &len, &offset)) ==
         ARCHIVE_OK) {
    if (offset < 0)
      return diag_error (d, "a negative offset in the archive");
    if (tmp_write (c, buf, len, offset, d) == -1)
      return -1;
    size = V2V_MAX (size, (uint64_t)offset + len);
  }
  if (ret != ARCHIVE_EOF)
    return diag_error (d, "damaged archive: %s", archive_error_string (a));
  return tmp_finish (c, size, r, d);
}

/*--------------------------------------------------------------------
 * Archives.
 */

/* The 512 bytes before a member's data are its header: the checksum says
 * whether that is so.
 */
static bool
tar_header_before (int fd, uint64_t offset)
{
  unsigned char h[512];
  unsigned sum = 0, i;
  struct blob b = { .fd = fd, .offset = 0, .size = offset };

  if (offset < 512 || !blob_pread (&b, h, 512, offset - 512))
    return false;
  for (i = 0; i < 512; ++i)
    sum += i >= 148 && i < 156 ? ' ' : h[i];
  h[156] = '\0';
  return strtoul ((char *)h + 148, NULL, 8) == sum;
}

static int
read_archive (struct container *c, struct archive *a, int fd,
              const struct blob *whole, struct diag *d)
{
  struct archive_entry *e;
  struct blob b;
  bool tar, plain;
  int ret;

  while ((ret = archive_read_next_header (a, &e)) == ARCHIVE_OK ||
         ret == ARCHIVE_WARN) {
    const char *name = archive_entry_pathname_utf8 (e);
    CLEANUP_FREE char *norm = NULL;
    size_t i;

    tar = (archive_format (a) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_TAR;
    plain = archive_filter_code (a, 0) == ARCHIVE_FILTER_NONE;
    if (name == NULL)
      name = archive_entry_pathname (e);
    if (name == NULL)
      return diag_error (d, "a member without a name");
    if (archive_entry_hardlink (e) || archive_entry_symlink (e) ||
        archive_entry_filetype (e) != AE_IFREG)
      continue;
    if (archive_entry_is_encrypted (e))
      return diag_error (d, "member \"%s\" is encrypted", name);
    norm = normalise (NULL, name);
    if (norm == NULL || norm[0] == '\0')
      return diag_error (d, "member \"%s\" leads out of the archive: refused",
                         name);
    for (i = 0; i < c->nr; ++i)
      if (strcmp (c->names[i], norm) == 0)
        return diag_error (d, "member \"%s\" is there twice: refused", name);
    if (tar && plain && archive_entry_sparse_count (e) == 0) {
      b = (struct blob){ .fd = fd,
                         .offset = archive_filter_bytes (a, 0),
                         .size = archive_entry_size (e) };
      if (b.offset > whole->size || b.size > whole->size - b.offset)
        return diag_error (d, "the archive ends inside member \"%s\"", name);
      if (!tar_header_before (fd, b.offset))
        return diag_error (d, "no tar header before member \"%s\"", name);
    }
    else {
      c->in_place = false;
      if (unpack (c, a, &b, d) == -1)
        return diag_prefix (d, name);
    }
    if (add_member (c, norm, &b, d) == -1)
      return -1;
  }
  if (ret != ARCHIVE_EOF)
    return diag_error (d, "damaged archive: %s", archive_error_string (a));
  return 0;
}

struct container *
container_new_archive (const char *path, const struct container_options *opts,
                       struct diag *d)
{
  struct container *c = new_container (path, opts, d);
  struct archive *a;
  struct blob whole = { .fd = -1 };
  int fd, r;

  if (c == NULL)
    return NULL;
  c->in_place = true;
  fd = open (c->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd == -1) {
    diag_error (d, "%s: %m", path);
    goto error;
  }
  if (container_adopt (c, fd) == -1) {
    diag_memory (d);
    goto error;
  }
  if (blob_from_fd (fd, path, &whole, d) == -1)
    goto error;
  a = archive_read_new ();
  if (a == NULL) {
    diag_memory (d);
    goto error;
  }
  /* Anything but ARCHIVE_OK would mean an external program. */
  if (archive_read_support_format_tar (a) != ARCHIVE_OK ||
      archive_read_support_format_zip_seekable (a) != ARCHIVE_OK ||
      archive_read_support_filter_gzip (a) != ARCHIVE_OK ||
      archive_read_support_filter_xz (a) != ARCHIVE_OK ||
      archive_read_support_filter_zstd (a) != ARCHIVE_OK ||
      archive_read_open_fd (a, fd, 65536) != ARCHIVE_OK)
    r = diag_error (d, "%s: %s", path,
                    archive_error_string (a)
                      ? archive_error_string (a)
                      : "libarchive lacks gzip, xz or zstd");
  else {
    r = read_archive (c, a, fd, &whole, d);
    if (r == -1)
      diag_prefix (d, path);
  }
  archive_read_free (a);
  if (r == -1)
    goto error;
  c->listed = true;
  return c;

error:
  container_free (c);
  return NULL;
}

/*--------------------------------------------------------------------
 * Copies: chunks joined, gzip removed.
 */
struct parts {
  const struct blob *parts;
  size_t nr, i;
  uint64_t offset;
  char *buf;
};

#define PARTS_BUF (256 * 1024)

static la_ssize_t
parts_read (struct archive *a, void *opaque, const void **buf)
{
  struct parts *p = opaque;
  size_t n;

  while (p->i < p->nr && p->offset == p->parts[p->i].size) {
    p->i++;
    p->offset = 0;
  }
  *buf = p->buf;
  if (p->i == p->nr)
    return 0;
  n = V2V_MIN (PARTS_BUF, p->parts[p->i].size - p->offset);
  if (!blob_pread (&p->parts[p->i], p->buf, n, p->offset)) {
    archive_set_error (a, EIO, "read error");
    return -1;
  }
  p->offset += n;
  return n;
}

int
container_copy (struct container *c, const struct blob *parts, size_t nr,
                bool gunzip, struct blob *r, struct diag *d)
{
  CLEANUP_FREE char *buf = malloc (PARTS_BUF);
  struct parts p = { .parts = parts, .nr = nr, .buf = buf };
  struct archive *a = archive_read_new ();
  struct archive_entry *e;
  int ret = -1;

  if (a == NULL || buf == NULL)
    diag_memory (d);
  else if (archive_read_support_format_raw (a) != ARCHIVE_OK ||
           (gunzip && archive_read_support_filter_gzip (a) != ARCHIVE_OK) ||
           archive_read_open (a, &p, NULL, parts_read, NULL) != ARCHIVE_OK ||
           archive_read_next_header (a, &e) != ARCHIVE_OK)
    diag_error (d, "%s", archive_error_string (a));
  else if (gunzip && archive_filter_code (a, 0) != ARCHIVE_FILTER_GZIP)
    diag_error (d, "the data is not compressed with gzip, "
                   "as the description says");
  else
    ret = unpack (c, a, r, d);
  if (a)
    archive_read_free (a);
  return ret;
}

int
container_copy_alone (struct container *c, const struct blob *b, struct blob *r,
                      struct diag *d)
{
  int fd = c->tmpfd, ret;
  uint64_t end = c->tmp_end;
  struct blob copy = *b;

  c->tmpfd = -1;
  c->tmp_end = 0;
  ret = container_copy (c, &copy, 1, false, r, d);
  if (ret == 0 && ftruncate (r->fd, r->size) == -1)
    ret = diag_error (d, "temporary file in %s: %m", c->tmpdir);
  c->tmpfd = fd;
  c->tmp_end = end;
  return ret;
}
