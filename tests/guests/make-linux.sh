#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# Linux guests of other layouts and families, as VMware would have left
# them.  Each refers to its disks by VMware's names (/dev/sda…) somewhere
# that a boot depends on, and has no virtio in its initrd.
#
#   make-linux.sh NAME      prints the names of its disks' images, one per
#                           line, in their order (made if missing)
#   make-linux.sh --list    the guests
#   make-linux.sh --boot NAME     boot.sh's options for the guest as it was
#   make-linux.sh --convert NAME  v2v-convert's parameters for it
#   make-linux.sh --refuse NAME   parameters with which it must refuse
#   make-linux.sh --needs NAME    programs and files without which it is skipped
#   make-linux.sh --warnings NAME the codes of warnings that it must give
#   make-linux.sh --sound NAME    commands that must succeed in it, one per
#                           line; none: those of test-guests.sh
#   make-linux.sh --converted NAME  commands that must succeed before them,
#                           after the conversion; the work left to the first
#                           boot may not be done yet
#   make-linux.sh --card NAME     the name and the MAC address of its card,
#                           which it must have after the conversion, too
#
# root's password is "v2v", so is the passphrase of every LUKS device.
#
# A guest is a file, linux/NAME.sh, which is sourced and
#
#   - says at its top what is particular to it;
#   - sets boot=(…), boot.sh's options for the guest as it was;
#   - sets profile=NAME, the packages of its root file system (see packages
#     below; a set that one guest needs: profile=NAME packages=LIST);
#   - may set convert=(…), parameters for v2v-convert; refuse=(…), parameters
#     with which it must fail; disks=N, the number of its disks;
#   - may set needs=(…), warnings=(…), sound=(…), converted=(…) and
#     card="NAME MAC", see above;
#   - says "use NAME" for each lib-NAME.sh that it needs;
#   - defines guest (), which writes the disks to the names that it is given.
#     It begins with "begin" (lib-linux.sh) and may use what lib.sh has.
#
# The names of images hold the digest of lib.sh, lib-linux.sh, the libraries
# that the guest uses, its packages and its own file: a change of one guest
# leaves the others as they are.  The disks of a guest are NAME-DIGEST.img,
# NAME-DIGEST-1.img, …; the first is renamed last, so that all are there if
# it is.

. "$(dirname "$0")/lib.sh"
. "$here/lib-linux.sh"

# packages PROFILE
packages ()
{
    local p=$guest_packages
    case $1 in
    debian) p+=,initramfs-tools,grub-pc ;;
    storage) p+=,initramfs-tools,grub-pc,lvm2,cryptsetup-initramfs,mdadm,btrfs-progs,xfsprogs ;;
    efi) p+=,initramfs-tools,grub-efi-amd64,systemd-boot-efi ;;
    dracut) p+=,dracut,grub-pc,lvm2,xfsprogs,btrfs-progs,zstd,rpm ;;
    dracut-efi) p+=,dracut,grub-efi-amd64-bin,grub-common,systemd-boot-efi,btrfs-progs,zstd,rpm,pacman-package-manager ;;
    *) die "unknown profile: $1" ;;
    esac
    echo "$p"
}

# use NAME: what is in lib-NAME.sh.
sources=("$here/lib-linux.sh")
use () { . "$here/lib-$1.sh"; sources+=("$here/lib-$1.sh"); }

list () { (cd "$here/linux" && printf '%s\n' *.sh | sed 's/\.sh$//'); }

# load NAME
load ()
{
    name=$1 boot=() convert=() refuse=() needs=() warnings=() sound=() converted=() card='' disks=1 profile='' packages=''
    [ -f "$here/linux/$name.sh" ] || die "unknown guest: $name (see --list)"
    . "$here/linux/$name.sh"
    sources+=("$here/linux/$name.sh")
    [ -n "$packages" ] || packages=$(packages "$profile")
}

# disk_name FIRST N: the name of disk N, where FIRST is that of disk 0.
disk_name () { [ "$2" = 0 ] && echo "$1" || echo "${1%.img*}-$2.img${1##*.img}"; }

# make_disks FILE.part: the whole guest.
make_disks ()
{
    local i files=()
    for ((i = 0; i < disks; i++)); do
        files+=("$(disk_name "$1" "$i")")
    done
    rm -f "${files[@]}"
    guest "${files[@]}"
    for ((i = 1; i < disks; i++)); do
        mv "${files[i]}" "${files[i]%.part}"
    done
}

case ${1:?which guest?} in
--list) list ;;
--boot) load "$2"; echo "${boot[*]}" ;;
--convert) load "$2"; echo "${convert[*]}" ;;
--refuse) load "$2"; echo "${refuse[*]}" ;;
--needs) load "$2"; echo "${needs[*]}" ;;
--warnings) load "$2"; echo "${warnings[*]}" ;;
--card) load "$2"; echo "$card" ;;
--sound) load "$2"; [ ${#sound[@]} = 0 ] || printf '%s\n' "${sound[@]}" ;;
--converted) load "$2"; [ ${#converted[@]} = 0 ] || printf '%s\n' "${converted[@]}" ;;
*)  load "$1"
    image=$cache/$name-$(digest "${sources[@]}" <(echo "$packages")).img
    if [ ! -e "$image" ]; then
        root_tar "$profile" "$packages"
        cached "$image" make_disks
    fi
    for ((i = 0; i < disks; i++)); do disk_name "$image" "$i"; done ;;
esac
