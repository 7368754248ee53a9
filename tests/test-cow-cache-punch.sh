#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# Zeroes and trims are state: they give the store's space back, also with a
# flag that promises to be fast, and also where only part of a range was there.
source "$V2V_SRCDIR/tests/functions.sh"
requires "$PYTHON_NBD" -c 'import nbd'

mkdir "$tmp/store"
start_nbdkit "$tmp/sock" --filter=v2v-cow-cache pattern 1G \
    v2v-cow-cache-copy-on-read=off v2v-cow-cache-dir="$tmp/store" || exit 1
client () {
    "$PYTHON_NBD" -c "import nbd
M = 1024 * 1024
h = nbd.NBD ()
h.connect_uri ('nbd+unix:///?socket=$tmp/sock')
$1"
}
used () { store_bytes "$(cat "$tmp/sock.pid")" "$tmp/store"; }

check "64 MiB here and there are written" client '
for i in range (64): h.pwrite (b"w" * M, i * 16 * M)'
check "the store holds them" test "$(used)" -ge $((64 * 1024 ** 2))
check "half is zeroed, fast" client '
for i in range (32): h.zero (2 * M, i * 16 * M, nbd.CMD_FLAG_FAST_ZERO)'
check "its space is free" test "$(used)" -le $((33 * 1024 ** 2))
check "the rest is trimmed, at odd offsets" client '
for i in range (32, 64): h.trim (2 * M - 77, i * 16 * M - 513)'
check "its space is free too" test "$(used)" -le $((1 * 1024 ** 2))
check "both read as zeroes, their neighbours as the source" client '
def source (n, o):
    return b"".join (((o // 8 + i) * 8).to_bytes (8, "big")
                     for i in range (n // 8 + 2))[o % 8 : o % 8 + n]
for i in range (32):
    o = i * 16 * M
    assert h.pread (2 * M, o) == bytes (2 * M)
    assert h.pread (999, o + 2 * M) == source (999, o + 2 * M)
for i in range (32, 64):
    o = i * 16 * M - 513
    assert h.pread (2 * M - 77, o) == bytes (2 * M - 77)
    assert h.pread (999, o - 999) == source (999, o - 999)
    assert h.pread (999, o + 2 * M - 77) == source (999, o + 2 * M - 77)'
done_testing
