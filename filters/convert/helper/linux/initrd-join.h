/* SPDX-License-Identifier: BSD-3-Clause */

/* Turn an archive into the bytes that go after an image's end. */

#ifndef V2V_INITRD_JOIN_H
#define V2V_INITRD_JOIN_H

#include <stddef.h>
#include <stdint.h>

#include "initrd-buf.h"
#include "initrd-image.h"

/* ARCHIVE is an uncompressed cpio archive; OUT gets the tail for img->end.
 * 0, or -1 when out of memory.
 */
extern int initrd_join (const struct initrd_image *img, const uint8_t *archive,
                        size_t size, struct initrd_buf *out);

#endif /* V2V_INITRD_JOIN_H */
