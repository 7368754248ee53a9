#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# The children of the plugin v2v: the pauses between starts of one that keeps
# dying, and secrets, which no process and no log may show.
. "${V2V_SRCDIR:-.}/tests/functions.sh"
. "$V2V_SRCDIR/tests/plugin-servers.sh"
requires nbdcopy --version

cd "$tmp" || exit 1
"$PYTHON_NBD" -c 'open("a.raw", "wb").write(bytes(range(256)) * (1 << 14))'
start_https

# A child that ends as soon as it is started, while the file "down" is there.
real=$(type -P nbdkit)
cat > dying <<SH
#!/bin/sh
date +%s%N >> starts
if [ -e down ]; then echo "not today" >&2; exit 1; fi
exec $real "\$@"
SH
chmod +x dying
touch down
start_nbdkit s.sock v2v https://localhost:$port/a.raw cainfo=cert.pem \
    nbdkit="$tmp/dying"
open_it () { timeout $1 "$PYTHON_NBD" -m nbd -u "nbd+unix:///disk0?socket=s.sock" -c 'h.pread(512, 0)'; }
# Two opens of five starts each.  Every one ends in an error by itself; a
# time limit that is reached kills the client without its saying so.
ends () { open_it $1 2>&1 | tee err; ! [ -s err ]; }
check_fails "a child that keeps dying: the client gets an error" \
    ends 60
check "after five starts" test $(wc -l < starts) = 5
check_fails "and again" ends 100
check "after ten" test $(wc -l < starts) = 10
check "the log has the reason" grep -q "not today" s.sock.log
cat > pauses.py <<'PY'
t = [int(l) for l in open('starts')]
pauses = [(b - a) / 1e6 for a, b in zip(t, t[1:])]
print(pauses)
# Milliseconds; the fifth is also the time between the two opens.
for got, least in zip(pauses, (100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000)):
    assert got >= least, (got, least)
# Doubled on and on, it would have come to 25600.
assert pauses[-1] < 15000
PY
check "the pauses grow, up to five seconds" "$PYTHON_NBD" pauses.py
rm down
check "it recovers when the server is there again" open_it 60
check "with one more start" test $(wc -l < starts) = 11
# What worked once starts without a pause: the loss of a connection that was
# good is no failure.
: > starts
cat > again.py <<'PY'
import os, signal, subprocess, sys, time
h.connect_uri('nbd+unix:///disk0?socket=s.sock')
want = open('a.raw', 'rb').read()
for i in range(8):
    assert h.pread(65536, i * 65536) == want[i * 65536:(i + 1) * 65536]
    pid = int(subprocess.check_output(['pgrep', '-P', sys.argv[1], '-x', 'nbdkit']))
    os.kill(pid, signal.SIGKILL)
assert h.pread(512, 0) == want[:512]
PY
again () { timeout 60 "$PYTHON_NBD" -m nbd -c "import sys; sys.argv=['','$nbdkit_pid']" -c "$(cat again.py)"; }
check "eight times killed between reads, nothing is lost" again
check "each time started once" test $(wc -l < starts) = 8

# Secrets.  They are looked for, as they are and in base64, in all command
# lines and environments, and in what nbdkit logs with -v, while a disk is
# read.  Never with the secret on a command line of ours.
printf 'Zq9-pa55word-xK\n' > secret
printf 'session=Zq9-c00kie-xK\n' > cookie
{ cat secret cookie
  "$PYTHON_NBD" -c 'import base64; print(base64.b64encode(b"me:" + open("secret", "rb").read().strip()).decode())'
} > secrets
cat > scan.py <<'PY'
import glob, sys
secrets = [l.strip().encode() for l in open('secrets')]
found = 0
for f in glob.glob('/proc/[0-9]*/cmdline') + glob.glob('/proc/[0-9]*/environ'):
    try:
        text = open(f, 'rb').read()
    except OSError:
        continue
    found += b'nbdkit\0--foreground' in text
    for s in secrets:
        if s in text:
            sys.exit('%s: %r' % (f, text))
# It has looked at the child.
assert found >= 1
for s in secrets:
    assert s not in open(sys.argv[1], 'rb').read(), s
PY
# secret_free NAME ARGS...
secret_free () {
    local name=$1; shift
    rm -f $name.sock
    start_nbdkit $name.sock -v v2v "$@" || return 1
    nbdcopy "nbd+unix:///disk0?socket=$name.sock" null: &&
        "$PYTHON_NBD" scan.py $name.sock.log
}
scan_finds () {
    local out
    sh -c 'read x' "$(cat secret)" < <(exec sleep 60) & local pid=$!
    out=$("$PYTHON_NBD" scan.py /dev/null 2>&1)
    kill $pid
    grep "/proc/$pid/cmdline" <<<"$out"
}
check "the scan finds a secret in an argument" scan_finds
check "password and cookie of HTTPS" secret_free https \
    https://localhost:$port/a.raw cainfo=cert.pem user=me password=+secret \
    cookie=+cookie
if start_sshd; then
    check "password of ssh" secret_free ssh $url/a.raw "${ssh[@]}" \
        password=+secret
else
    skip "password of ssh" "needs root and sshd"
fi
cat > esx.xml <<'XML'
<domain type='vmware' xmlns:vmware='http://libvirt.org/schemas/domain/vmware/1.0'><name>e</name><memory>65536</memory>
<devices><disk type='file' device='disk'><source file='[store] guest.vmdk'/><target dev='sda' bus='scsi'/></disk></devices>
<vmware:moref>vm-7</vmware:moref></domain>
XML
printf 'se cret\n' > secret
cat secret cookie > secrets
check "password and cookie of VDDK" secret_free vddk esx.xml \
    server=esx.example.com user=me password=+secret vddk-cookie=+cookie \
    vddk-plugin="$V2V_BUILDDIR/tests/.libs/test-plugin-vddk.so"
done_testing
