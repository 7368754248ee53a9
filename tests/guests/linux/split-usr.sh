# SPDX-License-Identifier: BSD-3-Clause
# /usr, /var and /home apart, in logical partitions by name; the swap too,
# from which the kernel's command line resumes.  The kernel's modules are in
# /usr.
boot=(--bus sata)
profile=debian

guest ()
{
    local usr var home
    begin
    cat >"$root/etc/fstab" <<END
/dev/sda1	/	ext4	errors=remount-ro	0	1
/dev/sda5	/usr	ext4	defaults	0	2
/dev/sda6	/var	ext4	defaults	0	2
/dev/sda7	/home	ext4	defaults	0	2
/dev/sda8	none	swap	sw	0	0
END
    initramfs_tools_vmware "$root" ext4
    echo "RESUME=/dev/sda8" >"$root/etc/initramfs-tools/conf.d/resume"
    set_grub_default "$root" GRUB_DISABLE_LINUX_UUID true
    set_grub_default "$root" GRUB_CMDLINE_LINUX "\"$console resume=/dev/sda8\""
    update_initramfs "$root"
    grub_bios_files "$root" "(,msdos1)/boot/grub" ext2 part_msdos
    grub_mkconfig "$root" /dev/sda1 "$(uuid_of root)" ext2 msdos
    truncate -s 2900M "$1"
    # Each logical partition has a sector of its own before it.
    sfdisk -q "$1" <<END
label: dos
label-id: 0x000c29ab
1 : start=2048, size=$((512 * 2048)), type=83, bootable
2 : start=$((513 * 2048)), size=$((2380 * 2048)), type=5
5 : start=$((514 * 2048)), size=$((1500 * 2048)), type=83
6 : start=$((2015 * 2048)), size=$((512 * 2048)), type=83
7 : start=$((2528 * 2048)), size=$((128 * 2048)), type=83
8 : start=$((2657 * 2048)), size=$((128 * 2048)), type=82
END
    grub_bios "$root" "$1"
    usr=$(split usr)
    var=$(split var)
    home=$(split home)
    put_ext4 "$root" "$1" 1 512 "$(uuid_of root)"
    put_ext4 "$usr" "$1" 514 1500 "$(uuid_of usr)"
    put_ext4 "$var" "$1" 2015 512 "$(uuid_of var)"
    put_ext4 "$home" "$1" 2528 128 "$(uuid_of home)"
    put_swap "$1" 2657 128 "$(uuid_of swap)"
}
