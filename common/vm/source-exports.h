/* SPDX-License-Identifier: BSD-3-Clause */

/* What the plugin v2v tells our filters, besides what nbdkit does.
 *
 * nbdkit loads modules into one namespace, the plugin first, so that a
 * filter that declares these functions weak finds them, or NULL if the
 * plugin is another one.
 */

#ifndef V2V_SOURCE_EXPORTS_H
#define V2V_SOURCE_EXPORTS_H

#ifdef V2V_SOURCE_EXPORTS_WEAK
#define V2V_SOURCE_LINKAGE __attribute__ ((weak, visibility ("default")))
#else
#define V2V_SOURCE_LINKAGE __attribute__ ((visibility ("default")))
#endif

/* From now on, whatever opens the plugin in this thread gets the export
 * NAME; with NULL, the one that nbdkit tells, as in the beginning.  Before
 * nbdkit 1.43.9 a context that a filter opens by itself does not tell the
 * export's name, nor does one that a filter opens anew (nbdkit-retry-filter)
 * in a thread that is not the connection's.  NAME is copied; a thread that
 * ends calls it with NULL first.
 */
extern void v2v_source_thread_export (const char *name) V2V_SOURCE_LINKAGE;

#ifdef V2V_SOURCE_EXPORTS_WEAK
/* The same, whichever plugin it is: nothing if it is not ours. */
static inline void
v2v_tell_export (const char *name)
{
  if (v2v_source_thread_export)
    v2v_source_thread_export (name);
}
#endif

/* The names of the exports, NULL-terminated: the disks in their order,
 * then documents, whose names begin with "v2v/".  Valid from .get_ready
 * until the plugin is unloaded.
 */
extern const char *const *v2v_source_exports (void) V2V_SOURCE_LINKAGE;

#endif /* V2V_SOURCE_EXPORTS_H */
