/* SPDX-License-Identifier: BSD-3-Clause */

/* Small edits of a guest's configuration files.  As in devedit.h, each
 * appends the whole new text to OUT and keeps every byte that it does not
 * change; edited again, the text stays as it is.
 */

#ifndef V2V_LINUX_CONFEDIT_H
#define V2V_LINUX_CONFEDIT_H

#include "text.h"

/* Append the lines (NULL-ended) that are not there yet, after COMMENT. */
extern void edit_add_lines (struct span in, const char *comment,
                            char *const *lines, struct text *out);

/* Add WORDS to the list NAME="a b" or NAME=(a b), in its last assignment;
 * a file without one comes out unchanged.
 */
extern void edit_add_words (struct span in, const char *name,
                            char *const *words, struct text *out);

/* SUSE's /etc/sysconfig/kernel: Xen's drivers, which the new machine has no
 * use for, leave INITRD_MODULES.
 */
extern void edit_suse_modules (struct span in, struct text *out);

/* modprobe.conf and its like: NIC and disk drivers of another machine
 * become virtio's, and nothing keeps virtio from being loaded.
 */
extern void edit_modprobe (struct span in, struct text *out);

/* xorg.conf: video drivers of another machine become "modesetting". */
extern void edit_xorg (struct span in, struct text *out);

/* A yum or zypper .repo file: sections on vmware.com get enabled=0. */
extern void edit_repo (struct span in, struct text *out);

/* sources.list: lines on vmware.com become comments. */
extern void edit_sources_list (struct span in, struct text *out);

/* APT's .sources files: stanzas on vmware.com get "Enabled: no". */
extern void edit_deb822 (struct span in, struct text *out);

/* .depend.start of insserv: SCRIPT is started too, last. */
extern void
edit_depend_start (struct span in, const char *script, struct text *out);

/* fstab: folders that the old hypervisor shared are not mounted at boot,
 * which would wait for them and stop.
 */
extern void edit_shared_folders (struct span in, struct text *out);

/* inittab of a guest with Citrix's tools: the gettys that they turned
 * into comments come back.
 */
extern void edit_inittab_gettys (struct span in, struct text *out);

#endif /* V2V_LINUX_CONFEDIT_H */
