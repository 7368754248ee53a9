#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# A real initrd of initramfs-tools that lacks virtio does not find its disk
# on virtio-blk; with what we append to it, it does.

. "${srcdir:-.}/functions.sh"
. "${srcdir:-.}/test-initrd-functions.sh"

requires qemu-system-x86_64 --version
requires command -v mkinitramfs
requires command -v mke2fs
find_kernel
[ "$(uname -m)" = x86_64 ] || skip_all "only x86_64 kernels are booted"

check "make an initrd without virtio" \
    cached "it-$kver.gz" make_initramfs_tools
initrd=$cached_file
[ -s "$initrd" ] || { done_testing; }
make_root "$tmp/root.img" || { not_ok "make a root file system"; done_testing; }

check_fails "the initrd lacks drivers" \
    "$initrd_tool" check --kernel "$kver" "$initrd"
boot "$initrd" "$tmp/root.img" virtio-blk
check_fails "before: no disk on virtio-blk" reached_root
check "before: because it waited for the disk in vain" \
    grep -a -q "ALERT!.*$root_uuid" "$boot_log"

check "add virtio" add_virtio "$initrd" "$tmp/new"
check "the drivers are there" \
    "$initrd_tool" check --kernel "$kver" "$tmp/new"
boot "$tmp/new" "$tmp/root.img" virtio-blk
check "after: boots from virtio-blk" boots_from /dev/vda

done_testing
