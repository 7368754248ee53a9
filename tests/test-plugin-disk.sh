#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# The plugin v2v with disk images of every format: the bytes, the exports,
# the children, and the images that must be refused.
. "${V2V_SRCDIR:-.}/tests/functions.sh"
requires qemu-img --version
requires qemu-storage-daemon --version
requires nbdcopy --version

cd "$tmp" || exit 1
"$PYTHON_NBD" - <<'PY'
import random
random.seed(1)
with open('a.raw', 'wb') as f:
    f.truncate(20 << 20)
    for o in (0, 1 << 20, 5 << 20, (20 << 20) - 66048):
        f.seek(o)
        f.write(random.randbytes(66048))
PY
conv () { qemu-img convert -f raw -O "$@"; }
conv qcow2 a.raw a.qcow2
conv qcow2 -c a.raw c.qcow2
conv vdi a.raw a.vdi
conv vhdx a.raw a.vhdx
conv vpc -o force_size=on a.raw a.vhd
conv vpc -o subformat=fixed,force_size=on a.raw fixed.vhd
for s in monolithicSparse monolithicFlat twoGbMaxExtentSparse \
         twoGbMaxExtentFlat streamOptimized; do
    conv vmdk -o subformat=$s a.raw $s.vmdk
done

# same ARGS: the plugin serves the bytes of a.raw.
same () {
    rm -f out.raw
    timeout 60 "$V2V_BUILDDIR/run" nbdkit -U - v2v "$@" \
        --run 'nbdcopy "nbd+unix:///disk0?socket=$unixsocket" out.raw' &&
        cmp a.raw out.raw
}
# refused REASON ARGS: it does not start, and says REASON.
refused () {
    local reason=$1; shift
    if timeout 60 "$V2V_BUILDDIR/run" nbdkit -U - v2v "$@" \
        --run 'nbdinfo $uri' >refused.out 2>&1; then
        cat refused.out; return 1
    fi
    grep -F -- "$reason" refused.out || { cat refused.out; return 1; }
}

for f in a.raw a.qcow2 c.qcow2 a.vdi a.vhdx a.vhd fixed.vhd monolithicSparse.vmdk \
         monolithicFlat.vmdk twoGbMaxExtentSparse.vmdk \
         twoGbMaxExtentFlat.vmdk streamOptimized.vmdk; do
    check "$f reads as the raw disk" same $f
done

# VHD of VirtualBox: the geometry is rounded down, the size is not.  (QEMU's
# own driver would cut the disk.)
"$PYTHON_NBD" - <<'PY'
import struct
for name, last in (('a.vhd', True), ('fixed.vhd', False)):
    b = bytearray(open(name, 'rb').read())
    for o in ([0] if last else []) + [len(b) - 512]:
        f = bytearray(b[o:o + 512])
        f[28:32] = b'vbox'
        f[64:68] = b'\0' * 4
        f[64:68] = struct.pack('>I', ~sum(f) & 0xffffffff)
        b[o:o + 512] = f
    open('vbox-' + name, 'wb').write(b)
PY
check "dynamic VHD of VirtualBox keeps its size" same vbox-a.vhd
check "fixed VHD of VirtualBox keeps its size" same vbox-fixed.vhd

# Several disks, one guest.
several () {
    timeout 60 "$V2V_BUILDDIR/run" nbdkit -U - v2v a.qcow2 a.raw --run '
        nbdinfo --list --json $uri > list
        nbdcopy "nbd+unix:///disk1?socket=$unixsocket" out.raw
        nbdcopy "nbd+unix:///v2v/source.json?socket=$unixsocket" source.json
        nbdcopy $uri default.raw' &&
    cmp out.raw a.raw && cmp default.raw a.raw &&
    "$PYTHON_NBD" - <<'PY'
import json
names = [e['export-name'] for e in json.load(open('list'))['exports']]
assert names == ['disk0', 'disk1', 'v2v/source.json'], names
vm = json.load(open('source.json'))
assert vm['name'] == 'a' and vm['memory'] == 2 << 30, vm
assert [d['name'] for d in vm['disks']] == ['disk0', 'disk1'], vm
assert all(d['size'] == 20 << 20 for d in vm['disks']), vm
PY
}
check "several files are one guest; disk0 is the default" several
check_fails "an unknown export is refused" \
    timeout 60 "$V2V_BUILDDIR/run" nbdkit -U - v2v a.raw \
    --run 'nbdinfo "nbd+unix:///disk1?socket=$unixsocket"'

# Under filters of ours that open the plugin by themselves: each export stays
# what it is, also when another one is open and was written to.
truncate -s 20M seven.raw
qemu-io -f raw -c 'write -P 7 0 20M' seven.raw >/dev/null
cat > exports.py <<'PY'
a = h
b = nbd.NBD()
a.connect_uri('nbd+unix:///disk0?socket=' + sock)
b.connect_uri('nbd+unix:///disk1?socket=' + sock)
want = open('a.raw', 'rb').read()
assert b.pread(1 << 20, 0) == b'\x07' * (1 << 20)
assert a.pread(1 << 20, 0) == want[:1 << 20]
if not a.is_read_only():
    a.pwrite(b'\xff' * 65536, 65536)
    assert a.pread(65536, 65536) == b'\xff' * 65536
assert b.pread(1 << 20, 0) == b'\x07' * (1 << 20)
assert a.pread(1 << 20, 1 << 20) == want[1 << 20:2 << 20]
PY
under () {
    timeout 60 "$V2V_BUILDDIR/run" nbdkit -U - --filter=$1 v2v a.qcow2 seven.raw \
        --run '"$PYTHON_NBD" -m nbd -c "sock = \"$unixsocket\"" -c "$(cat exports.py)"'
}
for f in v2v-cow-cache v2v-readahead; do
    check "two exports at once under $f" under $f
done

# Extents come through, from a file and from the child.
extents () {
    timeout 60 "$V2V_BUILDDIR/run" nbdkit -U - v2v "$1" \
        --run 'nbdinfo --map --json $uri' > map &&
    "$PYTHON_NBD" -c '
import json
m = json.load(open("map"))
zero = sum(e["length"] for e in m if e["type"] & 2)
assert sum(e["length"] for e in m) == 20 << 20, m
assert zero > 18 << 20, m
'
}
check "extents of a raw file" extents a.raw
check "extents of a qcow2" extents a.qcow2
check "extents of a compressed qcow2" extents c.qcow2
check "extents of a dynamic VHD" extents a.vhd

# Formats are never guessed.
cp a.qcow2 wolf.raw; cp a.raw nothing; cp a.raw sheep.qcow2
check "a .raw that looks like qcow2 is refused" \
    refused "the content looks like qcow2" wolf.raw
cp wolf.raw keep; cmp_wolf () {
    timeout 60 "$V2V_BUILDDIR/run" nbdkit -U - v2v wolf.raw format=raw \
        --run 'nbdcopy $uri out.raw' && cmp -n $(stat -c %s keep) out.raw keep
}
check "format=raw serves it as it is" cmp_wolf
check "format=qcow2 serves what is in it" same wolf.raw format=qcow2
check "no ending, no format: refused" refused "say format=" nothing
check "a .qcow2 that is none is refused" refused "not a qcow2" sheep.qcow2
check "an unknown format is refused" refused "format=elf is not known" \
    a.raw format=elf

# Images that depend on others.
qemu-img create -q -f qcow2 -b a.raw -F raw child.qcow2
qemu-img create -q -f qcow2 -b a.qcow2 noformat.qcow2 -F qcow2
qemu-img rebase -u -f qcow2 -b a.qcow2 noformat.qcow2 2>/dev/null
mkdir sub; qemu-img create -q -f qcow2 -b ../a.raw -F raw sub/child.qcow2
qemu-img create -q -f qcow2 -b json:'{"driver":"raw","file":{"driver":"file","filename":"a.raw"}}' \
    -F raw json.qcow2
qemu-img create -q -f qcow2 -o data_file=data.bin,data_file_raw=on data.qcow2 1M
check "a backing file is refused" refused "allow-backing=yes" child.qcow2
check "and allowed if it is asked for" same child.qcow2 allow-backing=yes
check "not outside of the directory" refused "outside of" \
    sub/child.qcow2 allow-backing=yes
check "but in a directory that is allowed" same sub/child.qcow2 \
    allow-backing=yes allow-dir="$tmp"
check "json: backing files never" refused "not a plain file" \
    json.qcow2 allow-backing=yes
check "a data file is refused" refused "data file" data.qcow2
check "and allowed if it is asked for" \
    timeout 60 "$V2V_BUILDDIR/run" nbdkit -U - v2v data.qcow2 \
    allow-backing=yes --run 'nbdcopy $uri null:'
mkdir other; echo secret > other/secret; ln -s other/secret inside
vmdk () { printf '# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="monolithicFlat"\n%s\n' "$2" > "$1"; }
vmdk sub/abs.vmdk 'RW 1 FLAT "/etc/passwd" 0'
vmdk sub/up.vmdk 'RW 1 FLAT "../other/secret" 0'
ln -s ../other/secret sub/link; vmdk sub/link.vmdk 'RW 1 FLAT "link" 0'
mkdir sub-other; cp a.raw sub-other/x; vmdk sub/pfx.vmdk 'RW 1 FLAT "../sub-other/x" 0'
vmdk short.vmdk 'RW 409600 FLAT "a.raw" 0'
vmdk rdm.vmdk 'RW 1 VMFSRDM "a.raw"'
vmdk zero.vmdk 'RW 128 ZERO'
vmdk bad.vmdk 'RW many FLAT "a.raw" 0'
for f in abs up link pfx; do
    check "VMDK extent outside ($f) is refused" refused "outside of" \
        sub/$f.vmdk
done
check "an extent that is too short is refused" refused "line 6" short.vmdk
check "a raw device mapping is refused" refused "VMFSRDM" rdm.vmdk
check "a bad extent is refused with its line" refused "line 6" bad.vmdk
check "an extent of zeroes" timeout 60 "$V2V_BUILDDIR/run" nbdkit -U - \
    v2v zero.vmdk --run 'nbdcopy $uri out.raw && test $(stat -c %s out.raw) = 65536'
check "a fifo is no disk" bash -c 'mkfifo p.raw; ! timeout 20 "$V2V_BUILDDIR/run" nbdkit -U - v2v p.raw --run true'

# VMDK snapshots: the child's grains over the parent's, flat and sparse.
cp a.raw want.raw; qemu-io -f raw -c 'write -P 7 1M 64k' want.raw >/dev/null
snapshot () {                   # snapshot PARENT [QEMU-IMG OPTIONS]
    local parent=$1; shift
    rm -f snap*.vmdk out.raw
    qemu-img create -q -f vmdk "$@" -b $parent.vmdk -F vmdk snap.vmdk &&
    qemu-io -f vmdk -c 'write -P 7 1M 64k' snap.vmdk >/dev/null &&
    timeout 60 "$V2V_BUILDDIR/run" nbdkit -U - v2v snap.vmdk \
        allow-backing=yes --run 'nbdcopy $uri out.raw' && cmp want.raw out.raw
}
check "a snapshot of a sparse VMDK" snapshot monolithicSparse
check "a snapshot of a flat VMDK" snapshot monolithicFlat
check "a split snapshot of a split VMDK" \
    snapshot twoGbMaxExtentSparse -o subformat=twoGbMaxExtentSparse
check "which is refused unless it is asked for" \
    refused "allow-backing=yes" snap.vmdk

# qcow2 of every shape: plain, zero, compressed, discarded, backed, cut
# clusters; what QEMU reads is what we read.
shape () {                      # shape NAME QEMU-IMG-CREATE OPTIONS...
    local name=$1 i; shift
    rm -f q.qcow2 q.raw out.raw
    qemu-img create -q -f qcow2 "$@" q.qcow2 7777K || return 1
    qemu-io -f qcow2 -d unmap -c 'write -P 1 0 3M' -c 'write -P 2 5M 700k' \
        -c 'write -z 1M 300k' -c 'discard 2M 512k' -c 'write -P 3 7100k 677k' \
        -c 'write -zu 5200k 100k' -c 'write -P 5 123k 1k' q.qcow2 >/dev/null ||
        return 1
    case $name in *compressed*)
        qemu-io -f qcow2 -c 'write -c -P 4 4M 256k' q.qcow2 >/dev/null ||
            return 1 ;;
    esac
    case $name in *cut*) truncate -s -40000 q.qcow2 ;; esac
    qemu-img convert -f qcow2 -O raw q.qcow2 q.raw || return 1
    timeout 60 "$V2V_BUILDDIR/run" nbdkit -U - v2v q.qcow2 \
        allow-backing=yes --run 'nbdcopy $uri out.raw' && cmp q.raw out.raw
}
qemu-io -f raw -c 'write -P 9 0 8M' want.raw >/dev/null
check "qcow2" shape plain
check "qcow2 with compressed clusters" shape compressed
check "qcow2 version 2" shape v2 -o compat=0.10
check "qcow2 with small clusters" shape small-compressed -o cluster_size=4k
check "qcow2 with large clusters" shape large -o cluster_size=2M
check "qcow2 with subclusters" shape extended -o extended_l2=on
check "qcow2 preallocated" shape prealloc -o preallocation=metadata
check "qcow2 whose last cluster is cut" shape cut
check "qcow2 with a backing file" \
    shape backed-compressed -b want.raw -F raw
check "qcow2 with a qcow2 behind it" shape chain -b a.qcow2 -F qcow2

# An image that a running QEMU writes to.
in_use () {
    local r
    coproc QIO { qemu-io -f qcow2 q.qcow2; }
    # Its answer says that the image is open.
    echo 'length' >&"${QIO[1]}"
    until read -r r <&"${QIO[0]}" && [[ $r == *iB* ]]; do :; done
    refused "a running QEMU" q.qcow2; r=$?
    echo quit >&"${QIO[1]}"; wait $QIO_PID
    return $r
}
check "an image in use is refused" in_use

# The child: lazily started, replaced when it is killed, gone at the end.
start_nbdkit s v2v c.qcow2 a.raw
daemon () { pgrep -P $nbdkit_pid qemu-storage; }
check_fails "no child before the first use" daemon
nbdinfo "nbd+unix:///disk1?socket=s" >/dev/null
check_fails "none for a raw disk" daemon
cat > kill.py <<'PY'
import os, signal, subprocess, sys
h.connect_uri('nbd+unix:///disk0?socket=s')
want = open('a.raw', 'rb').read()
for i in range(3):
    assert h.pread(1 << 20, 1 << 20) == want[1 << 20:2 << 20]
    pid = int(subprocess.check_output(['pgrep', '-P', sys.argv[-1], 'qemu-storage']))
    os.kill(pid, signal.SIGKILL)
    assert h.pread(1 << 20, 5 << 20) == want[5 << 20:6 << 20]
PY
kill_child () { timeout 60 "$PYTHON_NBD" -m nbd -c "import sys; sys.argv=['','$nbdkit_pid']" -c "$(cat kill.py)"; }
check "reads go on when the child is killed" kill_child
# One that hangs without ending, while several requests wait for it.
rm -f hang.s
nbdkit_was=$nbdkit_pid
start_nbdkit hang.s v2v c.qcow2 timeout=1
cat > hang.py <<'PY'
import os, signal, subprocess, sys
h.connect_uri('nbd+unix:///disk0?socket=hang.s')
want = open('a.raw', 'rb').read()
def daemon():
    return int(subprocess.check_output(['pgrep', '-P', sys.argv[-1], 'qemu-storage']))
h.pread(1 << 20, 1 << 20)
pid = daemon()
os.kill(pid, signal.SIGSTOP)
reqs = []
for i in range(8):
    # Clusters that compress: the others we read ourselves.
    o = ((0, 1, 5)[i % 3] << 20) + 65536
    b = nbd.Buffer(4096)
    reqs.append((h.aio_pread(b, o), b, o))
for c, b, o in reqs:
    while not h.aio_command_completed(c):
        h.poll(-1)
    assert b.to_bytearray() == want[o:o + 4096]
assert daemon() != pid
try:
    os.kill(pid, 0)
    sys.exit('the child that hung is still there')
except ProcessLookupError:
    pass
PY
hang_child () { timeout 60 "$PYTHON_NBD" -m nbd -c "import sys; sys.argv=['','$nbdkit_pid']" -c "$(cat hang.py)"; }
check "a child that hangs is replaced, nothing is lost" hang_child
check "a time limit of nothing is refused" refused "timeout=0" a.raw timeout=0
nbdkit_pid=$nbdkit_was
child=$(daemon)
# Even nbdkit's sudden end takes it along.
kill -9 $nbdkit_pid; wait $nbdkit_pid 2>/dev/null
gone () {
    local i
    for ((i = 0; i < 100; i++)); do
        kill -0 $1 2>/dev/null || return 0
        read -rt 0.1 <> <(:) || :
    done
    return 1
}
check "the child is gone after nbdkit was killed" gone $child
rm -f s
start_nbdkit s v2v c.qcow2
nbdcopy "nbd+unix:///disk0?socket=s" null:
child=$(daemon)
kill $nbdkit_pid; wait $nbdkit_pid
check "and after it was stopped" gone $child
check "no sockets are left" bash -c '! ls -d /tmp/v2v?????? 2>/dev/null | grep -v v2vtest'

# Many requests at once over the one connection.
cat > many.py <<'PY'
import random
h.connect_uri('nbd+unix:///disk0?socket=s')
want = open('a.raw', 'rb').read()
random.seed(2)
for i in range(50):
    reqs = []
    for j in range(40):
        o = random.randrange(0, (20 << 20) - 70000)
        n = random.randrange(1, 70000)
        b = nbd.Buffer(n)
        reqs.append((h.aio_pread(b, o), b, o, n))
    while reqs:
        c, b, o, n = reqs[0]
        if h.aio_command_completed(c):
            assert b.to_bytearray() == want[o:o + n]
            reqs.pop(0)
        else:
            h.poll(-1)
PY
rm -f s
start_nbdkit s v2v c.qcow2
check "2000 random reads of a qcow2, 40 at a time" \
    timeout 120 "$PYTHON_NBD" -m nbd -c "$(cat many.py)"
done_testing
