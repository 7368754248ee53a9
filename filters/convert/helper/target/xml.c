/* SPDX-License-Identifier: BSD-3-Clause */

#include <config.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/xmlwriter.h>

#include "model.h"
#include "v2v-utils.h"
#include "xml.h"

struct xml {
  xmlBufferPtr buf;
  xmlTextWriterPtr w;
  bool failed;
};

struct xml *
xmlw_new (void)
{
  struct xml *x = calloc (1, sizeof *x);

  if (x == NULL)
    return NULL;
  x->buf = xmlBufferCreate ();
  if (x->buf)
    x->w = xmlNewTextWriterMemory (x->buf, 0);
  if (x->w == NULL || xmlTextWriterSetIndent (x->w, 1) < 0 ||
      xmlTextWriterSetIndentString (x->w, BAD_CAST "  ") < 0 ||
      xmlTextWriterStartDocument (x->w, NULL, "UTF-8", NULL) < 0)
    x->failed = true;
  return x;
}

void
xmlw_free (struct xml *x)
{
  if (x == NULL)
    return;
  if (x->w)
    xmlFreeTextWriter (x->w);
  if (x->buf)
    xmlBufferFree (x->buf);
  free (x);
}

/* XML 1.0 has no way to write most control characters. */
static char *
clean (struct xml *x, const char *s)
{
  char *ret = text_utf8 (s, &x->failed), *p;

  for (p = ret; p && *p; ++p)
    if ((unsigned char)*p < 0x20 && *p != '\t' && *p != '\n')
      *p = '_';
  return ret;
}

void
xmlw_attr (struct xml *x, const char *name, const char *value)
{
  CLEANUP_FREE char *s = NULL;

  if (x->failed || value == NULL)
    return;
  s = clean (x, value);
  if (s == NULL ||
      xmlTextWriterWriteAttribute (x->w, BAD_CAST name, BAD_CAST s) < 0)
    x->failed = true;
}

static void
start (struct xml *x, const char *name, va_list ap)
{
  const char *attr;

  if (x->failed)
    return;
  if (xmlTextWriterStartElement (x->w, BAD_CAST name) < 0)
    x->failed = true;
  while ((attr = va_arg (ap, const char *)) != NULL)
    xmlw_attr (x, attr, va_arg (ap, const char *));
}

void
xmlw_open (struct xml *x, const char *name, ...)
{
  va_list ap;

  va_start (ap, name);
  start (x, name, ap);
  va_end (ap);
}

void
xmlw_close (struct xml *x)
{
  if (!x->failed && xmlTextWriterEndElement (x->w) < 0)
    x->failed = true;
}

void
xmlw_leaf (struct xml *x, const char *name, ...)
{
  va_list ap;

  va_start (ap, name);
  start (x, name, ap);
  va_end (ap);
  xmlw_close (x);
}

void
xmlw_content (struct xml *x, const char *text)
{
  CLEANUP_FREE char *s = NULL;

  if (x->failed)
    return;
  s = clean (x, text);
  if (s == NULL || xmlTextWriterWriteString (x->w, BAD_CAST s) < 0)
    x->failed = true;
}

void
xmlw_text (struct xml *x, const char *name, const char *fmt, ...)
{
  CLEANUP_FREE char *s = NULL;
  va_list ap;

  if (x->failed)
    return;
  va_start (ap, fmt);
  if (vasprintf (&s, fmt, ap) == -1) {
    s = NULL;
    x->failed = true;
  }
  va_end (ap);
  if (s == NULL)
    return;
  if (xmlTextWriterStartElement (x->w, BAD_CAST name) < 0)
    x->failed = true;
  xmlw_content (x, s);
  xmlw_close (x);
}

int
xmlw_finish (struct xml *x, char **text, size_t *len, char **error)
{
  int r = -1;

  if (x->failed || xmlTextWriterEndDocument (x->w) < 0 ||
      xmlTextWriterFlush (x->w) < 0)
    target_error (error, "libxml2 could not write the document");
  else {
    *len = xmlBufferLength (x->buf);
    *text = malloc (*len + 1);
    if (*text == NULL)
      target_error (error, "out of memory");
    else {
      memcpy (*text, xmlBufferContent (x->buf), *len);
      (*text)[*len] = '\0';
      r = 0;
    }
  }
  xmlw_free (x);
  return r;
}
