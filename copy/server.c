/* SPDX-License-Identifier: BSD-3-Clause */

/* nbdkit with its filters on a private socket. */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include "copy.h"
#include "v2v-utils.h"

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
  if (access (path, F_OK) == 0)
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
add_target_parameters (struct strings *a, const struct session *h)
{
  const struct options *o = &h->opt;
  size_t i;

  if (o->name)
    strings_addf (a, "v2v-name=%s", o->name);
  else if (strcmp (o->plugin, "file") == 0) {
    /* There is no description of the machine that could tell. */
    const char *slash = strrchr (o->source, '/');
    const char *base = slash ? slash + 1 : o->source;
    const char *dot = strrchr (base, '.');

    if (*base)
      strings_addf (a, "v2v-name=%.*s",
                    dot && dot > base ? (int)(dot - base) : (int)strlen (base),
                    base);
  }
  for (i = 0; i < o->target_params.n; ++i)
    strings_addf (a, "v2v-%s", o->target_params.v[i]);
  if (o->dry_run || strcmp (o->target, "-") == 0)
    return;
  {
    CLEANUP_FREE char *dir = realpath (o->pool ? h->pool.path : o->target,
                                       NULL);

    if (dir)
      strings_addf (a, "v2v-output-dir=%s", dir);
    if (o->pool)
      strings_addf (a, "v2v-output-pool=%s", o->pool);
    strings_addf (a, "v2v-output-format=%s", o->qcow2 ? "qcow2" : "raw");
    strings_addf (a, "v2v-output-allocation=%s",
                  o->preallocated ? "preallocated" : "sparse");
  }
}

int
server_start (struct session *h)
{
  const struct options *o = &h->opt;
  struct strings a = { .n = 0 };
  CLEANUP_FREE char *plugin = module_path (o->plugin, false);
  CLEANUP_FREE char *pidfile = xasprintf ("%s.pid", h->socket);
  struct child *cp = &h->server;
  struct stat st;
  size_t i;
  int r;

  strings_add (&a, "nbdkit");
  strings_add (&a, "-f");
  strings_add (&a, "-r");
  strings_add (&a, "--exit-with-parent");
  strings_addf (&a, "-U%s", h->socket);
  strings_addf (&a, "-P%s", pidfile);
  if (o->convert)
    add_filter (&a, "v2v-convert");
  if (o->convert && o->readahead)
    add_filter (&a, "v2v-readahead");
  for (i = 0; i < o->filters.n; ++i)
    add_filter (&a, o->filters.v[i]);
  strings_add (&a, plugin);
  if (strcmp (o->plugin, "file") == 0 && stat (o->source, &st) == 0 &&
      S_ISDIR (st.st_mode))
    strings_addf (&a, "dir=%s", o->source);
  else if (strcmp (o->plugin, "file") == 0 || strcmp (o->plugin, "v2v") == 0)
    strings_addf (&a, "file=%s", o->source);
  else if (strcmp (o->plugin, "curl") == 0)
    strings_addf (&a, "url=%s", o->source);
  else if (strcmp (o->plugin, "nbd") == 0)
    strings_addf (&a, "uri=%s", o->source);
  else
    strings_add (&a, o->source);
  if (o->convert)
    add_target_parameters (&a, h);
  for (i = 0; i < o->params.n; ++i)
    strings_add (&a, o->params.v[i]);
  r = child_start (&h->server, "nbdkit", a.v, -1, -1);
  strings_free (&a);
  if (r == -1)
    return EXIT_SOURCE;
  while (stat (pidfile, &st) == -1 || st.st_size == 0) {
    if (!children_wait (&cp, 1, NULL, NULL, 0, TICK))
      return EXIT_INTERRUPTED;
    if (h->server.ended) {
      show_error ("source", "nbdkit could not open %s: the reason is above",
                  o->source);
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

int
server_survey (struct session *h, struct survey *s)
{
  struct child *cp = &h->server;
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
    child_stop (&h->server); /* which ends the thread's connection */
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
    return h->opt.convert ? EXIT_CONVERT : EXIT_SOURCE;
  }
  return 0;
}
