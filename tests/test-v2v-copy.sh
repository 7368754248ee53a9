#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# v2v-copy, end to end, with the fake helper where a conversion is needed.

. "$V2V_SRCDIR/tests/functions.sh"
requires nbdcopy --version
requires qemu-img --version
requires qemu-nbd --version

# It makes its sockets in $TMPDIR: nothing may stay behind there.
export TMPDIR="$tmp/t"
mkdir "$TMPDIR"
export V2V_CONVERT_HELPER="$V2V_SRCDIR/tests/fake-helper"
export FAKE_LOG="$tmp/fake.log"

# Two disks with data, holes, and a size that no block size divides.
src="$tmp/src"
mkdir "$src"
truncate -s $((24 * 1024 * 1024 + 512)) "$src/disk0"
dd if=/dev/urandom of="$src/disk0" bs=1M count=3 seek=5 conv=notrunc 2>/dev/null
truncate -s 8M "$src/disk10"
dd if=/dev/urandom of="$src/disk10" bs=1M count=1 conv=notrunc 2>/dev/null
cp "$src/disk10" "$src/disk2"
echo x | dd of="$src/disk2" bs=1 seek=4096 conv=notrunc 2>/dev/null
cp --sparse=always "$src/disk0" "$tmp/one.img"
sha256sum "$src"/* "$tmp/one.img" >"$tmp/sums"

out () { rm -rf "$tmp/out"; mkdir "$tmp/out"; }
copy () { v2v-copy --no-convert "$@"; }
no_litter () {
    [ -z "$(ls -A "$TMPDIR")" ] || { ls -AR "$TMPDIR"; return 1; }
}
empty () { [ -z "$(ls -A "$tmp/out")" ] || { ls -la "$tmp/out"; return 1; }; }
status () {                     # status WANT CMD...
    local want=$1 rc; shift
    "$@"; rc=$?
    [ $rc -eq "$want" ] || { echo "exit $rc, not $want"; return 1; }
}
has () { grep -qF -e "$2" "$1" || { cat "$1"; return 1; }; }

# What is written is what was read.
out
check "copy several disks" copy --plugin file --name m "$src" "$tmp/out"
check "disk 0" cmp "$src/disk0" "$tmp/out/m-disk0.img"
check "disk 1 is disk2, not disk10" cmp "$src/disk2" "$tmp/out/m-disk1.img"
check "disk 2 is disk10" cmp "$src/disk10" "$tmp/out/m-disk2.img"
check "nothing else is there" [ "$(ls "$tmp/out" | wc -l)" = 3 ]
sparse () { [ "$(stat -c %b "$1")" -lt 10240 ]; }
check "holes stay holes" sparse "$tmp/out/m-disk0.img"

for jobs in 1 32; do
    out
    check "qcow2, $jobs at once" copy -f qcow2 -j $jobs --plugin file \
          --name m "$src" "$tmp/out"
    for i in 0:0 1:2 2:10; do
        check "qcow2 disk ${i%:*} is the same" qemu-img compare -f raw \
              -F qcow2 "$src/disk${i#*:}" "$tmp/out/m-disk${i%:*}.qcow2"
    done
done

out
check "preallocated raw" copy -a preallocated "$tmp/one.img" "$tmp/out"
check "preallocated raw is the same" cmp "$tmp/one.img" "$tmp/out/one-disk0.img"
full () { [ "$(stat -c %b "$1")" -ge $((24 * 2048)) ]; }
check "all of it is allocated" full "$tmp/out/one-disk0.img"
out
check "preallocated qcow2" copy -a preallocated -f qcow2 "$tmp/one.img" "$tmp/out"
check "preallocated qcow2 is the same" qemu-img compare -f raw -F qcow2 \
      "$tmp/one.img" "$tmp/out/one-disk0.qcow2"
check "all of that is allocated" full "$tmp/out/one-disk0.qcow2"

copy -q "$tmp/one.img" - >"$tmp/stdout.img"
check "to standard output" cmp "$tmp/one.img" "$tmp/stdout.img"
copy -q --plugin file --export disk10 "$src" - >"$tmp/stdout.img"
check "one export to standard output" cmp "$src/disk10" "$tmp/stdout.img"
check "of several disks one must be chosen" status 1 \
      copy --plugin file "$src" -

# Names.
for n in 'a/b' '-rf' '.x' 'a b' "q'u\"o" '$(id)' 'a,b=c' 'ü' $'new\nline' \
         'nbd:x:y'; do
    out
    for f in raw qcow2; do
        check "name $(printf %q "$n"), $f" copy --name "$n" -f $f \
              "$tmp/one.img" "$tmp/out"
    done
    check "name $(printf %q "$n"): two files in the directory" \
          [ "$(find "$tmp/out" -type f | wc -l)" = 2 ]
done
# A relative directory and a source that looks like an option.
out
cp --sparse=always "$tmp/one.img" "$tmp/file=x,y.img"
relative () ( cd "$tmp" && copy -- 'file=x,y.img' out )
check "relative paths" relative
check "relative paths: the same" cmp "$tmp/one.img" "$tmp/out/file=x,y-disk0.img"

# Existing files.
out
echo precious >"$tmp/out/one-disk0.img"
check "an existing file is refused" status 5 copy "$tmp/one.img" "$tmp/out"
check "and is as before" has "$tmp/out/one-disk0.img" precious
check "--force replaces it" copy --force "$tmp/one.img" "$tmp/out"
check "by the disk" cmp "$tmp/one.img" "$tmp/out/one-disk0.img"
cp "$tmp/out/one-disk0.img" "$tmp/out/x-disk0.img"
check "the source is never replaced" status 5 copy --force --name x \
      "$tmp/out/x-disk0.img" "$tmp/out"
check "the source is as before" cmp "$tmp/one.img" "$tmp/out/x-disk0.img"
# The file that is replaced may be one that the source only names.
out
cp "$src/disk2" "$tmp/out/m-disk1.img"
cp "$src/disk2" "$tmp/out/m-disk0.img"
check "a disk of the source's directory is never replaced" status 5 \
      copy --force --plugin file --name m "$tmp/out" "$tmp/out"
check "that disk is as before" cmp "$src/disk2" "$tmp/out/m-disk0.img"
check "and the other one" cmp "$src/disk2" "$tmp/out/m-disk1.img"
out
cp "$src/disk2" "$tmp/out/l-disk0.img"
qemu-img create -q -f qcow2 -b l-disk0.img -F raw "$tmp/out/top.qcow2"
for kind in raw:l-disk0.img qcow2:top.qcow2; do
    cat >"$tmp/l.xml" <<END
<domain type='kvm'><name>l</name><memory>524288</memory>
<os><type>hvm</type></os><devices><disk type='file' device='disk'>
<driver name='qemu' type='${kind%:*}'/>
<source file='$tmp/out/${kind#*:}'/><target dev='vda' bus='virtio'/></disk>
</devices></domain>
END
    check "a disk that XML names (${kind%:*}) is never replaced" status 5 \
          copy --json --force -p allow-backing=yes "$tmp/l.xml" "$tmp/out"
    cp "$tmp/check.out" "$tmp/refused"
    check "it says so (${kind%:*})" has "$tmp/refused" '"output-is-source"'
    check "it is as before (${kind%:*})" cmp "$src/disk2" \
          "$tmp/out/l-disk0.img"
done
out
cp "$src/disk2" "$tmp/out/p-disk0.img.part"
check "a source called .part is not removed" status 5 copy --plugin file \
      --name p "$tmp/out/p-disk0.img.part" "$tmp/out"
check "it is as before" cmp "$src/disk2" "$tmp/out/p-disk0.img.part"
out
ln -s /nonexistent/victim "$tmp/out/one-disk0.img.part"
check "a .part that is a link is not followed" copy "$tmp/one.img" "$tmp/out"

# Failures leave nothing.
out
check "no source" status 2 copy "$tmp/nothing.img" "$tmp/out"
check "no source: nothing stays" empty
check "no directory" status 5 copy "$tmp/one.img" "$tmp/nowhere"
for o in '--network :x' '--network a:b --network a:c' '--bridge x:' \
         '--mac 52:54:00:00:00:01:x'; do
    # shellcheck disable=SC2086
    check "wrong $o" status 1 v2v-copy $o "$tmp/one.img" "$tmp/out"
done
check "wrong usage" status 1 v2v-copy --format vmdk "$tmp/one.img" "$tmp/out"

# The file system is full: a limit on the size of a file does the same
# without root (nbdcopy gets SIGXFSZ).
limited () ( ulimit -f 6000; copy "$@" )
out
echo precious >"$tmp/out/one-disk0.img"
check "the target is full" status 4 limited --force "$tmp/one.img" "$tmp/out"
check "the old file is still there" has "$tmp/out/one-disk0.img" precious
rm "$tmp/out/one-disk0.img"
check "nothing else stays" empty
check "the target is full, several disks" status 4 limited --plugin file \
      "$src" "$tmp/out"
check "no disk of them stays" empty
if [ "$(id -u)" = 0 ] && mkdir "$tmp/small" &&
       mount -t tmpfs -o size=2m none "$tmp/small" 2>/dev/null; then
    cleanup_fn "umount '$tmp/small'"
    check "the file system is full" status 4 copy "$tmp/one.img" "$tmp/small"
    check "the file system is full, qcow2" status 4 copy -f qcow2 \
          "$tmp/one.img" "$tmp/small"
    check "and is empty afterwards" [ -z "$(ls -A "$tmp/small")" ]
    check "preallocation says so before" status 5 copy -a preallocated \
          "$tmp/one.img" "$tmp/small"
else
    skip "the file system is full" "cannot mount a tmpfs here"
fi

# slow NAME: a copy that goes on until it is disturbed.
slow () {
    out
    # A background job of a script ignores SIGINT unless it is reset.
    "$PYTHON_NBD" -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' v2v-copy --no-convert --json \
         --filter delay -p rdelay=30 --filter noextents --name slow \
         "$@" "$tmp/one.img" "$tmp/out" >"$tmp/slow.json" 2>"$tmp/slow.err" &
    slow_pid=$!
    cleanup_fn "kill $slow_pid 2>/dev/null"
    local i
    for ((i = 0; i < 300; i++)); do
        [ -e "$tmp/out/slow-disk0.img.part" ] && return 0
        kill -0 $slow_pid 2>/dev/null || break
        sleep 0.1
    done
    cat "$tmp/slow.json" "$tmp/slow.err"
    return 1
}
ended () {                      # the exit status of it
    wait $slow_pid
    [ $? -eq "$1" ] || { cat "$tmp/slow.json" "$tmp/slow.err"; return 1; }
}
children () { cat /proc/$slow_pid/task/*/children 2>/dev/null; }
child () {                      # pid of the child that runs $1
    local p
    for p in $(children); do
        [ "$(cat /proc/$p/comm)" = "$1" ] && { echo $p; return 0; }
    done
    return 1
}
gone () { local p; for p in "$@"; do [ ! -e /proc/$p ] || return 1; done; }
for sig in INT TERM HUP; do
    check "a copy runs" slow
    pids=$(children)
    kill -$sig $slow_pid
    check "SIG$sig ends it" ended 130
    check "SIG$sig: nothing stays" empty
    check "SIG$sig: children are gone" gone $pids
    check "SIG$sig: it says why" has "$tmp/slow.json" '"code":"interrupted"'
done
check "a copy runs" slow
kill -KILL "$(child nbdkit)"
check "the server vanishes" ended 4
check "the server vanishes: nothing stays" empty
check "the server vanishes: it says so" has "$tmp/slow.json" '"event":"error"'
check "a copy runs" slow
kill -KILL "$(child nbdcopy)"
check "nbdcopy is killed" ended 4
check "nbdcopy is killed: nothing stays" empty

# The last of the names cannot be given: none is, and what was there is
# there again.
late () {                       # late OBSTACLE
    local i rc
    out
    echo precious >"$tmp/out/late-disk0.img"
    v2v-copy --no-convert --force --json --plugin file --name late \
             --filter delay -p rdelay=1 --filter noextents "$src" \
             "$tmp/out" >"$tmp/late.json" 2>&1 &
    cleanup_fn "kill $! 2>/dev/null"
    for ((i = 0; i < 300; i++)); do
        [ -e "$tmp/out/late-disk0.img.part" ] && break
        sleep 0.1
    done
    "$@" "$tmp/out/late-disk2.img"
    wait $!
    rc=$?
    [ $rc = 5 ] || { echo "exit $rc"; cat "$tmp/late.json"; return 1; }
}
dangling () { ln -s nowhere "$1"; }
for obstacle in mkdir dangling; do
    check "$obstacle: the last name is taken meanwhile" late $obstacle
    check "$obstacle: it says so" has "$tmp/late.json" \
          "late-disk2.img appeared meanwhile"
    check "$obstacle: the replaced file is back" has \
          "$tmp/out/late-disk0.img" precious
    check "$obstacle: what was in the way stays" [ ! -f "$tmp/out/late-disk2.img" ]
    rm -r "$tmp/out/late-disk0.img" "$tmp/out/late-disk2.img"
    check "$obstacle: nothing else stays" empty
done

# Every piece is a program that -v shows: run by hand, they do the same.
by_hand () {                    # by_hand FORMAT SUFFIX
    local cmd fd i servers=()
    out
    copy -v -f "$1" --plugin file --name hand "$src" "$tmp/out" \
         2>"$tmp/verbose" || return 1
    mv "$tmp/out" "$tmp/first"
    mkdir "$tmp/out"
    mkdir -p "$(sed -n 's,^+ nbdkit .* -U\([^ ]*\)/nbd .*,\1,p' "$tmp/verbose")"
    while read -r cmd; do
        echo "$cmd"
        case $cmd in
        nbdkit\ *|qemu-nbd\ *)
            eval "command $cmd &"
            servers+=($!)
            cleanup_fn "kill $! 2>/dev/null"
            # Both make a socket: its name ends in "nbd" or "q" and a number.
            i=$(grep -oE '[^ ]*/v2v-copy[^ /]*/(nbd|q[0-9]+)( |$)' <<<"$cmd" | head -n 1)
            i=${i#-U} i=${i% }
            for ((fd = 0; fd < 100; fd++)); do [ -S "$i" ] && break; sleep 0.1; done ;;
        nbdcopy\ *)
            fd=${cmd#*--progress=}
            eval "command $cmd ${fd%%[!0-9]*}>/dev/null" || return 1 ;;
        *) eval "command $cmd" || return 1 ;;
        esac
    done < <(sed -n 's/^+ //p' "$tmp/verbose" | sed "s/'--progress=\([0-9]*\)'/--progress=\1/")
    for ((i = ${#servers[@]} - 1; i >= 0; i--)); do
        kill "${servers[i]}"
        wait "${servers[i]}"
    done
    for i in 0 1 2; do
        qemu-img compare -f "$1" -F "$1" "$tmp/first/hand-disk$i.$2" \
                 "$tmp/out/hand-disk$i.$2.part" || return 1
    done
    rm -rf "$tmp/first" "$TMPDIR"/v2v-copy.*
}
check "the commands that -v shows, run by hand (raw)" by_hand raw img
check "the commands that -v shows, run by hand (qcow2)" by_hand qcow2 qcow2

# A copy that nbdcopy takes for a success, but that lacks its end.
mkdir "$tmp/liar"
printf '#!/bin/bash\n%q "$@" && truncate -s -512 "${@: -1}"\n' \
       "$(type -P nbdcopy)" >"$tmp/liar/nbdcopy"
chmod +x "$tmp/liar/nbdcopy"
lying () ( PATH=$tmp/liar:$PATH; copy --json "$tmp/one.img" "$tmp/out" )
out
check "a disk has the wrong size" status 4 lying
cp "$tmp/check.out" "$tmp/lie"
check "a disk has the wrong size: it says so" has "$tmp/lie" '"wrong-size"'
check "a disk has the wrong size: nothing stays" empty

# A terminal gets one bar, which ends at 100 %.
bar () {
    script -qec "v2v-copy --no-convert --plugin file --name t '$src' '$tmp/out'" \
           /dev/null >"$tmp/tty" || return 1
    tr '\r' '\n' <"$tmp/tty" | grep -F '[####' | tail -n 1 | grep -F '] 100 %'
}
if type -P script >/dev/null; then
    out
    check "a bar on a terminal" bar
else
    skip "a bar on a terminal" "no script(1)"
fi

# Read errors of the source.
out
check "the source has a bad block" status 4 copy --filter error \
      -p error-pread-rate=100% --filter noextents "$tmp/one.img" "$tmp/out"
check "the source has a bad block: nothing stays" empty

# With the conversion.
out
check "convert and copy" v2v-copy --json --name c "$tmp/one.img" "$tmp/out"
cp "$tmp/check.out" "$tmp/c.json"
"$PYTHON_NBD" - "$tmp/one.img" "$tmp/expected" <<'END'
import sys
d = bytearray(open(sys.argv[1], "rb").read())
d[1 << 20:(1 << 20) + 65536] = b"V2V!" * 16384
d[3 << 20:(3 << 20) + 65536] = bytes(65536)
open(sys.argv[2], "wb").write(d)
END
check "the disk is the converted one" cmp "$tmp/expected" "$tmp/out/c-disk0.img"
check "the report is there" has "$tmp/out/c.report.json" '"version"'
check "only its owner may read it" \
      [ "$(stat -c %a "$tmp/out/c.report.json")" = 600 ]
check "JSON: steps" has "$tmp/c.json" '"event":"step","text":"Launching'
check "JSON: warnings with their code" has "$tmp/c.json" \
      '"event":"warning","message":"something is odd (something-odd)","code":"something-odd"'
check "JSON: progress" has "$tmp/c.json" '"event":"progress","percent":100'
check "JSON: the result comes last" \
      grep -q '"event":"result","status":"ok"' <(tail -n 1 "$tmp/c.json")
each_line_is_json () {
    grep '^{' "$tmp/c.json" | "$PYTHON_NBD" -c '
import json, sys
for l in sys.stdin: json.loads(l)'
}
check "JSON: every event can be parsed" each_line_is_json

out
check "--dry-run" v2v-copy --dry-run "$tmp/one.img" "$tmp/out"
cp "$tmp/check.out" "$tmp/dry"
check "--dry-run prints the report" has "$tmp/dry" '"version"'
check "--dry-run writes nothing" empty
FAKE_HELPER=refuse check "the conversion fails" status 3 v2v-copy --json \
           "$tmp/one.img" "$tmp/out"
cp "$tmp/check.out" "$tmp/refuse"
check "the reason has its code" has "$tmp/refuse" \
      '"code":"no-operating-system"'
check "the conversion fails: nothing stays" empty
FAKE_HELPER=abort check "the helper crashes" status 3 v2v-copy \
           "$tmp/one.img" "$tmp/out"
check "the helper crashes: nothing stays" empty

# An OVA of two disks.
"$PYTHON_NBD" - "$tmp/guest.ovf" <<'END'
import sys
item = '<Item><rasd:InstanceID>%d</rasd:InstanceID><rasd:ResourceType>%d</rasd:ResourceType>%s</Item>'
open(sys.argv[1], "w").write('<?xml version="1.0"?><Envelope '
  'xmlns="http://schemas.dmtf.org/ovf/envelope/1" '
  'xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" '
  'xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">'
  '<References><File ovf:id="f0" ovf:href="a.vmdk"/><File ovf:id="f1" ovf:href="b.vmdk"/></References>'
  '<DiskSection><Info/>' + ''.join('<Disk ovf:diskId="d%d" ovf:fileRef="f%d" '
  'ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>' % (i, i) for i in (0, 1)) +
  '</DiskSection><VirtualSystem ovf:id="x"><Info/><Name>two / disks</Name><VirtualHardwareSection><Info/>' +
  item % (1, 3, '<rasd:VirtualQuantity>2</rasd:VirtualQuantity>') +
  item % (2, 4, '<rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:VirtualQuantity>512</rasd:VirtualQuantity>') +
  item % (3, 6, '') +
  ''.join(item % (10 + i, 17, '<rasd:HostResource>ovf:/disk/d%d</rasd:HostResource><rasd:Parent>3</rasd:Parent>' % i) for i in (0, 1)) +
  '</VirtualHardwareSection></VirtualSystem></Envelope>')
END
truncate -s 24M "$tmp/a.raw"
dd if="$src/disk0" of="$tmp/a.raw" bs=1M seek=1 count=20 conv=notrunc,sparse 2>/dev/null
for i in a b; do
    [ $i = a ] && raw=$tmp/a.raw || raw=$src/disk2
    qemu-img convert -f raw -O vmdk -o subformat=streamOptimized "$raw" "$tmp/$i.vmdk"
done
tar -C "$tmp" --format=ustar -cf "$tmp/guest.ova" guest.ovf a.vmdk b.vmdk
for f in raw:img qcow2:qcow2; do
    out
    check "OVA to ${f%:*}" copy -f "${f%:*}" "$tmp/guest.ova" "$tmp/out"
    check "OVA to ${f%:*}: disk 0" qemu-img compare -f raw -F "${f%:*}" \
          "$tmp/a.raw" "$tmp/out/two _ disks-disk0.${f#*:}"
    check "OVA to ${f%:*}: disk 1" qemu-img compare -f raw -F "${f%:*}" \
          "$src/disk2" "$tmp/out/two _ disks-disk1.${f#*:}"
    check "OVA to ${f%:*}: its description" has \
          "$tmp/out/two _ disks.source.json" '"two / disks"'
done
out
check "OVA, converted" v2v-copy "$tmp/guest.ova" "$tmp/out"
check "OVA, converted: disk 0 is changed" \
      [ "$(dd if="$tmp/out/two _ disks-disk0.img" bs=4 count=1 skip=262144 2>/dev/null)" = 'V2V!' ]
check "OVA, converted: disk 1 is changed" \
      [ "$(dd if="$tmp/out/two _ disks-disk1.img" bs=4 count=1 skip=262144 2>/dev/null)" = 'V2V!' ]
# Its disks live in one file: without it there are none.
vanish () { head -c 300000 "$tmp/guest.ova" >"$tmp/short.ova"; copy "$tmp/short.ova" "$tmp/out"; }
out
check "a truncated OVA" status 2 vanish
check "a truncated OVA: nothing stays" empty

check "the sources are untouched" sha256sum --quiet -c "$tmp/sums"
check "no sockets stay" no_litter
done_testing
