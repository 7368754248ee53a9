# SPDX-License-Identifier: BSD-3-Clause
# UEFI with secure boot: shim, GRUB and the kernel as Debian signs them, in
# EFI/debian only.  test-target-secureboot.sh boots it with secure boot on.
boot=(--bus sata --uefi)
profile=secureboot
packages=$guest_packages,initramfs-tools,grub-efi-amd64-signed,shim-signed

guest ()
{
    local esp=$work/esp
    begin
    # Only the package of an unsigned GRUB makes this file.
    printf 'GRUB_TIMEOUT=1\nGRUB_CMDLINE_LINUX="%s"\n' "$console" \
        >"$root/etc/default/grub"
    cat >"$root/etc/fstab" <<END
/dev/sda2	/	ext4	errors=remount-ro	0	1
/dev/sda1	/boot/efi	vfat	umask=0077	0	1
END
    mkdir -p "$root/boot/efi" "$root/boot/grub" "$esp/EFI/debian"
    initramfs_tools_vmware "$root" ext4 vfat nls_ascii nls_cp437
    update_initramfs "$root"
    grub_mkconfig "$root" /dev/sda2 "$(uuid_of root)" ext2 gpt
    # What is not signed cannot be loaded: no modules.
    grub-editenv "$root/boot/grub/grubenv" create
    cp "$root/usr/lib/shim/shimx64.efi.signed" "$esp/EFI/debian/shimx64.efi"
    cp "$root/usr/lib/shim/mmx64.efi.signed" "$esp/EFI/debian/mmx64.efi"
    cp "$root/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" \
        "$esp/EFI/debian/grubx64.efi"
    cat >"$esp/EFI/debian/grub.cfg" <<END
search.fs_uuid $(uuid_of root) root hd0,gpt2
set prefix=(\$root)'/boot/grub'
configfile \$prefix/grub.cfg
END
    efi_disk "$1" "$esp" 64 ""
}
