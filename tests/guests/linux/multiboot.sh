# SPDX-License-Identifier: BSD-3-Clause
# Two systems on one disk.  GRUB is that of the one on /dev/sda1, and has an
# entry for the other, on /dev/sda2, as os-prober writes it.  The first is
# converted; without a choice the conversion refuses.
boot=(--bus sata)
convert=(v2v-root=first)
refuse=(v2v-root=single)
profile=debian

# system DISK-DEVICE: fstab and initrd of the system in $root.
system ()
{
    printf '%s\t/\text4\terrors=remount-ro\t0\t1\n' "$1" >"$root/etc/fstab"
    initramfs_tools_vmware "$root" ext4
    echo "RESUME=none" >"$root/etc/initramfs-tools/conf.d/resume"
    set_grub_default "$root" GRUB_DISABLE_LINUX_UUID true
    update_initramfs "$root"
}

guest ()
{
    local first second kver
    begin
    system /dev/sda2
    echo other >"$root/etc/hostname"
    second=$work/second
    mv "$root" "$second"
    begin
    first=$root
    system /dev/sda1
    kver=$(ls "$root/lib/modules")
    cat >"$root/etc/grub.d/40_custom" <<END
#!/bin/sh
exec tail -n +3 \$0
menuentry 'Debian GNU/Linux 12 (bookworm) (on /dev/sda2)' --class debian --class gnu-linux --class gnu --class os \$menuentry_id_option 'osprober-gnulinux-simple-$(uuid_of root2)' {
	insmod part_msdos
	insmod ext2
	set root='hd0,msdos2'
	linux /boot/vmlinuz-$kver root=/dev/sda2 ro $console
	initrd /boot/initrd.img-$kver
}
END
    grub_bios_files "$first" "(,msdos1)/boot/grub" ext2 part_msdos
    grub_mkconfig "$first" /dev/sda1 "$(uuid_of root)" ext2 msdos
    truncate -s 3800M "$1"
    sfdisk -q "$1" <<END
label: dos
label-id: 0x000c29ab
1 : start=2048, size=$((1890 * 2048)), type=83, bootable
2 : start=$((1891 * 2048)), size=$((1890 * 2048)), type=83
END
    put_ext4 "$first" "$1" 1 1890 "$(uuid_of root)"
    put_ext4 "$second" "$1" 1891 1890 "$(uuid_of root2)"
    grub_bios "$first" "$1"
}
