/* SPDX-License-Identifier: BSD-3-Clause */

/* The first-boot runner, run here with its paths moved into a private
 * directory: order, one run for each job, failures, log, self-removal.
 */

#include <config.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test-linux.h"

#include "firstboot-scripts.h"

static char tmp[] = "/tmp/v2vtest.XXXXXX";

static char *
in_tmp (const char *path)
{
  static char full[4][256];
  static unsigned n;
  char *p = full[n++ % 4];

  snprintf (p, sizeof full[0], "%s%s", tmp, path);
  return p;
}

/* Write TEXT, with each of the guest's directories moved below TMP. */
static void
put (const char *path, const char *text, mode_t mode)
{
  static const char *const roots[] = { "/usr/lib/v2v", "/var/log", "/etc/" };
  FILE *fp = fopen (in_tmp (path), "w");
  size_t i;

  assert_non_null (fp);
  while (*text) {
    for (i = 0; i < 3; i++)
      if (strncmp (text, roots[i], strlen (roots[i])) == 0)
        fputs (tmp, fp);
    fputc (*text++, fp);
  }
  assert_int_equal (fclose (fp), 0);
  assert_int_equal (chmod (in_tmp (path), mode), 0);
}

static char *
get (const char *path)
{
  static char text[65536];
  FILE *fp = fopen (in_tmp (path), "r");
  size_t n;

  assert_non_null (fp);
  n = fread (text, 1, sizeof text - 1, fp);
  text[n] = '\0';
  fclose (fp);
  return text;
}

static bool
exists (const char *path)
{
  struct stat sb;

  return lstat (in_tmp (path), &sb) == 0;
}

static void
run_runner (const char *arg)
{
  int status;
  pid_t pid = fork ();

  assert_true (pid >= 0);
  if (pid == 0) {
    execl ("/bin/sh", "sh", in_tmp ("/usr/lib/v2v-firstboot/run"), arg,
           (char *) NULL);
    _exit (127);
  }
  assert_int_equal (waitpid (pid, &status, 0), pid);
  /* The boot never fails because of it. */
  assert_int_equal (status, 0);
}

static int
setup (void **state)
{
  static const char *const dirs[] = {
    "/usr", "/usr/lib", "/usr/lib/v2v-firstboot",
    "/usr/lib/v2v-firstboot/jobs", "/var", "/var/log", "/etc",
    "/etc/systemd", "/etc/systemd/system",
    "/etc/systemd/system/multi-user.target.wants",
  };
  size_t i;

  (void) state;
  memcpy (tmp + strlen (tmp) - 6, "XXXXXX", 6);
  if (mkdtemp (tmp) == NULL)
    return -1;
  for (i = 0; i < sizeof dirs / sizeof dirs[0]; i++)
    if (mkdir (in_tmp (dirs[i]), 0755) == -1)
      return -1;
  put ("/usr/lib/v2v-firstboot/run", runner, 0755);
  put ("/etc/systemd/system/v2v-firstboot.service", unit, 0644);
  return symlink ("/etc/systemd/system/v2v-firstboot.service",
                  in_tmp ("/etc/systemd/system/multi-user.target.wants/"
                          "v2v-firstboot.service"));
}

static int
teardown (void **state)
{
  pid_t pid = fork ();

  (void) state;
  if (pid == 0) {
    execlp ("rm", "rm", "-rf", tmp, (char *) NULL);
    _exit (127);
  }
  waitpid (pid, NULL, 0);
  return 0;
}

static void
test_jobs (void **state)
{
  (void) state;
  /* While a job runs it is no longer among those to do. */
  put ("/usr/lib/v2v-firstboot/jobs/0001-first",
       "#!/bin/sh\nls /usr/lib/v2v-firstboot/jobs >/var/log/order\n"
       "echo said something\n", 0755);
  put ("/usr/lib/v2v-firstboot/jobs/0002-fails",
       "#!/bin/sh\necho second >>/var/log/order\nexit 3\n", 0755);
  /* No first line: still a shell script. */
  put ("/usr/lib/v2v-firstboot/jobs/0010-last",
       "echo last >>/var/log/order\n", 0755);
  run_runner ("start");

  assert_string_equal (get ("/var/log/order"),
                       "0002-fails\n0010-last\nsecond\nlast\n");
  assert_non_null (strstr (get ("/var/log/v2v-firstboot.log"),
                           "0001-first: starts\nsaid something\n"));
  assert_non_null (strstr (get ("/var/log/v2v-firstboot.log"),
                           "0002-fails: exit status 3\n"));
  assert_non_null (strstr (get ("/var/log/v2v-firstboot.log"),
                           "0010-last: exit status 0\n"));
  /* Nothing but the log stays. */
  assert_false (exists ("/usr/lib/v2v-firstboot"));
  assert_false (exists ("/etc/systemd/system/v2v-firstboot.service"));
  assert_false (exists ("/etc/systemd/system/multi-user.target.wants/"
                        "v2v-firstboot.service"));
}

static void
test_interrupted (void **state)
{
  (void) state;
  /* What was under way when the machine went down is not tried again. */
  assert_int_equal (mkdir (in_tmp ("/usr/lib/v2v-firstboot/done"), 0755), 0);
  put ("/usr/lib/v2v-firstboot/done/0001-crashed",
       "echo again >>/var/log/order\n", 0755);
  put ("/usr/lib/v2v-firstboot/jobs/0002-next",
       "echo next >>/var/log/order\n", 0755);
  run_runner ("start");
  assert_string_equal (get ("/var/log/order"), "next\n");
}

static void
test_stop (void **state)
{
  (void) state;
  /* Called at shutdown by SysV: nothing happens. */
  put ("/usr/lib/v2v-firstboot/jobs/0001-x",
       "echo x >>/var/log/order\n", 0755);
  run_runner ("stop");
  assert_false (exists ("/var/log/order"));
  assert_true (exists ("/usr/lib/v2v-firstboot/jobs/0001-x"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (test_jobs, setup, teardown),
    cmocka_unit_test_setup_teardown (test_interrupted, setup, teardown),
    cmocka_unit_test_setup_teardown (test_stop, setup, teardown),
  };

  /* Part of the header, not of these tests. */
  (void) openrc;
  (void) sysv;
  return cmocka_run_group_tests (tests, NULL, NULL);
}
