/* SPDX-License-Identifier: BSD-3-Clause */

/* Unified kernel images, which the boot loader finds in EFI/Linux.
 *
 * Kernel, initrd and command line are one file, mostly signed and measured:
 * it is never written.  Either it boots on virtio as it is, because its
 * initrd holds the drivers or the kernel has them built in, and its command
 * line names no disk of the old machine; or it does not, and that is an
 * error if the guest has no other kernel, else a warning.
 */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bootentries.h"
#include "modindex.h"
#include "state.h"
#include "uki.h"
#include "v2v-utils.h"

/* The version of its kernel (allocated), or NULL. */
static char *
version_of (const struct uki *uki)
{
  const struct span uname = span_trim (uki->uname);

  if (uname.n > 0 && uname.n < 128 && !memchr (uname.p, '/', uname.n) &&
      !memchr (uname.p, '\0', uname.n))
    return span_dup (uname);
  return kernel_image_version ((const uint8_t *)uki->kernel.p, uki->kernel.n);
}

/* Why the plan for the initrd inside means that it does not boot. */
static char *
lacking (const struct initrd_plan *plan)
{
  CLEANUP_TEXT struct text t = TEXT_INIT;
  size_t i;

  if (plan->verdict == INITRD_APPEND) {
    text_adds (&t, "its initrd lacks");
    for (i = 0; plan->added && plan->added[i]; i++)
      text_addf (&t, "%s %s", i ? "," : "", plan->added[i]);
  }
  else
    text_adds (&t, plan->reason ? plan->reason
                                : "it cannot be told whether it has virtio "
                                  "drivers");
  return t.failed ? NULL : strdup (t.data);
}

/* CMDLINE without what may be wrong in a system that boots (allocated). */
static char *
vital (struct span cmdline)
{
  CLEANUP_TEXT struct text t = TEXT_INIT;
  struct span space, word;

  while (span_word (&cmdline, &space, &word))
    if (!span_starts (word, "resume=") && !span_starts (word, "console=")) {
      text_adds (&t, " ");
      text_add_span (&t, word);
    }
  return t.failed ? NULL : strndup (t.data ? t.data : "", t.len);
}

/* The next initrd that the guest builds for this kernel has them, too. */
static int
keep_drivers (struct linux_state *st, const struct modindex *ix)
{
  char *drivers[V2V_ARRAY_SIZE (ix->wanted) + 1];
  size_t n = 0, i;

  for (i = 0; ix->wanted[i]; i++)
    if (module_listed (ix->kernel.modules_dep, ix->wanted[i]))
      drivers[n++] = (char *)ix->wanted[i];
  if (module_listed (ix->kernel.modules_dep, ramdisk_optional[0]))
    drivers[n++] = (char *)ramdisk_optional[0];
  drivers[n] = NULL;
  return ramdisk_keep_drivers (st, drivers);
}

/* Does it boot on virtio?  1; 0 with *WHY not (allocated); -1 on error. */
static int
boots (struct linux_state *st, const char *path, const struct uki *uki,
       const char *kver, char **why)
{
  struct initrd_plan plan = { .verdict = INITRD_REBUILD };
  /* A disk of virtio-blk is enough, and a card in the initrd too much to
   * ask: it cannot be changed.
   */
  static const char *const wanted[] = { "virtio_pci", "virtio_blk", NULL };
  static const char *const optional[] = { NULL };
  CLEANUP_FREE char *words = vital (uki->cmdline);
  struct modindex ix = { .st = st };
  int r = -1;

  if (!words)
    goto out;
  if (devices_renames (st, path, span_of (words))) {
    *why = strdup ("the command line in it names a disk of the old machine");
    r = *why ? 0 : -1;
    goto out;
  }
  if (modindex_read (st, kver, &ix) == -1)
    goto out;
  if (!ix.kernel.modules_dep && !ix.kernel.modules_builtin) {
    if (asprintf (why, "there is no /lib/modules/%s to tell its drivers by",
                  kver) == -1)
      *why = NULL;
    r = *why ? 0 : -1;
    goto out;
  }
  if (initrd_plan ((const uint8_t *)uki->initrd.p, uki->initrd.n, &ix.kernel,
                   wanted, optional, &plan) == -1)
    goto out;
  if (plan.verdict == INITRD_PRESENT) {
    r = keep_drivers (st, &ix) == -1 ? -1 : 1;
    if (st->nr_kernels == 0)
      ramdisk_note_capabilities (st->gst, &ix.kernel);
    goto out;
  }
  *why = lacking (&plan);
  r = *why ? 0 : -1;
out:
  if (r == -1 && !report_failed (st->gst->report))
    linux_oom (st);
  initrd_plan_free (&plan);
  modindex_free (&ix);
  return r;
}

/* 1 if PATH boots; 0 if it does not, or is no UKI (then *WHY is NULL). */
static int
judge (struct linux_state *st, const char *path, char **why)
{
  CLEANUP_FREE char *image = NULL, *kver = NULL;
  struct uki uki;
  size_t size;
  int r = guest_read (st->gst, path, RAMDISK_MAX_IMAGE, &image, &size);

  *why = NULL;
  if (r != 1)
    return r;
  if (!uki_parse ((const uint8_t *)image, size, &uki))
    return 0;
  kver = version_of (&uki);
  report_fact (st->gst->report, "unified_kernels", path,
               kver ? kver : "unknown");
  if (kver)
    r = boots (st, path, &uki, kver, why);
  else {
    r = 0;
    *why = strdup ("the version of its kernel is not known");
    if (!*why) {
      linux_oom (st);
      r = -1;
    }
  }
  report_fact (st->gst->report, "initrd", path,
               r == 1 ? "has virtio already" : "cannot be changed");
  return r;
}

int
unified_plan (struct linux_state *st)
{
  struct report *report = st->gst->report;
  CLEANUP_FREE char *first = NULL;
  size_t good = 0, i;

  for (i = 0; st->ukis && st->ukis[i]; i++) {
    CLEANUP_FREE char *why = NULL;
    const int r = judge (st, st->ukis[i], &why);

    if (r == -1)
      return -1;
    good += r;
    if (!why)
      continue;
    if (st->nr_kernels > 0)
      report_warning (report, "uki-without-virtio",
                      "the unified kernel image %s will not boot on virtio: "
                      "%s; choose another entry in the boot menu, and build "
                      "the image anew in the guest",
                      st->ukis[i], why);
    else if (!first && asprintf (&first, "%s: %s", st->ukis[i], why) == -1) {
      first = NULL;
      linux_oom (st);
      return -1;
    }
  }
  if (st->nr_kernels > 0 || good > 0)
    return 0;
  if (first)
    report_error (report, "initrd-uki",
                  "the guest boots unified kernel images only, which cannot "
                  "be changed, and none of them boots on virtio (%s): before "
                  "the conversion, build one in the guest with the drivers "
                  "virtio_pci and virtio_blk, and with the root file system by "
                  "UUID",
                  first);
  else
    report_error (report, "no-kernel",
                  "no kernel was found: nothing in /boot belongs to a "
                  "directory of /lib/modules");
  return -1;
}
