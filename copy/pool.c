/* SPDX-License-Identifier: BSD-3-Clause */

/* libvirt, through virsh: a storage pool as the target, and the machine's
 * definition.
 *
 * Volumes are made and removed by libvirt, which gives them the owner and
 * the label of the pool and knows them at once.  They are filled by their
 * path, as files are: a pool must be a directory of this host.  Its
 * volumes are visible while they are incomplete, because libvirt has no
 * name for what is not yet there; whatever fails removes them.
 */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include <libxml/parser.h>
#include <libxml/tree.h>

#include "copy.h"
#include "target.h"
#include "v2v-utils.h"

/* virsh [-c URI], and then what the caller adds. */
static void
virsh (struct strings *a, const struct options *o)
{
  strings_add (a, "virsh");
  strings_add (a, "-q");
  if (o->connect) {
    strings_add (a, "-c");
    strings_add (a, o->connect);
  }
}

enum heed {
  HEED,  /* end it when we are told to end */
  FINISH /* so that it is known what libvirt has done */
};

/* Run it.  OUT, unless NULL, gets what it prints (allocated).  0 or an
 * exit status; then virsh's own message was shown, or we were told to end.
 */
static int
run (struct strings *a, enum heed heed, char **out)
{
  CLEANUP_FREE char *text = NULL;
  int r = child_run ("virsh", a->v, heed == HEED, &text);

  strings_free (a);
  if (r == 0 && out) {
    *out = text;
    text = NULL;
  }
  return r;
}

static const xmlNode *
element (const xmlNode *parent, const char *name)
{
  const xmlNode *n;

  for (n = parent ? parent->children : NULL; n; n = n->next)
    if (n->type == XML_ELEMENT_NODE &&
        strcmp ((const char *)n->name, name) == 0)
      return n;
  return NULL;
}

/* The type of the pool and its path, from libvirt's description. */
static int
parse_pool (const char *xml, char **type, char **path)
{
  xmlDoc *doc = xmlReadMemory (xml, (int)strlen (xml), "pool.xml", NULL,
                               XML_PARSE_NONET | XML_PARSE_NOERROR |
                                 XML_PARSE_NOWARNING);
  xmlNode *root = doc ? xmlDocGetRootElement (doc) : NULL;
  const xmlNode *p = element (element (root, "target"), "path");
  xmlChar *t = root ? xmlGetProp (root, (const xmlChar *)"type") : NULL;
  xmlChar *s = p ? xmlNodeGetContent (p) : NULL;

  if (t)
    *type = xstrdup ((const char *)t);
  if (s && s[0] == '/')
    *path = xstrdup ((const char *)s);
  xmlFree (t);
  xmlFree (s);
  xmlFreeDoc (doc);
  return *type ? 0 : -1;
}

static bool
is_directory_type (const char *type)
{
  return strcmp (type, "dir") == 0 || strcmp (type, "fs") == 0 ||
         strcmp (type, "netfs") == 0;
}

int
pool_open (struct pool *pool, const struct options *o)
{
  struct strings a = { .n = 0 };
  CLEANUP_FREE char *xml = NULL, *type = NULL;
  struct stat st;
  int r;

  virsh (&a, o);
  strings_add (&a, "pool-dumpxml");
  strings_addf (&a, "--pool=%s", o->pool);
  r = run (&a, HEED, &xml);
  if (r == EXIT_INTERRUPTED)
    return r;
  if (r || parse_pool (xml, &type, &pool->path) == -1) {
    show_error ("pool",
                "libvirt does not tell about the pool \"%s\": see "
                "'virsh pool-list --all'%s",
                o->pool,
                o->connect ? "" : ", or choose libvirt with --connect");
    return EXIT_OUTPUT;
  }
  if (!is_directory_type (type) || pool->path == NULL) {
    show_error ("pool",
                "the pool \"%s\" is of type %s: only pools of files (dir, fs, "
                "netfs) can be written.  Copy to '-', or to another pool",
                o->pool, type);
    return EXIT_OUTPUT;
  }
  if (stat (pool->path, &st) == -1 || !S_ISDIR (st.st_mode) ||
      access (pool->path, W_OK | X_OK) == -1) {
    show_error ("pool",
                "%s, the directory of the pool \"%s\", cannot be written from "
                "here (%s): run as root, on libvirt's host",
                pool->path, o->pool, strerror (errno ? errno : ENOTDIR));
    return EXIT_OUTPUT;
  }
  /* A pool that is not active lists nothing. */
  virsh (&a, o);
  strings_add (&a, "vol-list");
  strings_addf (&a, "--pool=%s", o->pool);
  r = run (&a, HEED, NULL);
  if (r && r != EXIT_INTERRUPTED) {
    show_error ("pool",
                "the pool \"%s\" cannot be used: is it active? "
                "(virsh pool-start)",
                o->pool);
    return EXIT_OUTPUT;
  }
  return r;
}

void
pool_close (struct pool *pool)
{
  free (pool->path);
  pool->path = NULL;
}

static const char *
volume_name (const char *path)
{
  const char *slash = strrchr (path, '/');

  return slash ? slash + 1 : path;
}

/* As a document of ours, because vol-create-as (of libvirt 9.0) pastes what
 * it is given into one without quoting.
 */
static char *
volume_xml (const char *name, uint64_t size, const char *format)
{
  xmlDoc *doc = xmlNewDoc ((const xmlChar *)"1.0");
  xmlNode *root = xmlNewNode (NULL, (const xmlChar *)"volume"), *n;
  CLEANUP_FREE char *bytes = xasprintf ("%llu", (unsigned long long)size);
  xmlChar *text = NULL;
  char *ret;
  int len;

  xmlDocSetRootElement (doc, root);
  xmlNewTextChild (root, NULL, (const xmlChar *)"name", (const xmlChar *)name);
  n = xmlNewTextChild (root, NULL, (const xmlChar *)"capacity",
                       (const xmlChar *)bytes);
  xmlNewProp (n, (const xmlChar *)"unit", (const xmlChar *)"bytes");
  /* Without it libvirt allocates all of a raw volume. */
  xmlNewTextChild (root, NULL, (const xmlChar *)"allocation",
                   (const xmlChar *)"0");
  n = xmlNewChild (root, NULL, (const xmlChar *)"target", NULL);
  n = xmlNewChild (n, NULL, (const xmlChar *)"format", NULL);
  xmlNewProp (n, (const xmlChar *)"type", (const xmlChar *)format);
  xmlDocDumpFormatMemoryEnc (doc, &text, &len, "UTF-8", 1);
  xmlFreeDoc (doc);
  ret = xstrdup (text ? (const char *)text : "");
  xmlFree (text);
  return ret;
}

int
pool_create (const struct session *h, const char *path, uint64_t size)
{
  const struct options *o = &h->opt;
  struct strings a = { .n = 0 };
  CLEANUP_FREE char *xml = volume_xml (volume_name (path), size,
                                       o->qcow2 ? "qcow2" : "raw");
  CLEANUP_FREE char *file = xasprintf ("%s/volume.xml", h->tmpdir);
  FILE *fp = fopen (file, "we");
  int r;

  show_file (file, xml);
  if (fp == NULL || fputs (xml, fp) == EOF || fclose (fp) == EOF) {
    show_error ("internal", "%s: %s", file, strerror (errno));
    return EXIT_OUTPUT;
  }
  virsh (&a, o);
  strings_add (&a, "vol-create");
  strings_addf (&a, "--pool=%s", o->pool);
  strings_addf (&a, "--file=%s", file);
  r = run (&a, FINISH, NULL);
  unlink (file);
  if (r) {
    show_error ("output", "libvirt could not make the volume \"%s\"",
                volume_name (path));
    return EXIT_OUTPUT;
  }
  return r;
}

void
pool_delete (const struct options *o, const char *path)
{
  struct strings a = { .n = 0 };

  virsh (&a, o);
  strings_add (&a, "vol-delete");
  strings_addf (&a, "--pool=%s", o->pool);
  strings_addf (&a, "--vol=%s", volume_name (path));
  if (run (&a, FINISH, NULL) != 0)
    show_error ("output",
                "libvirt could not remove the volume \"%s\", which is "
                "incomplete: use 'virsh vol-delete'",
                volume_name (path));
}

/* One of the lines of "virsh list --all WHAT" is VALUE: *FOUND.  0 or an
 * exit status (shown).
 */
static int
list_has (const struct options *o, const char *what, const char *value,
          bool *found)
{
  struct strings a = { .n = 0 };
  CLEANUP_FREE char *list = NULL;
  char *line, *next;
  int r;

  virsh (&a, o);
  strings_add (&a, "list");
  strings_add (&a, "--all");
  strings_add (&a, what);
  r = run (&a, HEED, &list);
  if (r) {
    if (r != EXIT_INTERRUPTED)
      show_error ("define", "libvirt does not list its machines%s",
                  o->connect ? "" : ": choose libvirt with --connect");
    return r;
  }
  for (line = list; *line && !*found; line = next) {
    next = line + strcspn (line, "\n");
    if (*next)
      *next++ = '\0';
    *found = strcmp (line, value) == 0;
  }
  return 0;
}

int
domain_check (const struct options *o, const char *name, const char *uuid)
{
  CLEANUP_FREE char *domain = target_name_domain (name);
  bool found = false;
  int r = domain ? list_has (o, "--name", domain, &found) : EXIT_OUTPUT;

  if (r == 0 && found) {
    show_error ("define",
                "libvirt has a machine \"%s\": choose another --name, or "
                "leave --define out",
                domain);
    r = EXIT_OUTPUT;
  }
  if (r == 0 && uuid)
    r = list_has (o, "--uuid", uuid, &found);
  if (r == 0 && found) {
    show_error ("define",
                "libvirt has a machine with the UUID of this one (%s), "
                "perhaps its source: leave --define out, and give %s.xml "
                "another",
                uuid, domain);
    r = EXIT_OUTPUT;
  }
  return r;
}

int
domain_define (const struct options *o, const char *xml)
{
  struct strings a = { .n = 0 };

  virsh (&a, o);
  strings_add (&a, "define");
  strings_addf (&a, "--file=%s", xml);
  if (run (&a, FINISH, NULL) == 0)
    return 0;
  show_error ("define",
              "the disks and documents are complete, but libvirt did not "
              "define the machine: change %s and use 'virsh define'",
              xml);
  return EXIT_OUTPUT;
}
