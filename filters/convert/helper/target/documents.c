/* SPDX-License-Identifier: BSD-3-Clause */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "target.h"
#include "v2v-utils.h"

const struct target_document target_documents[] = {
  { "domain.xml", target_write_libvirt, 0644 },
  { "qemu.sh", target_write_qemu, 0755 },
  { "kubevirt.yaml", target_write_kubevirt, 0644 },
  { "openstack.json", target_write_openstack, 0644 },
  { "vm.ovf", target_write_ovf, 0644 },
  { "vm.json", target_write_json, 0644 },
};
const size_t target_nr_documents = V2V_ARRAY_SIZE (target_documents);

/* Warnings that were given already, as "CODE MESSAGE". */
struct seen {
  const struct target_facts *facts;
  char **items;
  size_t n;
};

static void
warn_once (void *opaque, const char *code, const char *message)
{
  struct seen *s = opaque;
  char *item, **items;
  size_t i;

  if (asprintf (&item, "%s %s", code, message) != -1) {
    for (i = 0; i < s->n; ++i)
      if (strcmp (s->items[i], item) == 0) {
        free (item);
        return;
      }
    items = realloc (s->items, (s->n + 1) * sizeof *items);
    if (items) {
      s->items = items;
      s->items[s->n++] = item;
    }
    else
      free (item);
  }
  s->facts->warn (s->facts->warn_opaque, code, message);
}

int
target_write_all (const struct vm *source, const struct target_facts *facts,
                  target_document_cb cb, void *opaque, char **error)
{
  struct target_facts f = *facts;
  struct seen seen = { .facts = facts };
  size_t i, len;
  int r = 0;

  if (f.warn) {
    f.warn = warn_once;
    f.warn_opaque = &seen;
  }
  for (i = 0; r == 0 && i < target_nr_documents; ++i) {
    CLEANUP_FREE char *text = NULL;

    r = target_documents[i].write (source, &f, &text, &len, error);
    if (r == 0)
      r = cb (opaque, &target_documents[i], text, len, error);
  }
  for (i = 0; i < seen.n; ++i)
    free (seen.items[i]);
  free (seen.items);
  return r;
}
