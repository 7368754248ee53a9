# SPDX-License-Identifier: BSD-3-Clause
# What the guests of linux/ share.  Every one of them is made anew when this
# file changes; what only some need is in a file of its own (see "use").

console="console=tty0 console=ttyS0,115200n8"

# begin: unpacks the tree, names it, sets $root.  Emulated on a busy machine,
# a disk may need more than systemd's 90 s to appear.
begin ()
{
    workdir
    root=$work/root
    unpack "$base" "$root"
    configure_root "$root" "$name"
    mkdir -p "$root/etc/systemd/system.conf.d"
    printf '[Manager]\nDefaultTimeoutStartSec=10min\nDefaultDeviceTimeoutSec=10min\n' \
        >"$root/etc/systemd/system.conf.d/slow.conf"
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
