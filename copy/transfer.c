/* SPDX-License-Identifier: BSD-3-Clause */

/* The disks, a few at once: nbdcopy from the server to a file or, for
 * qcow2, to a qemu-nbd of its own.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "copy.h"
#include "v2v-utils.h"

static int
start_qemu_nbd (const struct session *h, struct disk *d, size_t i)
{
  CLEANUP_FREE char *size = xasprintf ("%" PRIu64, d->size);
  struct child create = { .pid = 0 }, *cp = &create;
  /* "./", so that no name is a protocol or an option of theirs. */
  CLEANUP_FREE char *path = xasprintf ("%s%s", d->part[0] == '/' ? "" : "./",
                                       d->part);
  char *make[] = { "qemu-img",
                   "create",
                   "-q",
                   "-f",
                   "qcow2",
                   "-o",
                   h->opt.preallocated ? "preallocation=falloc"
                                       : "preallocation=off",
                   "--",
                   path,
                   size,
                   NULL };
  char *serve[] = { "qemu-nbd", "-t", "-e16", "--discard=unmap",
                    "-fqcow2",  "-k", NULL,   "--",
                    path,       NULL };

  if (child_start (&create, "qemu-img", make, -1, -1) == -1)
    return EXIT_OUTPUT;
  while (!create.ended)
    if (!children_wait (&cp, 1, NULL, NULL, 0, -1)) {
      child_stop (&create);
      return EXIT_INTERRUPTED;
    }
  if (!child_ok (&create)) {
    show_error ("output", "qemu-img could not create %s", d->part);
    return EXIT_OUTPUT;
  }
  d->qemu_socket = xasprintf ("%s/q%zu", h->tmpdir, i);
  serve[6] = d->qemu_socket;
  if (child_start (&d->qemu, "qemu-nbd", serve, -1, -1) == -1)
    return EXIT_OUTPUT;
  cp = &d->qemu;
  while (access (d->qemu_socket, F_OK) == -1) {
    if (!children_wait (&cp, 1, NULL, NULL, 0, TICK))
      return EXIT_INTERRUPTED;
    if (d->qemu.ended) {
      show_error ("output", "qemu-nbd could not open %s", d->part);
      return EXIT_OUTPUT;
    }
  }
  return 0;
}

static int
start_copy (const struct session *h, struct disk *d, size_t i)
{
  CLEANUP_FREE char *from = survey_uri (h->socket, d->export);
  CLEANUP_FREE char *to = NULL, *progress = NULL;
  struct strings a = { .n = 0 };
  int fd[2], r;

  d->started = true;
  r = outputs_create (d, h);
  if (r == 0 && h->opt.qcow2)
    r = start_qemu_nbd (h, d, i);
  if (r)
    return r;
  if (pipe (fd) == -1 || fcntl (fd[0], F_SETFD, FD_CLOEXEC) == -1 ||
      fcntl (fd[1], F_SETFD, FD_CLOEXEC) == -1 ||
      fcntl (fd[0], F_SETFL, O_NONBLOCK) == -1) {
    show_error ("internal", "pipe: %s", strerror (errno));
    return EXIT_COPY;
  }
  to = h->opt.qcow2
         ? survey_uri (d->qemu_socket, "")
         : xasprintf ("%s%s", d->part[0] == '/' ? "" : "./", d->part);
  strings_add (&a, "nbdcopy");
  strings_addf (&a, "--progress=%d", fd[1]);
  strings_add (&a, "--flush");
  strings_add (&a,
               h->opt.preallocated ? "--allocated" : "--destination-is-zero");
  strings_add (&a, "--");
  strings_add (&a, from);
  strings_add (&a, to);
  r = child_start (&d->copy, "nbdcopy", a.v, -1, fd[1]);
  strings_free (&a);
  close (fd[1]);
  d->progress_fd = fd[0];
  return r == -1 ? EXIT_COPY : 0;
}

/* Lines "N/100". */
static void
read_progress (struct disk *d)
{
  char c;

  for (;;) {
    ssize_t r = read (d->progress_fd, &c, 1);

    if (r != 1) {
      if (r == 0 || (errno != EAGAIN && errno != EINTR)) {
        close (d->progress_fd);
        d->progress_fd = -1;
      }
      return;
    }
    if (c != '\n') {
      if (d->line_len < sizeof d->line - 1)
        d->line[d->line_len++] = c;
      continue;
    }
    d->line[d->line_len] = '\0';
    d->line_len = 0;
    sscanf (d->line, "%lf/", &d->percent);
  }
}

static int
finish_copy (const struct session *h, struct disk *d)
{
  if (!child_ok (&d->copy)) {
    show_error (h->server.ended ? "server-died" : "copy-failed",
                h->server.ended ? "nbdkit ended while %s was copied"
                                : "nbdcopy could not copy to %s",
                d->path);
    return EXIT_COPY;
  }
  if (h->opt.qcow2) {
    child_stop (&d->qemu); /* writes its metadata */
    if (!child_ok (&d->qemu)) {
      show_error ("output", "qemu-nbd could not finish %s", d->path);
      return EXIT_OUTPUT;
    }
  }
  d->percent = 100;
  d->done = true;
  return outputs_check (d, &h->opt);
}

static void
progress (const struct outputs *out)
{
  uint64_t total = 0;
  double sum = 0;
  size_t i;

  for (i = 0; i < out->nr_disks; ++i) {
    total += out->disks[i].size;
    sum += (double)out->disks[i].size * out->disks[i].percent;
  }
  show_progress (total ? sum / (double)total : 100, total);
}

int
transfer (struct session *h, struct outputs *out)
{
  struct child *children[2 * MAX_RUNNING + 1];
  struct disk *running[MAX_RUNNING];
  int fds[MAX_RUNNING], r = 0;
  bool ready[MAX_RUNNING];
  size_t i, n, next = 0, nr_children, nr_fds;

  for (;;) {
    for (i = n = 0; i < next; ++i)
      if (!out->disks[i].done)
        running[n++] = &out->disks[i];
    while (r == 0 && n < h->opt.jobs && next < out->nr_disks) {
      r = start_copy (h, &out->disks[next], next);
      running[n++] = &out->disks[next++];
    }
    if (r || n == 0)
      return r;

    nr_children = nr_fds = 0;
    children[nr_children++] = &h->server;
    for (i = 0; i < n; ++i) {
      children[nr_children++] = &running[i]->copy;
      children[nr_children++] = &running[i]->qemu;
      if (running[i]->progress_fd >= 0)
        fds[nr_fds++] = running[i]->progress_fd;
    }
    if (!children_wait (children, nr_children, fds, ready, nr_fds, -1))
      return EXIT_INTERRUPTED;
    for (i = 0; i < n; ++i) {
      if (running[i]->progress_fd >= 0)
        read_progress (running[i]);
      if (running[i]->copy.ended && r == 0)
        r = finish_copy (h, running[i]);
    }
    progress (out);
  }
}

void
transfer_stop (struct outputs *out)
{
  size_t i;

  for (i = 0; i < out->nr_disks; ++i) {
    child_stop (&out->disks[i].copy);
    child_stop (&out->disks[i].qemu);
  }
}
