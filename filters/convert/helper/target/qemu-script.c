/* SPDX-License-Identifier: BSD-3-Clause */

/* Lines of the script for QEMU: whatever is not a literal is quoted here. */

#include <config.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu.h"
#include "v2v-utils.h"

void
qemu_put (struct script *s, const char *text)
{
  if (fputs (text, s->fp) == EOF)
    s->failed = true;
}

void
qemu_args (struct script *s, const char *first, ...)
{
  const char *w, *space = "";
  va_list ap;

  qemu_put (s, "args+=(");
  va_start (ap, first);
  for (w = first; w; w = va_arg (ap, const char *)) {
    CLEANUP_FREE char *q = target_shell_quote (w);

    if (q == NULL || fprintf (s->fp, "%s%s", space, q) < 0)
      s->failed = true;
    space = " ";
  }
  va_end (ap);
  qemu_put (s, ")\n");
}

void
qemu_arg (struct script *s, const char *option, const char *fmt, ...)
{
  CLEANUP_FREE char *w = NULL, *q = NULL;
  va_list ap;

  va_start (ap, fmt);
  if (vasprintf (&w, fmt, ap) == -1)
    w = NULL;
  va_end (ap);
  if (w)
    q = target_shell_quote (w);
  if (q == NULL || fprintf (s->fp, "args+=(%s %s)\n", option, q) < 0)
    s->failed = true;
}

char *
qemu_commas (const char *str)
{
  char *ret = malloc (strlen (str) * 2 + 1), *q = ret;

  if (ret == NULL)
    return NULL;
  for (; *str; ++str) {
    if (*str == ',')
      *q++ = ',';
    *q++ = *str;
  }
  *q = '\0';
  return ret;
}
