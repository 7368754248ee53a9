/* SPDX-License-Identifier: BSD-3-Clause */

/* Where disks and drives are, what they are called, and which one boots.
 *
 * Invariants, which the writers and the tests rely on:
 *
 * 1. Every fixed disk of the facts is in the model, in order.  None is
 *    ever dropped: where its bus is full or the machine does not have it,
 *    the disk moves to another bus and a warning says so.
 * 2. (bus, unit) and dev are unique over disks and removable drives.
 *    SATA and SCSI share the names sdX, so that a name is given once, to
 *    whoever asks first.
 * 3. Boot orders are 1..n without gaps, first the boot disk.
 * 4. Removable drives that had a slot get it, or else the next free one;
 *    those without come after.  No drive sits on a bus that would need a
 *    driver the guest may lack: CD-ROMs are on IDE or SATA, and on SCSI
 *    only if the disks are there too.
 */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "v2v-utils.h"

/* The chipsets' own IDE controllers have four units. */
#define IDE_UNITS 4

struct alloc {
  struct model *m;
  bool *unit[NR_BUSES]; /* which are taken */
  bool *name[NR_BUSES]; /* by name; SATA's are in SCSI's */
  unsigned max;
};

static const char *const prefix[NR_BUSES] = {
  [BUS_VIRTIO] = "vd", [BUS_SCSI] = "sd",   [BUS_IDE] = "hd",
  [BUS_SATA] = "sd",   [BUS_FLOPPY] = "fd",
};

static void
device_name (char dev[16], enum bus bus, unsigned i)
{
  char letters[8];
  size_t n = sizeof letters;

  /* a .. z, aa .. zz, aaa ..: 26 digits without a zero. */
  letters[--n] = '\0';
  do {
    letters[--n] = 'a' + i % 26;
    i = i / 26;
  } while (i-- > 0 && n > 0);
  snprintf (dev, 16, "%s%s", prefix[bus], letters + n);
}

static void
place (struct alloc *a, enum bus bus, unsigned wanted, unsigned *unit,
       char dev[16])
{
  enum bus names = bus == BUS_SATA ? BUS_SCSI : bus;
  unsigned u, n;

  for (u = wanted; a->unit[bus][u]; ++u)
    ;
  a->unit[bus][u] = true;
  for (n = u; a->name[names][n]; ++n)
    ;
  a->name[names][n] = true;
  *unit = u;
  device_name (dev, bus, n);
}

static enum bus
disk_bus (struct alloc *a)
{
  struct model *m = a->m;
  unsigned i;

  switch (m->facts->block) {
  case TARGET_BLOCK_VIRTIO_SCSI:
    return BUS_SCSI;
  case TARGET_BLOCK_IDE:
    if (m->machine == TARGET_MACHINE_Q35)
      return BUS_SATA;
    if (m->machine == TARGET_MACHINE_VIRT) {
      model_warn (m, "target-bus",
                  "This machine has no IDE: the disk is on "
                  "virtio-scsi and the guest may not find it.");
      return BUS_SCSI;
    }
    for (i = 0; i < IDE_UNITS; ++i)
      if (!a->unit[BUS_IDE][i])
        return BUS_IDE;
    model_warn (m, "target-bus",
                "IDE has four units: the disk after them is "
                "on SATA.");
    return BUS_SATA;
  case TARGET_BLOCK_VIRTIO_BLK:
  default:
    return BUS_VIRTIO;
  }
}

static bool
has_control (const char *s)
{
  for (; *s; ++s)
    if ((unsigned char)*s < 0x20 || *s == 0x7f)
      return true;
  return false;
}

static int
place_disks (struct alloc *a, const struct vm *source, bool *oom, char **error)
{
  struct model *m = a->m;
  const struct target_facts *f = m->facts;
  size_t i;

  for (i = 0; i < f->nr_disks; ++i) {
    const struct target_disk *t = &f->disks[i];
    struct model_disk *d = &m->disks[i];
    const char *serial = t->serial;

    if (t->path == NULL || *t->path == '\0')
      return target_error (error, "disk %zu has no path", i);
    if (t->format == NULL || strcmp (t->format, "raw") == 0)
      d->format = "raw";
    else if (strcmp (t->format, "qcow2") == 0)
      d->format = "qcow2";
    else
      return target_error (error,
                           "disk %zu: format \"%s\" is neither raw nor "
                           "qcow2",
                           i, t->format);
    d->facts = t;
    d->size = t->size;
    d->uri = nbd_uri_is (t->path);
    if (!d->uri && t->path[0] != '/' && strstr (t->path, "://"))
      return target_error (error,
                           "disk %zu: \"%s\" is neither a path nor an "
                           "NBD URI",
                           i, t->path);
    /* A path is bytes, and must stay what it is or be refused. */
    d->path = text_utf8 (t->path, oom);
    if (d->path && (strcmp (d->path, t->path) != 0 || has_control (d->path)))
      return target_error (error,
                           "the path of disk %zu is not UTF-8 or has "
                           "control characters: choose another",
                           i);
    d->pool = d->uri ? NULL : text_utf8 (t->pool, oom);
    if (serial == NULL && source && i < source->nr_disks)
      serial = source->disks[i].serial;
    d->serial = model_copy_word (serial, oom);
    if (serial && *serial && !d->serial && !*oom)
      model_warn (m, "target-serial",
                  "The serial number of disk %zu has "
                  "characters that cannot be kept: it is left out.",
                  i);
    d->bus = disk_bus (a);
    if (d->bus != BUS_IDE && d->bus != BUS_SATA)
      d->sector = t->sector_size;
    else if (t->sector_size != 0)
      model_warn (m, "target-sectors",
                  "Disk %zu needs sectors of %u bytes, but on IDE and SATA "
                  "they have 512: its partitions will not be found.",
                  i, t->sector_size);
    place (a, d->bus, 0, &d->unit, d->dev);
  }
  return 0;
}

static void
place_removables (struct alloc *a, const struct vm *source)
{
  struct model *m = a->m;
  size_t i, n = 0;
  int pass;

  if (source == NULL)
    return;
  for (pass = 0; pass < 2; ++pass)
    for (i = 0; i < source->nr_removables; ++i) {
      const struct vm_removable *r = &source->removables[i];
      struct model_removable *d = &m->removables[n];
      bool slotted = r->slot >= 0 && r->slot < 256;
      unsigned wanted = slotted ? (unsigned)r->slot : 0, u;

      if (slotted != (pass == 0))
        continue;
      d->kind = r->kind;
      if (r->kind == VM_FLOPPY) {
        if (!m->x86) {
          model_warn (m, "target-floppy",
                      "This machine has no floppy drive: "
                      "it is left out.");
          continue;
        }
        d->bus = BUS_FLOPPY;
      }
      else if (m->machine == TARGET_MACHINE_VIRT ||
               (m->facts->block == TARGET_BLOCK_VIRTIO_SCSI &&
                (r->controller == VM_CONTROLLER_SCSI ||
                 r->controller == VM_CONTROLLER_VIRTIO_SCSI)))
        d->bus = BUS_SCSI;
      else if (m->machine == TARGET_MACHINE_Q35)
        d->bus = BUS_SATA;
      else
        d->bus = BUS_IDE;

      if (d->bus == BUS_IDE || d->bus == BUS_FLOPPY) {
        unsigned units = d->bus == BUS_IDE ? IDE_UNITS : 2, free_unit = units;

        for (u = 0; u < units; ++u)
          if (!a->unit[d->bus][u] && (free_unit == units || u == wanted))
            free_unit = u;
        if (free_unit == units) {
          model_warn (m, "target-drive",
                      "There is no room for one of the "
                      "source's removable drives: it is left out.");
          continue;
        }
        u = free_unit;
      }
      else
        u = wanted;
      place (a, d->bus, u, &d->unit, d->dev);
      if (slotted && d->unit != wanted)
        model_warn (m, "target-drive",
                    "The slot of a removable drive is "
                    "taken by a disk: the drive may get another name.");
      n++;
    }
  m->nr_removables = n;
}

int
model_set_disks (struct model *m, const struct vm *source, bool *oom,
                 char **error)
{
  const struct target_facts *f = m->facts;
  size_t nr_removables = source ? source->nr_removables : 0;
  struct alloc a = { .m = m };
  int i, r = -1;

  m->disks = calloc (f->nr_disks + 1, sizeof *m->disks);
  m->removables = calloc (nr_removables + 1, sizeof *m->removables);
  a.max = f->nr_disks + nr_removables + 257;
  for (i = 0; i < NR_BUSES; ++i) {
    a.unit[i] = calloc (a.max, sizeof (bool));
    a.name[i] = calloc (a.max, sizeof (bool));
    if (a.unit[i] == NULL || a.name[i] == NULL)
      *oom = true;
  }
  if (m->disks == NULL || m->removables == NULL)
    *oom = true;
  if (!*oom) {
    m->nr_disks = f->nr_disks;
    r = place_disks (&a, source, oom, error);
    if (r == 0)
      place_removables (&a, source);
  }
  for (i = 0; i < NR_BUSES; ++i) {
    free (a.unit[i]);
    free (a.name[i]);
  }
  return r;
}

void
model_warn_sectors (const struct model *m, const char *target)
{
  size_t i;

  for (i = 0; i < m->nr_disks; ++i)
    if (m->disks[i].sector != 0)
      model_warn (m, "target-sectors",
                  "%s cannot be told that disk %zu needs sectors of %u bytes: "
                  "its partitions will not be found there.",
                  target, i, m->disks[i].sector);
}

unsigned
model_bus_size (const struct model *m, enum bus bus)
{
  unsigned n = 0;
  size_t i;

  for (i = 0; i < m->nr_disks; ++i)
    if (m->disks[i].bus == bus && m->disks[i].unit >= n)
      n = m->disks[i].unit + 1;
  for (i = 0; i < m->nr_removables; ++i)
    if (m->removables[i].bus == bus && m->removables[i].unit >= n)
      n = m->removables[i].unit + 1;
  return n;
}

/* The boot disk if the conversion found it; else by the source's order;
 * else as they come.  The next of those that have no place yet is the one
 * with the lowest order of the source, and 0 is behind all others.
 */
void
model_set_boot_order (struct model *m, const struct vm *source)
{
  const struct target_facts *f = m->facts;
  unsigned next = 1;
  size_t i, best;

  if (f->boot_disk >= 0 && (size_t)f->boot_disk < m->nr_disks)
    m->disks[f->boot_disk].boot = next++;
#define ORDER(array, nr, i) \
  (source && (i) < source->nr && source->array[i].boot_order > 0 \
     ? (unsigned)source->array[i].boot_order \
     : UINT32_MAX)
  for (; next <= m->nr_disks; ++next) {
    best = m->nr_disks;
    for (i = 0; i < m->nr_disks; ++i)
      if (m->disks[i].boot == 0 &&
          (best == m->nr_disks ||
           ORDER (disks, nr_disks, i) < ORDER (disks, nr_disks, best)))
        best = i;
    if (best == m->nr_disks) /* cannot happen: invariant 3 */
      return;
    m->disks[best].boot = next;
  }
  /* NICs only if the source booted from them, behind the disks: what was
   * converted is on the disks.
   */
  for (;;) {
    best = m->nr_nics;
    for (i = 0; i < m->nr_nics; ++i)
      if (m->nics[i].boot == 0 && ORDER (nics, nr_nics, i) != UINT32_MAX &&
          (best == m->nr_nics ||
           ORDER (nics, nr_nics, i) < ORDER (nics, nr_nics, best)))
        best = i;
    if (best == m->nr_nics)
      return;
    m->nics[best].boot = next++;
  }
#undef ORDER
}
