/* SPDX-License-Identifier: BSD-3-Clause */

/* A new machine must not begin with the old one's random numbers; its
 * name and machine-id it keeps.
 */

#include <config.h>

#include <stdio.h>
#include <sys/random.h>

#include "state.h"
#include "v2v-utils.h"

static int
entropy (struct linux_state *st, void *buf, size_t n)
{
  if (getrandom (buf, n, 0) != (ssize_t)n) {
    report_error (st->gst->report, "internal", "no random numbers: %m");
    return -1;
  }
  return 0;
}

int
identity_plan (struct linux_state *st)
{
  static const char *const files[] = { "/var/lib/systemd/random-seed",
                                       "/var/lib/random-seed",
                                       "/var/lib/urandom/random-seed",
                                       "/var/lib/misc/random-seed",
                                       "/etc/random-seed",
                                       "/etc/machine-id",
                                       NULL };
  static const char why[] = "fresh random numbers";
  struct conf_file *f;
  char seed[512];
  bool found = false;
  size_t i;

  if (conf_preload (st, files) == -1)
    return -1;
  for (i = 0; i < 5; i++) {
    f = conf_get (st, files[i]);
    if (!f)
      return -1;
    if (!f->data)
      continue;
    found = true;
    if (entropy (st, seed, 256) == -1 || entropy (st, seed + 256, 256) == -1 ||
        conf_set (st, f, seed, sizeof seed, why) == -1)
      return -1;
  }
  if (!found && guest_is_dir (st->gst, "/var/lib/systemd")) {
    if (entropy (st, seed, 256) == -1 || entropy (st, seed + 256, 256) == -1 ||
        conf_create (st, files[0], seed, sizeof seed, 0600, why) == -1)
      return -1;
  }

  f = conf_get (st, "/etc/machine-id");
  if (!f)
    return -1;
  if (f->data && f->size == 0) {
    uint8_t id[16];
    char text[34];

    if (entropy (st, id, sizeof id) == -1)
      return -1;
    id[6] = (id[6] & 0x0f) | 0x40;
    id[8] = (id[8] & 0x3f) | 0x80;
    for (i = 0; i < 16; i++)
      snprintf (text + 2 * i, 3, "%02x", id[i]);
    text[32] = '\n';
    if (conf_set (st, f, text, 33, "it was empty") == -1)
      return -1;
  }
  return 0;
}
