#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# Each guest as it was boots on the bus it comes from, and does not boot on
# virtio: so that a converted one that boots proves the conversion, and one
# that does not is not the guest's fault.  Converted, it boots on virtio, and
# the files that differ are those of v2v/report.json, and those that
# guests/linux/NAME.changed expects, if there is one.  Where the init is not
# systemd (test-linux-guest.sh has that), or the guest has commands of its own
# for this (--converted of make-linux.sh), the work left to the first boot is
# done once, in its order, by the guest's own init, and leaves only its log.
#
#   test-guests.sh [--converted] [NAME]...    ($V2V_TEST_GUESTS, or all)
#
# With --converted only the last of the three is tried.

. "$(dirname "$0")/functions.sh"

requires qemu-system-x86_64 --version
requires guestfish --version
requires python3 --version
[ "$(id -u)" = 0 ] || skip_all "making guests needs root"

dir=$(dirname "$0")
export TMPDIR=$tmp
controls=yes
[ "${1:-}" != --converted ] || { controls=no; shift; }
guests=("$@")
[ $# -gt 0 ] || read -r -a guests <<<"${V2V_TEST_GUESTS:-}"
[ ${#guests[@]} -gt 0 ] || mapfile -t guests < <("$dir/guests/make-linux.sh" --list)
usual=(--run 'state=$(timeout 600 systemctl is-system-running --wait); echo "$state"; systemctl --failed --no-legend; [ "$state" = running ]'
       --run 'findmnt --real; swapon --show')

later='log=/var/log/v2v-firstboot.log;
    timeout 900 sh -c "until grep -q \"first boot is done\" $log; do sleep 1; done" 2>/dev/null;
    cat $log;
    [ "$(sed -n "s/.* 0*\([0-9]*\)-.*: starts/\1/p" $log)" = "$(seq $(grep -c ": starts" $log))" ] &&
    [ "$(grep -c "first boot is done" $log)" = 1 ] &&
    [ ! -e /usr/lib/v2v-firstboot ] &&
    [ -z "$(find /etc -name "*v2v-firstboot*")" ] &&
    ! grep v2v-firstboot /etc/init.d/.depend.start 2>/dev/null'
later=$(tr -s '\n ' ' ' <<<"$later")

# boot FILE... -- OPTION...: boot.sh with the disks of a guest.  One that must
# boot has 15 minutes to show it: emulation on a busy machine was seen to
# need more than the 400 s of boot.sh.
boot ()
{
    local disks=() first=$1; shift
    while [ $# -gt 0 ] && [ "$1" != -- ]; do disks+=(--disk "$1"); shift; done
    [ $# = 0 ] || shift
    "$dir/boot.sh" "$@" "${disks[@]}" "$first"
}

# files_of LIST FILE...: what guest-diff.py sees in the disks of a guest.
files_of ()
{
    local list=$1; shift
    python3 "$dir/guest-diff.py" list "$tmp/doc/report.json" "$@" >"$list"
}

for g in "${guests[@]}"; do
    read -r -a options < <("$dir/guests/make-linux.sh" --boot "$g")
    read -r -a params < <("$dir/guests/make-linux.sh" --convert "$g")
    read -r -a refuse < <("$dir/guests/make-linux.sh" --refuse "$g")
    read -r -a needs < <("$dir/guests/make-linux.sh" --needs "$g")
    for n in "${needs[@]}"; do
        [ -e "$n" ] || command -v "$n" >/dev/null || {
            skip "$g" "there is no $n here (see tests/README)"; continue 2; }
    done
    read -r -a warnings < <("$dir/guests/make-linux.sh" --warnings "$g")
    sound=()
    while read -r line; do sound+=(--run "$line"); done \
        < <("$dir/guests/make-linux.sh" --sound "$g")
    [ ${#sound[@]} -gt 0 ] || sound=("${usual[@]}")
    converted=()
    while read -r line; do converted+=(--run "$line"); done \
        < <("$dir/guests/make-linux.sh" --converted "$g")
    read -r card mac < <("$dir/guests/make-linux.sh" --card "$g")
    nic=()
    [ -z "$card" ] || nic=(--nic "virtio-net-pci,$mac"
                           --run "ip -br link show '$card' | grep -i '$mac'")
    if ! "$dir/guests/make-linux.sh" "$g" >"$tmp/images" 2>"$tmp/log"; then
        not_ok "$g is made"
        sed 's/^/# /' "$tmp/log" | tail -n 40
        continue
    fi
    mapfile -t images <"$tmp/images"
    disks=("${images[@]}")
    copy=
    if [ $controls = yes ] && [[ " ${options[*]} " = *" --uefi "* ]] &&
       ! mdir -b -i "${images[0]}@@1M" ::/EFI/BOOT >/dev/null 2>&1; then
        # The old machine's NVRAM names the loader; a new one does not.
        copy=$tmp/uefi.img
        disks=("$copy" "${images[@]:1}")
        cp --sparse=always "${images[0]}" "$copy"
        check "$g: a loader where any firmware looks" sh -c "
            loader=\$(mdir -b -i '$copy@@1M' -/ ::/EFI | grep -iE '/grub(x64|aa64).efi') &&
            mmd -i '$copy@@1M' ::/EFI/BOOT &&
            mcopy -i '$copy@@1M' \"\$loader\" '$tmp/loader' &&
            mcopy -i '$copy@@1M' '$tmp/loader' ::/EFI/BOOT/BOOT\${loader##*/grub}"
    fi
    if [ $controls = yes ]; then
        check "$g boots as it was (${options[*]})" \
            boot "${disks[@]}" -- "${options[@]}" --timeout 900 "${sound[@]}"
        check_fails "$g does not boot on virtio" \
            boot "${disks[@]}" -- "${options[@]}" --bus virtio --timeout 300
        [ -z "$copy" ] || rm -f "$copy"
    fi

    if [ ${#refuse[@]} -gt 0 ]; then
        check_fails "$g is refused with ${refuse[*]}" \
            nbdkit -U - --filter=v2v-convert file "${images[0]}" \
            "${refuse[@]}" --run 'nbdinfo --size "$uri"'
    fi
    rm -rf "$tmp/doc"
    mkdir "$tmp/doc"
    params+=(v2v-metadata-dir="$tmp/doc")
    before=$(cat "${images[@]}" | sha256sum)
    out=()
    for ((i = 0; i < ${#images[@]}; i++)); do out+=("$tmp/out-$i.img"); done
    if [ ${#images[@]} = 1 ]; then
        check "$g is converted" \
            nbdkit -U - --filter=v2v-convert file "${images[@]}" \
            "${params[@]}" --run 'nbdcopy "$uri" '"${out[0]}"
    else
        # The plugin gives each disk an export of its own.
        check "$g is converted (${#images[@]} disks)" \
            nbdkit -U - --filter=v2v-convert v2v "${images[@]}" format=raw \
            "${params[@]}" --run 'set -e
                for i in '"$(seq -s ' ' 0 $((${#images[@]} - 1)))"'; do
                    nbdcopy "nbd+unix:///disk$i?socket=$unixsocket" '"$tmp"'/out-$i.img
                done'
    fi
    check "$g: the source is untouched" \
        test "$(cat "${images[@]}" | sha256sum)" = "$before"
    for w in "${warnings[@]}"; do
        check "$g: the warning $w" grep -qE "\"code\": ?\"$w\"" "$tmp/doc/report.json"
    done
    expected=()
    if [ -e "$dir/guests/linux/$g.changed" ]; then
        expected=("$dir/guests/linux/$g.changed")
    else
        diag "$g: no guests/linux/$g.changed: changes are held against the report only"
    fi
    check "$g: its files before" files_of "$tmp/before" "${images[@]}"
    check "$g: its files after" files_of "$tmp/after" "${out[@]}"
    check "$g: what changed is what the report says" \
        python3 "$dir/guest-diff.py" compare "$tmp/doc/report.json" \
        "$tmp/before" "$tmp/after" "${expected[@]}"
    if grep -q '"/etc/init.d/v2v-firstboot"' "$tmp/doc/report.json" ||
       [ ${#converted[@]} -gt 0 ]; then
        converted+=(--run "$later" --timeout 1500)
    fi
    check "$g boots on virtio when converted" \
        boot "${out[@]}" -- "${options[@]}" --bus virtio --timeout 900 \
        "${converted[@]}" "${sound[@]}" "${nic[@]}"
    rm -f "${out[@]}"
done
done_testing
