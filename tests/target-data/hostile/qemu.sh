#!/bin/bash -
# Runs the converted machine with QEMU.  Made by nbdkit-v2v.
# Machine: -x_.._$(touch _tmp_pwned);`id`'"\,,file=_etc_passwd_# ‮ü中😀 <a&b>]]> {{x}} %s {a: !!b} __
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

args+=(-name 'guest=-x_.._$(touch _tmp_pwned);`id`'\''"\,,,,file=_etc_passwd_# ‮ü中😀 <a&b>]]> {{x}} %s {a: !!b} __')
args+=(-machine q35)
args+=(-m 1)
args+=(-cpu max)
args+=(-smp 3)
args+=(-rtc 'base=localtime')
args+=(-boot 'strict=on')

args+=(-blockdev '{"driver":"raw","node-name":"disk0","discard":"unmap","file":{"driver":"file","filename":"/tmp/-x_.._$(touch _tmp_pwned);`id`'\''\"\\,,file=_etc_passwd # ‮ü中😀 <a&b>]]> {{x}} %s {a: !!b} ","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk0,bootindex=1')
args+=(-blockdev '{"driver":"qcow2","node-name":"disk1","discard":"unmap","file":{"driver":"file","filename":"nbd:unix:/etc/passwd","discard":"unmap"}}')
args+=(-device 'virtio-blk-pci,drive=disk1,bootindex=2,serial=SER-1')
args+=(-device 'ide-cd,bus=ide.0')

# Was on the network: -x_.._$(touch _tmp_pwned);`id`'"\,,file=_etc_passwd_# ‮ü中😀 <a&b>]]> {{x}} %s {a: !!b} __
args+=(-netdev "${V2V_NET0:-user},id=net0")
args+=(-device 'virtio-net-pci,netdev=net0')
# Was on the network: a_b_c
args+=(-netdev "${V2V_NET1:-user},id=net1")
args+=(-device 'virtio-net-pci,netdev=net1')
# Was on the bridge: default
args+=(-netdev "${V2V_NET2:-user},id=net2")
args+=(-device 'virtio-net-pci,netdev=net2')

if [ -n "${V2V_DISPLAY-}" ]; then
    args+=(-display "$V2V_DISPLAY")
else
exec {pw}< <(printf %s '-x/../$(touch /tmp/pwned);`id`'\''"\,,file=/etc/passwd
# ‮ü中😀 <a&b>]]> {{x}} %s {a: !!b} ')
args+=(-object "secret,id=display,file=/dev/fd/$pw")
args+=(-display 'vnc=127.0.0.1:0,to=99,password-secret=display')
fi
args+=(-device 'VGA,vgamem_mb=16' -usb -device usb-tablet)

# The TPM, whose state is kept between starts.
if ! command -v swtpm >/dev/null; then
    echo "$0: this machine has a TPM: install swtpm" >&2
    exit 1
fi
tpm=./x-touch-tmp-pwned-id-file-etc-passwd-a-b-x-s-a-b.tpm
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
args+=(-chardev 'socket,id=tpm,path=./x-touch-tmp-pwned-id-file-etc-passwd-a-b-x-s-a-b.tpm/sock')
args+=(-tpmdev 'emulator,id=tpm0,chardev=tpm')
args+=(-device 'tpm-tis,tpmdev=tpm0')
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
args+=(-chardev 'socket,id=qga,server=on,wait=off,path=./x-touch-tmp-pwned-id-file-etc-passwd-a-b-x-s-a-b.qga')
args+=(-device 'virtserialport,chardev=qga,name=org.qemu.guest_agent.0')
args+=(-serial "${V2V_SERIAL:-stdio}")

exec "$qemu" "${args[@]}" "$@"
