#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# Debian on BIOS as VMware would have left it: MBR, ext4 on /dev/sda1, swap
# on the logical /dev/sda5, grub-pc, an initrd with VMware's and IDE's
# drivers only, open-vm-tools.
#
#   make-debian.sh [debian|debian-devroot]
#
# prints the name of the image, which it makes in $V2V_TEST_CACHE if it is
# not there yet (about a minute, 1 GB).  root's password is "v2v".
#
#   debian          kernel command line and resume device by UUID, fstab
#                   by name: what the Debian installer would leave, but
#                   for fstab
#   debian-devroot  everything by name: root=/dev/sda1, RESUME=/dev/sda5

. "$(dirname "$0")/lib.sh"

name=${1:-debian}
disk_size=2048 root_size=1900 swap_start=1902 swap_size=145   # MiB

make_image ()
{
    local out=$1 root uuid swap
    workdir
    root=$work/root
    uuid=$(guest_id "$name" root) swap=$(guest_id "$name" swap)
    unpack "$base" "$root"
    configure_root "$root" "$name"
    cat >"$root/etc/fstab" <<END
# /etc/fstab: static file system information.
#
# <file system> <mount point>   <type>  <options>       <dump>  <pass>
/dev/sda1       /               ext4    errors=remount-ro 0       1
# swap was on /dev/sda5 during installation
/dev/sda5       none            swap    sw              0       0
/dev/sr0        /media/cdrom0   udf,iso9660 user,noauto     0       0
END
    mkdir -p "$root/media/cdrom0"

    initramfs_tools_vmware "$root" ext4
    case $name in
    debian)
        echo "RESUME=UUID=$swap" >"$root/etc/initramfs-tools/conf.d/resume" ;;
    debian-devroot)
        echo "RESUME=/dev/sda5" >"$root/etc/initramfs-tools/conf.d/resume"
        set_grub_default "$root" GRUB_DISABLE_LINUX_UUID true ;;
    *)  die "unknown guest: $name" ;;
    esac
    update_initramfs "$root"

    echo "grub-pc grub-pc/install_devices multiselect /dev/sda" |
        in_root_stdin "$root" debconf-set-selections
    set_grub_default "$root" GRUB_TIMEOUT 1
    set_grub_default "$root" GRUB_CMDLINE_LINUX_DEFAULT '""'
    set_grub_default "$root" GRUB_CMDLINE_LINUX \
        '"console=tty0 console=ttyS0,115200n8"'
    grub_bios_files "$root" "(,msdos1)/boot/grub" ext2 part_msdos
    grub_mkconfig "$root" /dev/sda1 "$uuid" ext2 msdos

    truncate -s "${disk_size}M" "$out"
    sfdisk -q "$out" <<END
label: dos
label-id: 0x000c29ab
unit: sectors
1 : start=2048, size=$((root_size * 2048)), type=83, bootable
2 : start=$(((swap_start - 1) * 2048)), size=$(((swap_size + 1) * 2048)), type=5
5 : start=$((swap_start * 2048)), size=$((swap_size * 2048)), type=82
END
    put_ext4 "$root" "$out" 1 $root_size "$uuid"
    put_swap "$out" $swap_start $swap_size "$swap"
    grub_bios "$root" "$out"
}

image=$cache/$name-$(digest "$0").img
if [ ! -e "$image" ]; then
    root_tar debian "$guest_packages,initramfs-tools,grub-pc"
    cached "$image" make_image
fi
echo "$image"
