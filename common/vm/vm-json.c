/* SPDX-License-Identifier: BSD-3-Clause */

/* The JSON form of struct vm (docs/source.schema.json).
 *
 * Form.  One object.  What is not known is absent (or null, when read).
 * Plain members are in the tables of members.h; what has a shape of its own
 * ("cpu", "display", "disks", ...) follows in code.
 *
 * Invariants:
 * 1. vm_from_json (vm_to_json (vm)) gives the same machine.
 * 2. What vm_from_json returns can be freed and written again whatever the
 *    text was: strings are valid UTF-8 without NUL, counts are capped,
 *    numbers are in the range of their member.
 */

#include <config.h>

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "members.h"
#include "v2v-utils.h"
#include "vm.h"

#define MAX_TEXT (16 * 1024 * 1024)

/* WHERE is the path of the object, "" or "disks[0].". */
static int __attribute__ ((format (printf, 2, 3)))
fail (char **error, const char *fmt, ...)
{
  va_list ap;

  va_start (ap, fmt);
  if (vasprintf (error, fmt, ap) == -1)
    *error = NULL;
  va_end (ap);
  return -1;
}

/* Writing. */

/* Takes VALUE, also on error. */
static int
put (json_object *o, const char *key, json_object *value, char **error)
{
  if (value == NULL || json_object_object_add (o, key, value) != 0) {
    json_object_put (value);
    return fail (error, "%s: out of memory", key);
  }
  return 0;
}

static int
put_string (json_object *o, const char *where, const char *key, const char *s,
            char **error)
{
  if (!vm_utf8_valid (s, strlen (s)))
    return fail (error, "%s%s: the text is not valid UTF-8", where, key);
  return put (o, key, json_object_new_string (s), error);
}

static int
put_members (json_object *o, const char *where, const void *base,
             const struct members *members, char **error)
{
  size_t i;

  for (i = 0; i < members->nr; ++i) {
    const struct member *m = &members->list[i];
    const void *p = (const char *)base + m->offset;
    const char *s;
    int r = 0;

    switch (m->kind) {
    case STRING:
      s = *(char *const *)p;
      if (s)
        r = put_string (o, where, m->key, s, error);
      break;
    case INT:
      if (*(const int *)p != m->missing)
        r = put (o, m->key, json_object_new_int (*(const int *)p), error);
      break;
    case UNSIGNED:
      if (*(const unsigned *)p)
        r = put (o, m->key, json_object_new_int64 (*(const unsigned *)p),
                 error);
      break;
    case UINT64:
      if (*(const uint64_t *)p)
        r = put (o, m->key, json_object_new_uint64 (*(const uint64_t *)p),
                 error);
      break;
    case TRISTATE:
      if (*(const enum vm_tristate *)p != VM_UNKNOWN)
        r = put (
          o, m->key,
          json_object_new_boolean (*(const enum vm_tristate *)p == VM_YES),
          error);
      break;
    case WORD:
      if (*(const unsigned *)p >= m->nr_words)
        return fail (error, "%s%s: %u is outside its enumeration", where,
                     m->key, *(const unsigned *)p);
      s = m->words[*(const unsigned *)p];
      if (s)
        r = put_string (o, where, m->key, s, error);
      break;
    }
    if (r == -1)
      return -1;
  }
  return 0;
}

/* An object of its own for MEMBERS, left out if it is empty. */
static int
put_object (json_object *o, const char *key, const void *base,
            const struct members *members, char **error)
{
  json_object *sub = json_object_new_object ();
  char where[64];

  snprintf (where, sizeof where, "%s.", key);
  if (sub == NULL)
    return fail (error, "%s: out of memory", key);
  if (put_members (sub, where, base, members, error) == -1) {
    json_object_put (sub);
    return -1;
  }
  if (json_object_object_length (sub) == 0) {
    json_object_put (sub);
    return 0;
  }
  return put (o, key, sub, error);
}

/* An array of objects, always there. */
static int
put_array (json_object *o, const char *key, const void *base, size_t nr,
           size_t size, const struct members *members, char **error)
{
  json_object *a = json_object_new_array (), *sub;
  char where[64];
  size_t i;

  if (put (o, key, a, error) == -1)
    return -1;
  for (i = 0; i < nr; ++i) {
    snprintf (where, sizeof where, "%s[%zu].", key, i);
    sub = json_object_new_object ();
    if (sub == NULL || json_object_array_add (a, sub) != 0) {
      json_object_put (sub);
      return fail (error, "%s: out of memory", key);
    }
    if (put_members (sub, where, (const char *)base + i * size, members,
                     error) == -1)
      return -1;
  }
  return 0;
}

static int
put_vm (json_object *o, const struct vm *vm, char **error)
{
  json_object *a, *s;
  size_t i;

  if (put (o, "version", json_object_new_int (1), error) == -1 ||
      put_members (o, "", vm, &vm_members_machine, error) == -1 ||
      put_object (o, "cpu", vm, &vm_members_cpu, error) == -1 ||
      put_object (o, "tpm", vm, &vm_members_tpm, error) == -1 ||
      put_object (o, "display", &vm->display, &vm_members_display, error) == -1)
    return -1;

  if (vm->features) {
    a = json_object_new_array ();
    if (put (o, "features", a, error) == -1)
      return -1;
    for (i = 0; vm->features[i]; ++i) {
      if (!vm_utf8_valid (vm->features[i], strlen (vm->features[i])))
        return fail (error, "features[%zu]: the text is not valid UTF-8", i);
      s = json_object_new_string (vm->features[i]);
      if (s == NULL || json_object_array_add (a, s) != 0) {
        json_object_put (s);
        return fail (error, "features: out of memory");
      }
    }
  }

  if (put_array (o, "disks", vm->disks, vm->nr_disks, sizeof *vm->disks,
                 &vm_members_disk, error) == -1 ||
      put_array (o, "removables", vm->removables, vm->nr_removables,
                 sizeof *vm->removables, &vm_members_removable, error) == -1 ||
      put_array (o, "nics", vm->nics, vm->nr_nics, sizeof *vm->nics,
                 &vm_members_nic, error) == -1)
    return -1;
  return 0;
}

char *
vm_to_json (const struct vm *vm, char **error)
{
  json_object *o = json_object_new_object ();
  const char *text;
  char *r = NULL;

  *error = NULL;
  if (o == NULL) {
    fail (error, "out of memory");
    return NULL;
  }
  if (put_vm (o, vm, error) == 0) {
    text = json_object_to_json_string_ext (o, JSON_C_TO_STRING_PRETTY |
                                                JSON_C_TO_STRING_SPACED |
                                                JSON_C_TO_STRING_NOSLASHESCAPE);
    if (text == NULL || asprintf (&r, "%s\n", text) == -1) {
      r = NULL;
      fail (error, "out of memory");
    }
  }
  json_object_put (o);
  return r;
}

/* Reading. */

static int
get_number (json_object *v, const char *where, const char *key, int64_t least,
            uint64_t most, uint64_t *r, char **error)
{
  int64_t s;

  if (!json_object_is_type (v, json_type_int))
    return fail (error, "%s%s: a whole number is expected", where, key);
  s = json_object_get_int64 (v);
  *r = s < 0 ? (uint64_t)s : json_object_get_uint64 (v);
  if (s < 0 ? s < least : *r > most)
    return fail (error, "%s%s: the number is out of range", where, key);
  return 0;
}

static int
get_string (json_object *v, const char *where, const char *key, char **r,
            char **error)
{
  const char *s;
  size_t len;

  if (!json_object_is_type (v, json_type_string))
    return fail (error, "%s%s: a string is expected", where, key);
  s = json_object_get_string (v);
  len = json_object_get_string_len (v);
  if (!vm_utf8_valid (s, len))
    return fail (error, "%s%s: the text is not valid UTF-8", where, key);
  *r = strdup (s);
  if (*r == NULL)
    return fail (error, "%s%s: out of memory", where, key);
  return 0;
}

static int
get_member (json_object *v, const char *where, void *p, const struct member *m,
            char **error)
{
  uint64_t n = 0;
  size_t i;
  const char *s;

  switch (m->kind) {
  case STRING:
    return get_string (v, where, m->key, p, error);
  case INT:
    if (get_number (v, where, m->key, INT_MIN, INT_MAX, &n, error) == -1)
      return -1;
    *(int *)p = (int)(int64_t)n;
    return 0;
  case UNSIGNED:
    if (get_number (v, where, m->key, 0, UINT_MAX, &n, error) == -1)
      return -1;
    *(unsigned *)p = n;
    return 0;
  case UINT64:
    return get_number (v, where, m->key, 0, UINT64_MAX, p, error);
  case TRISTATE:
    if (!json_object_is_type (v, json_type_boolean))
      return fail (error, "%s%s: true or false is expected", where, m->key);
    *(enum vm_tristate *)p = json_object_get_boolean (v) ? VM_YES : VM_NO;
    return 0;
  case WORD:
    s = json_object_is_type (v, json_type_string) ? json_object_get_string (v)
                                                  : "";
    for (i = 0; i < m->nr_words; ++i)
      if (m->words[i] && strcmp (m->words[i], s) == 0) {
        *(unsigned *)p = i;
        return 0;
      }
    return fail (error, "%s%s: not one of the words that it may be", where,
                 m->key);
  }
  abort ();
}

static int
get_members (json_object *o, const char *where, void *base,
             const struct members *members, char **error)
{
  size_t i;
  json_object *v;

  for (i = 0; i < members->nr; ++i) {
    const struct member *m = &members->list[i];

    if (!json_object_object_get_ex (o, m->key, &v) || v == NULL)
      continue;
    if (get_member (v, where, (char *)base + m->offset, m, error) == -1)
      return -1;
  }
  return 0;
}

/* *V = the member KEY if it is of TYPE, NULL if it is absent. */
static int
get_typed (json_object *o, const char *key, enum json_type type,
           json_object **v, char **error)
{
  if (!json_object_object_get_ex (o, key, v) || *v == NULL) {
    *v = NULL;
    return 0;
  }
  if (!json_object_is_type (*v, type))
    return fail (error, "%s: %s is expected", key, json_type_to_name (type));
  if (type == json_type_array && json_object_array_length (*v) > VM_MAX_ITEMS)
    return fail (error, "%s: more than %d elements", key, VM_MAX_ITEMS);
  return 0;
}

static int
get_sub (json_object *o, const char *key, void *base,
         const struct members *members, char **error)
{
  json_object *v;
  char where[64];

  snprintf (where, sizeof where, "%s.", key);
  if (get_typed (o, key, json_type_object, &v, error) == -1)
    return -1;
  return v ? get_members (v, where, base, members, error) : 0;
}

/* Element I of the array A, an object. */
static json_object *
get_element (json_object *a, const char *key, size_t i, char *where, size_t len,
             char **error)
{
  json_object *v = json_object_array_get_idx (a, i);

  snprintf (where, len, "%s[%zu].", key, i);
  if (!json_object_is_type (v, json_type_object)) {
    fail (error, "%s[%zu]: an object is expected", key, i);
    return NULL;
  }
  return v;
}

static int
get_vm (json_object *o, struct vm *vm, char **error)
{
  json_object *a, *v;
  char where[64];
  uint64_t version = 0;
  size_t i;

  if (json_object_object_get_ex (o, "version", &v) && v) {
    if (get_number (v, "", "version", 0, INT_MAX, &version, error) == -1)
      return -1;
    if (version != 1)
      return fail (error, "version: only version 1 is known");
  }
  if (get_members (o, "", vm, &vm_members_machine, error) == -1 ||
      get_sub (o, "cpu", vm, &vm_members_cpu, error) == -1 ||
      get_sub (o, "tpm", vm, &vm_members_tpm, error) == -1 ||
      get_sub (o, "display", &vm->display, &vm_members_display, error) == -1)
    return -1;

  if (get_typed (o, "features", json_type_array, &a, error) == -1)
    return -1;
  for (i = 0; a && i < json_object_array_length (a); ++i) {
    CLEANUP_FREE char *s = NULL;

    snprintf (where, sizeof where, "features[%zu]", i);
    if (get_string (json_object_array_get_idx (a, i), where, "", &s, error) ==
        -1)
      return -1;
    if (vm_add_feature (vm, s) == -1)
      return fail (error, "%s: out of memory", where);
  }

  if (get_typed (o, "disks", json_type_array, &a, error) == -1)
    return -1;
  for (i = 0; a && i < json_object_array_length (a); ++i) {
    struct vm_disk *d;
    char *name;

    v = get_element (a, "disks", i, where, sizeof where, error);
    if (v == NULL)
      return -1;
    d = vm_add_disk (vm);
    if (d == NULL)
      return fail (error, "disks: out of memory");
    name = d->name;
    d->name = NULL;
    if (get_members (v, where, d, &vm_members_disk, error) == -1) {
      free (name);
      return -1;
    }
    if (d->name == NULL)
      d->name = name;
    else
      free (name);
  }

  if (get_typed (o, "removables", json_type_array, &a, error) == -1)
    return -1;
  for (i = 0; a && i < json_object_array_length (a); ++i) {
    struct vm_removable *r;

    v = get_element (a, "removables", i, where, sizeof where, error);
    if (v == NULL)
      return -1;
    r = vm_add_removable (vm);
    if (r == NULL)
      return fail (error, "removables: out of memory");
    if (get_members (v, where, r, &vm_members_removable, error) == -1)
      return -1;
  }

  if (get_typed (o, "nics", json_type_array, &a, error) == -1)
    return -1;
  for (i = 0; a && i < json_object_array_length (a); ++i) {
    struct vm_nic *n;

    v = get_element (a, "nics", i, where, sizeof where, error);
    if (v == NULL)
      return -1;
    n = vm_add_nic (vm);
    if (n == NULL)
      return fail (error, "nics: out of memory");
    if (get_members (v, where, n, &vm_members_nic, error) == -1)
      return -1;
  }
  return 0;
}

struct vm *
vm_from_json (const char *text, size_t len, char **error)
{
  json_tokener *tok;
  json_object *o = NULL;
  struct vm *vm = NULL;
  size_t used, i;

  *error = NULL;
  if (len > MAX_TEXT) {
    fail (error, "the description is larger than %d bytes", MAX_TEXT);
    return NULL;
  }
  tok = json_tokener_new_ex (16);
  if (tok == NULL) {
    fail (error, "out of memory");
    return NULL;
  }
  json_tokener_set_flags (tok, JSON_TOKENER_STRICT |
                                 JSON_TOKENER_ALLOW_TRAILING_CHARS);
  o = json_tokener_parse_ex (tok, text, (int)len);
  used = json_tokener_get_parse_end (tok);
  for (i = used; o && i < len; ++i)
    if (strchr (" \t\r\n", text[i]) == NULL || text[i] == '\0')
      break;
  if (o == NULL)
    fail (error, "byte %zu: %s", used,
          json_tokener_error_desc (json_tokener_get_error (tok)));
  else if (i < len)
    fail (error, "byte %zu: text after the description", i);
  else if (!json_object_is_type (o, json_type_object))
    fail (error, "the description is not an object");
  else if ((vm = vm_new ()) == NULL)
    fail (error, "out of memory");
  else if (get_vm (o, vm, error) == -1) {
    vm_free (vm);
    vm = NULL;
  }
  json_object_put (o);
  json_tokener_free (tok);
  return vm;
}
