#!/bin/bash -
# Runs the converted machine with QEMU.  Made by nbdkit-v2v.
# Machine: web1
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
qemu=${QEMU:-qemu-system-x86_64}
args=(-no-user-config -nodefaults)
IFS=: read -r -a accels <<<"${V2V_ACCEL:-kvm:tcg}"
for a in "${accels[@]}"; do args+=(-accel "$a"); done

# UEFI.  The variables are kept between starts.
vars=./web1_VARS.fd
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
/usr/share/OVMF/OVMF_CODE_4M.fd:/usr/share/OVMF/OVMF_VARS_4M.fd
/usr/share/OVMF/OVMF_CODE.fd:/usr/share/OVMF/OVMF_VARS.fd
/usr/share/edk2/ovmf/OVMF_CODE.fd:/usr/share/edk2/ovmf/OVMF_VARS.fd
/usr/share/edk2/x64/OVMF_CODE.4m.fd:/usr/share/edk2/x64/OVMF_VARS.4m.fd
/usr/share/qemu/ovmf-x86_64-code.bin:/usr/share/qemu/ovmf-x86_64-vars.bin
FIRMWARE
if [ -z "$code" ]; then
    if [ -s "$vars" ]; then
        echo "$0: $vars belongs to another UEFI firmware than those here: move it away to begin anew" >&2
    else
        echo "$0: there is no UEFI firmware: install ovmf (edk2-ovmf)" >&2
    fi
    exit 1
fi
args+=(-blockdev "driver=file,node-name=code,read-only=on,filename=$code")
args+=(-blockdev "driver=file,node-name=vars,filename=$vars")

args+=(-name 'guest=web1')
args+=(-machine 'q35,pflash0=code,pflash1=vars')
args+=(-m 4096)
args+=(-cpu max)
args+=(-smp 4)
args+=(-rtc 'base=utc')
args+=(-boot 'strict=on')

args+=(-blockdev '{"driver":"qcow2","node-name":"disk0","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk0.qcow2","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk0,bootindex=1,serial=6000c29,logical_block_size=4096,physical_block_size=4096')
args+=(-blockdev '{"driver":"raw","node-name":"disk1","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk1.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk1,bootindex=2')

# Was on the network: VM Network
args+=(-netdev "${V2V_NET0:-user},id=net0")
args+=(-device 'virtio-net-pci,netdev=net0,mac=00:0c:29:aa:bb:cc')

if [ -n "${V2V_DISPLAY-}" ]; then
    args+=(-display "$V2V_DISPLAY")
else
args+=(-display 'vnc=127.0.0.1:0,to=99')
fi
args+=(-device 'VGA,vgamem_mb=16' -usb -device usb-tablet)

args+=(-object 'rng-random,id=rng0,filename=/dev/urandom')
args+=(-device 'virtio-rng-pci,rng=rng0')
args+=(-device virtio-balloon-pci)
args+=(-device 'pvpanic,ioport=0x505')
# A context id that no other machine of this host has.
if [ -w /dev/vhost-vsock ]; then
    args+=(-device "vhost-vsock-pci,guest-cid=$(($$ + 3))")
fi
# The guest agent's channel.
args+=(-device virtio-serial-pci)
args+=(-chardev 'socket,id=qga,server=on,wait=off,path=./web1.qga')
args+=(-device 'virtserialport,chardev=qga,name=org.qemu.guest_agent.0')
args+=(-serial "${V2V_SERIAL:-stdio}")

exec "$qemu" "${args[@]}" "$@"
