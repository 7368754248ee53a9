/* SPDX-License-Identifier: BSD-3-Clause */

/* The command line of v2v-convert-helper. */

#ifndef V2V_OPTIONS_H
#define V2V_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "inspection.h"
#include "keys.h"
#include "linux/linux.h"
#include "target/target.h"

struct options {
  char **uris; /* in argv */
  size_t nr_uris;
  const char *source; /* path of vm.json, or NULL */
  const char *output;
  int progress_fd; /* -1 = none */
  const char *root;
  struct keys keys;
  unsigned memsize, smp;
  bool dry_run, verbose, trim;
  enum fsck_policy fsck;
  struct linux_option *linux_options;
  size_t nr_linux_options;
  struct target_options target;
};

/* Return 0; 1 if the program has done what was asked (--help); -1 with a
 * message on stderr.
 */
extern int options_parse (struct options *o, int argc, char *argv[]);
extern void options_free (struct options *o);

#endif /* V2V_OPTIONS_H */
