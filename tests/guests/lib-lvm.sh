# SPDX-License-Identifier: BSD-3-Clause
# Guests with /boot on the first partition and the rest in LVM.

lvm_root=1900 lvm_swap=128
# lvm_layout IMAGE DEVICE
lvm_layout ()
{
    appliance --format=raw -a "$1" <<END
run
pvcreate $2
vgcreate vg $2
lvcreate root vg $lvm_root
lvcreate swap vg $lvm_swap
END
}

# lvm_files: fstab, initrd and boot loader of such a guest
lvm_files ()
{
    cat >"$root/etc/fstab" <<END
/dev/mapper/vg-root	/	ext4	errors=remount-ro	0	1
/dev/sda1	/boot	ext4	defaults	0	2
/dev/mapper/vg-swap	none	swap	sw	0	0
END
    echo "RESUME=/dev/mapper/vg-swap" >"$root/etc/initramfs-tools/conf.d/resume"
    initramfs_tools_vmware "$root" ext4 dm_mod dm_crypt xts aes_generic \
        aesni_intel sha256_generic algif_skcipher cryptd
    update_initramfs "$root"
    grub_bios_files "$root" "(,msdos1)/grub" ext2 part_msdos
    grub_mkconfig "$root" /dev/mapper/vg-root "$(uuid_of root)" ext2 msdos \
        /dev/sda1 "$(uuid_of boot)" ext2 lvm
    sed -i 's,/boot/\(vmlinuz\|initrd\),/\1,' "$root/boot/grub/grub.cfg"
}

# lvm_disk IMAGE MiB: /boot, and one more partition
lvm_disk ()
{
    truncate -s $(($2 + 258))M "$1"
    sfdisk -q "$1" <<END
label: dos
label-id: 0x000c29ab
1 : start=2048, size=$((256 * 2048)), type=83, bootable
2 : start=$((257 * 2048)), size=$(($2 * 2048)), type=8e
END
}
