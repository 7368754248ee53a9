# SPDX-License-Identifier: BSD-3-Clause
# SysV's init with sysv-rc (startpar, insserv's .depend.start), as Debian 7,
# Devuan and MX have it; initramfs-tools, everything by name.
boot=(--bus sata)
profile=sysvinit
packages=sysvinit-core,udev,dbus,kmod,ifupdown,iproute2,e2fsprogs
packages+=,linux-image-amd64,open-vm-tools,initramfs-tools,grub-pc
sound=("[ \"\$(runlevel)\" = 'N 2' ]"
       "grep ' / ext4 rw' /proc/mounts && grep partition /proc/swaps")

guest ()
{
    begin
    printf '/dev/sda1\t/\text4\terrors=remount-ro\t0\t1\n/dev/sda2\tnone\tswap\tsw\t0\t0\n' \
        >"$root/etc/fstab"
    sed -i 's,^#*T0:.*,,; $a T0:23:respawn:/sbin/getty -L ttyS0 115200 vt100' \
        "$root/etc/inittab"
    [ -s "$root/etc/init.d/.depend.start" ] || die "insserv noted nothing"
    [ ! -e "$root/lib/systemd/systemd" ] || die "it has systemd"
    initramfs_tools_vmware "$root" ext4
    update_initramfs "$root"
    set_grub_default "$root" GRUB_DISABLE_LINUX_UUID true
    grub_bios_files "$root" "(,msdos1)/boot/grub" ext2 part_msdos
    grub_mkconfig "$root" /dev/sda1 "$(uuid_of root)" ext2 msdos
    truncate -s 2048M "$1"
    sfdisk -q "$1" <<END
label: dos
label-id: 0x000c29ab
1 : start=2048, size=$((1900 * 2048)), type=83, bootable
2 : start=$((1902 * 2048)), size=$((128 * 2048)), type=82
END
    put_ext4 "$root" "$1" 1 1900 "$(uuid_of root)"
    put_swap "$1" 1902 128 "$(uuid_of swap)"
    grub_bios "$root" "$1"
}
