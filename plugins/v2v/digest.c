/* SPDX-License-Identifier: BSD-3-Clause */

/* Digests (see digest.h), computed by GnuTLS. */

#include <config.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "digest.h"
#include "v2v-utils.h"

#define BUFFER (1024 * 1024)

static const struct {
  const char *name;
  size_t len;
  gnutls_digest_algorithm_t algorithm;
} algorithms[] = {
  { "MD5", 16, GNUTLS_DIG_MD5 },       { "SHA1", 20, GNUTLS_DIG_SHA1 },
  { "SHA224", 28, GNUTLS_DIG_SHA224 }, { "SHA256", 32, GNUTLS_DIG_SHA256 },
  { "SHA384", 48, GNUTLS_DIG_SHA384 }, { "SHA512", 64, GNUTLS_DIG_SHA512 },
};

bool
digest_named (const char *name, size_t len, struct digest *r)
{
  size_t i;

  for (i = 0; i < V2V_ARRAY_SIZE (algorithms); ++i)
    if (strlen (algorithms[i].name) == len &&
        strncasecmp (algorithms[i].name, name, len) == 0) {
      r->name = algorithms[i].name;
      r->len = algorithms[i].len;
      return true;
    }
  return false;
}

bool
digest_parse (const char *s, size_t len, struct digest *r)
{
  size_t i;

  if (len != 2 * r->len)
    return false;
  for (i = 0; i < len; ++i) {
    int c = tolower ((unsigned char)s[i]);

    if (!isxdigit (c))
      return false;
    c = c <= '9' ? c - '0' : c - 'a' + 10;
    r->bytes[i / 2] = r->bytes[i / 2] << 4 | c;
  }
  return true;
}

int
digest_compute (struct digest *r, uint64_t size,
                int (*read) (void *opaque, void *buf, size_t count,
                             uint64_t offset),
                void *opaque, struct diag *d)
{
  CLEANUP_FREE char *buf = malloc (BUFFER);
  gnutls_hash_hd_t h;
  uint64_t offset;
  size_t i = 0;
  int ret;

  if (buf == NULL)
    return diag_memory (d);
  while (algorithms[i].name != r->name)
    i++;
  ret = gnutls_hash_init (&h, algorithms[i].algorithm);
  if (ret < 0)
    return diag_error (d, "%s: %s", r->name, gnutls_strerror (ret));
  for (offset = 0; ret >= 0 && offset < size; offset += BUFFER) {
    size_t n = V2V_MIN (BUFFER, size - offset);

    if (read (opaque, buf, n, offset) == -1) {
      diag_error (d, "cannot be read: %m");
      gnutls_hash_deinit (h, r->bytes);
      return -1;
    }
    ret = gnutls_hash (h, buf, n);
  }
  gnutls_hash_deinit (h, r->bytes);
  return ret < 0 ? diag_error (d, "%s: %s", r->name, gnutls_strerror (ret)) : 0;
}

bool
digest_equal (const struct digest *a, const struct digest *b)
{
  return a->name == b->name && memcmp (a->bytes, b->bytes, a->len) == 0;
}

void
digest_text (const struct digest *r, char text[2 * DIGEST_MAX + 1])
{
  size_t i;

  *text = '\0';
  for (i = 0; i < r->len; ++i)
    text += sprintf (text, "%02x", r->bytes[i]);
}
