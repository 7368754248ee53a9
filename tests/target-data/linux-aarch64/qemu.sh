#!/bin/bash -
# Runs the converted machine with QEMU.  Made by nbdkit-v2v.
# Machine: arm
#
# Arguments are passed on to QEMU, after all others.  Environment:
#   QEMU         the program to run
#   V2V_ACCEL    accelerators to try, "kvm:tcg"
#   V2V_DISPLAY  value of -display, such as "none" or "gtk"
#   V2V_SERIAL   value of -serial, such as "none" or "stdio"
#   V2V_NET0, V2V_NET1, ...  backend of a NIC, such as
#                "bridge,br=br0"; "user" if not given
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
qemu=${QEMU:-qemu-system-aarch64}
args=(-no-user-config -nodefaults)
IFS=: read -r -a accels <<<"${V2V_ACCEL:-kvm:tcg}"
for a in "${accels[@]}"; do args+=(-accel "$a"); done

# UEFI.  The variables are kept between starts.
vars=./arm_VARS.fd
code=
while IFS=: read -r c v; do
    if [ ! -r "$c" ] || [ ! -r "$v" ]; then continue; fi
    if [ -s "$vars" ]; then
        [ "$(stat -L -c %s "$vars")" = "$(stat -L -c %s "$v")" ] || continue
    else
        cp -- "$v" "$vars.tmp"
        chmod u+w -- "$vars.tmp"
        mv -- "$vars.tmp" "$vars"
    fi
    code=$c
    break
done <<'FIRMWARE'
/usr/share/AAVMF/AAVMF_CODE.fd:/usr/share/AAVMF/AAVMF_VARS.fd
/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw:/usr/share/edk2/aarch64/vars-template-pflash.raw
/usr/share/qemu/aavmf-aarch64-code.bin:/usr/share/qemu/aavmf-aarch64-vars.bin
FIRMWARE
if [ -z "$code" ]; then
    if [ -s "$vars" ]; then
        echo "$0: $vars belongs to another UEFI firmware than those here: move it away to begin anew" >&2
    else
        echo "$0: there is no UEFI firmware: install qemu-efi-aarch64 (edk2-aarch64)" >&2
    fi
    exit 1
fi
args+=(-blockdev "driver=file,node-name=code,read-only=on,filename=$code")
args+=(-blockdev "driver=file,node-name=vars,filename=$vars")

args+=(-name 'guest=arm')
args+=(-machine 'virt,gic-version=max,pflash0=code,pflash1=vars')
args+=(-m 2048)
args+=(-cpu max)
args+=(-smp 4)
args+=(-rtc 'base=utc')

args+=(-device 'virtio-scsi-pci,id=scsi0')
args+=(-blockdev '{"driver":"raw","node-name":"disk0","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk0.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk0,bootindex=1')
args+=(-blockdev '{"driver":"raw","node-name":"disk1","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk1.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk1,bootindex=2')
args+=(-device 'scsi-cd,bus=scsi0.0,channel=0,scsi-id=0,lun=0')

# Was on the network: VM Network
args+=(-netdev "${V2V_NET0:-user},id=net0")
args+=(-device 'virtio-net-pci,netdev=net0,mac=52:54:00:00:00:05')

if [ -n "${V2V_DISPLAY-}" ]; then
    args+=(-display "$V2V_DISPLAY")
else
args+=(-display 'vnc=127.0.0.1:0,to=99')
fi
args+=(-device virtio-gpu-pci -device qemu-xhci -device usb-tablet -device usb-kbd)

# The TPM, whose state is kept between starts.
if ! command -v swtpm >/dev/null; then
    echo "$0: this machine has a TPM: install swtpm" >&2
    exit 1
fi
tpm=./arm.tpm
[ -d "$tpm" ] || mkdir -m 0700 -- "$tpm"
rm -f -- "$tpm/sock"
swtpm socket --tpm2 --tpmstate "dir=$tpm" --ctrl "type=unixio,path=$tpm/sock" --terminate </dev/null &
swtpm=$!
{ tail --pid=$$ -f /dev/null; kill "$swtpm"; } >/dev/null 2>&1 &
for ((i = 0; i < 100; i++)); do
    if [ -S "$tpm/sock" ]; then break; fi
    if ! kill -0 "$swtpm" 2>/dev/null; then
        echo "$0: swtpm did not start: is the machine running already?" >&2
        exit 1
    fi
    sleep 0.1
done
args+=(-chardev 'socket,id=tpm,path=./arm.tpm/sock')
args+=(-tpmdev 'emulator,id=tpm0,chardev=tpm')
args+=(-device 'tpm-tis-device,tpmdev=tpm0')
args+=(-object 'rng-random,id=rng0,filename=/dev/urandom')
args+=(-device 'virtio-rng-pci,rng=rng0')
args+=(-device virtio-balloon-pci)
# A context id that no other machine of this host has.
if [ -w /dev/vhost-vsock ]; then
    args+=(-device "vhost-vsock-pci,guest-cid=$(($$ + 3))")
fi
# The guest agent's channel.
args+=(-device virtio-serial-pci)
args+=(-chardev 'socket,id=qga,server=on,wait=off,path=./arm.qga')
args+=(-device 'virtserialport,chardev=qga,name=org.qemu.guest_agent.0')
args+=(-serial "${V2V_SERIAL:-stdio}")

exec "$qemu" "${args[@]}" "$@"
