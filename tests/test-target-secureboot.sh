#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A guest with secure boot and a TPM, from its libvirt XML to the running
# machine, in the one command for people: the script that v2v-copy wrote
# boots it with secure boot on and the TPM there, and what the user said
# about networks is in every document.

. "$(dirname "$0")/functions.sh"
dir=$(dirname "$0")
requires qemu-system-x86_64 --version
requires swtpm --version
requires test -r /usr/share/OVMF/OVMF_CODE_4M.ms.fd
[ "$(id -u)" = 0 ] || skip_all "making a guest needs root"
unset LIBGUESTFS_BACKEND LIBGUESTFS_BACKEND_SETTINGS LIBGUESTFS_HV

guest=$("$dir/guests/make-linux.sh" secureboot 2>"$tmp/make.log") || {
    cat "$tmp/make.log" >&2; exit 1; }
cat >"$tmp/sb.xml" <<END
<domain type='kvm'><name>secure guest</name><memory unit='GiB'>1</memory>
<vcpu>1</vcpu>
<os firmware='efi'><type arch='x86_64' machine='q35'>hvm</type>
<firmware><feature enabled='yes' name='secure-boot'/></firmware></os>
<devices>
<disk type='file' device='disk'><driver name='qemu' type='raw'/>
<source file='$guest'/><target dev='sda' bus='sata'/></disk>
<interface type='network'><mac address='52:54:00:00:00:01'/>
<source network='VM Network'/></interface>
<interface type='network'><mac address='52:54:00:00:00:02'/>
<source network='VM Network'/></interface>
<interface type='bridge'><mac address='52:54:00:00:00:03'/>
<source bridge='vmbr7'/></interface>
<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>
</devices></domain>
END
mkdir "$tmp/out"
check "convert and copy" v2v-copy --network 'VM Network:lab-net' \
      --mac 52:54:00:00:00:02:bridge:br-two --bridge vmbr7:br-seven \
      "$tmp/sb.xml" "$tmp/out"
stem="$tmp/out/secure guest"

# The networks of the user's in every document that knows networks.
has () {                        # has FILE STRING...
    local f=$1; shift
    for s; do grep -qF -e "$s" "$f" || { echo "no $s:"; cat "$f"; return 1; }; done
}
for doc in xml sh yaml json ovf; do
    check "NAME.$doc: the networks of the user's" \
          has "$stem.$doc" lab-net br-two br-seven
    check_fails "NAME.$doc: none of the source's" \
          grep -e 'VM Network' -e vmbr7 "$stem.$doc"
done
check "libvirt: secure boot, and the keys" \
      xmllint --xpath '//os/firmware/feature[@name="secure-boot" and @enabled="yes"] | //os/firmware/feature[@name="enrolled-keys" and @enabled="yes"] | //features/smm[@state="on"]' "$stem.xml"

# The machine.  Its firmware refuses what no enrolled key signed, and
# variables of another firmware build.
check "boots with secure boot on, and finds its TPM" \
      "$dir/boot.sh" --script --timeout 1200 \
      --run 'state=$(timeout 240 systemctl is-system-running --wait); echo "$state"; systemctl --failed --no-legend; [ "$state" = running ]' \
      --run 'od -An -tu1 /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c | tee /dev/stderr | grep -q " 1$"' \
      --run 'dmesg | grep -i "secure boot enabled"' \
      --run 'ls -l /dev/tpm0; [ -c /dev/tpm0 ]' \
      --run 'grep 2 /sys/class/tpm/tpm0/tpm_version_major' \
      "$stem.sh"
check "the TPM has kept its state" [ -s "$tmp/out/secure-guest.tpm/tpm2-00.permall" ]
no_swtpm () {
    local i
    for ((i = 0; i < 100; i++)); do
        pgrep -f "swtpm.*secure-guest.tpm" >/dev/null || return 0
        sleep 0.1
    done
    return 1
}
check "no swtpm stays behind" no_swtpm
# The control: the same machine does not start a loader that is not signed.
unsigned () {
    local esp
    esp=$(ls "$tmp/out/"*.img)@@1M
    mcopy -n -i "$esp" ::/EFI/BOOT/BOOTX64.EFI "$tmp/shim.efi" || return 1
    # A byte of its code.
    printf '\x90' | dd of="$tmp/shim.efi" bs=1 seek=4096 conv=notrunc 2>/dev/null
    mcopy -o -i "$esp" "$tmp/shim.efi" ::/EFI/BOOT/BOOTX64.EFI
}
check "the loader is changed" unsigned
refused () {
    ! "$dir/boot.sh" --script --timeout 200 "$stem.sh" >"$tmp/refused" 2>&1 &&
        ! grep -q "^login" "$tmp/refused" &&
        grep -qE "Access Denied|Security Violation|failed to load" "$tmp/refused" &&
        return 0
    cat "$tmp/refused"
    return 1
}
check "and is refused" refused
done_testing
