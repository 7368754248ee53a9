/* SPDX-License-Identifier: BSD-3-Clause */

/* The disks and drives of libvirt's domain XML, for domain.c. */

#ifndef V2V_DOMAIN_DISK_H
#define V2V_DOMAIN_DISK_H

#include "machine.h"
#include "xml.h"

/* Add the <disk> N of DEVICES to M, as a disk or a removable drive.  0, or -1
 * with an error that names the line.
 */
extern int domain_get_disk (xmlNode *devices, xmlNode *n, struct machine *m,
                            struct diag *d);
/* <boot order=N/> of a device, or 0. */
extern int domain_boot_order (xmlNode *n);

#endif /* V2V_DOMAIN_DISK_H */
