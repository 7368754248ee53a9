# SPDX-License-Identifier: BSD-3-Clause
# BIOS and GPT, /boot and /home apart, all by name.
boot=(--bus sata)
profile=debian

guest ()
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
