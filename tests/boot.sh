#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# Boot a disk in QEMU and watch its serial console.
#
#   boot.sh [--arch ARCH] [--bus BUS] [--sector-size N] [--uefi] [--disk IMAGE]...
#           [--nic MODEL[,MAC]] [--timeout S] [--log FILE] [--write]
#           [--passphrase P] [--run CMD]... IMAGE|NBD-URI
#   boot.sh --script [--timeout S] [--log FILE] [--run CMD]... SCRIPT
#
# BUS: virtio (default) virtio-scsi ide sata pvscsi mptsas nvme; QEMU's ide and
# sata have sectors of 512 bytes only.
# ARCH: x86_64 (default) aarch64, which has UEFI only
#
# Prints one line with the verdict, and after a login as root (password
# "v2v", or $BOOT_PASSWORD) the output of every CMD.  Exit status:
#
#   0  the login prompt came (and every CMD succeeded)
#   1  a sign of failure: initramfs or dracut prompt, kernel panic,
#      emergency mode, no boot loader; with --run: a CMD failed
#   2  neither within the time limit, or QEMU itself ended
#
# The disk is never written (snapshot=on) unless --write is given, or a
# script that the conversion made (v2v/qemu.sh) runs QEMU (--script).  Emulation
# (TCG) always: a /dev/kvm that opens may still not work, and then a guest
# that is right would look broken.

set -u

arch=x86_64 bus=virtio uefi=no timeout=400 log= write=no passphrase= mem=1024
machine= nic= script=no sector= disks=() cmds=()
password=${BOOT_PASSWORD:-v2v}
while [ $# -gt 1 ]; do
    case $1 in
    --arch) arch=$2; shift 2 ;;
    --bus) bus=$2; shift 2 ;;
    --sector-size) sector=$2; shift 2 ;;
    --uefi) uefi=yes; shift ;;
    --disk) disks+=("$2"); shift 2 ;;
    --nic) nic=$2; shift 2 ;;
    --timeout) timeout=$2; shift 2 ;;
    --log) log=$2; shift 2 ;;
    --write) write=yes; shift ;;
    --script) script=yes; shift ;;
    --passphrase) passphrase=$2; shift 2 ;;
    --machine) machine=$2; shift 2 ;;
    --mem) mem=$2; shift 2 ;;
    --run) cmds+=("$2"); shift 2 ;;
    *) echo "boot.sh: unknown option: $1" >&2; exit 2 ;;
    esac
done
[ $# = 1 ] || { echo "boot.sh: which disk?" >&2; exit 2; }
disks=("$1" "${disks[@]}")

dir=$(mktemp -d "${TMPDIR:-/tmp}/v2vboot.XXXXXX")
pid=
finish () {
    if [ -n "$pid" ]; then
        kill "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    fi
    rm -rf "$dir"
}
trap finish EXIT
trap 'exit 2' INT TERM HUP
: "${log:=$dir/log}"
: >"$log"
mkfifo "$dir/in"
exec 7<>"$dir/in"

# graphics=off makes the BIOS show GRUB's text on the serial console too.
# Without a VGA card GRUB for BIOS hangs before its menu when the disk is on
# virtio (seen with SeaBIOS 1.16.2 and GRUB 2.06; not on IDE).
case $arch in
x86_64) args=(-machine "${machine:-pc},accel=tcg,graphics=off" -cpu max -vga std) ;;
# What "max" has besides is slow to emulate (pointer authentication).
aarch64) uefi=yes
         args=(-machine "${machine:-virt},accel=tcg" -cpu cortex-a57) ;;
*) echo "boot.sh: unknown architecture: $arch" >&2; exit 2 ;;
esac
args+=(-nodefaults -no-reboot -display none
       -smp 1 -m "$mem" -serial stdio -device virtio-rng-pci)
[ "$write" = yes ] && snapshot=off || snapshot=on
case $bus in
virtio|ide|nvme) ;;
virtio-scsi) args+=(-device virtio-scsi-pci,id=hba) ;;
sata) args+=(-device ahci,id=hba) ;;
pvscsi) args+=(-device pvscsi,id=hba) ;;
mptsas) args+=(-device mptsas1068,id=hba) ;;
*) echo "boot.sh: unknown bus: $bus" >&2; exit 2 ;;
esac
[ -z "$sector" ] || for p in logical physical; do
    args+=(-global "virtio-blk-device.${p}_block_size=$sector"
           -global "scsi-hd.${p}_block_size=$sector"
           -global "nvme.${p}_block_size=$sector")
done
n=0
for d in "${disks[@]}"; do
    drive="file=${d//,/,,},format=raw,snapshot=$snapshot,discard=unmap"
    case $bus in
    virtio|ide) args+=(-drive "$drive,if=$bus") ;;
    sata) args+=(-drive "$drive,if=none,id=d$n"
                 -device "ide-hd,drive=d$n,bus=hba.$n,bootindex=$n") ;;
    nvme) args+=(-drive "$drive,if=none,id=d$n"
                 -device "nvme,drive=d$n,serial=d$n,bootindex=$n") ;;
    *) args+=(-drive "$drive,if=none,id=d$n"
              -device "scsi-hd,drive=d$n,bus=hba.0,scsi-id=$n,bootindex=$n") ;;
    esac
    n=$((n + 1))
done
if [ -n "$nic" ]; then
    mac=
    case $nic in *,*) mac=,mac=${nic#*,} ;; esac
    args+=(-nic "user,restrict=on,model=${nic%%,*}$mac")
fi
if [ "$uefi" = yes ] && [ $script = no ]; then
    firmware=(/usr/share/OVMF/OVMF_CODE_4M.fd /usr/share/OVMF/OVMF_CODE.fd
              /usr/share/edk2/ovmf/OVMF_CODE.fd /usr/share/qemu/OVMF.fd)
    [ "$arch" = x86_64 ] || firmware=(/usr/share/AAVMF/AAVMF_CODE.fd)
    for f in "${firmware[@]}"; do
        [ -e "$f" ] && break
    done
    [ -e "$f" ] || { echo "boot.sh: no UEFI firmware (package ovmf," \
                          "or qemu-efi-aarch64)" >&2; exit 2; }
    # Fresh variables: no boot entry, as on a new host.
    vars=${f/CODE/VARS}
    cp "$vars" "$dir/vars.fd" && chmod u+w "$dir/vars.fd"
    args+=(-drive "if=pflash,format=raw,unit=0,readonly=on,file=$f"
           -drive "if=pflash,format=raw,unit=1,file=$dir/vars.fd")
fi

command=("qemu-system-$arch" "${args[@]}")
[ $script = no ] ||
    command=(env V2V_ACCEL=tcg V2V_DISPLAY=none V2V_SERIAL=stdio
             bash "${disks[0]}" -no-reboot)
"${command[@]}" <&7 >"$log" 2>"$dir/err" 7>&- &
pid=$!
start=$SECONDS

bad='\(initramfs\)|Kernel panic|emergency (mode|shell|recovery shell)|rescue mode|dracut:/#'
bad+='|Give root password|Press Enter for maintenance|grub rescue>|grub> '
bad+='|No bootable device|not a bootable disk|BdsDxe: failed to load Boot.*$'
bad+='|UEFI Interactive Shell|rootfs image is not initramfs|ALERT!.*does not exist'

# await REGEX [FROM]: until the console shows REGEX after byte FROM.
# 1: a sign of failure, 2: out of time or QEMU ended.  $sign says what.
from=0
await () {
    local want=$1 text alive
    while :; do
        kill -0 "$pid" 2>/dev/null && alive=yes || alive=no
        text=$(tail -c +$((from + 1)) "$log" | tr -d '\000\r')
        grep -qE -- "$want" <<<"$text" && return 0
        if [ -n "$passphrase" ] &&
           grep -qiE 'passphrase for|unlock disk' <<<"$text"; then
            from=$(stat -c %s "$log")
            printf '%s\n' "$passphrase" >&7
            continue
        fi
        if sign=$(grep -oE -m1 "$bad" <<<"$text"); then return 1; fi
        if [ $alive = no ]; then
            sign="QEMU ended: $(tail -n 1 "$dir/err")"; return 2
        fi
        if [ $((SECONDS - start)) -ge "$timeout" ]; then
            sign="no sign of life"; [ -n "$text" ] && sign="neither login nor failure"
            return 2
        fi
        sleep 0.2
    done
}
verdict () { echo "$* (bus $bus, $((SECONDS - start)) s)"; }
show () { tail -c 3000 "$log" | tr -cd '\n\t -~' | tail -n 25 | sed -e 's/^/  | /' -e '$a\'; }

# Kernel messages may follow on the prompt's own line.
await '^[A-Za-z0-9._-]+ login:'
r=$?
if [ $r != 0 ]; then
    [ $r = 1 ] && verdict "FAILED: $sign" || verdict "TIMEOUT: $sign"
    show
    exit $r
fi
verdict "login"
[ ${#cmds[@]} = 0 ] && exit 0

# Markers are typed in two halves, so that the echo of what is typed is
# not taken for the answer.  Kernel messages may follow on the line of any
# prompt.
say () { from=$(stat -c %s "$log"); printf '%s\n' "$1" >&7; }
session () {
    say root && await 'Password:' || return
    say "$password"
    await ':~[#$] |[#$] *$' || return
    say "stty -echo cols 500; PS1=; PS2=; export TERM=dumb LC_ALL=C; dmesg -n 1; echo V2V'-'READY"
    await 'V2V-READY' || return
    for c in "${cmds[@]}"; do
        say "echo V2V'-'BEGIN; { $c; } </dev/null 2>&1; echo V2V'-'END-\$?-"
        await 'V2V-END-[0-9]+-' || return
        tail -c +$((from + 1)) "$log" | tr -d '\000\r' |
            sed -n '/V2V-BEGIN/,/V2V-END-/{/V2V-BEGIN/d;/^V2V-END-/d;s/V2V-END-.*//;p}'
        tail -c +$((from + 1)) "$log" | grep -q 'V2V-END-0-' || failed=1
    done
}
failed=0
session || { verdict "FAILED after login: ${sign:-}"; show; exit 1; }
exit $failed
