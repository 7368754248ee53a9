/* SPDX-License-Identifier: BSD-3-Clause */

#include <config.h>

#include <string.h>

#include <json-c/json.h>

#include "changes.h"

static int
add_change (void *opaque, uint64_t offset, uint64_t length, uint32_t type)
{
  json_object *extents = opaque, *o = json_object_new_object ();

  json_object_object_add (o, "offset", json_object_new_uint64 (offset));
  json_object_object_add (o, "length", json_object_new_uint64 (length));
  json_object_object_add (
    o, "type",
    json_object_new_string (type & OVERLAY_EXTENT_ZERO ? "zero" : "data"));
  json_object_array_add (extents, o);
  return 0;
}

int
changes_add (struct document_list *documents,
             const struct converted_disk *disks, size_t nr_disks)
{
  json_object *root = json_object_new_object ();
  json_object *array = json_object_new_array ();
  char *text;
  size_t i;
  int err = 0, r = 0;

  json_object_object_add (root, "version", json_object_new_int (1));
  json_object_object_add (root, "disks", array);
  for (i = 0; i < nr_disks && r == 0; ++i) {
    json_object *d = json_object_new_object ();
    json_object *extents = json_object_new_array ();

    json_object_array_add (array, d);
    json_object_object_add (d, "export",
                            json_object_new_string (disks[i].name));
    json_object_object_add (d, "size", json_object_new_uint64 (disks[i].size));
    json_object_object_add (d, "extents", extents);
    r = overlay_changes (disks[i].overlay, add_change, extents, &err);
  }
  text = r == 0 ? strdup (json_object_to_json_string_ext (
                    root, JSON_C_TO_STRING_PRETTY))
                : NULL;
  json_object_put (root);
  if (text == NULL)
    return -1;
  return documents_add (documents, "changes.json", text, strlen (text));
}
