/* SPDX-License-Identifier: BSD-3-Clause */

/* Editors of mdadm.conf and lvm.conf, and a reader of multipath.conf.  The invariants of devedit.c
 * hold here too.
 */

#include <config.h>

#include "devedit.h"
#include "v2v-utils.h"

/* Does WORD name disks, perhaps with a wildcard? */
static bool
names_disks (struct span s)
{
  static const char *const starts[] = {
    "/dev/sd",
    "/dev/hd",
    "/dev/vd",
    "/dev/xvd",
    "/dev/nvme",
    "/dev/cciss/",
    "/dev/disk/by-path/",
    "/dev/disk/by-id/",
  };
  size_t i;

  for (i = 0; i < V2V_ARRAY_SIZE (starts); i++)
    if (span_starts (s, starts[i]))
      return true;
  return false;
}

void
edit_mdadm_conf (struct span in, struct devmap *map, struct text *out)
{
  struct span line, eol, rest, look, space, word;

  while (span_line (&in, &line, &eol)) {
    bool device = false, named = false, uuid = false;

    span_drop_cr (&line, &eol);
    look = line;
    /* A line that begins with a blank goes on with the one before. */
    span_word (&look, &space, &word);
    if (space.n == 0 && word.n >= 3 &&
        strncasecmp (word.p, "DEVICE", V2V_MIN (word.n, 6)) == 0)
      device = true;
    while (span_word (&look, &space, &word)) {
      if (names_disks (word))
        named = true;
      if (word.n > 5 && strncasecmp (word.p, "uuid=", 5) == 0)
        uuid = true;
    }
    rest = line;
    if (device && !named)
      text_add_span (out, line);
    else if (device) {
      bool done = false;

      span_word (&rest, &space, &word);
      text_add_span (out, word);
      while (span_word (&rest, &space, &word)) {
        if (!names_disks (word)) {
          if (span_is (word, "partitions")) {
            if (done)
              continue;
            done = true;
          }
          text_add_span (out, space);
          text_add_span (out, word);
        }
        else if (!done) {
          text_add_span (out, space);
          text_adds (out, "partitions");
          done = true;
        }
      }
    }
    else
      while (span_word (&rest, &space, &word)) {
        /* devices= narrows an array down to names; its UUID is enough. */
        if (uuid && word.n > 8 && strncasecmp (word.p, "devices=", 8) == 0)
          continue;
        text_add_span (out, space);
        if (word.n > 8 && strncasecmp (word.p, "devices=", 8) == 0) {
          struct span list = span_skip (word, 8);

          text_add (out, word.p, 8);
          while (list.n) {
            const char *comma = memchr (list.p, ',', list.n);
            struct span dev = { list.p,
                                comma ? (size_t)(comma - list.p) : list.n };

            /* All members share the array's UUID. */
            devmap_put (map, dev, DEVFORM_PARTPATH, out);
            list = span_skip (list, dev.n);
            if (list.n) {
              text_adds (out, ",");
              list = span_skip (list, 1);
            }
          }
        }
        else
          text_add_span (out, word);
      }
    text_add_span (out, eol);
  }
}

void
multipath_aliases (struct span in, bool bindings, struct text *out)
{
  struct span line, eol, space, word, value;
  size_t i;

  while (span_line (&in, &line, &eol)) {
    span_drop_cr (&line, &eol);
    if (!span_word (&line, &space, &word) || span_starts (word, "#"))
      continue;
    if (bindings)
      value = word;
    else if (!span_is (word, "alias") || !span_word (&line, &space, &value))
      continue;
    if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
      value = (struct span){ value.p + 1, value.n - 2 };
    for (i = 0; i < value.n; i++)
      if ((unsigned char)value.p[i] <= ' ' || value.p[i] == '/')
        break;
    if (value.n == 0 || value.n > 127 || i < value.n)
      continue;
    text_add_span (out, value);
    text_adds (out, "\n");
  }
}

/* One element of an LVM filter: "a|^/dev/sda.*|".  Append what accepts the
 * same disk on virtio; false if it accepts no disk by name.
 */
static bool
put_lvm_accept (struct span s, struct text *out)
{
  static const struct {
    const char *from;
    size_t keep, skip;
  } names[] = {
    { "/dev/sd", 5, 2 },
    { "/dev/hd", 5, 2 },
    { "/dev/xvd", 5, 3 },
  };
  static const char *const whole[] = {
    "/dev/nvme",
    "/dev/cciss",
    "/dev/disk/by-path",
    "/dev/disk/by-id",
    /* Volumes of a machine that had several paths to its disks. */
    "/dev/mapper/",
    "/dev/dm-",
    "/dev/emcpower",
  };
  const char *p;
  size_t i;

  if (s.n < 3 || s.p[0] != 'a' || memmem (s.p, s.n, "/dev/vd", 7) ||
      memmem (s.p, s.n, "/dev/[sv]d", 10))
    return false;
  for (i = 0; i < V2V_ARRAY_SIZE (names); i++) {
    p = memmem (s.p, s.n, names[i].from, strlen (names[i].from));
    if (p) {
      const size_t at = p - s.p + names[i].keep;

      text_adds (out, "\"");
      text_add (out, s.p, at);
      text_adds (out, "vd");
      text_add_span (out, span_skip (s, at + names[i].skip));
      text_adds (out, "\"");
      return true;
    }
  }
  for (i = 0; i < V2V_ARRAY_SIZE (whole); i++)
    if (memmem (s.p, s.n, whole[i], strlen (whole[i]))) {
      /* The target may have SCSI disks as well as virtio's. */
      text_adds (out, "\"a|^/dev/[sv]d.*|\"");
      return true;
    }
  return false;
}

void
edit_lvm_conf (struct span in, struct devmap *map, struct text *out)
{
  struct span line, eol;
  bool list = false; /* inside [ ] of a filter */

  (void)map;
  while (span_line (&in, &line, &eol)) {
    struct span t = span_trim (line);
    size_t i = 0;

    if (!list) {
      if ((span_starts (t, "filter") || span_starts (t, "global_filter")) &&
          memchr (t.p, '=', t.n)) {
        list = true;
        i = (const char *)memchr (line.p, '=', line.n) + 1 - line.p;
      }
      else {
        text_add_span (out, line);
        text_add_span (out, eol);
        continue;
      }
    }
    text_add (out, line.p, i);
    while (i < line.n) {
      const char c = line.p[i];

      if (c == '#') {
        text_add_span (out, span_skip (line, i));
        i = line.n;
      }
      else if (c == '"') {
        const char *end = memchr (line.p + i + 1, '"', line.n - i - 1);
        struct span el;
        struct text extra = TEXT_INIT;

        if (!end) {
          text_add_span (out, span_skip (line, i));
          list = false;
          break;
        }
        el = (struct span){ line.p + i + 1, (size_t)(end - line.p - i - 1) };
        text_add (out, line.p + i, el.n + 2);
        i += el.n + 2;
        if (put_lvm_accept (el, &extra) && !extra.failed &&
            !memmem (line.p, line.n, extra.data, extra.len)) {
          text_adds (out, ", ");
          text_add (out, extra.data, extra.len);
        }
        out->failed |= extra.failed;
        text_free (&extra);
      }
      else {
        text_add (out, &c, 1);
        i++;
        if (c == ']')
          list = false;
      }
    }
    /* filter = "..." without brackets is one line. */
    if (list && !memchr (t.p, '[', t.n) && span_starts (t, "filter"))
      list = false;
    text_add_span (out, eol);
  }
}
