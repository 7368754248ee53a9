/* SPDX-License-Identifier: BSD-3-Clause */

/* Disks and documents on other hosts: an nbdkit of our own with the plugin
 * ssh, curl or vddk for each, supervised like every child.
 *
 * Secrets go to the child through an inherited memfd ("password=-4"), never
 * through its command line or environment.  What documents say becomes one
 * argument "key=value"; no shell is involved.
 */

#include <config.h>

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "source.h"
#include "v2v-utils.h"
#include "vmdk.h"

#define MAX_DOCUMENT (16 * 1024 * 1024)
#define MAX_DESCRIPTOR (1024 * 1024)

/*--------------------------------------------------------------------
 * Command lines.
 */
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
finish (struct args *a, const char *name, bool no_proxy, struct diag *d)
{
  struct child_config cfg = {
    .name = name,
    .argv = a->argv,
    .fds = a->fds,
    .nr_fds = a->nr_fds,
    .rewind_fds = a->fds,
    .nr_rewind_fds = a->nr_fds,
    .activation = true,
    .nr_connections = 1,
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

/*--------------------------------------------------------------------
 * ssh.
 */
struct ssh_url {
  char *user, *host, *port, *path;
};

static void
free_ssh_url (struct ssh_url *u)
{
  free (u->user);
  free (u->host);
  free (u->port);
  free (u->path);
}

static bool
percent_decode (char *s)
{
  char *to = s, hex[3] = "", *end;
  unsigned long c;

  for (; *s; ++s)
    if (*s == '%') {
      if (!isxdigit ((unsigned char)s[1]) || !isxdigit ((unsigned char)s[2]))
        return false;
      memcpy (hex, s + 1, 2);
      c = strtoul (hex, &end, 16);
      if (c == 0)
        return false;
      *to++ = (char)c;
      s += 2;
    }
    else
      *to++ = *s;
  *to = '\0';
  return true;
}

/* ssh://[USER@]HOST[:PORT]/PATH */
static int
parse_ssh (const char *url, struct ssh_url *u, struct diag *d)
{
  const char *p = strstr (url, "://") + 3, *slash = strchr (p, '/');
  const char *at, *colon;
  CLEANUP_FREE char *authority = NULL;
  char *host;
  uint64_t n;

  memset (u, 0, sizeof *u);
  if (slash == NULL || slash[1] == '\0')
    return diag_error (d, "%s: the URL has no path", url);
  authority = strndup (p, slash - p);
  u->path = strdup (slash);
  if (authority == NULL || u->path == NULL)
    return diag_memory (d);
  host = authority;
  at = strrchr (authority, '@');
  if (at) {
    if (memchr (authority, ':', at - authority))
      return diag_error (d, "a password in a URL is refused: say "
                            "password=+FILE");
    u->user = strndup (authority, at - authority);
    host += at - authority + 1;
  }
  if (host[0] == '[' && strchr (host, ']')) {
    colon = strchr (strchr (host, ']'), ':');
    u->host = strndup (host + 1, strcspn (host + 1, "]"));
  }
  else {
    colon = strchr (host, ':');
    u->host = strndup (host, colon ? (size_t)(colon - host) : strlen (host));
  }
  if (colon)
    u->port = strdup (colon + 1);
  if ((at && u->user == NULL) || u->host == NULL || (colon && u->port == NULL))
    return diag_memory (d);
  if (u->host[0] == '\0' || u->host[0] == '-' || strpbrk (u->host, " /?#@%"))
    return diag_error (d, "%s: the URL has no valid host", url);
  if (u->port && (!whole_number (u->port, &n) || n < 1 || n > 65535))
    return diag_error (d, "%s: the port is not valid", url);
  if (!percent_decode (u->path) || (u->user && !percent_decode (u->user)))
    return diag_error (d, "%s: damaged %%-escape", url);
  return 0;
}

static struct disk *
ssh_disk (struct source *s, const struct source_options *opts,
          const struct ssh_url *u, const char *path, bool retry, struct diag *d)
{
  const struct remote_options *r = &opts->remote;
  struct args a;

  begin (&a, opts);
  if (retry)
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
  return finish (&a, "nbdkit ssh", false, d);
}

int
source_add_ssh (struct source *s, const struct source_options *opts,
                const char *url, struct diag *d)
{
  struct ssh_url u;
  int r = parse_ssh (url, &u, d);

  if (r == 0)
    r = source_add_disk (s, ssh_disk (s, opts, &u, u.path, true, d), d);
  free_ssh_url (&u);
  return r;
}

/*--------------------------------------------------------------------
 * http and https.
 */
static struct disk *
curl_disk (struct source *s, const struct source_options *opts, const char *url,
           bool vcenter, struct diag *d)
{
  const struct remote_options *r = &opts->remote;
  struct args a;

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
  return finish (&a, "nbdkit curl", vcenter, d);
}

int
source_add_http (struct source *s, const struct source_options *opts,
                 const char *url, struct diag *d)
{
  const char *p = strstr (url, "://") + 3;

  if (memchr (p, '@', strcspn (p, "/?#")))
    return diag_error (d, "a user in a URL is refused: say user=NAME "
                          "password=+FILE");
  return source_add_disk (s, curl_disk (s, opts, url, false, d), d);
}

static char *
quote (const char *s, const char *keep)
{
  char *r = malloc (3 * strlen (s) + 1), *p = r;

  for (; r && *s; ++s)
    if (isalnum ((unsigned char)*s) || strchr (keep, *s))
      *p++ = *s;
    else
      p += sprintf (p, "%%%02X", (unsigned char)*s);
  if (r)
    *p = '\0';
  return r;
}

/* What vCenter and ESXi serve under /folder: the query is quoted twice. */
static char *
quote_twice (const char *s)
{
  CLEANUP_FREE char *once = quote (s, "-._~");

  return once ? quote (once, "-._~") : NULL;
}

/* "[datastore] dir/name.vmdk" on the server. */
static int
add_vcenter (struct source *s, const struct source_options *opts,
             const struct disk_ref *ref, struct diag *d)
{
  const char *dc = s->machine.datacenter, *end;
  CLEANUP_FREE char *path = NULL;
  CLEANUP_FREE char *store = NULL, *qpath = NULL, *qdc = NULL;
  CLEANUP_FREE char *qstore = NULL, *url = NULL;
  size_t n;

  end = strchr (ref->location, ']');
  store = strndup (ref->location + 1, end - ref->location - 1);
  path = strdup (end + 1 + strspn (end + 1, " "));
  if (store == NULL || path == NULL)
    return diag_memory (d);
  n = strlen (path);
  if (n < 6 || strcasecmp (path + n - 5, ".vmdk") != 0)
    /* cppcheck-suppress memleak */
    return diag_error (d, "\"%s\" is not a VMDK", ref->location);
  if (dc == NULL)
    /* cppcheck-suppress memleak */
    return diag_error (d, "the XML has no <vmware:datacenterpath>");
  path[n - 5] = '\0';
  qpath = quote (path, "-._~/");
  qdc = quote_twice (dc);
  qstore = quote_twice (store);
  if (qpath == NULL || qdc == NULL || qstore == NULL ||
      asprintf (&url, "https://%s/folder/%s-flat.vmdk?dcPath=%s&dsName=%s",
                opts->remote.server, qpath, qdc, qstore) == -1) {
    url = NULL;
    return diag_memory (d);
  }
  return source_add_disk (s, curl_disk (s, opts, url, true, d), d);
}

/*--------------------------------------------------------------------
 * VDDK.
 */
static int
add_vddk (struct source *s, const struct source_options *opts,
          const struct disk_ref *ref, struct diag *d)
{
  const struct remote_options *r = &opts->remote;
  struct args a;
  size_t i;

  if (r->vddk_vm == NULL && s->machine.moref == NULL)
    return diag_error (d, "the XML has no <vmware:moref>: say "
                          "vddk-vm=moref=ID");
  if (r->password == NULL)
    return diag_error (d, "VDDK needs password=+FILE");
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
  add (&a, "file=%s", ref->location);
  return source_add_disk (s, finish (&a, "nbdkit vddk", true, d), d);
}

int
source_add_vmware (struct source *s, const struct source_options *opts,
                   const struct disk_ref *ref, struct diag *d)
{
  if (strchr (ref->location, ']') == NULL)
    return diag_error (d, "\"%s\" is not a datastore path", ref->location);
  if (opts->remote.server == NULL)
    return diag_error (d,
                       "\"%s\" lies on a VMware server: say "
                       "server=HOST user=NAME password=+FILE",
                       ref->location);
  return opts->remote.vddk_used ? add_vddk (s, opts, ref, d)
                                : add_vcenter (s, opts, ref, d);
}

/*--------------------------------------------------------------------
 * VMX over ssh.  Everything is read before the server forks, with a
 * supervisor that ends again.
 */
static int
fetch (struct source *s, const struct source_options *opts,
       const struct ssh_url *u, const char *path, size_t limit, char **text,
       size_t *len, struct diag *d)
{
  struct disk *disk = ssh_disk (s, opts, u, path, false, d);
  uint64_t size;
  int r = -1;

  *text = NULL;
  if (disk == NULL)
    return -1;
  if (disk_size (disk, &size) == -1)
    diag_error (d, "%s: cannot be read over ssh (missing, or no access)", path);
  else if (size > limit)
    diag_error (d, "%s: larger than %zu bytes", path, limit);
  else if ((*text = malloc (size + 1)) == NULL)
    diag_memory (d);
  else if (size > 0 && disk_pread (disk, *text, size, 0) == -1)
    diag_error (d, "%s: cannot be read over ssh: %m", path);
  else {
    (*text)[size] = '\0';
    *len = size;
    r = 0;
  }
  disk_free (disk);
  return r;
}

/* A disk of the VMX: its descriptor, then the one flat extent. */
static int
add_ssh_vmdk (struct source *s, const struct source_options *opts,
              const struct ssh_url *u, const char *name, struct diag *d)
{
  CLEANUP_FREE char *path = NULL, *flat = NULL, *text = NULL;
  const char *slash = strrchr (u->path, '/');
  struct vmdk_descriptor desc = { 0 };
  struct disk *probe;
  uint64_t size = 0;
  size_t len;
  int r = -1;

  if (strchr (name, '/'))
    return diag_error (d,
                       "\"%s\" is not in the directory of the VMX: "
                       "refused",
                       name);
  if (asprintf (&path, "%.*s%s", (int)(slash - u->path + 1), u->path, name) ==
      -1) {
    path = NULL;
    return diag_memory (d);
  }
  if (fetch (s, opts, u, path, MAX_DESCRIPTOR, &text, &len, d) == -1)
    return -1;
  if (vmdk_parse_descriptor (text, len, &desc, d) == -1)
    diag_prefix (d, path);
  else if (desc.parent_cid != UINT32_MAX)
    diag_error (d,
                "%s: a snapshot cannot be read over ssh: consolidate the "
                "machine's disks first",
                path);
  else if (desc.nr_extents != 1 || desc.extents[0].type != VMDK_FLAT ||
           desc.extents[0].offset != 0)
    diag_error (d,
                "%s: only a VMDK with one flat extent can be read over "
                "ssh",
                path);
  else if (strchr (desc.extents[0].name, '/'))
    diag_error (d, "%s: the extent \"%s\" is not in its directory: refused",
                path, desc.extents[0].name);
  else if (asprintf (&flat, "%.*s%s", (int)(slash - u->path + 1), u->path,
                     desc.extents[0].name) == -1) {
    flat = NULL;
    diag_memory (d);
  }
  else if ((probe = ssh_disk (s, opts, u, flat, false, d)) != NULL) {
    if (disk_size (probe, &size) == -1)
      diag_error (d, "%s: cannot be read over ssh", flat);
    else if (size / 512 < desc.extents[0].sectors)
      diag_error (d, "%s: shorter than its descriptor says", flat);
    else
      r = source_add_disk (s, ssh_disk (s, opts, u, flat, true, d), d);
    disk_free (probe);
  }
  vmdk_free_descriptor (&desc);
  return r;
}

int
source_ssh_vmx (struct source *s, const struct source_options *opts,
                const char *url, struct diag *d)
{
  CLEANUP_FREE char *text = NULL, *stem = NULL;
  struct ssh_url u;
  size_t len, i;
  int r = -1;

  if (parse_ssh (url, &u, d) == -1)
    goto out;
  stem = source_stem (u.path);
  if (stem == NULL) {
    diag_memory (d);
    goto out;
  }
  if (supervisor_start (NULL) == -1) {
    diag_error (d, "cannot start a thread: %m");
    goto out;
  }
  r = fetch (s, opts, &u, u.path, MAX_DOCUMENT, &text, &len, d);
  if (r == 0 && (r = vmx_parse (text, len, stem, &s->machine, d)) == -1)
    diag_prefix (d, url);
  for (i = 0; r == 0 && i < s->machine.nr_refs; ++i)
    r = add_ssh_vmdk (s, opts, &u, s->machine.refs[i].location, d);
  supervisor_stop ();
  if (r == 0) /* it is on the other host */
    r = set_string (&s->machine.vm->nvram, NULL, "nvram", d);
out:
  free_ssh_url (&u);
  return r;
}
