/* SPDX-License-Identifier: BSD-3-Clause */

/* The parameters of the filter.  What is wrong with them is found before
 * the server forks, with a message that says what to do.
 */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include <nbdkit-filter.h>

#include "conversion.h"
#include "parameters.h"
#define V2V_SOURCE_EXPORTS_WEAK
#include "source-exports.h"
#include "target.h"
#include "v2v-utils.h"

/* What the documentation calls the defaults. */
#define DEFAULT_TIMEOUT 7200
#define DEFAULT_STEP_TIMEOUT 1800

struct convert_config convert_parameters = {
  .timeout = DEFAULT_TIMEOUT,
  .step_timeout = DEFAULT_STEP_TIMEOUT,
};
bool convert_start_with_server;
static bool seen_directory_key;
static struct target_options target; /* only to find mistakes early */
static size_t nr_helper_args;

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
  if (append (&convert_parameters.helper_args, &nr_helper_args, option) == -1)
    return -1;
  return append (&convert_parameters.helper_args, &nr_helper_args, value);
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
  size_t old = convert_parameters.keys ? strlen (convert_parameters.keys) : 0;

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
  p = line ? realloc (convert_parameters.keys, old + strlen (line) + 1) : NULL;
  if (p == NULL) {
    nbdkit_error ("realloc: %m");
    return -1;
  }
  strcpy (p + old, line);
  convert_parameters.keys = p;
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
  { "v2v-output-pool", "--target", "output-pool", STRING },
  { "v2v-output-format", "--target", "output-format", STRING },
  { "v2v-output-allocation", "--target", "output-allocation", STRING },
};

static int
check_target (size_t i, const char *value)
{
  CLEANUP_FREE char *error = NULL;

  if (target_options_set (&target, helper_keys[i].name, value, &error) == 1)
    return 0;
  nbdkit_error ("%s: %s", helper_keys[i].key, error ? error : "out of memory");
  return -1;
}

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
  if (strcmp (helper_keys[i].option, "--target") == 0 &&
      check_target (i, value) == -1)
    return -1;
  if (helper_keys[i].name)
    return helper_named_arg (helper_keys[i].option, helper_keys[i].name, value);
  return helper_arg (helper_keys[i].option, value);
}

int
convert_config (nbdkit_next_config *next, nbdkit_backend *nxdata,
                const char *key, const char *value)
{
  size_t i;
  bool b;

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
    for (i = 0; i < convert_parameters.nr_disks; ++i) {
      if (strcmp (convert_parameters.disks[i], value) == 0) {
        nbdkit_error ("v2v-disk: \"%s\" was given twice", value);
        return -1;
      }
    }
    return append (&convert_parameters.disks, &convert_parameters.nr_disks,
                   value);
  }
  if (strcmp (key, "v2v-helper") == 0)
    return set_path (&convert_parameters.helper, value);
  if (strcmp (key, "v2v-tmpdir") == 0)
    return set_path (&convert_parameters.tmpdir, value);
  if (strcmp (key, "v2v-metadata-dir") == 0)
    return set_path (&convert_parameters.metadata_dir, value);
  if (strcmp (key, "v2v-key") == 0)
    return add_key (value);
  if (strcmp (key, "v2v-quiet") == 0)
    return parse_bool (value, &convert_parameters.quiet);
  if (strcmp (key, "v2v-trim") == 0) {
    if (parse_bool (value, &b) == -1)
      return -1;
    convert_parameters.no_trim = !b;
    return 0;
  }
  if (strcmp (key, "v2v-timeout") == 0)
    return nbdkit_parse_unsigned (key, value, &convert_parameters.timeout);
  if (strcmp (key, "v2v-step-timeout") == 0)
    return nbdkit_parse_unsigned (key, value, &convert_parameters.step_timeout);
  if (strcmp (key, "v2v-start") == 0) {
    if (strcmp (value, "server") == 0)
      convert_start_with_server = true;
    else if (strcmp (value, "client") == 0)
      convert_start_with_server = false;
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

int
convert_config_complete (nbdkit_next_config_complete *next,
                         nbdkit_backend *nxdata)
{
  const char *s;

  if (convert_parameters.helper == NULL) {
    s = getenv ("V2V_CONVERT_HELPER");
    if (set_path (&convert_parameters.helper, s && *s ? s : HELPER_PATH) == -1)
      return -1;
  }
  if (convert_parameters.tmpdir == NULL) {
    s = getenv ("TMPDIR");
    if (set_path (&convert_parameters.tmpdir, s && *s ? s : "/var/tmp") == -1)
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

  if (convert_parameters.nr_disks > 0)
    return 0;
  if (v2v_source_exports)
    names = v2v_source_exports ();
  for (i = 0; names && names[i]; ++i) {
    if (strncmp (names[i], "v2v/", 4) == 0)
      convert_parameters.source_export = names[i];
    else if (append (&convert_parameters.disks, &convert_parameters.nr_disks,
                     names[i]) == -1)
      return -1;
  }
  if (convert_parameters.nr_disks == 0)
    return append (&convert_parameters.disks, &convert_parameters.nr_disks, "");
  return 0;
}

int
convert_get_ready (int thread_model)
{
  size_t i;

  convert_parameters.thread_model = thread_model;

  if (access (convert_parameters.helper, X_OK) == -1) {
    nbdkit_error ("cannot run the conversion helper %s: %m (is it installed? "
                  "v2v-helper=PATH chooses another)",
                  convert_parameters.helper);
    return -1;
  }
  if (check_directory ("v2v-tmpdir", convert_parameters.tmpdir,
                       R_OK | W_OK | X_OK) == -1)
    return -1;
  if (strlen (convert_parameters.tmpdir) > 80) {
    nbdkit_error ("v2v-tmpdir: %s is too long: at most 80 bytes, because "
                  "sockets are made in it",
                  convert_parameters.tmpdir);
    return -1;
  }
  if (convert_parameters.metadata_dir &&
      check_directory ("v2v-metadata-dir", convert_parameters.metadata_dir,
                       W_OK | X_OK) == -1)
    return -1;

  if (choose_disks () == -1)
    return -1;

  if (thread_model == NBDKIT_THREAD_MODEL_SERIALIZE_CONNECTIONS &&
      convert_parameters.nr_disks > 1) {
    nbdkit_error ("the layer below v2v-convert allows one connection at a "
                  "time (serialize_connections): only one disk can be "
                  "converted above it, not %zu",
                  convert_parameters.nr_disks);
    return -1;
  }
#ifndef SHARED_CONTEXT_HAS_EXPORT_NAME
  if (v2v_source_thread_export)
    return 0;
  for (i = 0; i < convert_parameters.nr_disks; ++i) {
    if (*convert_parameters.disks[i]) {
      nbdkit_error ("v2v-disk: this nbdkit (%s) cannot open the export \"%s\" "
                    "of this plugin for the conversion: nbdkit 1.44 or later "
                    "can; serve each disk as the default export of a server "
                    "of its own, or use the v2v plugin",
                    NBDKIT_VERSION_STRING, convert_parameters.disks[i]);
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

void
convert_unload (void)
{
  size_t i;

  target_options_clear (&target);
  for (i = 0; i < convert_parameters.nr_disks; ++i)
    free (convert_parameters.disks[i]);
  free (convert_parameters.disks);
  for (i = 0; i < nr_helper_args; ++i)
    free (convert_parameters.helper_args[i]);
  free (convert_parameters.helper_args);
  free (convert_parameters.helper);
  free (convert_parameters.tmpdir);
  free (convert_parameters.metadata_dir);
  if (convert_parameters.keys) {
    explicit_bzero (convert_parameters.keys, strlen (convert_parameters.keys));
    free (convert_parameters.keys);
  }
}
