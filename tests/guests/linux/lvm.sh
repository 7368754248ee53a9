# SPDX-License-Identifier: BSD-3-Clause
# /boot by name, the rest in LVM, with the swap.
boot=(--bus sata)
profile=storage
use lvm

guest ()
{
    local boot
    begin
    lvm_files
    lvm_disk "$1" 2056
    grub_bios "$root" "$1"
    lvm_layout "$1" /dev/sda2
    boot=$(split boot)
    put_ext4 "$boot" "$1" 1 256 "$(uuid_of boot)"
    # The first extent of a PV is at 1 MiB, and root was made first.
    put_ext4 "$root" "$1" 258 $lvm_root "$(uuid_of root)"
    put_swap "$1" $((258 + lvm_root)) $lvm_swap "$(uuid_of swap)"
}
