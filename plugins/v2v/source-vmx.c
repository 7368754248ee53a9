/* SPDX-License-Identifier: BSD-3-Clause */

/* VMX files, here or over ssh. */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source-build.h"
#include "source-kinds.h"
#include "source-refs.h"
#include "source-server.h"
#include "url.h"
#include "v2v-utils.h"
#include "vmdk.h"

#define MAX_DESCRIPTOR (1024 * 1024)

static int
open_vmx (struct source *s, const struct source_options *opts, const char *path,
          struct diag *d)
{
  CLEANUP_FREE char *text = NULL, *stem = source_stem (path), *full = NULL;
  struct container *c;
  struct vm *vm;
  struct blob b;
  size_t len;

  if (stem == NULL)
    return diag_memory (d);
  if (source_read (s, opts, path, &c, &text, &len, d) == -1)
    return -1;
  if (vmx_parse (text, len, stem, &s->machine, d) == -1 ||
      source_add_refs (s, opts, c, NULL, d) == -1)
    return diag_prefix (d, path);

  /* The NVRAM as a path, if it is there. */
  vm = s->machine.vm;
  if (vm->nvram) {
    struct diag quiet = { 0 };
    const char *slash = strrchr (path, '/');

    if (container_find (c, NULL, vm->nvram, &b, &quiet) != 1)
      diag_warn (d, "nvram: \"%s\" is not there: ignored", vm->nvram);
    else if (asprintf (&full, "%.*s%s",
                       vm->nvram[0] == '/' ? 0 : (int)(slash - path + 1), path,
                       vm->nvram) == -1)
      full = NULL;
    diag_clear (&quiet);
    if (set_string (&vm->nvram, full, "nvram", d) == -1)
      return -1;
  }
  return 0;
}

/*--------------------------------------------------------------------
 * Over ssh.  Descriptors are read, and disks opened, before the server forks.
 */

/* PATH as a disk that has been opened. */
static struct disk *
open_ssh (struct source *s, const struct source_options *opts,
          const struct url *u, const char *path, unsigned nr_connections,
          uint64_t *size, struct diag *d)
{
  struct disk *disk = server_ssh (s, opts, u, path, nr_connections, d);

  if (disk && disk_size (disk, size) == -1) {
    diag_error (d, "%s: cannot be read over ssh (missing, or no access)", path);
    disk_free (disk);
    return NULL;
  }
  return disk;
}

static int
read_disk (struct disk *disk, uint64_t size, size_t limit, const char *path,
           char **text, struct diag *d)
{
  if (size > limit)
    return diag_error (d, "%s: larger than %zu bytes", path, limit);
  *text = malloc (size + 1);
  if (*text == NULL)
    return diag_memory (d);
  if (size > 0 && disk_pread (disk, *text, size, 0) == -1)
    return diag_error (d, "%s: cannot be read over ssh: %m", path);
  (*text)[size] = '\0';
  return 0;
}

/* "NAME" in the directory of the VMX. */
static char *
beside (const struct url *u, const char *name, struct diag *d)
{
  char *r;

  if (strchr (name, '/')) {
    diag_error (d, "\"%s\" is not in the directory of the VMX: refused", name);
    return NULL;
  }
  if (asprintf (&r, "%.*s%s", (int)(strrchr (u->path, '/') - u->path + 1),
                u->path, name) == -1) {
    diag_memory (d);
    return NULL;
  }
  return r;
}

/* The one flat extent that the descriptor TEXT of PATH names. */
static int
add_flat (struct source *s, const struct source_options *opts,
          const struct url *u, const char *path, const char *text, size_t len,
          struct diag *d)
{
  struct vmdk_descriptor desc = { 0 };
  CLEANUP_FREE char *flat = NULL;
  struct disk *disk;
  uint64_t size = 0;
  int r = -1;

  if (vmdk_parse_descriptor (text, len, &desc, d) == -1)
    goto out;
  if (desc.parent_cid != UINT32_MAX)
    diag_error (d, "a snapshot cannot be read over ssh: consolidate the "
                   "machine's disks first (\"Delete all snapshots\", or "
                   "vim-cmd vmsvc/snapshot.removeall on the host)");
  else if (desc.nr_extents != 1 || desc.extents[0].type != VMDK_FLAT ||
           desc.extents[0].offset != 0)
    diag_error (d, "of VMDKs with a descriptor of their own only those with "
                   "one flat extent can be read over ssh: copy the machine's "
                   "files to this host, or the disk with vmkfstools -i");
  else if ((flat = beside (u, desc.extents[0].name, d)) != NULL &&
           (disk = open_ssh (s, opts, u, flat, 1, &size, d)) != NULL) {
    if (size / 512 < desc.extents[0].sectors) {
      diag_error (d, "%s: shorter than its descriptor says", flat);
      disk_free (disk);
    }
    else {
      disk_rest (disk);
      r = source_add_disk (s, disk, d);
    }
  }
out:
  vmdk_free_descriptor (&desc);
  return r == -1 ? diag_prefix (d, path) : 0;
}

/* A disk of the VMX: a sparse file, or a descriptor. */
static int
add_ssh_vmdk (struct source *s, const struct source_options *opts,
              const struct url *u, const char *name, struct diag *d)
{
  CLEANUP_FREE char *path = beside (u, name, d), *text = NULL;
  struct disk *disk;
  uint64_t size;
  char magic[4];
  int r = -1;

  if (path == NULL)
    return -1;
  disk = open_ssh (s, opts, u, path, 2, &size, d);
  if (disk == NULL)
    return -1;
  if (size >= 4 && disk_pread (disk, magic, 4, 0) == -1)
    diag_error (d, "%s: cannot be read over ssh: %m", path);
  else if (size >= 4 && memcmp (magic, "KDMV", 4) == 0)
    return source_add_server_image (s, opts, disk, path, "vmdk", d);
  else if (read_disk (disk, size, MAX_DESCRIPTOR, path, &text, d) == 0)
    r = add_flat (s, opts, u, path, text, size, d);
  disk_free (disk);
  return r;
}

static int
open_ssh_vmx (struct source *s, const struct source_options *opts,
              const struct url *u, const char *url, struct diag *d)
{
  CLEANUP_FREE char *text = NULL, *stem = source_stem (u->path);
  struct disk *disk;
  uint64_t size;
  size_t i;
  int r;

  if (stem == NULL)
    return diag_memory (d);
  if (source_supervise (s, d) == -1)
    return -1;
  disk = open_ssh (s, opts, u, u->path, 1, &size, d);
  if (disk == NULL)
    return -1;
  r = read_disk (disk, size, MAX_DOCUMENT, u->path, &text, d);
  disk_free (disk);
  if (r == 0 && (r = vmx_parse (text, size, stem, &s->machine, d)) == -1)
    diag_prefix (d, url);
  for (i = 0; r == 0 && i < s->machine.nr_refs; ++i)
    r = add_ssh_vmdk (s, opts, u, s->machine.refs[i].location, d);
  if (r == 0) /* it is on the other host */
    r = set_string (&s->machine.vm->nvram, NULL, "nvram", d);
  return r;
}

int
source_vmx (struct source *s, const struct source_options *opts,
            const char *file, struct diag *d)
{
  static const char *const ssh[] = { "ssh", "sftp", NULL };
  struct url u;
  int r;

  if (!url_is (file))
    return open_vmx (s, opts, file, d);
  if (!url_has_scheme (file, ssh))
    return diag_error (d, "%s: a VMX file can be local or ssh://HOST/PATH",
                       file);
  r = url_parse (file, &u, d);
  if (r == 0)
    r = open_ssh_vmx (s, opts, &u, file, d);
  url_free (&u);
  return r;
}
