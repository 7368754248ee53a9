#!/bin/bash -
# Runs the converted machine with QEMU.  Made by nbdkit-v2v.
# Machine: db 2
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
vars=./db-2_VARS.fd
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
/usr/share/OVMF/OVMF_CODE_4M.ms.fd:/usr/share/OVMF/OVMF_VARS_4M.ms.fd
/usr/share/OVMF/OVMF_CODE_4M.secboot.fd:/usr/share/OVMF/OVMF_VARS_4M.ms.fd
/usr/share/OVMF/OVMF_CODE.ms.fd:/usr/share/OVMF/OVMF_VARS.ms.fd
/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd:/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd
/usr/share/qemu/ovmf-x86_64-smm-ms-code.bin:/usr/share/qemu/ovmf-x86_64-smm-ms-vars.bin
FIRMWARE
if [ -z "$code" ]; then
    if [ -s "$vars" ]; then
        echo "$0: $vars belongs to another UEFI firmware than those here: move it away to begin anew" >&2
    else
        echo "$0: there is no UEFI firmware with secure boot: install ovmf (edk2-ovmf)" >&2
    fi
    exit 1
fi
args+=(-blockdev "driver=file,node-name=code,read-only=on,filename=$code")
args+=(-blockdev "driver=file,node-name=vars,filename=$vars")

args+=(-name 'guest=db 2')
args+=(-machine 'q35,smm=on,pflash0=code,pflash1=vars')
args+=(-global 'driver=cfi.pflash01,property=secure,value=on' -global 'ICH9-LPC.disable_s3=1')
args+=(-m 8193)
args+=(-cpu max)
args+=(-smp 2)
args+=(-rtc 'base=utc')
args+=(-boot 'strict=on')

args+=(-device 'virtio-scsi-pci,id=scsi0')
args+=(-blockdev '{"driver":"raw","node-name":"disk0","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk0.img","discard":"unmap"}}')
args+=(-device 'scsi-hd,bus=scsi0.0,channel=0,scsi-id=0,lun=0,drive=disk0,bootindex=2')
args+=(-blockdev '{"driver":"raw","node-name":"disk1","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk1.img","discard":"unmap"}}')
args+=(-device 'scsi-hd,bus=scsi0.0,channel=0,scsi-id=1,lun=0,drive=disk1,bootindex=1')
args+=(-blockdev '{"driver":"raw","node-name":"disk2","discard":"unmap","file":{"driver":"file","filename":"/var/lib/libvirt/images/vm-disk2.img","discard":"unmap"}}')
args+=(-device 'scsi-hd,bus=scsi0.0,channel=0,scsi-id=2,lun=0,drive=disk2,bootindex=3,logical_block_size=4096,physical_block_size=4096')

# Was on the network: default
args+=(-netdev "${V2V_NET0:-user},id=net0")
args+=(-device 'virtio-net-pci,netdev=net0,mac=00:50:56:00:00:01')
# Was on the network: dmz
args+=(-netdev "${V2V_NET1:-user},id=net1")
args+=(-device 'virtio-net-pci,netdev=net1,mac=00:50:56:00:00:02')
# Was on the network: storage_net1
args+=(-netdev "${V2V_NET2:-user},id=net2")
args+=(-device 'virtio-net-pci,netdev=net2,mac=00:50:56:00:00:03,bootindex=4')

if [ -n "${V2V_DISPLAY-}" ]; then
    args+=(-display "$V2V_DISPLAY")
else
exec {pw}< <(printf %s geheim)
args+=(-object "secret,id=display,file=/dev/fd/$pw")
args+=(-display 'vnc=0.0.0.0:7,password-secret=display')
fi
args+=(-k de)
args+=(-device 'VGA,vgamem_mb=16' -usb -device usb-tablet)

args+=(-audiodev "${V2V_AUDIO:-none},id=audio")
args+=(-device ich9-intel-hda -device 'hda-duplex,audiodev=audio')
# The TPM, whose state is kept between starts.
if ! command -v swtpm >/dev/null; then
    echo "$0: this machine has a TPM: install swtpm" >&2
    exit 1
fi
tpm=./db-2.tpm
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
args+=(-chardev 'socket,id=tpm,path=./db-2.tpm/sock')
args+=(-tpmdev 'emulator,id=tpm0,chardev=tpm')
args+=(-device 'tpm-crb,tpmdev=tpm0')
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
args+=(-chardev 'socket,id=qga,server=on,wait=off,path=./db-2.qga')
args+=(-device 'virtserialport,chardev=qga,name=org.qemu.guest_agent.0')
args+=(-serial "${V2V_SERIAL:-stdio}")

exec "$qemu" "${args[@]}" "$@"
