# SPDX-License-Identifier: BSD-3-Clause
# The layout of RHEL 9: rpm database, dracut, BLS entries, /boot/grub2,
# XFS in LVM, ifcfg.  Its GRUB is Debian's, which cannot read BLS entries, so
# that grub.cfg has a menu entry besides.
boot=(--bus sata)
profile=dracut
use dracut
use rpm

guest ()
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
    rpm_spec kernel-core 5.14.0 427.13.1.el9_4 \
        "/boot/vmlinuz-$kver" "/lib/modules/$kver"
    rpm_spec open-vm-tools 12.2.5 3.el9 /usr/bin/vmtoolsd
    rpm_spec systemd 252 32.el9_4 /usr/lib/systemd/systemd
    rpm_spec rocky-release 9.4 1.7.el9 /etc/redhat-release /usr/lib/os-release
    rpm_database
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
    cp -a "$root/boot/grub/." "$root/boot/grub2/"
    rm -rf "$root/boot/grub"
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
