/* SPDX-License-Identifier: BSD-3-Clause */

/* virt-v2v's <checksum> of libvirt's disks: the digest of the disk as the guest
 * sees it.
 */

#include <config.h>

#include <stdio.h>
#include <string.h>

#include "digest.h"
#include "source-build.h"
#include "source-checksum.h"

/* What cannot be checked is as bad as what is wrong. */
static int
bad (const struct checksum *c, size_t i, const char *why, struct diag *d)
{
  if (c->fail == CHECKSUM_ERROR)
    return diag_error (d, "line %u (disk%zu): %s", c->line, i, why);
  diag_warn (d, "line %u (disk%zu): %s", c->line, i, why);
  return 0;
}

static int
read_disk (void *opaque, void *buf, size_t count, uint64_t offset)
{
  return disk_pread (opaque, buf, count, offset);
}

static int
check (struct source *s, size_t i, const struct checksum *c, struct diag *d)
{
  struct digest want = { 0 }, got;
  char text[2 * DIGEST_MAX + 1], wanted[2 * DIGEST_MAX + 1];
  char why[4 * DIGEST_MAX + 128], where[32];
  const char *method = c->method ? c->method : "";
  uint64_t size;
  int r;

  if (!digest_named (method, strlen (method), &want)) {
    snprintf (why, sizeof why,
              "checksum: the method \"%.40s\" is not known: "
              "the disk is not verified",
              method);
    return bad (c, i, why, d);
  }
  if (c->fail != CHECKSUM_PRINT &&
      (c->text == NULL || !digest_parse (c->text, strlen (c->text), &want))) {
    snprintf (why, sizeof why,
              "checksum: not the %zu hexadecimal digits of %s: the disk is not "
              "verified",
              2 * want.len, want.name);
    return bad (c, i, why, d);
  }

  if (source_supervise (s, d) == -1)
    return -1;
  got = want;
  if (disk_size (s->disks[i], &size) == -1)
    r = diag_error (d, "cannot be opened");
  else
    r = digest_compute (&got, size, read_disk, s->disks[i], d);
  disk_rest (s->disks[i]);
  if (r == -1) {
    snprintf (where, sizeof where, "disk%zu", i);
    return diag_prefix (d, where);
  }
  digest_text (&got, text);
  if (c->fail == CHECKSUM_PRINT) {
    diag_warn (d, "disk%zu: its %s is %s", i, got.name, text);
    return 0;
  }
  if (digest_equal (&got, &want))
    return 0;
  digest_text (&want, wanted);
  snprintf (why, sizeof why,
            "the disk is damaged: its %s is %s, its <checksum> says %s",
            got.name, text, wanted);
  return bad (c, i, why, d);
}

int
source_check_checksums (struct source *s, struct diag *d)
{
  size_t i;

  for (i = 0; i < s->machine.nr_refs; ++i)
    if (s->machine.refs[i].checksum.fail != CHECKSUM_NONE &&
        check (s, i, &s->machine.refs[i].checksum, d) == -1)
      return -1;
  return 0;
}
