/* SPDX-License-Identifier: BSD-3-Clause */

/* See appliance.h.
 *
 * KVM or TCG.  /dev/kvm can be opened and the virtual machine created, and
 * still the appliance hangs for ever (seen with para-virtualized nested
 * KVM: no vmx or svm in /proc/cpuinfo, 100 % CPU at "Booting from ROM").
 * So: without those flags TCG is taken at once.  With them KVM is tried,
 * and a thread watches: no word from the kernel on the console LIFE_LIMIT
 * seconds after QEMU was started, or no daemon after LAUNCH_LIMIT, and
 * QEMU is killed and started again with TCG.  The handle is locked while
 * guestfs_launch runs, so the watcher finds QEMU among our children.
 *
 * Speed under TCG (2 cores; seconds, two runs each):
 *     as libguestfs does it                                  14.0, 9.3
 *     uncompressed kernel, "quiet mitigations=off nokaslr"    6.3, 6.3
 *     the same and 2 CPUs                                     5.3, 6.4
 * Memory of 512 MiB or 768 MiB instead of 1280 changes nothing.
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

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <libxml/uri.h>

#include "appliance.h"
#include "janitor.h"
#include "kernel.h"
#include "report.h"
#include "v2v-utils.h"

#define LIFE_LIMIT 10.0
#define LAUNCH_LIMIT 90.0

extern char **environ;

const char *appliance_cpuinfo = "/proc/cpuinfo";

static atomic_bool cancelled;

/* ---- our children ---- */

static pid_t
parent_of (pid_t pid)
{
  char path[64], buf[512], *p;
  ssize_t n;
  int fd;

  snprintf (path, sizeof path, "/proc/%ld/stat", (long)pid);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd == -1)
    return -1;
  n = read (fd, buf, sizeof buf - 1);
  close (fd);
  if (n <= 0)
    return -1;
  buf[n] = '\0';
  p = strrchr (buf, ')'); /* the name may contain anything */
  if (p == NULL || strlen (p) < 5)
    return -1;
  return (pid_t)strtol (p + 4, NULL, 10);
}

static bool
is_our_program (pid_t pid)
{
  char path[64], a[PATH_MAX], b[PATH_MAX];
  ssize_t n, m;

  snprintf (path, sizeof path, "/proc/%ld/exe", (long)pid);
  n = readlink (path, a, sizeof a);
  m = readlink ("/proc/self/exe", b, sizeof b);
  return n > 0 && n == m && memcmp (a, b, n) == 0;
}

/* Does its command line have "-kernel"?  Then it is QEMU with the
 * appliance, not one that libguestfs asks for its features.  *SOCKDIR gets
 * the directory of its socket (allocated, or NULL).
 */
static bool
is_appliance (pid_t pid, char **sockdir)
{
  static const char mark[] = "socket,path=", tail[] = "/guestfsd.sock";
  char *p, *end;
  char path[64], buf[65536];
  ssize_t n;
  int fd;

  snprintf (path, sizeof path, "/proc/%ld/cmdline", (long)pid);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd == -1)
    return false;
  n = read (fd, buf, sizeof buf);
  close (fd);
  if (n <= 0 || memmem (buf, n, "\0-kernel\0", 9) == NULL)
    return false;
  *sockdir = NULL;
  p = memmem (buf, n, mark, strlen (mark));
  if (p != NULL) {
    p += strlen (mark);
    end = memmem (p, n - (p - buf), tail, strlen (tail));
    if (end != NULL && *p == '/')
      *sockdir = strndup (p, end - p);
  }
  return true;
}

/* Call FN for each child of ours. */
static void
for_each_child (void (*fn) (pid_t pid, void *opaque), void *opaque)
{
  DIR *dir = opendir ("/proc");
  struct dirent *d;
  pid_t me = getpid ();

  if (dir == NULL)
    return;
  while ((d = readdir (dir)) != NULL) {
    pid_t pid;

    if (!isdigit ((unsigned char)d->d_name[0]))
      continue;
    pid = (pid_t)strtol (d->d_name, NULL, 10);
    if (pid > 1 && pid != me && parent_of (pid) == me)
      fn (pid, opaque);
  }
  closedir (dir);
}

static void
kill_child (pid_t pid, void *opaque)
{
  (void)opaque;
  /* Not libguestfs's recovery process: it is a fork of this program, and
   * guestfs_close ends it.
   */
  if (!is_our_program (pid))
    kill (pid, SIGKILL);
}

void
appliance_kill (void)
{
  for_each_child (kill_child, NULL);
}

static void
kill_any_child (pid_t pid, void *opaque)
{
  (void)opaque;
  if (pid != janitor_pid ())
    kill (pid, SIGKILL);
}

void
appliance_abandon (void)
{
  for_each_child (kill_any_child, NULL);
}

void
appliance_cancel (void)
{
  atomic_store (&cancelled, true);
}

bool
appliance_cancelled (void)
{
  return atomic_load (&cancelled);
}

/* ---- URIs ---- */

struct nbd_uri {
  char *server; /* "unix:/path", "host:port" */
  char *export;
};

static int
parse_uri (const char *text, struct nbd_uri *out, const char **why)
{
  xmlURIPtr uri = xmlParseURI (text);
  char *socket = NULL;
  const char *q;
  int r = -1;

  out->server = out->export = NULL;
  if (uri == NULL || uri->scheme == NULL) {
    *why = "it is not a URI";
    goto out;
  }

  for (q = uri->query_raw; q != NULL && *q != '\0';) {
    size_t len = strcspn (q, "&;");

    if (len > 7 && strncmp (q, "socket=", 7) == 0 && socket == NULL)
      socket = xmlURIUnescapeString (q + 7, (int)len - 7, NULL);
    q += len;
    if (*q != '\0')
      q++;
  }

  if (strcmp (uri->scheme, "nbd+unix") == 0) {
    if (socket == NULL || socket[0] != '/') {
      *why = "it needs ?socket=/PATH";
      goto out;
    }
    if (asprintf (&out->server, "unix:%s", socket) == -1)
      out->server = NULL;
  }
  else if (strcmp (uri->scheme, "nbd") == 0) {
    if (uri->server == NULL || uri->server[0] == '\0') {
      *why = "it names no host";
      goto out;
    }
    if (asprintf (&out->server, "%s:%d", uri->server,
                  uri->port > 0 ? uri->port : 10809) == -1)
      out->server = NULL;
  }
  else {
    *why = "only nbd+unix and nbd URIs are supported";
    goto out;
  }
  out->export = strdup (uri->path && uri->path[0] == '/' ? uri->path + 1
                        : uri->path                      ? uri->path
                                                         : "");
  if (out->server == NULL || out->export == NULL) {
    *why = "out of memory";
    goto out;
  }
  r = 0;

out:
  if (r == -1) {
    free (out->server);
    free (out->export);
    out->server = out->export = NULL;
  }
  if (socket)
    xmlFree (socket);
  if (uri)
    xmlFreeURI (uri);
  return r;
}

int
appliance_check_uri (const char *uri, const char **why)
{
  struct nbd_uri u;

  if (parse_uri (uri, &u, why) == -1)
    return -1;
  free (u.server);
  free (u.export);
  return 0;
}

/* ---- the uncompressed kernel ---- */

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
static char *
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

static char *
fixed_appliance (guestfs_h *g)
{
  (void)g;
  return NULL;
}

#endif /* !__x86_64__ */

/* ---- KVM ---- */

enum kvm { KVM_ABSENT, KVM_DOUBTFUL, KVM_PROMISING };

static enum kvm
look_at_kvm (void)
{
  enum kvm r = KVM_PROMISING;
  int fd = open ("/dev/kvm", O_RDWR | O_CLOEXEC);

  if (fd == -1)
    return KVM_ABSENT;
  close (fd);
#if defined(__x86_64__) || defined(__i386__)
  {
    FILE *fp = fopen (appliance_cpuinfo, "re");
    char *line = NULL, *save, *word;
    size_t cap = 0;

    if (fp == NULL)
      return KVM_PROMISING;
    while (getline (&line, &cap, fp) != -1) {
      if (strncmp (line, "flags", 5) != 0)
        continue;
      r = KVM_DOUBTFUL;
      for (word = strtok_r (line, " \t\n", &save); word != NULL;
           word = strtok_r (NULL, " \t\n", &save))
        if (strcmp (word, "vmx") == 0 || strcmp (word, "svm") == 0)
          r = KVM_PROMISING;
      break;
    }
    free (line);
    fclose (fp);
  }
#endif
  return r;
}

/* ---- launch ---- */

struct watch {
  pthread_t thread;
  bool kvm; /* watch for life; set before the start */
  atomic_bool life, done, killed;
  /* Main thread only. */
  bool verbose, ready;
  int handle;      /* of the event callback */
  char tail[4096]; /* the last of the console */
  size_t tail_len;
};

static double
now (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

struct found {
  pid_t pid;
  char *sockdir;
};

static void
find_appliance (pid_t pid, void *opaque)
{
  struct found *f = opaque;

  if (f->pid == 0 && is_appliance (pid, &f->sockdir))
    f->pid = pid;
}

static void *
watch_thread (void *opaque)
{
  struct watch *w = opaque;
  const struct timespec tick = { .tv_nsec = 50 * 1000 * 1000 };
  struct found f = { 0, NULL };
  double start = 0;

  while (!atomic_load (&w->done)) {
    nanosleep (&tick, NULL);
    if (f.pid == 0) {
      for_each_child (find_appliance, &f);
      start = now ();
      if (f.sockdir != NULL)
        janitor_add (f.sockdir);
      continue;
    }
    if (w->kvm && ((now () - start > LIFE_LIMIT && !atomic_load (&w->life)) ||
                   now () - start > LAUNCH_LIMIT)) {
      atomic_store (&w->killed, true);
      if (!atomic_load (&w->done) && parent_of (f.pid) == getpid ())
        kill (f.pid, SIGKILL);
      break;
    }
  }
  free (f.sockdir);
  return NULL;
}

/* The console, and QEMU's stderr. */
static void
console (guestfs_h *g, void *opaque, uint64_t event, int handle, int flags,
         const char *buf, size_t len, const uint64_t *array, size_t array_len)
{
  struct watch *w = opaque;

  (void)g;
  (void)event;
  (void)handle;
  (void)flags;
  (void)array;
  (void)array_len;
  if (w->verbose)
    fwrite (buf, 1, len, stderr);
  if (len >= sizeof w->tail) {
    buf += len - (sizeof w->tail - 1);
    len = sizeof w->tail - 1;
  }
  if (w->tail_len + len >= sizeof w->tail) {
    size_t keep = sizeof w->tail / 2 < sizeof w->tail - 1 - len
                    ? sizeof w->tail / 2
                    : sizeof w->tail - 1 - len;

    if (keep > w->tail_len)
      keep = w->tail_len;
    memmove (w->tail, w->tail + w->tail_len - keep, keep);
    w->tail_len = keep;
  }
  memcpy (w->tail + w->tail_len, buf, len);
  w->tail_len += len;
  w->tail[w->tail_len] = '\0';
  if (!atomic_load (&w->life) &&
      (memmem (w->tail, w->tail_len, "Linux version", 13) ||
       memmem (w->tail, w->tail_len, "supermin:", 9)))
    atomic_store (&w->life, true);
}

/* The last line of the console that QEMU itself wrote, or NULL. */
static char *
qemu_says (struct watch *w)
{
  char *line, *save = NULL, *found = NULL;

  w->tail[w->tail_len] = '\0';
  for (line = strtok_r (w->tail, "\r\n", &save); line != NULL;
       line = strtok_r (NULL, "\r\n", &save))
    if (strncmp (line, "qemu", 4) == 0)
      found = line;
  return found;
}

static int
add_disk (guestfs_h *g, const char *text)
{
  struct nbd_uri u;
  const char *why;
  int r;

  if (parse_uri (text, &u, &why) == -1)
    return -1;
  {
    char *server[] = { u.server, NULL };

    r = guestfs_add_drive_opts (
      g, u.export, GUESTFS_ADD_DRIVE_OPTS_FORMAT, "raw",
      GUESTFS_ADD_DRIVE_OPTS_PROTOCOL, "nbd", GUESTFS_ADD_DRIVE_OPTS_SERVER,
      server, GUESTFS_ADD_DRIVE_OPTS_CACHEMODE, "unsafe",
      GUESTFS_ADD_DRIVE_OPTS_DISCARD, "besteffort", -1);
  }
  free (u.server);
  free (u.export);
  return r;
}

/* libguestfs would take $TMPDIR, which a supervisor sets for us alone: then
 * the appliance were built anew each time.
 */
static int
set_cachedir (guestfs_h *g)
{
  const char *dir = getenv ("LIBGUESTFS_CACHEDIR");

  return guestfs_set_cachedir (g, dir && *dir ? dir : "/var/tmp");
}

enum accel { ACCEL_KVM, ACCEL_TCG };

/* A fresh handle, all but launched if w->ready. */
static guestfs_h *
new_handle (const struct appliance_options *opts, enum accel accel,
            const char *fixed, struct watch *w)
{
  guestfs_h *g = guestfs_create ();
  size_t i;

  if (g == NULL)
    return NULL;
  if (!opts->verbose)
    guestfs_set_error_handler (g, NULL, NULL);
  else {
    guestfs_set_verbose (g, 1);
    guestfs_set_trace (g, 1);
  }
  guestfs_set_identifier (g, "v2v");
  if (guestfs_set_tmpdir (g, opts->tmpdir) == -1 || set_cachedir (g) == -1 ||
      guestfs_set_backend (g, "direct") == -1)
    goto error;
  if (accel == ACCEL_TCG) {
    unsigned long cpus = sysconf (_SC_NPROCESSORS_ONLN);

    if (guestfs_set_backend_setting (g, "force_tcg", "1") == -1 ||
        guestfs_set_append (g, "quiet mitigations=off nokaslr") == -1)
      goto error;
    if (opts->smp == 0 && cpus >= 2 && guestfs_set_smp (g, 2) == -1)
      goto error;
  }
  if (fixed != NULL && guestfs_set_path (g, fixed) == -1)
    goto error;
  if (opts->smp > 0 && guestfs_set_smp (g, opts->smp) == -1)
    goto error;
  if (opts->memsize > 0) {
    if (guestfs_set_memsize (g, opts->memsize) == -1)
      goto error;
  }
  else if (opts->has_keys &&
           guestfs_set_memsize (g, 2 * guestfs_get_memsize (g)) == -1)
    goto error;
  w->verbose = opts->verbose;
  w->handle = guestfs_set_event_callback (g, console, GUESTFS_EVENT_APPLIANCE,
                                          0, w);
  if (w->handle == -1)
    goto error;
  for (i = 0; i < opts->nr_uris; ++i)
    if (add_disk (g, opts->uris[i]) == -1)
      goto error;
  w->ready = true;
  return g;

error:
  return g; /* not ready: its last error says why */
}

guestfs_h *
appliance_launch (struct report *r, const struct appliance_options *opts)
{
  CLEANUP_FREE char *fixed = NULL;
  enum accel accel = ACCEL_KVM;
  bool kvm_failed = false, must_tcg = false, must_kvm = false;
  enum kvm kvm = look_at_kvm ();
  guestfs_h *g;
  char *setting;

  /* What the user has asked for in the environment. */
  g = guestfs_create ();
  if (g == NULL) {
    report_error (r, "appliance-launch-failed", "out of memory");
    return NULL;
  }
  guestfs_set_error_handler (g, NULL, NULL);
  setting = guestfs_get_backend_setting (g, "force_tcg");
  must_tcg = setting &&
             (strcmp (setting, "") == 0 || strcmp (setting, "1") == 0);
  free (setting);
  setting = guestfs_get_backend_setting (g, "force_kvm");
  must_kvm = setting != NULL && strcmp (setting, "0") != 0;
  free (setting);
  if (set_cachedir (g) == 0)
    fixed = fixed_appliance (g);
  guestfs_close (g);

  if (must_tcg)
    accel = ACCEL_TCG;
  else if (must_kvm)
    accel = ACCEL_KVM;
  else if (kvm == KVM_ABSENT) {
    report_info (r, "There is no usable /dev/kvm: the appliance runs under "
                    "software emulation, which is slower");
    accel = ACCEL_TCG;
  }
  else if (kvm == KVM_DOUBTFUL) {
    kvm_failed = true;
    accel = ACCEL_TCG;
  }

  for (;;) {
    struct watch w = { .handle = -1, .kvm = accel == ACCEL_KVM && !must_kvm };
    bool watched = true;
    CLEANUP_FREE char *said = NULL;
    int launched = -1;

    if (appliance_cancelled ())
      return NULL;
    g = new_handle (opts, accel, fixed, &w);
    if (g == NULL) {
      report_error (r, "appliance-launch-failed", "out of memory");
      return NULL;
    }
    if (watched && pthread_create (&w.thread, NULL, watch_thread, &w) != 0)
      watched = false;
    if (w.ready)
      launched = guestfs_launch (g);
    if (watched) {
      atomic_store (&w.done, true);
      pthread_join (w.thread, NULL);
    }
    if (launched == 0 && !atomic_load (&w.killed)) {
      if (kvm_failed)
        report_warning (r, "kvm-does-not-work",
                        "/dev/kvm can be opened but does not work on this "
                        "machine: the appliance runs under software "
                        "emulation, which is slower");
      guestfs_delete_event_callback (g, w.handle);
      return g;
    }

    said = guestfs_last_error (g) ? strdup (guestfs_last_error (g)) : NULL;
    guestfs_close (g);
    if (appliance_cancelled ())
      return NULL;
    if (accel == ACCEL_KVM && !must_kvm) {
      kvm_failed = true;
      accel = ACCEL_TCG;
    }
    else if (fixed != NULL) {
      free (fixed);
      fixed = NULL;
    }
    else {
      const char *qemu = qemu_says (&w);

      report_error (r, "appliance-launch-failed",
                    "the libguestfs appliance could not be started: %s; run "
                    "libguestfs-test-tool to find out why",
                    qemu   ? qemu
                    : said ? said
                           : "unknown reason");
      return NULL;
    }
  }
}

int
appliance_shutdown (struct report *r, guestfs_h *g)
{
  int ret = guestfs_shutdown (g);

  if (ret == -1)
    report_error (r, "appliance-shutdown-failed",
                  "the appliance did not write everything back to the "
                  "disks: %s",
                  guestfs_last_error (g) ? guestfs_last_error (g)
                                         : "unknown reason");
  guestfs_close (g);
  return ret;
}
