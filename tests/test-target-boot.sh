#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The script for QEMU really starts a machine: a boot sector that says so
# on the serial line, on every bus and machine type; and an EFI system
# partition whose startup.nsh sets a variable that the next start finds.

. "$V2V_SRCDIR/tests/functions.sh"
requires qemu-system-x86_64 --version
write="$V2V_BUILDDIR/tests/test-target-write"

export V2V_ACCEL=tcg V2V_DISPLAY=none V2V_SERIAL=stdio

# A boot sector for BIOS: writes to COM1, then to isa-debug-exit.
boot_sector () {
    printf '\xfa\x31\xc0\x8e\xd8\xbe\x1c\x7c\xac\x84\xc0\x74\x06\xba\xf8\x03\xee\xeb\xf5\xba\x01\x05\xb0\x00\xee\xf4\xeb\xfd%s\0' "$1"
}
make_disk () {                  # make_disk FILE TEXT
    truncate -s 4M "$1"
    boot_sector "$2" | dd of="$1" conv=notrunc 2>/dev/null
    printf '\x55\xaa' | dd of="$1" bs=1 seek=510 conv=notrunc 2>/dev/null
}

# facts KEY=JSON...: a case with two disks, of which the second boots.
make_case () {                  # make_case DIR FORMAT KEY=JSON...
    local d=$1 f=$2 more=
    shift 2
    for kv in "$@"; do more="$more, \"${kv%%=*}\": ${kv#*=}"; done
    cat >"$d/case.json" <<END
{ "source": { "version": 1, "name": "boot test, \$(x)", "memory": 268435456,
    "vcpus": 2, "disks": [], "nics": [
      { "mac": "52:54:00:00:00:01", "vnet": "a'b" } ],
    "removables": [ { "kind": "cdrom", "slot": 3 } ] },
  "facts": { "type": "linux", "arch": "x86_64", "rng": true, "balloon": true,
    "pvpanic": true, "rtc_utc": true, "boot_disk": 1,
    "disks": [ { "path": "data,0 'x'.$f", "format": "$f", "size": 4194304 },
               { "path": "boot.$f", "format": "$f", "size": 4194304 } ]
    $more } }
END
    "$write" "$d/case.json" "$d"
}

# isa-debug-exit turns 0 into status 1.
bios () {
    local rc
    timeout 120 bash "$1/qemu.sh" -device isa-debug-exit,iobase=0x501 \
            >"$1/serial" 2>"$1/err"
    rc=$?
    grep -aq "booted from $2" "$1/serial" && [ $rc -eq 1 ] && return 0
    echo "exit $rc"; cat "$1/serial" "$1/err"
    return 1
}
one () {                        # one NAME FORMAT KEY=JSON...
    local d="$tmp/$1"
    mkdir "$d"
    make_disk "$d/data,0 'x'.raw" "data"
    make_disk "$d/boot.raw" "booted from $1"
    if [ "$2" = qcow2 ]; then
        for i in "data,0 'x'" boot; do
            qemu-img convert -f raw -O qcow2 "$d/$i.raw" "$d/$i.qcow2"
            rm "$d/$i.raw"
        done
    fi
    check "$1: written" make_case "$d" "${@:2}"
    check "$1: boots from the second disk" bios "$d" "$1"
}
q=machine='"q35"' p=machine='"i440fx"'
one q35-virtio raw $q virtio_1_0=true
one q35-virtio-transitional qcow2 $q virtio_1_0=false
one q35-virtio-scsi raw $q virtio_1_0=true 'block="virtio-scsi"'
one q35-sata raw $q 'block="ide"' 'net="e1000"'
one pc-virtio qcow2 $p virtio_1_0=false
one pc-virtio-scsi raw $p 'block="virtio-scsi"' 'net="rtl8139"'
one pc-ide raw $p 'block="ide"' 'net="e1000"'

# UEFI.
if ! mformat --version >/dev/null 2>&1; then
    skip "UEFI" "no mtools"
elif [ ! -r /usr/share/OVMF/OVMF_CODE_4M.fd ]; then
    skip "UEFI" "no OVMF"
else
    d="$tmp/uefi"
    mkdir "$d"
    make_disk "$d/data,0 'x'.raw" data
    truncate -s 40M "$d/boot.raw"
    mformat -i "$d/boot.raw" -F ::
    # Looks for the variable, and makes it.
    printf '%s\r\n' '@echo -off' 'echo V2V-UEFI-STARTED' \
           'dmpstore -guid 11111111-2222-3333-4444-555555555555 V2VKept' \
           'setvar V2VKept -guid 11111111-2222-3333-4444-555555555555 -bs -nv =0x4B455054' \
           'echo V2V-UEFI-ENDED' 'reset -s' >"$tmp/startup.nsh"
    mcopy -i "$d/boot.raw" "$tmp/startup.nsh" ::/startup.nsh
    check "UEFI: written" make_case "$d" raw 'firmware="uefi"' $q \
          virtio_1_0=true
    uefi () {                   # uefi N WANT-VARIABLE
        timeout 300 bash "$d/qemu.sh" >"$d/serial$1" 2>"$d/err$1" </dev/null
        local rc=$?
        [ $rc -eq 0 ] && grep -aq V2V-UEFI-ENDED "$d/serial$1" &&
            case "$2" in
                yes) grep -aq 'V2VKept.*DataSize' "$d/serial$1" ;;
                no) ! grep -aq 'V2VKept.*DataSize' "$d/serial$1" ;;
            esac && return 0
        echo "exit $rc"; tail -c 3000 "$d/serial$1"; cat "$d/err$1"
        return 1
    }
    check "UEFI: boots" uefi 1 no
    check "UEFI: the variables have a file" [ -s "$d/boot-test-x_VARS.fd" ]
    check "UEFI: they are kept between starts" uefi 2 yes
    # Of another firmware build: it must be passed over, not overwritten.
    truncate -s 1M "$d/boot-test-x_VARS.fd"
    check_fails "UEFI: variables that fit no firmware are refused" uefi 3 no
    check "UEFI: and stay as they are" \
          [ "$(stat -c %s "$d/boot-test-x_VARS.fd")" = 1048576 ]
fi
done_testing
