/* SPDX-License-Identifier: BSD-3-Clause */

/* See arguments.h. */

#include <config.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arguments.h"
#include "v2v-utils.h"

static int
write_file (const char *dir, const char *name, const char *data, char **path)
{
  int fd;
  size_t len = strlen (data);
  ssize_t r;

  if (asprintf (path, "%s/%s", dir, name) == -1) {
    *path = NULL;
    return -1;
  }
  fd = open (*path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd == -1)
    return -1;
  r = write (fd, data, len);
  if (close (fd) == -1 || r != (ssize_t)len)
    return -1;
  return 0;
}

/* An export name in a URI: everything but unreserved characters and "/"
 * is percent-encoded (RFC 3986).
 */
static char *
make_uri (const char *name, const char *socket)
{
  static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789-._~/";
  char *out = NULL, *p;
  const char *parts[2] = { name, socket };
  size_t i;

  out = malloc (64 + 3 * (strlen (name) + strlen (socket)));
  if (out == NULL)
    return NULL;
  p = stpcpy (out, "nbd+unix:///");
  for (i = 0; i < 2; ++i) {
    const char *s;

    if (i == 1)
      p = stpcpy (p, "?socket=");
    for (s = parts[i]; *s; ++s) {
      if (strchr (plain, *s))
        *p++ = *s;
      else
        p += sprintf (p, "%%%02X", (unsigned char)*s);
    }
  }
  *p = '\0';
  return out;
}

struct args {
  char **v;
  size_t n;
  bool failed;
};

static void
add_arg (struct args *a, const char *s)
{
  char **p = realloc (a->v, (a->n + 2) * sizeof *p);

  if (p == NULL) {
    a->failed = true;
    return;
  }
  a->v = p;
  p[a->n] = s ? strdup (s) : NULL;
  if (p[a->n] == NULL)
    a->failed = true;
  else
    a->n++;
  p[a->n] = NULL;
}

void
helper_arguments_free (char **argv)
{
  size_t i;

  for (i = 0; argv && argv[i]; ++i)
    free (argv[i]);
  free (argv);
}

char **
helper_arguments (const struct convert_config *config, const char *workdir,
                  const char *outdir, const char *socket,
                  const char *source_json)
{
  struct args a = { NULL, 0, false };
  CLEANUP_FREE char *keys = NULL, *source = NULL;
  size_t i;

  add_arg (&a, config->helper);
  for (i = 0; i < config->nr_disks; ++i) {
    CLEANUP_FREE char *uri = make_uri (config->disks[i], socket);

    add_arg (&a, "--disk");
    add_arg (&a, uri);
  }
  add_arg (&a, "--output");
  add_arg (&a, outdir);
  add_arg (&a, "--progress-fd");
  add_arg (&a, "3");
  if (config->no_trim)
    add_arg (&a, "--no-trim");
  if (config->keys) {
    if (write_file (workdir, "keys", config->keys, &keys) == -1)
      a.failed = true;
    add_arg (&a, "--key-file");
    add_arg (&a, keys);
  }
  if (source_json) {
    if (write_file (workdir, "source.json", source_json, &source) == -1)
      a.failed = true;
    add_arg (&a, "--source");
    add_arg (&a, source);
  }
  for (i = 0; config->helper_args && config->helper_args[i]; ++i)
    add_arg (&a, config->helper_args[i]);
  if (a.failed) {
    helper_arguments_free (a.v);
    return NULL;
  }
  return a.v;
}
