/* SPDX-License-Identifier: BSD-3-Clause */

/* Labels from file_contexts: what each line says, which line counts, and
 * that a hostile policy costs little.  Where libselinux is there, its
 * answers are compared with ours.
 */

#include <config.h>

#include <dlfcn.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "test-linux.h"

#include "selabel.h"
#include "v2v-utils.h"

/* Lines of Fedora's policy, in its order. */
static const char policy[] =
  "# a comment\n"
  "/.*\tsystem_u:object_r:default_t:s0\n"
  "/[^/]+\t--\tsystem_u:object_r:etc_runtime_t:s0\n"
  "/a?quota\\.(user|group)\t--\tsystem_u:object_r:quota_db_t:s0\n"
  "/etc/.*\tsystem_u:object_r:etc_t:s0\n"
  "/lib/.*\tsystem_u:object_r:lib_t:s0\n"
  "/usr/.*\tsystem_u:object_r:usr_t:s0\n"
  "/var/.*\tsystem_u:object_r:var_t:s0\n"
  "/boot/.*\tsystem_u:object_r:boot_t:s0\n"
  "/sys(/.*)?\tsystem_u:object_r:sysfs_t:s0\n"
  "/proc(/.*)?\t<<none>>\n"
  "/usr/lib/.*\tsystem_u:object_r:lib_t:s0\n"
  "/var/log/.*\tsystem_u:object_r:var_log_t:s0\n"
  "/var/tmp/.*\t<<none>>\n"
  "/etc/rc\\.d/init\\.d/.*\t--\tsystem_u:object_r:initrc_exec_t:s0\n"
  "/etc/systemd/system(/.*)?\tsystem_u:object_r:systemd_unit_file_t:s0\n"
  "/usr/lib/systemd/system(/.*)?\t"
  "system_u:object_r:systemd_unit_file_t:s0\n"
  "/usr/lib/systemd/system/[^/]*halt.*\t--\t"
  "system_u:object_r:power_unit_file_t:s0\n"
  "/etc/[^/]*\\.(?:conf|cfg)\t--\tsystem_u:object_r:perl_like_t:s0\n"
  "/dev/[0-9].*\t-c\tsystem_u:object_r:usb_device_t:s0\n"
  "/etc/shadow.*\t--\tsystem_u:object_r:shadow_t:s0\n"
  "/etc\t-d\tsystem_u:object_r:etc_t:s0\n"
  "/etc/localtime\t-l\tsystem_u:object_r:locale_t:s0\n"
  "/etc/fstab\\.REVOKE\t--\tsystem_u:object_r:mount_t:s0\n"
  "/usr/s?bin/.*\tsystem_u:object_r:bin_t:s0\n"
  "/x\\d+\t--\tsystem_u:object_r:digits_t:s0\n";

static const char homedirs[] =
  "/home/[^/]+/.+\tunconfined_u:object_r:user_home_t:s0\n";
static const char local[] =
  "/etc/mine(/.*)?    system_u:object_r:mine_t:s0:c0.c1023\n";
static const char subs_dist[] = "/lib /usr/lib\n/run /var/run\n";
static const char subs[] = "/opt/home /home\n/srv/root /\n# /x\n";

static const struct {
  const char *path;
  unsigned mode;
} paths[] = {
  { "/etc/fstab", S_IFREG },
  { "/etc/fstab.REVOKE", S_IFREG },
  { "/etc/fstabxREVOKE", S_IFREG },
  { "/etc", S_IFDIR },
  { "/etc", S_IFREG },
  { "/etc/localtime", S_IFLNK },
  { "/etc/localtime", S_IFREG },
  { "/etc/shadow-", S_IFREG },
  { "/etc/dracut.conf", S_IFREG },
  { "/etc/dracut.conf", S_IFLNK },
  { "/etc/systemd/system", S_IFDIR },
  { "/etc/systemd/system/multi-user.target.wants/x.service", S_IFLNK },
  { "/usr/lib/systemd/system/x.service", S_IFREG },
  { "/usr/lib/systemd/system/kexec-halt.service", S_IFREG },
  { "/lib/systemd/system/kexec-halt.service", S_IFREG },
  { "/lib", S_IFDIR },
  { "/libx/a", S_IFREG },
  { "/usr/lib/v2v-firstboot/run", S_IFREG },
  { "/usr/sbin/qemu-ga", S_IFREG },
  { "/boot/initramfs.img", S_IFREG },
  { "/.autorelabel", S_IFREG },
  { "/quota.user", S_IFREG },
  { "/aquota.group", S_IFREG },
  { "/proc/1", S_IFDIR },
  { "/var/tmp/x", S_IFREG },
  { "/var/log/v2v-firstboot.log", S_IFREG },
  { "/home/a/.bashrc", S_IFREG },
  { "/home/a", S_IFDIR },
  { "/opt/home/a/.bashrc", S_IFREG },
  { "/srv/root/etc/fstab", S_IFREG },
  { "/srv/root", S_IFDIR },
  { "/etc/mine/x", S_IFREG },
  { "/etc/mine", S_IFDIR },
  { "/x12", S_IFREG },
  { "/xd", S_IFREG },
  { "/etc/rc.d/init.d/v2v-firstboot", S_IFREG },
  { "/etc/new\nline.conf", S_IFREG },
};

static struct selabel *
make (void)
{
  struct selabel *sl = selabel_new ();

  assert_non_null (sl);
  selabel_add_specs (sl, span_of (policy));
  selabel_add_specs (sl, span_of (homedirs));
  selabel_add_specs (sl, span_of (local));
  selabel_add_subs (sl, span_of (subs), false);
  selabel_add_subs (sl, span_of (subs_dist), true);
  assert_false (selabel_failed (sl));
  return sl;
}

static void
test_lookup (void **state)
{
  struct selabel *sl = make ();

  (void) state;
#define IS(path, mode, want) \
  assert_string_equal (selabel_lookup (sl, path, mode), want)
  IS ("/etc/fstab", S_IFREG, "system_u:object_r:etc_t:s0");
  /* One path by name comes before any expression, wherever it stands. */
  IS ("/etc/fstab.REVOKE", S_IFREG, "system_u:object_r:mount_t:s0");
  IS ("/etc/fstabxREVOKE", S_IFREG, "system_u:object_r:etc_t:s0");
  /* The kind of file counts. */
  IS ("/etc/localtime", S_IFLNK, "system_u:object_r:locale_t:s0");
  IS ("/etc/localtime", S_IFREG, "system_u:object_r:etc_t:s0");
  /* The last line counts. */
  IS ("/etc/systemd/system/v2v-firstboot.service", S_IFREG,
      "system_u:object_r:systemd_unit_file_t:s0");
  IS ("/usr/lib/v2v-firstboot/run", S_IFREG, "system_u:object_r:lib_t:s0");
  /* What POSIX expressions do not know. */
  IS ("/etc/dracut.conf", S_IFREG, "system_u:object_r:perl_like_t:s0");
  IS ("/x12", S_IFREG, "system_u:object_r:digits_t:s0");
  IS ("/xd", S_IFREG, "system_u:object_r:etc_runtime_t:s0");
  /* .homedirs, .local, .subs and .subs_dist. */
  IS ("/home/a/.bashrc", S_IFREG, "unconfined_u:object_r:user_home_t:s0");
  IS ("/opt/home/a/.bashrc", S_IFREG, "unconfined_u:object_r:user_home_t:s0");
  IS ("/etc/mine/x", S_IFREG, "system_u:object_r:mine_t:s0:c0.c1023");
  IS ("/lib/systemd/system/a-halt.service", S_IFREG,
      "system_u:object_r:power_unit_file_t:s0");
  IS ("/srv/root/etc/fstab", S_IFREG, "system_u:object_r:etc_t:s0");
  /* <<none>> */
  assert_null (selabel_lookup (sl, "/proc/1", S_IFDIR));
  assert_null (selabel_lookup (sl, "/var/tmp/x", S_IFREG));
  assert_false (selabel_failed (sl));
  selabel_free (sl);
}

/* An expression that PCRE refuses (RHEL 6.2 to 6.5 have one) costs its own
 * line only; so do contexts that are none.
 */
static void
test_bad_lines (void **state)
{
  struct selabel *sl = selabel_new ();

  (void) state;
  selabel_add_specs (sl, span_of (
    "/.*\tsystem_u:object_r:default_t:s0\n"
    "/etc/.*\tsystem_u:object_r:etc_t:s0\n"
    "/var/run/spice-vdagentd.\\pid\t--\tsystem_u:object_r:vdagent_t:s0\n"
    "/etc/(a\tsystem_u:object_r:open_t:s0\n"
    "/etc/b\tnocolons\n"
    "/etc/b\t-z\tsystem_u:object_r:kind_t:s0\n"
    "/etc/b\t--\tsystem_u:object_r:ctl\001_t:s0\n"
    "/etc/b\t--\tsystem_u:object_r:much_t:s0 more\n"
    "lonely\n\n\r\n"
    "/etc/c\t--\tsystem_u:object_r:cr_t:s0\r\n"));
  assert_int_equal (selabel_count (sl), 5);
  IS ("/etc/b", S_IFREG, "system_u:object_r:etc_t:s0");
  IS ("/etc/(a", S_IFREG, "system_u:object_r:etc_t:s0");
  IS ("/etc/c", S_IFREG, "system_u:object_r:cr_t:s0");
  IS ("/var/run/spice-vdagentd.pid", S_IFREG, "system_u:object_r:default_t:s0");
  selabel_free (sl);
}

/* A policy made to take for ever is given up soon, and then nothing of it
 * counts.
 */
static void
test_hostile (void **state)
{
  struct selabel *sl = selabel_new ();
  struct text t = TEXT_INIT;
  struct timespec a, b;
  char path[3000];
  size_t i;

  (void) state;
  for (i = 0; i < 60000; i++)
    text_adds (&t, "/((a+)+)+([a-z]{1,9}){1,40}\\1$x\t--\tu:object_r:t:s0\n");
  selabel_add_specs (sl, (struct span) { t.data, t.len });
  memset (path, 'a', sizeof path);
  path[0] = '/';
  path[sizeof path - 1] = '\0';
  clock_gettime (CLOCK_MONOTONIC, &a);
  for (i = 0; i < 100 && !selabel_failed (sl); i++)
    assert_null (selabel_lookup (sl, path, S_IFREG));
  clock_gettime (CLOCK_MONOTONIC, &b);
  assert_true (selabel_failed (sl));
  print_message ("# %.1f s\n", (double) (b.tv_sec - a.tv_sec) +
                 (double) (b.tv_nsec - a.tv_nsec) / 1e9);
  assert_null (selabel_lookup (sl, "/a", S_IFREG));
  selabel_free (sl);

  /* Too many lines. */
  sl = selabel_new ();
  selabel_add_specs (sl, (struct span) { t.data, t.len });
  selabel_add_specs (sl, (struct span) { t.data, t.len });
  assert_true (selabel_failed (sl));
  selabel_free (sl);
  text_free (&t);
}

/* ---- against libselinux ---- */

struct selinux_opt {
  int type;
  const char *value;
};

static void
write_file (const char *dir, const char *suffix, const char *text)
{
  char path[128];
  FILE *fp;

  snprintf (path, sizeof path, "%s/file_contexts%s", dir, suffix);
  fp = fopen (path, "w");
  assert_non_null (fp);
  fputs (text, fp);
  assert_int_equal (fclose (fp), 0);
}

static void
test_libselinux (void **state)
{
  static const char *const suffixes[] = { "", ".homedirs", ".local", ".subs",
                                          ".subs_dist" };
  const char *const texts[] = { policy, homedirs, local, subs, subs_dist };
  char dir[] = "/tmp/v2vtest.XXXXXX", path[128];
  void *lib = dlopen ("libselinux.so.1", RTLD_NOW);
  void *(*open_) (unsigned, const struct selinux_opt *, unsigned);
  int (*lookup) (void *, char **, const char *, int);
  void (*close_) (void *);
  struct selinux_opt opt = { 3 /* SELABEL_OPT_PATH */, path };
  struct selabel *sl;
  void *h;
  size_t i;

  (void) state;
  if (!lib)
    skip ();
  *(void **) &open_ = dlsym (lib, "selabel_open");
  *(void **) &lookup = dlsym (lib, "selabel_lookup_raw");
  *(void **) &close_ = dlsym (lib, "selabel_close");
  assert_true (open_ && lookup && close_);
  assert_non_null (mkdtemp (dir));
  for (i = 0; i < 5; i++)
    write_file (dir, suffixes[i], texts[i]);
  snprintf (path, sizeof path, "%s/file_contexts", dir);
  h = open_ (0 /* SELABEL_CTX_FILE */, &opt, 1);
  assert_non_null (h);
  sl = make ();
  for (i = 0; i < V2V_ARRAY_SIZE (paths); i++) {
    const char *ours = selabel_lookup (sl, paths[i].path, paths[i].mode);
    char *theirs = NULL;

    if (lookup (h, &theirs, paths[i].path, (int) paths[i].mode) == -1)
      theirs = NULL;
    print_message ("# %s: %s\n", paths[i].path, ours ? ours : "-");
    assert_string_equal (ours ? ours : "-", theirs ? theirs : "-");
    free (theirs);
  }
  selabel_free (sl);
  close_ (h);
  for (i = 0; i < 5; i++) {
    snprintf (path, sizeof path, "%s/file_contexts%s", dir, suffixes[i]);
    unlink (path);
  }
  rmdir (dir);
  dlclose (lib);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_lookup),
    cmocka_unit_test (test_bad_lines),
    cmocka_unit_test (test_hostile),
    cmocka_unit_test (test_libselinux),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
