/* SPDX-License-Identifier: BSD-3-Clause */

/* The parts of the writer of the script for QEMU (qemu.c). */

#ifndef V2V_TARGET_QEMU_H
#define V2V_TARGET_QEMU_H

#include <stdio.h>

#include "model.h"

struct script {
  FILE *fp;
  const struct model *m;
  char *aux; /* stem of the script's own files */
  bool failed;
};

/* qemu-script.c.  A failure is kept in S->failed. */

/* Verbatim lines: only for what is known when this is compiled. */
extern void qemu_put (struct script *s, const char *text);
/* args+=(WORD...): each word is quoted; the last argument is NULL. */
extern void
qemu_args (struct script *s, const char *first, ...) __attribute__ ((sentinel));
/* args+=(OPTION WORD), WORD formatted and then quoted. */
extern void qemu_arg (struct script *s, const char *option, const char *fmt,
                      ...) __attribute__ ((format (printf, 3, 4)));
/* Double the commas: QEMU's own quoting inside an option.  Allocated, NULL
 * when out of memory.
 */
extern char *qemu_commas (const char *str);

/* qemu-firmware.c: nothing if the machine has none. */
extern void qemu_firmware (struct script *s);
extern void qemu_tpm (struct script *s);

#endif /* V2V_TARGET_QEMU_H */
