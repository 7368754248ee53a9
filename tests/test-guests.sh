#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# Each guest as it was boots on the bus it comes from, and does not boot on
# virtio: so that a converted one that boots proves the conversion, and one
# that does not is not the guest's fault.  Converted, it boots on virtio.
#
#   test-guests.sh [--converted] [NAME]...    (all of them)
#
# With --converted only the last of the three is tried.

. "$(dirname "$0")/functions.sh"

requires qemu-system-x86_64 --version
requires guestfish --version
[ "$(id -u)" = 0 ] || skip_all "making guests needs root"

dir=$(dirname "$0")
export TMPDIR=$tmp
controls=yes
[ "${1:-}" != --converted ] || { controls=no; shift; }
guests=("$@")
[ $# -gt 0 ] || mapfile -t guests < <("$dir/guests/make-linux.sh" --list |
                                          sed 's/ .*//')
sound=(--run 'state=$(timeout 240 systemctl is-system-running --wait); echo "$state"; systemctl --failed --no-legend; [ "$state" = running ]'
       --run 'findmnt --real; swapon --show')

for g in "${guests[@]}"; do
    read -r -a options < <("$dir/guests/make-linux.sh" --list |
                               sed -n "s/^$g  *//p")
    if ! image=$("$dir/guests/make-linux.sh" "$g" 2>"$tmp/log"); then
        not_ok "$g is made"
        sed 's/^/# /' "$tmp/log" | tail -n 40
        continue
    fi
    disk=$image
    if [ $controls = yes ] && [ "$g" = uefi ]; then
        # The old machine's NVRAM names the loader; a new one does not.
        disk=$tmp/uefi.img
        cp --sparse=always "$image" "$disk"
        check "$g: a loader where any firmware looks" sh -c "
            mmd -i '$disk@@1M' ::/EFI/BOOT &&
            mcopy -i '$disk@@1M' ::/EFI/debian/grubx64.efi '$tmp/loader' &&
            mcopy -i '$disk@@1M' '$tmp/loader' ::/EFI/BOOT/BOOTX64.EFI"
    fi
    if [ $controls = yes ]; then
        check "$g boots as it was (${options[*]})" \
            "$dir/boot.sh" "${options[@]}" "${sound[@]}" "$disk"
        check_fails "$g does not boot on virtio" \
            "$dir/boot.sh" "${options[@]}" --bus virtio --timeout 300 "$disk"
        [ "$disk" = "$image" ] || rm -f "$disk"
    fi

    params=()
    case "${options[*]}" in
    *--passphrase*) params=(v2v-key=all:key:v2v) ;;
    esac
    before=$(sha256sum <"$image")
    check "$g is converted" \
        nbdkit -U - --filter=v2v-convert file "$image" "${params[@]}" \
        --run 'nbdcopy "$uri" '"$tmp/out.img"
    check "$g: the source is untouched" \
        test "$(sha256sum <"$image")" = "$before"
    check "$g boots on virtio when converted" \
        "$dir/boot.sh" "${options[@]}" --bus virtio "${sound[@]}" \
        "$tmp/out.img"
    rm -f "$tmp/out.img"
done
done_testing
