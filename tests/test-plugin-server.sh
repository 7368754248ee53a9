#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# The plugin v2v with images that lie on servers: their driver stands on the
# server's connection, they must be complete in themselves, and both children
# are replaced when one of them goes.
. "${V2V_SRCDIR:-.}/tests/functions.sh"
. "$V2V_SRCDIR/tests/plugin-servers.sh"
requires nbdcopy --version

cd "$tmp" || exit 1
"$PYTHON_NBD" - <<'PY'
import random
random.seed(1)
# Half of it compresses, so that an image has clusters for its driver.
open('a.raw', 'wb').write(random.randbytes(3 << 20) + bytes(range(256)) * (3 << 12))
PY
qemu-img convert -f raw -O qcow2 -c a.raw a.qcow2 || skip_all "no qemu-img"
qemu-img convert -f raw -O vmdk a.raw sparse.vmdk
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized a.raw stream.vmdk
qemu-img convert -f raw -O vmdk -o subformat=monolithicFlat a.raw flat.vmdk
qemu-img convert -f raw -O vdi a.raw a.vdi
qemu-img convert -f raw -O vpc -o force_size=on a.raw a.vhd
qemu-img convert -f raw -O vhdx a.raw a.vhdx
qemu-img create -q -f qcow2 -b a.raw -F raw backed.qcow2
qemu-img create -q -f qcow2 -o data_file=data.raw,data_file_raw=on data.qcow2 6M
qemu-img create -q -f vmdk -b sparse.vmdk -F vmdk snap.vmdk

# NBD: the format is what the user says, never what the export's name says.
start_nbdkit nbd.sock file dir="$tmp"
nbd () { echo "nbd+unix:///$1?socket=$tmp/nbd.sock"; }
for f in a.qcow2 sparse.vmdk stream.vmdk a.vdi a.vhd a.vhdx; do
    format=${f#*.}
    check "$f over NBD" same "$(nbd $f)" format=$format
done
raw_qcow2 () { run_v2v "$(nbd a.qcow2)" --run 'nbdcopy $uri out.raw' && cmp a.qcow2 out.raw; }
check "without a format it is raw" raw_qcow2
check "the wrong format" refused "but one of qcow2" "$(nbd a.qcow2)" format=vmdk
for o in '' allow-backing=yes; do
    check "a backing file is refused $o" \
        refused "complete in itself" "$(nbd backed.qcow2)" format=qcow2 $o
    check "a data file is refused $o" \
        refused "complete in itself" "$(nbd data.qcow2)" format=qcow2 $o
    check "extents in other files are refused $o" \
        refused "complete in itself" "$(nbd flat.vmdk)" format=vmdk $o
    check "a parent is refused $o" \
        refused "complete in itself" "$(nbd snap.vmdk)" format=vmdk $o
done
cat > nbd.xml <<XML
<domain type='kvm'><name>n</name><memory>65536</memory><devices><disk type='network' device='disk'><driver name='qemu' type='qcow2'/><source protocol='nbd' name='a.qcow2'><host transport='unix' socket='$tmp/nbd.sock'/></source><target dev='vda'/></disk></devices></domain>
XML
check "libvirt XML with qcow2 over NBD" same nbd.xml

# ssh.
if start_sshd; then
    check "a qcow2 over ssh" same $url/a.qcow2 "${ssh[@]}"
    check "a vhd over ssh" same $url/a.vhd "${ssh[@]}"
    check "a backing file over ssh" refused "complete in itself" \
        $url/backed.qcow2 "${ssh[@]}" allow-backing=yes
    check "an image that is not there" refused "cannot be opened" \
        $url/gone.qcow2 "${ssh[@]}"
    printf 'scsi0:0.fileName = "sparse.vmdk"\nscsi0:1.fileName = "stream.vmdk"\n' > s.vmx
    both () { run_v2v $url/s.vmx "${ssh[@]}" --run 'nbdcopy $uri out.raw && nbdcopy "nbd+unix:///disk1?socket=$unixsocket" out1.raw' && cmp a.raw out.raw && cmp a.raw out1.raw; }
    check "a VMX over ssh with sparse disks" both
    printf 'scsi0:0.fileName = "snap.vmdk"\n' > snap.vmx
    check "a VMX over ssh with a sparse snapshot" refused "complete in itself" \
        $url/snap.vmx "${ssh[@]}" allow-backing=yes
else
    skip "ssh" "needs root and sshd"
fi

# HTTPS.
start_https
check "a qcow2 over HTTPS" same https://localhost:$port/a.qcow2 cainfo=cert.pem
check "whose URL has a query" \
    same "https://localhost:$port/a.qcow2?x=y.raw" cainfo=cert.pem
cat > https.xml <<XML
<domain type='kvm'><name>n</name><memory>65536</memory><devices><disk type='network' device='disk'><driver name='qemu' type='qcow2'/><source protocol='https' name='/a.qcow2'><host name='localhost' port='$port'/></source><target dev='vda'/></disk></devices></domain>
XML
check "libvirt XML with qcow2 over HTTPS" same https.xml cainfo=cert.pem
check "an image that is not there" refused "cannot be opened" \
    https://localhost:$port/gone.qcow2 cainfo=cert.pem

for f in guest.ova guest.ovf guest.xml; do
    check "$f over HTTPS" refused "copy it to this host first" \
        https://localhost:$port/$f cainfo=cert.pem
done

# One of the two children is killed, or hangs: the reads go on.  With clusters
# this small each read needs tables that QEMU has not read yet, and it answers
# with an error where it otherwise closes the connection.
qemu-img convert -f raw -O qcow2 -o cluster_size=512 a.raw small.qcow2
cat > kill.py <<'PY'
import os, signal, subprocess, sys
h.connect_uri('nbd+unix:///disk0?socket=k.sock')
want = open('a.raw', 'rb').read()
def child(name):
    return int(subprocess.check_output(['pgrep', '-P', sys.argv[1], '-x', name]))
def read(n):
    # Each once: none is in a cache.
    o = n * 65536
    b = nbd.Buffer(65536)
    return h.aio_pread(b, o), b, o
n = 0
for sig in signal.SIGKILL, signal.SIGSTOP:
    for name in 'qemu-storage-da', 'nbdkit':
        both = {child('qemu-storage-da'), child('nbdkit')} if n else set()
        h.pread(65536, n * 65536)
        n += 1
        pid = child(name)
        os.kill(pid, sig)
        reqs = [read(n + i) for i in range(6)]
        n += 6
        for c, b, o in reqs:
            while not h.aio_command_completed(c):
                h.poll(-1)
            assert b.to_bytearray() == want[o:o + 65536]
        assert child(name) != pid
        assert not both & {child('qemu-storage-da'), child('nbdkit')}, both
PY
start_nbdkit k.sock -v v2v "$(nbd small.qcow2)" format=qcow2 timeout=2
check_fails "no child before the first use" pgrep -P $nbdkit_pid
nbdinfo --size "nbd+unix:///disk0?socket=k.sock" >/dev/null
check "one start is enough" \
    bash -c 'grep "v2v: open" k.sock.log && ! grep "daemon: .*Failed" k.sock.log'
kill_child () { timeout 120 "$PYTHON_NBD" -m nbd -c "import sys; sys.argv=['','$nbdkit_pid']" -c "$(cat kill.py)"; }
check "either child is killed, or hangs: nothing is lost" kill_child
children=$(pgrep -P $nbdkit_pid)
check "there are two" test $(wc -w <<<"$children") = 2
kill -9 $nbdkit_pid; wait $nbdkit_pid 2>/dev/null
gone () {
    local i
    for ((i = 0; i < 100; i++)); do
        kill -0 "$@" 2>/dev/null || return 0
        read -rt 0.1 <> <(:) || :
    done
    return 1
}
for i in $children; do check "it is gone after nbdkit was killed" gone $i; done
done_testing
