# SPDX-License-Identifier: BSD-3-Clause
# A volume group on two disks, the root volume partly on each: neither disk
# alone is a system.  /boot on the first, by name.
boot=(--bus sata)
disks=2
profile=storage
use lvm

first=320   # extents of 4 MiB of the root volume on the first disk

guest ()
{
    local boot
    begin
    lvm_files
    lvm_disk "$1" 1408
    grub_bios "$root" "$1"
    truncate -s 1024M "$2"
    # Extents are given by name: LVM would begin with the larger of the two.
    appliance --format=raw -a "$1" -a "$2" <<END
run
pvcreate /dev/sda2
pvcreate /dev/sdb
vgcreate vg "/dev/sda2 /dev/sdb"
debug sh "lvm lvcreate --yes -Wn -Zn -l $first -n root vg /dev/sda2"
debug sh "lvm lvextend -l $((lvm_root / 4)) vg/root /dev/sdb"
debug sh "lvm lvcreate --yes -Wn -Zn -L ${lvm_swap}M -n swap vg /dev/sdb"
debug sh "lvm lvs -o name,seg_pe_ranges"
END
    boot=$(split boot)
    put_ext4 "$boot" "$1" 1 256 "$(uuid_of boot)"
    truncate -s "${lvm_root}M" "$work/volume"
    put_ext4 "$root" "$work/volume" 0 "$lvm_root" "$(uuid_of root)"
    # A physical volume's extents begin 1 MiB from its start.
    truncate -s $((first * 4))M "$work/head"
    dd if="$work/volume" of="$work/head" bs=1M count=$((first * 4)) \
        conv=notrunc,sparse status=none
    dd if="$work/volume" of="$work/tail" bs=1M skip=$((first * 4)) \
        conv=sparse status=none
    place "$work/head" "$1" 258
    place "$work/tail" "$2" 1
    put_swap "$2" $((1 + lvm_root - first * 4)) "$lvm_swap" "$(uuid_of swap)"
}
