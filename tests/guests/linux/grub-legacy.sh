# SPDX-License-Identifier: BSD-3-Clause
# GRUB legacy: menu.lst and device.map by name, ext3 as it can read.
boot=(--bus sata)
profile=grub-legacy
packages=$guest_packages,initramfs-tools,grub-legacy

# The hook wants a menu.lst while the kernel is installed.
mmdebstrap ()
{
    command mmdebstrap \
        --dpkgopt=path-exclude=/etc/kernel/postinst.d/zz-update-grub "$@"
}

guest ()
{
    local kver
    begin
    kver=$(ls "$root/lib/modules")
    cat >"$root/etc/fstab" <<END
/dev/sda1	/	ext3	errors=remount-ro	0	1
/dev/sda2	none	swap	sw	0	0
END
    initramfs_tools_vmware "$root" ext4
    echo "RESUME=/dev/sda2" >"$root/etc/initramfs-tools/conf.d/resume"
    update_initramfs "$root"
    mkdir -p "$root/boot/grub"
    cp "$root"/usr/lib/grub/x86_64-pc/* "$root/boot/grub/"
    echo "(hd0)	/dev/sda" >"$root/boot/grub/device.map"
    cat >"$root/boot/grub/menu.lst" <<END
# menu.lst - See: grub(8), info grub, update-grub(8)
default		0
timeout		1

### BEGIN AUTOMAGIC KERNELS LIST
## ## Start Default Options ##
# kopt=root=/dev/sda1 ro $console
# groot=(hd0,0)
# alternative=true
## ## End Default Options ##

title		Debian GNU/Linux, kernel $kver
root		(hd0,0)
kernel		/boot/vmlinuz-$kver root=/dev/sda1 ro $console
initrd		/boot/initrd.img-$kver

title		Debian GNU/Linux, kernel $kver (single-user mode)
root		(hd0,0)
kernel		/boot/vmlinuz-$kver root=/dev/sda1 ro $console single
initrd		/boot/initrd.img-$kver

### END DEBIAN AUTOMAGIC KERNELS LIST
END
    truncate -s 2048M "$1"
    sfdisk -q "$1" <<END
label: dos
label-id: 0x000c29ab
1 : start=2048, size=$((1900 * 2048)), type=83, bootable
2 : start=$((1902 * 2048)), size=$((128 * 2048)), type=82
END
    settle "$root"
    mke2fs -q -F -t ext3 -b 4096 -I 128 -U "$(uuid_of root)" \
        -O ^resize_inode,^metadata_csum_seed \
        -E "offset=$((1 << 20)),hash_seed=$(uuid_of root)" \
        -d "$root" "$1" 1900M >&2
    put_swap "$1" 1902 128 "$(uuid_of swap)"
    # GRUB's shell writes stage 1 and 1.5 to the image.
    ln "$1" "$root/disk"
    in_root_stdin "$root" grub --batch --no-floppy <<'END' || :
device (hd0) /disk
root (hd0,0)
setup (hd0)
quit
END
    rm "$root/disk"
    [ "$(dd if="$1" bs=1 skip=0 count=2 status=none | xxd -p)" = eb48 ] ||
        die "GRUB did not install itself"
}
