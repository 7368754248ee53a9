/* SPDX-License-Identifier: BSD-3-Clause */

/* Editors of files that name disks and consoles.
 *
 * 1. Every byte that is not part of a replaced name stays: comments, tabs,
 *    order, CR at line ends, a missing last newline.
 * 2. A name is replaced where the file's own grammar puts a device, never
 *    by searching the text.
 * 3. Edited text edited again does not change.
 * 4. grubenv stays 1024 bytes; GRUB writes to its blocks in place.
 */

#include <config.h>

#include "devedit.h"
#include "v2v-utils.h"

/* Mount options that name a device. */
static void
put_options (struct span s, struct devmap *map, struct text *out)
{
  static const char *const keys[] = {
    "logdev=", "rtdev=", "device=", "journal_path=", "loop=",
  };
  size_t i;

  while (s.n) {
    const char *comma = memchr (s.p, ',', s.n);
    struct span opt = { s.p, comma ? (size_t)(comma - s.p) : s.n };

    for (i = 0; i < V2V_ARRAY_SIZE (keys); i++)
      if (span_starts (opt, keys[i])) {
        text_adds (out, keys[i]);
        /* Members of one btrfs share its UUID. */
        devmap_put (map, span_skip (opt, strlen (keys[i])), DEVFORM_PARTPATH,
                    out);
        break;
      }
    if (i == V2V_ARRAY_SIZE (keys))
      text_add_span (out, opt);
    s = span_skip (s, opt.n);
    if (s.n) {
      text_adds (out, ",");
      s = span_skip (s, 1);
    }
  }
}

void
edit_fstab (struct span in, struct devmap *map, struct text *out)
{
  struct span line, eol, space, word;
  int field;

  while (span_line (&in, &line, &eol)) {
    span_drop_cr (&line, &eol);
    for (field = 0; span_word (&line, &space, &word); field++) {
      text_add_span (out, space);
      if (field == 0 && span_starts (word, "#")) {
        text_add_span (out, word);
        break;
      }
      if (field == 0) {
        struct devname d;
        struct span look = line, sp, mnt, type;
        bool cd;

        /* A line of one word is nobody's mount. */
        if (!span_word (&look, &sp, &mnt))
          mnt = (struct span){ "", 0 };
        if (!span_word (&look, &sp, &type))
          type = (struct span){ "", 0 };
        cd = type.n >= 3 && (memmem (type.p, type.n, "iso9660", 7) ||
                             memmem (type.p, type.n, "udf", 3));
        if (mnt.n == 0 || (cd && devname_parse (word, &d) && d.part == 0))
          text_add_span (out, word);
        else
          devmap_put (map, word, DEVFORM_TAG, out);
      }
      else if (field == 3)
        put_options (word, map, out);
      else
        text_add_span (out, word);
    }
    text_add_span (out, line);
    text_add_span (out, eol);
  }
}

void
edit_crypttab (struct span in, struct devmap *map, struct text *out)
{
  struct span line, eol, space, word;
  int field;

  while (span_line (&in, &line, &eol)) {
    span_drop_cr (&line, &eol);
    for (field = 0; span_word (&line, &space, &word); field++) {
      text_add_span (out, space);
      if (field == 0 && span_starts (word, "#")) {
        text_add_span (out, word);
        break;
      }
      if (field == 1) {
        struct devname d;
        struct span look = line, sp, key;
        const bool random = span_word (&look, &sp, &key) &&
                            (span_is (key, "/dev/urandom") ||
                             span_is (key, "/dev/random"));

        /* What is encrypted with a random key is overwritten at each boot
         * and has no UUID that lasts, whatever blkid sees now.
         */
        if (random && devname_parse (word, &d) && d.part)
          devmap_put (map, word, DEVFORM_PARTPATH, out);
        else
          devmap_put (map, word, DEVFORM_TAG, out);
      }
      else if (field == 2) {
        /* "/dev/sdb1", or "/dev/sdb1:/keys/root" of Debian's passdev. */
        const char *colon = memchr (word.p, ':', word.n);
        struct span dev = { word.p, colon ? (size_t)(colon - word.p) : word.n };

        if (!devmap_put (map, dev, DEVFORM_PATH, out) || colon)
          text_add_span (out, span_skip (word, dev.n));
      }
      else if (field == 3)
        put_options (word, map, out);
      else
        text_add_span (out, word);
    }
    text_add_span (out, line);
    text_add_span (out, eol);
  }
}

/* Kernel parameters that take a device. */
static const struct {
  const char *key;
  enum devform form;
} params[] = {
  { "root=", DEVFORM_TAG },
  { "resume=", DEVFORM_TAG },
  { "resume=swap:", DEVFORM_PATH },
  { "real_root=", DEVFORM_TAG },
  { "real_resume=", DEVFORM_TAG },
  { "boot=", DEVFORM_TAG },
  { "mount.usr=", DEVFORM_TAG },
  { "swap=", DEVFORM_TAG },
  { "cryptdevice=", DEVFORM_TAG },
  { "cryptkey=", DEVFORM_TAG },
  { "crypt_root=", DEVFORM_TAG },
  { "cryptroot=", DEVFORM_TAG },
  { "kopt=root=", DEVFORM_TAG }, /* "# kopt=root=..." of update-grub */
  { "kernelopts=root=", DEVFORM_TAG },
};

static bool
word_end (char c)
{
  return c == ' ' || c == '\t' || c == '"' || c == '\'' || c == '\\' ||
         c == '\r' || c == '\n';
}

/* A piece of text that holds kernel parameters, possibly in quotes. */
static void
put_params (struct span s, bool initrd, struct devmap *map, struct text *out)
{
  while (s.n) {
    struct span word, value;
    size_t i = 0, best = 0, which = 0, end;

    while (i < s.n && word_end (s.p[i]))
      i++;
    text_add (out, s.p, i);
    s = span_skip (s, i);
    for (i = 0; i < s.n && !word_end (s.p[i]); i++)
      ;
    word = (struct span){ s.p, i };
    s = span_skip (s, i);
    if (word.n == 0)
      continue;

    /* A quote may open inside the word: VARIABLE="root=... */
    if (s.n && (s.p[0] == '"' || s.p[0] == '\'') && word.p[word.n - 1] == '=') {
      text_add_span (out, word);
      continue;
    }

    if (map->console && (span_starts (word, "console=hvc0") ||
                         span_starts (word, "console=xvc0"))) {
      if (word.n == 12 || word.p[12] == ',') {
        text_addf (out, "console=%s", map->console);
        text_add_span (out, span_skip (word, 12));
        continue;
      }
    }

    for (i = 0; i < V2V_ARRAY_SIZE (params); i++)
      if (span_starts (word, params[i].key) && strlen (params[i].key) > best) {
        best = strlen (params[i].key);
        which = i;
      }
    if (!best) {
      text_add_span (out, word);
      continue;
    }
    text_add (out, word.p, best);
    value = span_skip (word, best);
    /* "cryptdevice=/dev/sda2:name", and an unusual "root=/dev/sda1,..." */
    for (end = 0; end < value.n; end++)
      if (value.p[end] == ',' ||
          (value.p[end] == ':' &&
           strncmp (params[which].key, "crypt", 5) == 0 &&
           memchr (value.p + end, '/', value.n - end) == NULL))
        break;
    if (strcmp (params[which].key, "cryptkey=") == 0) {
      const char *colon = memchr (value.p, ':', value.n);

      end = colon ? (size_t)(colon - value.p) : value.n;
    }
    devmap_put (map, (struct span){ value.p, end },
                !initrd && params[which].form == DEVFORM_TAG
                  ? DEVFORM_PARTTAG
                  : params[which].form,
                out);
    text_add_span (out, span_skip (value, end));
  }
}

void
edit_cmdline (struct span in, struct devmap *map, struct text *out)
{
  struct span line, eol;

  while (span_line (&in, &line, &eol)) {
    if (span_starts (span_trim (line), "#"))
      text_add_span (out, line);
    else
      put_params (line, true, map, out);
    text_add_span (out, eol);
  }
}

/* How far around a kernel's line its entry is searched; a limit because
 * the file is the guest's.
 */
#define ENTRY_REACH 8192

/* Does the entry of the boot loader before and after REST have an initrd?
 */
static bool
entry_has_initrd (struct span all, struct span rest)
{
  struct span line, eol, space, word;
  const size_t at = rest.p - all.p;
  const size_t reach = V2V_MIN (at, ENTRY_REACH);
  struct span before = { rest.p - reach, reach };
  const struct span window = before;
  bool seen = false;

  rest.n = V2V_MIN (rest.n, ENTRY_REACH);

  /* In BLS the line may stand before "options": any line of the file. */
  while (span_line (&before, &line, &eol)) {
    if (!span_word (&line, &space, &word))
      continue;
    if (word.n == 0 || span_starts (word, "menuentry") ||
        span_starts (word, "submenu") || span_is (word, "}") ||
        span_is (word, "LABEL") || span_is (word, "label") ||
        /* of GRUB legacy; in BLS it starts nothing */
        (span_is (word, "title") && window.n &&
         memmem (window.p, window.n, "(hd", 3)))
      seen = false;
    else if (span_starts (word, "initrd") || span_is (word, "INITRD"))
      seen = true;
  }
  if (seen)
    return true;
  while (span_line (&rest, &line, &eol)) {
    span_word (&line, &space, &word);
    if (span_starts (word, "initrd") || span_is (word, "INITRD"))
      return true;
    if (span_starts (word, "menuentry") || span_is (word, "}") ||
        span_is (word, "title") || span_is (word, "label") ||
        span_is (word, "LABEL") || span_starts (word, "linux") ||
        span_is (word, "kernel"))
      return false;
  }
  return false;
}

void
edit_bootconf (struct span in, struct devmap *map, struct text *out)
{
  static const char *const words[] = {
    "linux",  "linux16", "linuxefi", "kernel",    "options", "append",
    "APPEND", "module",  "module2",  "multiboot", "KERNEL",  "LINUX",
  };
  const struct span all = in;
  struct span line, eol, rest, space, word;
  size_t i;

  while (span_line (&in, &line, &eol)) {
    bool ours = false, initrd = true;

    rest = line;
    if (!span_word (&rest, &space, &word))
      word = (struct span){ "", 0 };
    for (i = 0; i < V2V_ARRAY_SIZE (words); i++)
      if (span_is (word, words[i]))
        ours = true;
    if (ours) {
      /* Modules of Xen and multiboot: the initrd is one of them. */
      initrd = span_starts (word, "m") || entry_has_initrd (all, in) ||
               memmem (line.p, line.n, "initrd=", 7) != NULL;
    }
    else if (span_is (word, "set")) {
      struct span var;

      span_word (&rest, &space, &var);
      ours = span_starts (var, "kernelopts=") ||
             span_starts (var, "default_kernelopts=");
    }
    /* "# kopt=", "# xenkopt=", "# defoptions=" steer Debian's old
     * update-grub although they look like comments.
     */
    else if (span_is (word, "#")) {
      struct span var;

      span_word (&rest, &space, &var);
      ours = span_starts (var, "kopt=") || span_starts (var, "kopt_") ||
             span_starts (var, "xenkopt=") ||
             span_starts (var, "defoptions=") ||
             span_starts (var, "altoptions=");
    }
    if (ours)
      put_params (line, initrd, map, out);
    else
      text_add_span (out, line);
    text_add_span (out, eol);
  }
}

void
edit_assignments (struct span in, struct devmap *map, struct text *out)
{
  static const char *const vars[] = {
    "GRUB_CMDLINE_",       "DEFAULT_APPEND", "XEN_KERNEL_APPEND",
    "FAILSAFE_APPEND",     "XEN_APPEND",     "kernel_cmdline",
    "default_kernel_opts", "KERNEL_CMDLINE", "CMDLINE",
  };
  struct span line, eol;
  char quote = '\0'; /* the value goes on in the next line */
  bool ours = false;
  size_t i;

  while (span_line (&in, &line, &eol)) {
    struct span t = span_trim (line);

    if (!quote) {
      ours = false;
      if (span_starts (t, "export "))
        t = span_trim (span_skip (t, 7));
      for (i = 0; i < V2V_ARRAY_SIZE (vars); i++)
        if (span_starts (t, vars[i]))
          ours = true;
      if (span_starts (t, "boot=/")) {
        /* /etc/sysconfig/grub of RHEL up to 6: where GRUB lives. */
        text_add (out, line.p, t.p - line.p + 5);
        devmap_put (map, span_skip (t, 5), DEVFORM_NAME, out);
        text_add_span (out, (struct span){ t.p + t.n, (size_t)(line.p + line.n -
                                                               t.p - t.n) });
        text_add_span (out, eol);
        continue;
      }
    }
    if (ours)
      for (i = 0; i < line.n; i++) {
        if (line.p[i] == '\\')
          i++;
        else if (quote) {
          if (line.p[i] == quote)
            quote = '\0';
        }
        else if (line.p[i] == '"' || line.p[i] == '\'')
          quote = line.p[i];
        else if (line.p[i] == '#')
          break;
      }
    if (ours)
      put_params (line, true, map, out);
    else
      text_add_span (out, line);
    text_add_span (out, eol);
  }
}

#define GRUBENV_SIZE 1024

void
edit_grubenv (struct span in, struct devmap *map, struct text *out)
{
  const struct span was = in;
  const size_t start = out->len;
  struct span line, eol;

  if (in.n != GRUBENV_SIZE || !span_starts (in, "# GRUB Environment Block\n")) {
    text_add_span (out, in);
    return;
  }
  /* The padding is one long line of '#'. */
  while (in.n && in.p[in.n - 1] == '#')
    in.n--;
  while (span_line (&in, &line, &eol)) {
    if (span_starts (line, "kernelopts=") ||
        span_starts (line, "default_kernelopts=") ||
        span_starts (line, "cmdline=")) {
      const size_t key = (const char *)memchr (line.p, '=', line.n) + 1 -
                         line.p;

      text_add (out, line.p, key);
      put_params (span_skip (line, key), true, map, out);
    }
    else
      text_add_span (out, line);
    text_add_span (out, eol);
  }
  if (out->failed)
    return;
  if (out->len - start > GRUBENV_SIZE) {
    out->len = start;
    text_add_span (out, was);
    if (map->unknown)
      map->unknown (map->opaque, span_of ("grubenv"));
    return;
  }
  while (!out->failed && out->len - start < GRUBENV_SIZE)
    text_adds (out, "#");
}

void
edit_device_map (struct span in, struct devmap *map, struct text *out)
{
  struct span line, eol, space, word;
  int field;

  while (span_line (&in, &line, &eol)) {
    span_drop_cr (&line, &eol);
    for (field = 0; span_word (&line, &space, &word); field++) {
      text_add_span (out, space);
      if (field == 0 && !span_starts (word, "("))
        field = 2;
      if (field == 1)
        devmap_put (map, word, DEVFORM_NAME, out);
      else
        text_add_span (out, word);
    }
    text_add_span (out, eol);
  }
}

void
edit_installdevice (struct span in, struct devmap *map, struct text *out)
{
  struct span line, eol;

  while (span_line (&in, &line, &eol)) {
    span_drop_cr (&line, &eol);
    if (span_starts (line, "/dev/"))
      devmap_put (map, line, DEVFORM_NAME, out);
    else
      text_add_span (out, line);
    text_add_span (out, eol);
  }
}

void
edit_resume_conf (struct span in, struct devmap *map, struct text *out)
{
  struct span line, eol;

  while (span_line (&in, &line, &eol)) {
    struct span t = span_trim (line);

    if (span_starts (t, "RESUME=") || span_starts (t, "ROOT=")) {
      struct span value = span_skip (t, span_starts (t, "ROOT") ? 5 : 7);
      size_t q = value.n && (value.p[0] == '"' || value.p[0] == '\'');

      value = span_skip (value, q);
      if (q && value.n &&
          (value.p[value.n - 1] == '"' || value.p[value.n - 1] == '\''))
        value.n--;
      text_add (out, line.p, value.p - line.p);
      devmap_put (map, value, DEVFORM_TAG, out);
      text_add (out, value.p + value.n, line.p + line.n - value.p - value.n);
    }
    else
      text_add_span (out, line);
    text_add_span (out, eol);
  }
}

void
edit_add_resume (struct span in, const char *value, struct text *out)
{
  struct span line, eol, look, space, word;

  while (span_line (&in, &line, &eol)) {
    span_drop_cr (&line, &eol);
    look = line;
    text_add_span (out, line);
    span_word (&look, &space, &word);
    if ((span_is (word, "linux") || span_is (word, "linux16") ||
         span_is (word, "linuxefi")) &&
        memmem (look.p, look.n, " root=", 6) &&
        !memmem (look.p, look.n, "resume", 6))
      text_addf (out, "%sresume=%s", line.p[line.n - 1] == ' ' ? "" : " ",
                 value);
    text_add_span (out, eol);
  }
}
