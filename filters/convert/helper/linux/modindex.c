/* SPDX-License-Identifier: BSD-3-Clause */

/* Glue: what initrd.h wants to know about a kernel's modules. */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modindex.h"
#include "v2v-utils.h"

static int
read_module (void *opaque, const char *path, uint8_t **data, size_t *size)
{
  struct modindex *ix = opaque;
  CLEANUP_FREE char *full = NULL;
  char *bytes;
  int r;

  /* modules.dep is the guest's: stay in the module directory.  Paths are
   * absolute where depmod is old.
   */
  if (strstr (path, ".."))
    return -1;
  if (path[0] == '/')
    r = asprintf (&full, "%s", path);
  else
    r = asprintf (&full, "/lib/modules/%s/%s", ix->kernel.version, path);
  if (r == -1) {
    full = NULL;
    return -1;
  }
  if (guest_read (ix->st->gst, full, RAMDISK_MAX_MODULE, &bytes, size) != 1)
    return -1;
  *data = (uint8_t *)bytes;
  return 0;
}

void
modindex_free (struct modindex *ix)
{
  size_t i;

  for (i = 0; i < 4; i++) {
    free (ix->files[i].data);
    free (ix->paths[i]);
  }
}

const char *const ramdisk_optional[] = { "virtio_net", NULL };

/* The name of the file in LINE that begins at FROM: "virtio-blk.ko.xz"? */
static bool
is_module (struct span line, size_t from, const char *module)
{
  const size_t n = strlen (module);
  size_t i;

  if (line.n - from < n + 3 || memcmp (line.p + from + n, ".ko", 3) != 0)
    return false;
  for (i = 0; i < n; i++)
    if (line.p[from + i] != module[i] &&
        !(line.p[from + i] == '-' && module[i] == '_'))
      return false;
  return true;
}

bool
module_listed (const char *text, const char *module)
{
  struct span in, line, eol;

  if (!text)
    return false;
  in = span_of (text);
  while (span_line (&in, &line, &eol)) {
    const char *colon = memchr (line.p, ':', line.n);
    size_t i = colon ? (size_t)(colon - line.p) : line.n;

    while (i > 0 && line.p[i - 1] != '/')
      i--;
    if (is_module (line, i, module))
      return true;
  }
  return false;
}

/* A disk needs virtio_pci and virtio_blk.  Kernels before 3.4 have no
 * virtio_scsi, and old ones do not list what is built into them.
 */
static void
choose_wanted (struct modindex *ix)
{
  static const char *const if_any[] = { "virtio_scsi", "sd_mod" };
  size_t n = 0, i;

  ix->wanted[n++] = "virtio_pci";
  ix->wanted[n++] = "virtio_blk";
  for (i = 0; i < V2V_ARRAY_SIZE (if_any); i++)
    if (module_listed (ix->kernel.modules_dep, if_any[i]) ||
        module_listed (ix->kernel.modules_builtin, if_any[i]))
      ix->wanted[n++] = if_any[i];
  ix->wanted[n] = NULL;
}

int
modindex_read (struct linux_state *st, const char *kver, struct modindex *ix)
{
  static const char *const names[4] = {
    "modules.dep",
    "modules.softdep",
    "modules.builtin",
    "modules.alias",
  };
  size_t i;

  memset (ix, 0, sizeof *ix);
  ix->st = st;
  for (i = 0; i < 4; i++) {
    if (asprintf (&ix->paths[i], "/lib/modules/%s/%s", kver, names[i]) == -1) {
      ix->paths[i] = NULL;
      linux_oom (st);
      return -1;
    }
    ix->files[i].path = ix->paths[i];
  }
  if (guest_read_many (st->gst, ix->files, 4, RAMDISK_MAX_INDEX) == -1)
    return -1;
  ix->kernel = (struct initrd_kernel){
    .version = kver,
    .modules_dep = ix->files[0].data,
    .modules_softdep = ix->files[1].data,
    .modules_builtin = ix->files[2].data,
    .modules_alias = ix->files[3].data,
    .read_module = read_module,
    .opaque = ix,
  };
  choose_wanted (ix);
  return 0;
}
