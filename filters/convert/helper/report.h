/* SPDX-License-Identifier: BSD-3-Clause */

/* What the helper tells its supervisor (JSON lines on --progress-fd, see
 * v2v-convert-helper(1)) and what it puts into report.json.
 *
 * Every warning and error has a stable code: lower case, words joined by
 * dashes ("no-operating-system").  Messages are sentences for people.
 */

#ifndef V2V_REPORT_H
#define V2V_REPORT_H

#include <stddef.h>
#include <stdint.h>

struct report;

extern struct report *report_new (int progress_fd, int human);
extern void report_free (struct report *r);

/* Steps nest no deeper than one.  NAME is stable ("inspect"), TEXT is for
 * people ("Inspecting the guest").
 */
extern void report_step (struct report *r, const char *name,
                         const char *text);
extern void report_step_end (struct report *r);

extern void report_info (struct report *r, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));
extern void report_warning (struct report *r, const char *code,
                            const char *fmt, ...)
  __attribute__ ((format (printf, 3, 4)));
/* The first error is the one that is given as the result. */
extern void report_error (struct report *r, const char *code,
                          const char *fmt, ...)
  __attribute__ ((format (printf, 3, 4)));

/* A change of the guest.  BEFORE and AFTER are SHA-256 in hex, or NULL
 * for "was not there" and "is not there".
 */
extern void report_change (struct report *r, const char *path,
                           const char *action, const char *why,
                           const char *before, const char *after);

/* A fact for report.json, "key" in section "section". */
extern void report_fact (struct report *r, const char *section,
                         const char *key, const char *value);

/* report.json as text (allocated), and the final line.  STATUS is "ok"
 * or "failed".
 */
extern char *report_to_json (struct report *r);
extern void report_result (struct report *r);
extern int report_failed (const struct report *r);

#endif /* V2V_REPORT_H */
