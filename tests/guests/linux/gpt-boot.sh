# SPDX-License-Identifier: BSD-3-Clause
# BIOS and GPT, /boot and /home apart, all by name.
boot=(--bus sata)
profile=debian
use gpt

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
    grub_bios_gpt "$root" "$1" 2048
    boot=$(split boot)
    home=$(split home)
    put_ext4 "$boot" "$1" 2 256 "$(uuid_of boot)"
    put_ext4 "$root" "$1" 258 1900 "$(uuid_of root)"
    put_ext4 "$home" "$1" 2158 256 "$(uuid_of home)" home
    put_swap "$1" 2414 144 "$(uuid_of swap)"
}
