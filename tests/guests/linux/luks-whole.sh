# SPDX-License-Identifier: BSD-3-Clause
# A second disk that is LUKS from its first sector, which crypttab calls
# /dev/sdb; its key is a file in the guest.  The root is a plain partition.
# No key is given to the conversion: it need not look into that disk.
boot=(--bus sata)
disks=2
profile=storage

guest ()
{
    local data=$work/data
    begin
    mkdir -p "$root/etc/keys" "$root/srv/data" "$data"
    openssl dgst -sha256 -binary <(uuid_of key) >"$root/etc/keys/data.key"
    chmod 400 "$root/etc/keys/data.key"
    echo "data /dev/sdb /etc/keys/data.key luks" >"$root/etc/crypttab"
    cat >"$root/etc/fstab" <<END
/dev/sda1	/	ext4	errors=remount-ro	0	1
/dev/mapper/data	/srv/data	ext4	defaults	0	2
END
    initramfs_tools_vmware "$root" ext4
    echo "RESUME=none" >"$root/etc/initramfs-tools/conf.d/resume"
    update_initramfs "$root"
    grub_bios_files "$root" "(,msdos1)/boot/grub" ext2 part_msdos
    grub_mkconfig "$root" /dev/sda1 "$(uuid_of root)" ext2 msdos
    one_partition "$1" 2048
    cp "$root/etc/keys/data.key" "$work/key"
    put_ext4 "$root" "$1" 1 2046 "$(uuid_of root)"
    grub_bios "$root" "$1"

    truncate -s 128M "$2"
    cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 \
        --pbkdf-force-iterations 1000 --uuid "$(uuid_of luks)" \
        --key-file "$work/key" "$2"
    echo "what the second disk holds" >"$data/file"
    truncate -s 112M "$work/fs"
    put_ext4 "$data" "$work/fs" 0 112 "$(uuid_of data)" data
    # guestfish takes keys as lines; one of another slot is removed again.
    printf %s "$guest_password" |
        cryptsetup -q luksAddKey --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
            --key-file "$work/key" "$2" -
    printf '%s\n' "$guest_password" |
        appliance --keys-from-stdin -- \
            add-drive "$2" format:raw : \
            add-drive "$work/fs" format:raw readonly:true : \
            run : luks-open /dev/sda crypt : \
            copy-device-to-device /dev/sdb /dev/mapper/crypt sparse:true : \
            sync
    cryptsetup -q luksKillSlot --key-file "$work/key" "$2" 1
}
