/* SPDX-License-Identifier: BSD-3-Clause */

/* test-target-schema SCHEMA.json FILE
 *
 * Parse FILE (*.json with json-c, else as YAML with libyaml), resolve plain
 * scalars as YAML 1.1 does - so that a string that should have been
 * quoted turns into something else - and check the result against the
 * schema.  Of JSON Schema it knows: $ref to #/$defs, type, const, enum,
 * pattern, minimum, minLength, maxLength, required, properties,
 * additionalProperties, items, minItems, minProperties, maxProperties.
 * An unknown key of the schema is an error.
 */

#include <config.h>

#include <ctype.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>
#include <yaml.h>

static struct json_object *root;
static int errors;

static void problem (const char *path, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));

static void
problem (const char *path, const char *fmt, ...)
{
  va_list ap;

  fprintf (stderr, "%s: ", *path ? path : "/");
  va_start (ap, fmt);
  vfprintf (stderr, fmt, ap);
  va_end (ap);
  fputc ('\n', stderr);
  errors++;
}

static int
matches (const char *pattern, const char *s)
{
  regex_t re;
  int r;

  if (regcomp (&re, pattern, REG_EXTENDED | REG_NOSUB) != 0) {
    fprintf (stderr, "bad pattern %s\n", pattern);
    exit (2);
  }
  r = regexec (&re, s, 0, NULL, 0) == 0;
  regfree (&re);
  return r;
}

/* YAML 1.1's implicit types. */
static struct json_object *
plain (const char *s)
{
  static const char *const t[] = { "y", "yes", "true", "on", NULL };
  static const char *const f[] = { "n", "no", "false", "off", NULL };
  int i;

  if (*s == '\0' || strcmp (s, "~") == 0 || strcasecmp (s, "null") == 0)
    return NULL;
  for (i = 0; t[i]; ++i)
    if (strcasecmp (s, t[i]) == 0)
      return json_object_new_boolean (1);
  for (i = 0; f[i]; ++i)
    if (strcasecmp (s, f[i]) == 0)
      return json_object_new_boolean (0);
  if (matches ("^[-+]?[0-9][0-9_]*$", s) ||
      matches ("^0[xo][0-9a-fA-F]+$", s))
    return json_object_new_int64 (strtoll (s, NULL, 0));
  if (matches ("^[-+]?[0-9]+(:[0-5]?[0-9])+$", s) ||
      matches ("^[-+]?([0-9][0-9_]*)?\\.?[0-9]+([eE][-+]?[0-9]+)?$", s) ||
      matches ("^[-+]?\\.(inf|nan)$", s))
    return json_object_new_double (0);
  return json_object_new_string (s);
}

static struct json_object *
convert (yaml_document_t *doc, yaml_node_t *n)
{
  struct json_object *o;
  yaml_node_item_t *item;
  yaml_node_pair_t *pair;

  switch (n->type) {
  case YAML_SCALAR_NODE:
    if (n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
      return plain ((char *)n->data.scalar.value);
    return json_object_new_string ((char *)n->data.scalar.value);
  case YAML_SEQUENCE_NODE:
    o = json_object_new_array ();
    for (item = n->data.sequence.items.start;
         item < n->data.sequence.items.top; ++item)
      json_object_array_add (o, convert (doc, yaml_document_get_node
                                         (doc, *item)));
    return o;
  case YAML_MAPPING_NODE:
    o = json_object_new_object ();
    for (pair = n->data.mapping.pairs.start;
         pair < n->data.mapping.pairs.top; ++pair) {
      yaml_node_t *k = yaml_document_get_node (doc, pair->key);
      const char *key = (char *)k->data.scalar.value;

      if (json_object_object_get_ex (o, key, NULL))
        problem (key, "the key is there twice");
      json_object_object_add (o, key, convert (doc, yaml_document_get_node
                                               (doc, pair->value)));
    }
    return o;
  case YAML_NO_NODE:
  default:
    return NULL;
  }
}

static const char *
type_name (struct json_object *o)
{
  switch (json_object_get_type (o)) {
  case json_type_null: return "null";
  case json_type_boolean: return "boolean";
  case json_type_double: return "number";
  case json_type_int: return "integer";
  case json_type_object: return "object";
  case json_type_array: return "array";
  case json_type_string:
  default: return "string";
  }
}

static void check (struct json_object *schema, struct json_object *o,
                   const char *path);

static void
check_object (struct json_object *schema, struct json_object *o,
              const char *path)
{
  struct json_object *props, *more, *sub;

  props = json_object_object_get (schema, "properties");
  more = json_object_object_get (schema, "additionalProperties");
  json_object_object_foreach (o, key, val) {
    char p[4096];

    snprintf (p, sizeof p, "%s/%s", path, key);
    if (props && json_object_object_get_ex (props, key, &sub))
      check (sub, val, p);
    else if (more && json_object_is_type (more, json_type_object))
      check (more, val, p);
    else if (more && !json_object_get_boolean (more))
      problem (p, "no such key");
  }
}

static void
check (struct json_object *schema, struct json_object *o, const char *path)
{
  size_t i, n;

  json_object_object_foreach (schema, key, val) {
    if (strcmp (key, "$ref") == 0) {
      const char *ref = strrchr (json_object_get_string (val), '/') + 1;
      struct json_object *defs = json_object_object_get (root, "$defs"), *d;

      if (!json_object_object_get_ex (defs, ref, &d)) {
        fprintf (stderr, "no definition of %s\n", ref);
        exit (2);
      }
      check (d, o, path);
    }
    else if (strcmp (key, "type") == 0) {
      const char *t = json_object_get_string (val);

      if (strcmp (t, type_name (o)) != 0) {
        problem (path, "is %s %s, should be %s", type_name (o),
                 json_object_get_string (o), t);
        return;
      }
    }
    else if (strcmp (key, "const") == 0) {
      if (!json_object_equal (val, o))
        problem (path, "is %s", json_object_get_string (o));
    }
    else if (strcmp (key, "enum") == 0) {
      n = json_object_array_length (val);
      for (i = 0; i < n; ++i)
        if (json_object_equal (json_object_array_get_idx (val, i), o))
          break;
      if (i == n)
        problem (path, "%s is not one of %s", json_object_get_string (o),
                 json_object_get_string (val));
    }
    else if (strcmp (key, "pattern") == 0) {
      if (!matches (json_object_get_string (val), json_object_get_string (o)))
        problem (path, "\"%s\" does not match %s", json_object_get_string (o),
                 json_object_get_string (val));
    }
    else if (strcmp (key, "minimum") == 0) {
      if (json_object_get_int64 (o) < json_object_get_int64 (val))
        problem (path, "too small");
    }
    else if (strcmp (key, "minLength") == 0) {
      if (json_object_get_string_len (o) < json_object_get_int (val))
        problem (path, "too short");
    }
    else if (strcmp (key, "maxLength") == 0) {
      if (json_object_get_string_len (o) > json_object_get_int (val))
        problem (path, "too long");
    }
    else if (strcmp (key, "required") == 0) {
      n = json_object_array_length (val);
      for (i = 0; i < n; ++i) {
        const char *k = json_object_get_string
          (json_object_array_get_idx (val, i));

        if (!json_object_object_get_ex (o, k, NULL))
          problem (path, "%s is missing", k);
      }
    }
    else if (strcmp (key, "properties") == 0)
      check_object (schema, o, path);
    else if (strcmp (key, "additionalProperties") == 0) {
      if (json_object_object_get (schema, "properties") == NULL)
        check_object (schema, o, path);
    }
    else if (strcmp (key, "items") == 0) {
      n = json_object_array_length (o);
      for (i = 0; i < n; ++i) {
        char p[4096];

        snprintf (p, sizeof p, "%s[%zu]", path, i);
        check (val, json_object_array_get_idx (o, i), p);
      }
    }
    else if (strcmp (key, "minItems") == 0) {
      if ((int)json_object_array_length (o) < json_object_get_int (val))
        problem (path, "too few items");
    }
    else if (strcmp (key, "minProperties") == 0) {
      if (json_object_object_length (o) < json_object_get_int (val))
        problem (path, "too few keys");
    }
    else if (strcmp (key, "maxProperties") == 0) {
      if (json_object_object_length (o) > json_object_get_int (val))
        problem (path, "more keys than may be used together");
    }
    else if (strcmp (key, "title") != 0 && strcmp (key, "description") != 0 &&
             strcmp (key, "$schema") != 0 && strcmp (key, "$defs") != 0) {
      fprintf (stderr, "schema: unknown key %s\n", key);
      exit (2);
    }
  }
}

int
main (int argc, char *argv[])
{
  yaml_parser_t parser;
  yaml_document_t doc;
  yaml_node_t *node;
  struct json_object *o;
  FILE *fp;

  if (argc != 3 || (root = json_object_from_file (argv[1])) == NULL ||
      (fp = fopen (argv[2], "r")) == NULL) {
    fprintf (stderr, "usage: %s SCHEMA.json FILE\n", argv[0]);
    return 2;
  }
  if (strlen (argv[2]) > 5 &&
      strcmp (argv[2] + strlen (argv[2]) - 5, ".json") == 0) {
    fclose (fp);
    o = json_object_from_file (argv[2]);
    if (o == NULL) {
      fprintf (stderr, "%s\n", json_util_get_last_err ());
      return 1;
    }
    check (root, o, "");
    json_object_put (o);
    json_object_put (root);
    return errors > 0;
  }
  yaml_parser_initialize (&parser);
  yaml_parser_set_input_file (&parser, fp);
  if (!yaml_parser_load (&parser, &doc) ||
      (node = yaml_document_get_root_node (&doc)) == NULL) {
    fprintf (stderr, "%s: line %zu: %s\n", argv[2],
             parser.problem_mark.line + 1,
             parser.problem ? parser.problem : "empty");
    yaml_parser_delete (&parser);
    fclose (fp);
    json_object_put (root);
    return 1;
  }
  o = convert (&doc, node);
  check (root, o, "");
  json_object_put (o);
  json_object_put (root);
  yaml_document_delete (&doc);
  yaml_parser_delete (&parser);
  fclose (fp);
  return errors > 0;
}
