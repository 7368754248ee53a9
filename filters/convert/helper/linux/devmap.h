/* SPDX-License-Identifier: BSD-3-Clause */

/* Names that a guest gives its disks, and what stands for them on any
 * bus.  See devname.c and devmap.c.
 */

#ifndef V2V_LINUX_DEVMAP_H
#define V2V_LINUX_DEVMAP_H

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

enum devfamily {
  DEV_SD,
  DEV_HD,
  DEV_VD,
  DEV_XVD,
  DEV_NVME,
  DEV_CCISS,
  DEV_PATH, /* /dev/disk/by-path/...-scsi-0:0:N:0 */
  DEV_ID,   /* /dev/disk/by-id/ of a whole disk, or of multipath */
};
#define DEV_FAMILIES 8

struct devname {
  enum devfamily family;
  unsigned index; /* by the name: sdb = 1; DEV_ID: 0 */
  unsigned part;  /* 0 = the whole disk */
  struct span id; /* DEV_ID: the disk's own name, in NAME */
};

/* True if NAME is a disk or a partition of one, by a name that depends
 * on the bus or on the disk's make.  CD-ROMs, floppies, LVM, MD, mapper
 * names and everything by UUID or label are not.
 */
extern bool devname_parse (struct span name, struct devname *out);

/* Take the partition off the name of a multipath device, which has at least
 * LEAST bytes before it: "-part1", "_part1" or "p1"; "1" alone only with
 * BARE_DIGITS, where the name itself cannot end so.  *PART is 0 if there is
 * none.  False if it cannot be a name.
 */
extern bool
devname_suffix (struct span *s, size_t least, bool bare_digits, unsigned *part);

enum devbus {
  DEVBUS_UNKNOWN,
  DEVBUS_IDE,
  DEVBUS_SCSI /* and SATA */,
  DEVBUS_NVME,
  DEVBUS_VIRTIO,
  DEVBUS_XEN,
};

struct devid {
  char uuid[64];     /* of the file system, "" = none */
  char partuuid[64]; /* "" = none */
  char fstype[32];   /* as blkid says it, "" = none */
};

#define DEVMAP_MAX_DISKS 64
#define DEVMAP_MAX_IDS 32
#define DEVMAP_ID_SIZE 128

struct devmap {
  unsigned nr_disks; /* at most DEVMAP_MAX_DISKS are used */
  enum devbus bus[DEVMAP_MAX_DISKS];
  const char *serial[DEVMAP_MAX_DISKS]; /* NULL = not known */
  /* Names that the guest gave to multipath devices, one a line. */
  struct span aliases;
  /* KVM's serial port in place of Xen's consoles, "ttyS0"; NULL: those are
   * left as they are.
   */
  const char *console;

  /* Where "/" is, if it is a partition; -1 = not known. */
  int root_disk, root_part;

  /* What is on partition PART (0 = whole disk) of DISK.  Return 1, 0 if
   * there is no such partition, -1 on error.  PARTUUID may be left empty
   * if it is not wanted and there is a UUID: that one can be cheaper.
   */
  int (*identify) (void *opaque, unsigned disk, unsigned part,
                   bool want_partuuid, struct devid *id);
  /* NAME looks like a disk but cannot be told which.  May be NULL. */
  void (*unknown) (void *opaque, struct span name);
  void *opaque;

  /* Of devmap_solve: ORDER[F][I] is the disk that family F calls number
   * I; COUNT[F] = 0 if the family's names cannot be told apart.
   */
  unsigned order[DEV_FAMILIES][DEVMAP_MAX_DISKS];
  unsigned count[DEV_FAMILIES];
  unsigned xvd_first; /* 4 where names begin with xvde */
  /* Which disk each name by id is. */
  char ids[DEVMAP_MAX_IDS][DEVMAP_ID_SIZE];
  unsigned id_disk[DEVMAP_MAX_IDS];
  unsigned nr_ids;
};

/* Work out the orders.  FSTAB is the guest's fstab, the evidence. */
extern void devmap_solve (struct devmap *map, struct span fstab);

/* Return 1 with the place, 0 if NAME is no disk's name, -1 if it is one
 * but cannot be told which.
 */
extern int devmap_find (struct devmap *map, struct span name, unsigned *disk,
                        unsigned *part);

enum devform {
  DEVFORM_TAG,      /* UUID=..., else PARTUUID= */
  DEVFORM_PARTTAG,  /* PARTUUID=..., which needs no initrd */
  DEVFORM_PATH,     /* /dev/disk/by-uuid/..., or by-partuuid */
  DEVFORM_PARTPATH, /* /dev/disk/by-partuuid/... first */
  DEVFORM_NAME,     /* the name on virtio-blk: /dev/vda1 */
};

/* Append what stands for NAME.  Return 1 if something else than NAME was
 * appended, 0 if NAME itself.  What has neither UUID nor PARTUUID becomes
 * the name that virtio-blk gives it.
 */
extern int devmap_put (struct devmap *map, struct span name, enum devform form,
                       struct text *out);

#endif /* V2V_LINUX_DEVMAP_H */
