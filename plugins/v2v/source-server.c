/* SPDX-License-Identifier: BSD-3-Clause */

/* Files on other hosts: an nbdkit of our own with the plugin ssh, curl, nbd
 * or vddk for each, supervised like every child.
 *
 * Secrets go to the child through an inherited memfd ("password=-4"), never
 * through its command line or environment.  What documents say becomes one
 * argument "key=value"; no shell is involved.
 */

#include <config.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "source-server.h"
#include "v2v-utils.h"

/* A command line in the making. */
struct args {
  char **argv;
  size_t nr;
  int fds[2]; /* memfds: 4 and 5 in the child */
  size_t nr_fds;
  bool failed;
};

static void __attribute__ ((format (printf, 2, 3)))
add (struct args *a, const char *fmt, ...)
{
  char **p = reallocarray (a->argv, a->nr + 2, sizeof *p), *s;
  va_list ap;
  int r;

  if (p == NULL) {
    a->failed = true;
    return;
  }
  a->argv = p;
  p[a->nr] = p[a->nr + 1] = NULL;
  va_start (ap, fmt);
  r = vasprintf (&s, fmt, ap);
  va_end (ap);
  if (r == -1)
    a->failed = true;
  else
    p[a->nr++] = s;
}

/* KEY=-N, where the child finds TEXT.  The source owns the memfd. */
static void
add_secret (struct source *s, struct args *a, const char *key, const char *text)
{
  int *p = reallocarray (s->secrets, s->nr_secrets + 1, sizeof *p), fd;
  size_t n = strlen (text);

  if (p)
    s->secrets = p;
  fd = p ? memfd_create ("v2v-secret", MFD_CLOEXEC) : -1;
  if (fd == -1 || a->nr_fds == V2V_ARRAY_SIZE (a->fds)) {
    a->failed = true;
    return;
  }
  p[s->nr_secrets++] = fd;
  if (write (fd, text, n) != (ssize_t)n || write (fd, "\n", 1) != 1)
    a->failed = true;
  add (a, "%s=-%zu", key, PLAN_FIRST_FD + a->nr_fds);
  a->fds[a->nr_fds++] = fd;
}

static void
begin (struct args *a, const struct source_options *opts)
{
  memset (a, 0, sizeof *a);
  add (a, "%s", opts->remote.nbdkit ? opts->remote.nbdkit : "nbdkit");
  add (a, "--foreground");
  add (a, "--readonly");
  add (a, "--threads=16");
}

/* The disk of the child that the arguments stand for; frees them. */
static struct disk *
finish (struct args *a, const char *name, unsigned nr_connections,
        bool no_proxy, struct diag *d)
{
  struct child_config cfg = {
    .name = name,
    .argv = a->argv,
    .fds = a->fds,
    .nr_fds = a->nr_fds,
    .rewind_fds = a->fds,
    .nr_rewind_fds = a->nr_fds,
    .activation = true,
    .nr_connections = nr_connections,
    .no_proxy = no_proxy,
  };
  struct child *child = a->failed ? NULL : child_new (&cfg);
  struct disk *disk = child ? disk_new_child (name, child, "") : NULL;
  size_t i;

  if (disk == NULL)
    diag_memory (d);
  for (i = 0; i < a->nr; ++i)
    free (a->argv[i]);
  free (a->argv);
  return disk;
}

/* Optional parameters that are passed on as they are. */
static void
add_option (struct args *a, const char *key, const char *value)
{
  if (value)
    add (a, "%s=%s", key, value);
}

struct disk *
server_ssh (struct source *s, const struct source_options *opts,
            const struct url *u, const char *path, unsigned nr_connections,
            struct diag *d)
{
  const struct remote_options *r = &opts->remote;
  struct args a;

  if (path[0] != '/' || path[1] == '\0') {
    diag_error (d, "ssh://%s%s: the URL has no path", u->host, path);
    return NULL;
  }
  begin (&a, opts);
  add (&a, "--filter=retry");
  add (&a, "ssh");
  add (&a, "host=%s", u->host);
  add_option (&a, "port", u->port);
  add_option (&a, "user", u->user ? u->user : r->user);
  add (&a, "path=%s", path);
  if (r->password)
    add_secret (s, &a, "password", r->password);
  add_option (&a, "known-hosts", r->known_hosts);
  add_option (&a, "identity", r->identity);
  add_option (&a, "verify-remote-host", r->verify_remote_host);
  return finish (&a, "nbdkit ssh", nr_connections, false, d);
}

struct disk *
server_curl (struct source *s, const struct source_options *opts,
             const char *url, unsigned nr_connections, bool no_proxy,
             struct diag *d)
{
  const char *p = strstr (url, "://") + 3;
  const struct remote_options *r = &opts->remote;
  struct args a;

  if (memchr (p, '@', strcspn (p, "/?#"))) {
    diag_error (d, "a user in a URL is refused: say user=NAME "
                   "password=+FILE");
    return NULL;
  }
  begin (&a, opts);
  add (&a, "--filter=retry");
  add (&a, "curl");
  add (&a, "url=%s", url);
  add (&a, "protocols=http,https");
  add (&a, "timeout=2000");
  add_option (&a, "user", r->user);
  if (r->password)
    add_secret (s, &a, "password", r->password);
  if (r->cookie)
    add_secret (s, &a, "cookie", r->cookie);
  add_option (&a, "cookie-script", r->cookie_script);
  if (r->cookie_script)
    add_option (&a, "cookie-script-renew",
                r->cookie_script_renew ? r->cookie_script_renew : "1500");
  add_option (&a, "cainfo", r->cainfo);
  add_option (&a, "sslverify", r->sslverify);
  return finish (&a, "nbdkit curl", nr_connections, no_proxy, d);
}

struct disk *
server_nbd (const struct source_options *opts, const char *uri,
            unsigned nr_connections, struct diag *d)
{
  struct args a;

  begin (&a, opts);
  add (&a, "nbd");
  add (&a, "uri=%s", uri);
  return finish (&a, "nbdkit nbd", nr_connections, false, d);
}

struct disk *
server_vddk (struct source *s, const struct source_options *opts,
             const char *location, struct diag *d)
{
  const struct remote_options *r = &opts->remote;
  struct args a;
  size_t i;

  if (r->vddk_vm == NULL && s->machine.moref == NULL) {
    diag_error (d, "the XML has no <vmware:moref>: say vddk-vm=moref=ID");
    return NULL;
  }
  if (r->password == NULL) {
    diag_error (d, "VDDK needs password=+FILE");
    return NULL;
  }
  begin (&a, opts);
  /* Larger requests overrun the server's memory; several handles on one
   * disk slow each other, and one connection is all that we make.
   */
  add (&a, "--filter=blocksize");
  add (&a, "--filter=retry");
  add (&a, "%s", r->vddk_plugin ? r->vddk_plugin : "vddk");
  add (&a, "minblock=512");
  add (&a, "maxdata=2M");
  add (&a, "server=%s", r->server);
  add (&a, "user=%s", r->user ? r->user : "root");
  add_secret (s, &a, "password", r->password);
  if (r->vddk_vm)
    add (&a, "vm=%s", r->vddk_vm);
  else
    add (&a, "vm=moref=%s", s->machine.moref);
  for (i = 0; i < r->nr_vddk; ++i)
    add (&a, "%s", r->vddk[i]);
  add (&a, "file=%s", location);
  return finish (&a, "nbdkit vddk", 1, true, d);
}
