# SPDX-License-Identifier: BSD-3-Clause
# LUKS2 on a logical volume: / is in /dev/vg/root, which crypttab names;
# /boot by name, swap in a volume of its own.
boot=(--bus sata --passphrase v2v)
convert=(v2v-key=/dev/vg/root:key:v2v)
profile=storage
use lvm

guest ()
{
    local boot fs=$work/crypt size=1860
    begin
    echo "root_crypt /dev/vg/root none luks,discard,initramfs" >"$root/etc/crypttab"
    cat >"$root/etc/fstab" <<END
/dev/mapper/root_crypt	/	ext4	errors=remount-ro	0	1
/dev/sda1	/boot	ext4	defaults	0	2
/dev/mapper/vg-swap	none	swap	sw	0	0
END
    echo "RESUME=/dev/mapper/vg-swap" >"$root/etc/initramfs-tools/conf.d/resume"
    initramfs_tools_vmware "$root" ext4 dm_mod dm_crypt xts aes_generic \
        aesni_intel sha256_generic algif_skcipher cryptd
    update_initramfs "$root"
    grub_bios_files "$root" "(,msdos1)/grub" ext2 part_msdos
    grub_mkconfig "$root" /dev/mapper/root_crypt "$(uuid_of root)" ext2 msdos \
        /dev/sda1 "$(uuid_of boot)" ext2 lvm
    sed -i 's,/boot/\(vmlinuz\|initrd\),/\1,' "$root/boot/grub/grub.cfg"
    lvm_disk "$1" 2056
    grub_bios "$root" "$1"
    lvm_layout "$1" /dev/sda2
    boot=$(split boot)
    put_ext4 "$boot" "$1" 1 256 "$(uuid_of boot)"
    put_swap "$1" $((258 + lvm_root)) $lvm_swap "$(uuid_of swap)"
    # What goes into the volume: LUKS's header of 16 MiB, and the rest
    # encrypted by the appliance.
    truncate -s "${lvm_root}M" "$work/luks"
    printf %s "$guest_password" |
        cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 \
            --pbkdf-force-iterations 1000 --uuid "$(uuid_of luks)" "$work/luks" -
    dd if="$work/luks" of="$1" bs=1M count=16 seek=258 conv=notrunc status=none
    truncate -s "${size}M" "$fs"
    put_ext4 "$root" "$fs" 0 "$size" "$(uuid_of root)"
    printf '%s\n' "$guest_password" |
        appliance --keys-from-stdin -- \
            add-drive "$1" format:raw : \
            add-drive "$fs" format:raw readonly:true : \
            run : luks-open /dev/vg/root crypt : \
            copy-device-to-device /dev/sdb /dev/mapper/crypt sparse:true : \
            sync
}
