/* SPDX-License-Identifier: BSD-3-Clause */

/* The first-boot job that removes the old hypervisor's tools, run here
 * with programs that note what they were asked: what is removed, what is
 * kept, and that nothing else goes along.
 */

#include <config.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test-linux.h"

#include "tools-scripts.h"

static char tmp[] = "/tmp/v2vtest.XXXXXX";

static char *
in_tmp (const char *path)
{
  static char full[4][256];
  static unsigned n;
  char *p = full[n++ % 4];

  snprintf (p, sizeof full[0], "%s/%s", tmp, path);
  return p;
}

static void
put (const char *path, const char *text)
{
  FILE *fp = fopen (in_tmp (path), "w");

  assert_non_null (fp);
  fputs (text, fp);
  assert_int_equal (fclose (fp), 0);
  assert_int_equal (chmod (in_tmp (path), 0755), 0);
}

/* A program that notes its name and arguments. */
static void
put_noting (const char *name)
{
  char path[64];

  snprintf (path, sizeof path, "bin/%s", name);
  put (path, "#!/bin/sh\necho \"${0##*/} $*\" >>\"$LOG\"\n");
}

/* The job for TOOL, with the guest's directories moved below TMP; what the
 * programs noted.
 */
static const char *
run (enum tool tool)
{
  static const char *const roots[] = { "/etc/", "/usr/lib/par", "/var/lib/V" };
  static char log[4096];
  struct text t = TEXT_INIT, moved = TEXT_INIT;
  const char *p;
  size_t i, n;
  FILE *fp;
  int status;
  pid_t pid;

  text_adds (&t, tools_head);
  text_adds (&t, tools_scripts[tool]);
  text_adds (&t, "exit 0\n");
  for (p = t.data; *p; p++) {
    for (i = 0; i < 3; i++)
      if (strncmp (p, roots[i], strlen (roots[i])) == 0)
        text_adds (&moved, tmp);
    text_add (&moved, p, 1);
  }
  put ("job", moved.data);
  text_free (&t);
  text_free (&moved);
  put ("log", "");
  pid = fork ();
  assert_true (pid >= 0);
  if (pid == 0) {
    char path[300];

    /* Only what the script may need, and no package manager of ours. */
    snprintf (path, sizeof path, "%s/bin", tmp);
    setenv ("PATH", path, 1);
    setenv ("LOG", in_tmp ("log"), 1);
    if (freopen ("/dev/null", "w", stdout) == NULL)
      _exit (126);
    execl ("/bin/sh", "sh", in_tmp ("job"), (char *) NULL);
    _exit (127);
  }
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_int_equal (status, 0);
  fp = fopen (in_tmp ("log"), "r");
  assert_non_null (fp);
  n = fread (log, 1, sizeof log - 1, fp);
  log[n] = '\0';
  fclose (fp);
  return log;
}

static int
setup (void **state)
{
  static const char *const dirs[] = { "bin", "etc", "etc/systemd",
                                      "etc/systemd/system", "etc/init",
                                      "etc/vmware-tools", "usr", "usr/lib",
                                      "usr/lib/parallels-tools", "var",
                                      "var/lib", "var/lib/VBoxGuestAdditions",
                                      "opt" };
  static const char *const tools[] = { "sed", "tr", "grep", "sort", "cat",
                                       "rm", "readlink", "tail" };
  char to[64], from[64];
  size_t i;

  (void) state;
  memcpy (tmp + strlen (tmp) - 6, "XXXXXX", 6);
  if (mkdtemp (tmp) == NULL)
    return -1;
  for (i = 0; i < sizeof dirs / sizeof dirs[0]; i++)
    if (mkdir (in_tmp (dirs[i]), 0755) == -1)
      return -1;
  for (i = 0; i < sizeof tools / sizeof tools[0]; i++) {
    snprintf (to, sizeof to, "bin/%s", tools[i]);
    snprintf (from, sizeof from, "/usr/bin/%s", tools[i]);
    if (symlink (from, in_tmp (to)) == -1)
      return -1;
  }
  return 0;
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

/* dpkg knows states: one that was removed before is no longer there. */
#define DPKG_QUERY(server) \
  "#!/bin/sh\n" \
  "for name; do :; done\n" \
  "case $name in\n" \
  "open-vm-tools) echo 'installed open-vm-tools' ;;\n" \
  "'open-vm-tools-*') echo 'installed open-vm-tools-desktop'\n" \
  "    echo 'config-files open-vm-tools-dkms'\n" \
  "    echo 'not-installed open-vm-tools-dev' ;;\n" \
  "ubuntu-server) " server " ;;\n" \
  "*) exit 1 ;;\n" \
  "esac\n"

static void
test_debian (void **state)
{
  (void) state;
  put ("bin/dpkg-query", DPKG_QUERY ("exit 1"));
  put_noting ("apt-get");
  assert_string_equal (run (VMWARE),
                       "apt-get -q -y -o DPkg::Lock::Timeout=300 -o "
                       "Dpkg::Options::=--force-confold remove open-vm-tools "
                       "open-vm-tools-desktop\n");
  /* A package that ubuntu-server depends on stays. */
  put ("bin/dpkg-query", DPKG_QUERY ("echo installed"));
  assert_string_equal (run (VMWARE),
                       "apt-get -q -y -o DPkg::Lock::Timeout=300 -o "
                       "Dpkg::Options::=--force-confold remove "
                       "open-vm-tools-desktop\n");
  /* Nothing found, nothing done. */
  assert_string_equal (run (CITRIX), "");
}

static void
test_rpm (void **state)
{
  (void) state;
  put ("bin/rpm", "#!/bin/sh\n"
                  "for name; do :; done\n"
                  "case $name in\n"
                  "hyperv-daemons) echo hyperv-daemons ;;\n"
                  "'hyperv-daemons-*') echo hyperv-daemons-license ;;\n"
                  "WALinuxAgent) echo WALinuxAgent ;;\n"
                  "esac\n");
  put_noting ("dnf");
  /* What was installed because of them stays (RHEL-233944). */
  assert_string_equal (run (HYPERV),
                       "dnf -y --setopt=clean_requirements_on_remove=False "
                       "remove hyperv-daemons hyperv-daemons-license "
                       "WALinuxAgent\n");
}

static void
test_virtualbox (void **state)
{
  char text[512];

  (void) state;
  snprintf (text, sizeof text, "CONFIG_FILE=x\nINSTALL_DIR='%s/opt'\n", tmp);
  put ("var/lib/VBoxGuestAdditions/config", text);
  put ("opt/uninstall.sh", "#!/bin/sh\necho uninstall.sh >>\"$LOG\"\n");
  assert_int_equal (symlink ("/dev/null",
                             in_tmp ("etc/systemd/system/vboxadd.service")), 0);
  put ("etc/systemd/system/vboxadd-service.service", "own\n");
  put ("etc/init/vboxadd-x11.override", "manual\n");
  assert_string_equal (run (VIRTUALBOX), "uninstall.sh\n");
  /* Our masks are taken back, a file of the administrator's stays. */
  assert_int_equal (access (in_tmp ("etc/init/vboxadd-x11.override"), F_OK),
                    -1);
  assert_int_equal (
    readlink (in_tmp ("etc/systemd/system/vboxadd.service"), text, 8), -1);
  assert_int_equal (
    access (in_tmp ("etc/systemd/system/vboxadd-service.service"), F_OK), 0);
}

static void
test_parallels (void **state)
{
  (void) state;
  put ("usr/lib/parallels-tools/install",
       "#!/bin/sh\necho \"install $*\" >>\"$LOG\"\n");
  assert_string_equal (run (PARALLELS), "install -r\n");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (test_debian, setup, teardown),
    cmocka_unit_test_setup_teardown (test_rpm, setup, teardown),
    cmocka_unit_test_setup_teardown (test_virtualbox, setup, teardown),
    cmocka_unit_test_setup_teardown (test_parallels, setup, teardown),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
