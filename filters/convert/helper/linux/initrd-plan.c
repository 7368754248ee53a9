/* SPDX-License-Identifier: BSD-3-Clause */

/* Decide what an initrd needs, and make the bytes to append.
 *
 *  1. Wanted drivers that are built in are done.
 *  2. The image is read.  Those that its kmod would load are done.
 *  3. Those that the kernel does not have: impossible.
 *  4. Images that would not look at what is appended, or whose own
 *     configuration forbids the drivers, must be rebuilt by their tool.
 *  5. The rest: closure, modules, archive, in the last segment's format.
 *  6. Configuration files of the image that name disks as the old machine
 *     did are written into the archive, too (initrd-edit.c).
 *  7. The archive is applied to the image's tree, and must make every
 *     wanted driver load without having damaged anything, before it leaves
 *     this file.
 *
 * All memory of the image (two to five times its size) is freed before
 * returning; plan->tail is all that stays.
 */

#include <config.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "initrd-build.h"
#include "initrd-closure.h"
#include "initrd-edit.h"
#include "initrd-image.h"
#include "initrd-join.h"
#include "initrd-lookup.h"
#include "initrd-module.h"
#include "initrd.h"

/* Drivers of the network cards that hypervisors give their guests.  An
 * initrd that has one means to use the network before it has a root.
 */
static const char *const nic_drivers[] = {
  "vmxnet3",      "vmxnet",   "e1000",    "e1000e",    "igb",
  "igbvf",        "ixgbevf",  "iavf",     "pcnet32",   "8139cp",
  "8139too",      "ne2k_pci", "tulip",    "hv_netvsc", "netvsc",
  "xen_netfront", "xennet",   "xen_vnif", "sunhme",
};

/* Programs that load modules for devices by their aliases. */
static const char *const udev_programs[] = {
  "usr/lib/systemd/systemd-udevd",
  "lib/systemd/systemd-udevd",
  "usr/bin/udevadm",
  "bin/udevadm",
  "sbin/udevadm",
  "usr/sbin/udevadm",
  "sbin/udevd",
  "usr/sbin/udevd",
  "lib/udev/udevd",
  "usr/lib/udev/udevd",
  "sbin/nlplug-findfs",
  "usr/sbin/nlplug-findfs",
};

/* Images that dracut's squash modules mount over everything. */
static const char *const packed_roots[] = {
  "squash-root.img",
  "squashfs-root.img",
  "erofs-root.img",
  "squash/root.img",
};

struct planner {
  const struct initrd_kernel *kernel;
  struct initrd_plan *plan;
  struct initrd_image img;
  struct initrd_lookup lk;
  bool has_lookup;
  struct module_list list;
  struct closure closure;
  struct cpio_writer archive;
  const struct initrd_editor *editor; /* or NULL */
  struct initrd_edits edits;
  struct initrd_error e;
  const char *forbidden; /* by modprobe's configuration */
  /* Wanted drivers that are not built in. */
  char (*names)[MODULE_NAME_MAX];
  size_t nr_names;
};

void
initrd_plan_free (struct initrd_plan *plan)
{
  size_t i;

  for (i = 0; plan->added && plan->added[i]; ++i)
    free (plan->added[i]);
  for (i = 0; plan->edited && plan->edited[i]; ++i)
    free (plan->edited[i]);
  for (i = 0; plan->drivers && plan->drivers[i]; ++i)
    free (plan->drivers[i]);
  free (plan->edited);
  free (plan->added);
  free (plan->drivers);
  free (plan->reason);
  free (plan->tail);
  memset (plan, 0, sizeof *plan);
}

static int
append_string (char ***list, const char *s)
{
  char **p;
  size_t n;

  for (n = 0; *list && (*list)[n]; ++n)
    if (strcmp ((*list)[n], s) == 0)
      return 0;
  p = realloc (*list, (n + 2) * sizeof *p);
  if (p == NULL)
    return -1;
  *list = p;
  p[n + 1] = NULL;
  p[n] = strdup (s);
  return p[n] ? 0 : -1;
}

/* Conclude.  Takes the text out of E. */
static int
conclude (struct planner *p, enum initrd_verdict verdict)
{
  p->plan->verdict = verdict;
  p->plan->code = p->e.code;
  p->plan->reason = p->e.text;
  p->e.text = NULL;
  return p->plan->reason ? 0 : -1;
}

static int
add_name (struct planner *p, const char *name)
{
  void *q;

  q = realloc (p->names, (p->nr_names + 1) * sizeof p->names[0]);
  if (q == NULL)
    return -1;
  p->names = q;
  memcpy (p->names[p->nr_names++], name, MODULE_NAME_MAX);
  return 0;
}

/* The drivers for the persistence files, and p->names. */
static int
sort_wanted (struct planner *p, const char *const *wanted,
             const char *const *optional)
{
  char name[MODULE_NAME_MAX];

  for (; wanted && *wanted; ++wanted) {
    if (!module_name (*wanted, name) ||
        module_is_builtin (p->kernel->modules_builtin, name))
      continue;
    if (add_name (p, name) == -1)
      return -1;
    if (module_list_find (&p->list, name) &&
        append_string (&p->plan->drivers, name) == -1)
      return -1;
  }
  for (; optional && *optional; ++optional)
    if (module_name (*optional, name) &&
        !module_is_builtin (p->kernel->modules_builtin, name) &&
        module_list_find (&p->list, name) &&
        append_string (&p->plan->drivers, name) == -1)
      return -1;
  return 0;
}

/* Drop from p->names what the image has. */
static void
drop_present (struct planner *p)
{
  size_t i, n = 0;
  bool has;

  for (i = 0; i < p->nr_names; ++i) {
    has = p->has_lookup ? initrd_lookup_loads (&p->lk, p->names[i], NULL)
                        : initrd_tree_has_module (p->img.tree, p->names[i]);
    if (!has)
      memmove (p->names[n++], p->names[i], MODULE_NAME_MAX);
  }
  p->nr_names = n;
}

/* The guest's network card's driver in the image means that ours is
 * wanted too.
 */
static int
add_optional (struct planner *p, const char *const *optional)
{
  char name[MODULE_NAME_MAX];
  size_t i, n = sizeof nic_drivers / sizeof nic_drivers[0];

  if (!p->has_lookup)
    return 0;
  for (i = 0; i < n; ++i)
    if (initrd_lookup_file (&p->lk, nic_drivers[i]))
      break;
  if (i == n)
    return 0;
  for (; optional && *optional; ++optional)
    if (module_name (*optional, name) &&
        !module_is_builtin (p->kernel->modules_builtin, name) &&
        module_list_find (&p->list, name) && add_name (p, name) == -1)
      return -1;
  return 0;
}

static bool
exists (struct planner *p, const char *path)
{
  return initrd_tree_lookup (p->img.tree, path, true) != NULL;
}

static bool
has_udev (struct planner *p)
{
  size_t i;

  for (i = 0; i < sizeof udev_programs / sizeof udev_programs[0]; ++i)
    if (exists (p, udev_programs[i]))
      return true;
  return false;
}

static bool
is_nash (struct planner *p)
{
  static const char nash[] = "#!/bin/nash";
  struct initrd_node *n = initrd_tree_lookup (p->img.tree, "init", true);

  return exists (p, "bin/nash") ||
         (n && initrd_node_is_file (n) && n->inode->size >= sizeof nash - 1 &&
          memcmp (n->inode->data, nash, sizeof nash - 1) == 0);
}

static bool
in_closure (void *opaque, const char *name)
{
  struct planner *p = opaque;
  const struct closure_module *m = closure_find (&p->closure, name);

  if (m)
    p->forbidden = m->module->name;
  return m != NULL;
}

/* Families that appending does not help.  True: p->e says why. */
static bool
must_rebuild (struct planner *p)
{
  size_t i;

  for (i = 0; i < sizeof packed_roots / sizeof packed_roots[0]; ++i) {
    if (exists (p, packed_roots[i])) {
      initrd_error_set (&p->e, "initrd-squash",
                        "the initrd keeps its files in the image /%s",
                        packed_roots[i]);
      return true;
    }
  }
  if (is_nash (p)) {
    initrd_error_set (&p->e, "initrd-nash",
                      "the initrd loads a fixed list of modules (nash)");
    return true;
  }
  if (exists (p, "run_all.sh") && exists (p, "config")) {
    initrd_error_set (&p->e, "initrd-mkinitrd",
                      "the initrd loads a fixed list of modules (mkinitrd "
                      "of SUSE)");
    return true;
  }
  if (!p->has_lookup)
    return true; /* p->e is set already */
  if (initrd_tree_blacklists (p->img.tree, in_closure, p)) {
    initrd_error_set (&p->e, "initrd-blacklist",
                      "modprobe's configuration in the initrd forbids the "
                      "module %s",
                      p->forbidden);
    return true;
  }
  if (!has_udev (p) && !exists (p, "conf/modules")) {
    initrd_error_set (&p->e, "initrd-no-udev",
                      "the initrd has neither udev nor a list of modules "
                      "that could be extended");
    return true;
  }
  return false;
}

/* Read and check the modules that are to be added.  1, 0 (p->e: this
 * kernel's module is no good), -1 (p->e, or no memory).
 */
static int
read_modules (struct planner *p)
{
  struct closure_module *m;
  const char *err;
  size_t i;
  int r;

  for (i = 0; i < p->closure.n; ++i) {
    m = &p->closure.modules[i];
    if (m->image_path)
      continue;
    if (p->kernel->read_module (p->kernel->opaque, m->module->path, &m->data,
                                &m->size) == -1) {
      m->data = NULL;
      initrd_error_set (&p->e, "initrd-module",
                        "the module %s of kernel %s cannot be read",
                        m->module->path, p->kernel->version);
      return -1;
    }
    r = module_unpack (&m->data, &m->size, &err);
    if (r == -1)
      return -1;
    if (r == 0 ||
        /* Such are symlinks to modules of a kernel with the same ABI. */
        (strncmp (m->module->path, "weak-updates/", 13) != 0 &&
         !module_fits (m->data, m->size, p->kernel->version, &err))) {
      initrd_error_set (&p->e, "initrd-module",
                        "the module %s of kernel %s is no good: %s",
                        m->module->path, p->kernel->version, err);
      return 0;
    }
    if (append_string (&p->plan->added, m->module->name) == -1)
      return -1;
  }
  return 1;
}

/* Unpack our own archive into the image's tree and look.  1, 0, -1. */
static int
prove (struct planner *p)
{
  struct initrd_segment seg = {
    .format = INITRD_FORMAT_CPIO,
    .data = p->archive.buf.data,
    .size = p->archive.buf.size,
  };
  const struct initrd_edit *missing;
  const char *damage;
  char *why = NULL;
  size_t i;
  int r;

  initrd_lookup_free (&p->lk);
  p->has_lookup = false;
  initrd_tree_guard (p->img.tree);
  r = initrd_image_apply (&p->img, &seg, (unsigned)p->img.nr_segments, &p->e);
  if (r != 1)
    return r;
  damage = initrd_tree_damage (p->img.tree);
  if (damage) {
    initrd_error_set (&p->e, "initrd-layout",
                      "adding modules would damage /%s in the initrd", damage);
    return 0;
  }
  missing = initrd_edits_missing (p->img.tree, &p->edits);
  if (missing) {
    initrd_error_set (&p->e, "initrd-layout",
                      "/%s in the initrd cannot be replaced", missing->path);
    return 0;
  }
  if (p->nr_names == 0)
    return 1;
  r = initrd_lookup_open (p->img.tree, p->kernel->version, &p->lk, &p->e);
  if (r != 1)
    return r;
  p->has_lookup = true;
  for (i = 0; i < p->nr_names; ++i) {
    if (!initrd_lookup_loads (&p->lk, p->names[i], &why)) {
      initrd_error_set (&p->e, "initrd-layout", "%s cannot be made to load: %s",
                        p->names[i], why ? why : "out of memory");
      free (why);
      return 0;
    }
  }
  return 1;
}

static int
make_tail (struct planner *p)
{
  struct initrd_buf tail = { 0 };
  size_t i;
  int r;

  for (i = 0; i < p->edits.n; ++i)
    if (append_string (&p->plan->edited, p->edits.v[i].path) == -1)
      return -1;
  /* For images without modules. */
  p->lk.tree = p->img.tree;
  r = initrd_build (p->kernel, &p->lk, &p->closure, !has_udev (p), &p->edits,
                    &p->archive, &p->e);
  if (r == 1)
    r = prove (p);
  if (r == -1)
    return -1;
  if (r == 0)
    return conclude (p, INITRD_REBUILD);
  if (initrd_join (&p->img, p->archive.buf.data, p->archive.buf.size, &tail) ==
      -1) {
    initrd_buf_free (&tail);
    return -1;
  }
  p->plan->tail = tail.data;
  p->plan->tail_size = tail.size;
  p->plan->offset = p->img.end;
  initrd_error_set (&p->e, NULL,
                    p->nr_names > 0
                      ? "drivers are missing in the initrd"
                      : "files in the initrd name disks of the old machine");
  return conclude (p, INITRD_APPEND);
}

/* No driver is missing.  BUILTIN: none was looked for in the image. */
static int
make_edits (struct planner *p, bool builtin)
{
  int r;

  /* The index of modules is what the finished image is proved by. */
  if (p->edits.n > 0 && (p->has_lookup || builtin)) {
    r = make_tail (p);
    if (r == -1 || p->plan->verdict == INITRD_APPEND)
      return r;
    free (p->plan->reason);
    p->plan->reason = NULL;
  }
  initrd_error_set (&p->e, NULL,
                    builtin ? "the drivers are built into the kernel"
                            : "the drivers are in the initrd already");
  return conclude (p, INITRD_PRESENT);
}

static int
make_plan (struct planner *p, const uint8_t *image, size_t size,
           const char *const *wanted, const char *const *optional)
{
  struct initrd_error unreadable = { 0 };
  bool readable = true;
  size_t i;
  int r;

  if (module_list_parse (p->kernel->modules_dep ? p->kernel->modules_dep : "",
                         &p->list) == -1 ||
      sort_wanted (p, wanted, optional) == -1)
    return -1;
  if (p->nr_names == 0 && p->editor == NULL)
    return make_edits (p, true);

  r = initrd_image_read (image, size, SIZE_MAX, &p->img, &p->e);
  if (r == -1)
    return -1;
  if (r == 1 && initrd_edits_collect (p->img.tree, p->editor, &p->edits) == -1)
    return -1;
  if (p->nr_names == 0) {
    free (p->e.text);
    memset (&p->e, 0, sizeof p->e);
    return make_edits (p, true);
  }
  if (r == 1) {
    r = initrd_lookup_open (p->img.tree, p->kernel->version, &p->lk, &p->e);
    if (r == -1)
      return -1;
    p->has_lookup = r == 1;
    if (add_optional (p, optional) == -1)
      return -1;
    drop_present (p);
    if (p->nr_names == 0) {
      free (p->e.text);
      memset (&p->e, 0, sizeof p->e);
      return make_edits (p, false);
    }
  }
  else
    readable = false;
  unreadable = p->e;
  memset (&p->e, 0, sizeof p->e);

  for (i = 0; i < p->nr_names; ++i) {
    r = closure_add (&p->closure, p->kernel, &p->list, p->names[i]);
    if (r == 0) {
      free (unreadable.text);
      initrd_error_set (&p->e,
                        p->kernel->modules_dep ? "initrd-driver-missing"
                                               : "initrd-no-modules-dep",
                        p->kernel->modules_dep
                          ? "the kernel %s has no driver %s"
                          : "there is no modules.dep for kernel %s (looking "
                            "for %s)",
                        p->kernel->version, p->names[i]);
      return conclude (p, INITRD_IMPOSSIBLE);
    }
    if (r == -1)
      break;
  }
  if (r == -1) {
    free (unreadable.text);
    return -1;
  }
  p->e = unreadable;
  if (!readable || must_rebuild (p))
    return conclude (p, INITRD_REBUILD);

  if (initrd_build_paths (&p->lk, &p->closure) == -1)
    return -1;
  r = read_modules (p);
  if (r == -1)
    return -1;
  if (r == 0)
    return conclude (p, INITRD_IMPOSSIBLE);
  return make_tail (p);
}

int
initrd_plan (const uint8_t *image, size_t size,
             const struct initrd_kernel *kernel, const char *const *wanted,
             const char *const *optional, struct initrd_plan *plan)
{
  return initrd_plan_edited (image, size, kernel, wanted, optional, NULL, plan);
}

int
initrd_plan_edited (const uint8_t *image, size_t size,
                    const struct initrd_kernel *kernel,
                    const char *const *wanted, const char *const *optional,
                    const struct initrd_editor *editor,
                    struct initrd_plan *plan)
{
  struct planner p = { .kernel = kernel, .plan = plan, .editor = editor };
  int r;

  memset (plan, 0, sizeof *plan);
  r = make_plan (&p, image, size, wanted, optional);
  if (r == -1) {
    char *reason = p.e.code ? p.e.text : NULL;

    if (reason)
      p.e.text = NULL;
    initrd_plan_free (plan);
    plan->reason = reason ? reason : strdup ("out of memory");
    plan->code = reason ? p.e.code : "out-of-memory";
  }
  free (p.e.text);
  free (p.names);
  closure_free (&p.closure);
  module_list_free (&p.list);
  initrd_lookup_free (&p.lk);
  initrd_image_free (&p.img);
  initrd_edits_free (&p.edits);
  initrd_buf_free (&p.archive.buf);
  return r;
}
