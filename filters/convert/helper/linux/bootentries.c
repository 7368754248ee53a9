/* SPDX-License-Identifier: BSD-3-Clause */

/* Boot entries, as far as they name a kernel and an initrd.
 *
 * The grammars differ, but not in this: a line whose first word is
 * "linux" or "kernel" (or a form of them) begins a pair, a line whose
 * first word is "initrd" (or a form of it) ends it.  In BLS files the
 * order is free, so that an initrd without a kernel before it waits for
 * the next one.  Syslinux may name the initrd in its "append" line.
 */

#include <config.h>

#include <ctype.h>
#include <stdio.h>

#include "bootentries.h"
#include "v2v-utils.h"

#define MAX_ENTRIES 256

static bool
same (const char *a, const char *b)
{
  return a && b ? strcmp (a, b) == 0 : a == b;
}

static void
add (struct bootentries *b, char *image, char *initrd)
{
  struct bootentry *v;
  size_t i;

  for (i = 0; i < b->nr; i++)
    if (same (b->v[i].image, image) && same (b->v[i].initrd, initrd))
      break;
  if (!image || i < b->nr || b->nr == MAX_ENTRIES)
    goto drop;
  v = realloc (b->v, (b->nr + 1) * sizeof *v);
  if (!v) {
    b->failed = true;
    goto drop;
  }
  b->v = v;
  v[b->nr++] = (struct bootentry){ image, initrd };
  return;
drop:
  free (image);
  free (initrd);
}

static bool
keyword (struct span s, const char *word)
{
  return s.n == strlen (word) && strncasecmp (s.p, word, s.n) == 0;
}

/* A path in a boot loader's words, without quotes and the disk. */
static char *
path_of (struct bootentries *b, struct span s)
{
  const char *close;
  char *r;

  if (s.n && (s.p[0] == '"' || s.p[0] == '\''))
    s = span_skip (s, 1);
  if (s.n && (s.p[s.n - 1] == '"' || s.p[s.n - 1] == '\''))
    s.n--;
  if (s.n && s.p[0] == '(') {
    close = memchr (s.p, ')', s.n);
    if (close)
      s = span_skip (s, close + 1 - s.p);
  }
  if (s.n == 0 || s.n > 1024 || memchr (s.p, '\0', s.n))
    return NULL;
  r = span_dup (s);
  if (!r)
    b->failed = true;
  return r;
}

/* The last file of "initrd=FILE,FILE" in syslinux's words for the kernel. */
static struct span
appended_initrd (struct span line)
{
  struct span space, word, found = { "", 0 };

  while (span_word (&line, &space, &word))
    if (span_starts (word, "initrd=")) {
      size_t i = word.n;

      while (word.p[i - 1] != ',' && word.p[i - 1] != '=')
        i--;
      found = span_skip (word, i);
    }
  return found;
}

void
bootentries_read (struct bootentries *b, struct span in)
{
  static const char *const kernels[] = {
    "linux",
    "linux16",
    "linuxefi",
    "kernel",
  };
  static const char *const initrds[] = { "initrd", "initrd16", "initrdefi" };
  struct span line, eol, space, word;
  char *image = NULL, *initrd = NULL;
  size_t i;

  while (span_line (&in, &line, &eol)) {
    bool is_kernel = false, is_initrd = false;

    if (line.n && line.p[line.n - 1] == '\r')
      line.n--;
    if (!span_word (&line, &space, &word))
      continue;
    for (i = 0; i < V2V_ARRAY_SIZE (kernels); i++)
      is_kernel |= keyword (word, kernels[i]);
    for (i = 0; i < V2V_ARRAY_SIZE (initrds); i++)
      is_initrd |= keyword (word, initrds[i]);
    if (keyword (word, "}") || keyword (word, "title") ||
        keyword (word, "label")) {
      add (b, image, initrd);
      image = initrd = NULL;
    }
    if (is_kernel && span_word (&line, &space, &word)) {
      if (image) {
        add (b, image, initrd);
        initrd = NULL;
      }
      image = path_of (b, word);
    }
    else if (is_initrd) {
      struct span last = { "", 0 };

      while (span_word (&line, &space, &word))
        if (word.n)
          last = word;
      free (initrd);
      initrd = path_of (b, last);
    }
    else if (keyword (word, "append") && !initrd)
      initrd = path_of (b, appended_initrd (line));
  }
  add (b, image, initrd);
}

void
bootentries_free (struct bootentries *b)
{
  size_t i;

  for (i = 0; i < b->nr; i++) {
    free (b->v[i].image);
    free (b->v[i].initrd);
  }
  free (b->v);
  memset (b, 0, sizeof *b);
}

static bool
listed (char *const *files, const char *path)
{
  size_t i;

  for (i = 0; files && files[i]; i++)
    if (strcmp (files[i], path) == 0)
      return true;
  return false;
}

char *
bootentry_locate (char *const *files, const char *path)
{
  static const char *const prefixes[] = { "", "/boot", "/boot/efi", "/efi" };
  static const char *const beside[] = { "/boot", "/boot/extlinux",
                                        "/boot/syslinux" };
  const bool relative = path[0] != '/';
  const char *const *dirs = relative ? beside : prefixes;
  const size_t nr = relative ? V2V_ARRAY_SIZE (beside)
                             : V2V_ARRAY_SIZE (prefixes);
  const char *boot = strstr (path, "/boot/");
  size_t i;
  char *full;

  /* "../vmlinuz-linux" in /boot/syslinux/syslinux.cfg. */
  while (strncmp (path, "../", 3) == 0)
    path += 3;
  for (i = 0; i < nr; i++) {
    if (asprintf (&full, "%s%s%s", dirs[i], relative ? "/" : "", path) == -1)
      return NULL;
    if (listed (files, full))
      return full;
    free (full);
  }
  /* "/@/boot/vmlinuz" of btrfs. */
  return boot && listed (files, boot) ? strdup (boot) : NULL;
}

/* The word at AT in DATA, allocated; NULL if it does not end there. */
static char *
word_at (const uint8_t *data, size_t size, size_t at)
{
  size_t n;

  for (n = 0; at + n < size && n < 128 && isgraph (data[at + n]); n++)
    ;
  if (n == 0 || n == 128 || at + n == size)
    return NULL;
  return strndup ((const char *)data + at, n);
}

char *
kernel_image_version (const uint8_t *data, size_t size)
{
  static const char banner[] = "Linux version ";
  const uint8_t *p;

  /* Documentation/arch/x86/boot.rst: "HdrS" at 0x202, protocol 2.00 or
   * later, kernel_version at 0x20e less 0x200.
   */
  if (size >= 0x210 && memcmp (data + 0x202, "HdrS", 4) == 0)
    return word_at (data, size, (data[0x20e] | data[0x20f] << 8) + 0x200);
  /* Documentation/arch/arm64/booting.rst: "ARM\x64" at 56.  Its header says
   * no version, but the image is not compressed.
   */
  if (size >= 64 && memcmp (data + 56, "ARM\x64", 4) == 0) {
    p = memmem (data, size, banner, sizeof banner - 1);
    if (p)
      return word_at (data, size, p - data + sizeof banner - 1);
  }
  return NULL;
}
