/* SPDX-License-Identifier: BSD-3-Clause */

/* The helper with a conversion that does a little of everything that
 * guest.h offers: what the shell tests look at.  Options of the command
 * line (--option) choose:
 *   fail=CODE        fail with that error
 *   need=BYTES       reserve that much on /
 *   inodes=N         reserve that many inodes on /
 *   hang=FILE        make FILE on the host, then wait for ever in the
 *                    appliance
 */

#include <config.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "appliance.h"
#include "devices.h"
#include "guest.h"
#include "linux/linux.h"
#include "report.h"
#include "run.h"

static const char *
option (const struct linux_options *opts, const char *name)
{
  size_t i;

  for (i = 0; i < opts->nr_options; ++i)
    if (strcmp (opts->options[i].name, name) == 0)
      return opts->options[i].value;
  return NULL;
}

int
linux_plan (struct guest *gst, const struct linux_options *opts)
{
  const char *need = option (opts, "need"), *inodes = option (opts, "inodes");
  const char *hang = option (opts, "hang");
  const char *replace = option (opts, "replace");
  const struct device *v;
  size_t i;

  v = devices_resolve (gst->devices, gst->names, "/dev/sda1", NULL);
  report_fact (gst->report, "test", "sda1", v ? v->uuid : NULL);
  if (hang != NULL) {
    char *args[] = { (char *)"sleep 1000", NULL };

    close (open (hang, O_WRONLY | O_CREAT, 0600));
    free (guestfs_debug (gst->g, "sh", args));
    report_error (gst->report, "woken", "the wait was ended");
    return -1;
  }
  /* Three files of so many bytes, which grow by 4096 each. */
  for (i = 0; replace != NULL && i < 3; ++i) {
    const uint64_t old = strtoull (replace, NULL, 0);

    if (guest_reserve_change (gst, "/etc", old, old + 4096) == -1)
      return -1;
  }
  return guest_reserve (gst, "/etc", need ? strtoull (need, NULL, 0) : 1,
                        inodes ? strtoull (inodes, NULL, 0) : 1);
}

int
linux_convert (struct guest *gst, const struct linux_options *opts)
{
  const char *fail = option (opts, "fail");
  struct guest_file many[] = {
    { .path = "/etc/hostname" },
    { .path = "/etc" },
    { .path = "/nowhere/at/all" },
  };
  char *data, *big, **glob;
  size_t size, i, big_size = 9 * 1024 * 1024;

  if (fail != NULL) {
    report_error (gst->report, fail, "failed as it was asked to");
    return -1;
  }

  /* Replace, through a link; create, with directories; leave alone. */
  if (guest_write (gst, "/etc/v2v-link", "new text\n", 9, 0644,
                   "replaced through a link") == -1 ||
      guest_write (gst, "/opt/a/b/v2v-new", "hello\n", 6, 0750,
                   "made with its directories") == -1 ||
      guest_write (gst, "/etc/v2v-same", "same\n", 5, 0600, "not changed") ==
          -1 ||
      guest_remove (gst, "/etc/v2v-remove", "no longer needed") == -1 ||
      guest_remove (gst, "/etc/v2v-never-was", "not there") == -1 ||
      guest_symlink (gst, "v2v-target", "/etc/v2v-symlink", "a link") == -1)
    return -1;

  /* What is no regular file is neither read nor written. */
  if (guest_read (gst, "/etc", 100, &data, &size) != 0)
    return -1;
  if (guest_read_many (gst, many, 3, 4096) == -1)
    return -1;
  if (many[0].size <= 0 || many[1].size != -1 || many[2].size != -1) {
    report_error (gst->report, "test-failed", "guest_read_many");
    return -1;
  }
  free (many[0].data);

  /* More than one message, and more than one stream. */
  big = malloc (big_size);
  if (big == NULL)
    return -1;
  for (i = 0; i < big_size; ++i)
    big[i] = (char)(i * 2654435761u >> 13);
  if (guest_write (gst, "/opt/a/v2v-big", big, big_size, 0600, "large") == -1)
    return -1;
  if (!gst->dry_run) {
    if (guest_read (gst, "/opt/a/v2v-big", big_size, &data, &size) != 1 ||
        size != big_size || memcmp (data, big, size) != 0) {
      report_error (gst->report, "test-failed", "the large file differs");
      return -1;
    }
    if (guest_append (gst, "/opt/a/v2v-big", data, size, size - 5, "tail", 4,
                      "an initrd") == -1)
      return -1;
    free (data);
    if (guest_read (gst, "/opt/a/v2v-big", big_size, &data, &size) != 1 ||
        size != big_size - 1 || memcmp (data + size - 4, "tail", 4) != 0) {
      report_error (gst->report, "test-failed", "the appended file differs");
      return -1;
    }
    free (data);
  }
  free (big);

  glob = guest_glob (gst, "/etc/v2v-s*");
  for (i = 0; glob[i] != NULL; ++i)
    report_info (gst->report, "glob %s", glob[i]);
  guest_free_strings (glob);
  return 0;
}

void
linux_free (struct guest *gst)
{
  (void)gst;
}

int
main (int argc, char *argv[])
{
  const char *cpuinfo = getenv ("V2V_TEST_CPUINFO");

  if (cpuinfo != NULL)
    appliance_cpuinfo = cpuinfo;
  return run_helper (argc, argv);
}
