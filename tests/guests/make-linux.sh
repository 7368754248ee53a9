#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# Linux guests of other layouts and families, as VMware would have left
# them.  Each refers to its disks by VMware's names (/dev/sda…) somewhere
# that a boot depends on, and has no virtio in its initrd.
#
#   make-linux.sh NAME      prints the name of the image (made if missing)
#   make-linux.sh --list    the names, and how to boot each unconverted
#
# root's password is "v2v", so is the passphrase of every LUKS device.

. "$(dirname "$0")/lib.sh"

# name         boot.sh options for the guest as it was
list ()
{
    cat <<'END'
gpt-boot       --bus sata
uefi           --bus sata --uefi
sdboot         --bus sata --uefi
lvm            --bus sata
luks-lvm       --bus sata --passphrase v2v
xfs            --bus sata
btrfs          --bus sata
dracut         --bus sata
rhel           --bus sata
END
}

console="console=tty0 console=ttyS0,115200n8"

# begin: unpacks the tree, names it, sets $root.
begin ()
{
    workdir
    root=$work/root
    unpack "$base" "$root"
    configure_root "$root" "$name"
    [ ! -e "$root/etc/default/grub" ] || {
        set_grub_default "$root" GRUB_TIMEOUT 1
        set_grub_default "$root" GRUB_CMDLINE_LINUX_DEFAULT '""'
        set_grub_default "$root" GRUB_CMDLINE_LINUX "\"$console\""; }
}

# split DIR: moves ROOT/DIR away, leaving the mount point; prints where.
split ()
{
    local to=$work/part-${1//\//-}
    mv "$root/$1" "$to"
    mkdir "$root/$1"
    echo "$to"
}

uuid_of () { guest_id "$name" "$1"; }

# --- BIOS and GPT, /boot and /home apart, all by name.
tar_gpt_boot=debian
guest_gpt_boot ()
{
    local boot home
    begin
    cat >"$root/etc/fstab" <<END
/dev/sda3	/	ext4	errors=remount-ro	0	1
/dev/sda2	/boot	ext4	defaults	0	2
/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:0:0-part4	/home	ext4	defaults,nofail,x-systemd.device-timeout=5s	0	2
/dev/sda5	none	swap	sw	0	0
END
    initramfs_tools_vmware "$root" ext4
    echo "RESUME=UUID=$(uuid_of swap)" >"$root/etc/initramfs-tools/conf.d/resume"
    update_initramfs "$root"
    grub_bios_files "$root" "(,gpt2)/grub" ext2 part_gpt
    # The stand-in for grub-probe is told of /boot as a file system.
    grub_mkconfig "$root" /dev/sda3 "$(uuid_of root)" ext2 gpt \
        /dev/sda2 "$(uuid_of boot)" ext2
    sed -i 's,/boot/\(vmlinuz\|initrd\),/\1,' "$root/boot/grub/grub.cfg"
    truncate -s 2560M "$1"
    sfdisk -q "$1" <<END
label: gpt
label-id: $(uuid_of disk)
1 : start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, uuid=$(uuid_of p1)
2 : start=4096, size=$((256 * 2048)), type=linux, uuid=$(uuid_of p2)
3 : start=$((258 * 2048)), size=$((1900 * 2048)), type=linux, uuid=$(uuid_of p3)
4 : start=$((2158 * 2048)), size=$((256 * 2048)), type=linux, uuid=$(uuid_of p4)
5 : start=$((2414 * 2048)), size=$((144 * 2048)), type=swap, uuid=$(uuid_of p5)
END
    cp "$root/boot/grub/i386-pc/"{boot,core}.img "$work/"
    boot=$(split boot)
    home=$(split home)
    put_ext4 "$boot" "$1" 2 256 "$(uuid_of boot)"
    put_ext4 "$root" "$1" 258 1900 "$(uuid_of root)"
    put_ext4 "$home" "$1" 2158 256 "$(uuid_of home)" home
    put_swap "$1" 2414 144 "$(uuid_of swap)"
    # With GPT the core goes to the BIOS boot partition; boot.img's and
    # diskboot's block numbers say where.
    "${python:-/usr/bin/python3}" - "$work/boot.img" "$work/core.img" "$1" 2048 <<'END'
import struct, sys
boot = bytearray (open (sys.argv[1], "rb").read ()[:440])
core = bytearray (open (sys.argv[2], "rb").read ())
start = int (sys.argv[4])
struct.pack_into ("<Q", boot, 0x5c, start)
boot[0x66:0x68] = b"\x90\x90"
struct.pack_into ("<Q", core, 512 - 12, start + 1)
with open (sys.argv[3], "r+b") as f:
    f.write (boot)
    f.seek (start * 512)
    f.write (core)
END
}

# --- UEFI with GRUB in EFI/debian only: the entry that started it is in the
# NVRAM of the old machine.
tar_uefi=efi
guest_uefi ()
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

# efi_disk IMAGE ESP-TREE ESP-MiB: two partitions.
efi_disk ()
{
    truncate -s 2304M "$1"
    sfdisk -q "$1" <<END
label: gpt
label-id: $(uuid_of disk)
1 : start=2048, size=$(($3 * 2048)), type=uefi, uuid=$(uuid_of p1)
2 : start=$((($3 + 1) * 2048)), size=$((1900 * 2048)), type=linux, uuid=$(uuid_of p2)
END
    put_esp "$2" "$1" 1 "$3" c29ab00d
    put_ext4 "$root" "$1" $(($3 + 1)) 1900 "$(uuid_of root)"
}

# --- UEFI with systemd-boot and loader entries; kernel and initrd on the ESP,
# which is /boot; the kernel command line names /dev/sda2.
tar_sdboot=efi
guest_sdboot ()
{
    local esp kver
    begin
    rm -f "$root/etc/default/grub"
    printf '/dev/sda2\t/\text4\terrors=remount-ro\t0\t1\n/dev/sda1\t/boot\tvfat\tumask=0077\t0\t1\n' \
        >"$root/etc/fstab"
    mkdir -p "$root/etc/kernel"
    echo "root=/dev/sda2 ro $console" >"$root/etc/kernel/cmdline"
    initramfs_tools_vmware "$root" ext4 vfat nls_ascii nls_cp437
    update_initramfs "$root"
    kver=$(ls "$root/lib/modules")
    esp=$(split boot)
    rm -rf "$esp/grub"
    mkdir -p "$esp/EFI/systemd" "$esp/EFI/BOOT" "$esp/loader/entries" \
        "$esp/debian/$kver"
    cp "$root/usr/lib/systemd/boot/efi/systemd-bootx64.efi" "$esp/EFI/systemd/"
    cp "$root/usr/lib/systemd/boot/efi/systemd-bootx64.efi" "$esp/EFI/BOOT/BOOTX64.EFI"
    mv "$esp/vmlinuz-$kver" "$esp/debian/$kver/linux"
    mv "$esp/initrd.img-$kver" "$esp/debian/$kver/initrd.img-$kver"
    printf 'timeout 1\ndefault debian-*\n' >"$esp/loader/loader.conf"
    cat >"$esp/loader/entries/debian-$kver.conf" <<END
# Boot Loader Specification type#1 entry
title      Debian GNU/Linux 12 (bookworm)
version    $kver
sort-key   debian
options    root=/dev/sda2 ro $console systemd.machine_id=$(cat "$root/etc/machine-id")
linux      /debian/$kver/linux
initrd     /debian/$kver/initrd.img-$kver
END
    efi_disk "$1" "$esp" 192
}

# --- /boot by name, the rest in LVM, with the swap.
lvm_root=1900 lvm_swap=128
# lvm_layout IMAGE DEVICE
lvm_layout ()
{
    appliance --format=raw -a "$1" <<END
run
pvcreate $2
vgcreate vg $2
lvcreate root vg $lvm_root
lvcreate swap vg $lvm_swap
END
}
lvm_files ()
{
    cat >"$root/etc/fstab" <<END
/dev/mapper/vg-root	/	ext4	errors=remount-ro	0	1
/dev/sda1	/boot	ext4	defaults	0	2
/dev/mapper/vg-swap	none	swap	sw	0	0
END
    echo "RESUME=/dev/mapper/vg-swap" >"$root/etc/initramfs-tools/conf.d/resume"
    initramfs_tools_vmware "$root" ext4 dm_mod dm_crypt xts aes_generic \
        aesni_intel sha256_generic algif_skcipher cryptd
    update_initramfs "$root"
    grub_bios_files "$root" "(,msdos1)/grub" ext2 part_msdos
    grub_mkconfig "$root" /dev/mapper/vg-root "$(uuid_of root)" ext2 msdos \
        /dev/sda1 "$(uuid_of boot)" ext2 lvm
    sed -i 's,/boot/\(vmlinuz\|initrd\),/\1,' "$root/boot/grub/grub.cfg"
}
# lvm_disk IMAGE MiB: /boot, and one more partition
lvm_disk ()
{
    truncate -s $(($2 + 258))M "$1"
    sfdisk -q "$1" <<END
label: dos
label-id: 0x000c29ab
1 : start=2048, size=$((256 * 2048)), type=83, bootable
2 : start=$((257 * 2048)), size=$(($2 * 2048)), type=8e
END
}
tar_lvm=storage
guest_lvm ()
{
    local boot
    begin
    lvm_files
    lvm_disk "$1" 2056
    grub_bios "$root" "$1"
    lvm_layout "$1" /dev/sda2
    boot=$(split boot)
    put_ext4 "$boot" "$1" 1 256 "$(uuid_of boot)"
    # The first extent of a PV is at 1 MiB, and root was made first.
    put_ext4 "$root" "$1" 258 $lvm_root "$(uuid_of root)"
    put_swap "$1" $((258 + lvm_root)) $lvm_swap "$(uuid_of swap)"
}

# --- The Debian installer's "encrypted LVM": LUKS2 on a partition, LVM in it.
tar_luks_lvm=storage
guest_luks_lvm ()
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

# --- XFS for everything, by name.
tar_xfs=storage
guest_xfs ()
{
    begin
    printf '/dev/sda1\t/\txfs\tdefaults\t0\t0\n' >"$root/etc/fstab"
    initramfs_tools_vmware "$root" xfs
    echo "RESUME=none" >"$root/etc/initramfs-tools/conf.d/resume"
    set_grub_default "$root" GRUB_DISABLE_LINUX_UUID true
    update_initramfs "$root"
    grub_bios_files "$root" "(,msdos1)/boot/grub" xfs part_msdos
    grub_mkconfig "$root" /dev/sda1 "$(uuid_of root)" xfs msdos
    one_partition "$1" 2048
    put_xfs "$root" "$1" 1 2046 "$(uuid_of root)"
    grub_bios "$root" "$1"
}
# one_partition IMAGE MiB
one_partition ()
{
    truncate -s "$2M" "$1"
    sfdisk -q "$1" <<END
label: dos
label-id: 0x000c29ab
1 : start=2048, size=$((($2 - 2) * 2048)), type=83, bootable
END
}

# --- btrfs as the Debian installer makes it: / in @rootfs; and a snapshot.
tar_btrfs=storage
guest_btrfs ()
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

# --- dracut instead of initramfs-tools.
tar_dracut=dracut
# dracut_vmware ROOT FS...: as hostonly dracut leaves it on VMware; the guest's
# own configuration stays as its distribution has it.
dracut_vmware ()
{
    local kver
    kver=$(ls "$root/lib/modules")
    in_root "$root" dracut --force --no-hostonly --kver "$kver" \
        --omit "qemu qemu-net virtiofs nvdimm network kernel-network-modules ifcfg" \
        --drivers "vmw_pvscsi mptspi mptsas ata_piix ata_generic ahci sd_mod sr_mod dm_mod crc32c_generic crc32c_intel libcrc32c $*" \
        "$initrd_name"
    if in_root "$root" sh -c "lsinitrd '$initrd_name' | grep 'virtio.*ko'"; then
        die "the guest's initrd has virtio drivers"
    fi
}
guest_dracut ()
{
    begin
    printf '/dev/sda1\t/\text4\terrors=remount-ro\t0\t1\n' >"$root/etc/fstab"
    initrd_name=/boot/initrd.img-$(ls "$root/lib/modules")
    dracut_vmware ext4
    set_grub_default "$root" GRUB_DISABLE_LINUX_UUID true
    grub_bios_files "$root" "(,msdos1)/boot/grub" ext2 part_msdos
    grub_mkconfig "$root" /dev/sda1 "$(uuid_of root)" ext2 msdos
    one_partition "$1" 2048
    put_ext4 "$root" "$1" 1 2046 "$(uuid_of root)"
    grub_bios "$root" "$1"
}

# --- The layout of RHEL 9: rpm database, dracut, BLS entries, /boot/grub2,
# XFS in LVM, ifcfg.  Its GRUB is Debian's, which cannot read BLS entries, so
# that grub.cfg has a menu entry besides.
tar_rhel=dracut
guest_rhel ()
{
    local kver boot mid
    begin
    kver=$(ls "$root/lib/modules")
    mid=$(cat "$root/etc/machine-id")
    cat >"$root/usr/lib/os-release" <<'END'
NAME="Rocky Linux"
VERSION="9.4 (Blue Onyx)"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.4"
PLATFORM_ID="platform:el9"
PRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"
END
    echo "Rocky Linux release 9.4 (Blue Onyx)" >"$root/etc/redhat-release"
    ln -sf redhat-release "$root/etc/system-release"
    rm -rf "$root/etc/debian_version" "$root/etc/network" \
        "$root"/var/lib/dpkg/{status,available} "$root/etc/default/grub.d" \
        "$root"/etc/systemd/system/*.wants/networking.service
    mkdir -p "$root/etc/sysconfig/network-scripts" "$root/etc/dracut.conf.d"
    cat >"$root/etc/sysconfig/network-scripts/ifcfg-ens192" <<'END'
TYPE=Ethernet
BOOTPROTO=none
NAME=ens192
DEVICE=ens192
ONBOOT=yes
IPADDR=192.168.77.10
PREFIX=24
GATEWAY=192.168.77.1
END
    # Kernel, initrd and rpm's package.
    mv "$root/boot/config-$kver" "$work/config"
    rm -f "$root"/boot/initrd* "$root/boot/System.map"*
    initrd_name=/boot/initramfs-$kver.img
    dracut_vmware xfs
    rhel_rpms "$kver"
    # Boot loader.
    mkdir -p "$root/boot/loader/entries" "$root/boot/grub2"
    cat >"$root/boot/loader/entries/$mid-$kver.conf" <<END
title Rocky Linux ($kver) 9.4 (Blue Onyx)
version $kver
linux /vmlinuz-$kver
initrd /initramfs-$kver.img \$tuned_initrd
options root=/dev/mapper/rl-root ro $console resume=/dev/mapper/rl-swap rd.lvm.lv=rl/root rd.lvm.lv=rl/swap \$tuned_params
grub_users \$grub_users
grub_arg --unrestricted
grub_class rocky
END
    cat >"$root/etc/default/grub" <<END
GRUB_TIMEOUT=1
GRUB_DISTRIBUTOR="\$(sed 's, release .*\$,,g' /etc/system-release)"
GRUB_DEFAULT=saved
GRUB_DISABLE_SUBMENU=true
GRUB_TERMINAL_OUTPUT="console"
GRUB_CMDLINE_LINUX="$console resume=/dev/mapper/rl-swap rd.lvm.lv=rl/root rd.lvm.lv=rl/swap"
GRUB_DISABLE_RECOVERY="true"
GRUB_ENABLE_BLSCFG=true
END
    ln -sf /etc/default/grub "$root/etc/sysconfig/grub"
    cat >"$root/boot/grub2/grub.cfg" <<END
set timeout=1
insmod part_msdos
insmod xfs
search --no-floppy --fs-uuid --set=root $(uuid_of boot)
# The menu entries of BLS, written out for a GRUB without blscfg.
menuentry 'Rocky Linux ($kver) 9.4 (Blue Onyx)' {
	linux /vmlinuz-$kver root=/dev/mapper/rl-root ro $console resume=/dev/mapper/rl-swap rd.lvm.lv=rl/root rd.lvm.lv=rl/swap
	initrd /initramfs-$kver.img
}
END
    ln -sf ../boot/grub2/grub.cfg "$root/etc/grub2.cfg"
    grub_bios_files "$root" "(,msdos1)/grub2" xfs part_msdos
    rsync_dir "$root/boot/grub" "$root/boot/grub2"
    grub-editenv "$root/boot/grub2/grubenv" set "saved_entry=$mid-$kver" "boot_success=1"
    cat >"$root/etc/fstab" <<END
/dev/mapper/rl-root     /                       xfs     defaults        0 0
/dev/sda1               /boot                   xfs     defaults        0 0
/dev/mapper/rl-swap     none                    swap    defaults        0 0
END
    truncate -s 2820M "$1"
    sfdisk -q "$1" <<END
label: dos
label-id: 0x000c29ab
1 : start=2048, size=$((512 * 2048)), type=83, bootable
2 : start=$((513 * 2048)), size=$((2300 * 2048)), type=8e
END
    appliance --format=raw -a "$1" <<'END'
run
pvcreate /dev/sda2
vgcreate rl /dev/sda2
lvcreate root rl 2048
lvcreate swap rl 128
END
    cp "$root/boot/grub2/i386-pc/"{boot,core}.img "$work/"
    boot=$(split boot)
    put_xfs "$boot" "$1" 1 512 "$(uuid_of boot)"
    put_xfs "$root" "$1" 514 2048 "$(uuid_of root)"
    put_swap "$1" $((514 + 2048)) 128 "$(uuid_of swap)"
    mkdir -p "$root/boot/grub/i386-pc"
    cp "$work/"{boot,core}.img "$root/boot/grub/i386-pc/"
    grub_bios "$root" "$1"
}
rsync_dir () { cp -a "$1/." "$2/"; rm -rf "$1"; }

# rhel_rpms KVER: packages in rpm's database, with the files that are there.
# rpmbuild in the guest packs copies of them; then only the database is
# written.
rhel_rpms ()
{
    local kver=$1 d=$root/root/rpm
    mkdir -p "$d"
    rpm_spec "$d" kernel-core 5.14.0 427.13.1.el9_4 \
        "/boot/vmlinuz-$kver" "/lib/modules/$kver"
    rpm_spec "$d" open-vm-tools 12.2.5 3.el9 /usr/bin/vmtoolsd
    rpm_spec "$d" systemd 252 32.el9_4 /usr/lib/systemd/systemd
    rpm_spec "$d" rocky-release 9.4 1.7.el9 /etc/redhat-release /usr/lib/os-release
    in_root "$root" bash -ec '
        for s in /root/rpm/*.spec; do
            rpmbuild --quiet -bb --define "_topdir /root/rpm" \
                --define "_rpmdir /root/rpm" --define "_dbpath /var/lib/rpm" \
                --define "__spec_install_post %{nil}" \
                --define "_binary_payload w1.gzdio" "$s"
        done
        rpm --dbpath /var/lib/rpm --initdb
        rpm --dbpath /var/lib/rpm -i --justdb --nodeps --noscripts \
            /root/rpm/x86_64/*.rpm
        rpm --dbpath /var/lib/rpm -qa'
    rm -rf "$d"
}
# rpm_spec DIR NAME VERSION RELEASE FILE...
rpm_spec ()
{
    local d=$1 n=$2 v=$3 r=$4 f; shift 4
    {
        printf '%s\n' "Name: $n" "Version: $v" "Release: $r" "Summary: $n" \
            "License: none" "AutoReqProv: no" "%global debug_package %{nil}" \
            "%description" "$n" "%install"
        for f in "$@"; do
            echo "mkdir -p '%{buildroot}${f%/*}'; cp -a '$f' '%{buildroot}$f'"
        done
        echo "%files"
        printf '%s\n' "$@"
    } >"$d/$n.spec"
}

name=${1:?which guest?}
if [ "$name" = --list ]; then list; exit; fi
list | grep -q "^$name " || die "unknown guest: $name (see --list)"
fn=${name//-/_}
image=$cache/$name-$(digest "$0").img
if [ ! -e "$image" ]; then
    t=tar_$fn
    case ${!t} in
    debian) root_tar debian "$guest_packages,initramfs-tools,grub-pc" ;;
    storage) root_tar storage "$guest_packages,initramfs-tools,grub-pc,lvm2,cryptsetup-initramfs,mdadm,btrfs-progs,xfsprogs" ;;
    efi) root_tar efi "$guest_packages,initramfs-tools,grub-efi-amd64,systemd-boot-efi" ;;
    dracut) root_tar dracut "$guest_packages,dracut,grub-pc,lvm2,xfsprogs,btrfs-progs,zstd,rpm" ;;
    esac
    cached "$image" "guest_$fn"
fi
echo "$image"
