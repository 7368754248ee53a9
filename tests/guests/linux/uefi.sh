# SPDX-License-Identifier: BSD-3-Clause
# UEFI with GRUB in EFI/debian only: the entry that started it is in the
# NVRAM of the old machine.
boot=(--bus sata --uefi)
profile=efi

guest ()
{
    local esp=$work/esp mods
    begin
    cat >"$root/etc/fstab" <<END
/dev/sda2	/	ext4	errors=remount-ro	0	1
/dev/sda1	/boot/efi	vfat	umask=0077	0	1
END
    mkdir -p "$root/boot/efi" "$root/boot/grub/x86_64-efi" \
        "$root/boot/grub/fonts" "$esp/EFI/debian"
    initramfs_tools_vmware "$root" ext4 vfat nls_ascii nls_cp437
    update_initramfs "$root"
    grub_mkconfig "$root" /dev/sda2 "$(uuid_of root)" ext2 gpt
    cp "$root"/usr/lib/grub/x86_64-efi/*.{mod,lst} "$root/boot/grub/x86_64-efi/"
    cp "$root/usr/share/grub/unicode.pf2" "$root/boot/grub/fonts/"
    grub-editenv "$root/boot/grub/grubenv" create
    mods="part_gpt ext2 fat normal search search_fs_uuid configfile"
    # shellcheck disable=SC2086
    grub-mkimage -O x86_64-efi -d "$root/usr/lib/grub/x86_64-efi" \
        -o "$esp/EFI/debian/grubx64.efi" -p /EFI/debian $mods
    cat >"$esp/EFI/debian/grub.cfg" <<END
search.fs_uuid $(uuid_of root) root hd0,gpt2
set prefix=(\$root)'/boot/grub'
configfile \$prefix/grub.cfg
END
    efi_disk "$1" "$esp" 64 ""
}
