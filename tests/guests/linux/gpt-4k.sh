# SPDX-License-Identifier: BSD-3-Clause
# As "uefi", on an NVMe disk with sectors of 4096 bytes: its GPT, at byte 4096,
# and its ESP are not found by who takes them for sectors of 512.
boot=(--bus nvme --sector-size 4096 --uefi)
profile=efi
sound=('[ "$(blockdev --getss "$(findmnt -no SOURCE /)")" = 4096 ]'
       'systemctl is-system-running --wait'
       'findmnt --real')
use efi

guest ()
{
    local script=$work/script
    begin
    efi_grub /dev/nvme0n1p nvme
    truncate -s 2304M "$1"
    cat >"$script" <<END
label: gpt
label-id: $(uuid_of disk)
sector-size: 4096
1 : start=256, size=$((64 * 256)), type=uefi, uuid=$(uuid_of p1)
2 : start=$((65 * 256)), size=$((1900 * 256)), type=linux, uuid=$(uuid_of p2)
END
    # sfdisk of util-linux 2.38 cannot be told the size of sectors.
    printf 'I\n%s\nw\n' "$script" | fdisk -b 4096 "$1" >&2
    truncate -s 64M "$work/fs"
    mkfs.vfat -S 4096 -i c29ab00d "$work/fs" >&2
    (cd "$esp" && mcopy -s -Q -i "$work/fs" -- * ::)
    place "$work/fs" "$1" 1
    put_ext4 "$root" "$1" 65 1900 "$(uuid_of root)"
}
