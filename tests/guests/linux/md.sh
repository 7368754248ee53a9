# SPDX-License-Identifier: BSD-3-Clause
# Two disks, mirrored: /boot on an array with metadata 1.0, / on one with
# 1.2, both read by GRUB.  mdadm.conf, whose copy is in the initrd, allows
# /dev/sd* only; each disk has a swap partition of its own, by name.
boot=(--bus sata)
disks=2
profile=storage

# The UUID of array N, as mdadm writes it.
md_uuid ()
{
    local u
    u=$(uuid_of "md$1"); u=${u//-/}
    echo "${u:0:8}:${u:8:8}:${u:16:8}:${u:24:8}"
}

guest ()
{
    local d n boot
    begin
    cat >"$root/etc/fstab" <<END
/dev/md1	/	ext4	errors=remount-ro	0	1
/dev/md0	/boot	ext4	defaults	0	2
/dev/sda3	none	swap	sw	0	0
/dev/sdb3	none	swap	sw	0	0
END
    cat >"$root/etc/mdadm/mdadm.conf" <<END
# mdadm.conf
DEVICE /dev/sd*
HOMEHOST <system>
MAILADDR root
ARRAY /dev/md0 metadata=1.0 UUID=$(md_uuid 0) name=$name:0
ARRAY /dev/md1 metadata=1.2 UUID=$(md_uuid 1) name=$name:1
END
    initramfs_tools_vmware "$root" ext4 md_mod raid1
    echo "RESUME=none" >"$root/etc/initramfs-tools/conf.d/resume"
    set_grub_default "$root" GRUB_DISABLE_LINUX_UUID true
    update_initramfs "$root"
    n=$(md_uuid 0)
    grub_bios_files "$root" "(mduuid/${n//:/})/grub" ext2 part_msdos mdraid1x
    grub_mkconfig "$root" /dev/md1 "$(uuid_of root)" ext2 msdos \
        /dev/md0 "$(uuid_of boot)" ext2 "diskfilter mdraid1x"
    sed -i -e 's,/boot/\(vmlinuz\|initrd\),/\1,' \
        -e "s,set root='[^']*',set root='mduuid/${n//:/}'," \
        -e 's,--hint[^ ]* *,,g' "$root/boot/grub/grub.cfg"
    for d in "$1" "$2"; do
        truncate -s 2400M "$d"
        sfdisk -q "$d" <<END
label: dos
label-id: 0x000c29a$([ "$d" = "$1" ] && echo b || echo c)
1 : start=2048, size=$((256 * 2048)), type=fd, bootable
2 : start=$((257 * 2048)), size=$((1920 * 2048)), type=fd
3 : start=$((2177 * 2048)), size=$((128 * 2048)), type=82
END
        grub_bios "$root" "$d"
    done
    put_swap "$1" 2177 128 "$(uuid_of swap)"
    put_swap "$2" 2177 128 "$(uuid_of swap2)"
    appliance --format=raw -a "$1" -a "$2" <<END
run
debug sh "mdadm --create /dev/md0 --run --assume-clean --level=1 --raid-devices=2 --metadata=1.0 --bitmap=none --homehost=$name --name=0 --uuid=$(md_uuid 0) /dev/sda1 /dev/sdb1"
debug sh "mdadm --create /dev/md1 --run --assume-clean --level=1 --raid-devices=2 --metadata=1.2 --bitmap=none --data-offset=1024 --homehost=$name --name=1 --uuid=$(md_uuid 1) /dev/sda2 /dev/sdb2"
debug sh "mdadm --stop /dev/md0 /dev/md1"
END
    boot=$(split boot)
    # With metadata 1.0 the file system is at the start of the members, here
    # with 1.2 1 MiB from it.
    truncate -s 255M "$work/md0"
    put_ext4 "$boot" "$work/md0" 0 255 "$(uuid_of boot)"
    truncate -s 1900M "$work/md1"
    put_ext4 "$root" "$work/md1" 0 1900 "$(uuid_of root)"
    for d in "$1" "$2"; do
        place "$work/md0" "$d" 1
        place "$work/md1" "$d" 258
    done
}
