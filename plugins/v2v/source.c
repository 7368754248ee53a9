/* SPDX-License-Identifier: BSD-3-Clause */

/* Sources: which kind it is, and what all of them have at the end. */

#include <config.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container.h"
#include "process.h"
#include "source-checksum.h"
#include "source-kinds.h"
#include "source.h"
#include "url.h"
#include "v2v-utils.h"

void
source_free (struct source *s)
{
  size_t i;

  if (s == NULL)
    return;
  for (i = 0; i < s->nr_disks; ++i)
    disk_free (s->disks[i]);
  for (i = 0; i < s->nr_containers; ++i)
    container_free (s->containers[i]);
  for (i = 0; i < s->nr_secrets; ++i)
    close (s->secrets[i]);
  free (s->secrets);
  free (s->disks);
  free (s->containers);
  machine_free (&s->machine);
  free (s);
}

static bool
ends_with (const char *s, const char *end)
{
  size_t n = strlen (s), m = strlen (end);

  return n > m && strcasecmp (s + n - m, end) == 0;
}

static enum input
guess_input (const char *file)
{
  static const struct {
    const char *end;
    enum input input;
  } endings[] = {
    { ".vmx", INPUT_VMX },    { ".ovf", INPUT_OVF },
    { ".ova", INPUT_OVA },    { ".tar", INPUT_OVA },
    { ".tar.gz", INPUT_OVA }, { ".tgz", INPUT_OVA },
    { ".tar.xz", INPUT_OVA }, { ".tar.zst", INPUT_OVA },
    { ".zip", INPUT_OVA },    { ".xml", INPUT_LIBVIRT_XML },
  };
  struct stat st;
  size_t i;

  if (!url_is (file) && stat (file, &st) == 0 && S_ISDIR (st.st_mode))
    return INPUT_OVA;
  for (i = 0; i < V2V_ARRAY_SIZE (endings); ++i)
    if (ends_with (file, endings[i].end))
      return endings[i].input;
  return INPUT_DISK;
}

static source_fn *const kinds[] = {
  [INPUT_DISK] = source_disks,      [INPUT_VMX] = source_vmx,
  [INPUT_OVA] = source_ova,         [INPUT_OVF] = source_ovf,
  [INPUT_LIBVIRT_XML] = source_xml, [INPUT_LIBVIRT] = source_libvirt,
};

struct source *
source_open (const struct source_options *opts, struct diag *d)
{
  struct source *s = calloc (1, sizeof *s);
  enum input input = opts->input;
  const char *file = opts->files[0];
  int r;

  if (s == NULL) {
    diag_memory (d);
    return NULL;
  }
  if (input == INPUT_AUTO)
    input = opts->nr_files == 1 ? guess_input (file) : INPUT_DISK;
  if (input != INPUT_DISK && opts->nr_files != 1)
    r = diag_error (d, "exactly one file is expected for this input");
  else if (url_is (file) && input != INPUT_DISK && input != INPUT_VMX &&
           input != INPUT_LIBVIRT)
    r = diag_error (d,
                    "%s: only disks and VMX files can be read from a server: "
                    "copy it to this host first",
                    file);
  else
    r = kinds[input](s, opts, file, d);
  if (r == 0 && opts->verify)
    r = source_check_checksums (s, d);
  /* Servers start again when they are needed, after nbdkit has forked. */
  if (s->supervised)
    supervisor_stop ();
  if (r == 0 && opts->name)
    r = set_string (&s->machine.vm->name, opts->name, "name", d);
  if (r == -1) {
    source_free (s);
    return NULL;
  }
  return s;
}

char *
source_json (struct source *s, struct diag *d)
{
  char *r, *error;
  size_t i;

  for (i = 0; i < s->nr_disks; ++i)
    if (disk_size (s->disks[i], &s->machine.vm->disks[i].size) == -1) {
      diag_error (d, "disk%zu cannot be opened", i);
      return NULL;
    }
  r = vm_to_json (s->machine.vm, &error);
  if (r == NULL) {
    diag_error (d, "%s", error ? error : "out of memory");
    free (error);
  }
  return r;
}
