#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# Block status: written data in a hole is data (nbdkit-cache-filter says
# hole, and nbdcopy then copies zeroes), trimmed data is a hole, answers
# never exceed the question, not even for 4 GiB - 1 (CVE-2025-47711 ends
# the server).
source "$V2V_SRCDIR/tests/functions.sh"
requires "$PYTHON_NBD" -c 'import nbd'
requires nbdcopy --version

f="--filter=v2v-cow-cache"
cat >"$tmp/copy.py" <<'PY'
h.pwrite (b"dirty" * 1000, 5 * 1024 * 1024 + 77)
PY
check "nbdcopy copies what was written into a hole" \
    nbdkit -U - $f memory 10M --run "
    '$PYTHON_NBD' -m nbd -u \"\$uri\" -c - <'$tmp/copy.py' &&
    nbdcopy \"\$uri\" '$tmp/out' &&
    test \"\$(tail -c +$((5 * 1024 * 1024 + 78)) '$tmp/out' | head -c 10)\" = dirtydirty"

cat >"$tmp/mix.py" <<'PY'
M = 1024 * 1024
h = nbd.NBD ()
h.add_meta_context (nbd.CONTEXT_BASE_ALLOCATION)
h.connect_uri (uri)
def extents (count, offset, flags = 0):
    got = []
    def f (context, off, entries, err):
        got.extend (entries)
    h.block_status (count, offset, f, flags)
    pairs = list (zip (got[0::2], got[1::2]))
    assert sum (p[0] for p in pairs) <= count or pairs[-1][1] == 0, pairs
    return pairs
# 2 MiB data, 2 MiB hole, 4 MiB data
assert extents (8 * M, 0) == [(2 * M, 0), (2 * M, 3), (4 * M, 0)]
h.pwrite (b"x" * 4096, 3 * M)          # data in a hole
h.trim (65536, 5 * M)                  # hole in data
h.zero (4096, 6 * M, nbd.CMD_FLAG_FAST_ZERO)
h.pread (65536, 7 * M)                 # cached data
h.pread (65536, 2 * M)                 # cached hole
assert extents (8 * M, 0) == [
    (2 * M, 0), (M, 3), (4096, 0), (M - 4096, 3), (M, 0), (65536, 3),
    (M - 65536, 0), (4096, 3), (2 * M - 4096, 0)], extents (8 * M, 0)
assert extents (8 * M, 0, nbd.CMD_FLAG_REQ_ONE) == [(2 * M, 0)]
assert extents (100, 3 * M + 50) == [(100, 0)]
assert extents (70000, 5 * M + 1, nbd.CMD_FLAG_REQ_ONE) == [(65535, 3)]
h.pwrite (b"y", 5 * M + 10)            # data in a trimmed block
assert extents (65536, 5 * M) == [(4096, 0), (61440, 3)]
assert h.pread (3, 5 * M + 9) == b"\0y\0"
PY
truncate -s 8M "$tmp/disk"
head -c 2M /dev/zero | tr '\0' a |
    dd of="$tmp/disk" bs=1M conv=notrunc status=none
head -c 4M /dev/zero | tr '\0' b |
    dd of="$tmp/disk" bs=1M seek=4 conv=notrunc status=none
for r in on off; do
    check "extents of a mix, copy-on-read=$r" \
        nbdkit -U - $f file "$tmp/disk" v2v-cow-cache-copy-on-read=$r --run \
        "'$PYTHON_NBD' -c \"import nbd
uri = '\$uri'
exec (open ('$tmp/mix.py').read ())\""
done

cat >"$tmp/large.py" <<'PY'
h = nbd.NBD ()
h.add_meta_context (nbd.CONTEXT_BASE_ALLOCATION)
h.connect_uri (uri)
def f (context, off, entries, err):
    assert sum (entries[0::2]) <= 0xffffffff, entries
    assert entries[1] == 3
for off in 0, 1, 1 << 39, (1 << 40) - 0xffffffff:
    h.block_status (0xffffffff, off, f)
    h.block_status (0xffffffff, off, f, nbd.CMD_FLAG_REQ_ONE)
h.trim (0xffffffff, 4096)
h.zero (0xfffff000, 1 << 38)
h.block_status (0xffffffff, 0, f)
assert h.pread (10, 1 << 38) == bytes (10)
PY
check "block status of 4 GiB - 1" \
    nbdkit -U - $f memory 1T --run "'$PYTHON_NBD' -c \"import nbd
uri = '\$uri'
exec (open ('$tmp/large.py').read ())\""
done_testing
