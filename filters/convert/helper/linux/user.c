/* SPDX-License-Identifier: BSD-3-Clause */

/* What the user asks for: firstboot=FILE runs a script of the host at the
 * guest's first boot, upload=FILE:PATH puts a file of the host into the
 * guest; both may be given several times and count in their order.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "state.h"
#include "v2v-utils.h"

#define MAX_UPLOAD (256 * 1024 * 1024)

int
host_read (struct linux_state *st, const char *option, const char *path,
           size_t max, char **data, size_t *size, bool *executable)
{
  struct report *r = st->gst->report;
  CLEANUP_CLOSE int fd = -1;
  CLEANUP_FREE char *bytes = NULL;
  struct stat sb;
  size_t n = 0;

  fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd == -1 || fstat (fd, &sb) == -1) {
    report_error (r, "host-file", "%s=%s: cannot open it: %s", option, path,
                  strerror (errno));
    return -1;
  }
  if (!S_ISREG (sb.st_mode) || (uint64_t)sb.st_size > max) {
    report_error (r, "host-file",
                  "%s=%s: it must be a regular file of at "
                  "most %zu bytes",
                  option, path, max);
    return -1;
  }
  bytes = malloc (sb.st_size + 1);
  if (!bytes) {
    linux_oom (st);
    return -1;
  }
  while (n < (size_t)sb.st_size) {
    const ssize_t k = read (fd, bytes + n, sb.st_size - n);

    if (k == -1 && errno == EINTR)
      continue;
    if (k == -1) {
      report_error (r, "host-file", "%s=%s: cannot read it: %s", option, path,
                    strerror (errno));
      return -1;
    }
    if (k == 0)
      break;
    n += k;
  }
  bytes[n] = '\0';
  *size = n;
  *data = bytes;
  bytes = NULL;
  if (executable)
    *executable = sb.st_mode & 0111;
  return 0;
}

static bool
safe_path (const char *p)
{
  return p[0] == '/' && p[1] && p[strlen (p) - 1] != '/' &&
         !strstr (p, "/../") && strcmp (p + strlen (p) - 2, "..") != 0;
}

static int
plan_firstboot (struct linux_state *st, const char *path)
{
  CLEANUP_FREE char *data = NULL;
  const char *slash = strrchr (path, '/');
  size_t size;

  if (host_read (st, "firstboot", path, MAX_UPLOAD, &data, &size, NULL) == -1)
    return -1;
  return firstboot_job (st, slash ? slash + 1 : path, data, size, false);
}

static int
plan_upload (struct linux_state *st, const char *value)
{
  CLEANUP_FREE char *data = NULL;
  CLEANUP_FREE char *host = NULL;
  const char *to = strrchr (value, ':');
  bool executable;
  size_t size;

  if (!to || to == value || !safe_path (to + 1)) {
    report_error (st->gst->report, "bad-option",
                  "upload=%s: write FILE:PATH, where PATH is an absolute "
                  "name in the guest",
                  value);
    return -1;
  }
  host = strndup (value, to - value);
  if (!host) {
    linux_oom (st);
    return -1;
  }
  if (host_read (st, "upload", host, MAX_UPLOAD, &data, &size, &executable) ==
      -1)
    return -1;
  return conf_put (st, to + 1, data, size, executable ? 0755 : 0644,
                   "asked for by the user");
}

int
user_plan (struct linux_state *st)
{
  size_t i;

  for (i = 0; i < st->opts->nr_options; i++) {
    const struct linux_option *o = &st->opts->options[i];
    int r = 0;

    if (strcmp (o->name, "firstboot") == 0)
      r = plan_firstboot (st, o->value);
    else if (strcmp (o->name, "upload") == 0)
      r = plan_upload (st, o->value);
    if (r == -1)
      return -1;
  }
  return 0;
}
