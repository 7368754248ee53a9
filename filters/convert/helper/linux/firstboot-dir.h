/* SPDX-License-Identifier: BSD-3-Clause */

#ifndef V2V_LINUX_FIRSTBOOT_DIR_H
#define V2V_LINUX_FIRSTBOOT_DIR_H

/* Where first-boot jobs live in the guest. */
#define FIRSTBOOT_DIR "/usr/lib/v2v-firstboot"

#endif /* V2V_LINUX_FIRSTBOOT_DIR_H */
