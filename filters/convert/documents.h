/* SPDX-License-Identifier: BSD-3-Clause */

/* The documents that a conversion makes: held in memory, served as
 * read-only exports "v2v/NAME", written to v2v-metadata-dir.
 */

#ifndef V2V_DOCUMENTS_H
#define V2V_DOCUMENTS_H

#include <stddef.h>
#include <stdint.h>

struct document {
  char *name; /* "report.json" */
  char *data;
  size_t size;
};

struct document_list {
  struct document *docs;
  size_t nr;
};

/* Largest document that is taken. */
#define DOCUMENT_MAX (64 * 1024 * 1024)

/* Add a document; the list owns DATA (allocated) from now on, even on
 * failure.  0 or -1 (out of memory).
 */
extern int documents_add (struct document_list *list, const char *name,
                          char *data, size_t size);

/* Read the regular files of DIR whose names look like documents
 * ([a-z0-9][a-z0-9.-]*, at most 64 bytes).  0, or -1 with errno.
 */
extern int documents_load (struct document_list *list, const char *dir);

/* Write each into DIR, by a temporary name and rename.  0, or -1 with
 * errno.
 */
extern int documents_save (const struct document_list *list, const char *dir);

extern const struct document *
documents_find (const struct document_list *list, const char *name);
extern void documents_free (struct document_list *list);

#endif /* V2V_DOCUMENTS_H */
