/* SPDX-License-Identifier: BSD-3-Clause */

/* The memory of struct vm; members.h says what its members are, vm-json.c
 * writes and reads it.
 *
 * Nothing here locks: a struct vm belongs to one thread at a time, or is
 * not changed.
 */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "members.h"
#include "v2v-utils.h"
#include "vm.h"

struct vm *
vm_new (void)
{
  struct vm *vm = calloc (1, sizeof *vm);

  if (vm)
    vm->display.port = -1;
  return vm;
}

/* Free the strings that MEMBERS name. */
static void
free_members (void *base, const struct members *members)
{
  size_t i;

  for (i = 0; i < members->nr; ++i)
    if (members->list[i].kind == STRING)
      free (*(char **)((char *)base + members->list[i].offset));
}

void
vm_free (struct vm *vm)
{
  size_t i;

  if (vm == NULL)
    return;
  for (i = 0; i < vm->nr_disks; ++i)
    free_members (&vm->disks[i], &vm_members_disk);
  for (i = 0; i < vm->nr_nics; ++i)
    free_members (&vm->nics[i], &vm_members_nic);
  for (i = 0; vm->features && vm->features[i]; ++i)
    free (vm->features[i]);
  free_members (&vm->display, &vm_members_display);
  free_members (vm, &vm_members_cpu);
  free_members (vm, &vm_members_tpm);
  free_members (vm, &vm_members_machine);
  free (vm->disks);
  free (vm->nics);
  free (vm->removables);
  free (vm->features);
  free (vm);
}

/* One more zeroed element at the end of an array of *N. */
static void *
append (void **array, size_t *n, size_t size)
{
  char *p;

  if (*n >= VM_MAX_ITEMS) {
    errno = E2BIG;
    return NULL;
  }
  p = reallocarray (*array, *n + 1, size);
  if (p == NULL)
    return NULL;
  *array = p;
  p += *n * size;
  memset (p, 0, size);
  ++*n;
  return p;
}

struct vm_disk *
vm_add_disk (struct vm *vm)
{
  char *name;
  struct vm_disk *d;

  if (asprintf (&name, "disk%zu", vm->nr_disks) == -1)
    return NULL;
  d = append ((void **)&vm->disks, &vm->nr_disks, sizeof *vm->disks);
  if (d == NULL) {
    free (name);
    return NULL;
  }
  d->name = name;
  return d;
}

struct vm_removable *
vm_add_removable (struct vm *vm)
{
  struct vm_removable *r = append ((void **)&vm->removables, &vm->nr_removables,
                                   sizeof *vm->removables);

  if (r)
    r->slot = -1;
  return r;
}

struct vm_nic *
vm_add_nic (struct vm *vm)
{
  return append ((void **)&vm->nics, &vm->nr_nics, sizeof *vm->nics);
}

int
vm_add_feature (struct vm *vm, const char *name)
{
  size_t n = 0;
  char **p, *copy;

  while (vm->features && vm->features[n]) {
    if (strcmp (vm->features[n], name) == 0)
      return 0;
    n++;
  }
  if (n >= VM_MAX_ITEMS) {
    errno = E2BIG;
    return -1;
  }
  copy = strdup (name);
  p = copy ? reallocarray (vm->features, n + 2, sizeof *p) : NULL;
  if (p == NULL) {
    free (copy);
    return -1;
  }
  p[n] = copy;
  p[n + 1] = NULL;
  vm->features = p;
  return 0;
}

bool
vm_utf8_valid (const char *s, size_t len)
{
  const unsigned char *p = (const unsigned char *)s, *end = p + len;
  static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };

  while (p < end) {
    uint32_t c = *p++;
    int more, i;

    if (c == 0)
      return false;
    if (c < 0x80)
      continue;
    if (c >= 0xc2 && c < 0xe0) {
      more = 1;
      c &= 0x1f;
    }
    else if (c >= 0xe0 && c < 0xf0) {
      more = 2;
      c &= 0x0f;
    }
    else if (c >= 0xf0 && c < 0xf5) {
      more = 3;
      c &= 0x07;
    }
    else
      return false;
    if (end - p < more)
      return false;
    for (i = 0; i < more; ++i, ++p) {
      if ((*p & 0xc0) != 0x80)
        return false;
      c = c << 6 | (*p & 0x3f);
    }
    if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
      return false;
  }
  return true;
}
