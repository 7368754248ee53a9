# SPDX-License-Identifier: BSD-3-Clause
# The layout of Ubuntu's cloud images: GPT with a partition for BIOS boot
# code, initramfs-tools, modules as .ko.zst, netplan and cloud-init's files,
# root= by name.
boot=(--bus sata)
card="ens192 00:0c:29:ab:00:01"
profile=ubuntu
packages=init,systemd-sysv,udev,dbus,kmod,iproute2,e2fsprogs,linux-image-amd64,open-vm-tools,initramfs-tools,grub-pc,zstd,netplan.io
converted=("timeout 300 sh -c 'until ip -4 addr show ens192 | grep 192.168.77.10/24; do sleep 1; done'")
use family
use gpt

# What cloud-init leaves behind on VMware: its card is known by its address.
cloud_init ()
{
    local d=$root/var/lib/cloud/instances/iid-vmware-imc
    mkdir -p "$root"/etc/cloud/cloud.cfg.d "$root/etc/netplan" "$d"
    echo 'datasource_list: [ VMware, OVF, None ]' \
        >"$root/etc/cloud/cloud.cfg.d/90_dpkg.cfg"
    echo 'disable_vmware_customization: false' \
        >"$root/etc/cloud/cloud.cfg.d/99-vmware.cfg"
    ln -s /var/lib/cloud/instances/iid-vmware-imc "$root/var/lib/cloud/instance"
    echo 'DataSourceVMware: DataSourceVMware [seed=vmware-tools]' >"$d/datasource"
    cat >"$root/etc/netplan/50-cloud-init.yaml" <<'END'
# This file is generated from information provided by the datasource.
network:
    version: 2
    ethernets:
        ens192:
            match:
                macaddress: 00:0c:29:ab:00:01
            set-name: ens192
            addresses:
            - 192.168.77.10/24
            nameservers:
                addresses:
                - 192.168.77.1
            routes:
            -   to: default
                via: 192.168.77.1
END
    chmod 600 "$root/etc/netplan/50-cloud-init.yaml"
    # A machine without this card is not to wait for it.
    ln -s /dev/null "$root/etc/systemd/system/systemd-networkd-wait-online.service"
}

guest ()
{
    local kver tree
    begin
    kver=$(ls "$root/lib/modules")
    cat >"$root/usr/lib/os-release" <<'END'
PRETTY_NAME="Ubuntu 24.04.1 LTS"
NAME="Ubuntu"
VERSION_ID="24.04"
VERSION="24.04.1 LTS (Noble Numbat)"
VERSION_CODENAME=noble
ID=ubuntu
ID_LIKE=debian
UBUNTU_CODENAME=noble
END
    echo trixie/sid >"$root/etc/debian_version"
    printf '%s\n' DISTRIB_ID=Ubuntu DISTRIB_RELEASE=24.04 \
        DISTRIB_CODENAME=noble 'DISTRIB_DESCRIPTION="Ubuntu 24.04.1 LTS"' \
        >"$root/etc/lsb-release"
    rm -rf "$root/etc/network" "$root"/etc/apt/sources.list*
    cloud_init
    # Modules as Ubuntu and Arch pack them.
    find "$root/lib/modules/$kver" -name '*.ko' -print0 |
        xargs -0 zstd -q -3 --rm
    in_root "$root" depmod "$kver"
    printf '/dev/sda1\t/\text4\tdiscard,errors=remount-ro\t0\t1\n/dev/sda16\t/boot\text4\tdefaults\t0\t2\n' \
        >"$root/etc/fstab"
    initramfs_tools_vmware "$root" ext4
    sed -i 's/^COMPRESS=.*/COMPRESS=zstd/' "$root/etc/initramfs-tools/initramfs.conf"
    update_initramfs "$root"
    ln -s "vmlinuz-$kver" "$root/boot/vmlinuz"
    ln -s "initrd.img-$kver" "$root/boot/initrd.img"
    set_grub_default "$root" GRUB_DISABLE_LINUX_UUID true
    grub_bios_files "$root" "(,gpt16)/grub" ext2 part_gpt
    grub_mkconfig "$root" /dev/sda1 "$(uuid_of root)" ext2 gpt \
        /dev/sda16 "$(uuid_of boot)" ext2
    sed -i 's,/boot/\(vmlinuz\|initrd\),/\1,' "$root/boot/grub/grub.cfg"

    # The numbers are those of the cloud image: 14 boots, 16 is /boot.
    truncate -s 2304M "$1"
    sfdisk -q "$1" <<END
label: gpt
label-id: $(uuid_of disk)
1 : start=$((260 * 2048)), size=$((2040 * 2048)), type=linux, uuid=$(uuid_of p1)
14 : start=2048, size=8192, type=21686148-6449-6E6F-744E-656564454649, uuid=$(uuid_of p14)
16 : start=$((5 * 2048)), size=$((255 * 2048)), type=linux, uuid=$(uuid_of p16)
END
    grub_bios_gpt "$root" "$1" 2048
    tree=$(split boot)
    put_ext4 "$tree" "$1" 5 255 "$(uuid_of boot)" BOOT
    put_ext4 "$root" "$1" 260 2040 "$(uuid_of root)" cloudimg-rootfs
}
