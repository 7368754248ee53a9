/* SPDX-License-Identifier: BSD-3-Clause */

/* From a disk image to a plan of how its bytes are read. */

#ifndef V2V_IMAGE_H
#define V2V_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "container.h"
#include "diag.h"
#include "plan.h"

struct image_options {
  bool allow_backing; /* backing files, data files, parents */
};

/* Check the image B (the member NAME of C; C = NULL: on a server, then it must
 * stand alone) and fill in the plan.  0, or -1 with an error.  plan_free in both cases.
 */
extern int
image_plan (struct container *c, const struct blob *b, const char *name,
            const char *format, const struct image_options *opts,
            struct plan *r, struct diag *d);

#endif /* V2V_IMAGE_H */
