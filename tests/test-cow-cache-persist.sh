#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# The persistent store: what a flush covered is there after kill -9 and
# after a clean stop, and a store of another source is refused.
source "$V2V_SRCDIR/tests/functions.sh"
requires "$PYTHON_NBD" -c 'import nbd'

mkdir "$tmp/store"
head -c 8M /dev/urandom >"$tmp/disk"
start () {
    rm -f "$tmp/log"
    start_nbdkit "$tmp/sock" --filter=v2v-cow-cache --filter=log \
        file "$tmp/disk" v2v-cow-cache-store="$tmp/store" \
        logfile="$tmp/log" "$@"
}
sh () {
    "$PYTHON_NBD" -c "import nbd, random
h = nbd.NBD ()
h.connect_uri ('nbd+unix:///?socket=$tmp/sock')
M = 1024 * 1024
disk = open ('$tmp/disk', 'rb').read ()
$1"
}
kill9 () { kill -9 "$nbdkit_pid"; wait "$nbdkit_pid" 2>/dev/null; rm -f "$tmp/sock"; }

start || exit 1
check "write and flush" sh 'h.pwrite (b"w" * 5000, 100)
h.zero (M, 2 * M)
h.pread (M, 4 * M)
h.flush ()
h.pwrite (b"f" * 4096, 6 * M, nbd.CMD_FLAG_FUA)
h.pwrite (b"n" * 4096, 7 * M)'
kill9
start || exit 1
check "after kill -9 it is there" sh '
assert h.pread (5200, 0) == disk[:100] + b"w" * 5000 + disk[5100:5200]
assert h.pread (M, 2 * M) == bytes (M)
assert h.pread (4096, 6 * M) == b"f" * 4096
assert h.pread (4096, 7 * M) in (b"n" * 4096, disk[7 * M:7 * M + 4096])'
check "what was cached is there too" sh '
assert h.pread (M, 4 * M) == disk[4 * M:5 * M]'
# The first part was identification, then comes what is not in the store.
check_fails "and not read again" \
    grep ' Read id=.* offset=0x4[0-9a-f]\{5\} count=0x[1-9a-f][0-9a-f]\{5\} ' \
    "$tmp/log"
kill "$nbdkit_pid"
wait "$nbdkit_pid" 2>/dev/null; rm -f "$tmp/sock"
start || exit 1
check "after a clean stop too" sh '
assert h.pread (4096, 6 * M) == b"f" * 4096
h.pwrite (b"q" * 4096, M)'
check_fails "a second server with the same store is refused" \
    nbdkit -U - --filter=v2v-cow-cache file "$tmp/disk" \
    v2v-cow-cache-store="$tmp/store" --run 'nbdinfo "$uri"'
kill "$nbdkit_pid"
wait "$nbdkit_pid" 2>/dev/null; rm -f "$tmp/sock"

# Another source, by its data, by its size, by its declared identity.
head -c 8M /dev/urandom >"$tmp/other"
check_fails "a store of another source is refused" \
    nbdkit -U - --filter=v2v-cow-cache file "$tmp/other" \
    v2v-cow-cache-store="$tmp/store" --run 'nbdinfo "$uri"'
truncate -s 9M "$tmp/other"
check_fails "of another size too" \
    nbdkit -U - --filter=v2v-cow-cache file "$tmp/other" \
    v2v-cow-cache-store="$tmp/store" --run 'nbdinfo "$uri"'
check_fails "of another identity too" \
    nbdkit -U - --filter=v2v-cow-cache file "$tmp/disk" \
    v2v-cow-cache-store="$tmp/store" v2v-cow-cache-identity=snapshot-2 \
    --run 'nbdinfo "$uri"'
start || exit 1
check "and the right one is not" sh '
assert h.pread (4096, M) == b"q" * 4096'

# Killed in the middle of writing, many times: every flushed generation.
cat >"$tmp/gen.py" <<'PY'
import sys
h = nbd.NBD ()
h.connect_uri (uri)
g = first
while True:
    for i in range (64):
        h.pwrite (bytes ([g % 255 + 1]) * 6000, i * 100001)
    h.flush ()
    print (g, flush = True)
    g += 1
PY
cat >"$tmp/check.py" <<'PY'
h = nbd.NBD ()
h.connect_uri (uri)
for i in range (64):
    b = h.pread (6000, i * 100001)
    # No byte older than the last flush, none newer than what was sent.
    assert set (b) <= {last % 255 + 1, (last + 1) % 255 + 1}, (i, set (b))
PY
good=1 last=0
for ((round = 0; round < 10; round++)); do
    : >"$tmp/gens"
    "$PYTHON_NBD" -c "import nbd
uri = 'nbd+unix:///?socket=$tmp/sock'
first = $((last + 1))
exec (open ('$tmp/gen.py').read ())" >"$tmp/gens" 2>/dev/null &
    writer=$!
    # Kill it when some generations were flushed.
    until [ "$(wc -l <"$tmp/gens")" -ge $((1 + round % 4)) ]; do
        kill -0 $writer 2>/dev/null || break
    done
    kill9
    wait $writer 2>/dev/null
    last=$(tail -n 1 "$tmp/gens")
    start || exit 1
    "$PYTHON_NBD" -c "import nbd
uri = 'nbd+unix:///?socket=$tmp/sock'
last = $last
exec (open ('$tmp/check.py').read ())" || good=0
done
check "ten times killed while writing ($last generations)" test $good = 1
done_testing
