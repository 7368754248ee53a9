# SPDX-License-Identifier: BSD-3-Clause
# Guests that boot by BIOS from GPT.

# grub_bios_gpt ROOT IMAGE SECTOR: with GPT the core goes to the BIOS boot
# partition, here at SECTOR; block numbers in boot.img and in diskboot, the
# core's first sector, say where.  ROOT has grub_bios_files's.
grub_bios_gpt ()
{
    "${python:-/usr/bin/python3}" - "$1/boot/grub/i386-pc/boot.img" \
        "$1/boot/grub/i386-pc/core.img" "$2" "$3" <<'END'
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
