/* SPDX-License-Identifier: BSD-3-Clause */

/* Network names.
 *
 * A card is called ens192 because of the slot that VMware put it in.  On
 * the target it would be enp1s0, and a configuration that says ens192
 * (with the static address) would wait for ever.  The names stay if a
 * rule binds them to what moves along: the MAC address.
 *
 * 1. Only names that some configuration mentions are kept.
 * 2. A MAC that stands in the guest's own configuration beats the order of
 *    the cards.
 *    MACs of old leases come next (netleases.c).
 * 3. Otherwise the names, sorted by their numbers, belong to the cards in
 *    their order, if there are as many of both and the names differ in
 *    their numbers alone: VMware numbers the slots of its cards upwards
 *    (ens160, ens192, ens224, ens256; ens33, ens34).
 * 4. A name is never bound to a guess: with more names than MACs, those
 *    that cannot be told are left and reported.  The exception is a guest
 *    with one name whose card is not described: that name goes to the
 *    first card of a kind that KVM emulates.
 */

#include <config.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <yaml.h>

#include "netnames.h"
#include "v2v-utils.h"

#define MAX_NAMES 256

static bool
digits (struct span s)
{
  size_t i;

  for (i = 0; i < s.n; i++)
    if (!isdigit ((unsigned char)s.p[i]))
      return false;
  return s.n > 0;
}

/* Any name of an interface that can stand in a rule. */
static bool
is_name (struct span s)
{
  size_t i;

  if (s.n == 0 || s.n >= NET_NAME || span_is (s, "lo") || digits (s) ||
      !isalpha ((unsigned char)s.p[0]))
    return false;
  for (i = 0; i < s.n; i++)
    if (!isalnum ((unsigned char)s.p[i]) && !strchr ("_-.", s.p[i]))
      return false;
  return true;
}

bool
netname_is_card (struct span s)
{
  size_t i;

  if (s.n == 0 || s.n >= NET_NAME)
    return false;
  if (span_starts (s, "enX")) /* of Xen */
    return digits (span_skip (s, 3));
  for (i = 0; i < s.n; i++)
    if (!islower ((unsigned char)s.p[i]) && !isdigit ((unsigned char)s.p[i]))
      return false;
  if (span_starts (s, "eth"))
    return digits (span_skip (s, 3));
  if (span_starts (s, "em"))
    return digits (span_skip (s, 2));
  if (span_starts (s, "en"))
    return s.n > 3 && strchr ("opsx", s.p[2]) != NULL;
  if (span_starts (s, "p")) {
    const char *p = memchr (s.p + 1, 'p', s.n - 1);

    return p && digits ((struct span){ s.p + 1, (size_t)(p - s.p - 1) }) &&
           digits (span_skip (s, p + 1 - s.p));
  }
  return false;
}

bool
netname_mac (struct span s, char mac[NET_MAC])
{
  size_t i;

  if (s.n != 17)
    return false;
  for (i = 0; i < 17; i++) {
    const char c = tolower ((unsigned char)s.p[i]);

    if (i % 3 == 2 ? c != ':' && c != '-' : !isxdigit ((unsigned char)c))
      return false;
    mac[i] = i % 3 == 2 ? ':' : c;
  }
  mac[17] = '\0';
  return strcmp (mac, "00:00:00:00:00:00") != 0 &&
         !(strchr ("13579bdf", mac[1]));
}

struct netname *
netnames_add (struct netnames *n, struct span name, struct span mac, bool bound)
{
  struct netname *e = NULL, *v;
  char m[NET_MAC] = "";
  size_t i;

  if (!is_name (name))
    return NULL;
  netname_mac (mac, m);
  for (i = 0; i < n->nr; i++)
    if (span_is (name, n->v[i].name))
      e = &n->v[i];
  if (!e) {
    if (n->nr == MAX_NAMES)
      return NULL;
    v = realloc (n->v, (n->nr + 1) * sizeof *v);
    if (!v) {
      n->failed = true;
      return NULL;
    }
    n->v = v;
    e = &v[n->nr++];
    memset (e, 0, sizeof *e);
    memcpy (e->name, name.p, name.n);
  }
  if (m[0] && (!e->mac[0] || bound))
    memcpy (e->mac, m, sizeof m);
  e->bound |= bound;
  e->told |= m[0] != '\0';
  return e;
}

/* A name that a configuration mentions: only a card's counts, because
 * bridges, bonds and their like are made by the guest.
 */
static void
add (struct netnames *n, struct span name, struct span mac, bool bound)
{
  size_t i;

  if (netname_is_card (name)) {
    netnames_add (n, name, mac, bound);
    return;
  }
  /* "ens*" */
  if (name.n < 3 || name.n >= NET_NAME || name.p[0] != 'e' ||
      name.p[name.n - 1] != '*' || n->nr_patterns == NET_PATTERNS)
    return;
  for (i = 0; i < name.n - 1; i++)
    if (!isalnum ((unsigned char)name.p[i]))
      return;
  memcpy (n->patterns[n->nr_patterns++], name.p, name.n);
}

static struct span
unquote (struct span s)
{
  s = span_trim (s);
  if (s.n >= 2 && (s.p[0] == '"' || s.p[0] == '\'') && s.p[s.n - 1] == s.p[0])
    return (struct span){ s.p + 1, s.n - 2 };
  return s;
}

/* KEY=VALUE, or KEY = VALUE. */
static bool
assignment (struct span line, struct span *key, struct span *value)
{
  const struct span t = span_trim (line);
  const char *eq = memchr (t.p, '=', t.n);

  if (!eq || t.n == 0 || t.p[0] == '#' || t.p[0] == ';')
    return false;
  *key = span_trim ((struct span){ t.p, (size_t)(eq - t.p) });
  *value = unquote (span_skip (t, eq + 1 - t.p));
  return true;
}

#define NONE ((struct span){ "", 0 })

void
netnames_ifcfg (struct netnames *n, const char *base, struct span in)
{
  struct span line, eol, key, value, name = NONE, mac = NONE;
  const size_t len = strlen (base);

  if (strncmp (base, "ifcfg-", 6) != 0 || strchr (base, '~') ||
      (len > 4 && strcmp (base + len - 4, ".bak") == 0) ||
      strstr (base, ".rpm"))
    return;
  while (span_line (&in, &line, &eol)) {
    if (!assignment (line, &key, &value))
      continue;
    if (span_is (key, "DEVICE"))
      name = value;
    else if (span_is (key, "HWADDR"))
      mac = value;
    else if ((span_is (key, "TYPE") && value.n &&
              !(value.n == 8 && strncasecmp (value.p, "Ethernet", 8) == 0)) ||
             (span_is (key, "VLAN") && span_is (value, "yes")) ||
             (span_is (key, "ETHERDEVICE") && value.n) ||
             (span_is (key, "BONDING_MASTER") && span_is (value, "yes")))
      return;
  }
  add (n, name.n ? name : span_of (base + 6), mac, false);
}

void
netnames_keyfile (struct netnames *n, struct span in)
{
  struct span line, eol, key, value, section = NONE;
  struct span name = NONE, mac = NONE, type = NONE;

  while (span_line (&in, &line, &eol)) {
    const struct span t = span_trim (line);

    if (span_starts (t, "[")) {
      section = t;
      continue;
    }
    if (!assignment (line, &key, &value))
      continue;
    if (span_is (section, "[connection]")) {
      if (span_is (key, "interface-name"))
        name = value;
      else if (span_is (key, "type"))
        type = value;
    }
    else if ((span_is (section, "[ethernet]") ||
              span_is (section, "[802-3-ethernet]")) &&
             span_is (key, "mac-address"))
      mac = value;
  }
  if (span_is (type, "ethernet") || span_is (type, "802-3-ethernet"))
    add (n, name, mac, false);
}

/* The value of KEY in the mapping NODE, or NULL. */
static yaml_node_t *
member (yaml_document_t *doc, yaml_node_t *node, const char *key)
{
  yaml_node_pair_t *p;

  if (!node || node->type != YAML_MAPPING_NODE)
    return NULL;
  for (p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top;
       p++) {
    yaml_node_t *k = yaml_document_get_node (doc, p->key);

    if (k && k->type == YAML_SCALAR_NODE &&
        k->data.scalar.length == strlen (key) &&
        memcmp (k->data.scalar.value, key, strlen (key)) == 0)
      return yaml_document_get_node (doc, p->value);
  }
  return NULL;
}

static struct span
scalar (yaml_node_t *node)
{
  if (!node || node->type != YAML_SCALAR_NODE)
    return NONE;
  return (struct span){ (const char *)node->data.scalar.value,
                        node->data.scalar.length };
}

void
netnames_netplan (struct netnames *n, struct span in)
{
  yaml_parser_t parser;
  yaml_document_t doc;
  yaml_node_t *cards;
  yaml_node_pair_t *p;

  if (!yaml_parser_initialize (&parser)) {
    n->failed = true;
    return;
  }
  yaml_parser_set_input_string (&parser, (const unsigned char *)in.p, in.n);
  if (!yaml_parser_load (&parser, &doc)) {
    yaml_parser_delete (&parser);
    return;
  }
  cards = member (&doc,
                  member (&doc, yaml_document_get_root_node (&doc), "network"),
                  "ethernets");
  if (cards && cards->type == YAML_MAPPING_NODE)
    for (p = cards->data.mapping.pairs.start; p < cards->data.mapping.pairs.top;
         p++) {
      yaml_node_t *card = yaml_document_get_node (&doc, p->value);
      yaml_node_t *match = member (&doc, card, "match");
      const struct span set = scalar (member (&doc, card, "set-name"));
      const struct span mac = scalar (member (&doc, match, "macaddress"));

      if (match && set.n)
        netnames_add (n, set, mac, mac.n > 0);
      else if (match)
        add (n, scalar (member (&doc, match, "name")), mac, false);
      else
        add (n, scalar (yaml_document_get_node (&doc, p->key)), NONE, false);
    }
  yaml_document_delete (&doc);
  yaml_parser_delete (&parser);
}

void
netnames_interfaces (struct netnames *n, struct span in)
{
  struct span line, eol, space, word;

  while (span_line (&in, &line, &eol)) {
    bool several;

    if (!span_word (&line, &space, &word))
      continue;
    several = span_is (word, "auto") || span_is (word, "allow-hotplug");
    if (!several && !span_is (word, "iface"))
      continue;
    while (span_word (&line, &space, &word)) {
      const char *colon = memchr (word.p, ':', word.n);

      if (colon) /* eth0:1 is on eth0 */
        word.n = colon - word.p;
      if (word.n && word.p[word.n - 1] == '\r')
        word.n--;
      add (n, word, NONE, false);
      if (!several)
        break;
    }
  }
}

void
netnames_networkd (struct netnames *n, struct span in)
{
  struct span line, eol, key, value, space, word;
  struct span names = NONE, mac = NONE;
  bool match = false;

  while (span_line (&in, &line, &eol)) {
    const struct span t = span_trim (line);

    if (span_starts (t, "["))
      match = span_is (t, "[Match]");
    else if (match && assignment (line, &key, &value)) {
      if (span_is (key, "Name"))
        names = value;
      else if (span_is (key, "MACAddress") ||
               span_is (key, "PermanentMACAddress"))
        mac = value;
    }
  }
  while (span_word (&names, &space, &word))
    add (n, word, mac, false);
}

void
netnames_link (struct netnames *n, struct span in)
{
  struct span line, eol, key, value, section = NONE;
  struct span name = NONE, mac = NONE;
  bool slot = false;

  while (span_line (&in, &line, &eol)) {
    const struct span t = span_trim (line);

    if (span_starts (t, "["))
      section = t;
    else if (assignment (line, &key, &value)) {
      if (span_is (section, "[Link]") && span_is (key, "Name"))
        name = value;
      else if (span_is (section, "[Match]") &&
               (span_is (key, "Path") || span_is (key, "Driver")))
        slot = true;
      else if (span_is (section, "[Match]") &&
               (span_is (key, "MACAddress") ||
                span_is (key, "PermanentMACAddress")))
        mac = value;
    }
  }
  /* By a path or driver of the old machine: the name is known, no more. */
  if (mac.n || slot)
    netnames_add (n, name, mac, mac.n > 0);
}

/* The value of WHAT=="..." or WHAT="..." in a line of udev rules. */
static struct span
udev_value (struct span line, const char *what)
{
  const char *p = memmem (line.p, line.n, what, strlen (what));
  struct span s;
  const char *end;

  if (!p)
    return NONE;
  s = span_skip (line, p + strlen (what) - line.p);
  end = memchr (s.p, '"', s.n);
  return end ? (struct span){ s.p, (size_t)(end - s.p) } : NONE;
}

static bool
has (struct span s, const char *what)
{
  return memmem (s.p, s.n, what, strlen (what)) != NULL;
}

void
netnames_rules (struct netnames *n, struct span in)
{
  struct span line, eol;

  while (span_line (&in, &line, &eol)) {
    struct span mac, name;

    if (span_starts (span_trim (line), "#"))
      continue;
    name = udev_value (line, " NAME=\"");
    if (!name.n)
      name = udev_value (line, ",NAME=\"");
    mac = udev_value (line, "ATTR{address}==\"");
    if (!mac.n)
      mac = udev_value (line, "ATTRS{address}==\"");
    if (!mac.n)
      mac = udev_value (line, "SYSFS{address}==\"");
    if (mac.n || has (line, "KERNELS==") || has (line, "ID_PATH}=="))
      netnames_add (n, name, mac, mac.n > 0);
    else
      add (n, name, mac, false);
  }
}

void
netnames_free (struct netnames *n)
{
  free (n->v);
  free (n->hints);
  memset (n, 0, sizeof *n);
}

static int
by_number (const void *a, const void *b)
{
  return text_version_cmp (((const struct netname *)a)->name,
                           ((const struct netname *)b)->name);
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

/* Do two names differ in their numbers alone? */
static bool
alike (const char *a, const char *b)
{
  while (*a && *b) {
    if (isdigit ((unsigned char)*a) && isdigit ((unsigned char)*b)) {
      a += strspn (a, "0123456789");
      b += strspn (b, "0123456789");
    }
    else if (*a++ != *b++)
      return false;
  }
  return *a == *b;
}

size_t
netnames_assign (struct netnames *n, const char *const *macs, size_t nr_macs)
{
  size_t i, j, open = 0, free_macs = 0, left = 0;
  const char *first = NULL;

  if (n->nr == 0)
    return 0;
  qsort (n->v, n->nr, sizeof *n->v, by_number);
  for (i = 0; i < n->nr; i++) {
    if (n->v[i].mac[0])
      continue;
    /* Which comes first of ens192 and lan1? */
    if (first && !alike (first, n->v[i].name))
      nr_macs = 0;
    first = n->v[i].name;
    open++;
  }
  for (j = 0; j < nr_macs; j++)
    free_macs += !taken (n, macs[j]);
  if (open == free_macs && open > 0) {
    for (i = 0, j = 0; i < n->nr; i++) {
      char mac[NET_MAC];

      if (n->v[i].mac[0])
        continue;
      while (j < nr_macs && taken (n, macs[j]))
        j++;
      if (j == nr_macs)
        break;
      if (netname_mac (span_of (macs[j]), mac))
        memcpy (n->v[i].mac, mac, sizeof mac);
      j++;
    }
  }
  for (i = 0; i < n->nr; i++)
    left += n->v[i].mac[0] == '\0' && !n->v[i].bound;
  return left;
}

void
netname_put_rule (const struct netname *n, struct text *out)
{
  text_adds (out, "SUBSYSTEM==\"net\", ACTION==\"add\", ");
  if (n->mac[0])
    text_addf (out, "DRIVERS==\"?*\", ATTR{address}==\"%s\", ", n->mac);
  else
    text_adds (out, "DRIVERS==\"virtio_net|e1000|e1000e|rtl8139\", ");
  text_addf (out, "ATTR{type}==\"1\", NAME=\"%s\"\n", n->name);
}

void
netname_put_link (const struct netname *n, struct text *out)
{
  text_adds (out, "# This card keeps the name it had on the machine that "
                  "it came from.\n[Match]\n");
  if (n->mac[0])
    /* Bridges and VLANs have the MAC too, but no path. */
    text_addf (out, "MACAddress=%s\nPath=pci-* virtio-pci-* platform-*\n",
               n->mac);
  else
    text_adds (out, "Driver=virtio_net e1000 e1000e 8139cp\n");
  text_addf (out, "\n[Link]\nName=%s\n", n->name);
}
