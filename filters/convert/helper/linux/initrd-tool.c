/* SPDX-License-Identifier: BSD-3-Clause */

/* v2v-initrd: look at an initrd as the kernel does.
 *
 * The usual listing tools unpack with cpio(1), which stops at the first
 * trailer: what was appended to an image is invisible to them.
 *
 * Names in an image are not ours: they are printed with everything that is
 * not printable ASCII escaped.
 *
 * Exit status: 0 = yes; 1 = a driver is missing or cannot be added; 2 = the
 * image cannot be read, or wrong usage.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "v2v-utils.h"
#include "cpio-write.h"
#include "initrd-image.h"
#include "initrd-lookup.h"
#include "initrd-module.h"
#include "initrd-tool.h"
#include "initrd.h"

static const char *const default_wanted[] = { "virtio_pci", "virtio_blk",
                                              "virtio_scsi", "sd_mod", NULL };
static void
print_name (const char *s, size_t len)
{
  size_t i;

  for (i = 0; i < len; ++i) {
    uint8_t c = (uint8_t)s[i];

    if (c < 0x20 || c >= 0x7f || c == '\\')
      printf ("\\%03o", c);
    else
      putchar (c);
  }
}

void
tool_complain (const char *file, const char *text)
{
  fprintf (stderr, "v2v-initrd: %s: %s\n", file, text);
}

uint8_t *
tool_read_file (const char *path, size_t *size, size_t max)
{
  CLEANUP_CLOSE int fd = open (path, O_RDONLY | O_CLOEXEC);
  struct stat st;
  uint8_t *data;
  size_t n = 0;
  ssize_t r;

  if (fd == -1 || fstat (fd, &st) == -1) {
    tool_complain (path, strerror (errno));
    return NULL;
  }
  if (!S_ISREG (st.st_mode) || (uint64_t)st.st_size > max) {
    tool_complain (path, "not a regular file, or too large");
    return NULL;
  }
  /* One more, so that texts can be terminated. */
  data = malloc ((size_t)st.st_size + 1);
  if (data == NULL) {
    tool_complain (path, "out of memory");
    return NULL;
  }
  while (n < (size_t)st.st_size) {
    r = read (fd, data + n, (size_t)st.st_size - n);
    if (r == -1 && errno == EINTR)
      continue;
    if (r <= 0) {
      tool_complain (path, r == 0 ? "file became shorter" : strerror (errno));
      free (data);
      return NULL;
    }
    n += (size_t)r;
  }
  data[n] = '\0';
  *size = n;
  return data;
}

int
tool_write_all (int fd, const uint8_t *data, size_t size)
{
  while (size > 0) {
    ssize_t r = write (fd, data, size);

    if (r == -1 && errno == EINTR)
      continue;
    if (r == -1)
      return -1;
    data += r;
    size -= (size_t)r;
  }
  return 0;
}

/* An image and its tree. */
struct input {
  const char *path;
  uint8_t *data;
  size_t size;
  struct initrd_image img;
};

/* 0, or TROUBLE.  What came before an error in the image stays. */
static int
open_input (struct input *in, const char *path)
{
  struct initrd_error e = { 0 };
  int r;

  memset (in, 0, sizeof *in);
  in->path = path;
  in->data = tool_read_file (path, &in->size, (size_t)1 << 31);
  if (in->data == NULL)
    return TROUBLE;
  r = initrd_image_read (in->data, in->size, SIZE_MAX, &in->img, &e);
  if (r != 1)
    tool_complain (path, r == 0 && e.text ? e.text : "out of memory");
  free (e.text);
  return r == 1 ? 0 : TROUBLE;
}

static void
close_input (struct input *in)
{
  initrd_image_free (&in->img);
  free (in->data);
}

static void
print_segments (const struct input *in)
{
  const struct initrd_segment *s;
  size_t i;

  printf ("part format     offset     packed   unpacked archives entries\n");
  for (i = 0; i < in->img.nr_segments; ++i) {
    s = &in->img.segments[i];
    printf ("%4zu %-6s %10zu %10zu %10zu %8zu %7zu\n", i + 1,
            initrd_format_name (s->format), s->offset, s->packed, s->size,
            s->archives, s->entries);
  }
  if (in->img.end < in->size)
    printf ("%zu bytes after the last part\n", in->size - in->img.end);
}

static int
cmd_parts (const struct tool_options *o, char **args)
{
  struct input in;
  int r = open_input (&in, args[0]);

  (void)o;
  if (in.data)
    print_segments (&in);
  close_input (&in);
  return r;
}

static const char *
type_name (uint32_t mode)
{
  switch (mode & S_IFMT) {
  case S_IFREG:
    return "-";
  case S_IFDIR:
    return "d";
  case S_IFLNK:
    return "l";
  case S_IFCHR:
    return "c";
  case S_IFBLK:
    return "b";
  case S_IFIFO:
    return "p";
  case S_IFSOCK:
    return "s";
  default:
    return "?";
  }
}

static int
compare_paths (const void *a, const void *b)
{
  return strcmp (*(char *const *)a, *(char *const *)b);
}

/* The paths of all nodes, sorted. */
static char **
all_paths (struct initrd_tree *tree, size_t *n)
{
  struct initrd_node *root = initrd_tree_root (tree), *node;
  char **paths;

  *n = 0;
  paths = calloc (initrd_tree_count (tree) + 1, sizeof *paths);
  if (paths == NULL)
    return NULL;
  for (node = initrd_node_walk (root, root); node;
       node = initrd_node_walk (root, node)) {
    paths[*n] = initrd_node_path (node);
    if (paths[*n] == NULL)
      return paths;
    ++*n;
  }
  qsort (paths, *n, sizeof *paths, compare_paths);
  return paths;
}

static void
free_paths (char **paths, size_t n)
{
  while (paths && n > 0)
    free (paths[--n]);
  free (paths);
}

static int
cmd_list (const struct tool_options *o, char **args)
{
  struct initrd_node *node;
  struct input in;
  char **paths = NULL;
  size_t i, n = 0;
  int r = open_input (&in, args[0]);

  (void)o;
  if (in.img.tree)
    paths = all_paths (in.img.tree, &n);
  for (i = 0; i < n; ++i) {
    node = initrd_tree_lookup (in.img.tree, paths[i], false);
    if (node == NULL)
      continue;
    printf ("%s%04o %3u:%-3u %10zu %3u ", type_name (node->inode->mode),
            node->inode->mode & 07777, node->inode->uid, node->inode->gid,
            node->inode->size, node->segment + 1);
    print_name (paths[i], strlen (paths[i]));
    if (initrd_node_is_symlink (node)) {
      printf (" -> ");
      print_name ((const char *)node->inode->data, node->inode->size);
    }
    putchar ('\n');
  }
  free_paths (paths, n);
  close_input (&in);
  return r;
}

static int
cmd_cat (const struct tool_options *o, char **args)
{
  struct initrd_node *node = NULL;
  struct input in;
  int r = open_input (&in, args[0]);

  (void)o;
  if (in.img.tree)
    node = initrd_tree_lookup (in.img.tree, args[1], true);
  if (r == 0 && (node == NULL || !initrd_node_is_file (node))) {
    tool_complain (args[1], "there is no such file in the image");
    r = TROUBLE;
  }
  else if (r == 0 && tool_write_all (STDOUT_FILENO, node->inode->data,
                                     node->inode->size) == -1) {
    tool_complain ("standard output", strerror (errno));
    r = TROUBLE;
  }
  close_input (&in);
  return r;
}

static int
cmd_index (const struct tool_options *o, char **args)
{
  struct initrd_node *node = NULL;
  struct kmod_index idx = { 0 };
  const char *err = NULL;
  struct input in;
  size_t i;
  int r = open_input (&in, args[0]);

  (void)o;
  if (in.img.tree)
    node = initrd_tree_lookup (in.img.tree, args[1], true);
  if (r == 0 && (node == NULL || !initrd_node_is_file (node))) {
    tool_complain (args[1], "there is no such file in the image");
    r = TROUBLE;
  }
  else if (r == 0 && kmod_index_read (node->inode->data, node->inode->size,
                                      &idx, &err) != 1) {
    tool_complain (args[1], err ? err : "out of memory");
    r = TROUBLE;
  }
  kmod_index_sort (&idx);
  for (i = 0; r == 0 && i < idx.n; ++i) {
    print_name (idx.entries[i].key, strlen (idx.entries[i].key));
    putchar (' ');
    print_name (idx.entries[i].value, strlen (idx.entries[i].value));
    putchar ('\n');
  }
  kmod_index_free (&idx);
  close_input (&in);
  return r;
}

/* One archive with what the kernel would have in the end. */
static int
flatten (struct input *in)
{
  struct cpio_writer w = { 0 };
  struct initrd_inode *inode;
  struct initrd_node *node;
  char **paths;
  size_t i, n;
  int r = TROUBLE;

  paths = all_paths (in->img.tree, &n);
  /* Sorted, parents come before what is in them. */
  for (i = 0; i < n; ++i) {
    node = initrd_tree_lookup (in->img.tree, paths[i], false);
    if (node == NULL)
      goto out;
    inode = node->inode;
    struct cpio_meta meta = {
      .mode = inode->mode,
      .uid = inode->uid,
      .gid = inode->gid,
      .mtime = inode->mtime,
      .rdev_major = inode->rdev_major,
      .rdev_minor = inode->rdev_minor,
    };
    if (cpio_write (&w, paths[i], &meta, inode->data, inode->size) == -1)
      goto out;
  }
  if (paths == NULL || cpio_write_end (&w) == -1)
    goto out;
  if (tool_write_all (STDOUT_FILENO, w.buf.data, w.buf.size) == -1)
    tool_complain ("standard output", strerror (errno));
  else
    r = 0;
out:
  free_paths (paths, n);
  initrd_buf_free (&w.buf);
  return r;
}

static int
cmd_flatten (const struct tool_options *o, char **args)
{
  struct input in;
  int r = open_input (&in, args[0]);

  (void)o;
  if (r == 0)
    r = flatten (&in);
  close_input (&in);
  return r;
}

/* A text file of the image's module directory; NULL if it is not there. */
static char *
image_text (struct initrd_lookup *lk, const char *name)
{
  struct initrd_node *n;

  n = initrd_tree_lookup_at (lk->tree, lk->dir, name, true);
  if (n == NULL || !initrd_node_is_file (n) || n->inode->size == 0)
    return NULL;
  return strndup ((const char *)n->inode->data, n->inode->size);
}

static bool
same_name (void *opaque, const char *name)
{
  return strcmp (opaque, name) == 0;
}

/* Print what becomes of each driver.  0 or MISSING. */
static int
check_kernel (struct input *in, const char *version, const char *const *wanted)
{
  CLEANUP_FREE char *builtin = NULL;
  const struct initrd_module_file *f;
  struct initrd_error e = { 0 };
  struct initrd_lookup lk;
  char name[MODULE_NAME_MAX], *why;
  int r, ret = 0;

  printf ("kernel ");
  print_name (version, strlen (version));
  putchar ('\n');
  r = initrd_lookup_open (in->img.tree, version, &lk, &e);
  if (r != 1) {
    printf ("  no driver can be loaded: %s\n", e.text ? e.text : "?");
    ret = MISSING;
    goto out;
  }
  builtin = image_text (&lk, "modules.builtin");
  for (; *wanted; ++wanted) {
    if (!module_name (*wanted, name))
      continue;
    printf ("  %-16s ", name);
    why = NULL;
    if (module_is_builtin (builtin, name))
      printf ("built into the kernel\n");
    else if (initrd_lookup_loads (&lk, name, &why)) {
      f = initrd_lookup_file (&lk, name);
      printf ("loads from /");
      print_name (lk.dir_path, strlen (lk.dir_path));
      putchar ('/');
      if (f)
        print_name (f->path, strlen (f->path));
      if (initrd_tree_blacklists (in->img.tree, same_name, name)) {
        printf (" but modprobe's configuration forbids it");
        ret = MISSING;
      }
      putchar ('\n');
    }
    else {
      printf ("MISSING: ");
      print_name (why ? why : "?", why ? strlen (why) : 1);
      putchar ('\n');
      ret = MISSING;
    }
    free (why);
  }
out:
  free (e.text);
  initrd_lookup_free (&lk);
  return ret;
}

static int
cmd_check (const struct tool_options *o, char **args)
{
  static const char *const places[] = { "lib/modules", "usr/lib/modules" };
  struct initrd_node *dir, *seen = NULL, *n;
  struct input in;
  int r = open_input (&in, args[0]);
  bool any = false;
  size_t i;

  if (r != 0)
    goto out;
  if (o->kernel) {
    r = check_kernel (&in, o->kernel, o->wanted);
    goto out;
  }
  for (i = 0; i < 2; ++i) {
    dir = initrd_tree_lookup (in.img.tree, places[i], true);
    if (dir == NULL || dir == seen || !initrd_node_is_dir (dir))
      continue;
    seen = dir;
    for (n = dir->children; n; n = n->next) {
      any = true;
      if (check_kernel (&in, n->name, o->wanted) != 0)
        r = MISSING;
    }
  }
  if (!any) {
    printf ("no directory of kernel modules\n");
    r = MISSING;
  }
out:
  close_input (&in);
  return r;
}

static const struct command {
  const char *name;
  int nr_args;
  int (*fn) (const struct tool_options *o, char **args);
} commands[] = {
  { "parts", 1, cmd_parts }, { "list", 1, cmd_list },
  { "check", 1, cmd_check }, { "cat", 2, cmd_cat },
  { "index", 2, cmd_index }, { "flatten", 1, cmd_flatten },
  { "add", 2, tool_add },
};

static void
usage (FILE *f)
{
  fprintf (f,
           "v2v-initrd: look at an initrd as the kernel does\n"
           "\n"
           "  v2v-initrd parts INITRD\n"
           "  v2v-initrd list INITRD\n"
           "  v2v-initrd check [--kernel VERSION] [--want MODULE]... INITRD\n"
           "  v2v-initrd cat INITRD PATH\n"
           "  v2v-initrd index INITRD PATH\n"
           "  v2v-initrd flatten INITRD >CPIO\n"
           "  v2v-initrd add --kernel VERSION [--modules DIR]\n"
           "                 [--want MODULE]... INITRD OUTPUT\n"
           "\n"
           "See v2v-initrd(1).\n");
}

int
main (int argc, char *argv[])
{
  enum { OPT_HELP = 256, OPT_VERSION, OPT_KERNEL, OPT_MODULES, OPT_WANT };
  static const struct option long_options[] = {
    { "help", no_argument, NULL, OPT_HELP },
    { "version", no_argument, NULL, OPT_VERSION },
    { "kernel", required_argument, NULL, OPT_KERNEL },
    { "modules", required_argument, NULL, OPT_MODULES },
    { "want", required_argument, NULL, OPT_WANT },
    { NULL, 0, NULL, 0 },
  };
  struct tool_options o = { .wanted = default_wanted };
  CLEANUP_FREE const char **want = NULL;
  size_t nr_want = 0, i;
  char name[MODULE_NAME_MAX];
  int c, r;

  want = calloc ((size_t)argc + 1, sizeof *want);
  if (want == NULL)
    return TROUBLE;
  while ((c = getopt_long (argc, argv, "", long_options, NULL)) != -1) {
    switch (c) {
    case OPT_HELP:
      usage (stdout);
      return 0;
    case OPT_VERSION:
      printf ("v2v-initrd %s\n", PACKAGE_VERSION);
      return 0;
    case OPT_KERNEL:
      o.kernel = optarg;
      break;
    case OPT_MODULES:
      o.modules = optarg;
      break;
    case OPT_WANT:
      if (!module_name (optarg, name)) {
        fprintf (stderr, "v2v-initrd: '%s' is not a module's name\n", optarg);
        return TROUBLE;
      }
      want[nr_want++] = optarg;
      break;
    default:
      usage (stderr);
      return TROUBLE;
    }
  }
  if (nr_want > 0)
    o.wanted = want;
  for (i = 0; optind < argc && i < V2V_ARRAY_SIZE (commands); ++i) {
    if (strcmp (argv[optind], commands[i].name) != 0)
      continue;
    if (argc - optind - 1 != commands[i].nr_args)
      break;
    r = commands[i].fn (&o, argv + optind + 1);
    if (fflush (stdout) == EOF || ferror (stdout)) {
      tool_complain ("standard output", strerror (errno));
      return TROUBLE;
    }
    return r;
  }
  usage (stderr);
  return TROUBLE;
}
