/* SPDX-License-Identifier: BSD-3-Clause */

/* The helper's parsers.  The first byte chooses one; the rest is what a
 * guest, the appliance or a kernel package may contain.
 */

#include "../filters/convert/helper/devices.c"
#include "../filters/convert/helper/devnames.c"
#include "../filters/convert/helper/fstab.c"
#undef MAX_ENTRIES
#include "../filters/convert/helper/identity.c"
#include "../filters/convert/helper/kernel.c"
#include "../filters/convert/helper/unused.c"

extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* The scan, an empty line, and a name to look up; its text is also the
 * guest's tables.
 */
static void
fuzz_devices (const char *text)
{
  const char *spec = strstr (text, "\n\n");
  const struct device_names names = { text, text, NULL };
  struct devices d = { NULL, 0, 0 };
  size_t i;

  if (devices_parse (&d, text, 2) == 0) {
    devices_resolve (&d, &names, spec ? spec + 2 : text, NULL);
    for (i = 0; i < d.n; ++i)
      if (devices_find (&d, d.v[i].name) == NULL)
        abort ();
  }
  devices_free (&d);
}

static void
fuzz_fstab (const char *text)
{
  struct fstab f;
  size_t i;

  if (fstab_parse (text, &f) == -1)
    abort ();
  for (i = 0; i < f.n; ++i) {
    if (f.v[i].mountpoint[0] != '/' ||
        strstr (f.v[i].mountpoint, "/../") != NULL)
      abort ();
    free (fstab_option (f.v[i].options, "subvol"));
  }
  fstab_free (&f);
}

static void
fuzz_identity (const char *text)
{
  struct identity id;
  unsigned i;

  for (i = 0; i < IDENTITY_NR_FILES; ++i) {
    const char *texts[IDENTITY_NR_FILES] = { NULL };

    texts[i] = text;
    if (identity_parse (texts, &id) == -1)
      abort ();
    identity_free (&id);
  }
}

/* Ranges of a device ascend and do not overlap. */
static void
fuzz_unused (const char *text)
{
  struct unused_ranges r;
  size_t i;

  unused_extents (text, &r);
  for (i = 1; i < r.n; ++i)
    if (strcmp (r.v[i - 1].device, r.v[i].device) == 0 &&
        r.v[i - 1].start + r.v[i - 1].size > r.v[i].start)
      abort ();
  unused_ranges_free (&r);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  uint8_t *out = NULL;
  size_t out_size;
  const char *why;
  char *text;

  if (size < 1)
    return 0;
  text = malloc (size);
  if (text == NULL)
    return 0;
  memcpy (text, data + 1, size - 1);
  text[size - 1] = '\0';
  switch (data[0]) {
  case 'd':
    fuzz_devices (text);
    break;
  case 'f':
    fuzz_fstab (text);
    break;
  case 'i':
    fuzz_identity (text);
    break;
  case 'l':
    fuzz_unused (text);
    break;
  case 's':
    if (unused_swap_end (data + 1, size - 1, 1 << 30) > 1 << 30)
      abort ();
    break;
  case 't':
    devices_table_end (data + 1, size - 1);
    identity_elf_arch (data + 1, size - 1);
    break;
  default:
    if (kernel_unpack (data + 1, size - 1, &out, &out_size, &why) == 0)
      free (out);
  }
  free (text);
  return 0;
}
