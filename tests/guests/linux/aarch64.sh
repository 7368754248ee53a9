# SPDX-License-Identifier: BSD-3-Clause
# The 64-bit Arm architecture: kernel, programs and GRUB of arm64, everything
# by name, and the boot loader in EFI/debian only.  The disk is on NVMe, as
# VMware has it on Arm (the firmware of Debian 12 for Arm knows no SATA).
# Its programs run here by QEMU's user emulation, which binfmt_misc calls.
boot=(--arch aarch64 --bus nvme --uefi)
needs=(qemu-system-aarch64 /usr/share/AAVMF/AAVMF_CODE.fd qemu-aarch64-static update-binfmts arch-test)
profile=arm64
packages=init,systemd-sysv,udev,dbus,kmod,ifupdown,iproute2,e2fsprogs,linux-image-arm64,open-vm-tools,initramfs-tools,grub-efi-arm64
console="console=tty0 console=ttyAMA0,115200n8"

# mmdebstrap ARG...: as make_root calls it.
mmdebstrap ()
{
    update-binfmts --enable qemu-aarch64
    command mmdebstrap --architectures=arm64 "$@"
}

guest ()
{
    local esp=$work/esp
    update-binfmts --enable qemu-aarch64
    begin
    cat >"$root/etc/fstab" <<FSTAB
/dev/nvme0n1p2	/	ext4	errors=remount-ro	0	1
/dev/nvme0n1p1	/boot/efi	vfat	umask=0077	0	1
FSTAB
    mkdir -p "$root/boot/efi" "$root/boot/grub/arm64-efi" "$esp/EFI/debian"
    initramfs_tools_vmware "$root" ext4 vfat nls_ascii nls_cp437 nvme
    echo "RESUME=none" >"$root/etc/initramfs-tools/conf.d/resume"
    set_grub_default "$root" GRUB_DISABLE_LINUX_UUID true
    update_initramfs "$root"
    grub_mkconfig "$root" /dev/nvme0n1p2 "$(uuid_of root)" ext2 gpt
    cp "$root"/usr/lib/grub/arm64-efi/*.{mod,lst} "$root/boot/grub/arm64-efi/"
    grub-editenv "$root/boot/grub/grubenv" create
    grub-mkimage -O arm64-efi -d "$root/usr/lib/grub/arm64-efi" \
        -o "$esp/EFI/debian/grubaa64.efi" -p /EFI/debian \
        part_gpt ext2 fat normal search search_fs_uuid configfile
    cat >"$esp/EFI/debian/grub.cfg" <<CONFIG
search.fs_uuid $(uuid_of root) root hd0,gpt2
set prefix=(\$root)'/boot/grub'
configfile \$prefix/grub.cfg
CONFIG
    efi_disk "$1" "$esp" 64
}
