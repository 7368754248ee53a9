# SPDX-License-Identifier: BSD-3-Clause
# Guests that cannot be converted: each has its code, a message that names
# the thing, exit status 1, and leaves nothing behind.

. "$V2V_SRCDIR/tests/functions.sh"
. "$V2V_SRCDIR/tests/helper-functions.sh"

make_root "$tmp/root"
make_fs "$tmp/fs" "$tmp/root" 48M
leftover=

# refused CODE PATTERN ARGS...
refused () {
    local code=$1 pattern=$2; shift 2
    run_helper "$@"
    check "$code: exit status" [ $status = 1 ]
    check "$code: the code" [ "$(result code)" = "$code" ]
    check "$code: the message" grep -q -- "$pattern" <<<"$(message)"
    diag "$(message)"
    check "$code: the report has it" \
        [ "$(jq -r .code "$tmp/out/report.json")" = "$code" ]
    check "$code: no temporary file" [ "$(temporary_files)" = "$leftover" ]
}

truncate -s 64M "$tmp/d"
serve "$tmp/d"; refused empty-disk "is empty"

make_disk "$tmp/d" "$tmp/fs"
truncate -s 30M "$tmp/d"
serve "$tmp/d"; refused truncated-disk "incomplete"

rm -f "$tmp/d"; truncate -s 64M "$tmp/d"
echo "label: gpt
start=2048,size=100000" | sfdisk -q "$tmp/d"
truncate -s 40M "$tmp/d"
serve "$tmp/d"; refused truncated-disk "incomplete"

mkdir "$tmp/data"; echo hello >"$tmp/data/file"
make_fs "$tmp/datafs" "$tmp/data" 16M
make_disk "$tmp/d" "$tmp/datafs"
serve "$tmp/d"; refused no-operating-system "no operating system"

head -c 4M /dev/urandom > "$tmp/noise"
make_disk "$tmp/d" "$tmp/noise"
serve "$tmp/d"; refused unknown-filesystem "/dev/sda1"

mkdir -p "$tmp/win/WINDOWS/system32/config"
make_fs "$tmp/winfs" "$tmp/win" 16M
make_disk "$tmp/d" "$tmp/winfs"
serve "$tmp/d"; refused unsupported-guest "Windows"

# Two systems: refused by default, each can be chosen.
sed 's/12/13/' -i "$tmp/root/etc/os-release"
make_fs "$tmp/fs2" "$tmp/root" 48M
make_disk "$tmp/d" "$tmp/fs" "$tmp/fs2"
serve "$tmp/d"
refused multi-boot "/dev/sda2 (Test GNU/Linux 13)"
refused multi-boot "/dev/sda3 is not" --root /dev/sda3
run_helper --dry-run --root first
check "--root first" [ "$(jq -r .facts.guest.root "$tmp/out/report.json")" = \
    /dev/sda1 ]
run_helper --dry-run --root /dev/sda2
check "--root DEVICE" [ "$(jq -r .facts.guest.root "$tmp/out/report.json")" \
    = /dev/sda2 ]

make_disk "$tmp/d" "$tmp/fs"
serve "$tmp/d"
refused no-space "needs" --option need=100000000
refused no-inodes "more files" --option inodes=20000
# One file after the other is replaced: what is needed is the largest once.
free=$(dumpe2fs -h "$tmp/fs" 2>/dev/null | awk '
    /^Free blocks:/ { n = $3 } /^Block size:/ { print n * $3 }')
refused no-space "needs" --option replace="$((free + 4096))"
run_helper --option replace="$((free / 2))"
check "three files of half the free space can be replaced" [ $status = 0 ]
refused asked-for "as it was asked" --option fail=asked-for

# A hibernated guest: its swap space holds a memory image.
truncate -s 8M "$tmp/swap"; mkswap -q "$tmp/swap" >/dev/null
printf S1SUSPEND | dd of="$tmp/swap" bs=1 seek=4086 conv=notrunc status=none
make_disk "$tmp/d" "$tmp/fs" "$tmp/swap"
serve "$tmp/d"; refused hibernated "shut it down"

# Damage that e2fsck finds; the superblock says that errors were seen.
cp "$tmp/fs" "$tmp/bad"
debugfs -w -R "clri /etc/fstab" "$tmp/bad" 2>/dev/null
debugfs -w -R "ssv state 2" "$tmp/bad" 2>/dev/null
make_disk "$tmp/d" "$tmp/bad"
serve "$tmp/d"; refused file-system-damaged "fstab"

# A journal that has to be replayed is no damage: copy a file system while
# it is mounted and being written.
cp "$tmp/fs" "$tmp/live"
mkdir "$tmp/mnt"
if mount -o loop "$tmp/live" "$tmp/mnt" 2>/dev/null; then
    echo "written before the crash" >"$tmp/mnt/etc/journal"
    rm "$tmp/mnt/etc/v2v-remove"
    sync -f "$tmp/mnt"
    cp "$tmp/live" "$tmp/crashed"
    umount "$tmp/mnt"
    check "the journal needs recovery" bash -c \
        "dumpe2fs -h $tmp/crashed 2>/dev/null | grep -q needs_recovery"
    make_disk "$tmp/d" "$tmp/crashed"
    serve "$tmp/d"
    run_helper
    check "journal: converted" [ $status = 0 ]
    check "journal: clean afterwards" e2fsck -f -n "$tmp/d?offset=1048576"
    check "journal: the file is there" bash -c "debugfs -R \
        'cat /etc/journal' '$tmp/d?offset=1048576' 2>/dev/null |
        grep -q before"
else
    skip "journal" "cannot mount a file here"
fi

# An encrypted disk without its key.
if cryptsetup --version >/dev/null 2>&1; then
    truncate -s 32M "$tmp/luks"
    echo -n secret | cryptsetup luksFormat --type luks2 --pbkdf pbkdf2 \
        --pbkdf-force-iterations 1000 -q "$tmp/luks" - 2>/dev/null
    make_disk "$tmp/d" "$tmp/luks"
    serve "$tmp/d"
    refused luks-no-key "/dev/sda1"
    echo "all:key:wrong" >"$tmp/keys"
    refused luks-no-key "right key" --key-file "$tmp/keys"
    check "the key is not in any output" \
        bash -c "! grep -rq 'key:wrong' $tmp/lines $tmp/out $tmp/stderr"
    echo "all:key:secret" >"$tmp/keys"
    # It is opened, and there is nothing in it.
    refused unknown-filesystem "/dev/mapper/luks-" --key-file "$tmp/keys"
else
    skip "luks-no-key" "no cryptsetup"
fi

# No server.
disk_args=(--disk "nbd+unix:///?socket=$tmp/no-such-socket")
refused appliance-launch-failed "no-such-socket"

# No kernel that supermin could put into an appliance.
mkdir "$tmp/cache"
LIBGUESTFS_CACHEDIR=$tmp/cache SUPERMIN_KERNEL=/nonexistent \
SUPERMIN_MODULES=/nonexistent \
    refused appliance-launch-failed "suitable kernel.*linux-image"
rm -rf "$tmp/cache"

# Wrong command lines end with 2, before anything is started.
for args in "" "--disk nbd://h/ --output" "--disk x --output $tmp/o" \
            "--disk nbds://h/ --output $tmp/o" \
            "--disk nbd+unix:///x --output $tmp/o" \
            "--disk nbd://h/ --output $tmp/o --root maybe" \
            "--disk nbd://h/ --output $tmp/o --key all:secret" \
            "--disk nbd://h/ --output $tmp/o --option x" \
            "--disk nbd://h/ --output $tmp/o --memsize 1"; do
    "${helper[@]}" $args >/dev/null 2>"$tmp/err"
    check "wrong command line: $args" [ $? = 2 -a -s "$tmp/err" ]
done
done_testing
