/* SPDX-License-Identifier: BSD-3-Clause */

/* v2v-copy SOURCE DIRECTORY: the whole way for people, in one command.
 *
 * It only puts public tools together, and shows them with -v:
 *
 *   nbdkit --filter=v2v-convert ... file|v2v SOURCE   on a private socket
 *   nbdcopy NBD-URI DISK.part                         one per disk
 *   qemu-nbd -f qcow2 DISK.part                       between, for qcow2
 *
 * Order: start nbdkit; a thread opens the disks, which waits for the
 * conversion, and reads the documents; copy all disks, a few at once;
 * check their sizes; give all files their names; stop nbdkit.  Whatever
 * fails, or a signal, ends the children and removes what was written.
 *
 * One thread does everything but the survey.  Children, signals and
 * output of children are waited for in one place (child.c).
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include <json-c/json.h>

#include "copy.h"
#include "v2v-utils.h"

#define TICK 50 /* ms between looks at a file */

static struct options opt;
static char *tmpdir; /* private, 0700 */
static struct child server;

/* The server. */

static bool
exists (const char *path)
{
  return access (path, F_OK) == 0;
}

/* In a build tree a module is a path, elsewhere a name. */
static char *
module_path (const char *name, bool filter)
{
  const char *build = getenv ("V2V_BUILDDIR");
  char *path;

  if (build && strncmp (name, "v2v-", 4) == 0 && filter)
    path = xasprintf ("%s/filters/%s/.libs/nbdkit-%s-filter.so", build,
                      name + 4, name);
  else if (build && strcmp (name, "v2v") == 0 && !filter)
    path = xasprintf ("%s/plugins/v2v/.libs/nbdkit-v2v-plugin.so", build);
  else
    return xstrdup (name);
  if (exists (path))
    return path;
  free (path);
  return xstrdup (name);
}

static void
add_filter (struct strings *a, const char *name)
{
  CLEANUP_FREE char *path = module_path (name, true);

  strings_addf (a, "--filter=%s", path);
}

static void
add_target_parameters (struct strings *a)
{
  size_t i;

  if (opt.name)
    strings_addf (a, "v2v-name=%s", opt.name);
  else if (strcmp (opt.plugin, "file") == 0) {
    /* There is no description of the machine that could tell. */
    const char *slash = strrchr (opt.source, '/');
    const char *base = slash ? slash + 1 : opt.source;
    const char *dot = strrchr (base, '.');

    if (*base)
      strings_addf (a, "v2v-name=%.*s",
                    dot && dot > base ? (int)(dot - base) : (int)strlen (base),
                    base);
  }
  for (i = 0; i < opt.target_params.n; ++i)
    strings_addf (a, "v2v-%s", opt.target_params.v[i]);
  if (opt.dry_run || strcmp (opt.target, "-") == 0)
    return;
  {
    CLEANUP_FREE char *dir = realpath (opt.target, NULL);

    if (dir)
      strings_addf (a, "v2v-output-dir=%s", dir);
    strings_addf (a, "v2v-output-format=%s", opt.qcow2 ? "qcow2" : "raw");
    strings_addf (a, "v2v-output-allocation=%s",
                  opt.preallocated ? "preallocated" : "sparse");
  }
}

/* Start nbdkit on SOCKET and wait until it listens. */
static int
start_server (const char *socket)
{
  struct strings a = { .n = 0 };
  CLEANUP_FREE char *plugin = module_path (opt.plugin, false);
  CLEANUP_FREE char *pidfile = xasprintf ("%s.pid", socket);
  struct child *cp = &server;
  struct stat st;
  size_t i;
  int r;

  strings_add (&a, "nbdkit");
  strings_add (&a, "-f");
  strings_add (&a, "-r");
  strings_add (&a, "--exit-with-parent");
  strings_addf (&a, "-U%s", socket);
  strings_addf (&a, "-P%s", pidfile);
  if (opt.convert)
    add_filter (&a, "v2v-convert");
  if (opt.convert && opt.readahead)
    add_filter (&a, "v2v-readahead");
  for (i = 0; i < opt.filters.n; ++i)
    add_filter (&a, opt.filters.v[i]);
  strings_add (&a, plugin);
  if (strcmp (opt.plugin, "file") == 0 && stat (opt.source, &st) == 0 &&
      S_ISDIR (st.st_mode))
    strings_addf (&a, "dir=%s", opt.source);
  else if (strcmp (opt.plugin, "file") == 0 || strcmp (opt.plugin, "v2v") == 0)
    strings_addf (&a, "file=%s", opt.source);
  else if (strcmp (opt.plugin, "curl") == 0)
    strings_addf (&a, "url=%s", opt.source);
  else if (strcmp (opt.plugin, "nbd") == 0)
    strings_addf (&a, "uri=%s", opt.source);
  else
    strings_add (&a, opt.source);
  if (opt.convert)
    add_target_parameters (&a);
  for (i = 0; i < opt.params.n; ++i)
    strings_add (&a, opt.params.v[i]);
  r = child_start (&server, "nbdkit", a.v, -1, -1);
  strings_free (&a);
  if (r == -1)
    return EXIT_SOURCE;
  while (stat (pidfile, &st) == -1 || st.st_size == 0) {
    if (!children_wait (&cp, 1, NULL, NULL, 0, TICK))
      return EXIT_INTERRUPTED;
    if (server.ended) {
      show_error ("source", "nbdkit could not open %s", opt.source);
      return EXIT_SOURCE;
    }
  }
  return 0;
}

struct survey_job {
  struct survey *s;
  int fd; /* closed when it is done */
};

static void *
survey_thread (void *opaque)
{
  struct survey_job *job = opaque;

  survey_run (job->s);
  close (job->fd);
  return NULL;
}

static int
survey (struct survey *s)
{
  struct child *cp = &server;
  struct survey_job job = { .s = s };
  pthread_t thread;
  int fd[2], err, r = 0;
  bool ready = false;

  if (pipe2 (fd, O_CLOEXEC) == -1)
    return EXIT_USAGE;
  job.fd = fd[1];
  err = pthread_create (&thread, NULL, survey_thread, &job);
  if (err) {
    show_error ("internal", "pthread_create: %s", strerror (err));
    return EXIT_USAGE;
  }
  while (!ready && r == 0) {
    if (!children_wait (&cp, 1, &fd[0], &ready, 1, -1))
      r = EXIT_INTERRUPTED;
  }
  if (r)
    child_stop (&server); /* which ends the thread's connection */
  pthread_join (thread, NULL);
  close (fd[0]);
  /* The server's reason comes before our conclusion. */
  children_wait (&cp, 1, NULL, NULL, 0, 0);
  if (r)
    return r;
  if (s->error) {
    if (show_last_code ()) {
      show_error (show_last_code (), "the conversion failed: the reason is "
                                     "above");
      return EXIT_CONVERT;
    }
    show_error ("source", "%s", s->error);
    return opt.convert ? EXIT_CONVERT : EXIT_SOURCE;
  }
  return 0;
}

/* Copying. */

static int
start_qemu_nbd (struct disk *d, size_t i)
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
                   opt.preallocated ? "preallocation=falloc"
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
  d->qemu_socket = xasprintf ("%s/q%zu", tmpdir, i);
  serve[6] = d->qemu_socket;
  if (child_start (&d->qemu, "qemu-nbd", serve, -1, -1) == -1)
    return EXIT_OUTPUT;
  cp = &d->qemu;
  while (!exists (d->qemu_socket)) {
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
start_copy (struct disk *d, size_t i, const char *socket)
{
  CLEANUP_FREE char *from = survey_uri (socket, d->export);
  CLEANUP_FREE char *to = NULL, *progress = NULL;
  struct strings a = { .n = 0 };
  int fd[2], r;

  d->started = true;
  r = outputs_create (d, &opt);
  if (r == 0 && opt.qcow2)
    r = start_qemu_nbd (d, i);
  if (r)
    return r;
  if (pipe (fd) == -1 || fcntl (fd[0], F_SETFD, FD_CLOEXEC) == -1 ||
      fcntl (fd[1], F_SETFD, FD_CLOEXEC) == -1 ||
      fcntl (fd[0], F_SETFL, O_NONBLOCK) == -1) {
    show_error ("internal", "pipe: %s", strerror (errno));
    return EXIT_COPY;
  }
  to = opt.qcow2 ? survey_uri (d->qemu_socket, "")
                 : xasprintf ("%s%s", d->part[0] == '/' ? "" : "./", d->part);
  strings_add (&a, "nbdcopy");
  strings_addf (&a, "--progress=%d", fd[1]);
  strings_add (&a, "--flush");
  strings_add (&a, opt.preallocated ? "--allocated" : "--destination-is-zero");
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
finish_copy (struct disk *d)
{
  if (!child_ok (&d->copy)) {
    show_error (server.ended ? "server-died" : "copy-failed",
                server.ended ? "nbdkit ended while %s was copied"
                             : "nbdcopy could not copy to %s",
                d->path);
    return EXIT_COPY;
  }
  if (opt.qcow2) {
    child_stop (&d->qemu); /* writes its metadata */
    if (!child_ok (&d->qemu)) {
      show_error ("output", "qemu-nbd could not finish %s", d->path);
      return EXIT_OUTPUT;
    }
  }
  d->percent = 100;
  d->done = true;
  return outputs_check (d, &opt);
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

#define MAX_RUNNING 32

static int
copy_disks (struct outputs *out, const char *socket)
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
    while (r == 0 && n < opt.jobs && next < out->nr_disks) {
      r = start_copy (&out->disks[next], next, socket);
      running[n++] = &out->disks[next++];
    }
    if (r || n == 0)
      return r;

    nr_children = nr_fds = 0;
    children[nr_children++] = &server;
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
        r = finish_copy (running[i]);
    }
    progress (out);
  }
}

static void
stop_copies (struct outputs *out)
{
  size_t i;

  for (i = 0; i < out->nr_disks; ++i) {
    child_stop (&out->disks[i].copy);
    child_stop (&out->disks[i].qemu);
  }
}

/* Results. */

static struct json_object *
strings_json (const struct strings *l)
{
  struct json_object *a = json_object_new_array ();
  size_t i;

  for (i = 0; i < l->n; ++i)
    json_object_array_add (a, json_object_new_string (l->v[i]));
  return a;
}

static void
show_result (const struct outputs *out)
{
  struct json_object *o = json_object_new_object ();
  struct json_object *a = json_object_new_array ();
  size_t i;

  for (i = 0; i < out->nr_disks; ++i) {
    const struct disk *d = &out->disks[i];
    struct json_object *disk = json_object_new_object ();

    show_message ("%s", d->path);
    json_object_object_add (disk, "file", json_object_new_string (d->path));
    json_object_object_add (
      disk, "format", json_object_new_string (opt.qcow2 ? "qcow2" : "raw"));
    json_object_object_add (disk, "size", json_object_new_uint64 (d->size));
    json_object_array_add (a, disk);
  }
  for (i = 0; i < out->docs.n; ++i)
    show_message ("%s", out->docs.v[i]);
  json_object_object_add (o, "status", json_object_new_string ("ok"));
  json_object_object_add (o, "disks", a);
  json_object_object_add (o, "documents", strings_json (&out->docs));
  show_json ("result", o);
}

static int
to_directory (struct survey *s)
{
  struct outputs out = { .disks = NULL };
  int r;

  r = outputs_plan (&out, &opt, s);
  if (r == 0)
    r = copy_disks (&out, s->socket);
  show_progress_end ();
  stop_copies (&out);
  if (r == 0)
    r = outputs_finish (&out, &opt, s);
  if (r == 0)
    show_result (&out);
  else
    outputs_discard (&out);
  outputs_clear (&out);
  return r;
}

static int
to_stdout (struct survey *s)
{
  const struct document *doc = NULL;
  struct child c = { .pid = 0 }, *children[] = { &c, &server };
  CLEANUP_FREE char *uri = NULL;
  const char *export = opt.export;
  size_t i;

  if (export && strncmp (export, "v2v/", 4) == 0) {
    doc = survey_document (s, export + 4);
    if (doc == NULL) {
      show_error ("no-such-export", "there is no export \"%s\"", export);
      return EXIT_USAGE;
    }
    if (fwrite (doc->data, 1, doc->size, stdout) != doc->size ||
        fflush (stdout) == EOF) {
      show_error ("output", "standard output: %s", strerror (errno));
      return EXIT_OUTPUT;
    }
    return 0;
  }
  if (export == NULL && s->nr_disks > 1) {
    show_error ("several-disks",
                "the machine has %zu disks: choose one with "
                "--export, or give a directory",
                s->nr_disks);
    return EXIT_USAGE;
  }
  for (i = 0; i < s->nr_disks; ++i)
    if (export == NULL || strcmp (s->exports[i], export) == 0)
      break;
  if (i == s->nr_disks) {
    show_error ("no-such-export", "there is no export \"%s\"", export);
    return EXIT_USAGE;
  }
  uri = survey_uri (s->socket, s->exports[i]);
  {
    char *argv[] = { "nbdcopy", "--", uri, "-", NULL };

    if (child_start (&c, "nbdcopy", argv, 1, -1) == -1)
      return EXIT_COPY;
  }
  while (!c.ended)
    if (!children_wait (children, 2, NULL, NULL, 0, -1)) {
      child_stop (&c);
      return EXIT_INTERRUPTED;
    }
  if (!child_ok (&c)) {
    show_error ("copy-failed", "nbdcopy could not copy to standard output");
    return EXIT_COPY;
  }
  return 0;
}

static int
report_only (const struct survey *s)
{
  const struct document *d = survey_document (s, "report.json");
  struct json_object *o = json_object_new_object (), *report = NULL;
  struct json_object *a = json_object_new_array ();
  size_t i;

  if (d) {
    report = json_tokener_parse (d->data);
    if (!opt.json)
      fwrite (d->data, 1, d->size, stdout);
  }
  for (i = 0; i < s->nr_disks; ++i) {
    struct json_object *disk = json_object_new_object ();

    show_message ("disk %zu: %" PRIu64 " bytes", i, s->sizes[i]);
    json_object_object_add (disk, "export",
                            json_object_new_string (s->exports[i]));
    json_object_object_add (disk, "size", json_object_new_uint64 (s->sizes[i]));
    json_object_array_add (a, disk);
  }
  json_object_object_add (o, "status", json_object_new_string ("ok"));
  json_object_object_add (o, "disks", a);
  json_object_object_add (o, "report", report);
  show_json ("result", o);
  return fflush (stdout) == EOF ? EXIT_OUTPUT : 0;
}

static int
check_target (void)
{
  struct stat st;

  if (opt.dry_run)
    return 0;
  if (strcmp (opt.target, "-") == 0) {
    if (!isatty (1))
      return 0;
    show_error ("output", "standard output is a terminal: redirect it");
    return EXIT_USAGE;
  }
  /* Now, and not after an hour of converting. */
  if (stat (opt.target, &st) == -1 || !S_ISDIR (st.st_mode) ||
      access (opt.target, W_OK | X_OK) == -1) {
    show_error ("output-directory", "%s: %s", opt.target,
                errno ? strerror (errno) : "is not a directory");
    return EXIT_OUTPUT;
  }
  return 0;
}

static int
run (void)
{
  struct survey s = { .socket = NULL };
  CLEANUP_FREE char *socket = xasprintf ("%s/nbd", tmpdir);
  int r;

  r = start_server (socket);
  s.socket = socket;
  s.server = server.pid;
  if (r == 0)
    r = survey (&s);
  if (r == 0)
    r = opt.dry_run                     ? report_only (&s)
        : strcmp (opt.target, "-") == 0 ? to_stdout (&s)
                                        : to_directory (&s);
  child_stop (&server);
  s.socket = NULL;
  survey_clear (&s);
  return r;
}

static void
remove_tmpdir (void)
{
  static const char *const names[] = { "nbd", "nbd.pid" };
  size_t i;

  for (i = 0; i < V2V_ARRAY_SIZE (names); ++i) {
    CLEANUP_FREE char *p = xasprintf ("%s/%s", tmpdir, names[i]);

    unlink (p);
  }
  for (i = 0; i < 4096; ++i) {
    CLEANUP_FREE char *p = xasprintf ("%s/q%zu", tmpdir, i);

    if (unlink (p) == -1 && i > MAX_RUNNING)
      break;
  }
  rmdir (tmpdir);
  free (tmpdir);
}

int
main (int argc, char *argv[])
{
  const char *tmp = getenv ("TMPDIR");
  int r;

  options_parse (&opt, argc, argv);
  show_init (&opt);
  errno = 0;
  r = check_target ();
  if (r)
    return r;
  tmpdir = xasprintf ("%s/v2v-copy.XXXXXX", tmp && *tmp ? tmp : "/tmp");
  if (strlen (tmpdir) > 90)
    show_error ("internal", "$TMPDIR is too long for the path of a socket");
  if (strlen (tmpdir) > 90 || mkdtemp (tmpdir) == NULL) {
    if (show_first_error ())
      show_error ("internal", "%s: %s", tmpdir, strerror (errno));
    return EXIT_USAGE;
  }
  r = children_init () == -1 ? EXIT_USAGE : run ();
  if (r == EXIT_INTERRUPTED)
    show_error ("interrupted", "interrupted: nothing was kept");
  remove_tmpdir ();
  strings_free (&opt.params);
  strings_free (&opt.target_params);
  strings_free (&opt.filters);
  return r;
}
