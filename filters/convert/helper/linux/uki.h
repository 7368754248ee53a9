/* SPDX-License-Identifier: BSD-3-Clause */

/* Unified kernel images: one PE file of systemd-stub, the kernel, its
 * initrd and its command line.  See uki.c.
 */

#ifndef V2V_LINUX_UKI_H
#define V2V_LINUX_UKI_H

#include <stddef.h>
#include <stdint.h>

#include "text.h"

/* The sections' contents, in the image that was parsed; empty if it has
 * none of that name.  Trailing NULs of text are left off.
 */
struct uki {
  struct span kernel, initrd;
  struct span cmdline, uname, osrel;
};

/* True if IMAGE is a PE file with a kernel in it.  Nothing is allocated. */
extern bool uki_parse (const uint8_t *image, size_t size, struct uki *uki);

#endif /* V2V_LINUX_UKI_H */
