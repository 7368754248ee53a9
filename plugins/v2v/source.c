/* SPDX-License-Identifier: BSD-3-Clause */

/* Sources: which kind it is, and the kinds that are one document or plain
 * disks.  Archives are in source-ova.c.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image-format.h"
#include "source.h"
#include "v2v-utils.h"

#define MAX_DOCUMENT (16 * 1024 * 1024)
#define MAX_DISKS 1024

void
source_free (struct source *s)
{
  size_t i;

  if (s == NULL)
    return;
  for (i = 0; i < s->nr_disks; ++i)
    disk_free (s->disks[i]);
  for (i = 0; i < s->nr_containers; ++i)
    container_free (s->containers[i]);
  for (i = 0; i < s->nr_secrets; ++i)
    close (s->secrets[i]);
  free (s->secrets);
  free (s->disks);
  free (s->containers);
  machine_free (&s->machine);
  free (s);
}

struct container *
source_add_container (struct source *s, struct container *c, struct diag *d)
{
  struct container **p;

  if (c == NULL)
    return NULL;
  p = reallocarray (s->containers, s->nr_containers + 1, sizeof (void *));
  if (p == NULL) {
    container_free (c);
    diag_memory (d);
    return NULL;
  }
  s->containers = p;
  p[s->nr_containers++] = c;
  return c;
}

void
source_container_options (const struct source_options *opts,
                          struct container_options *r)
{
  *r = (struct container_options){
    .tmpdir = opts->tmpdir,
    .unpack_limit = opts->unpack_limit,
    .allow_dirs = opts->allow_dirs,
  };
}

int
source_add_disk (struct source *s, struct disk *disk, struct diag *d)
{
  struct disk **p;

  if (disk == NULL)
    return diag_error (d, "a disk: %m");
  p = s->nr_disks < MAX_DISKS
        ? reallocarray (s->disks, s->nr_disks + 1, sizeof (void *))
        : NULL;
  if (p == NULL) {
    disk_free (disk);
    return diag_error (d, "more than %d disks", MAX_DISKS);
  }
  s->disks = p;
  p[s->nr_disks++] = disk;
  return 0;
}

int
source_add_image (struct source *s, const struct source_options *opts,
                  struct container *c, const struct blob *b, const char *name,
                  const char *format, struct diag *d)
{
  struct image_options io = { .allow_backing = opts->allow_backing };
  struct plan plan;

  if (image_plan (c, b, name, opts->format ? opts->format : format, &io, &plan,
                  d) == -1) {
    plan_free (&plan);
    return -1;
  }
  return source_add_disk (s, disk_new_plan (name, &plan), d);
}

/* "disk.0.img" of "/dir/disk.0.img": one known ending is removed. */
char *
source_stem (const char *path)
{
  static const char *const endings[] = {
    ".tar.gz", ".tar.xz", ".tar.zst", ".img", ".ova", ".ovf",
    ".qcow2",  ".raw",    ".vmdk",    ".vmx", ".vdi", ".vhd",
    ".vhdx",   ".xml",    ".tar",     ".tgz", ".zip", "-sda",
  };
  const char *p;
  size_t n = strlen (path), i, m;

  while (n > 1 && path[n - 1] == '/')
    n--;
  for (p = path + n; p > path && p[-1] != '/'; --p)
    ;
  n = path + n - p;
  for (i = 0; i < V2V_ARRAY_SIZE (endings); ++i) {
    m = strlen (endings[i]);
    if (n > m && strncasecmp (p + n - m, endings[i], m) == 0) {
      n -= m;
      break;
    }
  }
  return n ? strndup (p, n) : strdup ("unknown");
}

/*--------------------------------------------------------------------
 * Kinds.
 */
static bool
is_uri (const char *s)
{
  return strstr (s, "://") != NULL && s[0] != '/';
}

static bool
ends_with (const char *s, const char *end)
{
  size_t n = strlen (s), m = strlen (end);

  return n > m && strcasecmp (s + n - m, end) == 0;
}

static enum input
guess_input (const char *file)
{
  static const struct {
    const char *end;
    enum input input;
  } endings[] = {
    { ".vmx", INPUT_VMX },    { ".ovf", INPUT_OVF },
    { ".ova", INPUT_OVA },    { ".tar", INPUT_OVA },
    { ".tar.gz", INPUT_OVA }, { ".tgz", INPUT_OVA },
    { ".tar.xz", INPUT_OVA }, { ".tar.zst", INPUT_OVA },
    { ".zip", INPUT_OVA },    { ".xml", INPUT_LIBVIRT_XML },
  };
  struct stat st;
  size_t i;

  if (!is_uri (file) && stat (file, &st) == 0 && S_ISDIR (st.st_mode))
    return INPUT_OVA;
  for (i = 0; i < V2V_ARRAY_SIZE (endings); ++i)
    if (ends_with (file, endings[i].end))
      return endings[i].input;
  return INPUT_DISK;
}

/* The directory that FILE lies in, as a container. */
static struct container *
dir_of (struct source *s, const struct source_options *opts, const char *file,
        struct diag *d)
{
  struct container_options co;
  CLEANUP_FREE char *real = realpath (file, NULL);
  char *p;

  if (real == NULL) {
    diag_error (d, "%s: %m", file);
    return NULL;
  }
  p = strrchr (real, '/');
  p[p == real] = '\0';
  source_container_options (opts, &co);
  return source_add_container (s, container_new_dir (real, &co, d), d);
}

/* Open a file that the user named. */
static int
open_path (struct container *c, const char *path, struct blob *r,
           struct diag *d)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

  if (fd == -1)
    return diag_error (d, "%s: %m", path);
  if (blob_from_fd (fd, path, r, d) == -1) {
    close (fd);
    return -1;
  }
  return container_adopt (c, fd) == -1 ? diag_memory (d) : 0;
}

static int
add_path (struct source *s, const struct source_options *opts, const char *path,
          const char *format, struct diag *d)
{
  struct container *c = dir_of (s, opts, path, d);
  CLEANUP_FREE char *real = realpath (path, NULL);
  struct blob b;

  if (c == NULL || open_path (c, path, &b, d) == -1)
    return -1;
  /* The name's ending is what the user wrote. */
  return source_add_image (s, opts, c, &b,
                           image_format_of_name (path) ? path
                           : real                      ? real
                                                       : path,
                           format, d);
}

static int
read_document (struct source *s, const struct source_options *opts,
               const char *path, struct container **c, char **text, size_t *len,
               struct diag *d)
{
  struct blob b;

  *c = dir_of (s, opts, path, d);
  if (*c == NULL || open_path (*c, path, &b, d) == -1)
    return -1;
  if (blob_read_all (&b, MAX_DOCUMENT, text, len, d) == -1)
    return diag_prefix (d, path);
  return 0;
}

/*--------------------------------------------------------------------
 * Disks.
 */
static bool
has_scheme (const char *uri, const char *const *schemes)
{
  for (; *schemes; ++schemes) {
    size_t n = strlen (*schemes);

    if (strncasecmp (uri, *schemes, n) == 0 && strncmp (uri + n, "://", 3) == 0)
      return true;
  }
  return false;
}

/* A server's content is raw: it is read through NBD, not as a file. */
static int
add_uri (struct source *s, const struct source_options *opts, const char *uri,
         const char *format, struct diag *d)
{
  static const char *const nbd[] = { "nbd", "nbds", "nbd+unix", "nbds+unix",
                                     NULL };
  static const char *const http[] = { "http", "https", NULL };
  static const char *const ssh[] = { "ssh", "sftp", NULL };

  if (opts->format)
    format = opts->format;
  if (format && strcmp (format, "raw") != 0)
    return diag_error (d,
                       "%s: only raw disks can be read from a server, "
                       "not %s: copy the file first",
                       uri, format);
  if (has_scheme (uri, nbd))
    return source_add_disk (s, disk_new_uri (uri), d);
  if (has_scheme (uri, http))
    return source_add_http (s, opts, uri, d);
  if (has_scheme (uri, ssh))
    return source_add_ssh (s, opts, uri, d);
  return diag_error (d,
                     "%s: only nbd, nbds, nbd+unix, nbds+unix, http, "
                     "https and ssh URIs can be disks",
                     uri);
}

/* A path in a document: relative to it. */
static int
add_path_ref (struct source *s, const struct source_options *opts,
              const char *base, const struct disk_ref *ref, struct diag *d)
{
  CLEANUP_FREE char *full = NULL;
  const char *slash = base ? strrchr (base, '/') : NULL;

  if (ref->location[0] == '/' || slash == NULL)
    return add_path (s, opts, ref->location, ref->format, d);
  if (asprintf (&full, "%.*s%s", (int)(slash - base + 1), base,
                ref->location) == -1) {
    full = NULL;
    return diag_memory (d);
  }
  return add_path (s, opts, full, ref->format, d);
}

int
source_add_refs (struct source *s, const struct source_options *opts,
                 struct container *c, const char *base, struct diag *d)
{
  size_t i;

  for (i = 0; i < s->machine.nr_refs; ++i) {
    const struct disk_ref *ref = &s->machine.refs[i];
    struct plan plan = { 0 };
    char where[48];
    struct blob b;
    int r;

    switch (ref->kind) {
    case REF_FILE:
      r = container_find (c, base, ref->location, &b, d);
      if (r == 0)
        r = diag_error (d, "the disk \"%s\" does not exist", ref->location);
      else if (r == 1)
        r = source_add_image (s, opts, c, &b, ref->location, ref->format, d);
      break;
    case REF_PATH:
      r = add_path_ref (s, opts, base, ref, d);
      break;
    case REF_BLANK:
      r = plan_add (&plan, SEGMENT_ZERO, 0, 0, ref->capacity, d);
      if (r == 0)
        r = source_add_disk (s, disk_new_plan ("blank", &plan), d);
      break;
    case REF_NBD:
    case REF_HTTP:
    case REF_SSH:
      r = add_uri (s, opts, ref->location, ref->format, d);
      break;
    case REF_VDDK:
      r = source_add_vmware (s, opts, ref, d);
      break;
    default:
      r = diag_error (d, "\"%s\": this kind of disk cannot be read here",
                      ref->location);
    }
    if (r == -1) {
      snprintf (where, sizeof where, "line %u (disk%zu)", ref->line, i);
      return diag_prefix (d, where);
    }
  }
  return 0;
}

/* Plain images: what the reference converter makes up for them. */
static int
open_disks (struct source *s, const struct source_options *opts, struct diag *d)
{
  static const char *const features[] = { "acpi", "apic", "pae" };
  CLEANUP_FREE char *name = NULL;
  struct vm_nic *nic;
  struct vm *vm;
  size_t i;

  if (machine_init (&s->machine, d) == -1)
    return -1;
  vm = s->machine.vm;
  for (i = 0; i < opts->nr_files; ++i) {
    if (is_uri (opts->files[i])) {
      if (add_uri (s, opts, opts->files[i],
                   image_format_of_name (opts->files[i]), d) == -1)
        return -1;
    }
    else if (add_path (s, opts, opts->files[i], NULL, d) == -1)
      return -1;
    if (vm_add_disk (vm) == NULL)
      return diag_memory (d);
    if (name == NULL && !is_uri (opts->files[i]))
      name = source_stem (opts->files[i]);
  }
  vm->memory = UINT64_C (2) << 30;
  vm->vcpus = 1;
  for (i = 0; i < V2V_ARRAY_SIZE (features); ++i)
    if (vm_add_feature (vm, features[i]) == -1)
      return diag_memory (d);
  nic = vm_add_nic (vm);
  if (nic == NULL)
    return diag_memory (d);
  if (set_string (&vm->name, name ? name : "unknown", "name", d) == -1 ||
      set_string (&vm->display.type, "window", "display", d) == -1 ||
      set_string (&nic->vnet, "default", "network", d) == -1)
    return -1;
  return 0;
}

static int
open_vmx (struct source *s, const struct source_options *opts, const char *path,
          struct diag *d)
{
  CLEANUP_FREE char *text = NULL, *stem = source_stem (path), *full = NULL;
  struct container *c;
  struct vm *vm;
  struct blob b;
  size_t len;

  if (stem == NULL)
    return diag_memory (d);
  if (read_document (s, opts, path, &c, &text, &len, d) == -1)
    return -1;
  if (vmx_parse (text, len, stem, &s->machine, d) == -1 ||
      source_add_refs (s, opts, c, NULL, d) == -1)
    return diag_prefix (d, path);

  /* The NVRAM as a path, if it is there. */
  vm = s->machine.vm;
  if (vm->nvram) {
    struct diag quiet = { 0 };
    const char *slash = strrchr (path, '/');

    if (container_find (c, NULL, vm->nvram, &b, &quiet) != 1)
      diag_warn (d, "nvram: \"%s\" is not there: ignored", vm->nvram);
    else if (asprintf (&full, "%.*s%s",
                       vm->nvram[0] == '/' ? 0 : (int)(slash - path + 1), path,
                       vm->nvram) == -1)
      full = NULL;
    diag_clear (&quiet);
    if (set_string (&vm->nvram, full, "nvram", d) == -1)
      return -1;
  }
  return 0;
}

static int
open_vmx_uri (struct source *s, const struct source_options *opts,
              const char *uri, struct diag *d)
{
  static const char *const ssh[] = { "ssh", "sftp", NULL };

  if (!has_scheme (uri, ssh))
    return diag_error (d, "%s: a VMX file can be local or ssh://HOST/PATH",
                       uri);
  return source_ssh_vmx (s, opts, uri, d);
}

static int
open_domain (struct source *s, const struct source_options *opts,
             const char *path, struct diag *d)
{
  CLEANUP_FREE char *text = NULL;
  struct container *c;
  size_t len;

  if (read_document (s, opts, path, &c, &text, &len, d) == -1)
    return -1;
  if (domain_parse (text, len, &s->machine, d) == -1 ||
      source_libvirt_volumes (s, opts, d) == -1 ||
      source_add_refs (s, opts, c, path, d) == -1)
    return diag_prefix (d, path);
  return 0;
}

static bool
is_directory (const char *path)
{
  struct stat st;

  return stat (path, &st) == 0 && S_ISDIR (st.st_mode);
}

/* An OVF file alone: its directory is the package. */
static int
open_ovf (struct source *s, const struct source_options *opts, const char *path,
          struct diag *d)
{
  CLEANUP_FREE char *real = realpath (path, NULL);
  char *name;

  if (real == NULL)
    return diag_error (d, "%s: %m", path);
  name = strrchr (real, '/');
  *name++ = '\0';
  return source_ova (s, opts, real[0] ? real : "/", true, name, d);
}

struct source *
source_open (const struct source_options *opts, struct diag *d)
{
  struct source *s = calloc (1, sizeof *s);
  enum input input = opts->input;
  const char *file = opts->files[0];
  int r;

  if (s == NULL) {
    diag_memory (d);
    return NULL;
  }
  if (input == INPUT_AUTO)
    input = opts->nr_files == 1 ? guess_input (file) : INPUT_DISK;
  if (input != INPUT_DISK && opts->nr_files != 1)
    r = diag_error (d, "exactly one file is expected for this input");
  else
    switch (input) {
    case INPUT_DISK:
      r = open_disks (s, opts, d);
      break;
    case INPUT_VMX:
      r = is_uri (file) ? open_vmx_uri (s, opts, file, d)
                        : open_vmx (s, opts, file, d);
      break;
    case INPUT_OVA:
      r = source_ova (s, opts, file, is_directory (file), NULL, d);
      break;
    case INPUT_LIBVIRT:
      r = source_libvirt (s, opts, file, d);
      break;
    case INPUT_LIBVIRT_XML:
      r = open_domain (s, opts, file, d);
      break;
    case INPUT_OVF:
      r = open_ovf (s, opts, file, d);
      break;
    default:
      r = diag_error (d, "%s: this input cannot be read here", file);
    }
  if (r == 0 && opts->name)
    r = set_string (&s->machine.vm->name, opts->name, "name", d);
  if (r == -1) {
    source_free (s);
    return NULL;
  }
  return s;
}

char *
source_json (struct source *s, struct diag *d)
{
  char *r, *error;
  size_t i;

  for (i = 0; i < s->nr_disks; ++i)
    if (disk_size (s->disks[i], &s->machine.vm->disks[i].size) == -1) {
      diag_error (d, "disk%zu cannot be opened", i);
      return NULL;
    }
  r = vm_to_json (s->machine.vm, &error);
  if (r == NULL) {
    diag_error (d, "%s", error ? error : "out of memory");
    free (error);
  }
  return r;
}
