# SPDX-License-Identifier: BSD-3-Clause
# File systems that are not as one would wish, with the real conversion: a
# journal that must be replayed (ext4 and XFS), damage, no room, no inodes, and
# one that is read-only.
# The source is never written, and what is refused is refused before the
# first change.

. "$V2V_SRCDIR/tests/functions.sh"
. "$V2V_SRCDIR/tests/helper-functions.sh"
requires debugfs -V
requires guestfish --version
requires mkfs.xfs -V
[ "$(id -u)" = 0 ] || skip_all "making a guest needs root"
export LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS=force_tcg

made=$("$V2V_SRCDIR/tests/guests/make-debian.sh" 2>"$tmp/make.log") || {
    cat "$tmp/make.log" >&2; exit 1; }
debian="$made?offset=1048576"
get () { debugfs -R "$1" "$debian" 2>/dev/null; }
kver=$(get "ls -p /lib/modules" | cut -d/ -f6 | grep '^[0-9]')

# A small guest: Debian's files as far as the conversion looks at them, the
# kernel, its initrd without virtio, and the modules that may be added.
root=$tmp/root boot=$tmp/root/boot m=$tmp/root/usr/lib/modules/$kver
make_root "$root"
ln -s usr/lib "$root/lib"
get "dump /boot/vmlinuz-$kver $boot/vmlinuz-$kver"
get "dump /boot/initrd.img-$kver $boot/initrd.img-$kver"
mkdir -p "$m/kernel/drivers/net" "$m/kernel/net/core"
for d in virtio block scsi char; do
    get "rdump /lib/modules/$kver/kernel/drivers/$d $m/kernel/drivers"
done
for f in kernel/drivers/net/virtio_net.ko kernel/drivers/net/net_failover.ko \
         kernel/net/core/failover.ko \
         modules.dep modules.softdep modules.alias modules.builtin; do
    get "dump /lib/modules/$kver/$f $m/$f"
done
check "the parts of a guest" test -s "$boot/initrd.img-$kver" -a \
    -s "$m/modules.dep" -a -s "$m/kernel/drivers/block/virtio_blk.ko"
initrd=$(stat -c %s "$boot/initrd.img-$kver")

helper[-1]=$V2V_BUILDDIR/filters/convert/helper/v2v-convert-helper
# convert: of $tmp/d to $tmp/result, by the helper alone, so that there is a
# report of a failure, too.  Sets status.
convert () {
    cp --sparse=always "$tmp/d" "$tmp/result"
    serve "$tmp/result"
    run_helper
    kill "$nbdkit_pid"; wait "$nbdkit_pid" 2>/dev/null
}
report () { jq -er "$1" "$tmp/out/report.json"; }
# refused CODE PATTERN
refused () {
    check "$1: refused" [ $status = 1 ]
    check "$1: the code" [ "$(report .code)" = "$1" ]
    check "$1: the message" grep -q -- "$2" <<<"$(report .message)"
    check "$1: nothing was changed" report '.changes == []'
    diag "$(report .message)"
}
# served: what the filter gives of $tmp/d goes to $tmp/result.
served () {
    local sum
    sum=$(sha256sum <"$tmp/d")
    rm -rf "$tmp/out" "$tmp/result"; mkdir "$tmp/out"
    nbdkit -U - --filter=v2v-convert file "$tmp/d" \
        v2v-metadata-dir="$tmp/out" \
        --run 'nbdcopy "$uri" '"$tmp/result" >"$tmp/log" 2>&1
    status=$?
    sed 's/^/# /' "$tmp/log"
    check "the source is untouched" [ "$(sha256sum <"$tmp/d")" = "$sum" ]
}

# 1. Journals.  crash COMMAND...: run in the appliance, with /dev/sda1
# mounted; then it loses power.
crash () {
    local pid
    eval "$(guestfish --listen --format=raw -a "$tmp/d")" || return
    pid=
    guestfish --remote run &&
    guestfish --remote mount /dev/sda1 / &&
    guestfish --remote "$@" &&
    guestfish --remote sync &&
    pid=$(guestfish --remote get-pid) && kill -9 "$pid"
    kill "$GUESTFISH_PID" 2>/dev/null
    [ -n "$pid" ]
}
content="written before the crash"
make_fs "$tmp/fs" "$root" 200M
make_disk "$tmp/d" "$tmp/fs"
check "ext4: the machine loses power" crash write /etc/journal "$content"
check "ext4: its journal must be replayed" sh -c \
    "dumpe2fs -h '$tmp/d?offset=1048576' 2>/dev/null | grep -q needs_recovery"
served
check "ext4: converted" [ $status = 0 ]
check "ext4: clean afterwards" e2fsck -f -n "$tmp/result?offset=1048576"
check "ext4: what the journal had" [ "$(debugfs -R 'cat /etc/journal' \
    "$tmp/result?offset=1048576" 2>/dev/null)" = "$content" ]
check "ext4: its initrd is longer" report \
    '.changes[] | select(.path | contains("initrd.img"))'

sed -i 's/ext4/xfs/' "$root/etc/fstab"
sed -i 's/errors=remount-ro/defaults/' "$root/etc/fstab"
tar -C "$root" -cf "$tmp/root.tar" .
rm -f "$tmp/xfs"; truncate -s 320M "$tmp/xfs"
mkfs.xfs -q "$tmp/xfs"
make_disk "$tmp/d" "$tmp/xfs"
check "XFS: the machine loses power" crash tar-in "$tmp/root.tar" /
cp "$tmp/d" "$tmp/dirty"
xfs () { dd if="$1" of="$tmp/part" bs=1M skip=1 count=320 status=none; }
xfs "$tmp/d"
check "XFS: its log must be replayed" sh -c \
    "xfs_logprint -t '$tmp/part' 2>&1 | grep -q DIRTY"
served
check "XFS: converted" [ $status = 0 ]
xfs "$tmp/result"
check "XFS: clean afterwards" xfs_repair -n "$tmp/part"
check "XFS: its initrd is longer" report \
    '.changes[] | select(.path | contains("initrd.img"))'

# 2. Damage: the tool's own words.
sed -i 's/xfs/ext4/' "$root/etc/fstab"
make_fs "$tmp/fs" "$root" 200M
debugfs -w -R "clri /etc/hostname" "$tmp/fs" 2>/dev/null
debugfs -w -R "ssv state 2" "$tmp/fs" 2>/dev/null
make_disk "$tmp/d" "$tmp/fs"
convert
refused file-system-damaged "hostname"

# 3. A /boot of its own that is full, or has no inodes left.
echo "/dev/sda2 /boot ext4 defaults 0 2" >>"$root/etc/fstab"
cp -a "$boot" "$tmp/boot"
rm -f "$boot"/*
make_fs "$tmp/fs" "$root" 200M
full () {
    make_fs "$tmp/bootfs" "$tmp/boot" "$@"
    make_disk "$tmp/d" "$tmp/fs" "$tmp/bootfs"
    convert
}
size=$(($(du -s --block-size=1M "$tmp/boot" | cut -f1)))
full "$((size + 6))M" -m 0 -O ^has_journal
refused no-space "/boot.* free, but the conversion needs"
check "no-space: it needs room for the new initrd" [ \
    "$(report .message | sed 's/.*needs \([0-9]*\) KiB.*/\1/')" \
    -gt $((initrd / 1024)) ]
full "$((size + initrd / 1048576 + 12))M" -m 0 -O ^has_journal
check "no-space: with that room it is converted" [ $status = 0 ]
make_fs "$tmp/bootfs" "$tmp/boot" "$((size + 60))M" -N 16
while [ "$(dumpe2fs -h "$tmp/bootfs" 2>/dev/null |
           awk '/^Free inodes/ { print $3 }')" -gt 0 ]; do
    debugfs -w -R "mknod /fill$((n = ${n:-0} + 1)) p" "$tmp/bootfs" 2>/dev/null
done
make_disk "$tmp/d" "$tmp/fs" "$tmp/bootfs"
convert
refused no-inodes "/boot"

# 4. A /boot that lets itself be mounted, but not be written to.
make_fs "$tmp/bootfs" "$tmp/boot" "$((size + 60))M"
tune2fs -O read-only "$tmp/bootfs" >/dev/null
make_disk "$tmp/d" "$tmp/fs" "$tmp/bootfs"
convert
refused read-only-root "mounted on /boot"
done_testing
