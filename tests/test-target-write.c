/* SPDX-License-Identifier: BSD-3-Clause */

/* test-target-write CASE.json DIRECTORY
 *
 * Reads { "source": description of a machine or null, "facts": {...} }
 * and writes all target documents, and what was warned about, into the
 * directory.  The keys of "facts" are the members of struct target_facts.
 * With "lookup", what target_lookup_os says wins.  "options" are NAME=VALUE
 * of target_options_set, for disks of "sizes"; they replace "disks",
 * "maps" and "name".
 */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "target.h"
#include "v2v-utils.h"
#include "vm.h"

static struct json_object *
get (struct json_object *o, const char *key)
{
  struct json_object *v = NULL;

  return o && json_object_object_get_ex (o, key, &v) ? v : NULL;
}

static const char *
str (struct json_object *o, const char *key)
{
  return json_object_get_string (get (o, key));
}

static bool
is (struct json_object *o, const char *key)
{
  return json_object_get_boolean (get (o, key));
}

static int
choice (struct json_object *o, const char *key, const char *const *names)
{
  const char *s = str (o, key);
  int i;

  if (s == NULL)
    return 0;
  for (i = 0; names[i]; ++i)
    if (strcmp (s, names[i]) == 0)
      return i;
  fprintf (stderr, "bad value of %s: %s\n", key, s);
  exit (2);
}

static struct target_disk *
read_disks (struct json_object *a, size_t *n)
{
  struct target_disk *disks;
  size_t i;

  *n = a ? json_object_array_length (a) : 0;
  disks = calloc (*n + 1, sizeof *disks);
  for (i = 0; i < *n; ++i) {
    struct json_object *o = json_object_array_get_idx (a, i);

    disks[i] = (struct target_disk) {
      .path = str (o, "path"), .pool = str (o, "pool"),
      .format = str (o, "format"),
      .size = json_object_get_uint64 (get (o, "size")),
      .allocated = json_object_get_uint64 (get (o, "allocated")),
      .preallocated = is (o, "preallocated"), .serial = str (o, "serial"),
      .sector_size = json_object_get_int (get (o, "sector_size")),
      .claim = str (o, "claim"), .image_id = str (o, "image_id"),
      .volume_id = str (o, "volume_id"),
    };
  }
  return disks;
}

/* As the helper does with --target. */
static void
read_options (struct json_object *o, const struct vm *source,
              struct target_options *options, struct target_facts *f)
{
  struct json_object *list = get (o, "options"), *sizes = get (o, "sizes");
  uint64_t size[64];
  char *error = NULL;
  size_t i, n = sizes ? json_object_array_length (sizes) : 0;

  for (i = 0; i < json_object_array_length (list); ++i) {
    CLEANUP_FREE char *s = strdup (
      json_object_get_string (json_object_array_get_idx (list, i)));
    char *eq = strchr (s, '=');

    *eq = '\0';
    if (target_options_set (options, s, eq + 1, &error) != 1) {
      fprintf (stderr, "%s: %s\n", s, error ? error : "unknown");
      exit (1);
    }
  }
  for (i = 0; i < n && i < V2V_ARRAY_SIZE (size); ++i)
    size[i] = json_object_get_uint64 (json_object_array_get_idx (sizes, i));
  if (target_options_apply (options, source, size, i, f, &error) == -1) {
    fprintf (stderr, "%s\n", error);
    exit (1);
  }
}

static struct target_map *
read_maps (struct json_object *a, size_t *n)
{
  static const char *const kinds[] = { "mac", "network", "bridge", NULL };
  static const char *const to[] = { "network", "bridge", NULL };
  struct target_map *maps;
  size_t i;

  *n = a ? json_object_array_length (a) : 0;
  maps = calloc (*n + 1, sizeof *maps);
  for (i = 0; i < *n; ++i) {
    struct json_object *o = json_object_array_get_idx (a, i);

    maps[i] = (struct target_map) {
      .kind = choice (o, "kind", kinds), .from = str (o, "from"),
      .to_kind = choice (o, "to_kind", to), .to = str (o, "to"),
    };
  }
  return maps;
}

static void
warn (void *opaque, const char *code, const char *message)
{
  fprintf (opaque, "%s: %s\n", code, message);
}

static int
save (void *dir, const struct target_document *d, const char *text, size_t len,
      char **error)
{
  CLEANUP_FREE char *out = NULL;
  FILE *fp;

  if (strlen (text) != len) {
    *error = strdup ("wrong length");
    return -1;
  }
  if (asprintf (&out, "%s/%s", (char *)dir, d->name) == -1 ||
      (fp = fopen (out, "w")) == NULL || fwrite (text, 1, len, fp) != len ||
      fclose (fp) == EOF) {
    *error = strdup (strerror (errno));
    return -1;
  }
  return 0;
}

int
main (int argc, char *argv[])
{
  static const char *const blocks[] = { "virtio-blk", "virtio-scsi", "ide",
                                        NULL };
  static const char *const nets[] = { "virtio", "e1000", "rtl8139", NULL };
  static const char *const machines[] = { "q35", "i440fx", "virt", NULL };
  static const char *const firmwares[] = { "unknown", "bios", "uefi", NULL };
  static const char *const tri[] = { "unknown", "no", "yes", NULL };
  struct json_object *root, *s, *o;
  struct target_disk *disks;
  struct target_map *maps;
  struct target_facts f;
  struct target_options options = { .name = NULL };
  struct target_os os = { .osinfo_id = NULL };
  struct vm *source = NULL;
  CLEANUP_FREE char *path = NULL;
  char *error = NULL;
  FILE *fp;

  if (argc != 3 || (root = json_object_from_file (argv[1])) == NULL) {
    fprintf (stderr, "usage: %s CASE.json DIRECTORY\n", argv[0]);
    return 2;
  }
  s = get (root, "source");
  if (s) {
    const char *text = json_object_to_json_string (s);

    source = vm_from_json (text, strlen (text), &error);
    if (source == NULL) {
      fprintf (stderr, "%s: %s\n", argv[1], error);
      return 2;
    }
  }
  o = get (root, "facts");
  if (asprintf (&path, "%s/warnings", argv[2]) == -1 ||
      (fp = fopen (path, "w")) == NULL)
    return 2;
  f = (struct target_facts) {
    .type = str (o, "type"), .distro = str (o, "distro"),
    .osinfo = str (o, "osinfo"), .osinfo_id = str (o, "osinfo_id"),
    .arch = str (o, "arch"), .product_name = str (o, "product_name"),
    .product_variant = str (o, "product_variant"),
    .major = json_object_get_int (get (o, "major")),
    .minor = json_object_get_int (get (o, "minor")),
    .block = choice (o, "block", blocks), .net = choice (o, "net", nets),
    .rng = is (o, "rng"), .balloon = is (o, "balloon"),
    .pvpanic = is (o, "pvpanic"), .vsock = is (o, "vsock"),
    .machine = choice (o, "machine", machines),
    .virtio_1_0 = is (o, "virtio_1_0"), .rtc_utc = is (o, "rtc_utc"),
    .timezone = str (o, "timezone"),
    .firmware = choice (o, "firmware", firmwares),
    .secure_boot = choice (o, "secure_boot", tri),
    .tpm = choice (o, "tpm", tri),
    .boot_disk = get (o, "boot_disk") ?
      json_object_get_int (get (o, "boot_disk")) : -1,
    .name = str (o, "name"), .vm_id = str (o, "vm_id"),
    .storage_domain = str (o, "storage_domain"),
    .warn = warn, .warn_opaque = fp,
  };
  f.disks = disks = read_disks (get (o, "disks"), &f.nr_disks);
  f.maps = maps = read_maps (get (o, "maps"), &f.nr_maps);
  if (get (o, "options"))
    read_options (o, source, &options, &f);
  if (is (o, "lookup")) {
    target_lookup_os (f.osinfo, f.type, f.distro, f.major, f.arch, &os);
    f.osinfo_id = os.osinfo_id;
    f.machine = os.machine;
    f.virtio_1_0 = os.virtio_1_0;
  }

  if (target_write_all (source, &f, save, argv[2], &error) == -1) {
    fprintf (stderr, "%s: %s\n", argv[1], error);
    free (error);
    return 1;
  }
  fclose (fp);
  vm_free (source);
  target_options_clear (&options);
  free (disks);
  free (maps);
  free (os.osinfo_id);
  json_object_put (root);
  return 0;
}
