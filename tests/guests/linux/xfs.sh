# SPDX-License-Identifier: BSD-3-Clause
# XFS for everything, by name.
boot=(--bus sata)
profile=storage

guest ()
{
    begin
    printf '/dev/sda1\t/\txfs\tdefaults\t0\t0\n' >"$root/etc/fstab"
    initramfs_tools_vmware "$root" xfs
    echo "RESUME=none" >"$root/etc/initramfs-tools/conf.d/resume"
    set_grub_default "$root" GRUB_DISABLE_LINUX_UUID true
    update_initramfs "$root"
    grub_bios_files "$root" "(,msdos1)/boot/grub" xfs part_msdos
    grub_mkconfig "$root" /dev/sda1 "$(uuid_of root)" xfs msdos
    one_partition "$1" 2048
    put_xfs "$root" "$1" 1 2046 "$(uuid_of root)"
    grub_bios "$root" "$1"
}
