# SPDX-License-Identifier: BSD-3-Clause
# SELinux enforcing, with Debian's own policy (an MLS one, "default"), all
# files labelled by it; devices by name.  What the policy denies as it is, it
# may deny: programs of systemd and agetty at each boot.
boot=(--bus sata)
profile=selinux
packages=$guest_packages,initramfs-tools,grub-pc,selinux-policy-default,policycoreutils
sound=('[ "$(getenforce)" = Enforcing ]'
       'state=$(timeout 600 systemctl is-system-running --wait); echo "$state"; systemctl --failed --no-legend; [ "$state" = running ]'
       '! { dmesg; journalctl -b -q _TRANSPORT=audit; } | grep "avc: *denied" | grep -vE "comm=\"(\(?systemd-|agetty)"')
converted=('[ -e /usr/lib/v2v-firstboot/run ] && [ ! -e /.autorelabel ]'
           'wrong=$(restorecon -n -R -v /boot /etc /usr/lib/v2v-firstboot /var/lib/systemd 2>&1); echo "$wrong"; [ -z "$wrong" ]'
           'ls -dZ /usr/lib/v2v-firstboot/run | grep :lib_t:'
           'timeout 600 sh -c "until grep remove-tools:.exit.status.0 /var/log/v2v-firstboot.log; do sleep 1; done"; [ ! -e /usr/bin/vmtoolsd ]')

guest ()
{
    begin
    printf '/dev/sda1\t/\text4\terrors=remount-ro\t0\t1\n' >"$root/etc/fstab"
    printf 'SELINUX=enforcing\nSELINUXTYPE=default\n' >"$root/etc/selinux/config"
    initramfs_tools_vmware "$root" ext4
    echo "RESUME=none" >"$root/etc/initramfs-tools/conf.d/resume"
    set_grub_default "$root" GRUB_DISABLE_LINUX_UUID true
    set_grub_default "$root" GRUB_CMDLINE_LINUX "\"$console security=selinux\""
    update_initramfs "$root"
    grub_bios_files "$root" "(,msdos1)/boot/grub" ext2 part_msdos
    grub_mkconfig "$root" /dev/sda1 "$(uuid_of root)" ext2 msdos
    settle "$root"
    # A second view of /, without what is mounted in it.
    in_root "$root" sh -c 'mount --bind / /mnt && exec setfiles -F -r /mnt \
        /etc/selinux/default/contexts/files/file_contexts /mnt'
    one_partition "$1" 2048
    put_ext4 "$root" "$1" 1 2046 "$(uuid_of root)"
    grub_bios "$root" "$1"
}
