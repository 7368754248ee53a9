/* SPDX-License-Identifier: BSD-3-Clause */

/* v2v-initrd add: the drivers of this machine's module directory into a
 * copy of an image.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "initrd-module.h"
#include "initrd-tool.h"
#include "initrd.h"
#include "v2v-utils.h"

static const char *const default_optional[] = { "virtio_net", NULL };

/* In the module directory on this machine. */
static int
read_module (void *opaque, const char *path, uint8_t **data, size_t *size)
{
  CLEANUP_FREE char *full = NULL;

  if (asprintf (&full, "%s/%s", (const char *)opaque, path) == -1) {
    full = NULL;
    return -1;
  }
  *data = tool_read_file (full, size, MODULE_MAX_SIZE);
  return *data ? 0 : -1;
}

static char *
index_text (const char *dir, const char *name)
{
  CLEANUP_FREE char *full = NULL;
  size_t size;

  if (asprintf (&full, "%s/%s", dir, name) == -1) {
    full = NULL;
    return NULL;
  }
  if (access (full, F_OK) == -1)
    return NULL;
  return (char *)tool_read_file (full, &size, (size_t)256 << 20);
}

/* Write the new image and prove it by what is then in the file. */
static int
write_image (const uint8_t *image, const struct initrd_plan *plan,
             const struct initrd_kernel *kernel, const char *const *wanted,
             const char *output)
{
  CLEANUP_FREE uint8_t *back = NULL;
  CLEANUP_FREE char *reason = NULL;
  CLEANUP_CLOSE int fd = -1;
  size_t size;

  fd = open (output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd == -1 || tool_write_all (fd, image, (size_t)plan->offset) == -1 ||
      tool_write_all (fd, plan->tail, plan->tail_size) == -1 ||
      fsync (fd) == -1) {
    tool_complain (output, strerror (errno));
    return TROUBLE;
  }
  back = tool_read_file (output, &size, (size_t)1 << 31);
  if (back == NULL)
    return TROUBLE;
  if (initrd_verify (back, size, image, (size_t)plan->offset, kernel, wanted,
                     &reason) == -1) {
    tool_complain (output, reason ? reason : "out of memory");
    return TROUBLE;
  }
  return 0;
}

int
tool_add (const struct tool_options *o, char **args)
{
  CLEANUP_FREE char *dep = NULL, *softdep = NULL, *builtin = NULL;
  CLEANUP_FREE char *alias = NULL, *dir = NULL;
  CLEANUP_FREE uint8_t *image = NULL;
  struct initrd_kernel kernel = { .read_module = read_module };
  struct initrd_plan plan;
  size_t size, i;
  int r = TROUBLE;

  if (o->kernel == NULL) {
    fprintf (stderr, "v2v-initrd: add needs --kernel VERSION\n");
    return TROUBLE;
  }
  if (asprintf (&dir, "%s%s", o->modules ? o->modules : "/lib/modules/",
                o->modules ? "" : o->kernel) == -1) {
    dir = NULL;
    return TROUBLE;
  }
  image = tool_read_file (args[0], &size, (size_t)1 << 31);
  if (image == NULL)
    return TROUBLE;
  kernel.version = o->kernel;
  kernel.opaque = dir;
  dep = index_text (dir, "modules.dep");
  kernel.modules_dep = dep;
  softdep = index_text (dir, "modules.softdep");
  kernel.modules_softdep = softdep;
  builtin = index_text (dir, "modules.builtin");
  kernel.modules_builtin = builtin;
  alias = index_text (dir, "modules.alias");
  kernel.modules_alias = alias;

  if (initrd_plan (image, size, &kernel, o->wanted, default_optional, &plan) ==
      -1) {
    tool_complain (args[0], plan.reason ? plan.reason : "out of memory");
    initrd_plan_free (&plan);
    return TROUBLE;
  }
  switch (plan.verdict) {
  case INITRD_PRESENT:
    printf ("nothing to do: %s\n", plan.reason);
    r = 0;
    break;
  case INITRD_REBUILD:
  case INITRD_IMPOSSIBLE:
    tool_complain (args[0], plan.reason);
    r = MISSING;
    break;
  case INITRD_APPEND:
    r = write_image (image, &plan, &kernel, o->wanted, args[1]);
    if (r == 0) {
      printf ("added %zu bytes:", plan.tail_size);
      for (i = 0; plan.added && plan.added[i]; ++i)
        printf (" %s", plan.added[i]);
      putchar ('\n');
    }
    break;
  }
  initrd_plan_free (&plan);
  return r;
}
