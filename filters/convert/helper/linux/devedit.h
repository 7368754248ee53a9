/* SPDX-License-Identifier: BSD-3-Clause */

/* The files of a guest that name disks, edited as text.  Each editor reads
 * IN and appends the whole new text to OUT; what it does not understand
 * comes out as it was, byte for byte.  OUT->failed is set when memory ran
 * out.  Nothing is returned: compare OUT with IN.
 */

#ifndef V2V_LINUX_DEVEDIT_H
#define V2V_LINUX_DEVEDIT_H

#include "devmap.h"
#include "text.h"

typedef void devedit_fn (struct span in, struct devmap *map, struct text *out);

extern devedit_fn edit_fstab;
extern devedit_fn edit_crypttab;
/* grub.cfg, menu.lst, grub.conf, extlinux.conf, BLS and systemd-boot
 * entries: lines that carry a kernel's parameters.
 */
extern devedit_fn edit_bootconf;
/* /etc/default/grub, /etc/sysconfig/{grub,bootloader,kernel}, dracut's
 * kernel_cmdline: shell assignments.
 */
extern devedit_fn edit_assignments;
/* The whole file is a command line: /etc/kernel/cmdline, cmdline.d. */
extern devedit_fn edit_cmdline;
/* Always 1024 bytes, as GRUB wants it; if the new text does not fit, OUT
 * is as IN and *map->unknown is told.
 */
extern devedit_fn edit_grubenv;
extern devedit_fn edit_device_map;
/* SUSE's /etc/default/grub_installdevice: a device in each line, or a word
 * that is none.
 */
extern devedit_fn edit_installdevice;
extern devedit_fn edit_mdadm_conf;
extern devedit_fn edit_lvm_conf;
extern devedit_fn edit_resume_conf;
/* Append the names that multipath.conf, or with BINDINGS a bindings file,
 * gives to devices, one a line.
 */
extern void multipath_aliases (struct span in, bool bindings, struct text *out);
/* Add " resume=VALUE" to the kernel lines of grub.cfg that say nothing
 * about it.
 */
extern void
edit_add_resume (struct span in, const char *value, struct text *out);
/* /etc/inittab, /etc/securetty: Xen's consoles become KVM's. */
extern devedit_fn edit_inittab;
extern devedit_fn edit_securetty;

#endif /* V2V_LINUX_DEVEDIT_H */
