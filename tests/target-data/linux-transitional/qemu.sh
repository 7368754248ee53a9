#!/bin/bash -
# Runs the converted machine with QEMU.  Made by nbdkit-v2v.
# Machine: el6
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

args+=(-name 'guest=el6')
args+=(-machine q35)
args+=(-m 1024)
args+=(-cpu max)
args+=(-smp 2)
args+=(-rtc 'base=utc')
args+=(-boot 'strict=on')

args+=(-device 'virtio-scsi-pci-transitional,id=scsi0')
args+=(-blockdev '{"driver":"qcow2","node-name":"disk0","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk0.qcow2","discard":"unmap"}}')
args+=(-device 'scsi-hd,bus=scsi0.0,channel=0,scsi-id=0,lun=0,drive=disk0,bootindex=1')
args+=(-blockdev '{"driver":"qcow2","node-name":"disk1","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk1.qcow2","discard":"unmap"}}')
args+=(-device 'scsi-hd,bus=scsi0.0,channel=0,scsi-id=1,lun=0,drive=disk1,bootindex=2')
args+=(-device isa-fdc)
args+=(-device 'scsi-cd,bus=scsi0.0,channel=0,scsi-id=2,lun=0')
args+=(-device 'ide-cd,bus=ide.0')
args+=(-device 'floppy,unit=0,drive-type=144')

# Was on the network: default
args+=(-netdev "${V2V_NET0:-user},id=net0")
args+=(-device 'virtio-net-pci-transitional,netdev=net0,mac=52:54:00:00:00:01')

if [ -n "${V2V_DISPLAY-}" ]; then
    args+=(-display "$V2V_DISPLAY")
else
args+=(-display gtk)
fi
args+=(-device 'VGA,vgamem_mb=16' -usb -device usb-tablet)

args+=(-audiodev "${V2V_AUDIO:-none},id=audio")
args+=(-device 'usb-audio,audiodev=audio')
args+=(-object 'rng-random,id=rng0,filename=/dev/urandom')
args+=(-device 'virtio-rng-pci-transitional,rng=rng0')
args+=(-device virtio-balloon-pci-transitional)
args+=(-device 'pvpanic,ioport=0x505')
# The guest agent's channel.
args+=(-device virtio-serial-pci-transitional)
args+=(-chardev 'socket,id=qga,server=on,wait=off,path=./el6.qga')
args+=(-device 'virtserialport,chardev=qga,name=org.qemu.guest_agent.0')
args+=(-serial "${V2V_SERIAL:-stdio}")

exec "$qemu" "${args[@]}" "$@"
