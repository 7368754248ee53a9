/* SPDX-License-Identifier: BSD-3-Clause */

/* URLs: taking them apart, and quoting what goes into one. */

#ifndef V2V_URL_H
#define V2V_URL_H

#include <stdbool.h>

#include "diag.h"

/* SCHEME://[USER@]HOST[:PORT][PATH]; USER and PATH are decoded, PATH begins
 * with "/" or is "".  What is not there is NULL.
 */
struct url {
  char *user, *host, *port, *path;
};

/* Something with a scheme, and no path of a file. */
extern bool url_is (const char *s);
/* SCHEMES is NULL-terminated. */
extern bool url_has_scheme (const char *url, const char *const *schemes);
/* 0, or -1 with an error.  url_free in both cases. */
extern int url_parse (const char *url, struct url *u, struct diag *d);
extern void url_free (struct url *u);
/* The value of KEY in the query of URL, decoded; NULL if it is not there or
 * memory ran out.  The caller frees.
 */
extern char *url_query (const char *url, const char *key);
/* %XX for all but letters, digits, and the characters in KEEP; NULL and
 * errno.  The caller frees.
 */
extern char *url_quote (const char *s, const char *keep);

/* What stays in a path. */
#define URL_KEEP_PATH "-._~/"
/* What stays in a part of one. */
#define URL_KEEP "-._~"

#endif /* V2V_URL_H */
