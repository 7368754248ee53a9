# SPDX-License-Identifier: BSD-3-Clause
# UEFI with systemd-boot and loader entries; kernel and initrd on the ESP,
# which is /boot; the kernel command line names /dev/sda2.
boot=(--bus sata --uefi)
profile=efi

guest ()
{
    local esp kver
    begin
    rm -f "$root/etc/default/grub"
    printf '/dev/sda2\t/\text4\terrors=remount-ro\t0\t1\n/dev/sda1\t/boot\tvfat\tumask=0077\t0\t1\n' \
        >"$root/etc/fstab"
    mkdir -p "$root/etc/kernel"
    echo "root=/dev/sda2 ro $console" >"$root/etc/kernel/cmdline"
    initramfs_tools_vmware "$root" ext4 vfat nls_ascii nls_cp437
    update_initramfs "$root"
    kver=$(ls "$root/lib/modules")
    esp=$(split boot)
    rm -rf "$esp/grub"
    mkdir -p "$esp/EFI/systemd" "$esp/EFI/BOOT" "$esp/loader/entries" \
        "$esp/debian/$kver"
    cp "$root/usr/lib/systemd/boot/efi/systemd-bootx64.efi" "$esp/EFI/systemd/"
    cp "$root/usr/lib/systemd/boot/efi/systemd-bootx64.efi" "$esp/EFI/BOOT/BOOTX64.EFI"
    mv "$esp/vmlinuz-$kver" "$esp/debian/$kver/linux"
    mv "$esp/initrd.img-$kver" "$esp/debian/$kver/initrd.img-$kver"
    printf 'timeout 1\ndefault debian-*\n' >"$esp/loader/loader.conf"
    cat >"$esp/loader/entries/debian-$kver.conf" <<END
# Boot Loader Specification type#1 entry
title      Debian GNU/Linux 12 (bookworm)
version    $kver
sort-key   debian
options    root=/dev/sda2 ro $console systemd.machine_id=$(cat "$root/etc/machine-id")
linux      /debian/$kver/linux
initrd     /debian/$kver/initrd.img-$kver
END
    efi_disk "$1" "$esp" 192
}
