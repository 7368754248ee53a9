/* SPDX-License-Identifier: BSD-3-Clause */

/* The disks of an OVF: from an item to its file. */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ovf-disk.h"
#include "v2v-utils.h"

static xmlNode *
find_by_attr (xmlNode *section, const char *name, const char *attr,
              const char *value)
{
  xmlNode *n;

  for (n = xml_child (section, name); n; n = xml_next (n)) {
    CLEANUP_FREE char *s = xml_attr (n, attr);

    if (s && strcmp (s, value) == 0)
      return n;
  }
  return NULL;
}

/* Disk/@format is a URI that names a specification. */
static const char *
format_of_uri (const char *uri)
{
  static const struct {
    const char *part, *format;
  } parts[] = {
    { "vmdk", "vmdk" },    { "vhdx", "vhdx" },         { "vhd", "vhd" },
    { "bb676673", "vhd" }, { "linkid=137171", "vhd" }, { "vdi", "vdi" },
    { "qcow", "qcow2" },   { "wiki/byte", "raw" },     { "#raw", "raw" },
  };
  size_t i;

  for (i = 0; i < V2V_ARRAY_SIZE (parts); ++i)
    if (strcasestr (uri, parts[i].part))
      return parts[i].format;
  return NULL;
}

static int
get_file (const struct ovf *o, const char *id, unsigned line,
          struct disk_ref *ref, struct diag *d)
{
  xmlNode *f = find_by_attr (xml_child (o->envelope, "References"), "File",
                             "id", id);
  CLEANUP_FREE char *compression = xml_attr (f, "compression");
  CLEANUP_FREE char *chunk = xml_attr (f, "chunkSize");

  if (f == NULL)
    return diag_error (d, "line %u: References has no File \"%.80s\"", line,
                       id);
  ref->kind = REF_FILE;
  ref->line = xml_line (f);
  ref->location = xml_attr (f, "href");
  if (ref->location == NULL)
    return diag_error (d, "line %u: the File has no href", ref->line);
  if (strstr (ref->location, "://"))
    return diag_error (d, "line %u: \"%.80s\": a file elsewhere is refused",
                       ref->line, ref->location);
  if (compression && strcasecmp (compression, "gzip") == 0)
    ref->gzip = true;
  else if (compression && strcasecmp (compression, "identity") != 0)
    return diag_error (d, "line %u: the compression \"%.40s\" is not known",
                       ref->line, compression);
  if (chunk &&
      (!whole_number (chunk, &ref->chunk_size) || ref->chunk_size == 0))
    return diag_error (d, "line %u: chunkSize: \"%.40s\" is not a size",
                       ref->line, chunk);
  return 0;
}

static int
get_host_resource (const struct ovf *o, const struct item *i,
                   struct disk_ref *ref, struct diag *d)
{
  CLEANUP_FREE char *host = ovf_text (i->node, "HostResource");
  CLEANUP_FREE char *file = NULL, *uri = NULL, *capacity = NULL;
  CLEANUP_FREE char *units = NULL, *parent = NULL;
  unsigned line = xml_line (i->node);
  const char *p = host, *format;
  xmlNode *disk;

  if (p == NULL)
    return diag_error (d, "line %u: the disk has no HostResource", line);
  if (strncmp (p, "ovf:", 4) == 0)
    p += 4;
  if (strncmp (p, "/file/", 6) == 0)
    return get_file (o, p + 6, line, ref, d);
  if (strncmp (p, "/disk/", 6) != 0)
    return diag_error (d,
                       "line %u: the HostResource \"%.80s\" is neither "
                       "ovf:/disk/ID nor ovf:/file/ID",
                       line, host);
  disk = find_by_attr (xml_child (o->envelope, "DiskSection"), "Disk", "diskId",
                       p + 6);
  if (disk == NULL) /* OVF 0.9 */
    disk = find_by_attr (xml_child (o->envelope, "Section"), "Disk", "diskId",
                         p + 6);
  if (disk == NULL)
    return diag_error (d, "line %u: DiskSection has no Disk \"%.80s\"", line,
                       p + 6);
  line = xml_line (disk);
  file = xml_attr (disk, "fileRef");
  uri = xml_attr (disk, "format");
  capacity = xml_attr (disk, "capacity");
  units = xml_attr (disk, "capacityAllocationUnits");
  parent = xml_attr (disk, "parentRef");
  if (parent)
    return diag_error (d,
                       "line %u: the disk depends on \"%.80s\": merge "
                       "the snapshots and export again",
                       line, parent);
  /* "${...}" is a property that only a deployment fills in. */
  if (capacity && strncmp (capacity, "${", 2) != 0 &&
      ovf_size (disk, "capacity", capacity, units, 1, &ref->capacity, d) == -1)
    return -1;
  if (file == NULL) {
    if (ref->capacity == 0)
      return diag_error (d,
                         "line %u: the Disk has neither fileRef nor "
                         "capacity",
                         line);
    ref->kind = REF_BLANK;
    ref->line = line;
    return 0;
  }
  if (get_file (o, file, line, ref, d) == -1)
    return -1;
  format = uri ? format_of_uri (uri) : NULL;
  if (uri && format == NULL)
    diag_warn (d,
               "line %u: the disk format %.80s is not known: the file's "
               "name decides",
               line, uri);
  if (format && (ref->format = strdup (format)) == NULL)
    return diag_memory (d);
  return 0;
}

int
ovf_get_disk (const struct ovf *o, const struct item *i, struct machine *m,
              struct diag *d)
{
  const struct item *parent;
  struct disk_ref *ref;
  struct vm_disk *disk = machine_add_disk (m, &ref, d);

  if (disk == NULL || get_host_resource (o, i, ref, d) == -1)
    return -1;
  disk->controller = ovf_controller (o, i, &parent, d);
  disk->boot_order = ovf_boot_order (o, i);
  return set_lower (&disk->controller_model, parent ? parent->subtype : NULL,
                    "ResourceSubType", d);
}
