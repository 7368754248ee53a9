/* SPDX-License-Identifier: BSD-3-Clause */

/* The uncompressed kernel inside a bzImage.  Knows neither libguestfs nor
 * files.
 */

#ifndef V2V_KERNEL_H
#define V2V_KERNEL_H

#include <stddef.h>
#include <stdint.h>

/* Largest kernel that is unpacked. */
#define KERNEL_MAX (256 * 1024 * 1024)

/* Unpack the payload of the x86 boot image IMAGE.  Return 0 with *vmlinux
 * allocated, or -1 with *why (static) if this is not a bzImage, its
 * compression is not known or damaged, or the kernel cannot be entered by
 * PVH (no Xen ELF note with the 32-bit entry point).
 */
extern int kernel_unpack (const uint8_t *image, size_t size, uint8_t **vmlinux,
                          size_t *vmlinux_size, const char **why);

#endif /* V2V_KERNEL_H */
