# SPDX-License-Identifier: BSD-3-Clause
# For the tests of initrds that are made and booted with this machine's own
# kernel.  Sourced after functions.sh.  What takes long is kept in
# $V2V_TEST_CACHE: initrds by kernel and recipe, console logs by the digest
# of all that was booted.

initrd_tool="$V2V_BUILDDIR/filters/convert/helper/v2v-initrd"
initrd_cache="$V2V_TEST_CACHE/initrd"
mkdir -p "$initrd_cache"

# Find a kernel with its modules.  Sets kver and vmlinuz, or skips all.
find_kernel () {
    local f
    for f in /boot/vmlinuz-*; do
        kver=${f#/boot/vmlinuz-}
        vmlinuz=$f
        [ -r "$f" ] && [ -s "/lib/modules/$kver/modules.dep" ] && return 0
    done
    skip_all "no readable kernel in /boot with its modules"
}

# cached NAME CMD...: CMD makes the file that is its last argument.  Sets
# cached_file.
cached () {
    local name=$1; shift
    cached_file="$initrd_cache/$name"
    [ -s "$cached_file" ] && return 0
    if "$@" "$cached_file.$$" >"$tmp/cached.log" 2>&1; then
        mv "$cached_file.$$" "$cached_file"
    else
        rm -f "$cached_file.$$"
        diag "$(tail -n 20 "$tmp/cached.log")"
        return 1
    fi
}

# An initrd as a guest on other hardware has it: no virtio.
make_initramfs_tools () {
    local conf="$tmp/initramfs-conf"
    rm -rf "$conf"
    mkdir -p "$conf"/{hooks,scripts,conf.d} "$conf"/scripts/{init-top,local-top}
    printf '%s\n' MODULES=list BUSYBOX=auto KEYMAP=n COMPRESS=gzip DEVICE= \
        NFSROOT=auto RUNSIZE=10% FSTYPE=ext4 >"$conf/initramfs.conf"
    printf '%s\n' ext4 ahci sd_mod >"$conf/modules"
    mkinitramfs -d "$conf" -o "$1" "$kver"
}

make_dracut () {                # make_dracut systemd|plain OUTPUT
    local m="base udev-rules rootfs-block fs-lib kernel-modules"
    case $1 in
        systemd) m="$m systemd systemd-initrd dracut-systemd" ;;
        plain) m="$m dash" ;;
    esac
    dracut --force --no-hostonly --no-hostonly-cmdline --no-early-microcode \
        --kver "$kver" -m "$m" --drivers "ext4 ahci sd_mod" --gzip "$2"
}

root_uuid=5a1c1dc6-7d3d-4c1e-9d3b-2f6d9a4f1e00

# The root file system: one program.
make_root () {
    local d="$tmp/root"
    rm -rf "$d"
    mkdir -p "$d"/{dev,proc,sys,run,tmp,etc,sbin,bin,usr/lib}
    cp "$V2V_BUILDDIR/tests/test-initrd-init" "$d/sbin/init"
    echo 'ID=test' >"$d/etc/os-release"
    mke2fs -q -t ext4 -U "$root_uuid" -d "$d" "$1" 32M >/dev/null
}

# add_virtio IN OUT: what the converter does.
add_virtio () {
    "$initrd_tool" add --kernel "$kver" --want virtio_pci --want virtio_blk \
        --want virtio_scsi --want sd_mod "$1" "$2"
}

# boot INITRD ROOT BUS: sets boot_log, the console's text.  The same bytes
# are not booted twice.
boot () {
    local initrd=$1 root=$2 bus=$3 key dev
    case $bus in
        virtio-blk) dev=(-device virtio-blk-pci,drive=d) ;;
        virtio-scsi) dev=(-device virtio-scsi-pci -device scsi-hd,drive=d) ;;
        sata) dev=(-device ahci,id=a -device ide-hd,drive=d,bus=a.0) ;;
    esac
    key=$({ qemu-system-x86_64 --version; echo "$bus" 3; cat "$vmlinuz" \
        "$initrd" "$V2V_BUILDDIR/tests/test-initrd-init"; } | sha256sum)
    boot_log="$initrd_cache/boot-${key%% *}.log"
    [ -s "$boot_log" ] && return 0
    timeout 600 qemu-system-x86_64 -accel tcg -m 768 -display none \
        -no-reboot -nodefaults -serial "file:$tmp/console" \
        -kernel "$vmlinuz" -initrd "$initrd" \
        -append "console=ttyS0 no_timer_check root=UUID=$root_uuid rw panic=1 rootdelay=4 rd.retry=4 rd.shell=0 rd.emergency=reboot rd.timeout=8 systemd.default_timeout_start_sec=8 JobTimeoutSec=8 $boot_extra" \
        -drive "file=$root,format=raw,if=none,id=d,snapshot=on" \
        "${dev[@]}" >"$tmp/qemu.log" 2>&1 </dev/null
    # An end by the time limit, or of the kernel before it came to the
    # initrd (on a busy host its check of the timer fails under TCG, hence
    # no_timer_check), is no result that may be kept.
    if [ $? -eq 0 ] && grep -a -q 'Run /init as init' "$tmp/console"; then
        cp "$tmp/console" "$boot_log.$$" && mv "$boot_log.$$" "$boot_log"
    else
        diag "qemu: $(cat "$tmp/qemu.log")"
        boot_log="$tmp/console"
    fi
}
boot_extra=

# boots_from DEVICE: what the guest's init said in boot_log.
boots_from () {
    grep -a -q "V2V-TEST root $1 tainted 0" "$boot_log" || {
        tail -n 30 "$boot_log"
        return 1
    }
}
reached_root () { grep -a -q 'V2V-TEST root' "$boot_log"; }

# recompress CPIO FORMAT OUTPUT
recompress () {
    case $2 in
        cpio) cat "$1" >"$3" ;;
        gzip) gzip -1 -n <"$1" >"$3" ;;
        bzip2) bzip2 -1 <"$1" >"$3" ;;
        lzma) xz -1 --format=lzma <"$1" >"$3" ;;
        xz) xz -1 --check=crc32 <"$1" >"$3" ;;
        lz4) lz4 -q -l -1 - - <"$1" >"$3" ;;
        zstd) zstd -q -3 <"$1" >"$3" ;;
    esac
}
