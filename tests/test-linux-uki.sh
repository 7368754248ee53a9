#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# A guest with a unified kernel image: refused if it has nothing else to
# boot and the image lacks virtio, or names a disk in its command line;
# converted if the image has what it takes, or if there is another kernel
# (then with a warning).  The image itself is never changed.

. "$(dirname "$0")/functions.sh"

PATH=$PATH:/sbin:/usr/sbin
requires debugfs -V
requires jq --version
requires python3 --version
[ "$(id -u)" = 0 ] || skip_all "making a guest needs root"

made=$("$(dirname "$0")/guests/make-debian.sh" 2>"$tmp/make.log") || {
    cat "$tmp/make.log" >&2; exit 1; }
guest=$tmp/guest.img
cp --sparse=always "$made" "$guest"
fs="?offset=1048576"
edit () { debugfs -w -R "$1" "$guest$fs" 2>/dev/null; }
kver=$(debugfs -R "ls -p /lib/modules" "$guest$fs" 2>/dev/null |
           cut -d/ -f6 | grep '^[0-9]')
for f in vmlinuz initrd.img; do
    debugfs -R "dump /boot/$f-$kver $tmp/$f" "$guest$fs" 2>/dev/null
done
uuid=$(dumpe2fs -h "$guest$fs" 2>/dev/null | awk '/^Filesystem UUID/ { print $3 }')

# The modules that its initrd lacks, as v2v-initrd adds them.
mkdir "$tmp/modules"
debugfs -R "rdump /lib/modules/$kver $tmp/modules" "$guest$fs" 2>/dev/null
check "v2v-initrd makes an initrd with virtio" \
    "$V2V_BUILDDIR/filters/convert/helper/v2v-initrd" add \
    --kernel "$kver" --modules "$tmp/modules/$kver" "$tmp/initrd.img" \
    "$tmp/initrd.virtio"

# uki INITRD CMDLINE: /boot/efi/EFI/Linux/test.efi
edit "mkdir /boot/efi"; edit "mkdir /boot/efi/EFI"
edit "mkdir /boot/efi/EFI/Linux"
uki () {
    python3 - "$tmp/uki.efi" .osrel="ID=debian" .uname="$kver" .cmdline="$2" \
        .initrd="@$1" .linux="@$tmp/vmlinuz" <<'END'
import struct, sys
sections = [a.split("=", 1) for a in sys.argv[2:]]
sections = [(n, open(v[1:], "rb").read() if v[0] == "@" else v.encode())
            for n, v in sections]
head = b"MZ".ljust(0x3c, b"\0") + struct.pack("<I", 0x40) + b"PE\0\0"
head += struct.pack("<HHIIIHH", 0x8664, len(sections), 0, 0, 0, 0, 0)
table, body, at = b"", b"", len(head) + 40 * len(sections)
for name, data in sections:
    table += name.encode().ljust(8, b"\0") + struct.pack(
        "<IIII", len(data), 0, len(data), at + len(body)) + bytes(16)
    body += data
open(sys.argv[1], "wb").write(head + table + body)
END
    edit "rm /boot/efi/EFI/Linux/test.efi"
    edit "write $tmp/uki.efi /boot/efi/EFI/Linux/test.efi"
}
# The helper itself leaves a report of what it refused.
convert () {
    rm -rf "$tmp/doc"
    nbdkit -U - --filter=cow file "$guest" --run \
        "'$V2V_BUILDDIR/filters/convert/helper/v2v-convert-helper' \
         --disk 'nbd+unix:///?socket='\$unixsocket --output '$tmp/doc' \
         --dry-run"
}
report () { jq -e "$1" "$tmp/doc/report.json"; }

# 1. Beside an ordinary kernel.
uki "$tmp/initrd.img" "root=UUID=$uuid ro"
check "with another kernel it is converted" convert
check "with a warning that says what is missing" report \
    '.warnings[] | select(.code == "uki-without-virtio" and
     (.message | contains("virtio_blk")))'
check "the image is not changed" report \
    '[.changes[].path | select(contains("test.efi"))] == []'

# 2. Alone.
for f in vmlinuz initrd.img; do edit "rm /boot/$f-$kver"; done
check_fails "alone, without virtio, it is refused" convert
check "because of it" report '.code == "initrd-uki"'
uki "$tmp/initrd.virtio" "root=/dev/sda1 ro"
check_fails "alone, with /dev/sda1 in it, it is refused" convert
check "because of that" report \
    '.code == "initrd-uki" and (.message | contains("command line"))'
uki "$tmp/initrd.virtio" "root=UUID=$uuid ro"
check "with virtio in it, it is converted" convert
check "without a warning about it" report \
    '[.warnings[].code | select(startswith("uki"))] == []'
done_testing
