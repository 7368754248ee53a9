#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# A limit applies to clean data only: nbdkit-cache-filter with
# cache-max-size drops written blocks.  And it is kept.
source "$V2V_SRCDIR/tests/functions.sh"
requires "$PYTHON_NBD" -c 'import nbd'

cat >"$tmp/t.py" <<'PY'
M = 1024 * 1024
h = nbd.NBD ()
h.connect_uri (uri)
def block (i):
    return bytes ([1 + (i * 7 + j) % 255 for j in range (256)]) * 16
for i in range (1024):
    h.pwrite (block (i), i * 65536)
for i in range (64):                    # needs the room sixteen times over
    h.pread (M, i * M)
bad = [i for i in range (1024) if h.pread (4096, i * 65536) != block (i)]
assert not bad, "%d of 1024 blocks were lost" % len (bad)
PY
mkdir "$tmp/store"
start_nbdkit "$tmp/sock" --filter=v2v-cow-cache pattern 64M \
    v2v-cow-cache-max-size=4M v2v-cow-cache-dir="$tmp/store" || exit 1
check "64 MiB written survive a limit of 4 MiB" \
    "$PYTHON_NBD" -c "import nbd
tmp = '$tmp'
uri = 'nbd+unix:///?socket=$tmp/sock'
exec (open ('$tmp/t.py').read ())"
# Dirty blocks and at most the limit, plus a unit of the file system here and
# there.
used=$(store_bytes "$(cat "$tmp/sock.pid")" "$tmp/store")
diag "the store occupies $used bytes"
check "the store holds what was written" \
    test "$used" -ge $((4 * 1024 ** 2))
check "and the limit holds" \
    test "$used" -le $((9 * 1024 ** 2))
done_testing
