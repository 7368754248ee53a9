#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# What test-initrd-boot.sh shows once, for every format behind an early
# archive, for both buses, for dracut with and without systemd, and for
# modules in an archive of their own.  A boot takes 10 to 40 s under TCG.

. "${srcdir:-.}/functions.sh"
. "${srcdir:-.}/test-initrd-functions.sh"

requires qemu-system-x86_64 --version
requires command -v mke2fs
requires command -v cpio
find_kernel
[ "$(uname -m)" = x86_64 ] || skip_all "only x86_64 kernels are booted"
make_root "$tmp/root.img" || { not_ok "make a root file system"; done_testing; }

# try WHAT INITRD BUS DEVICE: add virtio and boot.
try () {
    local what=$1 initrd=$2 bus=$3 device=$4
    rm -f "$tmp/new"
    check "$what: add" add_virtio "$initrd" "$tmp/new"
    [ -s "$tmp/new" ] || return
    boot "$tmp/new" "$tmp/root.img" "$bus"
    check "$what: boots from $bus" boots_from "$device"
}

mkdir -p "$tmp/early/kernel/x86/microcode"
echo early >"$tmp/early/kernel/x86/microcode/GenuineIntel.bin"
(cd "$tmp/early" && find kernel | cpio -o -H newc --quiet) >"$tmp/early.cpio"

if command -v mkinitramfs >/dev/null; then
    check "initramfs-tools: make an initrd without virtio" \
        cached "it-$kver.gz" make_initramfs_tools
    initrd=$cached_file
    try "initramfs-tools" "$initrd" virtio-blk /dev/vda
    try "initramfs-tools" "$initrd" virtio-scsi /dev/sda
    # The old hardware must go on working.
    try "initramfs-tools" "$initrd" sata /dev/sda

    "$initrd_tool" flatten "$initrd" >"$tmp/base.cpio"
    for f in cpio gzip bzip2 lzma xz lz4 zstd; do
        if ! grep -q "^CONFIG_RD_$(tr a-z A-Z <<<"${f/cpio/gzip}")=y" \
             "/boot/config-$kver"; then
            skip "$f" "this kernel cannot unpack it"
            continue
        fi
        if ! recompress "$tmp/base.cpio" $f "$tmp/body" 2>/dev/null; then
            skip "$f" "there is no tool that makes it"
            continue
        fi
        cat "$tmp/early.cpio" "$tmp/body" >"$tmp/f"
        # At an odd size where the format allows it.
        try "early archive and $f" "$tmp/f" virtio-blk /dev/vda
    done

    # Modules and indexes in an uncompressed archive before the rest.
    mkdir "$tmp/tree"
    (cd "$tmp/tree" && cpio -i -d -m --quiet) <"$tmp/base.cpio"
    (cd "$tmp/tree" && find usr usr/lib usr/lib/modules -maxdepth 0 &&
         cd "$tmp/tree" && find usr/lib/modules -mindepth 1) 2>/dev/null |
        (cd "$tmp/tree" && cpio -o -H newc --quiet) >"$tmp/split"
    (cd "$tmp/tree" && find . -path ./usr/lib/modules/\* -o -print |
         cpio -o -H newc --quiet) | zstd -q -3 >>"$tmp/split"
    check "modules in an archive of their own: they are" \
        sh -c "'$initrd_tool' list '$tmp/split' |
               awk '\$4 == 1 && /ahci.ko/ { found = 1 }
                    END { exit !found }'"
    try "modules in an archive of their own" "$tmp/split" virtio-blk /dev/vda
else
    skip "initramfs-tools" "mkinitramfs is not installed"
fi

if command -v dracut >/dev/null; then
    for kind in systemd plain; do
        check "dracut ($kind): make an initrd without virtio" \
            cached "dracut-$kind-$kver.gz" make_dracut $kind
        initrd=$cached_file
        check_fails "dracut ($kind): it lacks drivers" \
            "$initrd_tool" check --kernel "$kver" "$initrd"
        boot "$initrd" "$tmp/root.img" virtio-blk
        check_fails "dracut ($kind): no disk before" reached_root
        try "dracut ($kind)" "$initrd" virtio-blk /dev/vda
        try "dracut ($kind)" "$initrd" virtio-scsi /dev/sda
    done
    "$initrd_tool" flatten "$initrd" >"$tmp/base.cpio"
    for f in zstd xz lz4; do
        recompress "$tmp/base.cpio" $f "$tmp/body" 2>/dev/null || continue
        cat "$tmp/early.cpio" "$tmp/body" >"$tmp/f"
        try "dracut (plain), early archive and $f" "$tmp/f" virtio-blk \
            /dev/vda
    done
else
    skip "dracut" "dracut is not installed"
fi

done_testing
