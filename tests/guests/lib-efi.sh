# SPDX-License-Identifier: BSD-3-Clause
# Guests that boot by UEFI with GRUB in EFI/debian only, so that a new NVRAM
# has no entry for it.

# efi_grub DISK [MODULE]...: $root and $esp for the partitions 1 (ESP) and 2
# of DISK (/dev/sda, /dev/nvme0n1p); the initrd has MODULEs besides.
efi_grub ()
{
    local disk=$1 mods; shift
    esp=$work/esp
    cat >"$root/etc/fstab" <<END
${disk}2	/	ext4	errors=remount-ro	0	1
${disk}1	/boot/efi	vfat	umask=0077	0	1
END
    mkdir -p "$root/boot/efi" "$root/boot/grub/x86_64-efi" \
        "$root/boot/grub/fonts" "$esp/EFI/debian"
    initramfs_tools_vmware "$root" ext4 vfat nls_ascii nls_cp437 "$@"
    update_initramfs "$root"
    grub_mkconfig "$root" "${disk}2" "$(uuid_of root)" ext2 gpt
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
}
