# SPDX-License-Identifier: BSD-3-Clause
# How test guests are made.  Sourced by the make-*.sh scripts.
#
# A guest is a real Debian: its packages come from the apt sources of
# this machine, its initrd and its grub.cfg are written by its own
# tools.  It is made without loop or NBD devices, which many build
# machines lack:
#
#   1. mmdebstrap makes a tar of the root file system.  Tars are cached,
#      since several guests share one.
#   2. The tar is unpacked and configured.  Programs of the guest run in
#      a chroot in a mount namespace of its own (in_root), natively, so
#      that an initrd takes 3 s and not the 50 s that it takes under TCG.
#      grub-mkconfig asks grub-probe about devices that do not exist
#      yet; a stand-in answers (grub_mkconfig).
#   3. Simple layouts are put together by mke2fs -d, mkswap and sfdisk on
#      a sparse file; LVM, LUKS, MD, btrfs and XFS by the libguestfs
#      appliance, which only unpacks the tree there.
#   4. GRUB for BIOS goes to the MBR and the gap behind it the way that
#      grub-install puts it there (grub_bios).
#
# Invariants:
#   - The name of a cached file holds the digest of the scripts that made
#     it, so that a stale one is never used.
#   - A cached file is complete: it is written under another name and
#     renamed.  One maker at a time (a lock per file).
#   - The same scripts and the same packages give the same guest: UUIDs,
#     password salts, machine-id and times are fixed.

set -eu -o pipefail
export LC_ALL=C TZ=UTC
export SOURCE_DATE_EPOCH=1700000000
export E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH
umask 022
PATH=$PATH:/usr/sbin:/sbin

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${V2V_TEST_CACHE:-$here/../cache}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

# Every guest: root's password and the packages.
guest_password=v2v
# (The tar of a root file system is made anew when its packages or
# make_root change, an image when any script that made it does.)
guest_packages=init,systemd-sysv,udev,dbus,kmod,ifupdown,iproute2
guest_packages+=,e2fsprogs,linux-image-amd64,open-vm-tools

say () { echo "${0##*/}: $*" >&2; }
die () { say "$*"; exit 1; }

[ "$(id -u)" = 0 ] || die "must be run as root (it unpacks a root file system)"
[ "$(uname -m)" = x86_64 ] || die "guests are made on x86_64 only"

# digest FILE...: short digest of the contents and of lib.sh.
digest () { cat "$here/lib.sh" "$@" | sha256sum | cut -c1-10; }

# cached FILE MAKER ARG...: make FILE unless it is there.  MAKER gets the
# name to write to, then ARGs.  A second caller waits for the first.
cached ()
{
    local file=$1 maker=$2; shift 2
    [ -e "$file" ] && return
    exec 8>"$file.lock"
    flock 8
    if [ ! -e "$file" ]; then
        rm -f "$file.part"
        say "making ${file##*/}"
        workdir
        # Not in a condition: bash would ignore set -e in it.
        "$maker" "$file.part" "$@"
        mv "$file.part" "$file"
    fi
    rm -f "$file.lock"
    exec 8>&-
}

work=
workdir ()
{
    [ -n "$work" ] && return
    work=$(mktemp -d "$cache/.work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' INT TERM HUP
}

# The apt sources of this machine that are of its own release.
apt_sources ()
{
    local codename f
    codename=$(. /etc/os-release; echo "${VERSION_CODENAME:-}")
    [ -n "$codename" ] || die "this is not Debian (no VERSION_CODENAME)"
    for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -f "$f" ] && awk -v c="$codename" '
            $1 == "deb" { s = $0; sub (/\[[^]]*\]/, "", s); split (s, w, " ")
                          if (w[3] ~ "^" c "(-updates|-security)?$") print }' "$f"
    done >"$1/debian.list"
    for f in /etc/apt/sources.list.d/*.sources; do
        [ -f "$f" ] && awk -v c="$codename" -v RS= '
            { n = split ($0, l, "\n")
              for (i = 1; i <= n; i++)
                if (l[i] ~ /^Suites:/ &&
                    l[i] ~ "[ \t]" c "(-updates|-security)?([ \t]|$)")
                  { print $0 "\n"; next } }' "$f"
    done >"$1/debian.sources"
    echo "$codename"
}

# make_root FILE.tar PACKAGES: a root file system.  Documentation is left
# out; the package database is whole.
make_root ()
{
    local out=$1 packages=$2 codename f mirrors=()
    workdir
    codename=$(apt_sources "$work")
    for f in debian.list debian.sources; do
        [ -s "$work/$f" ] && mirrors+=("$work/$f")
    done
    [ ${#mirrors[@]} -gt 0 ] || die "no apt source of $codename found"
    mmdebstrap --quiet --mode=root --variant=minbase --format=tar \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        --aptopt='Acquire::Retries "5"' \
        --include="$packages" "$codename" "$out" "${mirrors[@]}" >&2
}

# root_tar PROFILE PACKAGES: sets $base to the cached tar.
root_tar ()
{
    local d
    d=$({ echo "$2"; declare -f make_root apt_sources; } | sha256sum)
    base=$cache/root-$1-${d:0:10}.tar
    cached "$base" make_root "$2"
}

# in_root ROOT CMD...: run a program of the guest, natively.
in_root () { in_root_stdin "$@" </dev/null; }
in_root_stdin ()
{
    unshare --mount --pid --fork --kill-child bash -c '
        set -e; root=$1; shift
        mount -t proc proc "$root/proc"
        mount --bind /sys "$root/sys"
        mount -t tmpfs -o mode=755 dev "$root/dev"
        for n in null:3 zero:5 full:7 random:8 urandom:9; do
            mknod -m 666 "$root/dev/${n%:*}" c 1 "${n#*:}"
        done
        ln -s /proc/self/fd "$root/dev/fd"
        for u in ${guest_uuids:-}; do
            mkdir -p "$root/dev/disk/by-uuid"; : >"$root/dev/disk/by-uuid/$u"
        done
        if [ -n "${grub_probe:-}" ]; then
            mount --bind "$grub_probe" "$root/usr/sbin/grub-probe"
        fi
        exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME=/root \
            DEBIAN_FRONTEND=noninteractive \
            SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH chroot "$root" "$@"
        ' in_root "$@" >&2
}

# unpack TAR ROOT
unpack () { mkdir -p "$2"; tar -C "$2" --numeric-owner -xpf "$1"; }

# guest_id NAME N: a fixed UUID.
guest_id ()
{
    local h
    h=$(echo "$1 $2" | sha256sum)
    echo "${h:0:8}-${h:8:4}-4${h:12:3}-8${h:15:3}-${h:18:12}"
}

# configure_root ROOT NAME: what an administrator sets in any guest.
configure_root ()
{
    local root=$1 name=$2 h
    echo "$name" >"$root/etc/hostname"
    printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n' "$name" >"$root/etc/hosts"
    echo "nameserver 192.168.77.1" >"$root/etc/resolv.conf"
    h=$(guest_id "$name" machine-id)
    echo "${h//-/}" >"$root/etc/machine-id"
    h=$(openssl passwd -6 -salt v2vguest "$guest_password")
    sed -i "s|^root:[^:]*:|root:$h:|" "$root/etc/shadow"
    # The name that a VMware guest's first vmxnet3 card has.  allow-hotplug
    # is what the Debian installer writes.
    mkdir -p "$root/etc/network"
    cat >"$root/etc/network/interfaces" <<'END'
# This file describes the network interfaces available on your system
# and how to activate them. For more information, see interfaces(5).

source /etc/network/interfaces.d/*

# The loopback network interface
auto lo
iface lo inet loopback

# The primary network interface
allow-hotplug ens192
iface ens192 inet static
	address 192.168.77.10/24
	gateway 192.168.77.1
	dns-nameservers 192.168.77.1
END
    rm -rf "$root"/var/cache/apt/*.bin "$root"/var/lib/apt/lists/* \
        "$root"/var/log/apt "$root"/var/log/*.log
}

# VMware's and IDE's drivers, the card's driver, nothing of virtio.
initramfs_tools_vmware ()
{
    local root=$1; shift
    echo MODULES=list >"$root/etc/initramfs-tools/conf.d/vmware"
    {
        sed -n '/^#/p' "$root/etc/initramfs-tools/modules" 2>/dev/null || :
        printf '%s\n' vmw_pvscsi mptspi mptsas ata_piix ata_generic ahci \
            sd_mod sr_mod vmxnet3 e1000 "$@"
    } >"$work/modules"
    cat "$work/modules" >"$root/etc/initramfs-tools/modules"
}

update_initramfs ()
{
    in_root "$1" update-initramfs -u -k all
    # What makes it a guest of VMware's.
    if in_root "$1" sh -c 'lsinitramfs /boot/initrd.img-* | grep virtio'; then
        die "the guest's initrd has virtio drivers"
    fi
}

# set_grub_default ROOT NAME VALUE
set_grub_default ()
{
    sed -i "/^#*$2=/d" "$1/etc/default/grub"
    echo "$2=$3" >>"$1/etc/default/grub"
}

# grub_mkconfig ROOT DEVICE UUID FS PARTMAP [BOOT-DEVICE BOOT-UUID BOOT-FS
# [ABSTRACTION]]: the guest's own grub-mkconfig.  It knows devices from
# grub-probe alone, and that is told what the finished guest would say.
grub_mkconfig ()
{
    local root=$1 dev=$2 uuid=$3 fs=$4 map=$5
    local bdev=${6:-$2} buuid=${7:-$3} bfs=${8:-$4} abstraction=${9:-}
    cat >"$work/grub-probe" <<END
#!/bin/sh
# Answers for / and /boot as the finished guest would.
root="$dev $uuid $fs"; boot="$bdev $buuid $bfs"
target=fs device= path=
while [ \$# -gt 0 ]; do
    case \$1 in
    --target=*) target=\${1#*=} ;;
    --target|-t) shift; target=\$1 ;;
    --device|-d) device=y ;;
    -*) ;;
    *)  path=\$1 ;;
    esac
    shift
done
case \$path in
    $bdev|/boot|/boot/*) set -- \$boot ;;
    *) set -- \$root ;;
esac
n=\$(echo "\$1" | sed -n 's/.*[^0-9]\\([0-9][0-9]*\\)\$/\\1/p')
case \$target in
    device) echo "\$1" ;;
    disk) echo /dev/sda ;;
    fs_uuid) echo "\$2" ;;
    fs) echo "\$3" ;;
    partmap) echo "$map" ;;
    abstraction) [ "\$1" = "$bdev" ] || echo "$abstraction" ;;
    partuuid|fs_label|cryptodisk_uuid) ;;
    compatibility_hint|drive) echo "hd0,$map\$n" ;;
    hints_string)
        echo "--hint-bios=hd0,$map\$n --hint-efi=hd0,$map\$n" \\
             "--hint-baremetal=ahci0,$map\$n" ;;
    *) exit 1 ;;
esac
END
    chmod +x "$work/grub-probe"
    export grub_probe="$work/grub-probe" guest_uuids="$uuid $buuid"
    # A root on LVM is named, not given by UUID.
    [ "$abstraction" != lvm ] || guest_uuids=$buuid
    in_root "$root" grub-mkconfig -o /boot/grub/grub.cfg
    unset grub_probe guest_uuids
    grub-script-check "$root/boot/grub/grub.cfg"
    grep -q "^[[:space:]]*linux.*root=" "$root/boot/grub/grub.cfg"
}

# grub_bios ROOT IMAGE PREFIX MODULE...: GRUB for BIOS into the gap between
# the MBR and the first partition, its modules into ROOT/boot/grub.
grub_bios_files ()
{
    local root=$1 prefix=$2; shift 2
    mkdir -p "$root/boot/grub/i386-pc" "$root/boot/grub/fonts"
    cp "$root"/usr/lib/grub/i386-pc/*.{mod,lst} "$root/boot/grub/i386-pc/"
    cp "$root/usr/lib/grub/i386-pc/boot.img" "$root/boot/grub/i386-pc/"
    cp "$root/usr/share/grub/unicode.pf2" "$root/boot/grub/fonts/"
    grub-mkimage -O i386-pc -d "$root/usr/lib/grub/i386-pc" \
        -o "$root/boot/grub/i386-pc/core.img" -p "$prefix" biosdisk "$@"
    grub-editenv "$root/boot/grub/grubenv" create
}

grub_bios ()
{
    local root=$1 image=$2 core
    core="$root/boot/grub/i386-pc/core.img"
    [ "$(stat -c %s "$core")" -le $((2047 * 512)) ] || die "core.img too large"
    # The partition table and the disk signature begin at byte 440.  boot.img
    # loads sector 1 and diskboot, at its start, the rest from sector 2.
    dd if="$root/boot/grub/i386-pc/boot.img" of="$image" bs=440 count=1 \
        conv=notrunc status=none
    # As grub-install does for a hard disk: trust the drive number in DL.
    printf '\220\220' | dd of="$image" bs=1 seek=102 conv=notrunc status=none
    dd if="$core" of="$image" bs=512 seek=1 conv=notrunc status=none
}

# put_ext4 ROOT IMAGE START-MiB SIZE-MiB UUID LABEL: a tree as ext4.  The
# features are those that GRUB 2.06 reads; inode tables count as zeroed so
# that no kernel writes to them behind our back.
put_ext4 ()
{
    local root=$1 image=$2 start=$3 size=$4 uuid=$5 label=${6:-}
    settle "$root"
    mke2fs -q -F -t ext4 -b 4096 -I 256 -U "$uuid" ${label:+-L "$label"} \
        -O ^metadata_csum_seed,^orphan_file \
        -E "offset=$((start << 20)),hash_seed=$uuid,lazy_itable_init=0,assume_storage_prezeroed=1" \
        -d "$root" "$image" "${size}M" >&2
}

# settle ROOT: times that do not depend on when the guest was made.
settle ()
{
    find "$1" -xdev -newermt "@$SOURCE_DATE_EPOCH" -print0 |
        xargs -0r touch -hd "@$SOURCE_DATE_EPOCH"
}

# place FILE IMAGE START-MiB: the holes of FILE stay holes.
place () { dd if="$1" of="$2" bs=1M seek="$3" conv=notrunc,sparse status=none; }

# put_xfs ROOT IMAGE START-MiB SIZE-MiB UUID: through a protofile, with the
# features that GRUB 2.06 reads.
put_xfs ()
{
    local root=$1 image=$2 start=$3 size=$4 uuid=$5
    settle "$root"
    "${python:-/usr/bin/python3}" - "$root" >"$work/proto" <<'END'
import os, stat, sys
def word (path):
    st = os.lstat (path)
    kind = {stat.S_IFDIR: "d", stat.S_IFREG: "-", stat.S_IFLNK: "l",
            stat.S_IFCHR: "c", stat.S_IFBLK: "b"}[stat.S_IFMT (st.st_mode)]
    m = stat.S_IMODE (st.st_mode)
    return st, "%s%s%s%03o %d %d" % (kind, "u" if m & 0o4000 else "-",
        "g" if m & 0o2000 else "-", m & 0o777, st.st_uid, st.st_gid)
def tree (top, indent):
    for name in sorted (os.listdir (top)):
        path = os.path.join (top, name)
        if any (c.isspace () for c in path):
            continue
        st, w = word (path)
        line = "%s%s %s" % (" " * indent, name, w)
        if stat.S_ISDIR (st.st_mode):
            print (line); tree (path, indent + 1); print (" " * indent + "$")
        elif stat.S_ISLNK (st.st_mode):
            print (line, os.readlink (path))
        elif stat.S_ISREG (st.st_mode):
            print (line, path)
        else:
            print (line, os.major (st.st_rdev), os.minor (st.st_rdev))
print ("boot\n0 0")
print (word (sys.argv[1])[1])
tree (sys.argv[1], 0)
print ("$")
END
    rm -f "$work/fs"
    truncate -s "${size}M" "$work/fs"
    mkfs.xfs -q -m "uuid=$uuid,bigtime=0,inobtcount=0" -i nrext64=0 \
        -p "$work/proto" "$work/fs" >&2
    place "$work/fs" "$image" "$start"
    rm -f "$work/fs"
}

# put_esp ROOT IMAGE START-MiB SIZE-MiB VOLUME-ID: a FAT with ROOT's files.
put_esp ()
{
    rm -f "$work/fs"
    truncate -s "$4M" "$work/fs"
    mkfs.vfat -F 32 -i "$5" "$work/fs" >&2
    (cd "$1" && mcopy -s -Q -i "$work/fs" -- * ::)
    place "$work/fs" "$2" "$3"
    rm -f "$work/fs"
}

# appliance GUESTFISH-OPTION...: libguestfs, by emulation.
appliance ()
{
    env -u LIBGUESTFS_HV LIBGUESTFS_BACKEND=direct \
        LIBGUESTFS_BACKEND_SETTINGS=force_tcg \
        guestfish "$@" >&2
}

# put_swap IMAGE START-MiB SIZE-MiB UUID
put_swap ()
{
    truncate -s "$3M" "$work/swap"
    mkswap -q -U "$4" "$work/swap" >&2
    dd if="$work/swap" of="$1" bs=1M seek="$2" conv=notrunc,sparse status=none
    rm -f "$work/swap"
}
