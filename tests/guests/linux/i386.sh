# SPDX-License-Identifier: BSD-3-Clause
# The 32-bit architecture: kernel and programs of i386, one partition by name.
boot=(--bus sata)
profile=i386
packages=init,systemd-sysv,udev,dbus,kmod,ifupdown,iproute2,e2fsprogs,linux-image-686-pae,open-vm-tools,initramfs-tools,grub-pc

# mmdebstrap ARG...: as make_root calls it, for i386, from the release alone:
# mirrors that keep the security updates of i386 in step are few by now.
mmdebstrap ()
{
    awk -v RS= -v ORS='\n\n' '!/-security/' "$work/debian.sources" >"$work/i386"
    mv "$work/i386" "$work/debian.sources"
    sed -i '/-security/d' "$work/debian.list"
    command mmdebstrap --architectures=i386 "$@"
}

guest ()
{
    begin
    printf '/dev/sda1\t/\text4\terrors=remount-ro\t0\t1\n' >"$root/etc/fstab"
    initramfs_tools_vmware "$root" ext4
    echo "RESUME=none" >"$root/etc/initramfs-tools/conf.d/resume"
    set_grub_default "$root" GRUB_DISABLE_LINUX_UUID true
    update_initramfs "$root"
    grub_bios_files "$root" "(,msdos1)/boot/grub" ext2 part_msdos
    grub_mkconfig "$root" /dev/sda1 "$(uuid_of root)" ext2 msdos
    one_partition "$1" 2048
    put_ext4 "$root" "$1" 1 2046 "$(uuid_of root)"
    grub_bios "$root" "$1"
}
