#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The one command for people, and the script that it writes: a BIOS guest of
# VMware's is copied to qcow2, and NAME.sh runs it until it is sound
# (test-target-secureboot.sh does it with UEFI).

. "$(dirname "$0")/functions.sh"
dir=$(dirname "$0")
requires qemu-system-x86_64 --version
[ "$(id -u)" = 0 ] || skip_all "making a guest needs root"
unset LIBGUESTFS_BACKEND LIBGUESTFS_BACKEND_SETTINGS LIBGUESTFS_HV

made=$("$dir/guests/make-debian.sh" 2>"$tmp/make.log") || {
    cat "$tmp/make.log" >&2; exit 1; }
ln -s "$made" "$tmp/it's a guest.img"
mkdir "$tmp/out"
check "convert and copy to qcow2" \
      v2v-copy -f qcow2 "$tmp/it's a guest.img" "$tmp/out"
check "NAME.sh boots it" "$dir/boot.sh" --script --timeout 1200 \
      --run 'state=$(timeout 240 systemctl is-system-running --wait); echo "$state"; systemctl --failed --no-legend; [ "$state" = running ]' \
      --run 'lsblk -no NAME,TYPE; [ -b /dev/vda ]' \
      "$tmp/out/it's a guest.sh"
check "the disk is sound" qemu-img check -q "$tmp/out/it's a guest-disk0.qcow2"
done_testing
