/* SPDX-License-Identifier: BSD-3-Clause */

/* Reading XML that is not trusted: no network, no document type, no
 * entities.  Elements and attributes are found by their local names,
 * because the namespaces of OVF differ between versions and vendors.
 */

#ifndef V2V_XML_H
#define V2V_XML_H

#include <libxml/tree.h>

#include "diag.h"

/* NULL with an error that names the line. */
extern xmlDoc *xml_parse (const char *text, size_t len, struct diag *d);

/* The first child element NAME of N, or the next one after it: loops are
 *   for (c = xml_child (n, "x"); c; c = xml_next (c))
 * N may be NULL.
 */
extern xmlNode *xml_child (xmlNode *n, const char *name);
extern xmlNode *xml_next (xmlNode *n);
/* "a/b/c" below N: the first of each. */
extern xmlNode *xml_path (xmlNode *n, const char *path);
/* The first descendant NAME in document order. */
extern xmlNode *xml_find (xmlNode *n, const char *name);

/* Text and attributes, without blanks around; the caller frees.  NULL if N
 * is NULL, or there is none, or it is empty.
 */
extern char *xml_text (xmlNode *n);
extern char *xml_attr (xmlNode *n, const char *name);
extern unsigned xml_line (xmlNode *n);

#endif /* V2V_XML_H */
