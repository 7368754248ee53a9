#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# The promise of the whole: a guest of VMware's, read through v2v-convert by
# any NBD client, boots to the login prompt on virtio (disk and SCSI) and
# still on IDE, where the guest as it was does not boot from virtio; and the
# image is not touched, whether the server was told -r or not.  The files that
# differ are those of v2v/report.json, and those that we know it must change.

. "$(dirname "$0")/functions.sh"

requires qemu-system-x86_64 --version
requires qemu-img --version
requires nbdcopy --version
requires guestfish --version
requires python3 --version
[ "$(id -u)" = 0 ] || skip_all "making a guest needs root"
# What the user need not set.
unset LIBGUESTFS_BACKEND LIBGUESTFS_BACKEND_SETTINGS LIBGUESTFS_HV

boot () { "$(dirname "$0")/boot.sh" "$@"; }

made=$("$(dirname "$0")/guests/make-debian.sh" 2>"$tmp/make.log") || {
    cat "$tmp/make.log" >&2; exit 1; }
guest=$tmp/guest.img
cp --sparse=always "$made" "$guest"
before=$(sha256sum <"$guest")
untouched () { [ "$(sha256sum <"$guest")" = "$before" ]; }

# Everything that the server and the helper leave behind would be here.
mkdir "$tmp/left"
export TMPDIR=$tmp/left
nothing_left () { [ -z "$(ls -A "$tmp/left")" ] || { ls -lAR "$tmp/left"; false; }; }

# What a booted guest must say of itself.  The root and swap devices are
# checked by what they are, not by name.
sound=(
    --run 'state=$(timeout 240 systemctl is-system-running --wait); echo "$state"; systemctl --failed --no-legend; [ "$state" = running ]'
    --run 'echo "kernel tainted: $(cat /proc/sys/kernel/tainted)"; [ "$(cat /proc/sys/kernel/tainted)" = 0 ]'
    --run 'findmnt -no SOURCE,OPTIONS /; findmnt -no OPTIONS / | grep -q "^rw"'
    --run 'swapon --show --noheadings; swapon --show --noheadings | grep -q partition'
)

# 1. The control: this guest really needs the conversion.
check_fails "the guest as it was does not boot on virtio" \
    boot --bus virtio --timeout 240 "$guest"

# 2. The command that users type, without -r and with.
mkdir "$tmp/doc"
convert () {
    nbdkit "$@" -U - --filter=v2v-convert file "$guest" \
        v2v-metadata-dir="$tmp/doc" \
        --run 'nbdcopy "$uri" '"$out"
}
out=$tmp/out.img
check "nbdkit --filter=v2v-convert file guest.img --run nbdcopy" convert
check "the source is untouched" untouched
check "nothing is left behind" nothing_left
# libguestfs keeps its appliance in TMPDIR: not in the one that is watched.
files_of () {
    TMPDIR=$tmp python3 "$(dirname "$0")/guest-diff.py" list "$tmp/doc/report.json" \
        "$1" >"$2"
}
check "its files before" files_of "$guest" "$tmp/before"
check "its files after" files_of "$out" "$tmp/after"
check "what changed is what the report says" \
    python3 "$(dirname "$0")/guest-diff.py" compare "$tmp/doc/report.json" \
    "$tmp/before" "$tmp/after" "$(dirname "$0")/guests/debian.changed"
out=$tmp/out-r.img
check "the same with nbdkit -r" convert -r
check "the source is untouched (-r)" untouched
check "nothing is left behind (-r)" nothing_left

# 3. The result on every bus.
check "boots with if=virtio" \
    boot --bus virtio "${sound[@]}" "$tmp/out.img"
check "boots on virtio-scsi" \
    boot --bus virtio-scsi "${sound[@]}" "$tmp/out.img"
check "boots on IDE still" \
    boot --bus ide "${sound[@]}" "$tmp/out.img"
check "boots with if=virtio (-r)" \
    boot --bus virtio "${sound[@]}" "$tmp/out-r.img"
rm -f "$tmp/out-r.img"

# 4. One server, other clients: QEMU's own.
sock=$tmp/sock
start_nbdkit "$sock" --filter=v2v-convert file "$guest" || exit 1
check "qemu-img convert of the export" \
    qemu-img convert -f raw -O raw "nbd+unix:///?socket=$sock" "$tmp/qemu.img"
check "nbdcopy of the same export" nbdcopy "nbd+unix:///?socket=$sock" "$tmp/copy.img"
check "both clients got the same bytes" cmp "$tmp/qemu.img" "$tmp/copy.img"
check_fails "and these are not the source's" cmp -s "$tmp/qemu.img" "$guest"

# The source is open for reading only (flags of every descriptor of it),
# although this server was not told -r.
read_only () {
    local fd n=0
    for fd in /proc/"$nbdkit_pid"/fd/*; do
        [ "$(readlink "$fd")" = "$(realpath "$guest")" ] || continue
        n=$((n + 1))
        [ $(( $(awk '/^flags:/ { print "0" $2 }' \
                "${fd/fd/fdinfo}") & 3 )) = 0 ] || return 1
    done
    [ $n -gt 0 ]
}
# A client that stays, so that the server keeps it open.
coproc CLIENT {
    nbdsh -u "nbd+unix:///?socket=$sock" -c 'print ("ready", flush=True)' \
        -c 'import sys; sys.stdin.read ()'
}
client=$CLIENT_PID
read -r ready <&"${CLIENT[0]}"
check "the server has the source open for reading only" read_only
exec {CLIENT[1]}>&-
wait "$client"

check "qemu-system boots from nbd+unix:" \
    boot --bus virtio "${sound[@]}" "nbd+unix:///?socket=$sock"
check "the source is untouched at the end" untouched

done_testing
