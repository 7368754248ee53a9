/* SPDX-License-Identifier: BSD-3-Clause */

/* nbdkit-v2v-plugin: one export for each disk of a source machine, and its
 * description as v2v/source.json.  See nbdkit-v2v-plugin.pod.
 *
 * The source is analysed in .get_ready, so that what is wrong with it is
 * said before the server forks.  Children are started on first use, by
 * threads that exist only after the fork.
 *
 * Lock: json_lock protects json, which is made once.  All else is constant
 * once the server runs, or locks for itself.
 */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "image-format.h"
#include "process.h"
#include "remote.h"
#include "source-exports.h"
#include "source.h"
#include "v2v-utils.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL
#define SOURCE_JSON "v2v/source.json"

static struct source_options opts = {
  .unpack_limit = UINT64_C (1) << 40,
  .verify = true,
};
static size_t nr_allow_dirs;
static struct source *source;

static pthread_mutex_t json_lock = PTHREAD_MUTEX_INITIALIZER;
static char *json;

/* See source-exports.h. */
static _Thread_local char *thread_export;
static _Thread_local bool thread_export_lost; /* no memory for it */

static char **export_names;

void
v2v_source_thread_export (const char *name)
{
  free (thread_export);
  thread_export = name ? strdup (name) : NULL;
  thread_export_lost = name && thread_export == NULL;
}

const char *const *
v2v_source_exports (void)
{
  return (const char *const *)export_names;
}

/*--------------------------------------------------------------------
 * Configuration.
 */
static void
warn (void *opaque, const char *message)
{
  (void)opaque;
  nbdkit_error ("warning: %s", message);
}

static void
log_error (const char *message)
{
  nbdkit_error ("%s", message);
}

static void
log_debug (const char *message)
{
  nbdkit_debug ("%s", message);
}

static int
add_file (const char *value)
{
  char **p = reallocarray (opts.files, opts.nr_files + 1, sizeof *p);

  if (p == NULL) {
    nbdkit_error ("out of memory");
    return -1;
  }
  opts.files = p;
  p[opts.nr_files] = strdup (value);
  if (p[opts.nr_files] == NULL) {
    nbdkit_error ("out of memory");
    return -1;
  }
  opts.nr_files++;
  return 0;
}

static int
add_allow_dir (const char *value)
{
  char **p = reallocarray (opts.allow_dirs, nr_allow_dirs + 2, sizeof *p);

  if (p == NULL) {
    nbdkit_error ("out of memory");
    return -1;
  }
  opts.allow_dirs = p;
  p[nr_allow_dirs] = nbdkit_realpath (value);
  if (p[nr_allow_dirs] == NULL)
    return -1;
  p[++nr_allow_dirs] = NULL;
  return 0;
}

static int
parse_bool (const char *value, bool *r)
{
  int b = nbdkit_parse_bool (value);

  if (b == -1)
    return -1;
  *r = b;
  return 0;
}

static int
parse_input (const char *value)
{
  static const struct {
    const char *word;
    enum input input;
  } inputs[] = {
    { "auto", INPUT_AUTO },       { "disk", INPUT_DISK },
    { "vmx", INPUT_VMX },         { "ova", INPUT_OVA },
    { "ovf", INPUT_OVF },         { "libvirt-xml", INPUT_LIBVIRT_XML },
    { "libvirt", INPUT_LIBVIRT },
  };
  size_t i;

  for (i = 0; i < V2V_ARRAY_SIZE (inputs); ++i)
    if (strcmp (inputs[i].word, value) == 0) {
      opts.input = inputs[i].input;
      return 0;
    }
  nbdkit_error ("input=%s is not known: say disk, vmx, ova, ovf, "
                "libvirt-xml, libvirt or auto",
                value);
  return -1;
}

static int
set_path (const char **p, const char *value)
{
  free ((char *)*p);
  *p = nbdkit_absolute_path (value);
  return *p ? 0 : -1;
}

static int
set_text (const char **p, const char *value)
{
  free ((char *)*p);
  *p = strdup (value);
  return *p ? 0 : -1;
}

/* Parameters that are kept as text. */
static const struct {
  const char *key;
  const char **p;
} texts[] = {
  { "name", &opts.name },
  { "libvirt-uri", &opts.libvirt_uri },
  { "nbdkit", &opts.remote.nbdkit },
  { "user", &opts.remote.user },
  { "server", &opts.remote.server },
  { "cookie-script-renew", &opts.remote.cookie_script_renew },
  { "vddk-vm", &opts.remote.vddk_vm },
  { "vddk-plugin", &opts.remote.vddk_plugin },
};
/* Booleans that a child gets as they are, paths. */
static const struct {
  const char *key;
  const char **p;
} booleans[] = {
  { "sslverify", &opts.remote.sslverify },
  { "verify-remote-host", &opts.remote.verify_remote_host },
}, paths[] = {
  { "tmpdir", &opts.tmpdir },
  { "cainfo", &opts.remote.cainfo },
  { "cookie-script", &opts.remote.cookie_script },
  { "known-hosts", &opts.remote.known_hosts },
  { "identity", &opts.remote.identity },
};
/* What VDDK's plugin takes besides what we say ourselves. */
static const char *const vddk_keys[] = {
  "compression", "config",   "cookie",     "libdir",     "nfchostport",
  "port",        "snapshot", "thumbprint", "transports",
};

/* Secrets are never on a command line, ours or a child's. */
static int
set_secret (char **p, const char *key, const char *value)
{
  free (*p);
  *p = NULL;
  if (value[0] != '+' && value[0] != '-') {
    nbdkit_error ("%s: a secret on the command line is refused: say %s=+FILE "
                  "or %s=-FD",
                  key, key, key);
    return -1;
  }
  return nbdkit_read_password (value, p);
}

static int
vddk_config (const char *key, const char *value)
{
  struct remote_options *r = &opts.remote;
  size_t i;
  char **p;

  r->vddk_used = true;
  for (i = 0; i < V2V_ARRAY_SIZE (vddk_keys); ++i)
    if (strcmp (vddk_keys[i], key) == 0)
      break;
  if (i == V2V_ARRAY_SIZE (vddk_keys)) {
    nbdkit_error ("unknown parameter \"vddk-%s\"", key);
    return -1;
  }
  if (strcmp (key, "cookie") == 0 && value[0] != '+') {
    nbdkit_error ("vddk-cookie: a secret on the command line is refused: say "
                  "vddk-cookie=+FILE");
    return -1;
  }
  p = reallocarray (r->vddk, r->nr_vddk + 1, sizeof *p);
  if (p)
    r->vddk = p;
  if (p == NULL || asprintf (&p[r->nr_vddk], "%s=%s", key, value) == -1) {
    nbdkit_error ("out of memory");
    return -1;
  }
  r->nr_vddk++;
  return 0;
}

static int
v2v_config (const char *key, const char *value)
{
  int64_t size;
  size_t i;

  for (i = 0; i < V2V_ARRAY_SIZE (texts); ++i)
    if (strcmp (texts[i].key, key) == 0) {
      if (strncmp (key, "vddk-", 5) == 0)
        opts.remote.vddk_used = true;
      return set_text (texts[i].p, value);
    }
  for (i = 0; i < V2V_ARRAY_SIZE (booleans); ++i)
    if (strcmp (booleans[i].key, key) == 0)
      return nbdkit_parse_bool (value) == -1 ? -1
                                             : set_text (booleans[i].p, value);
  for (i = 0; i < V2V_ARRAY_SIZE (paths); ++i)
    if (strcmp (paths[i].key, key) == 0)
      return set_path (paths[i].p, value);
  if (strcmp (key, "password") == 0)
    return set_secret (&opts.remote.password, key, value);
  if (strcmp (key, "cookie") == 0)
    return set_secret (&opts.remote.cookie, key, value);
  if (strncmp (key, "vddk-", 5) == 0)
    return vddk_config (key + 5, value);
  if (strcmp (key, "file") == 0)
    return add_file (value);
  if (strcmp (key, "input") == 0)
    return parse_input (value);
  if (strcmp (key, "format") == 0) {
    const char *f = image_format (value);

    if (f == NULL) {
      nbdkit_error ("format=%s is not known: say raw, qcow2, vmdk, vdi, vhd "
                    "or vhdx",
                    value);
      return -1;
    }
    opts.format = f;
    return 0;
  }
  if (strcmp (key, "allow-backing") == 0)
    return parse_bool (value, &opts.allow_backing);
  if (strcmp (key, "allow-dir") == 0)
    return add_allow_dir (value);
  if (strcmp (key, "verify") == 0)
    return parse_bool (value, &opts.verify);
  if (strcmp (key, "timeout") == 0) {
    unsigned seconds;

    if (nbdkit_parse_unsigned ("timeout", value, &seconds) == -1)
      return -1;
    if (seconds < 1 || seconds > INT32_MAX) {
      nbdkit_error ("timeout=%s: say a number of seconds from 1", value);
      return -1;
    }
    remote_set_timeout (seconds);
    return 0;
  }
  if (strcmp (key, "unpack-limit") == 0) {
    size = nbdkit_parse_size (value);
    if (size == -1)
      return -1;
    opts.unpack_limit = size;
    return 0;
  }
  nbdkit_error ("unknown parameter \"%s\"", key);
  return -1;
}

static int
v2v_config_complete (void)
{
  const char *dir;
  char *path;
  size_t i;

  if (opts.nr_files == 0) {
    nbdkit_error ("which machine? Give disk images, an .ova, .ovf, .vmx or "
                  "libvirt .xml file, or a directory");
    return -1;
  }
  /* URIs and names of domains stay what they are. */
  for (i = 0; opts.input != INPUT_LIBVIRT && i < opts.nr_files; ++i) {
    if (strstr (opts.files[i], "://") && opts.files[i][0] != '/')
      continue;
    path = nbdkit_absolute_path (opts.files[i]);
    if (path == NULL)
      return -1;
    free (opts.files[i]);
    opts.files[i] = path;
  }
  if (opts.tmpdir == NULL) {
    dir = getenv ("TMPDIR");
    return set_path (&opts.tmpdir, dir && dir[0] ? dir : "/var/tmp");
  }
  return 0;
}

#define v2v_config_help \
  "[file=]<FILE>...    (required) Disk images, OVA, OVF, VMX, libvirt XML.\n" \
  "input=disk|vmx|ova|ovf|libvirt-xml|libvirt  What FILE is.\n" \
  "format=raw|qcow2|vmdk|vdi|vhd|vhdx  Format of all disks.\n" \
  "name=<NAME>         Name of the machine.\n" \
  "allow-backing=true  Read images that depend on others.\n" \
  "allow-dir=<DIR>     Files may also be there (may be repeated).\n" \
  "verify=false        Do not check manifests and checksums.\n" \
  "tmpdir=<DIR>        Where archives are unpacked.\n" \
  "unpack-limit=<SIZE> Refuse to unpack more.\n" \
  "timeout=<SECONDS>   A server that takes longer for a request is replaced.\n" \
  "libvirt-uri=<URI>   Where input=libvirt finds the domain.\n" \
  "user=, password=+<FILE>, cookie=+<FILE>, cookie-script=, server=,\n" \
  "known-hosts=, identity=, cainfo=, sslverify=, vddk-libdir=, ...\n" \
  "                    Disks on other hosts: see nbdkit-v2v-plugin(1)."

/*--------------------------------------------------------------------
 * Life.
 */
static int
v2v_get_ready (void)
{
  struct diag d = { .warn = warn };
  size_t i, n;

  remote_set_log (log_error);
  source = source_open (&opts, &d);
  if (source == NULL) {
    nbdkit_error ("%s", d.error ? d.error : "out of memory");
    diag_clear (&d);
    return -1;
  }
  n = source->nr_disks;
  export_names = calloc (n + 2, sizeof *export_names);
  for (i = 0; export_names && i < n; ++i) {
    export_names[i] = strdup (source->machine.vm->disks[i].name);
    if (export_names[i] == NULL)
      break;
  }
  if (export_names == NULL || i < n ||
      (export_names[n] = strdup (SOURCE_JSON)) == NULL) {
    nbdkit_error ("out of memory");
    return -1;
  }
  return 0;
}

static int
v2v_after_fork (void)
{
  if (supervisor_start (log_debug) == -1) {
    nbdkit_error ("cannot start a thread: %m");
    return -1;
  }
  return 0;
}

/* Before .unload, because the children must go although clients may still be
 * connected.
 */
static void
v2v_cleanup (void)
{
  supervisor_stop ();
}

static void
v2v_unload (void)
{
  size_t i;

  supervisor_stop ();
  source_free (source);
  free (json);
  for (i = 0; export_names && export_names[i]; ++i)
    free (export_names[i]);
  free (export_names);
  for (i = 0; i < opts.nr_files; ++i)
    free (opts.files[i]);
  free (opts.files);
  for (i = 0; i < nr_allow_dirs; ++i)
    free (opts.allow_dirs[i]);
  free (opts.allow_dirs);
  for (i = 0; i < V2V_ARRAY_SIZE (texts); ++i)
    free ((char *)*texts[i].p);
  for (i = 0; i < V2V_ARRAY_SIZE (booleans); ++i)
    free ((char *)*booleans[i].p);
  for (i = 0; i < V2V_ARRAY_SIZE (paths); ++i)
    free ((char *)*paths[i].p);
  for (i = 0; i < opts.remote.nr_vddk; ++i)
    free (opts.remote.vddk[i]);
  free (opts.remote.vddk);
  free (opts.remote.password);
  free (opts.remote.cookie);
  free (thread_export);
}

/*--------------------------------------------------------------------
 * Exports.
 */
struct handle {
  struct disk *disk; /* NULL = the description */
  const char *json;
  uint64_t size;
};

static int
v2v_list_exports (int readonly, int is_tls, struct nbdkit_exports *exports)
{
  size_t i;

  (void)readonly;
  (void)is_tls;
  for (i = 0; export_names[i]; ++i)
    if (nbdkit_add_export (exports, export_names[i], NULL) == -1)
      return -1;
  return 0;
}

static const char *
v2v_default_export (int readonly, int is_tls)
{
  (void)readonly;
  (void)is_tls;
  return source->nr_disks > 0 ? export_names[0] : SOURCE_JSON;
}

static const char *
get_json (void)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&json_lock);
  struct diag d = { .warn = warn };

  if (json == NULL)
    json = source_json (source, &d);
  if (json == NULL)
    nbdkit_error (SOURCE_JSON ": %s", d.error ? d.error : "out of memory");
  diag_clear (&d);
  return json;
}

static void *
v2v_open (int readonly)
{
  const char *name;
  struct handle *h;
  size_t i;

  (void)readonly;
  if (thread_export_lost) { /* any other could be the wrong disk */
    nbdkit_error ("out of memory");
    return NULL;
  }
  name = thread_export ? thread_export : nbdkit_export_name ();
  if (name == NULL && source->nr_disks > 1) {
    nbdkit_error ("this nbdkit does not tell which export a filter opens; "
                  "several disks need nbdkit 1.44, or filters of nbdkit-v2v");
    return NULL;
  }
  if (name == NULL || name[0] == '\0')
    name = v2v_default_export (1, 0);

  h = calloc (1, sizeof *h);
  if (h == NULL) {
    nbdkit_error ("calloc: %m");
    return NULL;
  }
  if (strcmp (name, SOURCE_JSON) == 0) {
    h->json = get_json ();
    if (h->json == NULL)
      goto error;
    h->size = strlen (h->json);
    return h;
  }
  for (i = 0; i < source->nr_disks; ++i)
    if (strcmp (name, export_names[i]) == 0) {
      h->disk = source->disks[i];
      if (disk_size (h->disk, &h->size) == -1) {
        nbdkit_error ("%s cannot be opened", name);
        goto error;
      }
      return h;
    }
  nbdkit_error ("there is no export \"%s\": nbdinfo --list shows them", name);
error:
  free (h);
  return NULL;
}

static void
v2v_close (void *handle)
{
  free (handle);
}

static int64_t
v2v_get_size (void *handle)
{
  struct handle *h = handle;

  return h->size;
}

static int
v2v_yes (void *handle)
{
  (void)handle;
  return 1;
}

static int
v2v_can_cache (void *handle)
{
  struct handle *h = handle;

  return h->disk && disk_can_cache (h->disk) ? NBDKIT_CACHE_NATIVE
                                             : NBDKIT_CACHE_NONE;
}

static int
v2v_can_extents (void *handle)
{
  struct handle *h = handle;

  return h->disk != NULL;
}

/*--------------------------------------------------------------------
 * Data.
 */
static int
v2v_pread (void *handle, void *buf, uint32_t count, uint64_t offset,
           uint32_t flags)
{
  struct handle *h = handle;

  (void)flags;
  if (h->disk == NULL) {
    memcpy (buf, h->json + offset, count);
    return 0;
  }
  if (disk_pread (h->disk, buf, count, offset) == -1) {
    nbdkit_error ("pread: %m");
    return -1;
  }
  return 0;
}

static int
v2v_cache (void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
  struct handle *h = handle;

  (void)flags;
  if (disk_cache (h->disk, count, offset) == -1) {
    nbdkit_error ("cache: %m");
    return -1;
  }
  return 0;
}

static int
add_extent (void *opaque, uint64_t offset, uint64_t len, bool hole, bool zero)
{
  return nbdkit_add_extent (opaque, offset, len,
                            (hole ? NBDKIT_EXTENT_HOLE : 0) |
                              (zero ? NBDKIT_EXTENT_ZERO : 0));
}

static int
v2v_extents (void *handle, uint32_t count, uint64_t offset, uint32_t flags,
             struct nbdkit_extents *extents)
{
  struct handle *h = handle;

  if (disk_extents (h->disk, count, offset, (flags & NBDKIT_FLAG_REQ_ONE) != 0,
                    add_extent, extents) == -1) {
    nbdkit_error ("extents: %m");
    return -1;
  }
  return 0;
}

static struct nbdkit_plugin plugin = {
  .name = "v2v",
  .longname = "nbdkit virtual machine source plugin",
  .version = PACKAGE_VERSION,
  .description = "disks and description of a machine of VMware, Xen, "
                 "Hyper-V, VirtualBox or KVM",
  .config = v2v_config,
  .config_complete = v2v_config_complete,
  .config_help = v2v_config_help,
  .magic_config_key = "file",
  .get_ready = v2v_get_ready,
  .after_fork = v2v_after_fork,
  .cleanup = v2v_cleanup,
  .unload = v2v_unload,
  .list_exports = v2v_list_exports,
  .default_export = v2v_default_export,
  .open = v2v_open,
  .close = v2v_close,
  .get_size = v2v_get_size,
  .can_multi_conn = v2v_yes,
  .can_cache = v2v_can_cache,
  .can_extents = v2v_can_extents,
  .pread = v2v_pread,
  .cache = v2v_cache,
  .extents = v2v_extents,
  .errno_is_preserved = 1,
};

NBDKIT_REGISTER_PLUGIN (plugin)
