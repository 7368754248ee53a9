/* SPDX-License-Identifier: BSD-3-Clause */

/* Plain disk images as one machine. */

#include <config.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "image-format.h"
#include "source-build.h"
#include "source-kinds.h"
#include "source-refs.h"
#include "url.h"
#include "v2v-utils.h"

/* The format that the ending of the URI's path stands for; "raw" if it has
 * none that is known, and for NBD, whose exports have no endings.
 */
static const char *
format_of_uri (const char *uri)
{
  CLEANUP_FREE char *path = strndup (uri, strcspn (uri, "?#"));
  const char *format = path && strncasecmp (uri, "nbd", 3) != 0
                         ? image_format_of_name (path)
                         : NULL;

  return format ? format : "raw";
}

/* What the reference converter makes up for them. */
static int
make_up (struct vm *vm, const char *name, struct diag *d)
{
  static const char *const features[] = { "acpi", "apic", "pae" };
  struct vm_nic *nic;
  size_t i;

  vm->memory = UINT64_C (2) << 30;
  vm->vcpus = 1;
  for (i = 0; i < V2V_ARRAY_SIZE (features); ++i)
    if (vm_add_feature (vm, features[i]) == -1)
      return diag_memory (d);
  nic = vm_add_nic (vm);
  if (nic == NULL)
    return diag_memory (d);
  if (set_string (&vm->name, name ? name : "unknown", "name", d) == -1 ||
      set_string (&vm->display.type, "window", "display", d) == -1 ||
      set_string (&nic->vnet, "default", "network", d) == -1)
    return -1;
  return 0;
}

int
source_disks (struct source *s, const struct source_options *opts,
              const char *file, struct diag *d)
{
  CLEANUP_FREE char *name = NULL;
  size_t i;
  int r;

  (void)file;
  if (machine_init (&s->machine, d) == -1)
    return -1;
  for (i = 0; i < opts->nr_files; ++i) {
    file = opts->files[i];
    if (url_is (file))
      r = source_add_uri (s, opts, file, format_of_uri (file), d);
    else
      r = source_add_path (s, opts, file, NULL, d);
    if (r == -1)
      return -1;
    if (vm_add_disk (s->machine.vm) == NULL)
      return diag_memory (d);
    if (name == NULL && !url_is (file))
      name = source_stem (file);
  }
  return make_up (s->machine.vm, name, d);
}
