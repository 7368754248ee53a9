# SPDX-License-Identifier: BSD-3-Clause
# Guests of other families, made from Debian's packages.  The programs, the
# kernel (so its version, which must be what "uname -r" says) and GRUB are
# Debian's; all names, files and databases are the family's.

# become: the root stops being Debian.  os-release on stdin.
become ()
{
    rm -f "$root/etc/os-release"
    cat >"$root/usr/lib/os-release"
    ln -s ../usr/lib/os-release "$root/etc/os-release"
    rm -rf "$root"/etc/{debian_version,network,apt} \
        "$root"/var/lib/dpkg/{status,available,info} \
        "$root"/var/lib/apt "$root/etc/default/grub.d" \
        "$root"/etc/systemd/system/*.wants/networking.service \
        "$root"/etc/systemd/system/*.wants/{apt-daily,apt-daily-upgrade,dpkg-db-backup}.timer \
        "$root"/boot/{initrd,System.map,config}*
    rm -f "$root"/{vmlinuz,initrd.img}{,.old}
}

# grub2_cfg DIR UUID [LINE...]: the head of a grub.cfg as grub2-mkconfig
# would write it, in ROOT/DIR; menu entries are added by grub_entry.
grub2_cfg ()
{
    local dir=$1 uuid=$2; shift 2
    mkdir -p "$root$dir"
    {
        echo 'set timeout=1'
        printf '%s\n' "$@"
        echo "search --no-floppy --fs-uuid --set=root $uuid"
    } >"$root$dir/grub.cfg"
    grub_cfg=$root$dir/grub.cfg
}

# grub_entry TITLE LINUX-LINE INITRD-LINE: its words as they are.
grub_entry ()
{
    printf "menuentry '%s' --class gnu-linux --class os {\n\t%s\n\t%s\n}\n" \
        "$1" "$2" "$3" >>"$grub_cfg"
    grub-script-check "$grub_cfg"
}

# grub_dir DIR: moves what grub_bios_files made to where the family has it.
# (grub_bios reads it in /boot/grub.)
grub_dir ()
{
    mkdir -p "$root$1"
    cp -a "$root/boot/grub/." "$root$1/"
    rm -rf "$work/grub"
    mv "$root/boot/grub" "$work/grub"
}

# grub_mbr IMAGE: grub_bios, after grub_dir.
grub_mbr ()
{
    mkdir -p "$work/grub-root/boot"
    rm -rf "$work/grub-root/boot/grub"
    mv "$work/grub" "$work/grub-root/boot/grub"
    grub_bios "$work/grub-root" "$1"
}
