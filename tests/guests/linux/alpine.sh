# SPDX-License-Identifier: BSD-3-Clause
# The layout of Alpine: apk's database, vmlinuz-lts with initramfs-lts in the
# shape of mkinitfs (busybox, its modprobe, nlplug-findfs), extlinux in /boot
# with names that are relative to it, busybox as init with OpenRC; devices by
# name.  Debian has neither apk nor mkinitfs: the database is written by hand,
# and nlplug-findfs is a script that does the same with busybox.
boot=(--bus sata)
profile=openrc
packages=openrc,busybox-static,extlinux,kmod,e2fsprogs,iproute2,linux-image-amd64,initramfs-tools,open-vm-tools
sound=("rc-service localmount status && rc-service swap status"
       "grep ' / ext4 rw' /proc/mounts && grep ' /boot ext4 ' /proc/mounts"
       "grep partition /proc/swaps")
use family

# apk_package NAME VERSION FILE...: its entry in the database
apk_package ()
{
    local f
    printf 'P:%s\nV:%s\nA:x86_64\nS:1\nI:1\nT:%s\nU:https://alpinelinux.org/\nL:GPL-2.0-only\no:%s\n' \
        "$1" "$2" "$1" "$1"
    for f in "${@:3}"; do
        printf 'F:%s\nR:%s\n' "$(dirname "${f#/}")" "$(basename "$f")"
    done
    echo
}

# service NAME RUNLEVEL DEPEND START: for OpenRC
service ()
{
    cat >"$root/etc/init.d/$1" <<END
#!/sbin/openrc-run
depend ()
{
	$3
}
start ()
{
	ebegin "Starting $1"
	$4
	eend \$?
}
END
    chmod 755 "$root/etc/init.d/$1"
    ln -s "/etc/init.d/$1" "$root/etc/runlevels/$2/$1"
}

# mkinitfs KVER FILE: what Alpine's tool makes with features
# "ata base ext4 raid scsi usb".
mkinitfs ()
{
    local kver=$1 d=$work/initfs m f
    mkdir -p "$d"/{bin,sbin,etc/mkinitfs,lib/modules/"$kver",proc,sys,dev,sysroot,run,tmp,usr/bin,usr/sbin}
    cp "$root/bin/busybox" "$d/bin/"
    ln -s busybox "$d/bin/sh"
    for m in ahci ata_piix ata_generic sd_mod sr_mod vmw_pvscsi mptspi mptsas \
             ext4 crc32c_generic crc32c_intel usb-storage; do
        modprobe -d "$root" -S "$kver" --show-depends "$m"
    done | sed -n 's,^insmod [^ ]*/lib/modules/\([^ ]*\).*,\1,p' | sort -u >"$work/mods"
    while read -r f; do
        mkdir -p "$d/lib/modules/${f%/*}"
        cp "$root/lib/modules/$f" "$d/lib/modules/$f"
    done <"$work/mods"
    cp "$root/lib/modules/$kver"/modules.{order,builtin} "$d/lib/modules/$kver/"
    depmod -b "$d" "$kver"
    cat >"$d/sbin/nlplug-findfs" <<'END'
#!/bin/sh
# Load drivers by the aliases of devices until the device named last is there.
for want; do :; done
n=0
while [ $n -lt 300 ]; do
	find /sys/devices -name modalias -exec cat {} + 2>/dev/null | sort -u |
		while read -r a; do modprobe -b -q "$a"; done
	mdev -s
	case $want in
	*=*) findfs "$want" >/dev/null 2>&1 && exit 0 ;;
	*) [ -b "$want" ] && exit 0 ;;
	esac
	n=$((n + 1))
	sleep 0.1
done
exit 1
END
    cat >"$d/init" <<'END'
#!/bin/sh
# this is the init script version 3.10.0-r0
/bin/busybox mkdir -p /usr/bin /usr/sbin /proc /sys /dev /sysroot /tmp /run
/bin/busybox --install -s
export PATH="/usr/bin:/bin:/usr/sbin:/sbin"
mount -t sysfs -o noexec,nosuid,nodev sysfs /sys
mount -t devtmpfs -o exec,nosuid,mode=0755,size=2M devtmpfs /dev 2>/dev/null
mount -t proc -o noexec,nosuid,nodev proc /proc
read -r cmdline </proc/cmdline
for opt in $cmdline; do
	case $opt in
	root=*) KOPT_root=${opt#root=} ;;
	rootfstype=*) rootfstype=${opt#*=} ;;
	modules=*) KOPT_modules=${opt#*=} ;;
	init=*) KOPT_init=${opt#*=} ;;
	esac
done
echo "Alpine Init 3.10.0-r0"
modprobe -a $(echo "$KOPT_modules $rootfstype" | tr ',' ' ' ) 2>/dev/null
nlplug-findfs -p /sbin/mdev "$KOPT_root"
case $KOPT_root in *=*) dev=$(findfs "$KOPT_root") ;; *) dev=$KOPT_root ;; esac
if ! mount ${rootfstype:+-t $rootfstype} -o ro "$dev" /sysroot; then
	echo "Mounting root failed."
	echo "initramfs emergency recovery shell launched. Type 'exit' to continue boot"
	setsid sh -c 'exec sh </dev/console >/dev/console 2>&1'
fi
for m in /proc /sys /dev; do mount -o move $m /sysroot$m; done
exec switch_root /sysroot "${KOPT_init:-/sbin/init}"
END
    chmod 755 "$d/init" "$d/sbin/nlplug-findfs"
    settle "$d"
    (cd "$d" && find . | sort | cpio -o -H newc --quiet --owner=0:0) |
        gzip -n -9 >"$2"
    if grep virtio "$work/mods"; then die "the guest's initrd has virtio drivers"; fi
}

guest ()
{
    local kver tree
    begin
    kver=$(ls "$root/lib/modules")
    become <<'EOF'
NAME="Alpine Linux"
ID=alpine
VERSION_ID=3.20.3
PRETTY_NAME="Alpine Linux v3.20"
HOME_URL="https://alpinelinux.org/"
EOF
    echo 3.20.3 >"$root/etc/alpine-release"
    rm -rf "$root"/var/lib/dpkg "$root"/etc/{init.d,runlevels,initramfs-tools,default/grub}
    mkdir -p "$root"/etc/{init.d,runlevels/{sysinit,boot,default,nonetwork,shutdown},network,apk,mkinitfs} \
        "$root/lib/apk/db"
    cat >"$root/etc/network/interfaces" <<'EOF'
auto lo
iface lo inet loopback

auto eth0
iface eth0 inet static
	address 192.168.77.10/24
	gateway 192.168.77.1
EOF
    {
        apk_package linux-lts 6.6.58-r0 /boot/vmlinuz-lts
        apk_package open-vm-tools 12.4.5-r0 /usr/bin/vmtoolsd
        apk_package openrc 0.54-r1 /sbin/openrc
        apk_package mkinitfs 3.10.1-r0
    } >"$root/lib/apk/db/installed"
    printf '%s\n' alpine-base linux-lts open-vm-tools openssl >"$root/etc/apk/world"
    # An administrator took virtio out.
    echo 'features="ata base ext4 keymap kms mmc raid scsi usb"' \
        >"$root/etc/mkinitfs/mkinitfs.conf"

    service root boot "keyword -timeout" "mount -o remount,rw /"
    service hostname boot "need root" "hostname -F /etc/hostname"
    service localmount boot "need root" "mount -a -O no_netdev"
    service swap boot "need localmount" "swapon -a"
    rm -f "$root/sbin/init"
    ln -s ../bin/busybox "$root/sbin/init"
    cat >"$root/etc/inittab" <<'EOF'
# /etc/inittab
::sysinit:/sbin/openrc sysinit
::sysinit:/sbin/openrc boot
::wait:/sbin/openrc default

tty1::respawn:/sbin/getty 38400 tty1
ttyS0::respawn:/sbin/getty -L 115200 ttyS0 vt100

::ctrlaltdel:/sbin/reboot
::shutdown:/sbin/openrc shutdown
EOF
    cat >"$root/etc/fstab" <<'EOF'
/dev/sda3	/	ext4	rw,relatime	0	1
/dev/sda1	/boot	ext4	rw,relatime	0	2
/dev/sda2	swap	swap	defaults	0	0
EOF
    mv "$root/boot/vmlinuz-$kver" "$root/boot/vmlinuz-lts"
    mkinitfs "$kver" "$root/boot/initramfs-lts"
    cat >"$root/etc/update-extlinux.conf" <<'EOF'
overwrite=1
vesa_menu=0
default_kernel_opts="quiet rootfstype=ext4"
modules=sd-mod,usb-storage,ext4
root=/dev/sda3
verbose=0
timeout=1
default=lts
EOF
    cat >"$root/boot/extlinux.conf" <<EOF
# Generated by update-extlinux 6.04_pre1-r15
SERIAL 0 115200
DEFAULT lts
PROMPT 0
TIMEOUT 10
LABEL lts
  MENU DEFAULT
  MENU LABEL Linux lts
  LINUX vmlinuz-lts
  INITRD initramfs-lts
  APPEND root=/dev/sda3 modules=sd-mod,usb-storage,ext4 rootfstype=ext4 $console

MENU SEPARATOR
EOF
    truncate -s 1792M "$1"
    sfdisk -q "$1" <<EOF
label: dos
label-id: 0x000c29ab
1 : start=2048, size=$((192 * 2048)), type=83, bootable
2 : start=$((193 * 2048)), size=$((64 * 2048)), type=82
3 : start=$((257 * 2048)), size=$((1500 * 2048)), type=83
EOF
    dd if="$root/usr/lib/EXTLINUX/mbr.bin" of="$1" bs=440 count=1 \
        conv=notrunc status=none
    tree=$(split boot)
    # What syslinux cannot read.
    printf '[defaults]\n[fs_types]\next4 = {\nfeatures = has_journal,extent,huge_file,flex_bg,dir_nlink,extra_isize,^64bit,^metadata_csum\n}\n' \
        >"$work/mke2fs.conf"
    MKE2FS_CONFIG=$work/mke2fs.conf \
        put_ext4 "$tree" "$1" 1 192 "$(uuid_of boot)"
    put_swap "$1" 193 64 "$(uuid_of swap)"
    put_ext4 "$root" "$1" 257 1500 "$(uuid_of root)"
    appliance --format=raw -a "$1" <<'EOF'
run
mount /dev/sda3 /
mount /dev/sda1 /boot
command "/usr/bin/extlinux --install /boot"
umount-all
EOF
}
