/* SPDX-License-Identifier: BSD-3-Clause */

/* depmod's text files and the .modinfo section of modules.
 *
 * modules.dep has one line per module, "path: path path ...", with all that
 * it needs, directly or not; to be loaded last one first.  Module names
 * never contain "-" for kmod: it is read as "_", so that virtio-rng.ko is
 * virtio_rng.
 *
 * All of it is the guest's: lines of any length and form are skipped if
 * they make no sense, and offsets in ELF headers are checked against the
 * file before use.
 */

#include <config.h>

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "initrd-codec.h"
#include "initrd-module.h"

bool
module_name (const char *s, char name[MODULE_NAME_MAX])
{
  size_t i;

  for (i = 0; s[i]; ++i) {
    if (i == MODULE_NAME_MAX - 1)
      return false;
    name[i] = s[i];
    if (name[i] == '-')
      name[i] = '_';
  }
  name[i] = '\0';
  return i > 0;
}

static bool
name_of_span (const char *path, size_t len, char name[MODULE_NAME_MAX])
{
  static const char *const suffixes[] = { ".ko", ".ko.gz", ".ko.xz",
                                          ".ko.zst" };
  size_t start = len, i, n;

  while (start > 0 && path[start - 1] != '/')
    start--;
  path += start;
  len -= start;
  for (i = 0; i < sizeof suffixes / sizeof suffixes[0]; ++i) {
    n = strlen (suffixes[i]);
    if (len > n && len - n < MODULE_NAME_MAX &&
        memcmp (path + len - n, suffixes[i], n) == 0) {
      memcpy (name, path, len - n);
      name[len - n] = '\0';
      return module_name (name, name);
    }
  }
  return false;
}

bool
module_name_of_path (const char *path, char name[MODULE_NAME_MAX])
{
  return name_of_span (path, strlen (path), name);
}

static int
compare_modules (const void *a, const void *b)
{
  const struct module *x = a, *y = b;
  int r = strcmp (x->name, y->name);

  return r != 0 ? r : x->order < y->order ? -1 : x->order > y->order;
}

/* "/lib/modules/KVER/kernel/x.ko" is "kernel/x.ko". */
static const char *
relative (const char *path)
{
  const char *p;

  if (*path != '/')
    return path;
  p = strstr (path, "/lib/modules/");
  if (p)
    p = strchr (p + strlen ("/lib/modules/"), '/');
  return p ? p + 1 : path + 1;
}

/* A path with ".." would leave the module directory. */
static bool
has_dotdot (const char *path)
{
  const char *p = path;

  while ((p = strstr (p, "..")) != NULL) {
    if ((p == path || p[-1] == '/') && (p[2] == '/' || p[2] == '\0'))
      return true;
    p += 2;
  }
  return false;
}

int
module_list_parse (const char *modules_dep, struct module_list *list)
{
  char *line, *next, *colon;
  struct module *m;
  size_t alloc = 0;
  uint32_t order = 0;

  memset (list, 0, sizeof *list);
  list->text = strdup (modules_dep);
  if (list->text == NULL)
    return -1;
  for (line = list->text; line; line = next, ++order) {
    next = strchr (line, '\n');
    if (next)
      *next++ = '\0';
    colon = strchr (line, ':');
    if (colon == NULL)
      continue;
    *colon++ = '\0';
    if (list->n == alloc) {
      alloc = alloc ? alloc * 2 : 1024;
      m = realloc (list->modules, alloc * sizeof *m);
      if (m == NULL) {
        module_list_free (list);
        return -1;
      }
      list->modules = m;
    }
    m = &list->modules[list->n];
    m->path = relative (line);
    if (!module_name_of_path (m->path, m->name) || has_dotdot (m->path))
      continue;
    m->deps = colon;
    m->order = order;
    list->n++;
  }
  if (list->n > 1)
    qsort (list->modules, list->n, sizeof *m, compare_modules);
  return 0;
}

static int
compare_name (const void *key, const void *m)
{
  return strcmp (key, ((const struct module *)m)->name);
}

const struct module *
module_list_find (const struct module_list *list, const char *name)
{
  if (list->n == 0)
    return NULL;
  return bsearch (name, list->modules, list->n, sizeof list->modules[0],
                  compare_name);
}

void
module_list_free (struct module_list *list)
{
  free (list->modules);
  free (list->text);
  memset (list, 0, sizeof *list);
}

bool
module_next_dep (const char **deps, const char **path, size_t *len)
{
  const char *p = *deps, *rel;

  p += strspn (p, " \t\r");
  if (*p == '\0' || *p == '\n')
    return false;
  *path = p;
  p += strcspn (p, " \t\r\n");
  *deps = p;
  if (**path == '/') {
    rel = relative (*path);
    /* Never beyond this dependency. */
    *path = rel < p ? rel : *path + 1;
  }
  *len = (size_t)(p - *path);
  return true;
}

/* The line after LINE, NULL at the end. */
static const char *
next_line (const char *line)
{
  line = strchr (line, '\n');
  return line && line[1] ? line + 1 : NULL;
}

bool
module_is_builtin (const char *modules_builtin, const char *name)
{
  const char *line;
  char n[MODULE_NAME_MAX];

  if (modules_builtin == NULL || *modules_builtin == '\0')
    return false;
  for (line = modules_builtin; line; line = next_line (line))
    if (name_of_span (line, strcspn (line, "\r\n"), n) && strcmp (n, name) == 0)
      return true;
  return false;
}

/* The next word of a line into WORD; words that are too long come out as
 * "", which is no name.
 */
static bool
next_word (const char **line, char *word, size_t size)
{
  size_t n;

  *line += strspn (*line, " \t\r");
  n = strcspn (*line, " \t\r\n");
  if (n == 0)
    return false;
  if (n < size) {
    memcpy (word, *line, n);
    word[n] = '\0';
  }
  else
    word[0] = '\0';
  *line += n;
  return true;
}

int
module_softdeps (const char *modules_softdep, const char *name,
                 int (*fn) (void *opaque, const char *dep), void *opaque)
{
  const char *line, *p;
  char word[256], n[MODULE_NAME_MAX];
  int r;

  if (modules_softdep == NULL || *modules_softdep == '\0')
    return 0;
  for (line = modules_softdep; line; line = next_line (line)) {
    p = line;
    if (!next_word (&p, word, sizeof word) || strcmp (word, "softdep") != 0)
      continue;
    if (!next_word (&p, word, sizeof word) || !module_name (word, n) ||
        strcmp (n, name) != 0)
      continue;
    while (next_word (&p, word, sizeof word)) {
      if (word[0] == '\0' || strcmp (word, "pre:") == 0 ||
          strcmp (word, "post:") == 0)
        continue;
      r = fn (opaque, word);
      if (r != 0)
        return r;
    }
  }
  return 0;
}

void
module_alias_normalize (char *pattern)
{
  bool bracket = false;

  for (; *pattern; ++pattern) {
    if (*pattern == '[')
      bracket = true;
    else if (*pattern == ']')
      bracket = false;
    else if (*pattern == '-' && !bracket)
      *pattern = '_';
  }
}

int
module_aliases (const char *modules_alias,
                bool (*want) (void *opaque, const char *name),
                int (*fn) (void *opaque, const char *pattern, const char *name),
                void *opaque)
{
  const char *line, *p;
  char word[16], pattern[1024], name[MODULE_NAME_MAX];
  int r;

  if (modules_alias == NULL || *modules_alias == '\0')
    return 0;
  for (line = modules_alias; line; line = next_line (line)) {
    if (strncmp (line, "alias", 5) != 0)
      continue;
    p = line;
    if (!next_word (&p, word, sizeof word) || strcmp (word, "alias") != 0 ||
        !next_word (&p, pattern, sizeof pattern) || pattern[0] == '\0' ||
        !next_word (&p, name, sizeof name) || !module_name (name, name) ||
        !want (opaque, name))
      continue;
    module_alias_normalize (pattern);
    r = fn (opaque, pattern, name);
    if (r != 0)
      return r;
  }
  return 0;
}

int
module_unpack (uint8_t **data, size_t *size, const char **err)
{
  enum initrd_format format = initrd_format_of (*data, *size);
  struct initrd_buf out = { .max = MODULE_MAX_SIZE };
  size_t consumed;

  *err = NULL;
  if (format != INITRD_FORMAT_GZIP && format != INITRD_FORMAT_XZ &&
      format != INITRD_FORMAT_ZSTD) {
    if (*size >= SELFMAG && memcmp (*data, ELFMAG, SELFMAG) == 0)
      return 1;
    *err = "it is not an ELF file";
    return 0;
  }
  switch (initrd_unpack (format, *data, *size, &out, &consumed, err)) {
  case INITRD_CODEC_OK:
    break;
  case INITRD_CODEC_BAD:
    initrd_buf_free (&out);
    return 0;
  case INITRD_CODEC_TOO_LARGE:
    initrd_buf_free (&out);
    *err = "it is larger than 128 MiB";
    return 0;
  case INITRD_CODEC_NO_MEMORY:
    initrd_buf_free (&out);
    return -1;
  }
  free (*data);
  *data = out.data;
  *size = out.size;
  if (*size >= SELFMAG && memcmp (*data, ELFMAG, SELFMAG) == 0)
    return 1;
  *err = "it is not an ELF file";
  return 0;
}

/* Read an N-byte number at AT; the caller has checked the range. */
static uint64_t
elf_number (const uint8_t *data, size_t at, unsigned n, bool big)
{
  uint64_t v = 0;
  unsigned i;

  for (i = 0; i < n; ++i)
    v |= (uint64_t)data[at + (big ? n - 1 - i : i)] << (8 * i);
  return v;
}

/* Where section I of the header table is. */
struct elf {
  const uint8_t *data;
  size_t size;
  bool big, wide;
  uint64_t shoff, shentsize, shnum, shstrndx;
};

static bool
elf_open (struct elf *e, const uint8_t *data, size_t size)
{
  e->data = data;
  e->size = size;
  if (size < sizeof (Elf64_Ehdr) || memcmp (data, ELFMAG, SELFMAG) != 0 ||
      (data[EI_CLASS] != ELFCLASS32 && data[EI_CLASS] != ELFCLASS64) ||
      (data[EI_DATA] != ELFDATA2LSB && data[EI_DATA] != ELFDATA2MSB))
    return false;
  e->big = data[EI_DATA] == ELFDATA2MSB;
  e->wide = data[EI_CLASS] == ELFCLASS64;
#define FIELD(f) \
  elf_number ( \
    data, e->wide ? offsetof (Elf64_Ehdr, f) : offsetof (Elf32_Ehdr, f), \
    e->wide ? sizeof (((Elf64_Ehdr *)0)->f) : sizeof (((Elf32_Ehdr *)0)->f), \
    e->big)
  e->shoff = FIELD (e_shoff);
  e->shentsize = FIELD (e_shentsize);
  e->shnum = FIELD (e_shnum);
  e->shstrndx = FIELD (e_shstrndx);
#undef FIELD
  return e->shentsize >=
           (e->wide ? sizeof (Elf64_Shdr) : sizeof (Elf32_Shdr)) &&
         e->shoff <= size && e->shnum * e->shentsize <= size - e->shoff &&
         e->shstrndx < e->shnum;
}

/* Name, offset and size of section I.  False if it is not in the file. */
static bool
elf_section (const struct elf *e, uint64_t i, uint64_t *name, uint64_t *off,
             uint64_t *len)
{
  size_t at = (size_t)(e->shoff + i * e->shentsize);

#define FIELD(f) \
  elf_number ( \
    e->data, \
    at + (e->wide ? offsetof (Elf64_Shdr, f) : offsetof (Elf32_Shdr, f)), \
    e->wide ? sizeof (((Elf64_Shdr *)0)->f) : sizeof (((Elf32_Shdr *)0)->f), \
    e->big)
  *name = FIELD (sh_name);
  *off = FIELD (sh_offset);
  *len = FIELD (sh_size);
#undef FIELD
  return *off <= e->size && *len <= e->size - *off;
}

int
module_modinfo (const uint8_t *data, size_t size,
                int (*fn) (void *opaque, const char *info), void *opaque)
{
  static const char modinfo[] = ".modinfo";
  uint64_t i, name, off, len, str_off, str_len;
  struct elf e;
  const char *p, *end, *nul;
  int r;

  if (!elf_open (&e, data, size) ||
      !elf_section (&e, e.shstrndx, &name, &str_off, &str_len))
    return 0;
  for (i = 0; i < e.shnum; ++i) {
    if (!elf_section (&e, i, &name, &off, &len) || name >= str_len ||
        str_len - name < sizeof modinfo ||
        memcmp (data + str_off + name, modinfo, sizeof modinfo) != 0)
      continue;
    p = (const char *)data + off;
    end = p + len;
    while (p < end) {
      nul = memchr (p, '\0', (size_t)(end - p));
      if (nul == NULL)
        break;
      if (nul > p) {
        r = fn (opaque, p);
        if (r != 0)
          return r;
      }
      p = nul + 1;
    }
    return 1;
  }
  return 0;
}

static int
check_vermagic (void *opaque, const char *info)
{
  const char *version = opaque;
  size_t n = strlen (version);

  if (strncmp (info, "vermagic=", 9) != 0)
    return 0;
  return strncmp (info + 9, version, n) == 0 && info[9 + n] == ' ' ? 2 : 3;
}

bool
module_fits (const uint8_t *data, size_t size, const char *version,
             const char **why)
{
  *why = NULL;
  switch (module_modinfo (data, size, check_vermagic, (void *)version)) {
  case 2:
    return true;
  case 3:
    *why = "it was built for another kernel";
    return false;
  case 1:
    *why = "it does not say which kernel it was built for";
    return false;
  default:
    *why = "it is not a kernel module";
    return false;
  }
}
