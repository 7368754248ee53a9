/* SPDX-License-Identifier: BSD-3-Clause */

/* libvirt, if it is there: a domain by its name or UUID, and volumes of
 * storage pools.
 *
 * The library is loaded when it is needed, so that the plugin does not
 * depend on it; what is declared here is its stable ABI.  The connection is
 * closed before the server forks.
 */

#include <config.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image-format.h"
#include "source-build.h"
#include "source-kinds.h"
#include "source-refs.h"
#include "url.h"
#include "v2v-utils.h"
#include "xml.h"

#define CRED_AUTHNAME 2
#define CRED_PASSPHRASE 5
#define CRED_NOECHOPROMPT 7
#define DOMAIN_XML_SECURE 1

struct credential {
  int type;
  const char *prompt, *challenge, *defresult;
  char *result;
  unsigned resultlen;
};

struct auth {
  int *credtype;
  unsigned ncredtype;
  int (*cb) (struct credential *cred, unsigned n, void *opaque);
  void *opaque;
};

static struct {
  void *(*open_auth) (const char *uri, struct auth *auth, unsigned flags);
  int (*close) (void *conn);
  char *(*uri) (void *conn);
  void *(*by_uuid) (void *conn, const char *uuid);
  void *(*by_name) (void *conn, const char *name);
  int (*is_active) (void *dom);
  char *(*dom_xml) (void *dom, unsigned flags);
  int (*dom_free) (void *dom);
  void *(*pool) (void *conn, const char *name);
  int (*pool_free) (void *pool);
  void *(*volume) (void *pool, const char *name);
  char *(*volume_xml) (void *vol, unsigned flags);
  int (*volume_free) (void *vol);
  const char *(*last_error) (void);
  void (*set_error_fn) (void *opaque, void (*fn) (void *opaque, void *err));
} lv;

/* Errors are told through diag, not on stderr. */
static void
quiet (void *opaque, void *err)
{
  (void)opaque;
  (void)err;
}

static int
load (struct diag *d)
{
  static const struct {
    const char *name;
    void *p;
  } symbols[] = {
    { "virConnectOpenAuth", &lv.open_auth },
    { "virConnectClose", &lv.close },
    { "virConnectGetURI", &lv.uri },
    { "virDomainLookupByUUIDString", &lv.by_uuid },
    { "virDomainLookupByName", &lv.by_name },
    { "virDomainIsActive", &lv.is_active },
    { "virDomainGetXMLDesc", &lv.dom_xml },
    { "virDomainFree", &lv.dom_free },
    { "virStoragePoolLookupByName", &lv.pool },
    { "virStoragePoolFree", &lv.pool_free },
    { "virStorageVolLookupByName", &lv.volume },
    { "virStorageVolGetXMLDesc", &lv.volume_xml },
    { "virStorageVolFree", &lv.volume_free },
    { "virGetLastErrorMessage", &lv.last_error },
    { "virSetErrorFunc", &lv.set_error_fn },
  };
  void *h, *sym;
  size_t i;

  if (lv.open_auth)
    return 0;
  /* Never unloaded: it may have left threads or handlers. */
  h = dlopen ("libvirt.so.0", RTLD_NOW | RTLD_LOCAL);
  if (h == NULL)
    return diag_error (d,
                       "libvirt is needed for this (install libvirt0), or "
                       "save the domain with virsh dumpxml --security-info "
                       "and give the file: %s",
                       dlerror ());
  for (i = 0; i < V2V_ARRAY_SIZE (symbols); ++i) {
    sym = dlsym (h, symbols[i].name);
    if (sym == NULL) {
      memset (&lv, 0, sizeof lv);
      return diag_error (d, "libvirt has no %s", symbols[i].name);
    }
    memcpy (symbols[i].p, &sym, sizeof sym);
  }
  lv.set_error_fn (NULL, quiet);
  return 0;
}

static int
answer (struct credential *cred, unsigned n, void *opaque)
{
  const struct source_options *opts = opaque;
  unsigned i;

  for (i = 0; i < n; ++i) {
    const char *s = cred[i].type == CRED_AUTHNAME ? opts->remote.user
                                                  : opts->remote.password;

    if (s == NULL)
      return -1;
    cred[i].result = strdup (s);
    if (cred[i].result == NULL)
      return -1;
    cred[i].resultlen = strlen (s);
  }
  return 0;
}

static void *
connect_libvirt (const struct source_options *opts, struct diag *d)
{
  /* libvirt may keep the pointer; there is one source in a process. */
  static int types[] = { CRED_AUTHNAME, CRED_PASSPHRASE, CRED_NOECHOPROMPT };
  static struct auth auth = { .credtype = types,
                              .ncredtype = V2V_ARRAY_SIZE (types),
                              .cb = answer };
  void *conn;

  if (load (d) == -1)
    return NULL;
  auth.opaque = (void *)opts;
  conn = lv.open_auth (opts->libvirt_uri, &auth, 0);
  if (conn == NULL)
    diag_error (d, "libvirt-uri=%s: %s",
                opts->libvirt_uri ? opts->libvirt_uri : "(default)",
                lv.last_error ());
  return conn;
}

/* Volumes become paths with the format that the pool knows. */
static int
resolve (void *conn, struct disk_ref *ref, struct diag *d)
{
  void *pool = lv.pool (conn, ref->pool);
  void *vol = pool ? lv.volume (pool, ref->location) : NULL;
  char *xml = vol ? lv.volume_xml (vol, 0) : NULL;
  CLEANUP_FREE char *type = NULL, *format = NULL;
  const char *f;
  xmlDoc *doc = NULL;
  xmlNode *root, *target;
  int r = -1;

  if (xml == NULL)
    diag_error (d, "volume \"%s\" of pool \"%s\": %s", ref->location, ref->pool,
                lv.last_error ());
  else if ((doc = xml_parse (xml, strlen (xml), d)) != NULL) {
    root = xmlDocGetRootElement (doc);
    target = xml_child (root, "target");
    type = xml_attr (root, "type");
    format = xml_attr (xml_child (target, "format"), "type");
    f = format ? image_format (format) : "raw";
    if (type && strcmp (type, "file") != 0 && strcmp (type, "block") != 0)
      diag_error (d,
                  "volume \"%s\" of pool \"%s\": volumes of type \"%s\" "
                  "cannot be read",
                  ref->location, ref->pool, type);
    else if (ref->format == NULL && f == NULL)
      diag_error (d,
                  "volume \"%s\" of pool \"%s\": the format \"%s\" is not "
                  "known",
                  ref->location, ref->pool, format);
    else {
      free (ref->location);
      ref->location = xml_text (xml_child (target, "path"));
      if (ref->format == NULL)
        ref->format = strdup (f);
      ref->kind = REF_PATH;
      ref->block = type && strcmp (type, "block") == 0;
      r = ref->location && ref->format
            ? 0
            : diag_error (d, "a volume without a path");
    }
  }
  if (doc)
    xmlFreeDoc (doc);
  free (xml);
  if (vol)
    lv.volume_free (vol);
  if (pool)
    lv.pool_free (pool);
  return r;
}

static int
resolve_all (void *conn, struct source *s, struct diag *d)
{
  size_t i;

  for (i = 0; i < s->machine.nr_refs; ++i)
    if (s->machine.refs[i].kind == REF_VOLUME &&
        resolve (conn, &s->machine.refs[i], d) == -1)
      return -1;
  return 0;
}

/* Volumes of a domain that comes from a file. */
static int
resolve_volumes (struct source *s, const struct source_options *opts,
                 struct diag *d)
{
  size_t i;
  void *conn;
  int r;

  for (i = 0; i < s->machine.nr_refs; ++i)
    if (s->machine.refs[i].kind == REF_VOLUME)
      break;
  if (i == s->machine.nr_refs)
    return 0;
  conn = connect_libvirt (opts, d);
  if (conn == NULL)
    return -1;
  r = resolve_all (conn, s, d);
  lv.close (conn);
  return r;
}

/*--------------------------------------------------------------------
 * Domains of a libvirt on another host, SCHEME[+TRANSPORT]://HOST/...: what
 * their XML calls a path is one of that host.
 */

/* Over ssh. */
static int
move_ref (struct disk_ref *ref, const struct url *u, struct diag *d)
{
  CLEANUP_FREE char *path = url_quote (ref->location, URL_KEEP_PATH);
  CLEANUP_FREE char *user = url_quote (u->user ? u->user : "", URL_KEEP);
  bool v6 = strchr (u->host, ':') != NULL;
  char *url;

  if (ref->block)
    return diag_error (d,
                       "line %u: the block device %s of %s cannot be read: "
                       "sftp does not tell its size.  Copy it to a file "
                       "there, or serve it with NBD, and give the XML with "
                       "that source",
                       ref->line, ref->location, u->host);
  if (path == NULL || user == NULL ||
      asprintf (&url, "ssh://%s%s%s%s%s%s%s%s", user, u->user ? "@" : "",
                v6 ? "[" : "", u->host, v6 ? "]" : "", u->port ? ":" : "",
                u->port ? u->port : "", path) == -1)
    return diag_memory (d);
  free (ref->location);
  ref->location = url;
  ref->kind = REF_SSH;
  return 0;
}

static int
move_refs (struct source *s, const char *uri, const struct url *u,
           struct diag *d)
{
  const char *plus = memchr (uri, '+', strcspn (uri, ":"));
  bool ssh = plus && (strncmp (plus, "+ssh:", 5) == 0 ||
                      strncmp (plus, "+libssh:", 8) == 0 ||
                      strncmp (plus, "+libssh2:", 9) == 0);
  size_t i;

  for (i = 0; i < s->machine.nr_refs; ++i) {
    struct disk_ref *ref = &s->machine.refs[i];
    bool socket = ref->kind == REF_NBD &&
                  strncmp (ref->location, "nbd+unix:", 9) == 0;

    if (ref->kind == REF_PATH && ssh) {
      if (move_ref (ref, u, d) == -1)
        return -1;
    }
    else if (ref->kind == REF_PATH || socket)
      return diag_error (d,
                         "line %u: the disk \"%s\" lies on %s: only files "
                         "can be read there, and only with a libvirt-uri "
                         "of the transport +ssh",
                         ref->line, ref->location, u->host);
  }
  return set_string (&s->machine.vm->nvram, NULL, "nvram", d);
}

/* Parameters that the user has not given, but the URI has: they belong to
 * OWNED.
 */
struct owned {
  char *server, *user, *identity, *known_hosts, *no_verify;
};

static int
take_from_uri (struct source_options *opts, const char *uri,
               const struct url *u, struct owned *o, struct diag *d)
{
  struct remote_options *r = &opts->remote;
  static const char *const vmware[] = { "esx", "gsx", "vpx", NULL };
  bool no_verify;

  o->no_verify = url_query (uri, "no_verify");
  no_verify = o->no_verify && strcmp (o->no_verify, "1") == 0;
  if (u->user && r->user == NULL)
    r->user = o->user = strdup (u->user);
  if (url_has_scheme (uri, vmware)) {
    if (r->server == NULL) {
      if (asprintf (&o->server, "%s%s%s%s%s", strchr (u->host, ':') ? "[" : "",
                    u->host, strchr (u->host, ':') ? "]" : "",
                    u->port ? ":" : "", u->port ? u->port : "") == -1) {
        o->server = NULL;
        return diag_memory (d);
      }
      r->server = o->server;
    }
    if (no_verify && r->sslverify == NULL)
      r->sslverify = "false";
    return 0;
  }
  if (r->identity == NULL)
    r->identity = o->identity = url_query (uri, "keyfile");
  if (r->known_hosts == NULL)
    r->known_hosts = o->known_hosts = url_query (uri, "known_hosts");
  if (no_verify && r->verify_remote_host == NULL)
    r->verify_remote_host = "false";
  return 0;
}

static int
add_domain (struct source *s, const struct source_options *opts,
            const char *uri, struct diag *d)
{
  struct source_options mine = *opts;
  struct owned o = { 0 };
  struct url u = { 0 };
  const char *host = strstr (uri, "://");
  int r = 0;

  /* Without a host it is here. */
  if (host && host[3] && strchr ("/?#", host[3]) == NULL) {
    r = url_parse (uri, &u, d);
    if (r == 0)
      r = take_from_uri (&mine, uri, &u, &o, d);
    if (r == 0)
      r = move_refs (s, uri, &u, d);
  }
  if (r == 0)
    r = source_add_refs (s, &mine, NULL, NULL, d);
  url_free (&u);
  free (o.server);
  free (o.user);
  free (o.identity);
  free (o.known_hosts);
  free (o.no_verify);
  return r;
}

int
source_libvirt (struct source *s, const struct source_options *opts,
                const char *name, struct diag *d)
{
  CLEANUP_FREE char *uri = NULL;
  void *conn = connect_libvirt (opts, d), *dom;
  char *xml = NULL;
  int r = -1;

  if (conn == NULL)
    return -1;
  uri = lv.uri (conn);
  dom = lv.by_uuid (conn, name);
  if (dom == NULL)
    dom = lv.by_name (conn, name);
  if (dom)
    xml = lv.dom_xml (dom, DOMAIN_XML_SECURE);
  if (xml == NULL)
    diag_error (d, "domain \"%s\": %s", name, lv.last_error ());
  else {
    if (lv.is_active (dom) == 1 && !(uri && strncmp (uri, "test:", 5) == 0))
      diag_warn (d,
                 "domain \"%s\" is running: shut it down, or what is read "
                 "is not consistent",
                 name);
    r = domain_parse (xml, strlen (xml), &s->machine, d);
    if (r == 0)
      r = resolve_all (conn, s, d);
    if (r == -1)
      diag_prefix (d, name);
  }
  free (xml);
  if (dom)
    lv.dom_free (dom);
  lv.close (conn);
  if (r == 0 && (r = add_domain (s, opts, uri ? uri : "", d)) == -1)
    diag_prefix (d, name);
  return r;
}

int
source_xml (struct source *s, const struct source_options *opts,
            const char *file, struct diag *d)
{
  CLEANUP_FREE char *text = NULL;
  struct container *c;
  size_t len;

  if (source_read (s, opts, file, &c, &text, &len, d) == -1)
    return -1;
  if (domain_parse (text, len, &s->machine, d) == -1 ||
      resolve_volumes (s, opts, d) == -1 ||
      source_add_refs (s, opts, c, file, d) == -1)
    return diag_prefix (d, file);
  return 0;
}
