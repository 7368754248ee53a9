/* SPDX-License-Identifier: BSD-3-Clause */

/* What old DHCP leases tell of a guest's network cards.
 *
 * A lease is a hint, never more: it may be years old, and of a card that
 * is gone.
 *
 * 1. It tells that a name was really in use, and often (by the client's
 *    identifier, which is the MAC after a 1, or by the packet that dhcpcd
 *    keeps) which MAC the card had.  Which files:
 *      dhclient, also NetworkManager's  lease { interface "x"; ... }
 *      NetworkManager (internal)        internal-UUID-NAME.lease
 *      wicked                           lease-NAME-dhcp-ipv4.xml
 *      dhcpcd                           NAME.lease, the packet itself
 *    systemd-networkd keeps its leases in /run, which no disk has.
 * 2. A MAC counts if a card of the machine's description has it; without a
 *    description only if there are several names to tell apart.  Two
 *    leases that disagree about a name count for nothing.
 * 3. For "ens*" in a configuration the names of leases that match are
 *    bound; if there are none, each card is given a name that matches,
 *    since any does.
 */

#include <config.h>

#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>

#include "netnames.h"
#include "v2v-utils.h"

#define MAX_HINTS 256

static void
hint (struct netnames *n, struct span name, const unsigned char *mac)
{
  struct nethint *v;
  char text[24] = "";
  size_t i;

  if (!netname_is_card (name))
    return;
  if (mac)
    snprintf (text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
              mac[1], mac[2], mac[3], mac[4], mac[5]);
  for (i = 0; i < n->nr_hints; i++)
    if (span_is (name, n->hints[i].name) &&
        (!text[0] || strcmp (n->hints[i].mac, text) == 0))
      return;
  if (n->nr_hints == MAX_HINTS)
    return;
  v = realloc (n->hints, (n->nr_hints + 1) * sizeof *v);
  if (!v) {
    n->failed = true;
    return;
  }
  n->hints = v;
  v += n->nr_hints++;
  memset (v, 0, sizeof *v);
  memcpy (v->name, name.p, name.n);
  netname_mac (span_of (text), v->mac);
}

/* The 7 bytes of "1:0:c:29:aa:bb:cc", "01:00:0c:29:aa:bb:cc" or
 * "01000c29aabbcc"; the first must be 1, Ethernet.
 */
static bool
hex_id (struct span s, unsigned char mac[6])
{
  size_t i = 0, k;

  for (k = 0; k < 7; k++) {
    unsigned v = 0, nr = 0;

    while (i < s.n && nr < 2 && isxdigit ((unsigned char)s.p[i])) {
      const char c = tolower ((unsigned char)s.p[i++]);

      v = v * 16 + (isdigit ((unsigned char)c) ? c - '0' : c - 'a' + 10);
      nr++;
    }
    if (nr == 0)
      return false;
    if (i < s.n && s.p[i] == ':')
      i++;
    if (k == 0 ? v != 1 : 0)
      return false;
    if (k)
      mac[k - 1] = v;
  }
  return i == s.n;
}

/* The same in dhclient's quotes: "\001\000\014)\252\273\314". */
static bool
quoted_id (struct span s, unsigned char mac[6])
{
  unsigned char b[7];
  size_t i, k = 0;

  for (i = 1; i < s.n && s.p[i] != '"' && k < 7; k++) {
    if (s.p[i] == '\\' && i + 3 < s.n && s.p[i + 1] >= '0' &&
        s.p[i + 1] <= '3' && s.p[i + 2] >= '0' && s.p[i + 2] <= '7' &&
        s.p[i + 3] >= '0' && s.p[i + 3] <= '7') {
      b[k] = (s.p[i + 1] - '0') * 64 + (s.p[i + 2] - '0') * 8 +
             (s.p[i + 3] - '0');
      i += 4;
    }
    else {
      if (s.p[i] == '\\' && i + 1 < s.n)
        i++;
      b[k] = s.p[i++];
    }
  }
  if (k != 7 || b[0] != 1 || i >= s.n || s.p[i] != '"')
    return false;
  memcpy (mac, b + 1, 6);
  return true;
}

static void
dhclient (struct netnames *n, struct span in)
{
  struct span line, eol, name = { "", 0 };
  unsigned char mac[6];
  bool known = false;

  while (span_line (&in, &line, &eol)) {
    struct span t = span_trim (line);

    if (span_starts (t, "lease")) {
      name.n = 0;
      known = false;
    }
    else if (span_starts (t, "}")) {
      if (name.n)
        hint (n, name, known ? mac : NULL);
      name.n = 0;
    }
    else if (span_starts (t, "interface \"")) {
      const char *end;

      t = span_skip (t, 11);
      end = memchr (t.p, '"', t.n);
      name = (struct span){ t.p, end ? (size_t)(end - t.p) : 0 };
    }
    else if (span_starts (t, "option dhcp-client-identifier ")) {
      t = span_skip (t, 30);
      if (t.n && t.p[t.n - 1] == ';')
        t.n--;
      known = span_starts (t, "\"") ? quoted_id (t, mac) : hex_id (t, mac);
    }
  }
}

/* What BASE holds between the last of FROM and the end TO. */
static struct span
middle (const char *base, const char *from, const char *to)
{
  const size_t n = strlen (base), f = strlen (from), t = strlen (to);

  if (n <= f + t || strncmp (base, from, f) != 0 ||
      strcmp (base + n - t, to) != 0)
    return (struct span){ "", 0 };
  return (struct span){ base + f, n - f - t };
}

static void
network_manager (struct netnames *n, const char *base, struct span in)
{
  struct span line, eol, name = middle (base, "internal-", ".lease");
  unsigned char mac[6];
  bool known = false;

  /* After the UUID. */
  if (name.n < 38 || name.p[36] != '-')
    return;
  name = span_skip (name, 37);
  while (span_line (&in, &line, &eol))
    if (span_starts (line, "CLIENTID="))
      known = hex_id (span_trim (span_skip (line, 9)), mac);
  hint (n, name, known ? mac : NULL);
}

static void
wicked (struct netnames *n, const char *base, struct span in)
{
  struct span name = middle (base, "lease-", "-dhcp-ipv4.xml");
  const char *p = memmem (in.p, in.n, "<client-id>", 11), *end;
  unsigned char mac[6];
  bool known = false;

  if (p) {
    in = span_skip (in, p + 11 - in.p);
    end = memchr (in.p, '<', in.n);
    known = end && hex_id (span_trim ((struct span){ in.p, end - in.p }), mac);
  }
  hint (n, name, known ? mac : NULL);
}

static void
dhcpcd (struct netnames *n, const char *base, struct span in)
{
  static const unsigned char cookie[] = { 0x63, 0x82, 0x53, 0x63 };
  const unsigned char *b = (const unsigned char *)in.p;
  struct span name = middle (base, "dhcpcd-", ".lease");

  if (!name.n)
    name = middle (base, "", ".lease");
  /* A reply over Ethernet. */
  if (in.n < 240 || b[0] != 2 || b[1] != 1 || b[2] != 6 ||
      memcmp (b + 236, cookie, 4) != 0)
    return;
  hint (n, name, b + 28);
}

void
netnames_lease (struct netnames *n, const char *path, struct span in)
{
  const char *slash = strrchr (path, '/');
  const char *base = slash ? slash + 1 : path;

  if (strncmp (base, "internal-", 9) == 0)
    network_manager (n, base, in);
  else if (strstr (path, "/wicked/"))
    wicked (n, base, in);
  else if (strstr (path, "/dhcpcd"))
    dhcpcd (n, base, in);
  else
    dhclient (n, in);
}

bool
netnames_want_leases (const struct netnames *n)
{
  size_t i;

  for (i = 0; i < n->nr; i++)
    if (!n->v[i].mac[0] && !n->v[i].bound)
      return true;
  return n->nr_patterns > 0;
}

static bool
among (const char *mac, const char *const *macs, size_t nr)
{
  size_t i;

  for (i = 0; i < nr; i++)
    if (strcasecmp (mac, macs[i]) == 0)
      return true;
  return false;
}

static bool
taken (const struct netnames *n, const char *mac)
{
  size_t i;

  for (i = 0; i < n->nr; i++)
    if (strcmp (n->v[i].mac, mac) == 0)
      return true;
  return false;
}

/* The only MAC that leases tell of NAME and that may count. */
static const char *
hinted (const struct netnames *n, const char *name, const char *const *macs,
        size_t nr_macs)
{
  const char *r = NULL;
  size_t i;

  for (i = 0; i < n->nr_hints; i++) {
    const struct nethint *h = &n->hints[i];

    if (!h->mac[0] || strcmp (h->name, name) != 0 ||
        (nr_macs && !among (h->mac, macs, nr_macs)))
      continue;
    if (r)
      return NULL;
    r = h->mac;
  }
  return r;
}

/* Names for "ens*". */
static void
fill_pattern (struct netnames *n, const char *pattern, const char *const *macs,
              size_t nr_macs)
{
  const struct span none = { "", 0 };
  bool any = false;
  size_t i, k;

  for (i = 0; i < n->nr; i++)
    any |= fnmatch (pattern, n->v[i].name, 0) == 0;
  for (i = 0; i < n->nr_hints; i++)
    if (fnmatch (pattern, n->hints[i].name, 0) == 0) {
      const char *mac = hinted (n, n->hints[i].name, macs, nr_macs);

      /* Of a card that is still there. */
      if (nr_macs && !mac)
        continue;
      netnames_add (n, span_of (n->hints[i].name), none, false);
      any = true;
    }
  /* A name of the new machine may do. */
  if (any || fnmatch (pattern, "enp1s0", 0) == 0 || nr_macs > 16)
    return;
  for (k = 0; k < V2V_MAX (nr_macs, 1); k++) {
    char name[NET_NAME + 8];
    struct netname *e;

    snprintf (name, sizeof name, "%.*s%zu", (int)strlen (pattern) - 1, pattern,
              192 + k);
    if (!netname_is_card (span_of (name)))
      return;
    e = netnames_add (n, span_of (name), nr_macs ? span_of (macs[k]) : none,
                      false);
    if (e)
      e->told = false;
  }
}

void
netnames_use_leases (struct netnames *n, const char *const *macs,
                     size_t nr_macs)
{
  size_t i;

  for (i = 0; i < n->nr_patterns; i++)
    fill_pattern (n, n->patterns[i], macs, nr_macs);
  if (n->nr == 1 && nr_macs == 0)
    return;
  for (i = 0; i < n->nr; i++) {
    struct netname *e = &n->v[i];
    const char *mac;

    if (e->mac[0] || e->bound)
      continue;
    mac = hinted (n, e->name, macs, nr_macs);
    if (mac && !taken (n, mac)) {
      memcpy (e->mac, mac, sizeof e->mac);
      e->told = true;
    }
  }
}
