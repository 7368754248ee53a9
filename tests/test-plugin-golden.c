/* SPDX-License-Identifier: BSD-3-Clause */

/* Golden descriptions: every document in fuzz/seeds/vmx, ovf and libvirt is
 * parsed, and what comes out (the JSON form, where the disks are, warnings,
 * or the error) is compared with tests/plugin/DOCUMENT.out.
 *
 * usage: [V2V_SRCDIR=DIR] test-plugin-golden [--update]
 */

#include <config.h>

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"

static const char *const kinds[] = {
  "file", "path", "blank", "volume", "nbd", "http", "ssh", "vddk",
};

static const char *const fails[] = { "", "error", "warn", "print" };

static void
warn (void *opaque, const char *message)
{
  fprintf (opaque, "warning: %s\n", message);
}

static char *
slurp (const char *path, size_t *len)
{
  FILE *f = fopen (path, "r");
  char *p = NULL;
  size_t size;
  FILE *m = f ? open_memstream (&p, &size) : NULL;
  char buf[4096];
  size_t n;

  if (m == NULL)
    return NULL;
  while ((n = fread (buf, 1, sizeof buf, f)) > 0)
    fwrite (buf, 1, n, m);
  fclose (f);
  fclose (m);
  *len = size;
  return p;
}

static char *
describe (const char *name, const char *text, size_t len)
{
  struct machine m = { 0 };
  struct diag d = { .warn = warn };
  const char *end = strrchr (name, '.');
  char *out = NULL, *json, *error;
  size_t size, i;
  FILE *f = open_memstream (&out, &size);
  int r;

  d.opaque = f;
  if (strcmp (end, ".vmx") == 0)
    r = vmx_parse (text, len, "fallback", &m, &d);
  else if (strcmp (end, ".ovf") == 0)
    r = ovf_parse (text, len, "fallback", &m, &d);
  else
    r = domain_parse (text, len, &m, &d);
  if (r == -1)
    fprintf (f, "error: %s\n", d.error);
  else {
    json = vm_to_json (m.vm, &error);
    fputs (json ? json : error, f);
    free (json);
    for (i = 0; i < m.nr_refs; ++i) {
      const struct disk_ref *ref = &m.refs[i];

      fprintf (f, "disk%zu: line %u: %s", i, ref->line, kinds[ref->kind]);
      if (ref->pool)
        fprintf (f, " pool \"%s\"", ref->pool);
      if (ref->location)
        fprintf (f, " \"%s\"", ref->location);
      fprintf (f, " format %s%s", ref->format ? ref->format : "by name",
               ref->gzip ? " gzip" : "");
      if (ref->chunk_size)
        fprintf (f, " chunks of %" PRIu64, ref->chunk_size);
      if (ref->capacity)
        fprintf (f, " capacity %" PRIu64, ref->capacity);
      if (ref->checksum.fail)
        fprintf (f, " checksum line %u %s %s \"%s\"", ref->checksum.line,
                 fails[ref->checksum.fail],
                 ref->checksum.method ? ref->checksum.method : "-",
                 ref->checksum.text ? ref->checksum.text : "");
      fputc ('\n', f);
    }
  }
  machine_free (&m);
  diag_clear (&d);
  fclose (f);
  return out;
}

static int
document (const struct dirent *e)
{
  const char *p = strrchr (e->d_name, '.');

  return p && (strcmp (p, ".vmx") == 0 || strcmp (p, ".ovf") == 0
               || strcmp (p, ".xml") == 0);
}

static int
run_dir (const char *srcdir, const char *kind, bool update, int *points)
{
  char dir[4096], path[8192];
  struct dirent **list;
  int n, i, failed = 0;

  snprintf (dir, sizeof dir, "%s/fuzz/seeds/%s", srcdir, kind);
  n = scandir (dir, &list, document, alphasort);
  if (n < 10) {
    printf ("Bail out! only %d documents in %s\n", n, dir);
    exit (1);
  }
  for (i = 0; i < n; ++i) {
    size_t len = 0, want_len;
    char *text, *got, *want;

    snprintf (path, sizeof path, "%s/%s", dir, list[i]->d_name);
    text = slurp (path, &len);
    got = describe (list[i]->d_name, text, len);
    snprintf (path, sizeof path, "%s/tests/plugin/%s.out", srcdir,
              list[i]->d_name);
    if (update) {
      FILE *f = fopen (path, "w");

      if (f) {
        fputs (got, f);
        fclose (f);
      }
    }
    want = slurp (path, &want_len);
    if (want && strcmp (want, got) == 0)
      printf ("ok %d - %s\n", ++*points, list[i]->d_name);
    else {
      printf ("not ok %d - %s\n", ++*points, list[i]->d_name);
      fprintf (stderr, "got:\n%swanted:\n%s", got, want ? want : "(none)\n");
      failed = 1;
    }
    free (text);
    free (got);
    free (want);
    free (list[i]);
  }
  free (list);
  return failed;
}

int
main (int argc, char *argv[])
{
  bool update = argc > 1 && strcmp (argv[1], "--update") == 0;
  const char *srcdir = getenv ("V2V_SRCDIR");
  int failed = 0, points = 0;

  if (srcdir == NULL)
    srcdir = ".";
  failed |= run_dir (srcdir, "vmx", update, &points);
  failed |= run_dir (srcdir, "ovf", update, &points);
  failed |= run_dir (srcdir, "libvirt", update, &points);
  printf ("1..%d\n", points);
  return failed;
}
