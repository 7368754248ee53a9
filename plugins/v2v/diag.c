/* SPDX-License-Identifier: BSD-3-Clause */

#include <config.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "diag.h"
#include "v2v-utils.h"

int
diag_error (struct diag *d, const char *fmt, ...)
{
  va_list ap;

  if (d->error)
    return -1;
  va_start (ap, fmt);
  if (vasprintf (&d->error, fmt, ap) == -1)
    d->error = NULL;
  va_end (ap);
  return -1;
}

int
diag_prefix (struct diag *d, const char *prefix)
{
  char *s;

  if (d->error && asprintf (&s, "%s: %s", prefix, d->error) != -1) {
    free (d->error);
    d->error = s;
  }
  return -1;
}

int
diag_memory (struct diag *d)
{
  return diag_error (d, "out of memory");
}

void
diag_warn (struct diag *d, const char *fmt, ...)
{
  CLEANUP_FREE char *s = NULL;
  va_list ap;

  if (d->warn == NULL)
    return;
  va_start (ap, fmt);
  if (vasprintf (&s, fmt, ap) == -1)
    s = NULL;
  va_end (ap);
  if (s)
    d->warn (d->opaque, s);
}

void
diag_clear (struct diag *d)
{
  free (d->error);
  d->error = NULL;
}
