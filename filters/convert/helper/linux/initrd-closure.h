/* SPDX-License-Identifier: BSD-3-Clause */

/* What a set of drivers needs, by the guest's own index files. */

#ifndef V2V_INITRD_CLOSURE_H
#define V2V_INITRD_CLOSURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "initrd-module.h"

struct initrd_kernel;

/* A module of the closure. */
struct closure_module {
  const struct module *module; /* name, path and line of modules.dep */
  const char *image_path;      /* of the image's own file of it, or NULL:
                                   it is added */
  char *new_path;              /* path in the image once added */
  uint8_t *data;               /* uncompressed, if it is added */
  size_t size;
};

/* Zero it to begin with. */
struct closure {
  struct closure_module *modules;
  size_t n, alloc;
};

/* Add NAME, what its line of modules.dep names, and its soft dependencies
 * as far as they exist as modules.  1 if NAME is (now) in the closure, 0
 * if there is no such module, -1 when out of memory.
 */
extern int closure_add (struct closure *c, const struct initrd_kernel *kernel,
                        const struct module_list *list, const char *name);

extern struct closure_module *
closure_find (const struct closure *c, const char *name);
extern void closure_free (struct closure *c);

#endif /* V2V_INITRD_CLOSURE_H */
