/* SPDX-License-Identifier: BSD-3-Clause */

/* v2v-copy SOURCE DIRECTORY|pool:NAME|-: the whole way for people, in one command.
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
 * One thread does everything but the survey (server.c).  Children, signals
 * and output of children are waited for in one place (child.c).
 */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include <json-c/json.h>

#include "copy.h"
#include "v2v-utils.h"

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
show_result (const struct options *o, const struct outputs *out)
{
  struct json_object *root = json_object_new_object ();
  struct json_object *a = json_object_new_array ();
  size_t i;

  for (i = 0; i < out->nr_disks; ++i) {
    const struct disk *d = &out->disks[i];
    struct json_object *disk = json_object_new_object ();

    show_message ("%s", d->path);
    json_object_object_add (disk, "file", json_object_new_string (d->path));
    json_object_object_add (
      disk, "format", json_object_new_string (o->qcow2 ? "qcow2" : "raw"));
    json_object_object_add (disk, "size", json_object_new_uint64 (d->size));
    if (o->pool)
      json_object_object_add (disk, "pool", json_object_new_string (o->pool));
    json_object_array_add (a, disk);
  }
  for (i = 0; i < out->docs.n; ++i)
    show_message ("%s", out->docs.v[i]);
  json_object_object_add (root, "status", json_object_new_string ("ok"));
  json_object_object_add (root, "disks", a);
  json_object_object_add (root, "documents", strings_json (&out->docs));
  show_json ("result", root);
}

static int
define (const struct options *o, const struct outputs *out)
{
  const char *xml = outputs_document (out, o, "domain.xml");

  if (xml == NULL) {
    show_error ("define", "the conversion made no domain.xml to define");
    return EXIT_OUTPUT;
  }
  return domain_define (o, xml);
}

static int
to_files (struct session *h, struct survey *s)
{
  struct outputs out = { .disks = NULL };
  int r;

  r = outputs_plan (&out, h, s);
  if (r == 0)
    r = transfer (h, &out);
  show_progress_end ();
  transfer_stop (&out);
  if (r == 0)
    r = outputs_finish (&out, &h->opt, s);
  if (r)
    outputs_discard (&out, &h->opt);
  else {
    /* From here on everything stays, whatever libvirt says. */
    if (h->opt.define)
      r = define (&h->opt, &out);
    if (r == 0)
      show_result (&h->opt, &out);
  }
  outputs_clear (&out);
  return r;
}

static int
to_stdout (struct session *h, struct survey *s)
{
  const struct document *doc = NULL;
  struct child c = { .pid = 0 }, *children[] = { &c, &h->server };
  CLEANUP_FREE char *uri = NULL;
  const char *export = h->opt.export;
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
report_only (const struct options *opts, const struct survey *s)
{
  const struct document *d = survey_document (s, "report.json");
  struct json_object *o = json_object_new_object (), *report = NULL;
  struct json_object *a = json_object_new_array ();
  size_t i;

  if (d) {
    report = json_tokener_parse (d->data);
    if (!opts->json)
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
check_directory (const char *path)
{
  struct stat st;

  errno = 0;
  if (stat (path, &st) == 0 && S_ISDIR (st.st_mode) &&
      access (path, W_OK | X_OK) == 0)
    return 0;
  show_error ("output-directory", "the directory %s cannot be written: %s",
              path, errno ? strerror (errno) : "it is not a directory");
  return EXIT_OUTPUT;
}

/* Now, and not after an hour of converting. */
static int
check_target (struct session *h)
{
  const struct options *o = &h->opt;
  int r = 0;

  if (o->dry_run)
    return 0;
  if (strcmp (o->target, "-") == 0) {
    if (!isatty (1))
      return 0;
    show_error ("output", "standard output is a terminal: redirect it");
    return EXIT_USAGE;
  }
  if (!o->pool)
    r = check_directory (o->target);
  if (r == 0)
    r = check_directory (o->documents);
  if (r == 0 && o->pool)
    r = pool_open (&h->pool, o);
  return r;
}

static int
run (struct session *h)
{
  struct survey s = { .socket = NULL };
  int r = check_target (h);

  if (r)
    return r;
  r = server_start (h);
  s.socket = h->socket;
  s.server = h->server.pid;
  if (r == 0)
    r = server_survey (h, &s);
  if (r == 0)
    r = h->opt.dry_run                     ? report_only (&h->opt, &s)
        : strcmp (h->opt.target, "-") == 0 ? to_stdout (h, &s)
                                           : to_files (h, &s);
  child_stop (&h->server);
  s.socket = NULL;
  survey_clear (&s);
  return r;
}

static void
remove_tmpdir (const char *tmpdir)
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
}

int
main (int argc, char *argv[])
{
  struct session h = { .tmpdir = NULL };
  const char *tmp = getenv ("TMPDIR");
  int r;

  options_parse (&h.opt, argc, argv);
  show_init (&h.opt);
  h.tmpdir = xasprintf ("%s/v2v-copy.XXXXXX", tmp && *tmp ? tmp : "/tmp");
  if (strlen (h.tmpdir) > 90)
    show_error ("internal", "$TMPDIR is too long for the path of a socket");
  if (strlen (h.tmpdir) > 90 || mkdtemp (h.tmpdir) == NULL) {
    if (show_first_error ())
      show_error ("internal", "%s: %s", h.tmpdir, strerror (errno));
    return EXIT_USAGE;
  }
  h.socket = xasprintf ("%s/nbd", h.tmpdir);
  r = children_init () == -1 ? EXIT_USAGE : run (&h);
  if (r == EXIT_INTERRUPTED)
    show_error ("interrupted", "interrupted: nothing was kept");
  remove_tmpdir (h.tmpdir);
  pool_close (&h.pool);
  free (h.socket);
  free (h.tmpdir);
  strings_free (&h.opt.params);
  strings_free (&h.opt.target_params);
  strings_free (&h.opt.filters);
  return r;
}
