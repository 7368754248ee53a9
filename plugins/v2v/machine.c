/* SPDX-License-Identifier: BSD-3-Clause */

#include <config.h>

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"
#include "v2v-utils.h"

int
machine_init (struct machine *m, struct diag *d)
{
  memset (m, 0, sizeof *m);
  m->vm = vm_new ();
  return m->vm ? 0 : diag_memory (d);
}

void
machine_free (struct machine *m)
{
  size_t i;

  vm_free (m->vm);
  for (i = 0; i < m->nr_refs; ++i) {
    free (m->refs[i].location);
    free (m->refs[i].pool);
    free (m->refs[i].format);
    free (m->refs[i].checksum.method);
    free (m->refs[i].checksum.text);
  }
  free (m->refs);
  free (m->datacenter);
  free (m->moref);
  memset (m, 0, sizeof *m);
}

struct vm_disk *
machine_add_disk (struct machine *m, struct disk_ref **ref, struct diag *d)
{
  struct disk_ref *r = reallocarray (m->refs, m->nr_refs + 1, sizeof *r);
  struct vm_disk *disk;

  if (r == NULL) {
    diag_memory (d);
    return NULL;
  }
  m->refs = r;
  disk = vm_add_disk (m->vm);
  if (disk == NULL) {
    diag_error (d, "too many disks: %m");
    return NULL;
  }
  *ref = &r[m->nr_refs++];
  memset (*ref, 0, sizeof **ref);
  return disk;
}

int
set_string (char **p, const char *s, const char *what, struct diag *d)
{
  static const char blanks[] = " \t\r\n\v\f";
  size_t len;

  free (*p);
  *p = NULL;
  if (s == NULL)
    return 0;
  s += strspn (s, blanks);
  len = strlen (s);
  while (len > 0 && strchr (blanks, s[len - 1]))
    len--;
  if (len == 0)
    return 0;
  if (!vm_utf8_valid (s, len))
    return diag_error (d, "%s: the text is not valid UTF-8", what);
  *p = strndup (s, len);
  return *p ? 0 : diag_memory (d);
}

int
set_lower (char **p, const char *s, const char *what, struct diag *d)
{
  char *q;

  if (set_string (p, s, what, d) == -1)
    return -1;
  for (q = *p; q && *q; ++q)
    if (*q >= 'A' && *q <= 'Z')
      *q += 'a' - 'A';
  return 0;
}

int
set_mac (char **p, const char *s, struct diag *d)
{
  size_t i;
  bool zero = true;

  if (set_lower (p, s, "MAC address", d) == -1)
    return -1;
  if (*p == NULL)
    return 0;
  for (i = 0; (*p)[i]; ++i) {
    if ((*p)[i] == '-' && i % 3 == 2)
      (*p)[i] = ':';
    if (i >= 17 ||
        (i % 3 == 2 ? (*p)[i] != ':' : !isxdigit ((unsigned char)(*p)[i])))
      break;
    if (i % 3 != 2 && (*p)[i] != '0')
      zero = false;
  }
  if (i != 17 || (*p)[i])
    diag_warn (d, "\"%s\" is not a MAC address: ignored", s);
  if (i != 17 || (*p)[i] || zero) {
    free (*p);
    *p = NULL;
  }
  return 0;
}

bool
uuid_text (const char *s, char r[37])
{
  size_t n = 0;

  for (; *s; ++s) {
    if (strchr (" -{}", *s))
      continue;
    if (!isxdigit ((unsigned char)*s) || n >= 36)
      return false;
    r[n++] = tolower ((unsigned char)*s);
    if (n == 8 || n == 13 || n == 18 || n == 23)
      r[n++] = '-';
  }
  r[n] = '\0';
  return n == 36;
}

bool
whole_number (const char *s, uint64_t *r)
{
  char *end;

  s += strspn (s, " \t\r\n");
  if (*s < '0' || *s > '9')
    return false;
  errno = 0;
  *r = strtoull (s, &end, s[0] == '0' && (s[1] | 0x20) == 'x' ? 16 : 10);
  end += strspn (end, " \t\r\n");
  return errno == 0 && *end == '\0';
}

void
set_topology (struct vm *vm, uint64_t cores, const char *what, struct diag *d)
{
  if (cores == 0 || cores > vm->vcpus || vm->vcpus % cores != 0) {
    diag_warn (d,
               "%s: %" PRIu64 " cores per socket do not divide %u CPUs: "
               "ignored",
               what, cores, vm->vcpus);
    return;
  }
  vm->cpu_sockets = vm->vcpus / cores;
  vm->cpu_cores = cores;
  vm->cpu_threads = 1;
}

int
take_string (char **p, char *s, const char *what, struct diag *d)
{
  int r = set_string (p, s, what, d);

  free (s);
  return r;
}
