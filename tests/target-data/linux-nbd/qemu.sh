#!/bin/bash -
# Runs the converted machine with QEMU.  Made by nbdkit-v2v.
# Machine: nbd
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

args+=(-name 'guest=nbd')
args+=(-machine q35)
args+=(-m 1024)
args+=(-cpu max)
args+=(-smp 1)
args+=(-rtc 'base=utc')
args+=(-boot 'strict=on')

args+=(-blockdev '{"driver":"raw","node-name":"disk0","discard":"unmap","file":{"driver":"nbd","server":{"type":"unix","path":"/run/my dir/s,1"},"export":"disk 0"}}')
args+=(-device 'virtio-blk-pci,drive=disk0,bootindex=1')
args+=(-blockdev '{"driver":"raw","node-name":"disk1","discard":"unmap","file":{"driver":"nbd","server":{"type":"inet","host":"::1","port":"10810"},"export":"a/b"}}')
args+=(-device 'virtio-blk-pci,drive=disk1,bootindex=2')
args+=(-object "tls-creds-x509,endpoint=client,id=tls2,dir=${V2V_TLS_DIR:-/etc/pki/qemu}")
args+=(-blockdev '{"driver":"raw","node-name":"disk2","discard":"unmap","file":{"driver":"nbd","server":{"type":"inet","host":"storage.example.com","port":"10809"},"export":"x","tls-creds":"tls2"}}')
args+=(-device 'virtio-blk-pci,drive=disk2,bootindex=3')
args+=(-blockdev '{"driver":"qcow2","node-name":"disk3","discard":"unmap","file":{"driver":"file","filename":"relative,name.qcow2","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk3,bootindex=4')
args+=(-blockdev '{"driver":"raw","node-name":"disk4","discard":"unmap","file":{"driver":"host_device","filename":"/dev/vg0/lv","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk4,bootindex=5')

# Was on the network: default
args+=(-netdev "${V2V_NET0:-user},id=net0")
args+=(-device 'virtio-net-pci,netdev=net0,mac=52:54:00:00:00:06')

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
args+=(-chardev 'socket,id=qga,server=on,wait=off,path=./nbd.qga')
args+=(-device 'virtserialport,chardev=qga,name=org.qemu.guest_agent.0')
args+=(-serial "${V2V_SERIAL:-stdio}")

exec "$qemu" "${args[@]}" "$@"
