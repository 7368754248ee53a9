/* SPDX-License-Identifier: BSD-3-Clause */

/* Runs v2v-convert-helper and reads its JSON lines.  Knows neither nbdkit
 * nor what a conversion is.
 */

#ifndef V2V_SUPERVISOR_H
#define V2V_SUPERVISOR_H

#include <stdbool.h>

enum helper_event_type {
  HELPER_STEP, /* a step begins: name, message */
  HELPER_STEP_END,
  HELPER_PROGRESS, /* done, total */
  HELPER_INFO,     /* message */
  HELPER_WARNING,  /* code, message */
  HELPER_ERROR,    /* code, message */
};

struct helper_event {
  enum helper_event_type type;
  const char *name, *code, *message; /* "" if there is none */
  double done, total;
};

struct supervisor_options {
  char *const *argv;     /* argv[0] is the program; NULL-ended.
                                   "--progress-fd" "3" must be in it */
  const char *tmpdir;    /* TMPDIR of the helper */
  unsigned timeout;      /* seconds for all, 0 = no limit */
  unsigned step_timeout; /* seconds without a line, 0 = no limit */
  /* Polled about ten times a second: true ends the helper. */
  bool (*should_stop) (void *opaque);
  void (*event) (void *opaque, const struct helper_event *ev);
  void *opaque;
};

struct supervisor_result {
  bool ok;
  char *code;    /* stable code of the failure (allocated) */
  char *message; /* sentence for people (allocated) */
};

/* Run the helper to its end.  Success needs a final result line that says
 * so and exit status 0.  When this returns the helper's process group is
 * gone.  Must be called in a thread that lives until then, because the
 * helper is told when that thread ends (PR_SET_PDEATHSIG).
 */
extern void supervisor_run (const struct supervisor_options *opts,
                            struct supervisor_result *result);
extern void supervisor_result_free (struct supervisor_result *result);

#endif /* V2V_SUPERVISOR_H */
