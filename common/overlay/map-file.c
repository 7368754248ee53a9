/* SPDX-License-Identifier: BSD-3-Clause */

/* The map of a persistent store as a file: its name, its header, and an
 * entry for every group.  persist.c says which files there are and when
 * entries may be written.
 *
 *   0     header, 4096 bytes: struct header, then zeroes
 *   4096  for group 0, 1, …  32 bytes: struct map_entry; all zero = nothing
 *         known
 *
 * Numbers have the machine's byte order, which the header tells.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"
#include "v2v-utils.h"

#define MAGIC "V2VOVL01"
#define BYTE_ORDER_MARK 0x01020304
/* The tests let the machine crash by changing it. */
#ifdef OVERLAY_BOOT_ID_FILE
extern const char *OVERLAY_BOOT_ID_FILE;
#else
#define OVERLAY_BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"
#endif

struct header {
  char magic[8];
  uint32_t byte_order, block_size;
  uint64_t size;
  uint64_t name_hash[2], identity_hash[2];
  uint32_t clean; /* stopped in order */
  uint32_t unused;
  char boot_id[64];
  char identity[512]; /* for people; may be cut off */
  uint64_t check;     /* of all before */
};

/* FNV-1a with a final mix; finds accidents, not attackers. */
static uint64_t
hash (const void *p, size_t len, uint64_t seed)
{
  const uint8_t *b = p;
  uint64_t h = UINT64_C (0xcbf29ce484222325) ^ seed;
  size_t i;

  for (i = 0; i < len; ++i) {
    h ^= b[i];
    h *= UINT64_C (0x100000001b3);
  }
  h ^= h >> 32;
  h *= UINT64_C (0x9e3779b97f4a7c15);
  h ^= h >> 29;
  return h;
}

static uint64_t
entry_check (const struct map_entry *e, uint64_t g)
{
  const uint64_t h = hash (e, offsetof (struct map_entry, check), g);

  return h ? h : 1;
}

static int
read_all (int fd, void *buf, size_t len, uint64_t offset)
{
  uint8_t *p = buf;

  while (len > 0) {
    ssize_t r = pread (fd, p, len, (off_t)offset);

    if (r == -1 && errno == EINTR)
      continue;
    if (r == 0)
      errno = EIO;
    if (r <= 0)
      return -1;
    p += r;
    offset += r;
    len -= r;
  }
  return 0;
}

static int
write_all (int fd, const void *buf, size_t len, uint64_t offset)
{
  const uint8_t *p = buf;

  while (len > 0) {
    ssize_t r = pwrite (fd, p, len, (off_t)offset);

    if (r == -1 && errno == EINTR)
      continue;
    if (r == 0)
      errno = EIO;
    if (r <= 0)
      return -1;
    p += r;
    offset += r;
    len -= r;
  }
  return 0;
}

/* Letters, digits, '-', '_' and '.' stand for themselves.  A long name is
 * cut and made distinct by its hash; the header knows it in full.
 */
char *
ov_store_filename (struct overlay *ov, const char *suffix)
{
  const char *name = ov->name;
  char escaped[3 * 48 + 20];
  size_t i, n = 0, len = strlen (name);
  char *file;

  for (i = 0; i < len && n < 3 * 48 - 3; ++i) {
    const unsigned char c = name[i];

    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
        (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.')
      escaped[n++] = (char)c;
    else
      n += sprintf (&escaped[n], "%%%02x", c);
  }
  if (i < len)
    n += sprintf (&escaped[n], "~%016llx",
                  (unsigned long long)hash (name, len, 0));
  escaped[n] = '\0';
  if (asprintf (&file, "overlay-%s%s", escaped, suffix) == -1) {
    errno = ENOMEM;
    return NULL;
  }
  return file;
}

static void
get_boot_id (char *id, size_t len)
{
  CLEANUP_CLOSE int fd = open (OVERLAY_BOOT_ID_FILE, O_RDONLY | O_CLOEXEC);
  ssize_t r = -1;

  memset (id, 0, len);
  if (fd >= 0)
    r = read (fd, id, len - 1);
  if (r < 0)
    memset (id, 0, len);
  id[strcspn (id, "\n")] = '\0';
}

static void
fill_header (struct overlay *ov, struct header *h, bool clean)
{
  memset (h, 0, sizeof *h);
  memcpy (h->magic, MAGIC, sizeof h->magic);
  h->byte_order = BYTE_ORDER_MARK;
  h->block_size = BLOCK;
  h->size = ov->size;
  h->name_hash[0] = hash (ov->name, strlen (ov->name), 0);
  h->name_hash[1] = hash (ov->name, strlen (ov->name), 1);
  h->identity_hash[0] = hash (ov->identity, strlen (ov->identity), 0);
  h->identity_hash[1] = hash (ov->identity, strlen (ov->identity), 1);
  h->clean = clean;
  get_boot_id (h->boot_id, sizeof h->boot_id);
  snprintf (h->identity, sizeof h->identity, "%s", ov->identity);
  h->check = hash (h, offsetof (struct header, check), 0);
}

int
ov_map_write_header (struct overlay *ov, bool clean)
{
  struct header h;

  fill_header (ov, &h, clean);
  if (write_all (ov->map_fd, &h, sizeof h, 0) == -1 ||
      fdatasync (ov->map_fd) == -1)
    return -1;
  return 0;
}

static uint64_t
entry_offset (uint64_t g)
{
  return OV_MAP_HEADER_BYTES + g * sizeof (struct map_entry);
}

uint64_t
ov_map_bytes (const struct overlay *ov)
{
  return entry_offset (ov->nr_groups);
}

uint64_t
ov_map_next (struct overlay *ov, uint64_t g)
{
  const off_t data = lseek (ov->map_fd, (off_t)entry_offset (g), SEEK_DATA);

  if (data == (off_t)-1)
    return errno == ENXIO ? ov->nr_groups : g;
  return ((uint64_t)data - OV_MAP_HEADER_BYTES) / sizeof (struct map_entry);
}

int
ov_map_read (struct overlay *ov, uint64_t g, uint64_t n, struct map_entry *e)
{
  return read_all (ov->map_fd, e, n * sizeof *e, entry_offset (g));
}

bool
ov_map_entry_is_sound (struct overlay *ov, uint64_t g,
                       const struct map_entry *e)
{
  const uint64_t all = ov_group_mask (ov, g);

  return e->check == entry_check (e, g) && (e->valid & e->zero) == 0 &&
         ((e->valid | e->zero | e->dirty) & ~all) == 0 &&
         (e->dirty & ~(e->valid | e->zero)) == 0;
}

int
ov_map_write (struct overlay *ov, uint64_t g, struct map_entry *e)
{
  e->check = e->valid | e->zero ? entry_check (e, g) : 0;
  if (e->check == 0)
    e->dirty = 0;
  return write_all (ov->map_fd, e, sizeof *e, entry_offset (g));
}

int
ov_map_refuse (struct overlay *ov, const char *file, const char *why, int *err)
{
  ov_log (ov, 'e',
          "%s/%s %s: remove the store if it is no longer needed, or "
          "use another directory",
          ov->dir, file, why);
  *err = EINVAL;
  return -1;
}

int
ov_map_check_header (struct overlay *ov, const char *file, bool *keep_clean,
                     int *err)
{
  struct header h, ours;

  if (read_all (ov->map_fd, &h, sizeof h, 0) == -1) {
    *err = errno;
    ov_log (ov, 'e', "cannot read %s/%s: %s", ov->dir, file, strerror (*err));
    return -1;
  }
  /* Its creation was interrupted: nothing was ever stored with it. */
  if (memcmp (h.magic, (char[sizeof h.magic]){ 0 }, sizeof h.magic) == 0)
    return 0;
  fill_header (ov, &ours, false);
  if (memcmp (h.magic, ours.magic, sizeof h.magic) != 0)
    return ov_map_refuse (ov, file, "is not the map of an overlay", err);
  if (h.byte_order != ours.byte_order)
    return ov_map_refuse (ov, file,
                          "was made on a machine of another byte order", err);
  if (h.check != hash (&h, offsetof (struct header, check), 0) ||
      h.block_size != ours.block_size)
    return ov_map_refuse (ov, file, "is damaged (header)", err);
  if (h.size != ours.size)
    return ov_map_refuse (ov, file, "was made for a source of another size",
                          err);
  if (memcmp (h.name_hash, ours.name_hash, sizeof h.name_hash) != 0)
    return ov_map_refuse (ov, file, "was made for an export of another name",
                          err);
  if (memcmp (h.identity_hash, ours.identity_hash, sizeof h.identity_hash) != 0)
    return ov_map_refuse (ov, file, "was made for another source", err);

  *keep_clean = h.clean ||
                (h.boot_id[0] && strcmp (h.boot_id, ours.boot_id) == 0);
  return 0;
}
