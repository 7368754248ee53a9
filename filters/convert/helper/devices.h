/* SPDX-License-Identifier: BSD-3-Clause */

/* The block devices of the guest as the appliance shows them, and what
 * the names that a guest's files use for them mean.
 *
 * The parsing and resolving below knows no libguestfs; devices_scan is
 * what asks the appliance.
 */

#ifndef V2V_DEVICES_H
#define V2V_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest;
struct vm;

enum device_kind {
  DEVICE_DISK,
  DEVICE_PARTITION,
  DEVICE_MD,
  DEVICE_LV,
  DEVICE_CRYPT
};

struct device {
  enum device_kind kind;
  char *name;           /* libguestfs' name: "/dev/sda1",
                                   "/dev/VG/LV", "/dev/mapper/NAME" */
  char *real;           /* the appliance kernel's, which can differ:
                                   "/dev/sdb1" */
  int disk;             /* index of its disk, -1 = several or none */
  unsigned part;        /* number of the partition, 0 = none */
  uint64_t start, size; /* in sectors of 512 bytes */
  /* What blkid says; NULL = nothing. */
  char *type, *usage, *uuid, *label;
  char *pttype; /* of a disk: "dos", "gpt" */
  char *partuuid, *partlabel, *parttype;
  char *dm_name, *dm_uuid; /* of LVs and opened LUKS */
  char *md_uuid;           /* of an array, as blkid writes it */
  char *md_name;           /* the link in /dev/md */
};

struct devices {
  struct device *v;
  size_t n;
  size_t nr_disks;
};

extern void devices_free (struct devices *d);

/* Ask the appliance for all of them; replaces what D holds.  NR_DISKS
 * disks were given to it.  Return 0, or -1 with the error reported.
 */
extern int devices_scan (struct guest *gst, struct devices *d, size_t nr_disks);

/* The scan's text (see devices.c), for devices_scan and tests.  Return 0,
 * or -1 when out of memory.
 */
extern int devices_parse (struct devices *d, const char *text, size_t nr_disks);

extern const struct device *
devices_find (const struct devices *d, const char *name);

/* Has NAME, the kernel's or the device mapper's, nothing in it that a shell
 * would act upon?
 */
extern bool devices_safe_name (const char *name);

/* VALUE as blkid meant it, before it escaped it (allocated). */
extern char *devices_unescape (const char *value);

/* A guest's tables that give names to devices; all may be NULL. */
struct device_names {
  const char *crypttab;    /* text of /etc/crypttab */
  const char *mdadm_conf;  /* text of mdadm.conf */
  const struct vm *source; /* serial numbers of the disks */
};

/* What SPEC (first field of fstab, root=, ...) means: UUID=, LABEL=,
 * PARTUUID=, PARTLABEL=, /dev/disk/by-*, /dev/mapper/NAME, /dev/VG/LV,
 * /dev/mdN, /dev/md/NAME, and names by ordinal: /dev/sdXN hdXN vdXN xvdXN
 * nvmeXnYpZ mmcblkXpY cciss/cXdYpZ ida/… rd/….  NULL if it cannot be told.
 * *GUESSED is set if the order of the disks was relied upon.
 */
extern const struct device *
devices_resolve (const struct devices *d, const struct device_names *names,
                 const char *spec, bool *guessed);

/* The size of sectors for which the partition table in FIRST (the first LEN
 * bytes of a disk) was written: 512 or 4096, as the place of a GPT says; 0
 * if there is none.  An MBR does not tell.
 */
extern unsigned devices_table_sector (const uint8_t *first, size_t len);

/* How many sectors of 512 bytes that table needs the disk to have; 0 if
 * there is none.
 */
extern uint64_t devices_table_end (const uint8_t *first, size_t len);

#endif /* V2V_DEVICES_H */
