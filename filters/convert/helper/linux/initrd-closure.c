/* SPDX-License-Identifier: BSD-3-Clause */

/* The closure of a few drivers: a work list without recursion.  Lines of
 * modules.dep are complete already; their members are looked up again all
 * the same, which costs nothing and also finds soft dependencies of
 * dependencies.
 *
 * Soft dependencies name modules or aliases ("crypto-crc32c").  They are
 * soft: what is not there is left out.  Order does not matter here; it is
 * in the lines of the index.
 */

#include <config.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "initrd-closure.h"
#include "initrd.h"

void
closure_free (struct closure *c)
{
  size_t i;

  for (i = 0; i < c->n; ++i) {
    free (c->modules[i].new_path);
    free (c->modules[i].data);
  }
  free (c->modules);
  memset (c, 0, sizeof *c);
}

struct closure_module *
closure_find (const struct closure *c, const char *name)
{
  size_t i;

  /* A dozen entries. */
  for (i = 0; i < c->n; ++i)
    if (strcmp (c->modules[i].module->name, name) == 0)
      return &c->modules[i];
  return NULL;
}

/* Sanity: nothing real needs as many. */
#define MAX_CLOSURE 256
#define MAX_ALIAS_SEARCHES 64

struct work {
  struct closure *c;
  const struct initrd_kernel *kernel;
  const struct module_list *list;
  char alias[256];         /* a soft dependency that is no module */
  unsigned alias_searches; /* each reads all of modules.alias */
};

/* As closure_add, without looking at what NAME needs. */
static int
add_one (struct work *w, const char *name)
{
  struct closure *c = w->c;
  const struct module *m;

  if (closure_find (c, name))
    return 1;
  m = module_list_find (w->list, name);
  if (m == NULL || c->n >= MAX_CLOSURE)
    return 0;
  if (c->n == c->alloc) {
    size_t n = c->alloc ? c->alloc * 2 : 32;
    struct closure_module *p = realloc (c->modules, n * sizeof *p);

    if (p == NULL)
      return -1;
    c->modules = p;
    c->alloc = n;
  }
  memset (&c->modules[c->n], 0, sizeof c->modules[0]);
  c->modules[c->n++].module = m;
  return 1;
}

static bool
want_any (void *opaque, const char *name)
{
  (void)opaque;
  (void)name;
  return true;
}

static int
add_if_alias (void *opaque, const char *pattern, const char *name)
{
  struct work *w = opaque;

  if (strcmp (pattern, w->alias) != 0)
    return 0;
  return add_one (w, name) == -1 ? -1 : 0;
}

static int
add_soft (void *opaque, const char *dep)
{
  struct work *w = opaque;
  char name[MODULE_NAME_MAX];
  int r = 0;

  if (module_name (dep, name))
    r = add_one (w, name);
  if (r != 0)
    return r == -1 ? -1 : 0;
  if (strlen (dep) >= sizeof w->alias ||
      w->alias_searches++ >= MAX_ALIAS_SEARCHES)
    return 0;
  memcpy (w->alias, dep, strlen (dep) + 1);
  module_alias_normalize (w->alias);
  return module_aliases (w->kernel->modules_alias, want_any, add_if_alias, w);
}

static int
add_needed (struct work *w, const struct module *m)
{
  const char *deps = m->deps, *path;
  char name[MODULE_NAME_MAX], file[256];
  size_t len;

  while (module_next_dep (&deps, &path, &len)) {
    /* Only the last component matters. */
    while (len >= sizeof file) {
      path++;
      len--;
    }
    memcpy (file, path, len);
    file[len] = '\0';
    if (module_name_of_path (file, name) && add_one (w, name) == -1)
      return -1;
  }
  return module_softdeps (w->kernel->modules_softdep, m->name, add_soft, w);
}

int
closure_add (struct closure *c, const struct initrd_kernel *kernel,
             const struct module_list *list, const char *name)
{
  struct work w = { .c = c, .kernel = kernel, .list = list };
  size_t i = c->n;
  int r;

  r = add_one (&w, name);
  if (r != 1)
    return r;
  for (; i < c->n; ++i)
    if (add_needed (&w, c->modules[i].module) == -1)
      return -1;
  return 1;
}
