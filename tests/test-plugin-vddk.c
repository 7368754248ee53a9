/* SPDX-License-Identifier: BSD-3-Clause */

/* A stand-in for nbdkit's VDDK plugin: it takes that plugin's parameters,
 * writes them into the file V2V_VDDK_LOG, wants the password "se cret", and
 * serves 4 MiB in which each 8 bytes are their own offset.  Requests that
 * VDDK would refuse (not whole sectors, more than 2 MiB) fail.
 */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#define SIZE (4 * 1024 * 1024)

static int
vddk_config (const char *key, const char *value)
{
  static const char *const keys[] = {
    "compression", "config", "cookie", "file", "libdir", "nfchostport",
    "password", "port", "server", "snapshot", "thumbprint", "transports",
    "user", "vm", NULL,
  };
  const char *log = getenv ("V2V_VDDK_LOG");
  char *password = NULL;
  FILE *f;
  int i;

  for (i = 0; keys[i]; ++i)
    if (strcmp (keys[i], key) == 0)
      break;
  if (keys[i] == NULL) {
    nbdkit_error ("VDDK knows no %s", key);
    return -1;
  }
  if (strcmp (key, "password") == 0) {
    if (nbdkit_read_password (value, &password) == -1)
      return -1;
    if (strcmp (password, "se cret") != 0) {
      nbdkit_error ("wrong password");
      free (password);
      return -1;
    }
    free (password);
  }
  f = log ? fopen (log, "a") : NULL;
  if (f) {
    fprintf (f, "%s=%s\n", key, value);
    fclose (f);
  }
  return 0;
}

static void *
vddk_open (int readonly)
{
  if (!readonly) {
    nbdkit_error ("opened for writing");
    return NULL;
  }
  return NBDKIT_HANDLE_NOT_NEEDED;
}

static int64_t
vddk_get_size (void *handle)
{
  (void)handle;
  return SIZE;
}

static int
vddk_pread (void *handle, void *buf, uint32_t count, uint64_t offset,
            uint32_t flags)
{
  uint32_t i;
  uint64_t v;

  (void)handle;
  (void)flags;
  if (count % 512 || offset % 512 || count > 2 * 1024 * 1024) {
    nbdkit_error ("VDDK does not take %u bytes", count);
    errno = EINVAL;
    return -1;
  }
  for (i = 0; i < count; i += 8) {
    v = offset + i;
    memcpy ((char *)buf + i, &v, 8);
  }
  return 0;
}

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

static struct nbdkit_plugin plugin = {
  .name     = "vddk",
  .config   = vddk_config,
  .open     = vddk_open,
  .get_size = vddk_get_size,
  .pread    = vddk_pread,
};

NBDKIT_REGISTER_PLUGIN (plugin)
