/* SPDX-License-Identifier: BSD-3-Clause */

/* Disks: a plan's segments read from files and from the child's exports.
 *
 * All nodes of one disk are exports "0", "1", ... of one
 * qemu-storage-daemon, each read over a connection of its own.  An image
 * that lies on a server (the file -1 of its plan) is read through SERVER: by
 * us over its first connection, by the daemon over the second.
 *
 * Locks: LOCK protects size and size_known; everything else is constant.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"
#include "remote.h"
#include "v2v-utils.h"

/* A qcow2 or VMDK needs some 100 MB; images that make it need more are
 * hostile.
 */
#define DAEMON_MEMORY (UINT64_C (2) << 30)

struct disk {
  char *name;
  struct plan plan;
  bool has_plan;
  struct disk *server; /* or NULL */
  struct blob_server as_blob;
  struct child *child; /* or NULL */
  struct remote **remotes;
  size_t nr_remotes;
  bool seekable; /* SEEK_HOLE works */

  pthread_mutex_t lock;
  uint64_t size;
  bool size_known;
};

static struct disk *
new_disk (const char *name)
{
  struct disk *d = calloc (1, sizeof *d);

  if (d == NULL)
    return NULL;
  pthread_mutex_init (&d->lock, NULL);
  d->name = strdup (name);
  if (d->name == NULL) {
    disk_free (d);
    return NULL;
  }
  return d;
}

void
disk_free (struct disk *d)
{
  size_t i;

  if (d == NULL)
    return;
  for (i = 0; i < d->nr_remotes; ++i)
    remote_free (d->remotes[i]);
  free (d->remotes);
  child_free (d->child);
  disk_free (d->server);
  plan_free (&d->plan);
  pthread_mutex_destroy (&d->lock);
  free (d->name);
  free (d);
}

static int
add_remote (struct disk *d, struct remote *r)
{
  struct remote **p;

  if (r == NULL)
    return -1;
  p = reallocarray (d->remotes, d->nr_remotes + 1, sizeof (void *));
  if (p == NULL) {
    remote_free (r);
    return -1;
  }
  d->remotes = p;
  p[d->nr_remotes++] = r;
  return 0;
}

/* The daemon's command line.  It holds numbers and our own words only. */
static int
make_daemon (struct disk *d)
{
  size_t n = d->plan.nr_nodes, i, k = 0;
  char **argv = calloc (4 * n + 2 * d->plan.nr_refs + 8, sizeof *argv);
  struct child_config cfg = {
    .name = "qemu-storage-daemon",
    .argv = argv,
    .fds = d->plan.fds,
    .nr_fds = d->plan.nr_fds,
    .nr_connections = n,
    .memory = DAEMON_MEMORY,
  };
  char export[24];
  bool ok = argv != NULL;

  if (!ok)
    return -1;
  for (i = 0; d->server && i < d->plan.nr_fds; ++i)
    if (d->plan.fds[i] == -1) {
      cfg.upstream = d->server->child;
      cfg.upstream_index = 1;
      cfg.upstream_fd = i;
    }
  argv[k++] = strdup ("qemu-storage-daemon");
  for (i = 0; i < d->plan.nr_refs; ++i) {
    argv[k++] = strdup ("--blockdev");
    if (asprintf (&argv[k], "{\"node-name\":\"r%zu\",%s", i,
                  d->plan.refs[i] + 1) == -1)
      argv[k] = NULL;
    k++;
  }
  for (i = 0; i < n; ++i) {
    argv[k++] = strdup ("--blockdev");
    if (asprintf (&argv[k], "{\"node-name\":\"n%zu\",%s", i,
                  d->plan.nodes[i] + 1) == -1)
      argv[k] = NULL;
    k++;
  }
  argv[k++] = strdup ("--nbd-server");
  argv[k++] = strdup ("addr.type=fd,addr.str=3");
  for (i = 0; i < n; ++i) {
    argv[k++] = strdup ("--export");
    if (asprintf (&argv[k], "type=nbd,id=e%zu,node-name=n%zu,name=%zu", i, i,
                  i) == -1)
      argv[k] = NULL;
    k++;
  }
  for (i = 0; i < k; ++i)
    ok = ok && argv[i];
  if (ok)
    d->child = child_new (&cfg);
  for (i = 0; i < k; ++i)
    free (argv[i]);
  free (argv);
  if (!ok || d->child == NULL)
    return -1;
  for (i = 0; i < n; ++i) {
    snprintf (export, sizeof export, "%zu", i);
    if (add_remote (d, remote_new_child (d->child, i, export)) == -1)
      return -1;
    if (d->server)
      remote_set_upstream (d->remotes[i], d->server->remotes[0]);
  }
  return 0;
}

struct disk *
disk_new_server_plan (const char *name, struct plan *plan, struct disk *server)
{
  struct disk *d = new_disk (name);

  if (d == NULL) {
    plan_free (plan);
    disk_free (server);
    return NULL;
  }
  d->server = server;
  d->plan = *plan;
  memset (plan, 0, sizeof *plan);
  d->has_plan = d->size_known = d->seekable = true;
  d->size = d->plan.size;
  if (d->plan.nr_nodes > 0 && make_daemon (d) == -1) {
    disk_free (d);
    errno = ENOMEM;
    return NULL;
  }
  return d;
}

struct disk *
disk_new_plan (const char *name, struct plan *plan)
{
  return disk_new_server_plan (name, plan, NULL);
}

struct disk *
disk_new_child (const char *name, struct child *child, const char *export)
{
  struct disk *d = new_disk (name);

  if (d == NULL) {
    child_free (child);
    return NULL;
  }
  d->child = child;
  if (add_remote (d, remote_new_child (child, 0, export)) == -1) {
    disk_free (d);
    return NULL;
  }
  return d;
}

struct disk *
disk_new_uri (const char *uri)
{
  struct disk *d = new_disk (uri);

  if (d && add_remote (d, remote_new_uri (uri)) == -1) {
    disk_free (d);
    return NULL;
  }
  return d;
}

void
disk_rest (struct disk *d)
{
  size_t i;

  for (i = 0; i < d->nr_remotes; ++i)
    remote_rest (d->remotes[i]);
  if (d->server)
    disk_rest (d->server);
}

static int
pread_blob (void *opaque, void *buf, size_t count, uint64_t offset)
{
  return disk_pread (opaque, buf, count, offset);
}

int
disk_blob (struct disk *d, struct blob *b)
{
  uint64_t size;

  if (disk_size (d, &size) == -1)
    return -1;
  d->as_blob = (struct blob_server){ .pread = pread_blob, .opaque = d };
  *b = (struct blob){ .fd = -1, .size = size, .server = &d->as_blob };
  return 0;
}

/*--------------------------------------------------------------------*/

int
disk_size (struct disk *d, uint64_t *size)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&d->lock);

  if (!d->size_known) {
    if (remote_size (d->remotes[0], &d->size) == -1)
      return -1;
    d->size_known = true;
  }
  *size = d->size;
  return 0;
}

static int
pread_file (int fd, char *buf, size_t count, uint64_t offset)
{
  while (count > 0) {
    ssize_t r = pread (fd, buf, count, offset);

    if (r == -1 && errno == EINTR)
      continue;
    if (r == -1)
      return -1;
    if (r == 0) { /* the file was cut while we serve it */
      errno = EIO;
      return -1;
    }
    buf += r;
    count -= r;
    offset += r;
  }
  return 0;
}

int
disk_pread (struct disk *d, void *buf, size_t count, uint64_t offset)
{
  char *p = buf;

  if (!d->has_plan)
    return remote_pread (d->remotes[0], buf, count, offset);
  while (count > 0) {
    const struct segment *s;
    uint64_t len, at;
    size_t n;

    s = plan_find (&d->plan, offset, &len);
    n = V2V_MIN (count, len);
    at = s->offset + (offset - s->start);
    switch ((enum segment_kind)s->kind) {
    case SEGMENT_ZERO:
      memset (p, 0, n);
      break;
    case SEGMENT_FILE:
      if (d->plan.fds[s->index] == -1
            ? disk_pread (d->server, p, n, at) == -1
            : pread_file (d->plan.fds[s->index], p, n, at) == -1)
        return -1;
      break;
    case SEGMENT_NODE:
      if (remote_pread (d->remotes[s->index], p, n, at) == -1)
        return -1;
      break;
    }
    p += n;
    count -= n;
    offset += n;
  }
  return 0;
}

bool
disk_can_cache (const struct disk *d)
{
  return d->has_plan && d->plan.nr_nodes == 0 && d->server == NULL;
}

int
disk_cache (struct disk *d, uint64_t count, uint64_t offset)
{
  while (count > 0) {
    const struct segment *s;
    uint64_t len;

    s = plan_find (&d->plan, offset, &len);
    len = V2V_MIN (count, len);
    if (s->kind == SEGMENT_FILE) {
      int r = posix_fadvise (d->plan.fds[s->index],
                             s->offset + (offset - s->start), len,
                             POSIX_FADV_WILLNEED);

      if (r != 0) {
        errno = r;
        return -1;
      }
    }
    count -= len;
    offset += len;
  }
  return 0;
}

/* Data and holes of a file between AT and AT + LEN, which is OFFSET of the
 * disk.
 */
static int
file_extents (struct disk *d, int fd, uint64_t at, uint64_t len,
              uint64_t offset, bool one,
              int (*fn) (void *opaque, uint64_t offset, uint64_t len, bool hole,
                         bool zero),
              void *opaque)
{
  uint64_t end = at + len;

  while (at < end) {
    off_t data, hole;
    uint64_t n;

    data = d->seekable ? lseek (fd, at, SEEK_DATA) : (off_t)at;
    if (data == -1 && errno == ENXIO)
      data = end;        /* a hole up to the end of the file */
    else if (data == -1) /* not supported */
      data = at;
    if ((uint64_t)data > at) {
      n = V2V_MIN ((uint64_t)data, end) - at;
      if (fn (opaque, offset, n, true, true) == -1)
        return -1;
    }
    else {
      hole = lseek (fd, at, SEEK_HOLE);
      n = hole == -1 || (uint64_t)hole <= at
            ? end - at
            : V2V_MIN ((uint64_t)hole, end) - at;
      if (fn (opaque, offset, n, false, false) == -1)
        return -1;
    }
    at += n;
    offset += n;
    if (one)
      break;
  }
  return 0;
}

struct counted {
  int (*fn) (void *opaque, uint64_t offset, uint64_t len, bool hole, bool zero);
  void *opaque;
  uint64_t base, shift; /* of the node: its offset BASE is SHIFT */
  uint64_t done;        /* bytes told */
};

static int
node_extent (void *opaque, uint64_t offset, uint64_t len, bool hole, bool zero)
{
  struct counted *c = opaque;

  c->done += len;
  return c->fn (c->opaque, offset - c->base + c->shift, len, hole, zero);
}

int
disk_extents (struct disk *d, uint64_t count, uint64_t offset, bool one,
              int (*fn) (void *opaque, uint64_t offset, uint64_t len, bool hole,
                         bool zero),
              void *opaque)
{
  unsigned calls = 0;

  if (!d->has_plan)
    return remote_extents (d->remotes[0], count, offset, fn, opaque);
  /* A bound, because a dynamic VHD may have a million pieces. */
  while (count > 0 && calls++ < 4096) {
    const struct segment *s;
    struct counted c = { .fn = fn, .opaque = opaque };
    uint64_t len, at;
    int r = 0;

    s = plan_find (&d->plan, offset, &len);
    len = V2V_MIN (count, len);
    at = s->offset + (offset - s->start);
    switch ((enum segment_kind)s->kind) {
    case SEGMENT_ZERO:
      r = fn (opaque, offset, len, true, true);
      break;
    case SEGMENT_FILE:
      if (d->plan.fds[s->index] == -1) {
        r = fn (opaque, offset, len, false, false);
        break;
      }
      r = file_extents (d, d->plan.fds[s->index], at, len, offset, one, fn,
                        opaque);
      break;
    case SEGMENT_NODE:
      c.base = at;
      c.shift = offset;
      r = remote_extents (d->remotes[s->index], len, at, node_extent, &c);
      if (c.done > 0 && c.done < len)
        return r; /* the rest when it is asked for */
      break;
    }
    if (r == -1 || one)
      return r;
    offset += len;
    count -= len;
  }
  return 0;
}
