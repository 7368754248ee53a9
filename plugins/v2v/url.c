/* SPDX-License-Identifier: BSD-3-Clause */

/* URLs (see url.h). */

#include <config.h>

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "machine.h"
#include "url.h"
#include "v2v-utils.h"

bool
url_is (const char *s)
{
  return strstr (s, "://") != NULL && s[0] != '/';
}

bool
url_has_scheme (const char *url, const char *const *schemes)
{
  for (; *schemes; ++schemes) {
    size_t n = strlen (*schemes);

    if (strncasecmp (url, *schemes, n) == 0 && strncmp (url + n, "://", 3) == 0)
      return true;
  }
  return false;
}

void
url_free (struct url *u)
{
  free (u->user);
  free (u->host);
  free (u->port);
  free (u->path);
}

/* In place. */
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

int
url_parse (const char *url, struct url *u, struct diag *d)
{
  const char *p = strstr (url, "://") + 3;
  size_t len = strcspn (p, "/?#");
  CLEANUP_FREE char *authority = strndup (p, len);
  const char *at, *colon;
  char *host;
  uint64_t n;

  memset (u, 0, sizeof *u);
  u->path = strdup (p[len] == '/' ? p + len : "");
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

char *
url_query (const char *url, const char *key)
{
  const char *p = strchr (url, '?');
  size_t n = strlen (key), len;
  char *r;

  while (p) {
    p++;
    len = strcspn (p, "&;#");
    if (len > n && strncmp (p, key, n) == 0 && p[n] == '=') {
      r = strndup (p + n + 1, len - n - 1);
      if (r && !percent_decode (r)) {
        free (r);
        r = NULL;
      }
      return r;
    }
    p = p[len] == '&' || p[len] == ';' ? p + len : NULL;
  }
  return NULL;
}

char *
url_quote (const char *s, const char *keep)
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
