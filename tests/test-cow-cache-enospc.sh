#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# A full disk: reads are served but no longer kept, which is said once;
# writes push out clean data first, then fail with ENOSPC; the server lives
# on and nothing that was acknowledged is lost.
source "$V2V_SRCDIR/tests/functions.sh"
requires "$PYTHON_NBD" -c 'import nbd'
mkdir "$tmp/small"
mount -t tmpfs -o size=4m tmpfs "$tmp/small" 2>/dev/null ||
    skip_all "cannot mount a tmpfs (not root?)"
cleanup_fn "umount '$tmp/small'"

cat >"$tmp/t.py" <<'PY'
import errno
M = 1024 * 1024
def connect ():
    h = nbd.NBD ()
    h.connect_uri (uri)
    return h
h = connect ()
def source (off, n):
    return b"".join ((o).to_bytes (8, "big") for o in range (off, off + n, 8))
for i in range (32):
    assert h.pread (M, i * M) == source (i * M, M)
for i in range (32):
    assert h.pread (M, i * M) == source (i * M, M)
# The cache holds about 4 MiB: writes take its place.
written = 0
try:
    for i in range (32):
        for j in range (16):
            h.pwrite (bytes ([i + 1]) * 65536, i * M + j * 65536)
            written += 65536
    raise AssertionError ("no ENOSPC")
except nbd.Error as e:
    assert e.errnum == errno.ENOSPC, e
assert written >= 3 * M, written
for n in range (0, written, 65536):
    assert h.pread (65536, n) == bytes ([n // M + 1]) * 65536
assert h.pread (M, 20 * M) == source (20 * M, M)
# Trimming gives room, and then one can write again.
h.trim (2 * M, 0)
h.pwrite (b"z" * M, 24 * M)
assert h.pread (M, 24 * M) == b"z" * M
assert connect ().pread (M, 0) == bytes (M)
PY
start_nbdkit "$tmp/sock" --filter=v2v-cow-cache pattern 32M \
    v2v-cow-cache-dir="$tmp/small" || exit 1
check "ENOSPC while caching and while writing" \
    "$PYTHON_NBD" -c "import nbd
uri = 'nbd+unix:///?socket=$tmp/sock'
exec (open ('$tmp/t.py').read ())"
check "the warning comes once" \
    test "$(grep -c 'no space left for the overlay' "$tmp/sock.log")" = 1
check "the server lives" kill -0 "$nbdkit_pid"
done_testing
