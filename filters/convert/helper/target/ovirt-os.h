/* SPDX-License-Identifier: BSD-3-Clause */

#ifndef V2V_TARGET_OVIRT_OS_H
#define V2V_TARGET_OVIRT_OS_H

#include "model.h"

struct ovirt_os {
  const char *name; /* static */
  int id;           /* of the engine, 0 = none */
};
/* "Unassigned" and 0, with a warning, if there is none. */
extern struct ovirt_os ovirt_os (const struct model *m);

/* The number of DSP0243's table that the engine maps from oVirt's ID. */
extern int ovirt_cim_os (int id);

/* 0 desktop, 1 server. */
extern int ovirt_vm_type (const struct model *m);

#endif /* V2V_TARGET_OVIRT_OS_H */
