# SPDX-License-Identifier: BSD-3-Clause
# The layout of Fedora: UEFI with EFI/fedora and EFI/BOOT, /boot apart, btrfs
# with the subvolumes root and home, BLS entries, rpm's database in
# /usr/lib/sysimage, NetworkManager's keyfiles.  GRUB is Debian's, without
# blscfg; grub.cfg has it in GRUB's own script, so that the entry itself is
# what boots.
boot=(--bus sata --uefi)
card="ens192 00:0c:29:ab:00:01"
profile=dracut-efi
use dracut
use family
use rpm

# blscfg: the first words of lines in an entry are functions while there is
# no command of that name, and "linux" becomes one only afterwards.
fedora_grub_cfg ()
{
    mkdir -p "$root/boot/grub2/x86_64-efi"
    # Without command.lst, which would make "linux" a command at once.
    cp "$root"/usr/lib/grub/x86_64-efi/*.mod "$root/boot/grub2/x86_64-efi/"
    cat >"$root/boot/grub2/grub.cfg" <<'END'
load_env -f $prefix/grubenv
set timeout=1
function title { set bls_title="$*"; }
function version { true; }
function linux { set bls_linux="$1"; }
function initrd { set bls_initrd="$1"; }
function options { set bls_options="$*"; }
function grub_users { true; }
function grub_arg { true; }
function grub_class { true; }
source /loader/entries/$saved_entry.conf
menuentry "$bls_title" "$bls_linux" "$bls_initrd" "$bls_options" {
	insmod linux
	linux "$2" $4
	initrd "$3"
}
END
    grub-script-check "$root/boot/grub2/grub.cfg"
    grub-editenv "$root/boot/grub2/grubenv" create
    grub-editenv "$root/boot/grub2/grubenv" set "saved_entry=$1" \
        boot_success=1 boot_indeterminate=0
    cat >"$root/etc/default/grub" <<END
GRUB_TIMEOUT=1
GRUB_DISTRIBUTOR="\$(sed 's, release .*\$,,g' /etc/system-release)"
GRUB_DEFAULT=saved
GRUB_DISABLE_SUBMENU=true
GRUB_TERMINAL_OUTPUT="console"
GRUB_CMDLINE_LINUX="$console rhgb"
GRUB_DISABLE_RECOVERY="true"
GRUB_ENABLE_BLSCFG=true
END
}

# fedora_esp DIR
fedora_esp ()
{
    mkdir -p "$1"/EFI/{fedora,BOOT}
    # shellcheck disable=SC2086
    grub-mkimage -O x86_64-efi -d "$root/usr/lib/grub/x86_64-efi" \
        -o "$1/EFI/fedora/grubx64.efi" -p /EFI/fedora \
        part_gpt ext2 fat normal search search_fs_uuid configfile loadenv \
        echo test true
    cp "$1/EFI/fedora/grubx64.efi" "$1/EFI/BOOT/BOOTX64.EFI"
    cat >"$1/EFI/fedora/grub.cfg" <<END
search --no-floppy --fs-uuid --set=root $(uuid_of boot)
set prefix=(\$root)/grub2
export prefix
configfile \$prefix/grub.cfg
END
}

guest ()
{
    local kver mid tree
    begin
    kver=$(ls "$root/lib/modules")
    mid=$(cat "$root/etc/machine-id")
    become <<'END'
NAME="Fedora Linux"
VERSION="40 (Server Edition)"
ID=fedora
VERSION_ID=40
PLATFORM_ID="platform:f40"
PRETTY_NAME="Fedora Linux 40 (Server Edition)"
VARIANT_ID=server
END
    echo "Fedora release 40 (Forty)" >"$root/etc/fedora-release"
    ln -sf fedora-release "$root/etc/redhat-release"
    ln -sf fedora-release "$root/etc/system-release"
    mkdir -p "$root"/etc/{kernel,NetworkManager/system-connections} \
        "$root"/{boot/efi,boot/loader/entries,usr/lib/sysimage/rpm}
    rm -rf "$root/var/lib/rpm"
    ln -s ../../usr/lib/sysimage/rpm "$root/var/lib/rpm"
    cat >"$root/etc/NetworkManager/system-connections/ens192.nmconnection" <<END
[connection]
id=ens192
uuid=$(uuid_of connection)
type=ethernet
interface-name=ens192

[ethernet]

[ipv4]
address1=192.168.77.10/24,192.168.77.1
dns=192.168.77.1;
method=manual

[ipv6]
addr-gen-mode=eui64
method=auto
END
    chmod 600 "$root"/etc/NetworkManager/system-connections/*
    cat >"$root/etc/fstab" <<END
UUID=$(uuid_of root)	/	btrfs	subvol=root,compress=zstd:1	0 0
/dev/sda2	/boot	ext4	defaults	1 2
/dev/sda1	/boot/efi	vfat	umask=0077,shortname=winnt	0 2
/dev/sda3	/home	btrfs	subvol=home,compress=zstd:1	0 0
END
    initrd_name=/boot/initramfs-$kver.img
    dracut_vmware btrfs ext4 vfat nls_ascii nls_cp437
    cp "$root/boot/vmlinuz-$kver" "$root/lib/modules/$kver/vmlinuz"
    rpm_spec kernel-core 6.8.5 301.fc40 \
        "/lib/modules/$kver/vmlinuz" "/lib/modules/$kver/modules.dep"
    rpm_spec open-vm-tools 12.3.5 2.fc40 /usr/bin/vmtoolsd
    rpm_spec fedora-release-server 40 39 /usr/lib/os-release /etc/fedora-release
    rpm_database
    echo "root=/dev/sda3 ro rootflags=subvol=root $console" >"$root/etc/kernel/cmdline"
    cat >"$root/boot/loader/entries/$mid-$kver.conf" <<END
title Fedora Linux ($kver) 40 (Server Edition)
version $kver
linux /vmlinuz-$kver
initrd /initramfs-$kver.img
options root=/dev/sda3 ro rootflags=subvol=root $console
grub_users \$grub_users
grub_arg --unrestricted
grub_class fedora
END
    fedora_grub_cfg "$mid-$kver"
    fedora_esp "$work/esp"

    truncate -s 3100M "$1"
    sfdisk -q "$1" <<END
label: gpt
label-id: $(uuid_of disk)
1 : start=2048, size=$((64 * 2048)), type=uefi, uuid=$(uuid_of p1)
2 : start=$((65 * 2048)), size=$((384 * 2048)), type=linux, uuid=$(uuid_of p2)
3 : start=$((449 * 2048)), size=$((2640 * 2048)), type=linux, uuid=$(uuid_of p3)
END
    put_esp "$work/esp" "$1" 1 64 c29ab00d
    tree=$(split boot)
    put_ext4 "$tree" "$1" 65 384 "$(uuid_of boot)"
    settle "$root"
    rm -f "$work/fs"
    truncate -s 2640M "$work/fs"
    mkfs.btrfs -q -L fedora -U "$(uuid_of root)" --rootdir "$root" "$work/fs" >&2
    place "$work/fs" "$1" 449
    rm -f "$work/fs"
    # Only the tree has small letters at the top; then the names are free.
    appliance --format=raw -a "$1" <<'END'
run
mount /dev/sda3 /
btrfs-subvolume-snapshot / /NEW
glob rm-rf /[a-z]*
mv /NEW /root
btrfs-subvolume-create /home
umount-all
END
}
