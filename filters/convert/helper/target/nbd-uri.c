/* SPDX-License-Identifier: BSD-3-Clause */

/* NBD URIs (NBD's uri.md). */

#include <config.h>

#include <stdlib.h>
#include <string.h>

#include <libxml/uri.h>

#include "model.h"
#include "v2v-utils.h"

bool
nbd_uri_is (const char *s)
{
  return strncmp (s, "nbd://", 6) == 0 || strncmp (s, "nbds://", 7) == 0 ||
         strncmp (s, "nbd+unix://", 11) == 0 ||
         strncmp (s, "nbds+unix://", 12) == 0;
}

void
nbd_uri_clear (struct nbd_uri *u)
{
  free (u->socket);
  free (u->host);
  free (u->export);
  memset (u, 0, sizeof *u);
}

int
nbd_uri_parse (const char *s, struct nbd_uri *out, char **error)
{
  xmlURIPtr u = xmlParseURI (s);
  const char *q;

  memset (out, 0, sizeof *out);
  if (u == NULL || u->scheme == NULL) {
    xmlFreeURI (u);
    return target_error (error, "\"%s\" is not a URI", s);
  }
  out->tls = u->scheme[3] == 's';
  /* xmlParseURI has decoded the path; the query it gives raw. */
  out->export = strdup (u->path && u->path[0] == '/' ? u->path + 1 : "");
  if (strstr (u->scheme, "+unix")) {
    q = u->query_raw ? strstr (u->query_raw, "socket=") : NULL;
    if (q && (q == u->query_raw || q[-1] == '&')) {
      CLEANUP_FREE char *raw = strndup (q + 7, strcspn (q + 7, "&;"));

      if (raw)
        out->socket = xmlURIUnescapeString (raw, 0, NULL);
    }
  }
  else {
    const char *host = u->server ? u->server : "localhost";
    size_t n = strlen (host);

    /* An IPv6 address comes in brackets. */
    if (host[0] == '[' && n > 2 && host[n - 1] == ']')
      out->host = strndup (host + 1, n - 2);
    else
      out->host = strdup (host);
    out->port = u->port > 0 ? u->port : 10809;
  }
  xmlFreeURI (u);
  if (out->export == NULL || (out->socket == NULL && out->host == NULL)) {
    nbd_uri_clear (out);
    return target_error (error, "\"%s\" names no socket", s);
  }
  return 0;
}
