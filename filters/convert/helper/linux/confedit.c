/* SPDX-License-Identifier: BSD-3-Clause */

/* See confedit.h; invariants 1 to 3 of devedit.c hold here too. */

#include <config.h>

#include <ctype.h>

#include "confedit.h"
#include "v2v-utils.h"

static bool
has_line (struct span in, const char *text)
{
  struct span line, eol;

  while (span_line (&in, &line, &eol))
    if (span_is (span_trim (line), text))
      return true;
  return false;
}

void
edit_add_lines (struct span in, const char *comment, char *const *lines,
                struct text *out)
{
  bool said = has_line (in, comment);
  size_t i;

  text_add_span (out, in);
  for (i = 0; lines && lines[i]; i++) {
    if (has_line (in, lines[i]))
      continue;
    if (out->len && out->data && out->data[out->len - 1] != '\n')
      text_adds (out, "\n");
    if (!said) {
      text_addf (out, "%s\n", comment);
      said = true;
    }
    text_addf (out, "%s\n", lines[i]);
  }
}

static bool
list_end (char c)
{
  return isspace ((unsigned char)c) || c == '"' || c == '\'' || c == '(' ||
         c == ')';
}

static bool
has_word (struct span s, const char *word)
{
  const size_t n = strlen (word);
  size_t i;

  for (i = 0; i + n <= s.n; i++)
    if (memcmp (s.p + i, word, n) == 0 && (i == 0 || list_end (s.p[i - 1])) &&
        (i + n == s.n || list_end (s.p[i + n])))
      return true;
  return false;
}

void
edit_add_words (struct span in, const char *name, char *const *words,
                struct text *out)
{
  const size_t namelen = strlen (name);
  struct span rest = in, line, eol, list = { NULL, 0 };
  bool any = false;
  size_t i;

  /* The last assignment counts. */
  while (span_line (&rest, &line, &eol)) {
    struct span t = span_trim (line), v;
    const char *end;
    char close;

    if (!span_starts (t, name) || t.n <= namelen)
      continue;
    v = span_skip (t, namelen);
    if (span_starts (v, "+="))
      v = span_skip (v, 2);
    else if (span_starts (v, "="))
      v = span_skip (v, 1);
    else
      continue;
    if (v.n == 0)
      continue;
    close = v.p[0] == '('                     ? ')'
            : v.p[0] == '"' || v.p[0] == '\'' ? v.p[0]
                                              : '\0';
    if (!close)
      continue;
    /* The value may go on over several lines. */
    v = (struct span){ v.p + 1, (size_t)(in.p + in.n - v.p - 1) };
    end = memchr (v.p, close, v.n);
    if (!end)
      continue;
    v.n = end - v.p;
    list = v;
  }
  if (!list.p) {
    text_add_span (out, in);
    return;
  }
  text_add (out, in.p, list.p + list.n - in.p);
  any = span_trim (list).n > 0;
  for (i = 0; words && words[i]; i++)
    if (!has_word (list, words[i])) {
      if (any && !(out->len && out->data &&
                   isspace ((unsigned char)out->data[out->len - 1])))
        text_adds (out, " ");
      text_adds (out, words[i]);
      any = true;
    }
  text_add (out, list.p + list.n, in.p + in.n - list.p - list.n);
}

static bool
one_of (struct span s, const char *const *list)
{
  for (; *list; list++)
    if (span_is (s, *list))
      return true;
  return false;
}

static const char *const foreign_nics[] = {
  "vmxnet",    "vmxnet2",  "vmxnet3",      "vmxnet_driver",
  "pcnet32",   "e1000",    "e1000e",       "xennet",
  "xen-vnif",  "xen_vnif", "xen-netfront", "netfront",
  "hv_netvsc", "netvsc",   "tulip",        NULL
};
static const char *const foreign_disks[] = {
  "mptspi",   "mptbase",  "mptscsih",   "mptsas",    "pvscsi",  "vmw_pvscsi",
  "BusLogic", "buslogic", "xenblk",     "xen-vbd",   "xen_vbd", "xen-blkfront",
  "blkvsc",   "storvsc",  "hv_storvsc", "hv_blkvsc", NULL
};

void
edit_suse_modules (struct span in, struct text *out)
{
  static const char *const xen[] = { "xennet",       "xen_vnif",     "xen-vnif",
                                     "xen-netfront", "xenblk",       "xen-vbd",
                                     "xen_vbd",      "xen-blkfront", NULL };
  static const char name[] = "INITRD_MODULES=\"";
  struct span line, eol, space, word;

  while (span_line (&in, &line, &eol)) {
    const char *end = NULL;

    if (span_starts (line, name)) {
      text_adds (out, name);
      line = span_skip (line, strlen (name));
      end = memchr (line.p, '"', line.n);
    }
    if (end) {
      struct span list = { line.p, end - line.p };
      bool first = true;

      while (span_word (&list, &space, &word))
        if (!one_of (word, xen)) {
          if (!first)
            text_add_span (out, space);
          text_add_span (out, word);
          first = first && word.n == 0;
        }
      line = span_skip (line, end - line.p);
    }
    text_add_span (out, line);
    text_add_span (out, eol);
  }
}

void
edit_modprobe (struct span in, struct text *out)
{
  struct span all = in, line, eol, rest, space, w[4];
  bool disk_done = false;
  size_t i;

  while (span_line (&all, &line, &eol)) {
    rest = line;
    for (i = 0; i < 3 && span_word (&rest, &space, &w[i]); i++)
      ;
    if (i == 3 && span_is (w[0], "alias") &&
        span_starts (w[1], "scsi_hostadapter") && span_is (w[2], "virtio_blk"))
      disk_done = true;
  }
  while (span_line (&in, &line, &eol)) {
    const char *to = NULL;

    rest = line;
    for (i = 0; i < 3 && span_word (&rest, &space, &w[i]); i++)
      ;
    if (i == 3 && span_is (w[0], "alias")) {
      if (span_starts (w[1], "eth") && one_of (w[2], foreign_nics))
        to = "virtio_net";
      else if (span_starts (w[1], "scsi_hostadapter") && !disk_done &&
               one_of (w[2], foreign_disks)) {
        to = "virtio_blk";
        disk_done = true;
      }
    }
    if (to) {
      text_add (out, line.p, w[2].p - line.p);
      text_adds (out, to);
      text_add (out, w[2].p + w[2].n, line.p + line.n - w[2].p - w[2].n);
    }
    else {
      if (i >= 2 &&
          (span_is (w[0], "blacklist") || span_is (w[0], "install")) &&
          (span_starts (w[1], "virtio") || span_is (w[1], "sd_mod")))
        text_adds (out, "#");
      text_add_span (out, line);
    }
    text_add_span (out, eol);
  }
}

static bool
word_is (struct span s, const char *word)
{
  return s.n == strlen (word) && strncasecmp (s.p, word, s.n) == 0;
}

void
edit_xorg (struct span in, struct text *out)
{
  static const char *const video[] = {
    "\"vmware\"",   "\"vmwgfx\"", "\"vboxvideo\"",
    "\"prlvideo\"", "\"hyperv\"", "\"cirrus\"",
    "\"qxl\"",      "\"xenfb\"",  NULL
  };
  struct span line, eol, rest, space, w[2];
  bool device = false;
  size_t i;

  while (span_line (&in, &line, &eol)) {
    rest = line;
    for (i = 0; i < 2; i++)
      if (!span_word (&rest, &space, &w[i]))
        w[i] = (struct span){ "", 0 };
    if (word_is (w[0], "Section"))
      device = word_is (w[1], "\"Device\"");
    else if (word_is (w[0], "EndSection"))
      device = false;
    if (device && word_is (w[0], "Driver") && one_of (w[1], video)) {
      text_add (out, line.p, w[1].p - line.p);
      text_adds (out, "\"modesetting\"");
      text_add_span (out, rest);
    }
    else
      text_add_span (out, line);
    text_add_span (out, eol);
  }
}

/* Is the host of the URL in S vmware.com or below it? */
static bool
on_vmware (struct span s)
{
  const char *p = memmem (s.p, s.n, "://", 3);
  struct span host;
  size_t i;

  if (!p)
    return false;
  host = span_skip (s, p + 3 - s.p);
  for (i = 0; i < host.n && host.p[i] != '/' && host.p[i] != ':' &&
              !isspace ((unsigned char)host.p[i]);
       i++)
    ;
  host.n = i;
  if (host.n < 10 || strncasecmp (host.p + host.n - 10, "vmware.com", 10) != 0)
    return false;
  return host.n == 10 || host.p[host.n - 11] == '.' ||
         host.p[host.n - 11] == '@';
}

/* Is LINE "KEY = ..."? */
static bool
is_key (struct span line, const char *key)
{
  const char *eq = memchr (line.p, '=', line.n);

  return eq && span_is (span_trim ((struct span){ line.p, eq - line.p }), key);
}

void
edit_repo (struct span in, struct text *out)
{
  struct span line, eol, rest, t;
  bool ours = false;

  while (span_line (&in, &line, &eol)) {
    t = span_trim (line);
    if (span_starts (t, "[")) {
      struct span l, e;
      bool has_enabled = false;

      /* Look ahead over the section. */
      ours = false;
      rest = in;
      while (span_line (&rest, &l, &e)) {
        l = span_trim (l);
        if (span_starts (l, "["))
          break;
        if (on_vmware (l) &&
            (is_key (l, "baseurl") || is_key (l, "mirrorlist") ||
             is_key (l, "metalink")))
          ours = true;
        if (is_key (l, "enabled"))
          has_enabled = true;
      }
      text_add_span (out, line);
      text_add_span (out, eol);
      if (ours && !has_enabled) {
        if (eol.n == 0)
          text_adds (out, "\n");
        text_adds (out, "enabled=0\n");
      }
      continue;
    }
    if (ours && is_key (t, "enabled")) {
      const char *eq = memchr (t.p, '=', t.n);

      text_add (out, line.p, eq + 1 - line.p);
      text_adds (out, "0");
    }
    else
      text_add_span (out, line);
    text_add_span (out, eol);
  }
}

void
edit_sources_list (struct span in, struct text *out)
{
  struct span line, eol, t;

  while (span_line (&in, &line, &eol)) {
    t = span_trim (line);
    if (span_starts (t, "deb") && on_vmware (t))
      text_adds (out, "# ");
    text_add_span (out, line);
    text_add_span (out, eol);
  }
}

void
edit_deb822 (struct span in, struct text *out)
{
  struct span line, eol, l, e, rest;

  while (span_line (&in, &line, &eol)) {
    bool first = out->len == 0;
    bool ours = false;

    /* The first line of a stanza decides for all of it. */
    if (!first && out->data)
      first = out->len >= 2 &&
              memcmp (out->data + out->len - 2, "\n\n", 2) == 0;
    if (first && span_trim (line).n) {
      bool off = false;

      rest = (struct span){ line.p, (size_t)(in.p + in.n - line.p) };
      while (span_line (&rest, &l, &e) && span_trim (l).n) {
        if (l.n >= 5 && strncasecmp (l.p, "URIs:", 5) == 0 && on_vmware (l))
          ours = true;
        if (l.n >= 8 && strncasecmp (l.p, "Enabled:", 8) == 0)
          off = true;
      }
      ours &= !off;
    }
    if (ours)
      text_adds (out, "Enabled: no\n");
    text_add_span (out, line);
    text_add_span (out, eol);
  }
}

/* Has the list of mount options OPTS the word WHAT? */
static bool
has_option (struct span opts, const char *what)
{
  while (opts.n) {
    const char *comma = memchr (opts.p, ',', opts.n);
    const struct span o = { opts.p, comma ? (size_t)(comma - opts.p) : opts.n };

    if (span_is (o, what))
      return true;
    opts = span_skip (opts, o.n + (comma != NULL));
  }
  return false;
}

void
edit_shared_folders (struct span in, struct text *out)
{
  static const char *const types[] = { "vmhgfs",      "fuse.vmhgfs-fuse",
                                       "vmhgfs-fuse", "vboxsf",
                                       "prl_fs",      NULL };
  struct span line, eol, rest, space, w[4];
  size_t n;

  while (span_line (&in, &line, &eol)) {
    span_drop_cr (&line, &eol);
    rest = line;
    for (n = 0; n < 4 && span_word (&rest, &space, &w[n]) && w[n].n; n++)
      ;
    if (n < 3 || span_starts (w[0], "#") || !one_of (w[2], types) ||
        (n == 4 &&
         (has_option (w[3], "noauto") || has_option (w[3], "nofail"))))
      text_add_span (out, line);
    else if (n == 3) {
      text_add (out, line.p, w[2].p + w[2].n - line.p);
      text_adds (out, " noauto");
    }
    else {
      const size_t at = w[3].p + w[3].n - line.p;

      text_add (out, line.p, at);
      text_adds (out, ",noauto");
      text_add_span (out, span_skip (line, at));
    }
    text_add_span (out, eol);
  }
}

void
edit_depend_start (struct span in, const char *script, struct text *out)
{
  struct span line, eol;

  while (span_line (&in, &line, &eol)) {
    text_add_span (out, line);
    if (span_starts (line, "TARGETS =") && !has_word (line, script))
      text_addf (out, " %s", script);
    text_add_span (out, eol);
  }
}

void
edit_inittab_gettys (struct span in, struct text *out)
{
  struct span line, eol, t;

  while (span_line (&in, &line, &eol)) {
    size_t colons = 0, i;

    t = span_trim (line);
    while (span_starts (t, "#"))
      t = span_trim (span_skip (t, 1));
    for (i = 0; i < t.n; i++)
      if (t.p[i] == ':')
        colons++;
    if (t.p != line.p && colons >= 3 && t.n > 2 && t.p[0] >= '1' &&
        t.p[0] <= '6' && t.p[1] == ':' && memmem (t.p, t.n, ":respawn:", 9) &&
        memmem (t.p, t.n, "getty", 5))
      text_add_span (out, t);
    else
      text_add_span (out, line);
    text_add_span (out, eol);
  }
}
