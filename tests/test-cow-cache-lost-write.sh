#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# A write that is acknowledged while a read of the same blocks waits for
# the source is not lost: nbdkit-cow-filter with cow-on-read loses it.
# The source is a script that answers when a file appears.
source "$V2V_SRCDIR/tests/functions.sh"
requires "$PYTHON_NBD" -c 'import nbd'
requires nbdkit eval --version

sock=$tmp/sock
start_nbdkit "$sock" --filter=v2v-cow-cache eval \
    thread_model='echo parallel' get_size='echo 1048576' \
    pread="echo \$3 \$4 >>$tmp/log
           while ! test -f $tmp/go; do sleep 0.05; done
           head -c \$3 /dev/zero | tr '\\0' s" || exit 1

cat >"$tmp/t.py" <<'PY'
import os, sys, time
tmp = sys.argv[1]
def connect ():
    h = nbd.NBD ()
    h.connect_uri ("nbd+unix:///?socket=" + tmp + "/sock")
    return h
a, b = connect (), connect ()
buf = nbd.Buffer (65536)
cookie = a.aio_pread (buf, 0)
while not os.path.exists (tmp + "/log"):      # the fill is under way
    a.poll (10)
b.pwrite (b"W" * 8192, 4096)
assert b.pread (8192, 4096) == b"W" * 8192
b.zero (4096, 32768)
assert b.pread (4096, 32768) == bytes (4096)
open (tmp + "/go", "w").close ()
while not a.aio_command_completed (cookie):
    a.poll (-1)
want = b"s" * 4096 + b"W" * 8192 + b"s" * 20480 + bytes (4096) + b"s" * 28672
got = bytes (b.pread (65536, 0))
assert got == want, "the write was lost"
assert bytes (a.pread (65536, 0)) == want
# One request to the source served all of them.
assert open (tmp + "/log").read ().split () == ["65536", "0"]
PY
check "a write under a pending fill is not lost" \
    timeout 60 "$PYTHON_NBD" -c "import nbd, sys
exec (open ('$tmp/t.py').read ())" "$tmp"
done_testing
