/* SPDX-License-Identifier: BSD-3-Clause */

/* The glue between nbdkit and the conversion (conversion.c).
 *
 * Every callback is defined and routed by hand, because a handle may be
 * a document that has no layer below it.  A handle of a disk reads what
 * its overlay does not have through its own connection's `next'.
 *
 * Clients never reach the layer below except by pread, extents and
 * cache; it is opened read-only whatever the client or nbdkit asks for.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include <nbdkit-filter.h>

#include "conversion.h"
#define V2V_SOURCE_EXPORTS_WEAK
#include "source-exports.h"
#include "v2v-utils.h"

/* What the documentation calls the defaults. */
#define DEFAULT_TIMEOUT 7200
#define DEFAULT_STEP_TIMEOUT 1800

static struct convert_config config = {
  .timeout = DEFAULT_TIMEOUT,
  .step_timeout = DEFAULT_STEP_TIMEOUT,
};
static bool start_with_server;
static bool seen_directory_key;
static size_t nr_helper_args;

struct handle {
  const struct converted_disk *disk; /* or NULL: */
  const struct document *document;
  struct layer_source src;
};

/*--------------------------------------------------------------------*/
/* Parameters. */

static int
append (char ***list, size_t *nr, const char *s)
{
  char **p = realloc (*list, (*nr + 2) * sizeof *p);

  if (p == NULL)
    goto error;
  *list = p;
  p[*nr] = strdup (s);
  if (p[*nr] == NULL)
    goto error;
  p[++*nr] = NULL;
  return 0;

error:
  nbdkit_error ("realloc: %m");
  return -1;
}

static int
helper_arg (const char *option, const char *value)
{
  if (append (&config.helper_args, &nr_helper_args, option) == -1)
    return -1;
  return append (&config.helper_args, &nr_helper_args, value);
}

static int
helper_named_arg (const char *option, const char *name, const char *value)
{
  CLEANUP_FREE char *s = NULL;

  if (asprintf (&s, "%s=%s", name, value) == -1) {
    s = NULL;
    nbdkit_error ("asprintf: %m");
    return -1;
  }
  return helper_arg (option, s);
}

static int
set_path (char **p, const char *value)
{
  free (*p);
  *p = nbdkit_absolute_path (value);
  return *p ? 0 : -1;
}

/* Keys travel in a file that only the helper reads, never in argv. */
static int
add_key (const char *value)
{
  const char *id_end = strchr (value, ':');
  CLEANUP_FREE char *line = NULL, *path = NULL;
  char *p;
  size_t old = config.keys ? strlen (config.keys) : 0;

  if (id_end == NULL || id_end == value ||
      (strncmp (id_end, ":key:", 5) != 0 &&
       strncmp (id_end, ":file:", 6) != 0)) {
    nbdkit_error ("v2v-key: expected ID:key:PASSPHRASE or ID:file:FILENAME, "
                  "where ID is a device, the UUID of the encrypted volume, or "
                  "\"all\"");
    return -1;
  }
  if (strchr (value, '\n')) {
    nbdkit_error ("v2v-key: a key with a newline must be given as "
                  "ID:file:FILENAME");
    return -1;
  }
  if (strncmp (id_end, ":file:", 6) == 0) {
    path = nbdkit_realpath (id_end + 6);
    if (path == NULL)
      return -1;
    if (asprintf (&line, "%.*s:file:%s\n", (int)(id_end - value), value,
                  path) == -1)
      line = NULL;
  }
  else if (asprintf (&line, "%s\n", value) == -1)
    line = NULL;
  p = line ? realloc (config.keys, old + strlen (line) + 1) : NULL;
  if (p == NULL) {
    nbdkit_error ("realloc: %m");
    return -1;
  }
  strcpy (p + old, line);
  config.keys = p;
  return 0;
}

static int
parse_bool (const char *value, bool *b)
{
  const int r = nbdkit_parse_bool (value);

  if (r == -1)
    return -1;
  *b = r;
  return 0;
}

/* Parameters that the helper takes as they are. */
static const struct {
  const char *key;    /* of the filter */
  const char *option; /* of the helper */
  const char *name;   /* if its argument is NAME=VALUE */
  enum { STRING, NUMBER, BOOLEAN, PATH, BOOLEAN_OR_PATH, PATH_AND_REST } type;
} helper_keys[] = {
  { "v2v-root", "--root", NULL, STRING },
  { "v2v-memsize", "--memsize", NULL, NUMBER },
  { "v2v-smp", "--smp", NULL, NUMBER },
  { "v2v-rebuild-initrd", "--option", "rebuild-initrd", BOOLEAN },
  { "v2v-remove-tools", "--option", "remove-tools", BOOLEAN },
  { "v2v-guest-agent", "--option", "guest-agent", BOOLEAN_OR_PATH },
  { "v2v-firstboot", "--option", "firstboot", PATH },
  { "v2v-upload", "--option", "upload", PATH_AND_REST },
  { "v2v-name", "--target", "name", STRING },
  { "v2v-network", "--target", "network", STRING },
  { "v2v-bridge", "--target", "bridge", STRING },
  { "v2v-mac", "--target", "mac", STRING },
  { "v2v-output-dir", "--target", "output-dir", STRING },
  { "v2v-output-format", "--target", "output-format", STRING },
  { "v2v-output-allocation", "--target", "output-allocation", STRING },
};

static int
helper_key (size_t i, const char *value)
{
  CLEANUP_FREE char *path = NULL, *copy = NULL, *both = NULL;
  const char *rest;
  unsigned n;
  bool b;

  switch (helper_keys[i].type) {
  case NUMBER:
    if (nbdkit_parse_unsigned (helper_keys[i].key, value, &n) == -1)
      return -1;
    if (n == 0) {
      nbdkit_error ("%s: must be greater than 0", helper_keys[i].key);
      return -1;
    }
    break;
  case BOOLEAN:
    if (parse_bool (value, &b) == -1)
      return -1;
    value = b ? "yes" : "no";
    break;
  case PATH_AND_REST:
    rest = strchr (value, ':');
    copy = rest ? strndup (value, (size_t)(rest - value)) : NULL;
    if (copy == NULL || *copy == '\0' || rest[1] == '\0') {
      nbdkit_error ("%s: expected FILE:PATH", helper_keys[i].key);
      return -1;
    }
    path = nbdkit_realpath (copy);
    if (path == NULL || asprintf (&both, "%s%s", path, rest) == -1) {
      both = NULL;
      return -1;
    }
    value = both;
    break;
  case BOOLEAN_OR_PATH:
    if (strchr (value, '/') == NULL) {
      if (parse_bool (value, &b) == -1)
        return -1;
      value = b ? "yes" : "no";
      break;
    }
    /* fallthrough */
  case PATH:
    path = nbdkit_realpath (value);
    if (path == NULL)
      return -1;
    value = path;
    break;
  case STRING:
    if (*value == '\0') {
      nbdkit_error ("%s: must not be empty", helper_keys[i].key);
      return -1;
    }
    break;
  }
  if (helper_keys[i].name)
    return helper_named_arg (helper_keys[i].option, helper_keys[i].name, value);
  return helper_arg (helper_keys[i].option, value);
}

static int
convert_config (nbdkit_next_config *next, nbdkit_backend *nxdata,
                const char *key, const char *value)
{
  size_t i;

  for (i = 0; i < V2V_ARRAY_SIZE (helper_keys); ++i) {
    if (strcmp (key, helper_keys[i].key) == 0)
      return helper_key (i, value);
  }

  if (strcmp (key, "v2v-disk") == 0) {
    if (strncmp (value, "v2v/", 4) == 0) {
      nbdkit_error ("v2v-disk: names that begin with \"v2v/\" are those of "
                    "the generated documents");
      return -1;
    }
    for (i = 0; i < config.nr_disks; ++i) {
      if (strcmp (config.disks[i], value) == 0) {
        nbdkit_error ("v2v-disk: \"%s\" was given twice", value);
        return -1;
      }
    }
    return append (&config.disks, &config.nr_disks, value);
  }
  if (strcmp (key, "v2v-helper") == 0)
    return set_path (&config.helper, value);
  if (strcmp (key, "v2v-tmpdir") == 0)
    return set_path (&config.tmpdir, value);
  if (strcmp (key, "v2v-metadata-dir") == 0)
    return set_path (&config.metadata_dir, value);
  if (strcmp (key, "v2v-key") == 0)
    return add_key (value);
  if (strcmp (key, "v2v-quiet") == 0)
    return parse_bool (value, &config.quiet);
  if (strcmp (key, "v2v-timeout") == 0)
    return nbdkit_parse_unsigned (key, value, &config.timeout);
  if (strcmp (key, "v2v-step-timeout") == 0)
    return nbdkit_parse_unsigned (key, value, &config.step_timeout);
  if (strcmp (key, "v2v-start") == 0) {
    if (strcmp (value, "server") == 0)
      start_with_server = true;
    else if (strcmp (value, "client") == 0)
      start_with_server = false;
    else {
      nbdkit_error ("v2v-start: expected \"client\" (when the first client "
                    "connects) or \"server\" (when nbdkit starts), not \"%s\"",
                    value);
      return -1;
    }
    return 0;
  }
  if (strncmp (key, "v2v-", 4) == 0 &&
      strncmp (key, "v2v-readahead-", 14) != 0 &&
      strncmp (key, "v2v-cow-cache-", 14) != 0) {
    nbdkit_error ("v2v-convert: unknown parameter \"%s\" (see "
                  "nbdkit-v2v-convert-filter(1))",
                  key);
    return -1;
  }

  if (strcmp (key, "dir") == 0 || strcmp (key, "directory") == 0)
    seen_directory_key = true;
  return next (nxdata, key, value);
}

static int
check_directory (const char *key, const char *dir, int mode)
{
  struct stat st;

  if (stat (dir, &st) == -1) {
    nbdkit_error ("%s: %s: %m", key, dir);
    return -1;
  }
  if (!S_ISDIR (st.st_mode)) {
    nbdkit_error ("%s: %s is not a directory", key, dir);
    return -1;
  }
  if (access (dir, mode) == -1) {
    nbdkit_error ("%s: %s: %m", key, dir);
    return -1;
  }
  return 0;
}

static int
convert_config_complete (nbdkit_next_config_complete *next,
                         nbdkit_backend *nxdata)
{
  const char *s;

  if (config.helper == NULL) {
    s = getenv ("V2V_CONVERT_HELPER");
    if (set_path (&config.helper, s && *s ? s : HELPER_PATH) == -1)
      return -1;
  }
  if (config.tmpdir == NULL) {
    s = getenv ("TMPDIR");
    if (set_path (&config.tmpdir, s && *s ? s : "/var/tmp") == -1)
      return -1;
  }
  return next (nxdata);
}

/* The plugin v2v knows the disks of the guest; of another plugin it is
 * the default export.
 */
static int
choose_disks (void)
{
  const char *const *names = NULL;
  size_t i;

  if (config.nr_disks > 0)
    return 0;
  if (v2v_source_exports)
    names = v2v_source_exports ();
  for (i = 0; names && names[i]; ++i) {
    if (strncmp (names[i], "v2v/", 4) == 0)
      config.source_export = names[i];
    else if (append (&config.disks, &config.nr_disks, names[i]) == -1)
      return -1;
  }
  if (config.nr_disks == 0)
    return append (&config.disks, &config.nr_disks, "");
  return 0;
}

static int
convert_get_ready (int thread_model)
{
  size_t i;

  config.thread_model = thread_model;

  if (access (config.helper, X_OK) == -1) {
    nbdkit_error ("cannot run the conversion helper %s: %m (is it installed? "
                  "v2v-helper=PATH chooses another)",
                  config.helper);
    return -1;
  }
  if (check_directory ("v2v-tmpdir", config.tmpdir, R_OK | W_OK | X_OK) == -1)
    return -1;
  if (strlen (config.tmpdir) > 80) {
    nbdkit_error ("v2v-tmpdir: %s is too long: at most 80 bytes, because "
                  "sockets are made in it",
                  config.tmpdir);
    return -1;
  }
  if (config.metadata_dir &&
      check_directory ("v2v-metadata-dir", config.metadata_dir, W_OK | X_OK) ==
        -1)
    return -1;

  if (choose_disks () == -1)
    return -1;

  if (thread_model == NBDKIT_THREAD_MODEL_SERIALIZE_CONNECTIONS &&
      config.nr_disks > 1) {
    nbdkit_error ("the layer below v2v-convert allows one connection at a "
                  "time (serialize_connections): only one disk can be "
                  "converted above it, not %zu",
                  config.nr_disks);
    return -1;
  }
#ifndef SHARED_CONTEXT_HAS_EXPORT_NAME
  if (v2v_source_next_export)
    return 0;
  for (i = 0; i < config.nr_disks; ++i) {
    if (*config.disks[i]) {
      nbdkit_error ("v2v-disk: this nbdkit (%s) cannot open the export \"%s\" "
                    "of this plugin for the conversion: nbdkit 1.44 or later "
                    "can; serve each disk as the default export of a server "
                    "of its own, or use the v2v plugin",
                    NBDKIT_VERSION_STRING, config.disks[i]);
      return -1;
    }
  }
  if (seen_directory_key) {
    nbdkit_error ("v2v-convert: this nbdkit (%s) cannot open the files of a "
                  "directory for the conversion: nbdkit 1.44 or later can; "
                  "serve one file (file=NAME), or use the v2v plugin",
                  NBDKIT_VERSION_STRING);
    return -1;
  }
#else
  (void)i;
#endif
  return 0;
}

static int
convert_after_fork (nbdkit_backend *backend)
{
  conversion_init (&config, backend);
  /* In a thread, so that signals work and clients can connect. */
  return start_with_server ? conversion_start () : 0;
}

static void
convert_cleanup (nbdkit_backend *backend)
{
  (void)backend;
  conversion_cleanup ();
}

static void
convert_unload (void)
{
  size_t i;

  for (i = 0; i < config.nr_disks; ++i)
    free (config.disks[i]);
  free (config.disks);
  for (i = 0; i < nr_helper_args; ++i)
    free (config.helper_args[i]);
  free (config.helper_args);
  free (config.helper);
  free (config.tmpdir);
  free (config.metadata_dir);
  if (config.keys) {
    explicit_bzero (config.keys, strlen (config.keys));
    free (config.keys);
  }
}

/*--------------------------------------------------------------------*/
/* Exports. */

static int
convert_preconnect (nbdkit_next_preconnect *next, nbdkit_backend *nxdata,
                    int readonly)
{
  (void)readonly;
  return next (nxdata, 1);
}

/* Answered without asking the layer below: in RUNNING it is the
 * conversion's.
 */
static int
convert_list_exports (nbdkit_next_list_exports *next, nbdkit_backend *nxdata,
                      int readonly, int is_tls, struct nbdkit_exports *exports)
{
  size_t i;

  (void)next;
  (void)nxdata;
  (void)readonly;
  (void)is_tls;
  for (i = 0; i < config.nr_disks; ++i) {
    if (nbdkit_add_export (exports, config.disks[i],
                           "disk, converted for KVM") == -1)
      return -1;
  }
  if (conversion_is_done ()) {
    const struct document_list *docs = conversion_documents ();

    for (i = 0; i < docs->nr; ++i) {
      CLEANUP_FREE char *name = NULL;

      if (asprintf (&name, "v2v/%s", docs->docs[i].name) == -1) {
        name = NULL;
        nbdkit_error ("asprintf: %m");
        return -1;
      }
      if (nbdkit_add_export (exports, name, "document") == -1)
        return -1;
    }
  }
  return 0;
}

static const char *
convert_default_export (nbdkit_next_default_export *next,
                        nbdkit_backend *nxdata, int readonly, int is_tls)
{
  (void)next;
  (void)nxdata;
  (void)readonly;
  (void)is_tls;
  return config.disks[0];
}

static bool
is_known_name (const char *name)
{
  size_t i;

  if (strncmp (name, "v2v/", 4) == 0)
    return true;
  for (i = 0; i < config.nr_disks; ++i) {
    if (strcmp (config.disks[i], name) == 0)
      return true;
  }
  return false;
}

static void *
convert_open (nbdkit_next_open *next, nbdkit_context *context, int readonly,
              const char *exportname, int is_tls)
{
  struct handle *h;

  (void)readonly;
  (void)is_tls;
  if (*exportname == '\0')
    exportname = config.disks[0];
  if (!is_known_name (exportname)) {
    nbdkit_error ("v2v-convert: there is no export \"%s\" here: the disks "
                  "that are converted are listed with v2v-disk=NAME",
                  exportname);
    return NULL;
  }

  if (conversion_wait () == -1)
    return NULL;

  h = calloc (1, sizeof *h);
  if (h == NULL) {
    nbdkit_error ("calloc: %m");
    return NULL;
  }
  if (strncmp (exportname, "v2v/", 4) == 0) {
    h->document = conversion_document (exportname + 4);
    if (h->document == NULL) {
      nbdkit_error ("v2v-convert: the conversion made no document \"%s\"",
                    exportname);
      free (h);
      return NULL;
    }
    return h;
  }
  h->disk = conversion_disk (exportname);
  if (next (context, 1, exportname) == -1) {
    free (h);
    return NULL;
  }
  return h;
}

static void
convert_close (void *handle)
{
  free (handle);
}

static int
convert_prepare (nbdkit_next *next, void *handle, int readonly)
{
  struct handle *h = handle;
  uint32_t minimum, preferred, maximum;
  int64_t size;
  int can_extents;

  (void)readonly;
  if (h->document)
    return 0;

  size = next->get_size (next);
  can_extents = next->can_extents (next);
  if (size == -1 || can_extents == -1 || next->can_cache (next) == -1 ||
      next->block_size (next, &minimum, &preferred, &maximum) == -1)
    return -1;
  if ((uint64_t)size != h->disk->size) {
    nbdkit_error ("v2v-convert: the source was %" PRIu64 " bytes when it was "
                  "converted and is %" PRIi64 " bytes now: it must not "
                  "change while it is served",
                  h->disk->size, size);
    return -1;
  }
  /* No lock: all calls come from callbacks, which the server serialises
   * as the thread model demands.
   */
  layer_source_init (&h->src, next, NULL, can_extents);
  return 0;
}

static int
convert_finalize (nbdkit_next *next, void *handle)
{
  (void)next;
  (void)handle;
  return 0;
}

static int64_t
convert_get_size (nbdkit_next *next, void *handle)
{
  const struct handle *h = handle;

  (void)next;
  return (int64_t)(h->document ? h->document->size : h->disk->size);
}

static const char *
convert_export_description (nbdkit_next *next, void *handle)
{
  const struct handle *h = handle;

  (void)next;
  return h->document ? "document" : "disk, converted for KVM";
}

/* The overlay serves any alignment; it respects the limits of the layer
 * below by itself.
 */
static int
convert_block_size (nbdkit_next *next, void *handle, uint32_t *minimum,
                    uint32_t *preferred, uint32_t *maximum)
{
  const struct handle *h = handle;

  (void)next;
  if (h->document)
    *minimum = *preferred = *maximum = 0;
  else {
    *minimum = 1;
    *preferred = OVERLAY_BLOCK_SIZE;
    *maximum = 32 * 1024 * 1024;
  }
  return 0;
}

static int
is_a_disk (nbdkit_next *next, void *handle)
{
  const struct handle *h = handle;

  (void)next;
  return h->disk != NULL;
}

static int
convert_is_rotational (nbdkit_next *next, void *handle)
{
  (void)next;
  (void)handle;
  return 0;
}

static int
convert_can_multi_conn (nbdkit_next *next, void *handle)
{
  (void)next;
  (void)handle;
  return 1;
}

static int
convert_can_fua (nbdkit_next *next, void *handle)
{
  return is_a_disk (next, handle) ? NBDKIT_FUA_NATIVE : NBDKIT_FUA_NONE;
}

static int
convert_can_zero (nbdkit_next *next, void *handle)
{
  return is_a_disk (next, handle) ? NBDKIT_ZERO_NATIVE : NBDKIT_ZERO_NONE;
}

static int
convert_can_cache (nbdkit_next *next, void *handle)
{
  return is_a_disk (next, handle) ? NBDKIT_CACHE_NATIVE : NBDKIT_CACHE_NONE;
}

/*--------------------------------------------------------------------*/
/* Data. */

static int
convert_pread (nbdkit_next *next, void *handle, void *buf, uint32_t count,
               uint64_t offset, uint32_t flags, int *err)
{
  struct handle *h = handle;

  (void)next;
  (void)flags;
  if (h->document) {
    memcpy (buf, h->document->data + offset, count);
    return 0;
  }
  return overlay_pread (h->disk->overlay, &h->src.source, buf, count, offset,
                        err);
}

/* FUA and flush promise nothing here: the overlay lives as long as the
 * server.
 */
static int
convert_pwrite (nbdkit_next *next, void *handle, const void *buf,
                uint32_t count, uint64_t offset, uint32_t flags, int *err)
{
  struct handle *h = handle;

  (void)next;
  (void)flags;
  return overlay_pwrite (h->disk->overlay, &h->src.source, buf, count, offset,
                         err);
}

static int
convert_flush (nbdkit_next *next, void *handle, uint32_t flags, int *err)
{
  struct handle *h = handle;

  (void)next;
  (void)flags;
  return overlay_flush (h->disk->overlay, err);
}

static int
convert_zero (nbdkit_next *next, void *handle, uint32_t count, uint64_t offset,
              uint32_t flags, int *err)
{
  struct handle *h = handle;

  (void)next;
  (void)flags;
  return overlay_zero (h->disk->overlay, &h->src.source, count, offset, err);
}

static int
add_extent (void *opaque, uint64_t offset, uint64_t length, uint32_t type)
{
  return nbdkit_add_extent (opaque, offset, length, type);
}

static int
convert_extents (nbdkit_next *next, void *handle, uint32_t count,
                 uint64_t offset, uint32_t flags,
                 struct nbdkit_extents *extents, int *err)
{
  struct handle *h = handle;

  (void)next;
  if (h->document) {
    *err = EINVAL;
    return -1;
  }
  return overlay_extents (h->disk->overlay, &h->src.source, count, offset,
                          flags & NBDKIT_FLAG_REQ_ONE, add_extent, extents,
                          err);
}

static int
convert_cache (nbdkit_next *next, void *handle, uint32_t count, uint64_t offset,
               uint32_t flags, int *err)
{
  struct handle *h = handle;

  (void)next;
  (void)flags;
  return overlay_cache (h->disk->overlay, &h->src.source, count, offset, err);
}

#define convert_config_help \
  "v2v-bridge=[FROM:]TO        Where NICs on a bridge go (repeatable).\n" \
  "v2v-disk=NAME               Export that is a disk of the guest (repeatable).\n" \
  "v2v-firstboot=SCRIPT        Run it when the guest boots first (repeatable).\n" \
  "v2v-guest-agent=no|FILE     Do not install QEMU's guest agent, or from FILE.\n" \
  "v2v-helper=PATH             Path of v2v-convert-helper.\n" \
  "v2v-key=ID:key:.. | ID:file:..  Key of an encrypted volume (repeatable).\n" \
  "v2v-mac=MAC:network|bridge:TO  Where one NIC goes (repeatable).\n" \
  "v2v-memsize=MB, v2v-smp=N   Size of the appliance.\n" \
  "v2v-metadata-dir=DIR        Write the documents into this directory, too.\n" \
  "v2v-name=NAME               Name of the converted machine.\n" \
  "v2v-network=[FROM:]TO       Where NICs on a network go (repeatable).\n" \
  "v2v-output-dir=DIR          Where the documents say that the disks are.\n" \
  "v2v-output-format=raw|qcow2, v2v-output-allocation=sparse|preallocated\n" \
  "v2v-quiet=yes               No progress lines on stderr.\n" \
  "v2v-rebuild-initrd=yes      Allow the guest's own initrd tool to run.\n" \
  "v2v-remove-tools=no         Leave the tools of the old hypervisor alone.\n" \
  "v2v-root=first|single|DEV   Which system of a multi-boot guest.\n" \
  "v2v-start=client|server     When the conversion starts.\n" \
  "v2v-step-timeout=SECS       Limit of silence of the helper.\n" \
  "v2v-timeout=SECS            Limit of the whole conversion.\n" \
  "v2v-tmpdir=DIR              Where the overlay and temporary files are.\n" \
  "v2v-upload=FILE:PATH        Put a file into the guest (repeatable)."

static struct nbdkit_filter filter = {
  .name = "v2v-convert",
  .longname = "nbdkit v2v-convert filter",
  .description = "serve a virtual machine converted to run on KVM",
  .unload = convert_unload,
  .config = convert_config,
  .config_complete = convert_config_complete,
  .config_help = convert_config_help,
  .get_ready = convert_get_ready,
  .after_fork = convert_after_fork,
  .cleanup = convert_cleanup,
  .preconnect = convert_preconnect,
  .list_exports = convert_list_exports,
  .default_export = convert_default_export,
  .open = convert_open,
  .close = convert_close,
  .prepare = convert_prepare,
  .finalize = convert_finalize,
  .get_size = convert_get_size,
  .export_description = convert_export_description,
  .block_size = convert_block_size,
  .can_write = is_a_disk,
  .can_flush = is_a_disk,
  .is_rotational = convert_is_rotational,
  .can_trim = is_a_disk,
  .can_zero = convert_can_zero,
  .can_fast_zero = is_a_disk,
  .can_extents = is_a_disk,
  .can_fua = convert_can_fua,
  .can_multi_conn = convert_can_multi_conn,
  .can_cache = convert_can_cache,
  .pread = convert_pread,
  .pwrite = convert_pwrite,
  .flush = convert_flush,
  .trim = convert_zero,
  .zero = convert_zero,
  .extents = convert_extents,
  .cache = convert_cache,
};

NBDKIT_REGISTER_FILTER (filter)
