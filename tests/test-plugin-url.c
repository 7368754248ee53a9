/* SPDX-License-Identifier: BSD-3-Clause */

/* URLs of the plugin v2v: parts, queries, quoting.  What becomes an argument
 * of a child must not be mistaken for an option, nor hold a secret.
 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "url.h"

static void
test_parts (void **state)
{
  static const struct {
    const char *url, *user, *host, *port, *path;
  } rows[] = {
    { "ssh://h/p", NULL, "h", NULL, "/p" },
    { "ssh://u@h:22/a%20b", "u", "h", "22", "/a b" },
    { "ssh://u%40x@h/", "u@x", "h", NULL, "/" },
    { "ssh://[fe80::1]:8022/x", NULL, "fe80::1", "8022", "/x" },
    { "ssh://[fe80::1]/x", NULL, "fe80::1", NULL, "/x" },
    { "xen+ssh://root@h", "root", "h", NULL, "" },
    { "xen+ssh://root@h?keyfile=/k", "root", "h", NULL, "" },
    { "vpx://me@h:443/DC/esxi?no_verify=1", "me", "h", "443",
      "/DC/esxi?no_verify=1" },
  };
  size_t i;

  (void)state;
  for (i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
    struct diag d = { 0 };
    struct url u;

    assert_int_equal (url_parse (rows[i].url, &u, &d), 0);
    assert_string_equal (u.user ? u.user : "-",
                         rows[i].user ? rows[i].user : "-");
    assert_string_equal (u.host, rows[i].host);
    assert_string_equal (u.port ? u.port : "-",
                         rows[i].port ? rows[i].port : "-");
    assert_string_equal (u.path, rows[i].path);
    url_free (&u);
  }
}

static void
test_refused (void **state)
{
  static const struct {
    const char *url, *reason;
  } rows[] = {
    { "ssh:///p", "no valid host" },
    { "ssh://-oProxyCommand=x/p", "no valid host" },
    { "ssh://u@-x/p", "no valid host" },
    { "ssh://a%20b/p", "no valid host" },
    { "ssh://u:secret@h/p", "a password in a URL" },
    { "ssh://h:0/p", "the port" },
    { "ssh://h:65536/p", "the port" },
    { "ssh://h:x/p", "the port" },
    { "ssh://h:/p", "the port" },
    { "ssh://h/%", "%-escape" },
    { "ssh://h/%0", "%-escape" },
    { "ssh://h/%zz", "%-escape" },
    { "ssh://h/a%00b", "%-escape" },
    { "ssh://u%00@h/", "%-escape" },
  };
  size_t i;

  (void)state;
  for (i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
    struct diag d = { 0 };
    struct url u;

    assert_int_equal (url_parse (rows[i].url, &u, &d), -1);
    assert_non_null (d.error);
    assert_non_null (strstr (d.error, rows[i].reason));
    assert_null (strstr (d.error, "secret"));
    url_free (&u);
    diag_clear (&d);
  }
}

static void
query_is (const char *url, const char *key, const char *want)
{
  char *s = url_query (url, key);

  if (want == NULL)
    assert_null (s);
  else
    assert_string_equal (s, want);
  free (s);
}

static void
test_query (void **state)
{
  (void)state;
  query_is ("a://h", "k", NULL);
  query_is ("a://h/?k=1", "k", "1");
  query_is ("a://h/?kk=1&k=2", "k", "2");
  query_is ("a://h/?x=k=1", "k", NULL);
  query_is ("a://h/?k=a%2fb&k=c", "k", "a/b");
  query_is ("a://h/?k=1#k=2", "k", "1");
  query_is ("a://h/?x=1;k=2", "k", "2");
  query_is ("a://h/?k=", "k", "");
  query_is ("a://h/?k", "k", NULL);
  query_is ("a://h/?k=%00", "k", NULL);
}

static void
test_quote (void **state)
{
  char *s;

  (void)state;
  s = url_quote ("/a b/%\xc3\xa9?#", URL_KEEP_PATH);
  assert_string_equal (s, "/a%20b/%25%C3%A9%3F%23");
  free (s);
  s = url_quote ("a/b", URL_KEEP);
  assert_string_equal (s, "a%2Fb");
  free (s);
}

static void
test_scheme (void **state)
{
  static const char *const schemes[] = { "http", "https", NULL };

  (void)state;
  assert_true (url_is ("ssh://h/p"));
  assert_false (url_is ("/dir/a://b"));
  assert_false (url_is ("a.img"));
  assert_true (url_has_scheme ("HTTPS://h", schemes));
  assert_false (url_has_scheme ("httpx://h", schemes));
  assert_false (url_has_scheme ("http:/h", schemes));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_parts),  cmocka_unit_test (test_refused),
    cmocka_unit_test (test_query),  cmocka_unit_test (test_quote),
    cmocka_unit_test (test_scheme),
  };

  return cmocka_run_group_tests_name ("url", tests, NULL, NULL);
}
