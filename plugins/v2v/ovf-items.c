/* SPDX-License-Identifier: BSD-3-Clause */

/* The items of an OVF, and the numbers in them. */

#include <config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ovf-items.h"
#include "units.h"
#include "v2v-utils.h"

#define MAX_ITEMS 4096

char *
ovf_text (xmlNode *n, const char *name)
{
  return xml_text (xml_child (n, name));
}

int
ovf_number (xmlNode *n, const char *name, uint64_t most, uint64_t *r,
            struct diag *d)
{
  CLEANUP_FREE char *s = ovf_text (n, name);

  if (s == NULL)
    return 0;
  if (!whole_number (s, r) || *r > most)
    return diag_error (d,
                       "line %u: %s: \"%.40s\" is not a number up to %" PRIu64,
                       xml_line (xml_child (n, name)), name, s, most);
  return 0;
}

int
ovf_size (xmlNode *n, const char *what, const char *number, const char *units,
          uint64_t unit, uint64_t *r, struct diag *d)
{
  if (units) {
    unit = units_dsp0004 (units);
    if (unit == 0)
      return diag_error (d, "line %u: %s: the unit \"%.40s\" is not known",
                         xml_line (n), what, units);
  }
  if (!whole_number (number, r) || __builtin_mul_overflow (*r, unit, r) ||
      *r > INT64_MAX)
    return diag_error (d, "line %u: %s: \"%.40s\" is not a size", xml_line (n),
                       what, number);
  return 0;
}

int
ovf_collect (struct ovf *o, struct diag *d)
{
  xmlNode *n;

  for (n = o->hardware->children; n; n = n->next) {
    struct item *i;
    uint64_t type = 0;

    if (n->type != XML_ELEMENT_NODE ||
        (strcmp ((const char *)n->name, "Item") != 0 &&
         strcmp ((const char *)n->name, "StorageItem") != 0 &&
         strcmp ((const char *)n->name, "EthernetPortItem") != 0))
      continue;
    if (o->nr >= MAX_ITEMS)
      return diag_error (d, "line %u: more than %d items", xml_line (n),
                         MAX_ITEMS);
    if (ovf_number (n, "ResourceType", 65535, &type, d) == -1)
      return -1;
    i = reallocarray (o->items, o->nr + 1, sizeof *i);
    if (i == NULL)
      return diag_memory (d);
    o->items = i;
    i += o->nr++;
    i->node = n;
    i->type = type;
    i->id = ovf_text (n, "InstanceID");
    if (i->id == NULL)
      i->id = ovf_text (n, "InstanceId"); /* OVF 0.9 */
    i->parent = ovf_text (n, "Parent");
    i->subtype = ovf_text (n, "ResourceSubType");
  }
  return 0;
}

static const struct item *
find_item (const struct ovf *o, const char *id)
{
  size_t i;

  for (i = 0; id && i < o->nr; ++i)
    if (o->items[i].id && strcmp (o->items[i].id, id) == 0)
      return &o->items[i];
  return NULL;
}

enum vm_controller
ovf_controller (const struct ovf *o, const struct item *i,
                const struct item **parent, struct diag *d)
{
  const struct item *p = find_item (o, i->parent);
  const char *sub = p && p->subtype ? p->subtype : "";

  *parent = p;
  switch (p ? p->type : 0) {
  case 5:
    return VM_CONTROLLER_IDE;
  case 6:
    return strcasecmp (sub, "virtioscsi") == 0 ? VM_CONTROLLER_VIRTIO_SCSI
                                               : VM_CONTROLLER_SCSI;
  case 20:
    return strcasestr (sub, "nvme") ? VM_CONTROLLER_NVME : VM_CONTROLLER_SATA;
  default:
    diag_warn (d, "line %u: the controller of this drive is not known",
               xml_line (i->node));
    return VM_CONTROLLER_UNKNOWN;
  }
}

int
ovf_boot_order (const struct ovf *o, const struct item *i)
{
  xmlNode *n;
  int rank = 0;

  for (n = xml_child (o->system, "BootOrderSection"); n; n = xml_next (n)) {
    CLEANUP_FREE char *ids = xml_attr (n, "instanceId");
    char *save = NULL, *p;

    for (p = ids ? strtok_r (ids, " ", &save) : NULL; p;
         p = strtok_r (NULL, " ", &save)) {
      rank++;
      if (i->id && strcmp (p, i->id) == 0)
        return rank;
    }
  }
  return 0;
}

void
ovf_free_items (struct ovf *o)
{
  size_t i;

  for (i = 0; i < o->nr; ++i) {
    free (o->items[i].id);
    free (o->items[i].parent);
    free (o->items[i].subtype);
  }
  free (o->items);
}
