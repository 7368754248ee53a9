/* SPDX-License-Identifier: BSD-3-Clause */

/* The parameters of the plugin: what they mean and what they may be. */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "parameters.h"
#include "image-format.h"
#include "remote.h"
#include "url.h"
#include "v2v-utils.h"

static struct source_options opts = {
  .unpack_limit = UINT64_C (1) << 40,
  .verify = true,
};
static size_t nr_allow_dirs;

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

int
parameters_set (const char *key, const char *value)
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

int
parameters_complete (void)
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
    if (url_is (opts.files[i]))
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

const struct source_options *
parameters_get (void)
{
  return &opts;
}

void
parameters_free (void)
{
  size_t i;

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
}
