#!/bin/bash -
# Runs the converted machine with QEMU.  Made by nbdkit-v2v.
# Machine: WIN2K8R2
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

args+=(-name 'guest=WIN2K8R2')
args+=(-machine pc)
args+=(-m 4096)
args+=(-cpu 'max,hv-relaxed=on,hv-vapic=on,hv-spinlocks=0x1fff')
args+=(-smp 2)
args+=(-rtc 'base=localtime')
args+=(-boot 'strict=on')

args+=(-blockdev '{"driver":"raw","node-name":"disk0","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk0.img","discard":"unmap"}}')
args+=(-device 'ide-hd,bus=ide.0,unit=0,drive=disk0,bootindex=1')
args+=(-device 'ide-cd,bus=ide.1,unit=0')

# Was on the network: VM Network
args+=(-netdev "${V2V_NET0:-user},id=net0")
args+=(-device 'e1000,netdev=net0,mac=00:0c:29:00:00:01')

if [ -n "${V2V_DISPLAY-}" ]; then
    args+=(-display "$V2V_DISPLAY")
else
args+=(-display 'vnc=127.0.0.1:0,to=99')
fi
args+=(-device 'VGA,vgamem_mb=16' -usb -device usb-tablet)

args+=(-audiodev "${V2V_AUDIO:-none},id=audio")
args+=(-device intel-hda -device 'hda-duplex,audiodev=audio')
# The guest agent's channel.
args+=(-device virtio-serial-pci)
args+=(-chardev 'socket,id=qga,server=on,wait=off,path=./WIN2K8R2.qga')
args+=(-device 'virtserialport,chardev=qga,name=org.qemu.guest_agent.0')

exec "$qemu" "${args[@]}" "$@"
