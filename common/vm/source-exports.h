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

/* Call just before opening a context on the plugin, in the same thread:
 * that open gets the export NAME.  Before nbdkit 1.43.9 a context that a
 * filter opens by itself does not tell the export's name; any other open
 * is told by nbdkit.
 */
extern void v2v_source_next_export (const char *name) V2V_SOURCE_LINKAGE;

/* The names of the exports, NULL-terminated: the disks in their order,
 * then documents, whose names begin with "v2v/".  Valid from .get_ready
 * until the plugin is unloaded.
 */
extern const char *const *v2v_source_exports (void) V2V_SOURCE_LINKAGE;

#endif /* V2V_SOURCE_EXPORTS_H */
