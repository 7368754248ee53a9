/* SPDX-License-Identifier: BSD-3-Clause */

/* See fixed.h.
 *
 * The uncompressed kernel is kept beside supermin's appliance, in a
 * directory that has the form of a "fixed appliance" and links to
 * supermin's other files:
 *     CACHE/.guestfs-UID/v2v-DIGEST/{kernel,initrd,root,README.fixed}
 * DIGEST is of supermin's kernel, so that an update makes a new one.  It is
 * made under another name and renamed, so that it is complete if it is
 * there.  supermin is run as libguestfs does, or else it would never be
 * brought up to date.  Any trouble with all this means the ordinary
 * appliance, silently.
 */

#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "fixed.h"
#include "kernel.h"
#include "v2v-utils.h"

extern char **environ;

#ifdef __x86_64__

static bool
ours_alone (const char *path, mode_t type)
{
  struct stat st;

  return lstat (path, &st) == 0 && (st.st_mode & S_IFMT) == type &&
         st.st_uid == geteuid () && (st.st_mode & 022) == 0;
}

/* Run supermin the way libguestfs does. */
static int
run_supermin (const char *cache, const char *supermin_d,
              const char *appliance_d)
{
  CLEANUP_FREE char *lock = NULL;
  posix_spawn_file_actions_t fa;
  posix_spawnattr_t attr;
  sigset_t none;
  pid_t pid;
  int r, status;

  if (asprintf (&lock, "%s/lock", cache) == -1) {
    lock = NULL;
    return -1;
  }
  {
    char *argv[] = { (char *)"supermin",
                     (char *)"--build",
                     (char *)"--if-newer",
                     (char *)"--lock",
                     lock,
                     (char *)"--copy-kernel",
                     (char *)"-f",
                     (char *)"ext2",
                     (char *)"--host-cpu",
                     (char *)"x86_64",
                     (char *)supermin_d,
                     (char *)"-o",
                     (char *)appliance_d,
                     NULL };

    posix_spawn_file_actions_init (&fa);
    posix_spawn_file_actions_addopen (&fa, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen (&fa, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen (&fa, 2, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init (&attr);
    sigemptyset (&none);
    posix_spawnattr_setsigmask (&attr, &none);
    posix_spawnattr_setflags (&attr, POSIX_SPAWN_SETSIGMASK);
    r = posix_spawnp (&pid, "supermin", &fa, &attr, argv, environ);
    posix_spawnattr_destroy (&attr);
    posix_spawn_file_actions_destroy (&fa);
  }
  if (r != 0)
    return -1;
  while (waitpid (pid, &status, 0) == -1)
    if (errno != EINTR)
      return -1;
  return WIFEXITED (status) && WEXITSTATUS (status) == 0 ? 0 : -1;
}

static uint8_t *
read_all (const char *path, size_t max, size_t *size)
{
  CLEANUP_CLOSE int fd = open (path, O_RDONLY | O_CLOEXEC);
  struct stat st;
  uint8_t *data;
  size_t done = 0;

  if (fd == -1 || fstat (fd, &st) == -1 || !S_ISREG (st.st_mode) ||
      st.st_size <= 0 || (uint64_t)st.st_size > max)
    return NULL;
  data = malloc (st.st_size);
  while (data != NULL && done < (size_t)st.st_size) {
    ssize_t n = read (fd, data + done, st.st_size - done);

    if (n == -1 && errno == EINTR)
      continue;
    if (n <= 0) {
      free (data);
      return NULL;
    }
    done += n;
  }
  *size = done;
  return data;
}

static int
write_all (const char *path, const uint8_t *data, size_t size)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  size_t done = 0;

  if (fd == -1)
    return -1;
  while (done < size) {
    ssize_t n = write (fd, data + done, size - done);

    if (n == -1 && errno == EINTR)
      continue;
    if (n <= 0) {
      close (fd);
      return -1;
    }
    done += n;
  }
  /* A cache that survives a crash half-written would never be noticed. */
  if (fsync (fd) == -1) {
    close (fd);
    return -1;
  }
  return close (fd);
}

static const char *const fixed_files[] = { "kernel", "initrd", "root",
                                           "README.fixed", NULL };

static void
remove_fixed (const char *dir)
{
  size_t i;

  for (i = 0; fixed_files[i] != NULL; ++i) {
    CLEANUP_FREE char *path = NULL;

    if (asprintf (&path, "%s/%s", dir, fixed_files[i]) == -1)
      path = NULL;
    else
      unlink (path);
  }
  rmdir (dir);
}

static int
make_fixed (const char *cache, const char *dir, const uint8_t *image,
            size_t size)
{
  static const char readme[] =
    "An appliance of libguestfs whose kernel is not compressed.  Made by\n"
    "v2v-convert-helper; it can be deleted at any time.\n";
  uint8_t *vmlinux = NULL;
  size_t vmlinux_size;
  const char *why;
  char tmp[PATH_MAX], path[PATH_MAX + 16];
  int r = -1;

  if (kernel_unpack (image, size, &vmlinux, &vmlinux_size, &why) == -1)
    return -1;
  if (snprintf (tmp, sizeof tmp, "%s/v2v.tmp.XXXXXX", cache) >=
        (int)sizeof tmp ||
      mkdtemp (tmp) == NULL) {
    free (vmlinux);
    return -1;
  }
  if (chmod (tmp, 0755) == -1)
    goto out;
  snprintf (path, sizeof path, "%s/kernel", tmp);
  if (write_all (path, vmlinux, vmlinux_size) == -1)
    goto out;
  snprintf (path, sizeof path, "%s/initrd", tmp);
  if (symlink ("../appliance.d/initrd", path) == -1)
    goto out;
  snprintf (path, sizeof path, "%s/root", tmp);
  if (symlink ("../appliance.d/root", path) == -1)
    goto out;
  snprintf (path, sizeof path, "%s/README.fixed", tmp);
  if (write_all (path, (const uint8_t *)readme, sizeof readme - 1) == -1)
    goto out;
  r = rename (tmp, dir);

out:
  free (vmlinux);
  if (r == -1) {
    remove_fixed (tmp);
    /* Another helper may have been faster. */
    if (ours_alone (dir, S_IFDIR))
      r = 0;
  }
  return r;
}

/* Remove those of older kernels. */
static void
remove_old (const char *cache, const char *keep)
{
  DIR *dir = opendir (cache);
  struct dirent *d;

  if (dir == NULL)
    return;
  while ((d = readdir (dir)) != NULL) {
    CLEANUP_FREE char *path = NULL;

    if (strncmp (d->d_name, "v2v-", 4) != 0 || strcmp (d->d_name, keep) == 0)
      continue;
    if (asprintf (&path, "%s/%s", cache, d->d_name) == -1)
      path = NULL;
    else
      remove_fixed (path);
  }
  closedir (dir);
}

/* The directory of our own appliance (allocated), or NULL. */
char *
fixed_appliance (guestfs_h *g)
{
  CLEANUP_FREE char *cachedir = guestfs_get_cachedir (g);
  const char *search = guestfs_get_path (g);
  CLEANUP_FREE char *cache = NULL, *supermin_d = NULL, *appliance_d = NULL,
                    *kernel = NULL;
  CLEANUP_FREE uint8_t *image = NULL;
  char name[4 + 32 + 1] = "v2v-";
  uint8_t digest[32];
  size_t size, i;
  char *dir;

  /* Only where libguestfs would use supermin, and not a path of several
   * elements, whose order of search is its own affair.
   */
  if (cachedir == NULL || search == NULL || strchr (search, ':') != NULL)
    return NULL;
  if (asprintf (&supermin_d, "%s/supermin.d", search) == -1) {
    supermin_d = NULL;
    return NULL;
  }
  if (access (supermin_d, R_OK) == -1)
    return NULL;
  if (asprintf (&cache, "%s/.guestfs-%ld", cachedir, (long)geteuid ()) == -1) {
    cache = NULL;
    return NULL;
  }
  if (mkdir (cache, 0755) == -1 && errno != EEXIST)
    return NULL;
  if (!ours_alone (cache, S_IFDIR))
    return NULL;
  if (asprintf (&appliance_d, "%s/appliance.d", cache) == -1) {
    appliance_d = NULL;
    return NULL;
  }
  if (run_supermin (cache, supermin_d, appliance_d) == -1)
    return NULL;
  if (asprintf (&kernel, "%s/kernel", appliance_d) == -1) {
    kernel = NULL;
    return NULL;
  }
  image = read_all (kernel, KERNEL_MAX, &size);
  if (image == NULL ||
      gnutls_hash_fast (GNUTLS_DIG_SHA256, image, size, digest) < 0)
    return NULL;
  for (i = 0; i < 16; ++i)
    sprintf (name + 4 + 2 * i, "%02x", digest[i]);
  if (asprintf (&dir, "%s/%s", cache, name) == -1)
    return NULL;
  if (!ours_alone (dir, S_IFDIR)) {
    if (make_fixed (cache, dir, image, size) == -1) {
      free (dir);
      return NULL;
    }
    remove_old (cache, name);
  }
  return dir;
}

#else /* !__x86_64__ */

char *
fixed_appliance (guestfs_h *g)
{
  (void)g;
  return NULL;
}

#endif /* !__x86_64__ */
