/* SPDX-License-Identifier: BSD-3-Clause */

#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>

#include "copy.h"
#include "target.h"

void *
xrealloc (void *p, size_t n)
{
  p = realloc (p, n);
  if (p == NULL) {
    perror ("v2v-copy: realloc");
    exit (EXIT_USAGE);
  }
  return p;
}

char *
xstrdup (const char *s)
{
  return strcpy (xrealloc (NULL, strlen (s) + 1), s);
}

static char *
xvasprintf (const char *fmt, va_list ap)
{
  char *s;

  if (vasprintf (&s, fmt, ap) == -1) {
    perror ("v2v-copy: vasprintf");
    exit (EXIT_USAGE);
  }
  return s;
}

char *
xasprintf (const char *fmt, ...)
{
  va_list ap;
  char *s;

  va_start (ap, fmt);
  s = xvasprintf (fmt, ap);
  va_end (ap);
  return s;
}

static void
add_owned (struct strings *l, char *s)
{
  l->v = xrealloc (l->v, (l->n + 2) * sizeof *l->v);
  l->v[l->n++] = s;
  l->v[l->n] = NULL;
}

void
strings_add (struct strings *l, const char *s)
{
  add_owned (l, xstrdup (s));
}

void
strings_addf (struct strings *l, const char *fmt, ...)
{
  va_list ap;

  va_start (ap, fmt);
  add_owned (l, xvasprintf (fmt, ap));
  va_end (ap);
}

void
strings_free (struct strings *l)
{
  size_t i;

  for (i = 0; i < l->n; ++i)
    free (l->v[i]);
  free (l->v);
  l->v = NULL;
  l->n = 0;
}

enum {
  OPT_BRIDGE = 256,
  OPT_CONNECT,
  OPT_DEFINE,
  OPT_DOCUMENTS,
  OPT_DRY_RUN,
  OPT_EXPORT,
  OPT_FILTER,
  OPT_FORCE,
  OPT_HELP,
  OPT_JSON,
  OPT_MAC,
  OPT_NETWORK,
  OPT_NO_CONVERT,
  OPT_PLUGIN,
  OPT_READAHEAD,
  OPT_NAME
};

static const struct option long_options[] = {
  { "allocation", required_argument, NULL, 'a' },
  { "bridge", required_argument, NULL, OPT_BRIDGE },
  { "connect", required_argument, NULL, OPT_CONNECT },
  { "define", no_argument, NULL, OPT_DEFINE },
  { "documents", required_argument, NULL, OPT_DOCUMENTS },
  { "dry-run", no_argument, NULL, OPT_DRY_RUN },
  { "export", required_argument, NULL, OPT_EXPORT },
  { "filter", required_argument, NULL, OPT_FILTER },
  { "force", no_argument, NULL, OPT_FORCE },
  { "format", required_argument, NULL, 'f' },
  { "help", no_argument, NULL, OPT_HELP },
  { "jobs", required_argument, NULL, 'j' },
  { "json", no_argument, NULL, OPT_JSON },
  { "mac", required_argument, NULL, OPT_MAC },
  { "name", required_argument, NULL, OPT_NAME },
  { "network", required_argument, NULL, OPT_NETWORK },
  { "no-convert", no_argument, NULL, OPT_NO_CONVERT },
  { "param", required_argument, NULL, 'p' },
  { "plugin", required_argument, NULL, OPT_PLUGIN },
  { "quiet", no_argument, NULL, 'q' },
  { "readahead", no_argument, NULL, OPT_READAHEAD },
  { "verbose", no_argument, NULL, 'v' },
  { "version", no_argument, NULL, 'V' },
  { NULL, 0, NULL, 0 }
};

static void
usage (FILE *fp)
{
  fprintf (
    fp,
    "Usage: v2v-copy [OPTIONS] SOURCE DIRECTORY\n"
    "       v2v-copy [OPTIONS] SOURCE pool:NAME\n"
    "       v2v-copy [OPTIONS] SOURCE -\n"
    "       v2v-copy --dry-run [OPTIONS] SOURCE\n"
    "Convert a virtual machine to run on KVM and copy its disks.\n"
    "\n"
    "  -f, --format raw|qcow2         of the disks that are written (raw)\n"
    "  -a, --allocation sparse|preallocated (sparse)\n"
    "  -j, --jobs N                   disks that are copied at once (4)\n"
    "      --name NAME                of the new machine\n"
    "      --network [SOURCE:]TARGET  where NICs go; also --bridge and\n"
    "      --mac MAC:network|bridge:TARGET\n"
    "      --documents DIRECTORY      where the documents are written\n"
    "      --define                   define the machine in libvirt\n"
    "      --connect URI              which libvirt\n"
    "      --export NAME              which one to write to standard output\n"
    "      --force                    replace files that exist\n"
    "      --dry-run                  convert, report, throw away\n"
    "      --no-convert               only copy\n"
    "      --plugin NAME              nbdkit plugin that reads the source\n"
    "      --filter NAME              nbdkit filter next to the plugin\n"
    "      --readahead                read ahead from the source\n"
    "  -p, --param KEY=VALUE          parameter of nbdkit's plugin or filters\n"
    "      --json                     events as JSON, one a line\n"
    "  -q, --quiet  -v, --verbose  -V, --version  --help\n"
    "\n"
    "Please read v2v-copy(1).\n");
}

static void __attribute__ ((noreturn)) bad (const char *fmt, ...)
  __attribute__ ((format (printf, 1, 2)));

static void
bad (const char *fmt, ...)
{
  va_list ap;

  fprintf (stderr, "v2v-copy: ");
  va_start (ap, fmt);
  vfprintf (stderr, fmt, ap);
  va_end (ap);
  fprintf (stderr, "\nTry 'v2v-copy --help'.\n");
  exit (EXIT_USAGE);
}

static bool
choose (const char *option, const char *arg, const char *no, const char *yes)
{
  if (strcmp (arg, yes) == 0)
    return true;
  if (strcmp (arg, no) != 0)
    bad ("%s: expected %s or %s, not \"%s\"", option, no, yes, arg);
  return false;
}

static unsigned
number (const char *option, const char *arg)
{
  unsigned long v;
  char *end;

  errno = 0;
  v = strtoul (arg, &end, 10);
  if (errno || end == arg || *end || *arg == '-' || v < 1 || v > 32)
    bad ("%s: expected a number from 1 to 32, not \"%s\"", option, arg);
  return (unsigned)v;
}

/* A parameter of the conversion's, checked before anything is started. */
static void
target_param (struct options *o, const char *name)
{
  static struct target_options seen;
  char *error = NULL;

  if (target_options_set (&seen, name, optarg, &error) != 1)
    bad ("--%s: %s", name, error ? error : "out of memory");
  strings_addf (&o->target_params, "%s=%s", name, optarg);
}

static void
one_option (struct options *o, int c)
{
  switch (c) {
  case 'a':
    o->preallocated = choose ("--allocation", optarg, "sparse", "preallocated");
    break;
  case 'f':
    o->qcow2 = choose ("--format", optarg, "raw", "qcow2");
    break;
  case 'j':
    o->jobs = number ("--jobs", optarg);
    break;
  case 'p':
    if (strchr (optarg, '=') == NULL || optarg[0] == '=')
      bad ("--param: expected KEY=VALUE, not \"%s\"", optarg);
    strings_add (&o->params, optarg);
    break;
  case 'q':
    o->quiet = true;
    break;
  case 'v':
    o->verbose = true;
    break;
  case 'V':
    printf ("v2v-copy %s\n", PACKAGE_VERSION);
    exit (EXIT_OK);
  case OPT_HELP:
    usage (stdout);
    exit (EXIT_OK);
  case OPT_BRIDGE:
    target_param (o, "bridge");
    break;
  case OPT_NETWORK:
    target_param (o, "network");
    break;
  case OPT_MAC:
    target_param (o, "mac");
    break;
  case OPT_CONNECT:
    o->connect = optarg;
    break;
  case OPT_DEFINE:
    o->define = true;
    break;
  case OPT_DOCUMENTS:
    o->documents = optarg;
    break;
  case OPT_DRY_RUN:
    o->dry_run = true;
    break;
  case OPT_EXPORT:
    o->export = optarg;
    break;
  case OPT_FILTER:
    strings_add (&o->filters, optarg);
    break;
  case OPT_FORCE:
    o->force = true;
    break;
  case OPT_JSON:
    o->json = true;
    break;
  case OPT_NAME:
    if (*optarg == '\0')
      bad ("--name must not be empty");
    o->name = optarg;
    break;
  case OPT_NO_CONVERT:
    o->convert = false;
    break;
  case OPT_PLUGIN:
    o->plugin = optarg;
    break;
  case OPT_READAHEAD:
    o->readahead = true;
    break;
  default:
    bad ("wrong usage");
  }
}

static bool
ends (const char *s, const char *suffix)
{
  size_t n = strlen (s), m = strlen (suffix);

  return n > m && strcasecmp (s + n - m, suffix) == 0;
}

/* Only what is certainly raw is read as raw: formats are not probed. */
static const char *
plugin_for (const char *source)
{
  struct stat st;

  if (strncmp (source, "http://", 7) == 0 ||
      strncmp (source, "https://", 8) == 0)
    return "curl";
  if (strncmp (source, "nbd://", 6) == 0 ||
      strncmp (source, "nbds://", 7) == 0 ||
      strncmp (source, "nbd+unix://", 11) == 0)
    return "nbd";
  if (strstr (source, "://"))
    return "v2v";
  if (ends (source, ".img") || ends (source, ".raw") ||
      (stat (source, &st) == 0 && S_ISBLK (st.st_mode)))
    return "file";
  return "v2v";
}

/* What cannot be meant together. */
static void
check_target (const struct options *o, bool has_target)
{
  const bool out = strcmp (o->target, "-") == 0;

  if (out && (o->qcow2 || o->preallocated))
    bad ("standard output gets raw data: leave --format and --allocation out");
  if (o->export && !out)
    bad ("--export is for the target \"-\"");
  if (!o->convert && o->target_params.n > 0)
    bad ("--network, --bridge and --mac need a conversion");
  if (o->pool && *o->pool == '\0')
    bad ("pool: needs the name of a pool (virsh pool-list)");
  if (o->pool && o->force)
    bad ("--force does not replace volumes of a pool: remove them with "
         "virsh vol-delete");
  if (out && (o->documents || o->define))
    bad ("--documents and --define need a directory or a pool as the target");
  if (o->define && (!o->convert || o->dry_run || !has_target))
    bad ("--define needs a conversion that is kept");
  if (o->connect && !o->pool && !o->define)
    bad ("--connect is for a pool, or for --define");
}

void
options_parse (struct options *o, int argc, char *argv[])
{
  int c, left;

  memset (o, 0, sizeof *o);
  o->convert = true;
  o->jobs = 4;
  while ((c = getopt_long (argc, argv, "a:f:j:p:qvV", long_options, NULL)) !=
         -1)
    one_option (o, c);
  left = argc - optind;
  if (left < (o->dry_run ? 1 : 2))
    bad ("a SOURCE%s must be given", o->dry_run ? "" : " and a DIRECTORY");
  if (left > 2)
    bad ("too many arguments: \"%s\"", argv[optind + 2]);
  o->source = argv[optind];
  o->target = left > 1 ? argv[optind + 1] : ".";
  if (*o->source == '\0' || *o->target == '\0' ||
      (o->documents && *o->documents == '\0'))
    bad ("an argument is empty");
  if (strncmp (o->target, "pool:", 5) == 0)
    o->pool = o->target + 5;
  check_target (o, left > 1);
  if (o->documents == NULL)
    o->documents = o->pool ? "." : o->target;
  if (o->plugin == NULL)
    o->plugin = plugin_for (o->source);
  if (strstr (o->source, "://"))
    o->readahead = true;
}
