# SPDX-License-Identifier: BSD-3-Clause
# Guests with dracut.

# dracut_vmware FS...: as hostonly dracut leaves it on VMware; the guest's
# own configuration stays as its distribution has it.  Needs $initrd_name, the
# initrd's path in the guest.
dracut_vmware ()
{
    local kver
    kver=$(ls "$root/lib/modules")
    in_root "$root" dracut --force --no-hostonly --kver "$kver" \
        --omit "qemu qemu-net virtiofs nvdimm network kernel-network-modules ifcfg" \
        --drivers "vmw_pvscsi mptspi mptsas ata_piix ata_generic ahci sd_mod sr_mod dm_mod crc32c_generic crc32c_intel libcrc32c $*" \
        "$initrd_name"
    if in_root "$root" sh -c "lsinitrd '$initrd_name' | grep 'virtio.*ko'"; then
        die "the guest's initrd has virtio drivers"
    fi
}
