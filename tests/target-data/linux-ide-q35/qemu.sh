#!/bin/bash -
# Runs the converted machine with QEMU.  Made by nbdkit-v2v.
# Machine: sata
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

args+=(-name 'guest=sata')
args+=(-machine q35)
args+=(-m 1024)
args+=(-cpu max)
args+=(-smp 1)
args+=(-rtc 'base=utc')
args+=(-boot 'strict=on')

args+=(-device 'ich9-ahci,id=ahci1')
args+=(-blockdev '{"driver":"raw","node-name":"disk0","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk0.img","discard":"unmap"}}')
args+=(-device 'ide-hd,bus=ide.0,drive=disk0,bootindex=1')
args+=(-blockdev '{"driver":"raw","node-name":"disk1","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk1.img","discard":"unmap"}}')
args+=(-device 'ide-hd,bus=ide.1,drive=disk1,bootindex=2')
args+=(-blockdev '{"driver":"raw","node-name":"disk2","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk2.img","discard":"unmap"}}')
args+=(-device 'ide-hd,bus=ide.2,drive=disk2,bootindex=3')
args+=(-blockdev '{"driver":"raw","node-name":"disk3","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk3.img","discard":"unmap"}}')
args+=(-device 'ide-hd,bus=ide.3,drive=disk3,bootindex=4')
args+=(-blockdev '{"driver":"raw","node-name":"disk4","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk4.img","discard":"unmap"}}')
args+=(-device 'ide-hd,bus=ide.4,drive=disk4,bootindex=5')
args+=(-blockdev '{"driver":"raw","node-name":"disk5","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk5.img","discard":"unmap"}}')
args+=(-device 'ide-hd,bus=ide.5,drive=disk5,bootindex=6')
args+=(-blockdev '{"driver":"raw","node-name":"disk6","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk6.img","discard":"unmap"}}')
args+=(-device 'ide-hd,bus=ahci1.0,drive=disk6,bootindex=7')
args+=(-blockdev '{"driver":"raw","node-name":"disk7","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk7.img","discard":"unmap"}}')
args+=(-device 'ide-hd,bus=ahci1.1,drive=disk7,bootindex=8')
args+=(-device isa-fdc)
args+=(-device 'ide-cd,bus=ahci1.2')
args+=(-device 'ide-cd,bus=ahci1.3')
args+=(-device 'floppy,unit=0,drive-type=144')


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
args+=(-chardev 'socket,id=qga,server=on,wait=off,path=./sata.qga')
args+=(-device 'virtserialport,chardev=qga,name=org.qemu.guest_agent.0')
args+=(-serial "${V2V_SERIAL:-stdio}")

exec "$qemu" "${args[@]}" "$@"
