# SPDX-License-Identifier: BSD-3-Clause
# The layout of openSUSE Leap: btrfs with its subvolumes, / in the first of
# snapper's snapshots and that the default subvolume, so that fstab and the
# kernel command line do not name it; /boot/grub2 with the platform's modules
# in a subvolume of their own; initrd-VERSION by dracut; rpm's database in
# /usr/lib/sysimage; wicked's ifcfg files.  SUSE's GRUB takes names from the
# default subvolume; this one, Debian's, from the top of the file system, so
# that grub.cfg has them in full.
boot=(--bus sata)
card="eth0 00:0c:29:ab:00:01"
profile=dracut
use dracut
use family
use rpm

subvolumes="boot/grub2/i386-pc boot/grub2/x86_64-efi home opt root srv tmp usr/local var"
snapshot=@/.snapshots/1/snapshot

# suse_network: eth0, whose name the installer's rule keeps.
suse_network ()
{
    mkdir -p "$root/etc/sysconfig/network" "$root/etc/udev/rules.d"
    cat >"$root/etc/sysconfig/network/ifcfg-eth0" <<'END'
IPADDR='192.168.77.10/24'
BOOTPROTO='static'
STARTMODE='auto'
ZONE=public
END
    echo 'default 192.168.77.1 - -' >"$root/etc/sysconfig/network/routes"
    echo 'NETCONFIG_DNS_STATIC_SERVERS="192.168.77.1"' \
        >"$root/etc/sysconfig/network/config"
    cat >"$root/etc/udev/rules.d/70-persistent-net.rules" <<'END'
SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="00:0c:29:ab:00:01", ATTR{dev_id}=="0x0", ATTR{type}=="1", KERNEL=="eth*", NAME="eth0"
END
}

# suse_loader KVER
suse_loader ()
{
    cat >"$root/etc/default/grub" <<END
GRUB_DISTRIBUTOR=
GRUB_DEFAULT=saved
GRUB_HIDDEN_TIMEOUT=0
GRUB_HIDDEN_TIMEOUT_QUIET=true
GRUB_TIMEOUT=1
GRUB_CMDLINE_LINUX_DEFAULT="splash=silent resume=/dev/sda1 mitigations=auto $console"
GRUB_CMDLINE_LINUX=""
GRUB_TERMINAL="console"
GRUB_DISABLE_LINUX_UUID=true
GRUB_DISABLE_OS_PROBER="true"
SUSE_BTRFS_SNAPSHOT_BOOTING="true"
END
    printf '/dev/sda\nactivate\ngeneric_mbr\n' >"$root/etc/default/grub_installdevice"
    cat >"$root/etc/sysconfig/bootloader" <<END
## Path:	System/Bootloader
LOADER_TYPE="grub2"
SECURE_BOOT="no"
TRUSTED_BOOT="no"
DEFAULT_APPEND="resume=/dev/sda1 splash=silent"
END
    cat >"$root/etc/sysconfig/kernel" <<'END'
## Path: System/Kernel
INITRD_MODULES=""
DOMU_INITRD_MODULES="xennet xenblk"
END
    printf '(hd0)\t/dev/sda\n' >"$root/boot/grub2/device.map"
    grub2_cfg /boot/grub2 "$(uuid_of root)" "insmod btrfs" \
        'btrfs_relative_path="yes"' "export btrfs_relative_path"
    grub_entry "openSUSE Leap 15.6" \
        "linux /$snapshot/boot/vmlinuz-$1 root=/dev/sda2 \${extra_cmdline} splash=silent resume=/dev/sda1 mitigations=auto $console" \
        "initrd /$snapshot/boot/initrd-$1"
    ln -s "vmlinuz-$1" "$root/boot/vmlinuz"
    ln -s "initrd-$1" "$root/boot/initrd"
}

guest ()
{
    local kver d
    begin
    kver=$(ls "$root/lib/modules")
    become <<'END'
NAME="openSUSE Leap"
VERSION="15.6"
ID="opensuse-leap"
ID_LIKE="suse opensuse"
VERSION_ID="15.6"
PRETTY_NAME="openSUSE Leap 15.6"
ANSI_COLOR="0;32"
CPE_NAME="cpe:/o:opensuse:leap:15.6"
END
    for d in $subvolumes; do mkdir -p "$root/$d"; done
    mkdir -p "$root/.snapshots" "$root/usr/lib/sysimage/rpm"
    rm -rf "$root/var/lib/rpm"
    ln -s ../../usr/lib/sysimage/rpm "$root/var/lib/rpm"
    suse_network
    {
        printf '/dev/sda2\t/\tbtrfs\tdefaults\t0\t0\n'
        for d in $subvolumes; do
            printf '/dev/sda2\t/%s\tbtrfs\tsubvol=/@/%s\t0\t0\n' "$d" "$d"
        done
        printf '/dev/sda2\t/.snapshots\tbtrfs\tsubvol=/@/.snapshots\t0\t0\n'
        printf '/dev/sda1\tswap\tswap\tdefaults\t0\t0\n'
    } >"$root/etc/fstab"
    initrd_name=/boot/initrd-$kver
    dracut_vmware btrfs
    rpm_spec kernel-default 6.4.0 150600.21.3 \
        "/boot/vmlinuz-$kver" "/lib/modules/$kver"
    rpm_spec open-vm-tools 12.3.5 150600.1.1 /usr/bin/vmtoolsd
    rpm_spec openSUSE-release 15.6 lp156.413.1 /usr/lib/os-release
    rpm_database

    # The directory of modules is another subvolume, empty until it is
    # mounted: all that is needed to read grub.cfg is in the core.
    grub_bios_files "$root" "(,msdos2)/$snapshot/boot/grub2" btrfs part_msdos \
        normal linux search search_fs_uuid echo test
    grub_dir /boot/grub2
    suse_loader "$kver"

    truncate -s 3200M "$1"
    sfdisk -q "$1" <<END
label: dos
label-id: 0x000c29ab
1 : start=2048, size=$((128 * 2048)), type=82
2 : start=$((129 * 2048)), size=$((3070 * 2048)), type=83, bootable
END
    put_swap "$1" 1 128 "$(uuid_of swap)"
    settle "$root"
    rm -f "$work/fs"
    truncate -s 3070M "$work/fs"
    mkfs.btrfs -q -U "$(uuid_of root)" --rootdir "$root" "$work/fs" >&2
    place "$work/fs" "$1" 129
    rm -f "$work/fs"
    {
        cat <<END
run
mount /dev/sda2 /
btrfs-subvolume-create /@
btrfs-subvolume-create /@/.snapshots
mkdir /@/.snapshots/1
btrfs-subvolume-snapshot / /$snapshot
mkdir-p /@/boot/grub2
mkdir /@/usr
END
        for d in $subvolumes; do
            echo "btrfs-subvolume-create /@/$d"
            echo "debug sh \"cp -a --reflink=auto /sysroot/$d/. /sysroot/@/$d/\""
            echo "debug sh \"find /sysroot/$snapshot/$d -mindepth 1 -delete\""
        done
        cat <<END
debug sh "rmdir /sysroot/$snapshot/@"
mkdir /@/.snapshots/2
btrfs-subvolume-snapshot /$snapshot /@/.snapshots/2/snapshot ro:true
debug sh "btrfs subvolume set-default /sysroot/$snapshot"
rm-rf /.snapshots
glob rm-rf /[a-z]*
btrfs-subvolume-list /
umount-all
END
    } >"$work/script"
    appliance --format=raw -a "$1" <"$work/script"
    grub_mbr "$1"
}
