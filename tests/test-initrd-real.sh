#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# What we append to a real initrd, in every format: our indexes are those
# that depmod makes for the result, nothing else in it changed, and the
# distribution's own tool still lists it.

. "${srcdir:-.}/functions.sh"
. "${srcdir:-.}/test-initrd-functions.sh"

requires command -v mkinitramfs
requires command -v depmod
requires command -v cpio
find_kernel

check "make an initrd without virtio" \
    cached "it-$kver.gz" make_initramfs_tools
initrd=$cached_file
[ -s "$initrd" ] || { done_testing; }
check "add virtio" add_virtio "$initrd" "$tmp/new"

# Names and content without what we wrote.
summary () {
    "$initrd_tool" list "$1" | awk '{ $4 = ""; print }' |
        grep -v -e 'modules\.dep' -e 'modules\.alias' -e 'modules\.softdep' |
        LC_ALL=C sort
}
summary "$initrd" >"$tmp/before"
summary "$tmp/new" >"$tmp/after"
check "nothing that was there changed" \
    bash -c "! LC_ALL=C comm -23 '$tmp/before' '$tmp/after' | grep ."
check "only modules and their directories came" \
    bash -c "! LC_ALL=C comm -13 '$tmp/before' '$tmp/after' |
           grep -v -e '/kernel/' "
check "something came" \
    test "$(wc -l <"$tmp/after")" -gt "$(wc -l <"$tmp/before")"

# A tree of the whole, in which depmod makes its own indexes.
mkdir "$tmp/tree"
"$initrd_tool" flatten "$tmp/new" >"$tmp/flat"
check "unpack what the kernel would have" \
    bash -c "cd '$tmp/tree' && cpio -i -d -m --quiet <'$tmp/flat'"
check "depmod" depmod -b "$tmp/tree" "$kver"
check "pack it again" \
    bash -c "cd '$tmp/tree' && find . | cpio -o -H newc --quiet >'$tmp/own'"
index () {                      # index IMAGE NAME
    "$initrd_tool" index "$1" "lib/modules/$kver/$2"
}
index "$tmp/new" modules.alias.bin >"$tmp/alias.ours"
index "$tmp/own" modules.alias.bin >"$tmp/alias.depmod"
check "alias index has entries" grep -q ' virtio_blk$' "$tmp/alias.depmod"
check "alias index as depmod's" diff "$tmp/alias.depmod" "$tmp/alias.ours"
# The order of dependencies on the same level is free.
sort_words () {
    while read -r key path deps; do
        echo "$key $path $(tr ' ' '\n' <<<"$deps" | LC_ALL=C sort | xargs)"
    done
}
index "$tmp/new" modules.dep.bin | sort_words >"$tmp/dep.ours"
index "$tmp/own" modules.dep.bin | sort_words >"$tmp/dep.depmod"
check "dep index has entries" grep -q '^virtio_blk ' "$tmp/dep.depmod"
check "dep index as depmod's" diff "$tmp/dep.depmod" "$tmp/dep.ours"
if command -v modprobe >/dev/null; then
    check "modprobe finds virtio_blk by its device" \
        modprobe -d "$tmp/tree" -S "$kver" -n -v virtio:d00000002v00001AF4
fi

# The same in every format, behind an early archive.
mkdir -p "$tmp/early/kernel/x86/microcode"
echo early >"$tmp/early/kernel/x86/microcode/GenuineIntel.bin"
(cd "$tmp/early" && find kernel | cpio -o -H newc --quiet) >"$tmp/early.cpio"
"$initrd_tool" flatten "$initrd" >"$tmp/base.cpio"
for f in cpio gzip bzip2 lzma xz lz4 zstd; do
    rm -f "$tmp/f" "$tmp/f.new" "$tmp/body"
    if ! recompress "$tmp/base.cpio" $f "$tmp/body" 2>"$tmp/err"; then
        skip "$f" "the tool is missing: $(head -n 1 "$tmp/err")"
        continue
    fi
    cat "$tmp/early.cpio" "$tmp/body" >"$tmp/f"
    check "$f: add" add_virtio "$tmp/f" "$tmp/f.new"
    check "$f: the original is a prefix, less its zeroes" \
        bash -c "cmp '$tmp/f' '$tmp/f.new' 2>&1 | grep -q 'EOF on .*/f ' ||
               [ $f = cpio ]"
    check "$f: check" "$initrd_tool" check "$tmp/f.new"
    if [ $f != cpio ]; then
        check "$f: the result is the same" \
            bash -c "'$initrd_tool' cat '$tmp/f.new' \
                       lib/modules/$kver/modules.alias.bin |
                   cmp - <('$initrd_tool' cat '$tmp/new' \
                       lib/modules/$kver/modules.alias.bin)" 
    fi
done

if command -v lsinitramfs >/dev/null; then
    check "lsinitramfs still lists what was there" \
        bash -c "lsinitramfs '$initrd' >'$tmp/ls1' &&
               lsinitramfs '$tmp/new' >'$tmp/ls2' && cmp '$tmp/ls1' '$tmp/ls2'"
    check "lsinitramfs had something to list" grep -q modules.dep "$tmp/ls1"
fi

# Modules that are compressed.
mkdir -p "$tmp/xz"
cp "/lib/modules/$kver"/modules.{builtin,order} "$tmp/xz/"
# The lines of the two drivers and of all that they name.
awk -F '[: ]+' '
    { line[$1] = $0 }
    /virtio_blk\.ko|virtio_scsi\.ko|virtio_pci\.ko/ {
        for (i = 1; i <= NF; i++) want[$i] = 1
    }
    END { for (m in want) if (m != "" && m in line) print line[m] }' \
    "/lib/modules/$kver/modules.dep" |
    sed 's,\.ko\([: ]\),.ko.xz\1,g; s,\.ko$,.ko.xz,' >"$tmp/xz/modules.dep"
cut -d: -f1 "$tmp/xz/modules.dep" | while read -r f; do
    mkdir -p "$tmp/xz/${f%/*}"
    [ -f "/lib/modules/$kver/${f%.xz}" ] &&
        xz --check=crc32 <"/lib/modules/$kver/${f%.xz}" >"$tmp/xz/$f"
done
if [ -f "/lib/modules/$kver/kernel/drivers/virtio/virtio.ko" ]; then
    check "modules in .ko.xz: add" "$initrd_tool" add --kernel "$kver" \
        --modules "$tmp/xz" --want virtio_blk --want virtio_scsi \
        "$initrd" "$tmp/newxz"
    check "modules in .ko.xz: stored uncompressed" \
        bash -c "'$initrd_tool' cat '$tmp/newxz' \
                   lib/modules/$kver/kernel/drivers/block/virtio_blk.ko |
               cmp - /lib/modules/$kver/kernel/drivers/block/virtio_blk.ko"
else
    skip "modules in .ko.xz" "this kernel's modules are compressed already"
fi

# Honest exit codes.
head -c 1000000 "$tmp/new" >"$tmp/cut"
check_fails "a truncated image is not checked" "$initrd_tool" check "$tmp/cut"
check_fails "nothing is overwritten" add_virtio "$initrd" "$tmp/new"
check "nothing is added twice" \
    bash -c "'$initrd_tool' add --kernel '$kver' '$tmp/new' '$tmp/no' &&
           [ ! -e '$tmp/no' ]"

done_testing
