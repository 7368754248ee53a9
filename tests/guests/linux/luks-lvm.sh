# SPDX-License-Identifier: BSD-3-Clause
# The Debian installer's "encrypted LVM": LUKS2 on a partition, LVM in it.
boot=(--bus sata --passphrase v2v)
convert=(v2v-key=all:key:v2v)
profile=storage
use lvm

guest ()
{
    local boot pv=$work/pv
    begin
    # In its initrd cryptsetup-initramfs puts the UUID; /etc/crypttab has
    # the name.
    echo "sda2_crypt UUID=$(uuid_of luks) none luks,discard,initramfs" >"$root/etc/crypttab"
    lvm_files
    echo "sda2_crypt /dev/sda2 none luks,discard,initramfs" >"$root/etc/crypttab"
    lvm_disk "$1" 2080
    grub_bios "$root" "$1"
    boot=$(split boot)
    put_ext4 "$boot" "$1" 1 256 "$(uuid_of boot)"

    truncate -s 2056M "$pv"
    lvm_layout "$pv" /dev/sda
    put_ext4 "$root" "$pv" 1 $lvm_root "$(uuid_of root)"
    put_swap "$pv" $((1 + lvm_root)) $lvm_swap "$(uuid_of swap)"
    truncate -s 2080M "$work/luks"
    printf %s "$guest_password" |
        cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 \
            --pbkdf-force-iterations 1000 --uuid "$(uuid_of luks)" "$work/luks" -
    dd if="$work/luks" of="$1" bs=1M count=16 seek=257 conv=notrunc status=none
    printf '%s\n' "$guest_password" |
        appliance --keys-from-stdin -- \
            add-drive "$1" format:raw : \
            add-drive "$pv" format:raw readonly:true : \
            run : luks-open /dev/sda2 crypt : \
            copy-device-to-device /dev/sdb /dev/mapper/crypt sparse:true : \
            sync
}
