# SPDX-License-Identifier: BSD-3-Clause
# The helper from launch to shutdown on a small guest: what it says, what
# it writes, and what of the files it changes stays as it was.

. "$V2V_SRCDIR/tests/functions.sh"
. "$V2V_SRCDIR/tests/helper-functions.sh"
requires debugfs -V

make_root "$tmp/root"
# Deleted data that trimming must give back: 20 MiB, not sparse.
make_fs "$tmp/fs" "$tmp/root" 96M
head -c 20M /dev/urandom > "$tmp/junk"
debugfs -w -R "write $tmp/junk junk" "$tmp/fs" 2>/dev/null
debugfs -w -R "rm junk" "$tmp/fs" 2>/dev/null
debugfs -w -R "ea_set /etc/v2v-target user.test kept" "$tmp/fs" 2>/dev/null
debugfs -w -R "sif /etc/v2v-target uid 123" "$tmp/fs" 2>/dev/null
# SELinux labels of the directory and of files in it.
label=system_u:object_r:etc_t:s0
for f in /etc /etc/fstab /etc/hostname /etc/v2v-same /opt; do
    debugfs -w -R "ea_set $f security.selinux $label" "$tmp/fs" 2>/dev/null
done
make_disk "$tmp/disk" "$tmp/fs"
cp --sparse=always "$tmp/disk" "$tmp/dry"

guest="$tmp/disk?offset=1048576"
in_guest () { debugfs -R "$1" "$guest" 2>/dev/null; }

serve "$tmp/dry"
before=$(sha256sum <"$tmp/dry")
run_helper --dry-run --no-trim
check "a dry run succeeds" [ $status = 0 ]
check "it reports the changes" \
    jq -e '[.changes[].path] | contains(["/etc/v2v-link","/opt/a/b/v2v-new"])' \
    "$tmp/out/report.json"
check "it makes none" bash -c \
    "! debugfs -R 'stat /opt/a' '$tmp/dry?offset=1048576' 2>/dev/null |
     grep -q Inode"

serve "$tmp/disk"
leftover=
run_helper
check "the helper succeeds" [ $status = 0 ]
check "no temporary file is left" [ "$(temporary_files)" = "$leftover" ]
check "only the documents are in the output directory" \
    [ "$(ls -A "$tmp/out" | tr '\n' ' ')" = \
      "domain.xml kubevirt.yaml openstack.json qemu.sh report.json vm.json vm.ovf " ]
check "output directory has mode 0700" [ "$(stat -c %a "$tmp/out")" = 700 ]

# The lines.
check "every line is one JSON object" \
    [ "$(jq -c . "$tmp/lines" | wc -l)" = "$(wc -l <"$tmp/lines")" ]
check "the result is the last line" [ "$(result type)" = result ]
check "status is ok" [ "$(result status)" = ok ]
check "no code" [ "$(result code)" = null ]
check "the documents are listed" \
    [ "$(result 'documents|index("report.json")')" != null ]
check "steps start and end" bash -c "
    jq -es '[.[]|select(.type==\"step\" and .event==\"start\")|.name] ==
            [\"launch\",\"inspect\",\"mount\",\"plan\",\"convert\",\"trim\",
             \"shutdown\",\"documents\"]' $tmp/lines &&
    jq -es '[.[]|select(.type==\"step\" and .event==\"end\")|.elapsed|
             numbers] | length == 8' $tmp/lines"
check "seconds never go back" jq -es \
    '[.[]|.seconds|numbers] | . == sort' "$tmp/lines"

# What was found.
r=$tmp/out/report.json
check "distro" jq -e '.facts.guest.distro == "debian"' $r
check "version" jq -e '.facts.guest.version == "12.7"' $r
check "architecture" jq -e --arg a "$(uname -m)" \
    '.facts.guest.arch == $a' $r
check "package manager" jq -e '.facts.guest.package_management == "apt"' $r
check "host name" jq -e '.facts.guest.hostname == "testhost"' $r
check "names are resolved" bash -c \
    "[ \"\$(jq -r .facts.test.sda1 $r)\" = \
       \"\$(blkid -p -O 1048576 -s UUID -o value $tmp/disk)\" ]"

# What was written.
check "a link is written through" [ "$(in_guest 'cat /etc/v2v-target')" = \
    "new text" ]
check "and stays a link" bash -c \
    "debugfs -R 'stat /etc/v2v-link' '$guest' 2>/dev/null | grep -q symlink"
check "mode is kept" bash -c "debugfs -R 'stat /etc/v2v-target' '$guest' \
    2>/dev/null | grep -q 'Mode:  0640'"
check "owner is kept" bash -c "debugfs -R 'stat /etc/v2v-target' '$guest' \
    2>/dev/null | grep -q 'User:   123'"
check "extended attributes are kept" bash -c "debugfs -R \
    'ea_get /etc/v2v-target user.test' '$guest' 2>/dev/null | grep -q kept"
check "new files have their content" [ \
    "$(in_guest 'cat /opt/a/b/v2v-new')" = hello ]
check "and their mode" bash -c "debugfs -R 'stat /opt/a/b/v2v-new' '$guest' \
    2>/dev/null | grep -q 'Mode:  0750'"
check "a directory made has the label of its parent" bash -c "debugfs -R \
    'ea_get /opt/a security.selinux' '$guest' 2>/dev/null | grep -q $label"
check "the file in it too" bash -c "debugfs -R \
    'ea_get /opt/a/b/v2v-new security.selinux' '$guest' 2>/dev/null |
    grep -q $label"
check "a removed file is gone" bash -c \
    "! debugfs -R 'stat /etc/v2v-remove' '$guest' 2>/dev/null |
     grep -q Inode"
check "what is equal is not a change" jq -e \
    '[.changes[].path] | index("/etc/v2v-same") == null' $r
check "digests are those of the files" bash -c "
    jq -e --arg b \"\$(echo old text | sha256sum | cut -d' ' -f1)\" \
          --arg a \"\$(echo new text | sha256sum | cut -d' ' -f1)\" \
       '.changes[] | select(.path == \"/etc/v2v-link\") |
        .before == \$b and .after == \$a' $r"
check "no temporary name is left in the guest" bash -c \
    "! debugfs -R 'ls /etc' '$guest' 2>/dev/null | grep -q '[.]v2v-'"
check "the file system is clean" e2fsck -f -n "$guest"

# Disks that hold nothing, before it and behind: the kernel in the appliance
# may take them the other way round.
truncate -s 8M "$tmp/empty" "$tmp/empty2"
cp --sparse=always "$tmp/disk" "$tmp/second"
serve "$tmp/empty" "$tmp/second" "$tmp/empty2"
run_helper --dry-run
check "empty disks do not hide what comes after them" [ $status = 0 ]

# Sectors of 4096 bytes: the partition is at the same place, the GPT counts
# it otherwise.
serve_4k () {
    rm -f "$tmp/4k"; truncate -s 128M "$tmp/4k"
    printf 'label: %s\nsector-size: 4096\n1 : start=256, size=%d, type=%s\n' \
        "$1" $((96 * 256)) "$2" >"$tmp/script"
    printf 'I\n%s\nw\n' "$tmp/script" | fdisk -b 4096 "$tmp/4k" >"$tmp/log" 2>&1
    dd if="$tmp/fs4" of="$tmp/4k" bs=1M seek=1 conv=notrunc,sparse status=none
    serve "$tmp/4k"
}
if fdisk --version >/dev/null 2>&1; then
    make_fs "$tmp/fs4" "$tmp/root" 96M -b 4096
    serve_4k gpt linux
    run_helper
    check "a disk with sectors of 4096 bytes" [ $status = 0 ]
    check "it is changed" \
        [ "$(debugfs -R 'cat /etc/v2v-target' "$tmp/4k?offset=1048576" \
             2>/dev/null)" = "new text" ]
    check "the documents tell it" jq -e '.disks[0].sector_size == 4096' \
        "$tmp/out/vm.json"
    check "what cannot be told is a warning" \
        grep -q '"target-sectors"' "$tmp/lines"
    serve_4k dos 83
    run_helper
    check "an MBR is taken for one of sectors of 512 bytes" [ $status = 1 ]
    echo '{"disks": [{"sector_size": 4096}]}' >"$tmp/source.json"
    run_helper --source "$tmp/source.json"
    check "unless the description says otherwise" [ $status = 0 ]
else
    skip "sectors of 4096 bytes" "no fdisk"
fi

used=$(( $(stat -c %b "$tmp/disk") / 2048 ))
diag "$used MiB used of the disk"
check "unused space was given back" [ $used -lt 25 ]
done_testing
