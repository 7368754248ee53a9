#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# A limit applies to clean data only: nbdkit-cache-filter with
# cache-max-size drops written blocks.  And it is kept.
source "$V2V_SRCDIR/tests/functions.sh"
requires "$PYTHON_NBD" -c 'import nbd'

cat >"$tmp/t.py" <<'PY'
import os
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
# The store's file: dirty blocks and at most the limit, plus a unit of the
# file system here and there.
pid = open (tmp + "/sock.pid").read ().strip ()
for fd in os.listdir ("/proc/%s/fd" % pid):
    try:
        target = os.readlink ("/proc/%s/fd/%s" % (pid, fd))
    except OSError:
        continue
    if target.startswith (tmp + "/store/"):
        used = os.stat ("/proc/%s/fd/%s" % (pid, fd)).st_blocks * 512
        assert used <= 4 * M + 4 * M + M, used
        break
else:
    raise AssertionError ("the store is not in the directory")
PY
mkdir "$tmp/store"
start_nbdkit "$tmp/sock" --filter=v2v-cow-cache pattern 64M \
    v2v-cow-cache-max-size=4M v2v-cow-cache-dir="$tmp/store" || exit 1
check "64 MiB written survive a limit of 4 MiB, which holds" \
    "$PYTHON_NBD" -c "import nbd
tmp = '$tmp'
uri = 'nbd+unix:///?socket=$tmp/sock'
exec (open ('$tmp/t.py').read ())"
done_testing
