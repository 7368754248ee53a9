#!/bin/bash -
# Runs the converted machine with QEMU.  Made by nbdkit-v2v.
# Machine: many
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

args+=(-name 'guest=many')
args+=(-machine q35)
args+=(-m 2048)
args+=(-cpu Haswell-noTSX)
args+=(-smp 8)
args+=(-rtc 'base=utc')
args+=(-boot 'strict=on')

args+=(-blockdev '{"driver":"raw","node-name":"disk0","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk0.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk0,bootindex=1,addr=0x10.0,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk1","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk1.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk1,bootindex=2,addr=0x10.1,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk2","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk2.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk2,bootindex=3,addr=0x10.2,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk3","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk3.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk3,bootindex=4,addr=0x10.3,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk4","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk4.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk4,bootindex=5,addr=0x10.4,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk5","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk5.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk5,bootindex=6,addr=0x10.5,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk6","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk6.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk6,bootindex=7,addr=0x10.6,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk7","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk7.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk7,bootindex=8,addr=0x10.7,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk8","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk8.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk8,bootindex=9,addr=0x11.0,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk9","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk9.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk9,bootindex=10,addr=0x11.1,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk10","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk10.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk10,bootindex=11,addr=0x11.2,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk11","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk11.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk11,bootindex=12,addr=0x11.3,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk12","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk12.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk12,bootindex=13,addr=0x11.4,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk13","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk13.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk13,bootindex=14,addr=0x11.5,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk14","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk14.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk14,bootindex=15,addr=0x11.6,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk15","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk15.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk15,bootindex=16,addr=0x11.7,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk16","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk16.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk16,bootindex=17,addr=0x12.0,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk17","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk17.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk17,bootindex=18,addr=0x12.1,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk18","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk18.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk18,bootindex=19,addr=0x12.2,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk19","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk19.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk19,bootindex=20,addr=0x12.3,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk20","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk20.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk20,bootindex=21,addr=0x12.4,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk21","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk21.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk21,bootindex=22,addr=0x12.5,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk22","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk22.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk22,bootindex=23,addr=0x12.6,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk23","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk23.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk23,bootindex=24,addr=0x12.7,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk24","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk24.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk24,bootindex=25,addr=0x13.0,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk25","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk25.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk25,bootindex=26,addr=0x13.1,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk26","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk26.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk26,bootindex=27,addr=0x13.2,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk27","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk27.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk27,bootindex=28,addr=0x13.3,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk28","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk28.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk28,bootindex=29,addr=0x13.4,multifunction=on')
args+=(-blockdev '{"driver":"raw","node-name":"disk29","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk29.img","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk29,bootindex=30,addr=0x13.5,multifunction=on')

# Was on the network: net 0
args+=(-netdev "${V2V_NET0:-user},id=net0")
args+=(-device 'virtio-net-pci,netdev=net0,mac=00:50:56:01:00:00')
# Was on the network: net 1
args+=(-netdev "${V2V_NET1:-user},id=net1")
args+=(-device 'virtio-net-pci,netdev=net1,mac=00:50:56:01:00:01')
# Was on the network: net 2
args+=(-netdev "${V2V_NET2:-user},id=net2")
args+=(-device 'virtio-net-pci,netdev=net2,mac=00:50:56:01:00:02')
# Was on the network: VM Network
args+=(-netdev "${V2V_NET3:-user},id=net3")
args+=(-device 'virtio-net-pci,netdev=net3')
# Was on the network: net 4
args+=(-netdev "${V2V_NET4:-user},id=net4")
args+=(-device 'virtio-net-pci,netdev=net4,mac=00:50:56:01:00:04')
# Was on the network: net 5
args+=(-netdev "${V2V_NET5:-user},id=net5")
args+=(-device 'virtio-net-pci,netdev=net5,mac=00:50:56:01:00:05')

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
args+=(-chardev 'socket,id=qga,server=on,wait=off,path=./many.qga')
args+=(-device 'virtserialport,chardev=qga,name=org.qemu.guest_agent.0')
args+=(-serial "${V2V_SERIAL:-stdio}")

exec "$qemu" "${args[@]}" "$@"
