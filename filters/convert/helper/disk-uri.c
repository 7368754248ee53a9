/* SPDX-License-Identifier: BSD-3-Clause */

/* See disk-uri.h. */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/uri.h>

#include "disk-uri.h"

void
disk_uri_free (struct disk_uri *uri)
{
  free (uri->server);
  free (uri->export);
  uri->server = uri->export = NULL;
}

int
disk_uri_parse (const char *text, struct disk_uri *out, const char **why)
{
  xmlURIPtr uri = xmlParseURI (text);
  char *socket = NULL;
  const char *q;
  int r = -1;

  out->server = out->export = NULL;
  if (uri == NULL || uri->scheme == NULL) {
    *why = "it is not a URI";
    goto out;
  }

  for (q = uri->query_raw; q != NULL && *q != '\0';) {
    size_t len = strcspn (q, "&;");

    if (len > 7 && strncmp (q, "socket=", 7) == 0 && socket == NULL)
      socket = xmlURIUnescapeString (q + 7, (int)len - 7, NULL);
    q += len;
    if (*q != '\0')
      q++;
  }

  if (strcmp (uri->scheme, "nbd+unix") == 0) {
    if (socket == NULL || socket[0] != '/') {
      *why = "it needs ?socket=/PATH";
      goto out;
    }
    if (asprintf (&out->server, "unix:%s", socket) == -1)
      out->server = NULL;
  }
  else if (strcmp (uri->scheme, "nbd") == 0) {
    if (uri->server == NULL || uri->server[0] == '\0') {
      *why = "it names no host";
      goto out;
    }
    if (asprintf (&out->server, "%s:%d", uri->server,
                  uri->port > 0 ? uri->port : 10809) == -1)
      out->server = NULL;
  }
  else {
    *why = "only nbd+unix and nbd URIs are supported";
    goto out;
  }
  out->export = strdup (uri->path && uri->path[0] == '/' ? uri->path + 1
                        : uri->path                      ? uri->path
                                                         : "");
  if (out->server == NULL || out->export == NULL) {
    *why = "out of memory";
    goto out;
  }
  r = 0;

out:
  if (r == -1)
    disk_uri_free (out);
  if (socket)
    xmlFree (socket);
  if (uri)
    xmlFreeURI (uri);
  return r;
}
