#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# Odd sizes: one byte, odd tails, misaligned partitions, 16 TiB.
source "$V2V_SRCDIR/tests/functions.sh"
requires "$PYTHON_NBD" -c 'import nbd'
requires nbdcopy --version

cat >"$tmp/t.py" <<'PY'
h = nbd.NBD ()
h.connect_uri (uri)
size = h.get_size ()
h.pwrite (b"e", size - 1)
h.pwrite (b"b", 0)
assert h.pread (1, size - 1) == (b"b" if size == 1 else b"e")
if size > 200000:
    p = 63 * 512
    h.pwrite (b"m" * 8192, p)
    assert h.pread (8194, p - 1)[1:-1] == b"m" * 8192
n = min (size, 5000)
h.zero (n, size - n)
assert h.pread (n, size - n) == bytes (n)
h.pwrite (b"t" * n, size - n)
h.cache (n, size - n)
assert h.pread (n, size - n) == b"t" * n
h.flush ()
PY
for size in 1 2 511 512 513 4095 4097 65537 1000003 $((16 * 1024 ** 4)) \
            $((16 * 1024 ** 4 + 513)) $((2 ** 63 - 1)); do
    for store in dir=/var/tmp memory=1; do
        check "size $size, $store" \
            nbdkit -U - --filter=v2v-cow-cache memory $size \
            v2v-cow-cache-$store --run "'$PYTHON_NBD' -c \"import nbd
uri = '\$uri'
exec (open ('$tmp/t.py').read ())\""
    done
done
for size in 1 1000003; do
    head -c $size /dev/urandom >"$tmp/disk"
    rm -f "$tmp/out"
    check "a copy of $size bytes is the same, cold and warm" \
        nbdkit -U - --filter=v2v-cow-cache file "$tmp/disk" --run "
        nbdcopy \"\$uri\" '$tmp/out' && cmp '$tmp/disk' '$tmp/out' &&
        nbdcopy \"\$uri\" '$tmp/out' && cmp '$tmp/disk' '$tmp/out'"
done
done_testing
