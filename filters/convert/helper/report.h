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

/* PROGRESS_FD is -1 for none (it stays the caller's); HUMAN asks for lines
 * on stderr.  NULL when out of memory.  Times count from this call.
 */
extern struct report *report_new (int progress_fd, int human);
extern void report_free (struct report *r);

/* Steps nest no deeper than one.  NAME is stable ("inspect"), TEXT is for
 * people ("Inspecting the guest").
 */
extern void report_step (struct report *r, const char *name, const char *text);
extern void report_step_end (struct report *r);

extern void report_info (struct report *r, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));
extern void report_warning (struct report *r, const char *code, const char *fmt,
                            ...) __attribute__ ((format (printf, 3, 4)));
/* The first error is the one that is given as the result. */
extern void report_error (struct report *r, const char *code, const char *fmt,
                          ...) __attribute__ ((format (printf, 3, 4)));

/* A change of the guest.  BEFORE and AFTER are SHA-256 in hex, or NULL
 * for "was not there" and "is not there".
 */
extern void
report_change (struct report *r, const char *path, const char *action,
               const char *why, const char *before, const char *after);

/* A fact for report.json, "key" in section "section". */
extern void report_fact (struct report *r, const char *section, const char *key,
                         const char *value);

/* Items done out of TOTAL in the current step. */
extern void report_progress (struct report *r, uint64_t done, uint64_t total);

/* Name a file that was written into the output directory; the names are
 * given with the result.
 */
extern void report_document (struct report *r, const char *name);

/* A mount of the guest (report.json, "mounts"). */
extern void
report_mount (struct report *r, const char *mountpoint, const char *device,
              const char *fstype, const char *uuid);

/* report.json as text (allocated), and the final line.  STATUS is "ok"
 * or "failed".
 */
extern char *report_to_json (struct report *r);
extern void report_result (struct report *r);
extern int report_failed (const struct report *r);
/* From now on the only error is CODE with MESSAGE (both static): what
 * fails next is a consequence.  Any thread.
 */
extern void
report_stop (struct report *r, const char *code, const char *message);
/* Seconds since report_new. */
extern double report_seconds (const struct report *r);

#endif /* V2V_REPORT_H */
