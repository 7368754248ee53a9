/* SPDX-License-Identifier: BSD-3-Clause */

/* The items of an OVF, for ovf*.c.  Functions that return int return 0, or -1
 * with an error that names the line.
 */

#ifndef V2V_OVF_ITEMS_H
#define V2V_OVF_ITEMS_H

#include "machine.h"
#include "xml.h"

struct item {
  xmlNode *node;
  char *id, *parent, *subtype;
  unsigned type;
};

struct ovf {
  xmlNode *envelope, *system, *hardware;
  struct item *items;
  size_t nr;
};

/* Fill in the items of o->hardware; ovf_free_items in both cases. */
extern int ovf_collect (struct ovf *o, struct diag *d);
extern void ovf_free_items (struct ovf *o);

/* The text of the child NAME, or NULL; the caller frees. */
extern char *ovf_text (xmlNode *n, const char *name);
/* A number up to MOST; *R is not changed if there is none. */
extern int ovf_number (xmlNode *n, const char *name, uint64_t most, uint64_t *r,
                       struct diag *d);
/* The bytes of NUMBER in UNITS (NULL: of UNIT bytes), the WHAT of N. */
extern int
ovf_size (xmlNode *n, const char *what, const char *number, const char *units,
          uint64_t unit, uint64_t *r, struct diag *d);

/* Of a drive; *PARENT is the controller's item, or NULL. */
extern enum vm_controller
ovf_controller (const struct ovf *o, const struct item *i,
                const struct item **parent, struct diag *d);
/* The place of the item in a BootOrderSection, or 0. */
extern int ovf_boot_order (const struct ovf *o, const struct item *i);

#endif /* V2V_OVF_ITEMS_H */
