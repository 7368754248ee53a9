/* SPDX-License-Identifier: BSD-3-Clause */

/* See sectors.h.
 *
 * What counts, in this order:
 *
 * 1. The disk's GPT (devices_table_sector).
 * 2. The description of the source, if it knows: for an MBR, which fits
 *    both sizes.
 * 3. 512.  File systems, LVM and LUKS that were made on sectors of 4096
 *    bytes work on those of 512, but not always the other way round.
 *
 * The server's minimum block size is no sign: a server whose own storage has
 * sectors of 4096 bytes asks for them whatever the guest had.
 *
 * A disk that cannot be read counts as unknown: the appliance, which is
 * going to open it, has the better message.
 */

#include <config.h>

#include <stdint.h>
#include <stdlib.h>

#include <libnbd.h>

#include "devices.h"
#include "report.h"
#include "sectors.h"
#include "vm.h"

static unsigned
sector_of_table (const char *uri)
{
  uint8_t first[2 * 4096];
  struct nbd_handle *nbd = nbd_create ();
  unsigned r = 0;

  if (nbd == NULL)
    return 0;
  if (nbd_connect_uri (nbd, uri) == 0 &&
      nbd_get_size (nbd) >= (int64_t)sizeof first &&
      nbd_pread (nbd, first, sizeof first, 0, 0) == 0)
    r = devices_table_sector (first, sizeof first);
  nbd_close (nbd);
  return r;
}

unsigned *
sectors_find (struct report *r, char **uris, size_t n, const struct vm *source)
{
  unsigned *sectors = calloc (n, sizeof *sectors);
  size_t i;

  if (sectors == NULL) {
    report_error (r, "out-of-memory", "out of memory");
    return NULL;
  }
  for (i = 0; i < n; ++i) {
    sectors[i] = sector_of_table (uris[i]);
    if (sectors[i] == 0 && source != NULL && i < source->nr_disks)
      sectors[i] = source->disks[i].sector_size;
    if (sectors[i] != 4096)
      sectors[i] = 512;
    else
      report_info (r, "Disk %zu has sectors of 4096 bytes", i);
  }
  return sectors;
}
