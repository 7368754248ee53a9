# SPDX-License-Identifier: BSD-3-Clause
# A system that nobody knows: an os-release of its own, no package database
# that is known, and a kernel and an initrd whose names say nothing, started
# by a grub.cfg written by hand.
boot=(--bus sata)
profile=debian
warnings=(family-unknown)
use family

guest ()
{
    local kver
    begin
    kver=$(ls "$root/lib/modules")
    printf '/dev/sda1\t/\text4\trw\t0\t1\n' >"$root/etc/fstab"
    initramfs_tools_vmware "$root" ext4
    echo "RESUME=none" >"$root/etc/initramfs-tools/conf.d/resume"
    update_initramfs "$root"
    mv "$root/boot/initrd.img-$kver" "$work/ramdisk"
    become <<'END'
NAME="Frobnix"
ID=frobnix
VERSION_ID=7
PRETTY_NAME="Frobnix 7 (Gostak)"
END
    rm -rf "$root"/var/lib/dpkg "$root"/etc/{initramfs-tools,default/grub}
    rm -f "$root"/usr/bin/{dpkg*,apt*}
    mv "$work/ramdisk" "$root/boot/ramdisk.gz"
    mv "$root/boot/vmlinuz-$kver" "$root/boot/bzImage"
    grub_bios_files "$root" "(,msdos1)/boot/grub" ext2 part_msdos
    grub2_cfg /boot/grub "$(uuid_of root)"
    grub_entry "Frobnix" "linux /boot/bzImage root=/dev/sda1 ro $console" \
        "initrd /boot/ramdisk.gz"
    one_partition "$1" 2048
    put_ext4 "$root" "$1" 1 2046 "$(uuid_of root)"
    grub_bios "$root" "$1"
}
