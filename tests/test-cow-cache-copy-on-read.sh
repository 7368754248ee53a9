#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# What is asked of the source: with copy-on-read on, off and while a file
# exists; for .cache; for holes; within the layer's block size limits.
source "$V2V_SRCDIR/tests/functions.sh"
requires "$PYTHON_NBD" -c 'import nbd'
requires nbdkit --filter=log --filter=blocksize-policy null --version

start () {
    rm -f "$tmp/log"
    start_nbdkit "$tmp/sock" --filter=v2v-cow-cache --filter=log \
        pattern 64M logfile="$tmp/log" "$@" || exit 1
}
stop () { kill "$nbdkit_pid"; wait "$nbdkit_pid" 2>/dev/null; rm -f "$tmp/sock"; }
reads () { grep -c ' Read ' "$tmp/log"; }
sh () {
    "$PYTHON_NBD" -c "import nbd, os
h = nbd.NBD ()
h.connect_uri ('nbd+unix:///?socket=$tmp/sock')
M = 1024 * 1024
$1" || not_ok "script: $1"
}

start
sh 'a = h.pread (4096, 0); b = h.pread (65536, 0); assert a == b[:4096]'
check "on: one fetch of 64 KiB for both" test "$(reads)" = 1
sh 'h.cache (8 * M, M)
h.pread (8 * M, M)'
check "a read waits for .cache, which asks in large pieces" \
    test "$(reads)" -le 9
stop

start v2v-cow-cache-copy-on-read=off
sh 'h.pread (4096, 0); h.pread (4096, 0)'
check "off: every read goes to the source" test "$(reads)" = 2
sh 'h.pwrite (b"x" * 65536, 0); h.pread (4096, 0)'
check "but not for what was written" test "$(reads)" = 2
stop

start v2v-cow-cache-copy-on-read="$tmp/flag"
sh 'h.pread (4096, 0); h.pread (4096, 0)'
check "without the file: off" test "$(reads)" = 2
touch "$tmp/flag"
sh 'h.pread (4096, M); h.pread (4096, M)'
check "with the file: on" test "$(reads)" = 3
rm "$tmp/flag"
sh 'h.pread (4096, 2 * M); h.pread (4096, 2 * M); h.pread (4096, M)'
check "without it again: off, but what was kept is used" \
    test "$(reads)" = 5
stop

start v2v-cow-cache-max-request=128k v2v-cow-cache-fetch-unit=32k
sh 'h.pread (M, 0)
h.pread (1, 10 * M)'
check "max-request is respected" \
    test "$(grep -c ' Read .*count=0x20000 ' "$tmp/log")" = 8
check "and so is fetch-unit" grep -q ' Read .*count=0x8000 ' "$tmp/log"
stop

# The source has blocks of 4 KiB and serves at most 64 KiB; others fail.
start_nbdkit "$tmp/sock" --filter=v2v-cow-cache --filter=blocksize-policy \
    pattern 1M blocksize-error-policy=error blocksize-minimum=4k \
    blocksize-preferred=4k blocksize-maximum=64k || exit 1
sh 'h.pread (M - 1, 1)
h.pwrite (b"x", 77)
assert h.pread (3, 76)[1:2] == b"x"'
ok "limits of the layer below are respected"
stop

rm -f "$tmp/log"
start_nbdkit "$tmp/sock" --filter=v2v-cow-cache --filter=log memory 1G \
    logfile="$tmp/log" || exit 1
sh 'assert h.pread (32 * M, 0) == bytes (32 * M)
h.cache (512 * M, 100 * M)
h.pwrite (b"x", 5)
assert h.pread (2, 5) == b"x\0"'
check "holes are never read" test "$(reads)" = 0
check "their map is asked for once per GiB" \
    test "$(grep -c ' Extents ' "$tmp/log")" = 1
stop
done_testing
