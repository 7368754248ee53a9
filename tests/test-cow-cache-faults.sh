#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# A source that fails now and then, and a slow one.  An error reaches the
# client that asked; trying again works; nothing wrong is kept; a failing
# .cache does no harm; the server lives on.
source "$V2V_SRCDIR/tests/functions.sh"
requires "$PYTHON_NBD" -c 'import nbd'
requires nbdcopy --version

cat >"$tmp/t.py" <<'PY'
M = 1024 * 1024
hs = []
for i in range (4):
    h = nbd.NBD ()
    h.connect_uri (uri)
    hs.append (h)
errors = 0
def retry (f):
    global errors
    for i in range (1000):
        try:
            return f ()
        except nbd.Error as e:
            errors += 1
    raise AssertionError ("it never succeeds")
def source (off, n):
    return b"".join ((o).to_bytes (8, "big") for o in range (off, off + n, 8))
for i in range (64):
    h = hs[i % 4]
    o = i * 131072
    if i % 4 == 0:
        retry (lambda: h.cache (131072, o))
    retry (lambda: h.pwrite (b"w" * 100, o + 50))
    b = bytearray (source (o, 131072))
    b[50:150] = b"w" * 100
    assert retry (lambda: h.pread (131072, o)) == b
    assert retry (lambda: hs[(i + 1) % 4].pread (131072, o)) == b
assert errors > 0, "nothing failed"
PY
for o in error-pread-rate=40% error-rate=40%; do
    start_nbdkit "$tmp/sock" --filter=v2v-cow-cache --filter=error \
        pattern 8M $o || exit 1
    check "a source with $o" \
        timeout 100 "$PYTHON_NBD" -c "import nbd
uri = 'nbd+unix:///?socket=$tmp/sock'
exec (open ('$tmp/t.py').read ())"
    check "the server lives" kill -0 "$nbdkit_pid"
    kill "$nbdkit_pid"
    wait "$nbdkit_pid" 2>/dev/null; rm -f "$tmp/sock"
done

head -c 5000000 /dev/urandom >"$tmp/disk"
check "a slow source is copied right, and the second time at once" \
    nbdkit -U - --filter=v2v-cow-cache --filter=delay file "$tmp/disk" \
    rdelay=20ms --run "
    nbdcopy \"\$uri\" '$tmp/out' && cmp '$tmp/disk' '$tmp/out' &&
    nbdcopy \"\$uri\" '$tmp/out' && cmp '$tmp/disk' '$tmp/out'"

# Going away while fills are under way ends in order.
start_nbdkit "$tmp/sock" --filter=v2v-cow-cache --filter=delay memory 1G \
    rdelay=300ms v2v-cow-cache-max-request=64k delay-extents=0 || exit 1
"$PYTHON_NBD" -c "import nbd
h = nbd.NBD ()
h.connect_uri ('nbd+unix:///?socket=$tmp/sock')
h.cache (256 << 20, 0)
for i in range (4):
    h.aio_pread (nbd.Buffer (65536), (512 << 20) + i * 65536)
h.aio_disconnect ()
"
kill "$nbdkit_pid"
check "SIGTERM ends it within some seconds" \
    timeout 10 tail --pid="$nbdkit_pid" -f /dev/null
done_testing
