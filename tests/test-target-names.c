/* SPDX-License-Identifier: BSD-3-Clause */

/* Any string becomes a valid name of each kind; valid names stay; what
 * was cut stays apart; a quoted word comes back from a real shell.
 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <libxml/xmlstring.h>

#include "model.h"
#include "v2v-utils.h"

static const char *const samples[] = {
  "", " ", "-", ".", "..", "/", "a", "web1", "Web_1", "a/b", "-rf", "--help",
  ".hidden", "a b", "tab\there", "new\nline", "\r", "\x7f", "\x01",
  "$(id)", "`id`", "a'b", "'", "''", "a\"b", "a\\", "a,b", "a;b", "*", "~",
  "%s%n", "{a: b}", "&amp;", "<x/>", "]]>", "!!python", "yes", "null", "1e3",
  "B\xc3\xbcro", "\xe4\xb8\xad\xe6\x96\x87", "\xf0\x9f\x98\x80",
  "\xff\xfe", "\xc3", "\xed\xa0\x80", "\xc0\xaf", "\xf5\x80\x80\x80",
  "\xef\xbf\xbf", "a\xe2\x80\xae" "b", "con", "nul", "trailing-", "-lead",
  "...", "x.", "a--b", "UPPER.lower_1-2",
};

static bool
only (const char *s, const char *set)
{
  return s[strspn (s, set)] == '\0';
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static void
check_all (const char *s)
{
  CLEANUP_FREE char *file = target_name_file (s);
  CLEANUP_FREE char *domain = target_name_domain (s);
  CLEANUP_FREE char *dns = target_name_dns (s);
  CLEANUP_FREE char *label = target_name_label (s);
  const char *p;

  assert_true (strlen (file) > 0 && strlen (file) <= 80);
  assert_null (strchr (file, '/'));
  assert_true (file[0] != '.' && file[0] != '-');
  assert_true (xmlCheckUTF8 ((const unsigned char *)file));

  assert_true (strlen (domain) > 0 && !only (domain, " "));
  assert_null (strchr (domain, '/'));
  assert_true (xmlCheckUTF8 ((const unsigned char *)domain));
  for (p = domain; *p; ++p)
    assert_true ((unsigned char)*p >= 0x20 && *p != 0x7f);

  assert_true (strlen (dns) > 0 && strlen (dns) <= 63);
  assert_true (only (dns, LOWER DIGITS "-"));
  assert_true (dns[0] != '-' && dns[strlen (dns) - 1] != '-');

  assert_true (strlen (label) > 0 && strlen (label) <= 63);
  assert_true (only (label, LOWER UPPER DIGITS "-_."));
  assert_null (strchr ("-_.", label[0]));
  assert_null (strchr ("-_.", label[strlen (label) - 1]));
}

static void
test_samples (void **state)
{
  size_t i;

  (void)state;
  for (i = 0; i < V2V_ARRAY_SIZE (samples); ++i)
    check_all (samples[i]);
  check_all (NULL);
}

/* Bytes at random, of all lengths around the limits. */
static void
test_random (void **state)
{
  char s[300];
  size_t n, j;
  int i;

  (void)state;
  srandom (42);
  for (i = 0; i < 20000; ++i) {
    n = random () % (sizeof s - 1);
    for (j = 0; j < n; ++j)
      s[j] = i % 2 ? 1 + random () % 255 : "a\xc3\xbc-._/ Z9\n"[random () % 11];
    s[n] = '\0';
    check_all (s);
  }
}

static void
same (char *(*f) (const char *), const char *s)
{
  CLEANUP_FREE char *r = f (s);

  assert_string_equal (r, s);
}

static void
differ (char *(*f) (const char *), const char *a, const char *b)
{
  CLEANUP_FREE char *x = f (a), *y = f (b);

  assert_string_not_equal (x, y);
}

static void
test_kept (void **state)
{
  char a[400], b[400];

  (void)state;
  same (target_name_file, "web1.example.com");
  same (target_name_file, "B\xc3\xbcro 2");
  same (target_name_domain, "-x $(y)");
  same (target_name_dns, "web-1");
  same (target_name_label, "Web_1.x");

  /* Two names that only differ where they are cut. */
  memset (a, 'x', sizeof a);
  memset (b, 'x', sizeof b);
  a[398] = 'a';
  b[398] = 'b';
  a[399] = b[399] = '\0';
  differ (target_name_file, a, b);
  differ (target_name_dns, a, b);
  differ (target_name_label, a, b);
  /* Two of which nothing is left. */
  differ (target_name_dns, "\xe4\xb8\xad", "\xe6\x96\x87");
}

/* The shell gives back every byte. */
static void
test_quote (void **state)
{
  char buf[256];
  size_t i, n;
  int c;

  (void)state;
  for (c = 1; c < 256; ++c)
    buf[c - 1] = c;
  buf[255] = '\0';
  for (i = 0; i <= V2V_ARRAY_SIZE (samples); ++i) {
    const char *s = i < V2V_ARRAY_SIZE (samples) ? samples[i] : buf;
    CLEANUP_FREE char *q = target_shell_quote (s), *script = NULL;
    char out[1024];
    int fd[2], status;
    pid_t pid;

    assert_true (asprintf (&script, "printf %%s %s", q) != -1);
    assert_int_equal (pipe (fd), 0);
    pid = fork ();
    if (pid == 0) {
      dup2 (fd[1], 1);
      close (fd[0]);
      execlp ("bash", "bash", "-c", script, NULL);
      _exit (127);
    }
    close (fd[1]);
    n = 0;
    for (;;) {
      ssize_t r = read (fd[0], out + n, sizeof out - 1 - n);

      if (r <= 0)
        break;
      n += r;
    }
    close (fd[0]);
    out[n] = '\0';
    assert_int_equal (waitpid (pid, &status, 0), pid);
    assert_int_equal (status, 0);
    /* "-" alone would be an option of printf: it is quoted or not, but
     * printf %s takes it as it is.
     */
    assert_string_equal (out, s);
  }
}

static void
test_uri (void **state)
{
  struct nbd_uri u;
  char *error = NULL;

  (void)state;
  assert_int_equal (nbd_uri_parse ("nbd+unix:///a%2Fb%20c?socket=/t%20x/s",
                                   &u, &error), 0);
  assert_string_equal (u.export, "a/b c");
  assert_string_equal (u.socket, "/t x/s");
  assert_null (u.host);
  nbd_uri_clear (&u);
  assert_int_equal (nbd_uri_parse ("nbds://[fe80::1]/", &u, &error), 0);
  assert_true (u.tls);
  assert_string_equal (u.host, "fe80::1");
  assert_int_equal (u.port, 10809);
  assert_string_equal (u.export, "");
  nbd_uri_clear (&u);
  assert_int_equal (nbd_uri_parse ("nbd+unix:///x?sock=/y", &u, &error), -1);
  assert_non_null (strstr (error, "socket"));
  free (error);
}

static void
set (struct target_options *o, const char *name, const char *value, int want)
{
  char *error = NULL;

  assert_int_equal (target_options_set (o, name, value, &error), want);
  assert_int_equal (error != NULL, want == -1);
  free (error);
}

static void
test_options (void **state)
{
  struct target_options o = { .name = NULL };
  struct target_facts f = { .boot_disk = -1 };
  const uint64_t sizes[] = { 1, 2 };
  char *error = NULL;

  (void)state;
  set (&o, "unknown", "x", 0);
  set (&o, "network", "VM Network:default", 1);
  set (&o, "network", "VM Network:other", -1);
  set (&o, "network", "lan", 1);
  set (&o, "network", "lan2", -1);
  set (&o, "network", ":x", -1);
  set (&o, "network", "x:", -1);
  set (&o, "network", "", -1);
  set (&o, "bridge", "br0", 1);
  set (&o, "mac", "00:50:56:AA:bb:cc:bridge:br1", 1);
  set (&o, "mac", "00:50:56:aa:bb:cc:network:n", -1);
  set (&o, "mac", "00:50:56:aa:bb:cd", -1);
  set (&o, "mac", "00:50:56:aa:bb:cg:network:n", -1);
  set (&o, "mac", "00:50:56:aa:bb:cd:net:n", -1);
  set (&o, "mac", "00:50:56:aa:bb:cd:network:", -1);
  set (&o, "output-format", "vmdk", -1);
  set (&o, "output-format", "qcow2", 1);
  set (&o, "output-allocation", "thick", -1);
  set (&o, "output-dir", "/srv", 1);
  set (&o, "output-pool", "", -1);
  set (&o, "output-pool", "default", 1);
  set (&o, "name", "", -1);
  set (&o, "name", "a/b", 1);
  assert_int_equal (target_options_apply (&o, NULL, sizes, 2, &f, &error), 0);
  assert_int_equal (f.nr_disks, 2);
  assert_string_equal (f.disks[1].path, "/srv/a_b-disk1.qcow2");
  assert_string_equal (f.disks[1].pool, "default");
  assert_int_equal (f.nr_maps, 4);
  assert_string_equal (f.maps[3].from, "00:50:56:aa:bb:cc");
  assert_string_equal (f.maps[3].to, "br1");
  target_options_clear (&o);
}

static void
test_default_os (void **state)
{
  struct target_os os;

  (void)state;
  target_default_os ("linux", "almalinux", 9, "x86_64", &os);
  assert_int_equal (os.machine, TARGET_MACHINE_Q35);
  assert_true (os.virtio_1_0);
  target_default_os ("linux", "centos", 6, "x86_64", &os);
  assert_int_equal (os.machine, TARGET_MACHINE_Q35);
  assert_false (os.virtio_1_0);
  target_default_os ("linux", "rhel", 4, "i386", &os);
  assert_int_equal (os.machine, TARGET_MACHINE_I440FX);
  target_default_os ("windows", "windows", 5, "x86_64", &os);
  assert_int_equal (os.machine, TARGET_MACHINE_I440FX);
  target_default_os ("windows", "windows", 10, "x86_64", &os);
  assert_int_equal (os.machine, TARGET_MACHINE_Q35);
  target_default_os ("linux", "archlinux", 0, "x86_64", &os);
  assert_true (os.virtio_1_0);
  target_default_os ("linux", "debian", 12, "aarch64", &os);
  assert_int_equal (os.machine, TARGET_MACHINE_VIRT);
  target_default_os (NULL, NULL, 0, NULL, &os);
  assert_int_equal (os.machine, TARGET_MACHINE_Q35);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_samples),
    cmocka_unit_test (test_random),
    cmocka_unit_test (test_kept),
    cmocka_unit_test (test_quote),
    cmocka_unit_test (test_uri),
    cmocka_unit_test (test_options),
    cmocka_unit_test (test_default_os),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
