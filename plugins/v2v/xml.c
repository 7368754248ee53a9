/* SPDX-License-Identifier: BSD-3-Clause */

#include <config.h>

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#include "v2v-utils.h"
#include "xml.h"

/* Called at <!DOCTYPE: nothing that we read has one. */
static void
refuse_doctype (void *opaque, const xmlChar *name, const xmlChar *id,
                const xmlChar *system)
{
  xmlParserCtxt *ctxt = opaque;
  bool *seen = ctxt->_private;

  (void)name;
  (void)id;
  (void)system;
  *seen = true;
  xmlStopParser (ctxt);
}

xmlDoc *
xml_parse (const char *text, size_t len, struct diag *d)
{
  xmlParserCtxt *ctxt;
  xmlDoc *doc = NULL;
  bool doctype = false;

  if (len > INT_MAX) {
    diag_error (d, "larger than 2 GiB");
    return NULL;
  }
  ctxt = xmlNewParserCtxt ();
  if (ctxt == NULL) {
    diag_memory (d);
    return NULL;
  }
  ctxt->_private = &doctype;
  ctxt->sax->internalSubset = refuse_doctype;
  ctxt->sax->externalSubset = NULL;
  doc = xmlCtxtReadMemory (ctxt, text, (int)len, NULL, NULL,
                           XML_PARSE_NONET | XML_PARSE_NOERROR |
                             XML_PARSE_NOWARNING | XML_PARSE_NOCDATA);
  if (doctype)
    diag_error (d, "line %d: a document type (<!DOCTYPE>) is refused",
                ctxt->input ? ctxt->input->line : 1);
  else if (doc == NULL || !ctxt->wellFormed) {
    const xmlError *e = xmlCtxtGetLastError (ctxt);
    const char *message = e && e->message ? e->message : "damaged";

    diag_error (d, "line %d: not valid XML: %.*s", e ? e->line : 1,
                (int)strcspn (message, "\n"), message);
  }
  else if (xmlDocGetRootElement (doc) == NULL)
    diag_error (d, "an empty document");
  if (d->error && doc) {
    xmlFreeDoc (doc);
    doc = NULL;
  }
  xmlFreeParserCtxt (ctxt);
  return doc;
}

static xmlNode *
same_name (xmlNode *n, const char *name)
{
  for (; n; n = n->next)
    if (n->type == XML_ELEMENT_NODE &&
        strcmp ((const char *)n->name, name) == 0)
      return n;
  return NULL;
}

xmlNode *
xml_child (xmlNode *n, const char *name)
{
  return n ? same_name (n->children, name) : NULL;
}

xmlNode *
xml_next (xmlNode *n)
{
  return same_name (n->next, (const char *)n->name);
}

xmlNode *
xml_path (xmlNode *n, const char *path)
{
  char name[64];

  while (n && *path) {
    size_t len = strcspn (path, "/");

    len = V2V_MIN (len, sizeof name - 1);
    memcpy (name, path, len);
    name[len] = '\0';
    n = xml_child (n, name);
    path += len;
    path += *path == '/';
  }
  return n;
}

/* The parser limits the depth to 256, so recursion is bounded. */
xmlNode *
xml_find (xmlNode *n, const char *name)
{
  xmlNode *c, *r;

  for (c = n ? n->children : NULL; c; c = c->next) {
    if (c->type != XML_ELEMENT_NODE)
      continue;
    if (strcmp ((const char *)c->name, name) == 0)
      return c;
    r = xml_find (c, name);
    if (r)
      return r;
  }
  return NULL;
}

static char *
trimmed (xmlChar *text)
{
  static const char blanks[] = " \t\r\n";
  char *s = (char *)text, *r = NULL;
  size_t n;

  if (s) {
    s += strspn (s, blanks);
    n = strlen (s);
    while (n > 0 && strchr (blanks, s[n - 1]))
      n--;
    if (n > 0)
      r = strndup (s, n);
  }
  xmlFree (text);
  return r;
}

char *
xml_text (xmlNode *n)
{
  return n ? trimmed (xmlNodeGetContent (n)) : NULL;
}

char *
xml_attr (xmlNode *n, const char *name)
{
  xmlAttr *a;

  for (a = n ? n->properties : NULL; a; a = a->next)
    if (strcmp ((const char *)a->name, name) == 0)
      return trimmed (xmlNodeListGetString (n->doc, a->children, 1));
  return NULL;
}

unsigned
xml_line (xmlNode *n)
{
  long line = n ? xmlGetLineNo (n) : 0;

  return line > 0 ? line : 0;
}
