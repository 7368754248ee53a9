/* SPDX-License-Identifier: BSD-3-Clause */

/* Labels of what the conversion creates.
 *
 * A file that is rewritten keeps its label (guest.c copies it).  A new one
 * gets what the guest's policy says of its path, as restorecon would give
 * it; where the policy says nothing, what its neighbours have.  Only if the
 * policy cannot be read, or there is no neighbour with a label, the guest is
 * told by /.autorelabel to label everything at its next boot, which takes
 * minutes to hours.
 *
 * Nothing is done in a guest whose /etc has no label: SELinux is not used
 * there, or the guest marks itself when it is turned on.
 */

#include <config.h>

#include <stdio.h>

#include "selabel.h"
#include "state.h"
#include "v2v-utils.h"

/* Fedora 41: 0.6 MiB. */
#define MAX_CONTEXTS (8 * 1024 * 1024)

enum { CONTEXTS, HOMEDIRS, LOCAL, SUBS, SUBS_DIST, NR_FILES };

/* The name of a policy is a directory's. */
static bool
is_policy (const char *s)
{
  return s[0] && strlen (s) < 64 &&
         s[strspn (s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                      "0123456789_-")] == '\0';
}

static struct selabel *
read_policy (struct linux_state *st)
{
  static const char *const suffixes[NR_FILES] = { "", ".homedirs", ".local",
                                                  ".subs", ".subs_dist" };
  struct guest *gst = st->gst;
  struct guest_file f[NR_FILES] = { { 0 } };
  CLEANUP_FREE char *type = NULL;
  char paths[NR_FILES][160];
  struct guest_file config = { .path = "/etc/selinux/config" };
  struct selabel *sl = NULL;
  size_t i;

  if (guest_read_many (gst, &config, 1, GUEST_MAX_CONFIG) == -1)
    return NULL;
  if (config.data)
    type = text_shell_var (config.data, config.size, "SELINUXTYPE");
  free (config.data);
  for (i = 0; i < NR_FILES; i++) {
    snprintf (paths[i], sizeof paths[i],
              "/etc/selinux/%s/contexts/files/file_contexts%s",
              type && is_policy (type) ? type : "targeted", suffixes[i]);
    f[i].path = paths[i];
  }
  if (guest_read_many (gst, f, NR_FILES, MAX_CONTEXTS) == -1)
    goto out;
  sl = f[CONTEXTS].data ? selabel_new () : NULL;
  if (!sl)
    goto out;
  for (i = 0; i < NR_FILES; i++) {
    const struct span in = { f[i].data, f[i].data ? (size_t)f[i].size : 0 };

    if (!f[i].data)
      continue;
    if (i < SUBS)
      selabel_add_specs (sl, in);
    else
      selabel_add_subs (sl, in, i == SUBS_DIST);
  }
  if (selabel_count (sl) == 0 || selabel_failed (sl)) {
    selabel_free (sl);
    sl = NULL;
  }
out:
  for (i = 0; i < NR_FILES; i++)
    free (f[i].data);
  return sl;
}

static void
not_readable (struct linux_state *st)
{
  report_warning (st->gst->report, "selinux-policy-unreadable",
                  "the guest's SELinux policy has no file_contexts that can "
                  "be read; new files get the labels of those beside them");
}

static const char *
label_of (struct guest *gst, const char *path, unsigned mode)
{
  struct linux_state *st = gst->state;
  const char *label;

  if (!st->policy_read) {
    st->policy_read = true;
    st->policy = read_policy (st);
    if (!st->policy)
      not_readable (st);
  }
  if (!st->policy)
    return NULL;
  label = selabel_lookup (st->policy, path, mode);
  if (!label && selabel_failed (st->policy)) {
    selabel_free (st->policy);
    st->policy = NULL;
    not_readable (st);
  }
  return label;
}

void
selinux_begin (struct linux_state *st)
{
  st->gst->label_of = label_of;
}

/* 1 if SELinux is switched off for good, or has left only its labels; -1 on
 * error.
 */
static int
is_off (struct linux_state *st)
{
  struct conf_file *f = conf_get (st, "/etc/selinux/config");
  CLEANUP_FREE char *value = NULL;

  if (!f)
    return -1;
  if (!f->data)
    return 1;
  value = text_shell_var (f->data, f->size, "SELINUX");
  return value && strcasecmp (value, "disabled") == 0;
}

int
selinux_end (struct linux_state *st)
{
  struct guest *gst = st->gst;
  int r;

  if (!gst->unlabelled && (!st->policy_read || st->policy))
    return 0;
  /* Who switches it on must label everything anyway. */
  r = is_off (st);
  if (r != 0)
    return r == 1 ? 0 : -1;
  report_warning (gst->report, "selinux-relabel",
                  "new files have no label of the guest's policy; the guest "
                  "labels all its files when it boots first, and then boots "
                  "again");
  return guest_write (gst, "/.autorelabel", "", 0, 0644,
                      "new files have no label of the SELinux policy");
}

void
selinux_free (struct linux_state *st)
{
  st->gst->label_of = NULL;
  selabel_free (st->policy);
}
