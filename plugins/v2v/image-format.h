/* SPDX-License-Identifier: BSD-3-Clause */

/* Names and marks of image formats. */

#ifndef V2V_IMAGE_FORMAT_H
#define V2V_IMAGE_FORMAT_H

#include "blob.h"

/* One of "raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx", or NULL if FORMAT
 * (with the aliases "vpc", "img") is none of them.
 */
extern const char *image_format (const char *format);

/* The format that the name's ending stands for, or NULL. */
extern const char *image_format_of_name (const char *name);

/* The format whose mark the image bears, or NULL: only ever to refuse, or to
 * check what was said, never to choose.
 */
extern const char *image_mark (const struct blob *b);

#endif /* V2V_IMAGE_FORMAT_H */
