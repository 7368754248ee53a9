/* SPDX-License-Identifier: BSD-3-Clause */

/* Short forms of json-c's calls.  A NULL string becomes null. */

#ifndef V2V_TARGET_JSONUTIL_H
#define V2V_TARGET_JSONUTIL_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "model.h"

static inline void
json_put (struct json_object *o, const char *key, const char *s)
{
  bool oom = false;
  char *t = text_utf8 (s, &oom);

  json_object_object_add (o, key, t ? json_object_new_string (t) : NULL);
  free (t);
}

static inline void
json_put_uint (struct json_object *o, const char *key, uint64_t n)
{
  json_object_object_add (o, key, json_object_new_uint64 (n));
}

static inline void
json_put_bool (struct json_object *o, const char *key, bool b)
{
  json_object_object_add (o, key, json_object_new_boolean (b));
}

static inline void
json_put_text_uint (struct json_object *o, const char *key, uint64_t n)
{
  char s[32];

  snprintf (s, sizeof s, "%llu", (unsigned long long)n);
  json_put (o, key, s);
}

static inline void
json_push (struct json_object *a, const char *s)
{
  json_object_array_add (a, s ? json_object_new_string (s) : NULL);
}

static inline void
json_push_uint (struct json_object *a, uint64_t n)
{
  char s[32];

  snprintf (s, sizeof s, "%llu", (unsigned long long)n);
  json_push (a, s);
}

/* Serialise ROOT and let it go. */
static inline int
json_finish (struct json_object *root, char **text, size_t *len, char **error)
{
  const char *s;
  int r = -1;

  s = json_object_to_json_string_ext (root, JSON_C_TO_STRING_PRETTY |
                                              JSON_C_TO_STRING_SPACED |
                                              JSON_C_TO_STRING_NOSLASHESCAPE);
  if (s && asprintf (text, "%s\n", s) != -1) {
    *len = strlen (*text);
    r = 0;
  }
  else
    target_error (error, "out of memory");
  json_object_put (root);
  return r;
}

#endif /* V2V_TARGET_JSONUTIL_H */
