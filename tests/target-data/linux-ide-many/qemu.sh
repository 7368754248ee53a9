#!/bin/bash -
# Runs the converted machine with QEMU.  Made by nbdkit-v2v.
# Machine: old
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
qemu=${QEMU:-qemu-system-i386}
args=(-no-user-config -nodefaults)
IFS=: read -r -a accels <<<"${V2V_ACCEL:-kvm:tcg}"
for a in "${accels[@]}"; do args+=(-accel "$a"); done

args+=(-name 'guest=old')
args+=(-machine pc)
args+=(-m 512)
args+=(-cpu max)
args+=(-smp 1)
args+=(-rtc 'base=utc')
args+=(-boot 'strict=on')

args+=(-device 'ich9-ahci,id=ahci0')
args+=(-blockdev '{"driver":"raw","node-name":"disk0","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk0.img","discard":"unmap"}}')
args+=(-device 'ide-hd,bus=ide.0,unit=0,drive=disk0,bootindex=1')
args+=(-blockdev '{"driver":"raw","node-name":"disk1","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk1.img","discard":"unmap"}}')
args+=(-device 'ide-hd,bus=ide.0,unit=1,drive=disk1,bootindex=2')
args+=(-blockdev '{"driver":"raw","node-name":"disk2","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk2.img","discard":"unmap"}}')
args+=(-device 'ide-hd,bus=ide.1,unit=0,drive=disk2,bootindex=3')
args+=(-blockdev '{"driver":"raw","node-name":"disk3","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk3.img","discard":"unmap"}}')
args+=(-device 'ide-hd,bus=ide.1,unit=1,drive=disk3,bootindex=4')
args+=(-blockdev '{"driver":"raw","node-name":"disk4","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk4.img","discard":"unmap"}}')
args+=(-device 'ide-hd,bus=ahci0.0,drive=disk4,bootindex=5')
args+=(-blockdev '{"driver":"raw","node-name":"disk5","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk5.img","discard":"unmap"}}')
args+=(-device 'ide-hd,bus=ahci0.1,drive=disk5,bootindex=6')
args+=(-device 'floppy,unit=0,drive-type=144')

# Was on the bridge: xenbr0
args+=(-netdev "${V2V_NET0:-user},id=net0")
args+=(-device 'e1000,netdev=net0,mac=00:16:3e:00:00:01')

if [ -n "${V2V_DISPLAY-}" ]; then
    args+=(-display "$V2V_DISPLAY")
else
exec {pw}< <(printf %s 'p'\''w,"$(x)')
args+=(-object "secret,id=display,file=/dev/fd/$pw")
args+=(-spice 'port=5900,addr=127.0.0.1,password-secret=display')
fi
args+=(-device 'VGA,vgamem_mb=16' -usb -device usb-tablet)

args+=(-audiodev "${V2V_AUDIO:-none},id=audio")
args+=(-device 'sb16,audiodev=audio')
# The guest agent's channel.
args+=(-device virtio-serial-pci)
args+=(-chardev 'socket,id=qga,server=on,wait=off,path=./old.qga')
args+=(-device 'virtserialport,chardev=qga,name=org.qemu.guest_agent.0')
args+=(-serial "${V2V_SERIAL:-stdio}")

exec "$qemu" "${args[@]}" "$@"
