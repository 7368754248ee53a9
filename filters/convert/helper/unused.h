/* SPDX-License-Identifier: BSD-3-Clause */

/* What of a guest's disks no system can want, besides what the file systems
 * do not use: the contents of swap spaces, and the extents of volume groups
 * that no logical volume has.
 *
 * These are the parsers; they know no libguestfs.  trim.c gives the space
 * back.
 */

#ifndef V2V_UNUSED_H
#define V2V_UNUSED_H

#include <stddef.h>
#include <stdint.h>

/* The header of a swap space is a page, of 64 KiB on some architectures. */
#define UNUSED_SWAP_HEADER 65536

/* Where the swap space ends, in bytes, that has FIRST (LEN bytes) at its
 * beginning and is on a device of SIZE bytes; 0 if no system would use it as
 * it is: other byte order, larger than the device, a hibernation image.
 */
extern uint64_t
unused_swap_end (const uint8_t *first, size_t len, uint64_t size);

struct unused_range {
  char *device;         /* as lvm calls it */
  uint64_t start, size; /* bytes */
};

struct unused_ranges {
  struct unused_range *v; /* those of one device are neighbours */
  size_t n;
};

/* The fields that lvm is to print, with '|' between them, numbers as sectors
 * without a unit, and sorted by UNUSED_LVM_ORDER.
 */
#define UNUSED_LVM_FIELDS \
  "pv_name,pv_attr,vg_uuid,vg_attr,vg_extent_size,pe_start,pv_pe_count," \
  "dev_size,pvseg_start,pvseg_size,segtype,lv_uuid"
#define UNUSED_LVM_ORDER "pv_name,pvseg_start"

/* The free extents in TEXT, what `lvm pvs --segments` printed, and its
 * messages.  Volume groups are left out that are incomplete, exported, shared
 * or read-only, and volumes that may not be allocated from.
 * Return 0; or -1, with nothing in R, if there is anything in TEXT that we do
 * not understand, and be it a warning: then lvm's view is not relied upon.
 */
extern int unused_extents (const char *text, struct unused_ranges *r);

extern void unused_ranges_free (struct unused_ranges *r);

#endif /* V2V_UNUSED_H */
