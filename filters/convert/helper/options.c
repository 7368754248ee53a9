/* SPDX-License-Identifier: BSD-3-Clause */

/* See options.h. */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance.h"
#include "options.h"
#include "v2v-utils.h"

enum {
  OPT_DISK = 256,
  OPT_SOURCE,
  OPT_OUTPUT,
  OPT_PROGRESS_FD,
  OPT_ROOT,
  OPT_KEY,
  OPT_KEY_FILE,
  OPT_MEMSIZE,
  OPT_SMP,
  OPT_DRY_RUN,
  OPT_OPTION,
  OPT_FSCK,
  OPT_NO_TRIM,
  OPT_TARGET
};

static const struct option long_options[] = {
  { "disk", required_argument, NULL, OPT_DISK },
  { "source", required_argument, NULL, OPT_SOURCE },
  { "output", required_argument, NULL, OPT_OUTPUT },
  { "progress-fd", required_argument, NULL, OPT_PROGRESS_FD },
  { "root", required_argument, NULL, OPT_ROOT },
  { "key", required_argument, NULL, OPT_KEY },
  { "key-file", required_argument, NULL, OPT_KEY_FILE },
  { "memsize", required_argument, NULL, OPT_MEMSIZE },
  { "smp", required_argument, NULL, OPT_SMP },
  { "dry-run", no_argument, NULL, OPT_DRY_RUN },
  { "option", required_argument, NULL, OPT_OPTION },
  { "fsck", required_argument, NULL, OPT_FSCK },
  { "no-trim", no_argument, NULL, OPT_NO_TRIM },
  { "target", required_argument, NULL, OPT_TARGET },
  { "verbose", no_argument, NULL, 'v' },
  { "version", no_argument, NULL, 'V' },
  { "help", no_argument, NULL, 'h' },
  { NULL, 0, NULL, 0 }
};

static void
usage (FILE *fp)
{
  fprintf (fp, "Usage: v2v-convert-helper --disk NBD-URI [--disk NBD-URI]... "
               "--output DIR\n"
               "         [--source FILE] [--progress-fd N] "
               "[--root single|first|DEVICE]\n"
               "         [--key ID:key:STRING|ID:file:FILE] [--key-file FILE]\n"
               "         [--memsize MB] [--smp N] [--fsck auto|always|never]\n"
               "         [--no-trim] [--dry-run] [--option NAME=VALUE]...\n"
               "         [--target NAME=VALUE]... [-v]\n"
               "Convert the guest on the disks in place.  "
               "See v2v-convert-helper(1).\n");
}

static int
bad (const char *option, const char *arg, const char *why)
{
  fprintf (stderr, "v2v-convert-helper: %s %s: %s\n", option, arg, why);
  return -1;
}

static int
parse_number (const char *option, const char *arg, unsigned min, unsigned max,
              unsigned *n)
{
  unsigned long v;
  char *end;

  errno = 0;
  v = strtoul (arg, &end, 10);
  if (errno || end == arg || *end != '\0' || *arg == '-' || v < min || v > max)
    return bad (option, arg, "not a number in the range of this option");
  *n = (unsigned)v;
  return 0;
}

static int
add_uri (struct options *o, char *uri)
{
  const char *why;
  char **p;

  if (appliance_check_uri (uri, &why) == -1)
    return bad ("--disk", uri, why);
  p = realloc (o->uris, (o->nr_uris + 1) * sizeof *p);
  if (p == NULL)
    return bad ("--disk", uri, "out of memory");
  o->uris = p;
  o->uris[o->nr_uris++] = uri;
  return 0;
}

static int
add_target (struct options *o, char *arg)
{
  CLEANUP_FREE char *name = strdup (arg), *error = NULL;
  char *eq = name ? strchr (name, '=') : NULL;
  int r;

  if (eq == NULL)
    return bad ("--target", arg, "give it as NAME=VALUE");
  *eq = '\0';
  r = target_options_set (&o->target, name, eq + 1, &error);
  if (r == 0)
    return bad ("--target", arg, "there is no such parameter");
  if (r == -1)
    return bad ("--target", arg, error ? error : "out of memory");
  return 0;
}

static int
add_option (struct options *o, char *arg)
{
  char *eq = strchr (arg, '=');
  struct linux_option *p;

  if (eq == NULL || eq == arg)
    return bad ("--option", arg, "give it as NAME=VALUE");
  p = realloc (o->linux_options, (o->nr_linux_options + 1) * sizeof *p);
  if (p == NULL)
    return bad ("--option", arg, "out of memory");
  o->linux_options = p;
  *eq = '\0';
  p += o->nr_linux_options++;
  p->name = arg;
  p->value = eq + 1;
  return 0;
}

static int
add_key (struct options *o, char *arg, bool file)
{
  char *error = NULL;
  int r = file ? keys_add_file (&o->keys, arg, &error)
               : keys_add (&o->keys, arg, &error);

  if (r == -1)
    fprintf (stderr, "v2v-convert-helper: %s: %s\n",
             file ? "--key-file" : "--key", error ? error : "out of memory");
  free (error);
  /* Others can see a command line: leave nothing of the key in it. */
  if (!file)
    memset (arg, 'x', strlen (arg));
  return r;
}

static int
one_option (struct options *o, int c)
{
  unsigned n;

  switch (c) {
  case OPT_DISK:
    return add_uri (o, optarg);
  case OPT_TARGET:
    return add_target (o, optarg);
  case OPT_SOURCE:
    o->source = optarg;
    return 0;
  case OPT_OUTPUT:
    o->output = optarg;
    return 0;
  case OPT_PROGRESS_FD:
    if (parse_number ("--progress-fd", optarg, 0, INT_MAX, &n) == -1)
      return -1;
    if (fcntl ((int)n, F_GETFD) == -1)
      return bad ("--progress-fd", optarg, "no such file descriptor");
    o->progress_fd = (int)n;
    return 0;
  case OPT_ROOT:
    if (strcmp (optarg, "single") != 0 && strcmp (optarg, "first") != 0 &&
        strncmp (optarg, "/dev/", 5) != 0 &&
        strncmp (optarg, "btrfsvol:/dev/", 14) != 0)
      return bad ("--root", optarg, "use single, first, or /dev/NAME");
    o->root = optarg;
    return 0;
  case OPT_KEY:
    return add_key (o, optarg, false);
  case OPT_KEY_FILE:
    return add_key (o, optarg, true);
  case OPT_MEMSIZE:
    return parse_number ("--memsize", optarg, 256, 1024 * 1024, &o->memsize);
  case OPT_SMP:
    return parse_number ("--smp", optarg, 1, 255, &o->smp);
  case OPT_DRY_RUN:
    o->dry_run = true;
    return 0;
  case OPT_OPTION:
    return add_option (o, optarg);
  case OPT_FSCK:
    if (strcmp (optarg, "auto") == 0)
      o->fsck = FSCK_AUTO;
    else if (strcmp (optarg, "always") == 0)
      o->fsck = FSCK_ALWAYS;
    else if (strcmp (optarg, "never") == 0)
      o->fsck = FSCK_NEVER;
    else
      return bad ("--fsck", optarg, "use auto, always or never");
    return 0;
  case OPT_NO_TRIM:
    o->trim = false;
    return 0;
  case 'v':
    o->verbose = true;
    return 0;
  case 'V':
    printf ("%s\n", PACKAGE_STRING);
    return 1;
  case 'h':
    usage (stdout);
    return 1;
  default:
    usage (stderr);
    return -1;
  }
}

int
options_parse (struct options *o, int argc, char *argv[])
{
  int c, r;

  memset (o, 0, sizeof *o);
  o->progress_fd = -1;
  o->trim = true;
  while ((c = getopt_long (argc, argv, "vVh", long_options, NULL)) != -1) {
    r = one_option (o, c);
    if (r != 0)
      return r;
  }
  if (optind < argc)
    return bad ("unexpected argument", argv[optind], "see --help");
  if (o->nr_uris == 0 || o->output == NULL) {
    usage (stderr);
    return -1;
  }
  return 0;
}

void
options_free (struct options *o)
{
  free (o->uris);
  free (o->linux_options);
  target_options_clear (&o->target);
  keys_free (&o->keys);
}
