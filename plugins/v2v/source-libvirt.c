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
  if (r == 0 && (r = source_add_refs (s, opts, NULL, NULL, d)) == -1)
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
