# SPDX-License-Identifier: BSD-3-Clause
# btrfs as the Debian installer makes it: / in @rootfs; and a snapshot.
boot=(--bus sata)
profile=storage

guest ()
{
    begin
    printf '/dev/sda1\t/\tbtrfs\tdefaults,subvol=@rootfs\t0\t0\n' >"$root/etc/fstab"
    initramfs_tools_vmware "$root" btrfs
    echo "RESUME=none" >"$root/etc/initramfs-tools/conf.d/resume"
    update_initramfs "$root"
    grub_bios_files "$root" "(,msdos1)/@rootfs/boot/grub" btrfs part_msdos
    grub_mkconfig "$root" /dev/sda1 "$(uuid_of root)" btrfs msdos
    # What grub-mkconfig finds by the subvolume that is mounted.
    sed -i -e 's,/boot/\(vmlinuz\|initrd\),/@rootfs/boot/\1,' \
        -e 's,\(root=UUID=[^ ]*\),\1 rootflags=subvol=@rootfs,' \
        "$root/boot/grub/grub.cfg"
    one_partition "$1" 2560
    settle "$root"
    rm -f "$work/fs"
    truncate -s 2558M "$work/fs"
    mkfs.btrfs -q -U "$(uuid_of root)" --rootdir "$root" "$work/fs" >&2
    place "$work/fs" "$1" 1
    rm -f "$work/fs"
    grub_bios "$root" "$1"
    appliance --format=raw -a "$1" <<'END'
run
mount /dev/sda1 /
btrfs-subvolume-snapshot / /@rootfs
btrfs-subvolume-snapshot /@rootfs /@snapshot-before-update ro:true
glob rm-rf /[a-z]*
umount-all
END
}
