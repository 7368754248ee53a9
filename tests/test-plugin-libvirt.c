/* SPDX-License-Identifier: BSD-3-Clause */

/* A stand-in for libvirt.so.0, for domains on hosts that a test does not
 * have: whatever URI is opened, it knows one domain, "guest", whose XML is the
 * file V2V_LIBVIRT_XML.
 */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC visibility push(default)

static char uri[512];
static int connection, domain;

extern void *virConnectOpenAuth (const char *name, void *auth, unsigned flags);
extern int virConnectClose (void *conn);
extern char *virConnectGetURI (void *conn);
extern void *virDomainLookupByUUIDString (void *conn, const char *uuid);
extern void *virDomainLookupByName (void *conn, const char *name);
extern int virDomainIsActive (void *dom);
extern char *virDomainGetXMLDesc (void *dom, unsigned flags);
extern int virDomainFree (void *dom);
extern void *virStoragePoolLookupByName (void *conn, const char *name);
extern int virStoragePoolFree (void *pool);
extern void *virStorageVolLookupByName (void *pool, const char *name);
extern char *virStorageVolGetXMLDesc (void *vol, unsigned flags);
extern int virStorageVolFree (void *vol);
extern const char *virGetLastErrorMessage (void);
extern void virSetErrorFunc (void *opaque, void (*fn) (void *, void *));

void *
virConnectOpenAuth (const char *name, void *auth, unsigned flags)
{
  (void)auth;
  (void)flags;
  snprintf (uri, sizeof uri, "%s", name ? name : "test:///default");
  return &connection;
}

int
virConnectClose (void *conn)
{
  (void)conn;
  return 0;
}

char *
virConnectGetURI (void *conn)
{
  (void)conn;
  return strdup (uri);
}

void *
virDomainLookupByUUIDString (void *conn, const char *uuid)
{
  (void)conn;
  (void)uuid;
  return NULL;
}

void *
virDomainLookupByName (void *conn, const char *name)
{
  (void)conn;
  return strcmp (name, "guest") == 0 ? &domain : NULL;
}

int
virDomainIsActive (void *dom)
{
  (void)dom;
  return 0;
}

char *
virDomainGetXMLDesc (void *dom, unsigned flags)
{
  const char *name = getenv ("V2V_LIBVIRT_XML");
  FILE *f = name ? fopen (name, "r") : NULL;
  char *r = calloc (1, 65536);

  (void)dom;
  (void)flags;
  if (f == NULL || r == NULL || fread (r, 1, 65535, f) == 0) {
    free (r);
    r = NULL;
  }
  if (f)
    fclose (f);
  return r;
}

int
virDomainFree (void *dom)
{
  (void)dom;
  return 0;
}

void *
virStoragePoolLookupByName (void *conn, const char *name)
{
  (void)conn;
  (void)name;
  return NULL;
}

int
virStoragePoolFree (void *pool)
{
  (void)pool;
  return 0;
}

void *
virStorageVolLookupByName (void *pool, const char *name)
{
  (void)pool;
  (void)name;
  return NULL;
}

char *
virStorageVolGetXMLDesc (void *vol, unsigned flags)
{
  (void)vol;
  (void)flags;
  return NULL;
}

int
virStorageVolFree (void *vol)
{
  (void)vol;
  return 0;
}

const char *
virGetLastErrorMessage (void)
{
  return "the stand-in knows nothing else";
}

void
virSetErrorFunc (void *opaque, void (*fn) (void *, void *))
{
  (void)opaque;
  (void)fn;
}
