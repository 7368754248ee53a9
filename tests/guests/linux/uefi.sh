# SPDX-License-Identifier: BSD-3-Clause
# UEFI with GRUB in EFI/debian only: the entry that started it is in the
# NVRAM of the old machine.
boot=(--bus sata --uefi)
profile=efi
use efi

guest ()
{
    begin
    efi_grub /dev/sda
    efi_disk "$1" "$esp" 64
}
