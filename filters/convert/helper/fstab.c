/* SPDX-License-Identifier: BSD-3-Clause */

/* See fstab.h. */

#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "fstab.h"
#include "v2v-utils.h"

#define MAX_ENTRIES 256

static const char *const ignored_types[] = {
  "swap",      "proc",      "sysfs",       "tmpfs",      "ramfs",
  "devtmpfs",  "devpts",    "usbfs",       "usbdevfs",   "securityfs",
  "debugfs",   "tracefs",   "configfs",    "cgroup",     "cgroup2",
  "hugetlbfs", "mqueue",    "binfmt_misc", "rpc_pipefs", "efivarfs",
  "pstore",    "bpf",       "selinuxfs",   "overlay",    "aufs",
  "unionfs",   "squashfs",  "autofs",      "nfs",        "nfs4",
  "cifs",      "smbfs",     "smb3",        "9p",         "virtiofs",
  "ceph",      "glusterfs", "afs",         "ncpfs",      "coda",
  "gfs",       "gfs2",      "ocfs2",       "vboxsf",     "vmhgfs",
  "iso9660",   "udf",       "fuse",        "none",       "ignore",
  NULL
};

static const char *const ignored_trees[] = { "/dev", "/proc",    "/sys",
                                             "/run", "/selinux", "/media",
                                             "/tmp", NULL };

/* "\040" and its like, in place. */
static void
decode (char *s)
{
  char *out = s;

  while (*s != '\0') {
    if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' &&
        s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
      char c = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));

      if (c != '\0') {
        *out++ = c;
        s += 4;
        continue;
      }
    }
    *out++ = *s++;
  }
  *out = '\0';
}

/* "//boot/./efi/" becomes "/boot/efi", in place; false if it is not an
 * absolute path or contains "..".
 */
static bool
normalize (char *path)
{
  char *in = path, *out = path;

  if (*in != '/')
    return false;
  while (*in != '\0') {
    size_t len;

    while (*in == '/')
      in++;
    len = strcspn (in, "/");
    if (len == 2 && in[0] == '.' && in[1] == '.')
      return false;
    if (len > 0 && !(len == 1 && in[0] == '.')) {
      *out++ = '/';
      memmove (out, in, len);
      out += len;
    }
    in += len;
  }
  if (out == path)
    *out++ = '/';
  *out = '\0';
  return true;
}

static bool
below (const char *path, const char *tree)
{
  size_t len = strlen (tree);

  return strncmp (path, tree, len) == 0 &&
         (path[len] == '\0' || path[len] == '/');
}

static bool
wanted (const struct fstab *fstab, const char *mountpoint, const char *type)
{
  CLEANUP_FREE char *types = strdup (type);
  char *save = NULL, *tok;
  size_t i;

  if (types == NULL || strncmp (type, "fuse.", 5) == 0)
    return false;
  for (tok = strtok_r (types, ",", &save); tok != NULL;
       tok = strtok_r (NULL, ",", &save))
    for (i = 0; ignored_types[i] != NULL; ++i)
      if (strcmp (tok, ignored_types[i]) == 0)
        return false;
  for (i = 0; ignored_trees[i] != NULL; ++i)
    /* A real file system on /tmp is of no interest either. */
    if (below (mountpoint, ignored_trees[i]))
      return false;
  if (below (mountpoint, "/mnt") && strstr (mountpoint, "cdrom") != NULL)
    return false;
  for (i = 0; i < fstab->n; ++i)
    if (strcmp (fstab->v[i].mountpoint, mountpoint) == 0)
      return false;
  return true;
}

static int
by_length (const void *av, const void *bv)
{
  const struct fstab_entry *a = av, *b = bv;
  size_t n = strlen (a->mountpoint), m = strlen (b->mountpoint);

  if (n != m)
    return n < m ? -1 : 1;
  return strcmp (a->mountpoint, b->mountpoint);
}

static int
add_swap (struct fstab *fstab, const char *spec)
{
  char **v = realloc (fstab->swaps, (fstab->nr_swaps + 1) * sizeof *v);

  if (v == NULL)
    return -1;
  fstab->swaps = v;
  v[fstab->nr_swaps] = strdup (spec);
  return v[fstab->nr_swaps++] == NULL ? -1 : 0;
}

int
fstab_parse (const char *text, struct fstab *fstab)
{
  CLEANUP_FREE char *copy = strdup (text);
  char *line, *next;

  memset (fstab, 0, sizeof *fstab);
  if (copy == NULL)
    return -1;
  for (line = copy; line != NULL; line = next) {
    char *w[4] = { NULL }, *save = NULL, *tok;
    struct fstab_entry *v;
    size_t n = 0;

    next = strchr (line, '\n');
    if (next != NULL)
      *next++ = '\0';
    for (tok = strtok_r (line, " \t\r", &save); tok != NULL && n < 4;
         tok = strtok_r (NULL, " \t\r", &save))
      w[n++] = tok;
    if (n < 3 || w[0][0] == '#')
      continue;
    decode (w[0]);
    decode (w[1]);
    if (strcmp (w[2], "swap") == 0) {
      if (fstab->nr_swaps < MAX_ENTRIES && add_swap (fstab, w[0]) == -1)
        return -1;
      continue;
    }
    if (fstab->n == MAX_ENTRIES || !normalize (w[1]) ||
        !wanted (fstab, w[1], w[2]))
      continue;
    /* A bind mount has a directory here. */
    if (strchr (w[0], '=') == NULL && strncmp (w[0], "/dev/", 5) != 0)
      continue;
    v = realloc (fstab->v, (fstab->n + 1) * sizeof *v);
    if (v == NULL)
      return -1;
    fstab->v = v;
    v += fstab->n++;
    v->spec = strdup (w[0]);
    v->mountpoint = strdup (w[1]);
    v->type = strdup (w[2]);
    v->options = strdup (w[3] ? w[3] : "defaults");
    if (!v->spec || !v->mountpoint || !v->type || !v->options)
      return -1;
  }
  if (fstab->n > 0)
    qsort (fstab->v, fstab->n, sizeof *fstab->v, by_length);
  return 0;
}

void
fstab_free (struct fstab *fstab)
{
  size_t i;

  for (i = 0; i < fstab->n; ++i) {
    free (fstab->v[i].spec);
    free (fstab->v[i].mountpoint);
    free (fstab->v[i].type);
    free (fstab->v[i].options);
  }
  free (fstab->v);
  for (i = 0; i < fstab->nr_swaps; ++i)
    free (fstab->swaps[i]);
  free (fstab->swaps);
  memset (fstab, 0, sizeof *fstab);
}

char *
fstab_option (const char *options, const char *name)
{
  size_t len = strlen (name);

  while (*options != '\0') {
    size_t n = strcspn (options, ",");

    if (n >= len && strncmp (options, name, len) == 0 &&
        (n == len || options[len] == '='))
      return n == len ? strdup ("") : strndup (options + len + 1, n - len - 1);
    options += n;
    if (*options == ',')
      options++;
  }
  return NULL;
}
