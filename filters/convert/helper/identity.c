/* SPDX-License-Identifier: BSD-3-Clause */

/* See identity.h.
 *
 * /etc/os-release (or /usr/lib/os-release) decides where it exists; the
 * older files are for releases from before 2012, and for the minor version
 * where os-release has none (CentOS, Debian).
 */

#include <config.h>

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "identity.h"
#include "v2v-utils.h"

const char *const identity_files[IDENTITY_NR_FILES] = {
  [IDENTITY_OS_RELEASE] = "/etc/os-release",
  [IDENTITY_USR_OS_RELEASE] = "/usr/lib/os-release",
  [IDENTITY_LSB_RELEASE] = "/etc/lsb-release",
  [IDENTITY_REDHAT_RELEASE] = "/etc/redhat-release",
  [IDENTITY_CENTOS_RELEASE] = "/etc/centos-release",
  [IDENTITY_SUSE_RELEASE] = "/etc/SuSE-release",
  [IDENTITY_DEBIAN_VERSION] = "/etc/debian_version",
  [IDENTITY_ALPINE_RELEASE] = "/etc/alpine-release",
  [IDENTITY_ALT_RELEASE] = "/etc/altlinux-release",
  [IDENTITY_ARCH_RELEASE] = "/etc/arch-release",
};

/* os-release's ID to libguestfs' name and libosinfo's prefix; FORM says
 * what libosinfo appends: 'M' major, 'm' major.minor, 's' "15sp4", 'c'
 * CentOS, '-' nothing.
 */
static const struct {
  const char *id, *distro, *osinfo;
  char form;
} known[] = {
  { "debian", "debian", "debian", 'M' },
  { "ubuntu", "ubuntu", "ubuntu", 'u' },
  { "linuxmint", "linuxmint", NULL, '-' },
  { "kali", "kalilinux", NULL, '-' },
  { "rhel", "rhel", "rhel", 'm' },
  { "centos", "centos", "centos", 'c' },
  { "fedora", "fedora", "fedora", 'M' },
  { "rocky", "rocky", "rocky", 'M' },
  { "almalinux", "almalinux", "almalinux", 'M' },
  { "ol", "oraclelinux", "ol", 'm' },
  { "scientific", "scientificlinux", "scientificlinux", 'm' },
  { "circle", "circle", "circle", 'm' },
  { "eurolinux", "eurolinux", "eurolinux", 'M' },
  { "amzn", "amazonlinux", NULL, '-' },
  { "openEuler", "openeuler", NULL, '-' },
  { "anolis", "anolis", NULL, '-' },
  { "kylin", "kylin", NULL, '-' },
  { "neokylin", "neokylin", NULL, '-' },
  { "sles", "sles", "sles", 's' },
  { "sles_sap", "sles", "sles", 's' },
  { "sled", "sles", "sled", 's' },
  { "opensuse", "opensuse", "opensuse", 'm' },
  { "opensuse-leap", "opensuse", "opensuse", 'm' },
  { "opensuse-tumbleweed", "opensuse", "opensusetumbleweed", '-' },
  { "opensuse-slowroll", "opensuse", NULL, '-' },
  { "arch", "archlinux", "archlinux", '-' },
  { "altlinux", "altlinux", "alt.p", 'M' },
  { "alpine", "alpinelinux", "alpinelinux", 'm' },
  { "redhat-based", "redhat-based", NULL, '-' },
  { "gentoo", "gentoo", "gentoo", '-' },
};

char *
identity_value (const char *text, const char *key)
{
  size_t len = strlen (key);
  const char *line;

  for (line = text; line != NULL && *line != '\0';
       line = (line = strchr (line, '\n')) != NULL ? line + 1 : NULL) {
    const char *v;
    char *r, *p;
    char quote = '\0';

    while (*line == ' ' || *line == '\t')
      line++;
    if (strncmp (line, key, len) != 0 || line[len] != '=')
      continue;
    v = line + len + 1;
    r = p = calloc (1, strcspn (v, "\n") + 1);
    if (r == NULL)
      return NULL;
    if (*v == '"' || *v == '\'')
      quote = *v++;
    while (*v != '\0' && *v != '\n' && *v != '\r' &&
           (quote ? *v != quote : *v != ' ' && *v != '#')) {
      if (*v == '\\' && quote != '\'' && v[1] != '\0' && v[1] != '\n')
        v++;
      *p++ = *v++;
    }
    *p = '\0';
    return r;
  }
  return NULL;
}

static char *
first_line (const char *text)
{
  size_t n = strcspn (text, "\r\n");

  while (n > 0 && text[n - 1] == ' ')
    n--;
  return strndup (text, n);
}

/* The first "N" or "N.M" in TEXT that begins a word, or follows the "V" that
 * does ("V10", Kylin).
 */
static void
version (const char *text, int *major, int *minor)
{
  const char *p;

  for (p = text; *p != '\0' && *p != '\n'; ++p) {
    const char *word = p;

    if (p > text && (p[-1] == 'V' || p[-1] == 'v'))
      word--;
    if (isdigit ((unsigned char)*p) &&
        (word == text || !isalnum ((unsigned char)word[-1]))) {
      long a, b = 0;
      char *end;

      a = strtol (p, &end, 10);
      if (*end == '.' && isdigit ((unsigned char)end[1]))
        b = strtol (end + 1, NULL, 10);
      if (a >= 0 && a < 100000000 && b >= 0 && b < 100000) {
        *major = (int)a;
        *minor = (int)b;
      }
      return;
    }
  }
}

static const char *
red_hat_id (const char *text)
{
  static const struct {
    const char *begin, *id;
  } names[] = {
    { "Red Hat", "rhel" },        { "CentOS", "centos" },
    { "Fedora", "fedora" },       { "Rocky", "rocky" },
    { "AlmaLinux", "almalinux" }, { "Oracle", "ol" },
    { "Enterprise Linux", "ol" }, { "Scientific", "scientific" },
    { "Circle", "circle" },       { "Kylin", "kylin" },
    { "NeoKylin", "neokylin" },   { "Anolis", "anolis" },
  };
  size_t i;

  for (i = 0; i < V2V_ARRAY_SIZE (names); ++i)
    if (strncmp (text, names[i].begin, strlen (names[i].begin)) == 0)
      return names[i].id;
  return "redhat-based";
}

/* From before os-release. */
static char *
old_identity (const char *const t[IDENTITY_NR_FILES], struct identity *id)
{
  const char *s;

  if ((s = t[IDENTITY_CENTOS_RELEASE]) != NULL ||
      (s = t[IDENTITY_REDHAT_RELEASE]) != NULL) {
    version (s, &id->major, &id->minor);
    id->product_name = first_line (s);
    return strdup (red_hat_id (s));
  }
  if ((s = t[IDENTITY_SUSE_RELEASE]) != NULL) {
    CLEANUP_FREE char *level = NULL;
    const char *p = strstr (s, "PATCHLEVEL");

    version (s, &id->major, &id->minor);
    if (p != NULL && (p = strchr (p, '=')) != NULL)
      id->minor = atoi (p + 1);
    id->product_name = first_line (s);
    return strdup (strstr (s, "openSUSE") == s ? "opensuse" : "sles");
  }
  if ((s = t[IDENTITY_LSB_RELEASE]) != NULL) {
    char *dist = identity_value (s, "DISTRIB_ID"), *p;
    CLEANUP_FREE char *release = identity_value (s, "DISTRIB_RELEASE");

    if (dist != NULL) {
      for (p = dist; *p != '\0'; ++p)
        *p = (char)tolower ((unsigned char)*p);
      if (release != NULL)
        version (release, &id->major, &id->minor);
      id->product_name = identity_value (s, "DISTRIB_DESCRIPTION");
      return dist;
    }
  }
  if ((s = t[IDENTITY_ALPINE_RELEASE]) != NULL) {
    version (s, &id->major, &id->minor);
    return strdup ("alpine");
  }
  if ((s = t[IDENTITY_ALT_RELEASE]) != NULL) {
    version (s, &id->major, &id->minor);
    id->product_name = first_line (s);
    return strdup ("altlinux");
  }
  if ((s = t[IDENTITY_DEBIAN_VERSION]) != NULL) {
    version (s, &id->major, &id->minor);
    return strdup ("debian");
  }
  if (t[IDENTITY_ARCH_RELEASE] != NULL)
    return strdup ("arch");
  return strdup ("unknown");
}

static char *
osinfo_id (const char *prefix, char form, const struct identity *id,
           const char *product)
{
  char *r = NULL;
  int n = -1;

  if (prefix == NULL || (form != '-' && id->major == 0))
    return strdup ("unknown");
  switch (form) {
  case '-':
    return strdup (prefix);
  case 'M':
    n = asprintf (&r, "%s%d", prefix, id->major);
    break;
  case 'm':
    n = asprintf (&r, "%s%d.%d", prefix, id->major, id->minor);
    break;
  case 'u':
    n = asprintf (&r, "%s%d.%02d", prefix, id->major, id->minor);
    break;
  case 's':
    n = id->minor > 0 ? asprintf (&r, "%s%dsp%d", prefix, id->major, id->minor)
                      : asprintf (&r, "%s%d", prefix, id->major);
    break;
  case 'c':
    if (product != NULL && strstr (product, "Stream") != NULL)
      n = asprintf (&r, "centos-stream%d", id->major);
    else if (id->major >= 8)
      n = asprintf (&r, "centos%d", id->major);
    else
      n = asprintf (&r, "centos%d.%d", id->major, id->minor);
    break;
  }
  return n == -1 ? NULL : r;
}

int
identity_parse (const char *const t[IDENTITY_NR_FILES], struct identity *id)
{
  const char *text = t[IDENTITY_OS_RELEASE] ? t[IDENTITY_OS_RELEASE]
                                            : t[IDENTITY_USR_OS_RELEASE];
  CLEANUP_FREE char *name = text ? identity_value (text, "ID") : NULL;
  size_t i;

  memset (id, 0, sizeof *id);
  if (name != NULL && *name != '\0') {
    CLEANUP_FREE char *v = identity_value (text, "VERSION_ID");
    const char *more = NULL;
    int major = 0, minor = 0;

    if (v != NULL)
      version (v, &id->major, &id->minor);
    id->product_name = identity_value (text, "PRETTY_NAME");
    if (strcmp (name, "debian") == 0)
      more = t[IDENTITY_DEBIAN_VERSION];
    else if (strcmp (name, "centos") == 0)
      more = t[IDENTITY_CENTOS_RELEASE];
    if (more != NULL && id->minor == 0) {
      version (more, &major, &minor);
      if (major == id->major)
        id->minor = minor;
    }
  }
  else {
    free (name);
    name = old_identity (t, id);
    if (name == NULL)
      return -1;
  }

  for (i = 0; i < V2V_ARRAY_SIZE (known); ++i)
    if (strcmp (known[i].id, name) == 0) {
      id->distro = strdup (known[i].distro);
      id->osinfo = osinfo_id (known[i].osinfo, known[i].form, id,
                              id->product_name);
      break;
    }
  if (i == V2V_ARRAY_SIZE (known)) {
    id->distro = strdup (name);
    id->osinfo = strdup ("unknown");
  }
  if (id->product_name == NULL &&
      asprintf (&id->product_name, "%s %d", name, id->major) == -1)
    id->product_name = NULL;
  if (!id->distro || !id->osinfo || !id->product_name) {
    identity_free (id);
    return -1;
  }
  return 0;
}

bool
identity_is_family (const char *distro)
{
  size_t i;

  for (i = 0; i < V2V_ARRAY_SIZE (known); ++i)
    if (strcmp (known[i].distro, distro) == 0)
      /* Known to libosinfo, but nobody tried one. */
      return strcmp (distro, "gentoo") != 0;
  return false;
}

void
identity_free (struct identity *id)
{
  free (id->distro);
  free (id->product_name);
  free (id->osinfo);
  memset (id, 0, sizeof *id);
}

const char *
identity_elf_arch (const void *header, unsigned long size)
{
  const unsigned char *h = header;
  bool little;
  unsigned machine;

  if (size < 20 || memcmp (h, "\177ELF", 4) != 0)
    return NULL;
  little = h[5] == 1;
  machine = little ? h[18] | h[19] << 8 : h[19] | h[18] << 8;
  switch (machine) {
  case 62:
    return "x86_64";
  case 3:
    return "i386";
  case 183:
    return "aarch64";
  case 40:
    return "arm";
  case 243:
    return "riscv64";
  case 21:
    return little ? "ppc64le" : "ppc64";
  case 20:
    return "ppc";
  case 22:
    return "s390x";
  case 258:
    return "loongarch64";
  }
  return NULL;
}
