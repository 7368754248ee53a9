/* SPDX-License-Identifier: BSD-3-Clause */

/* From where a document, or the user, says that a disk is, to the disk. */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "source-build.h"
#include "source-refs.h"
#include "source-server.h"
#include "url.h"
#include "v2v-utils.h"

/* DISK may be NULL with an error already set. */
static int
add_disk (struct source *s, struct disk *disk, struct diag *d)
{
  return disk ? source_add_disk (s, disk, d) : -1;
}

/* A raw disk is read through the server as it is; what needs a driver is an
 * image on that server.
 */
int
source_add_uri (struct source *s, const struct source_options *opts,
                const char *uri, const char *format, struct diag *d)
{
  static const char *const nbd[] = { "nbd", "nbds", "nbd+unix", "nbds+unix",
                                     NULL };
  static const char *const http[] = { "http", "https", NULL };
  static const char *const ssh[] = { "ssh", "sftp", NULL };
  struct disk *server = NULL;
  struct url u = { 0 };
  unsigned nr;

  if (opts->format)
    format = opts->format;
  if (format == NULL)
    format = "raw";
  nr = strcmp (format, "raw") == 0 ? 1 : 2;
  if (url_has_scheme (uri, nbd)) {
    if (nr == 1)
      return source_add_disk (s, disk_new_uri (uri), d);
    server = server_nbd (opts, uri, nr, d);
  }
  else if (url_has_scheme (uri, http))
    server = server_curl (s, opts, uri, nr, false, d);
  else if (url_has_scheme (uri, ssh)) {
    if (url_parse (uri, &u, d) == 0)
      server = server_ssh (s, opts, &u, u.path, nr, d);
    url_free (&u);
  }
  else
    return diag_error (d,
                       "%s: only nbd, nbds, nbd+unix, nbds+unix, http, "
                       "https and ssh URIs can be disks",
                       uri);
  return nr == 1 ? add_disk (s, server, d)
                 : source_add_server_image (s, opts, server, uri, format, d);
}

/*--------------------------------------------------------------------
 * Disks of VMware's servers.
 */

/* What vCenter and ESXi serve under /folder: the query is quoted twice. */
static char *
quote_twice (const char *s)
{
  CLEANUP_FREE char *once = url_quote (s, URL_KEEP);

  return once ? url_quote (once, URL_KEEP) : NULL;
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
  qpath = url_quote (path, URL_KEEP_PATH);
  qdc = quote_twice (dc);
  qstore = quote_twice (store);
  if (qpath == NULL || qdc == NULL || qstore == NULL ||
      asprintf (&url, "https://%s/folder/%s-flat.vmdk?dcPath=%s&dsName=%s",
                opts->remote.server, qpath, qdc, qstore) == -1) {
    url = NULL;
    return diag_memory (d);
  }
  return add_disk (s, server_curl (s, opts, url, 1, true, d), d);
}

static int
add_vmware (struct source *s, const struct source_options *opts,
            const struct disk_ref *ref, struct diag *d)
{
  if (strchr (ref->location, ']') == NULL)
    return diag_error (d, "\"%s\" is not a datastore path", ref->location);
  if (opts->remote.server == NULL)
    return diag_error (d,
                       "\"%s\" lies on a VMware server: say "
                       "server=HOST user=NAME password=+FILE",
                       ref->location);
  return opts->remote.vddk_used
           ? add_disk (s, server_vddk (s, opts, ref->location, d), d)
           : add_vcenter (s, opts, ref, d);
}

/*--------------------------------------------------------------------*/

/* A path in a document: relative to it. */
static int
add_path_ref (struct source *s, const struct source_options *opts,
              const char *base, const struct disk_ref *ref, struct diag *d)
{
  CLEANUP_FREE char *full = NULL;
  const char *slash = base ? strrchr (base, '/') : NULL;

  if (ref->location[0] == '/' || slash == NULL)
    return source_add_path (s, opts, ref->location, ref->format, d);
  if (asprintf (&full, "%.*s%s", (int)(slash - base + 1), base,
                ref->location) == -1) {
    full = NULL;
    return diag_memory (d);
  }
  return source_add_path (s, opts, full, ref->format, d);
}

int
source_add_refs (struct source *s, const struct source_options *opts,
                 struct container *c, const char *base, struct diag *d)
{
  size_t i;

  for (i = 0; i < s->machine.nr_refs; ++i) {
    const struct disk_ref *ref = &s->machine.refs[i];
    char where[48];
    struct blob b;
    int r;

    switch (ref->kind) {
    case REF_FILE:
      r = container_find (c, base, ref->location, &b, d);
      if (r == 0)
        r = diag_error (d, "the disk \"%s\" does not exist", ref->location);
      else if (r == 1)
        r = source_add_image (s, opts, c, &b, ref->location, ref->format, d);
      break;
    case REF_PATH:
      r = add_path_ref (s, opts, base, ref, d);
      break;
    case REF_BLANK:
      r = source_add_zeroes (s, ref->capacity, d);
      break;
    case REF_NBD:
    case REF_HTTP:
    case REF_SSH:
      r = source_add_uri (s, opts, ref->location, ref->format, d);
      break;
    case REF_VDDK:
      r = add_vmware (s, opts, ref, d);
      break;
    default:
      r = diag_error (d, "\"%s\": this kind of disk cannot be read here",
                      ref->location);
    }
    if (r == -1) {
      snprintf (where, sizeof where, "line %u (disk%zu)", ref->line, i);
      return diag_prefix (d, where);
    }
  }
  return 0;
}
