# SPDX-License-Identifier: BSD-3-Clause
# dracut instead of initramfs-tools.
boot=(--bus sata)
profile=dracut
use dracut

guest ()
{
    begin
    printf '/dev/sda1\t/\text4\terrors=remount-ro\t0\t1\n' >"$root/etc/fstab"
    initrd_name=/boot/initrd.img-$(ls "$root/lib/modules")
    dracut_vmware ext4
    set_grub_default "$root" GRUB_DISABLE_LINUX_UUID true
    grub_bios_files "$root" "(,msdos1)/boot/grub" ext2 part_msdos
    grub_mkconfig "$root" /dev/sda1 "$(uuid_of root)" ext2 msdos
    one_partition "$1" 2048
    put_ext4 "$root" "$1" 1 2046 "$(uuid_of root)"
    grub_bios "$root" "$1"
}
