# SPDX-License-Identifier: BSD-3-Clause
# The layout of Arch: vmlinuz-linux with initramfs-linux.img and its fallback
# on the ESP, which is /boot; systemd-boot; pacman's local database; modules
# as .ko.zst.  The images have mkinitcpio's shape: an uncompressed archive
# with the packed modules, then one with busybox, udev and kmod, the indexes
# of modules only in binary; its hooks "base udev modconf block filesystems".
# Debian has no mkinitcpio: what puts them together, and their /init, are
# written here.  Of the two configurations of mkinitcpio the later one wins.
boot=(--bus sata --uefi)
card="ens192 00:0c:29:ab:00:01"
converted=('bash -c ". /etc/mkinitcpio.conf; for f in /etc/mkinitcpio.conf.d/*.conf; do . \$f; done; echo \${MODULES[*]}" | grep "^vmw_pvscsi .*virtio_blk"')
profile=arch
packages=init,systemd-sysv,udev,dbus,kmod,iproute2,e2fsprogs,linux-image-amd64,open-vm-tools,initramfs-tools,systemd-boot-efi,busybox,zstd,cpio,pacman-package-manager
use family

# pacman_package NAME VERSION FILE...: its entry in the database
pacman_package ()
{
    local d=$root/var/lib/pacman/local/$1-$2 n=$1 v=$2 f; shift 2
    mkdir -p "$d"
    printf '%%NAME%%\n%s\n\n%%VERSION%%\n%s\n\n%%BASE%%\n%s\n\n%%DESC%%\n%s\n\n%%ARCH%%\nx86_64\n\n%%BUILDDATE%%\n%s\n\n%%INSTALLDATE%%\n%s\n\n%%VALIDATION%%\npgp\n\n' \
        "$n" "$v" "$n" "$n" "$SOURCE_DATE_EPOCH" "$SOURCE_DATE_EPOCH" >"$d/desc"
    { echo "%FILES%"; for f; do echo "${f#/}"; done; echo; } >"$d/files"
}

# image_program DIR FILE [NAME]: a program of the guest, with its libraries
image_program ()
{
    local f to
    cp -L "$root$2" "$1/usr/bin/${3:-${2##*/}}"
    in_root "$root" sh -c "ldd '$2' >/root/libs"
    grep -o '/[^ ]*' "$root/root/libs" | while read -r f; do
        to=$1/usr/lib/${f#*/lib*/}
        mkdir -p "${to%/*}"
        [ -e "$to" ] || cp -L "$root$f" "$to"
    done
    rm "$root/root/libs"
}

# image_init DIR: /init and what it reads.
image_init ()
{
    cat >"$1/config" <<'END'
MODULES=""
EARLYHOOKS="udev"
HOOKS="udev"
LATEHOOKS=""
CLEANUPHOOKS="udev"
END
    echo 39.2 >"$1/VERSION"
    cat >"$1/hooks/udev" <<'END'
#!/usr/bin/ash
run_earlyhook ()
{
	kmod static-nodes --format=tmpfiles >/dev/null 2>&1
	/usr/lib/systemd/systemd-udevd --daemon --resolve-names=never
	udevd_running=1
}
run_hook ()
{
	msg ":: Triggering uevents..."
	udevadm trigger --action=add --type=subsystems
	udevadm trigger --action=add --type=devices
	udevadm settle
}
run_cleanuphook ()
{
	udevadm control --exit
	udevadm info --cleanup-db
}
END
    cat >"$1/init_functions" <<'END'
#!/usr/bin/ash
msg () { [ "$quiet" = y ] || echo "$@"; }
err () { echo "ERROR: $*"; }
launch_interactive_shell ()
{
	echo "You are now being dropped into an emergency shell."
	exec sh -i </dev/console >/dev/console 2>&1
}
run_hooks ()
{
	local fn=$1 h
	shift
	for h; do
		unset -f "$fn"
		. "/hooks/$h"
		"$fn"
	done
}
# The device that the word means, when it is there.
resolve_device ()
{
	local dev n=0
	while [ $n -lt 100 ]; do
		case $1 in
		*=*) dev=$(blkid -lt "$1" -o device) ;;
		*) dev=$1 ;;
		esac
		if [ -b "$dev" ]; then
			echo "$dev"
			return 0
		fi
		n=$((n + 1))
		sleep 0.1
	done
	return 1
}
END
    cat >"$1/init" <<'END'
#!/usr/bin/ash
mount -t proc proc /proc -o nosuid,noexec,nodev
mount -t sysfs sys /sys -o nosuid,noexec,nodev
mount -t devtmpfs dev /dev -o mode=0755,nosuid
mount -t tmpfs run /run -o nosuid,nodev,mode=0755
. /config
. /init_functions
rwopt=ro root= rootfstype=auto init=/sbin/init
for word in $(cat /proc/cmdline); do
	case $word in
	root=*) root=${word#root=} ;;
	rootfstype=*) rootfstype=${word#*=} ;;
	rw|ro) rwopt=$word ;;
	init=*) init=${word#init=} ;;
	quiet) quiet=y ;;
	esac
done
run_hooks run_earlyhook $EARLYHOOKS
for m in $MODULES; do modprobe -qa "$m"; done
run_hooks run_hook $HOOKS
if device=$(resolve_device "$root"); then
	msg ":: mounting '$device' on real root"
	mount -t "$rootfstype" -o "$rwopt" "$device" /new_root ||
		{ err "Failed to mount '$device' on real root"; launch_interactive_shell; }
else
	err "device '$root' not found. Skipping fsck."
	msg ":: mounting '$root' on real root"
	err "Failed to mount '$root' on real root"
	launch_interactive_shell
fi
run_hooks run_cleanuphook $CLEANUPHOOKS
mount --move /proc /new_root/proc
mount --move /sys /new_root/sys
mount --move /dev /new_root/dev
mount --move /run /new_root/run
exec env -i TERM=linux switch_root /new_root "$init" "$@"
END
    chmod 755 "$1/init"
}

# image_base DIR: all but the modules; the same for both images.
image_base ()
{
    local f
    mkdir -p "$1"/usr/{bin,lib/{systemd,udev/rules.d}} \
        "$1"/{etc,hooks,new_root,proc,sys,dev,run,tmp,var}
    ln -s usr/bin "$1/bin"
    ln -s usr/bin "$1/sbin"
    ln -s bin "$1/usr/sbin"
    ln -s usr/lib "$1/lib"
    ln -s usr/lib "$1/lib64"
    ln -s lib "$1/usr/lib64"
    ln -s ../run "$1/var/run"
    image_program "$1" /bin/busybox
    for f in sh ash cat sleep switch_root env; do
        ln -s busybox "$1/usr/bin/$f"
    done
    image_program "$1" /bin/kmod
    ln -s kmod "$1/usr/bin/modprobe"
    image_program "$1" /bin/udevadm
    image_program "$1" /bin/mount
    image_program "$1" /sbin/blkid
    ln -s ../../bin/udevadm "$1/usr/lib/systemd/systemd-udevd"
    for f in 50-udev-default 60-persistent-storage 80-drivers; do
        cp "$root/usr/lib/udev/rules.d/$f.rules" "$1/usr/lib/udev/rules.d/"
    done
    cp "$root/etc/os-release" "$1/etc/initrd-release"
    echo "root:x:0:0:root:/root:/bin/sh" >"$1/etc/passwd"
    printf '%s:x:%s:\n' root 0 tty 5 disk 6 dialout 20 cdrom 24 audio 29 \
        video 44 kvm 104 render 105 input 106 sgx 107 lp 7 kmem 15 \
        >"$1/etc/group"
    : >"$1/etc/fstab"
    image_init "$1"
}

archive ()
{
    settle "$1"
    (cd "$1" && find . -mindepth 1 -printf '%P\n' | sort |
        cpio -o -H newc --quiet --owner=0:0)
}

# mkinitcpio KVER FILE MODULE...
mkinitcpio ()
{
    local kver=$1 file=$2 early=$work/early f; shift 2
    rm -rf "$early" "$work/image"
    cp -a "$work/base" "$work/image"
    for f; do
        modprobe -d "$root" -S "$kver" --show-depends "$f"
    done | sed -n 's,^insmod [^ ]*/lib/modules/\([^ ]*\).*,\1,p' | sort -u >"$work/mods"
    while read -r f; do
        mkdir -p "$early/usr/lib/modules/${f%/*}"
        cp "$root/usr/lib/modules/$f" "$early/usr/lib/modules/$f"
    done <"$work/mods"
    # depmod of the two together, of which only the binary indexes stay.
    mkdir -p "$early/lib"
    ln -s ../usr/lib/modules "$early/lib/modules"
    cp "$root/usr/lib/modules/$kver"/modules.{order,builtin,builtin.modinfo} \
        "$early/usr/lib/modules/$kver/"
    depmod -b "$early" "$kver"
    mkdir -p "$work/image/usr/lib/modules/$kver"
    mv "$early/usr/lib/modules/$kver"/*.bin "$work/image/usr/lib/modules/$kver/"
    rm -f "$early/usr/lib/modules/$kver"/modules.*
    rm -r "$early/lib"
    echo 1 >"$early/early_cpio"
    { archive "$early"; archive "$work/image" | zstd -q -c -3; } >"$file"
}

guest ()
{
    local kver esp drivers
    drivers="ahci ata_piix ata_generic sd_mod sr_mod vmw_pvscsi mptspi mptsas ext4 crc32c_generic crc32c_intel usbhid"
    begin
    kver=$(ls "$root/lib/modules")
    become <<'END'
NAME="Arch Linux"
PRETTY_NAME="Arch Linux"
ID=arch
BUILD_ID=rolling
ANSI_COLOR="38;2;23;147;209"
HOME_URL="https://archlinux.org/"
END
    : >"$root/etc/arch-release"
    rm -rf "$root"/var/lib/dpkg "$root"/etc/{initramfs-tools,default/grub}
    rm -f "$root"/usr/bin/{dpkg*,apt*}
    mkdir -p "$root"/etc/{mkinitcpio.d,mkinitcpio.conf.d,systemd/network}
    echo arch >"$root/etc/hostname"
    printf '[Match]\nName=ens192\n\n[Network]\nAddress=192.168.77.10/24\nGateway=192.168.77.1\nDNS=192.168.77.1\n' \
        >"$root/etc/systemd/network/20-wired.network"
    cat >"$root/etc/mkinitcpio.conf" <<'END'
# MODULES
MODULES=()
BINARIES=()
FILES=()
HOOKS=(base udev autodetect modconf kms keyboard keymap block filesystems fsck)
END
    echo 'MODULES=(vmw_pvscsi)' >"$root/etc/mkinitcpio.conf.d/vmware.conf"
    cat >"$root/etc/mkinitcpio.d/linux.preset" <<'END'
ALL_kver="/boot/vmlinuz-linux"
PRESETS=('default' 'fallback')
default_image="/boot/initramfs-linux.img"
fallback_image="/boot/initramfs-linux-fallback.img"
fallback_options="-S autodetect"
END
    printf '/dev/sda2\t/\text4\trw,relatime\t0\t1\n/dev/sda1\t/boot\tvfat\trw,fmask=0077,dmask=0077\t0\t2\n' \
        >"$root/etc/fstab"

    find "$root/lib/modules/$kver" -name '*.ko' -print0 |
        xargs -0 zstd -q -3 --rm
    in_root "$root" depmod "$kver"
    echo linux >"$root/lib/modules/$kver/pkgbase"
    cp "$root/boot/vmlinuz-$kver" "$root/lib/modules/$kver/vmlinuz"
    rm -rf "$root"/var/lib/pacman
    mkdir -p "$root/var/lib/pacman/local"
    echo 9 >"$root/var/lib/pacman/local/ALPM_DB_VERSION"
    pacman_package linux 6.10.10.arch1-1 "/usr/lib/modules/$kver/vmlinuz" \
        "/usr/lib/modules/$kver/pkgbase"
    pacman_package open-vm-tools 6:12.4.5-1 /usr/bin/vmtoolsd
    pacman_package mkinitcpio 39.2-2 /etc/mkinitcpio.conf
    in_root "$root" sh -ec 'pacman -Q linux && pacman -Qo /usr/bin/vmtoolsd'

    mv "$root/boot/vmlinuz-$kver" "$root/boot/vmlinuz-linux"
    image_base "$work/base"
    # shellcheck disable=SC2086
    mkinitcpio "$kver" "$root/boot/initramfs-linux.img" $drivers
    if grep virtio "$work/mods"; then die "the guest's initrd has virtio drivers"; fi
    # As "-S autodetect" leaves it: every driver.
    # shellcheck disable=SC2086
    mkinitcpio "$kver" "$root/boot/initramfs-linux-fallback.img" $drivers \
        virtio_pci virtio_blk virtio_scsi nvme

    esp=$(split boot)
    mkdir -p "$esp"/EFI/{systemd,BOOT} "$esp/loader/entries"
    cp "$root/usr/lib/systemd/boot/efi/systemd-bootx64.efi" "$esp/EFI/systemd/"
    cp "$root/usr/lib/systemd/boot/efi/systemd-bootx64.efi" "$esp/EFI/BOOT/BOOTX64.EFI"
    printf 'default arch.conf\ntimeout 1\nconsole-mode max\neditor no\n' \
        >"$esp/loader/loader.conf"
    cat >"$esp/loader/entries/arch.conf" <<END
title   Arch Linux
linux   /vmlinuz-linux
initrd  /initramfs-linux.img
options root=/dev/sda2 rw $console
END
    cat >"$esp/loader/entries/arch-fallback.conf" <<END
title   Arch Linux (fallback initramfs)
linux   /vmlinuz-linux
initrd  /initramfs-linux-fallback.img
options root=/dev/sda2 rw $console
END
    efi_disk "$1" "$esp" 192
}
