/* SPDX-License-Identifier: BSD-3-Clause */

/* OVF packages: a directory, an archive, or the OVF file alone.
 *
 * Order: find the one .ovf, check the manifests, parse, check the disks.
 * Nothing is looked at before the manifests are found to be right.
 */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "manifest.h"
#include "source-build.h"
#include "source-kinds.h"
#include "v2v-utils.h"

#define MAX_CHUNKS 100000

static bool
is_kind (const char *name, const char *end)
{
  const char *base = strrchr (name, '/');
  size_t n, m = strlen (end);

  base = base ? base + 1 : name;
  n = strlen (base);
  /* "._x.ovf" is what macOS adds for x.ovf. */
  return n > m && strncmp (base, "._", 2) != 0 &&
         strcasecmp (base + n - m, end) == 0;
}

static int
find_ovf (struct container *c, const char **ovf, struct diag *d)
{
  char *const *names;
  size_t nr, i;

  *ovf = NULL;
  if (container_list (c, &names, &nr, d) == -1)
    return -1;
  for (i = 0; i < nr; ++i)
    if (is_kind (names[i], ".ovf")) {
      if (*ovf)
        return diag_error (d,
                           "there are several .ovf files, \"%s\" and "
                           "\"%s\": give the one that is meant",
                           *ovf, names[i]);
      *ovf = names[i];
    }
  return *ovf ? 0 : diag_error (d, "there is no .ovf file in it");
}

static int
verify_all (struct container *c, struct diag *d)
{
  char *const *names;
  size_t nr, i;

  if (container_list (c, &names, &nr, d) == -1)
    return -1;
  for (i = 0; i < nr; ++i)
    if (is_kind (names[i], ".mf") && manifest_verify (c, names[i], d) == -1)
      return -1;
  return 0;
}

/*--------------------------------------------------------------------
 * Chunks: NAME.000000000, NAME.000000001, ... each chunkSize bytes long but
 * the last one.
 */

/* How the chunk I of NAME is called here: nine digits by the standard; other
 * writers use fewer.
 */
static int
find_chunk (struct container *c, const char *base, const char *name, unsigned i,
            int *digits, struct blob *r, struct diag *d)
{
  CLEANUP_FREE char *chunk = NULL;
  int n, found;

  for (n = *digits ? *digits : 9; n >= (*digits ? *digits : 1); --n) {
    free (chunk);
    if (asprintf (&chunk, "%s.%0*u", name, n, i) == -1) {
      chunk = NULL;
      return diag_memory (d);
    }
    found = container_find (c, base, chunk, r, d);
    if (found != 0) {
      *digits = n;
      return found;
    }
  }
  return 0;
}

/* Is there any NAME.<digits>, although number I is not? */
static bool
any_chunk_after (struct container *c, const char *name, unsigned i)
{
  struct diag quiet = { 0 };
  char *const *names;
  size_t nr, k, n;
  const char *p;
  bool r = false;

  p = strrchr (name, '/');
  name = p ? p + 1 : name;
  n = strlen (name);
  if (container_list (c, &names, &nr, &quiet) == 0)
    for (k = 0; k < nr && !r; ++k) {
      p = strrchr (names[k], '/');
      p = p ? p + 1 : names[k];
      r = strncmp (p, name, n) == 0 && p[n] == '.' && p[n + 1] &&
          p[n + 1 + strspn (p + n + 1, "0123456789")] == '\0' &&
          strtoul (p + n + 1, NULL, 10) > i;
    }
  diag_clear (&quiet);
  return r;
}

static int
join_chunks (struct container *c, const char *base, const struct disk_ref *ref,
             struct blob *r, struct diag *d)
{
  struct blob *parts = NULL, *p, b;
  size_t nr = 0;
  int digits = 0, found, ret = -1;

  for (;;) {
    found = find_chunk (c, base, ref->location, nr, &digits, &b, d);
    if (found == -1)
      goto out;
    if (found == 0)
      break;
    if (nr >= MAX_CHUNKS) {
      diag_error (d, "more than %d chunks", MAX_CHUNKS);
      goto out;
    }
    p = reallocarray (parts, nr + 1, sizeof *p);
    if (p == NULL) {
      diag_memory (d);
      goto out;
    }
    parts = p;
    parts[nr++] = b;
  }
  for (size_t i = 0; i < nr; ++i)
    if (ref->chunk_size && (i + 1 < nr ? parts[i].size != ref->chunk_size
                                       : parts[i].size > ref->chunk_size)) {
      diag_error (
        d, "chunk %zu of \"%s\" has %" PRIu64 " bytes instead of %" PRIu64, i,
        ref->location, parts[i].size, ref->chunk_size);
      goto out;
    }
  if (nr == 0 || any_chunk_after (c, ref->location, nr) ||
      (ref->chunk_size && nr > 0 && nr - 1 > UINT64_MAX / ref->chunk_size)) {
    diag_error (d,
                nr == 0 && !any_chunk_after (c, ref->location, 0)
                  ? "\"%s\" does not exist, and chunk %zu of it neither"
                  : "\"%s\": chunk %zu is missing",
                ref->location, nr);
    goto out;
  }
  ret = container_copy (c, parts, nr, ref->gzip, r, d);
out:
  free (parts);
  return ret;
}

static int
add_ovf_disk (struct source *s, const struct source_options *opts,
              struct container *c, const char *base, const struct disk_ref *ref,
              struct diag *d)
{
  CLEANUP_FREE char *name = NULL;
  struct blob b, unzipped;
  int found = 0;

  if (ref->kind != REF_FILE)
    return source_add_zeroes (s, ref->capacity, d);
  if (ref->chunk_size == 0)
    found = container_find (c, base, ref->location, &b, d);
  if (found == -1)
    return -1;
  if (found == 0) {
    if (join_chunks (c, base, ref, &b, d) == -1)
      return -1;
  }
  else if (ref->gzip) {
    if (container_copy (c, &b, 1, true, &unzipped, d) == -1)
      return diag_prefix (d, ref->location);
    b = unzipped;
  }

  /* "disk.vmdk.gz" is a .vmdk; names in it are relative to the OVF. */
  name = strdup (ref->location);
  if (name == NULL)
    return diag_memory (d);
  if (ref->gzip && is_kind (name, ".gz"))
    name[strlen (name) - 3] = '\0';
  if (base && strrchr (base, '/') && name[0] != '/') {
    char *full;

    if (asprintf (&full, "%.*s%s", (int)(strrchr (base, '/') - base + 1), base,
                  name) == -1)
      return diag_memory (d);
    free (name);
    name = full;
  }
  return source_add_image (s, opts, c, &b, name, ref->format, d);
}

/* OVF = the file's name in PATH, or NULL: search it. */
static int
open_package (struct source *s, const struct source_options *opts,
              const char *path, bool is_dir, const char *ovf, struct diag *d)
{
  CLEANUP_FREE char *text = NULL, *stem = NULL, *mf = NULL;
  struct container_options co;
  struct container *c;
  struct blob b;
  char where[48];
  size_t len, i;
  int r;

  source_container_options (opts, &co);
  c = source_add_container (s,
                            is_dir ? container_new_dir (path, &co, d)
                                   : container_new_archive (path, &co, d),
                            d);
  if (c == NULL)
    return -1;
  stem = source_stem (ovf ? ovf : path);
  if (stem == NULL)
    return diag_memory (d);

  if (ovf) {
    /* Alone: the manifest is the file beside it, if there is one. */
    len = strlen (ovf);
    if (is_kind (ovf, ".ovf"))
      len -= 4;
    if (asprintf (&mf, "%.*s.mf", (int)len, ovf) == -1) {
      mf = NULL;
      return diag_memory (d);
    }
    r = opts->verify ? container_find (c, NULL, mf, &b, d) : 0;
    if (r == 1)
      r = manifest_verify (c, mf, d);
    if (r == -1)
      return diag_prefix (d, path);
  }
  else if (find_ovf (c, &ovf, d) == -1 ||
           (opts->verify && verify_all (c, d) == -1))
    return diag_prefix (d, path);

  r = container_find (c, NULL, ovf, &b, d);
  if (r == 0)
    r = diag_error (d, "does not exist");
  if (r == -1 || blob_read_all (&b, MAX_DOCUMENT, &text, &len, d) == -1 ||
      ovf_parse (text, len, stem, &s->machine, d) == -1)
    return diag_prefix (d, ovf);
  for (i = 0; i < s->machine.nr_refs; ++i)
    if (add_ovf_disk (s, opts, c, ovf, &s->machine.refs[i], d) == -1) {
      snprintf (where, sizeof where, "line %u (disk%zu)",
                s->machine.refs[i].line, i);
      diag_prefix (d, where);
      return diag_prefix (d, ovf);
    }
  return 0;
}

int
source_ova (struct source *s, const struct source_options *opts,
            const char *file, struct diag *d)
{
  struct stat st;

  return open_package (s, opts, file,
                       stat (file, &st) == 0 && S_ISDIR (st.st_mode), NULL, d);
}

int
source_ovf (struct source *s, const struct source_options *opts,
            const char *file, struct diag *d)
{
  CLEANUP_FREE char *real = realpath (file, NULL);
  char *name;

  if (real == NULL)
    return diag_error (d, "%s: %m", file);
  name = strrchr (real, '/');
  *name++ = '\0';
  return open_package (s, opts, real[0] ? real : "/", true, name, d);
}
