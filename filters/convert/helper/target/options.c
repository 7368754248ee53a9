/* SPDX-License-Identifier: BSD-3-Clause */

/* What the user says about the target, as NAME=VALUE. */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "v2v-utils.h"

static int
set_string (char **p, const char *value, char **error)
{
  char *s = strdup (value);

  if (s == NULL)
    return target_error (error, "out of memory");
  free (*p);
  *p = s;
  return 1;
}

static int
add_map (struct target_options *o, enum target_map_kind kind, const char *from,
         size_t from_len, enum vm_nic_kind to_kind, const char *to,
         char **error)
{
  struct target_map *p;
  char *f = from ? strndup (from, from_len) : NULL, *t = strdup (to);
  size_t i;

  for (i = 0; i < o->nr_maps; ++i) {
    const char *old = o->maps[i].from;

    if (o->maps[i].kind == kind &&
        (old == NULL ? f == NULL : f != NULL && strcmp (old, f) == 0)) {
      target_error (error, "%s is mapped twice", f ? f : "the default");
      free (f);
      free (t);
      return -1;
    }
  }
  p = realloc (o->maps, (o->nr_maps + 1) * sizeof *p);
  if (p)
    o->maps = p;
  if (p == NULL || t == NULL || (from && f == NULL)) {
    free (f);
    free (t);
    return target_error (error, "out of memory");
  }
  p[o->nr_maps++] = (struct target_map){
    .kind = kind, .from = f, .to_kind = to_kind, .to = t
  };
  return 1;
}

/* "IN:OUT", or "OUT" for all that have no rule of their own. */
static int
set_network (struct target_options *o, enum target_map_kind kind,
             const char *value, char **error)
{
  const char *colon = strchr (value, ':');
  const char *to = colon ? colon + 1 : value;

  if (*to == '\0' || colon == value)
    return target_error (error, "expected SOURCE:TARGET or TARGET, not \"%s\"",
                         value);
  return add_map (o, kind, colon ? value : NULL, colon ? colon - value : 0,
                  VM_NIC_NETWORK, to, error);
}

/* "aa:bb:cc:dd:ee:ff:network:OUT" or "...:bridge:OUT". */
static int
set_mac (struct target_options *o, const char *value, char **error)
{
  const char *p = strlen (value) > 18 && value[17] == ':' ? value + 18 : NULL;
  enum vm_nic_kind kind = VM_NIC_NETWORK;
  char mac[18];
  size_t i;

  for (i = 0; p && i < 17; ++i) {
    char c = value[i];

    if (i % 3 == 2 ? c != ':' : strchr ("0123456789abcdefABCDEF", c) == NULL)
      p = NULL;
    mac[i] = c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c;
  }
  mac[17] = '\0';
  if (p && strncmp (p, "network:", 8) == 0)
    p += 8;
  else if (p && strncmp (p, "bridge:", 7) == 0) {
    p += 7;
    kind = VM_NIC_BRIDGE;
  }
  else
    p = NULL;
  if (p == NULL || *p == '\0')
    return target_error (error,
                         "expected MAC:network:NAME or "
                         "MAC:bridge:NAME, not \"%s\"",
                         value);
  return add_map (o, TARGET_MAP_MAC, mac, 17, kind, p, error);
}

int
target_options_set (struct target_options *o, const char *name,
                    const char *value, char **error)
{
  if (strcmp (name, "name") == 0) {
    if (*value == '\0')
      return target_error (error, "the name must not be empty");
    return set_string (&o->name, value, error);
  }
  if (strcmp (name, "network") == 0)
    return set_network (o, TARGET_MAP_NETWORK, value, error);
  if (strcmp (name, "bridge") == 0)
    return set_network (o, TARGET_MAP_BRIDGE, value, error);
  if (strcmp (name, "mac") == 0)
    return set_mac (o, value, error);
  if (strcmp (name, "output-dir") == 0) {
    if (*value == '\0')
      return target_error (error, "the directory must not be empty");
    return set_string (&o->output_dir, value, error);
  }
  if (strcmp (name, "output-pool") == 0) {
    if (*value == '\0')
      return target_error (error, "the pool must not be empty");
    return set_string (&o->output_pool, value, error);
  }
  if (strcmp (name, "output-format") == 0) {
    if (strcmp (value, "raw") != 0 && strcmp (value, "qcow2") != 0)
      return target_error (error, "expected raw or qcow2, not \"%s\"", value);
    o->qcow2 = strcmp (value, "qcow2") == 0;
    return 1;
  }
  if (strcmp (name, "output-allocation") == 0) {
    if (strcmp (value, "sparse") != 0 && strcmp (value, "preallocated") != 0)
      return target_error (error,
                           "expected sparse or preallocated, not "
                           "\"%s\"",
                           value);
    o->preallocated = strcmp (value, "preallocated") == 0;
    return 1;
  }
  return 0;
}

int
target_options_apply (struct target_options *o, const struct vm *source,
                      const uint64_t *sizes, size_t n,
                      struct target_facts *facts, char **error)
{
  const char *name = o->name ? o->name : source ? source->name : NULL;
  const char *dir = o->output_dir ? o->output_dir : "";
  CLEANUP_FREE char *file = target_name_file (name);
  size_t i;

  if (file == NULL)
    return target_error (error, "out of memory");
  for (i = 0; i < o->nr_disks; ++i)
    free ((char *)o->disks[i].path);
  free (o->disks);
  o->nr_disks = 0;
  o->disks = calloc (n + 1, sizeof *o->disks);
  if (o->disks == NULL)
    return target_error (error, "out of memory");
  for (i = 0; i < n; ++i) {
    char *path;

    if (asprintf (&path, "%s%s%s-disk%zu.%s", dir,
                  *dir && dir[strlen (dir) - 1] != '/' ? "/" : "", file, i,
                  o->qcow2 ? "qcow2" : "img") == -1)
      return target_error (error, "out of memory");
    o->disks[i].path = path;
    o->disks[i].pool = o->output_pool;
    o->disks[i].format = o->qcow2 ? "qcow2" : "raw";
    o->disks[i].size = sizes[i];
    o->disks[i].preallocated = o->preallocated;
    o->nr_disks++;
  }
  facts->disks = o->disks;
  facts->nr_disks = n;
  facts->maps = o->maps;
  facts->nr_maps = o->nr_maps;
  if (o->name)
    facts->name = o->name;
  return 0;
}

void
target_options_clear (struct target_options *o)
{
  size_t i;

  for (i = 0; i < o->nr_maps; ++i) {
    free ((char *)o->maps[i].from);
    free ((char *)o->maps[i].to);
  }
  for (i = 0; i < o->nr_disks; ++i)
    free ((char *)o->disks[i].path);
  free (o->maps);
  free (o->disks);
  free (o->name);
  free (o->output_dir);
  free (o->output_pool);
  memset (o, 0, sizeof *o);
}
