#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# Above every thread model: data is right with four connections, and the
# source never sees more calls at once than its model allows.  The source
# is a script that logs the beginning and the end of each call.
source "$V2V_SRCDIR/tests/functions.sh"
requires nbdkit eval --version
requires "$PYTHON_NBD" -c 'import nbd'

head -c 1000003 /dev/urandom >"$tmp/disk"

cat >"$tmp/t.py" <<'PY'
import random
disk = bytearray (open (tmp + "/disk", "rb").read ())
size = len (disk)
hs = []
for i in range (1 if one else 4):
    h = nbd.NBD ()
    h.connect_uri ("nbd+unix:///?socket=" + tmp + "/sock")
    hs.append (h)
r = random.Random (1)
def finish (todo):
    while todo:
        for t in list (todo):
            h, cookie, buf, o, n = t
            if h.aio_command_completed (cookie):
                if buf is not None:
                    assert bytes (buf.to_bytearray ()) == disk[o:o+n], o
                todo.remove (t)
            else:
                h.poll (1)
for step in range (6):
    todo = []
    for h in hs:
        for k in range (2):
            o = r.randrange (size)
            n = min (size - o, r.randrange (1, 200000))
            b = nbd.Buffer (n)
            todo.append ((h, h.aio_pread (b, o), b, o, n))
        o = r.randrange (size)
        n = min (size - o, 100000)
        todo.append ((h, h.aio_cache (n, o), None, o, n))
    finish (todo)
    # Writes that do not overlap but share blocks.
    for i, h in enumerate (hs):
        part = size // len (hs)
        o = i * part + r.randrange (part // 2)
        n = r.randrange (1, part // 2)
        data = bytes ([r.randrange (256)]) * n
        disk[o:o+n] = data
        todo.append ((h, h.aio_pwrite (bytearray (data), o), None, o, n))
    finish (todo)
for h in hs:
    assert h.pread (size, 0) == disk
for h in hs:
    h.shutdown ()
PY

for model in parallel serialize_requests serialize_all_requests \
             serialize_connections; do
    rm -f "$tmp/log"
    start_nbdkit "$tmp/sock" --filter=v2v-cow-cache eval \
        thread_model="echo $model" get_size='echo 1000003' \
        can_extents='exit 0' \
        extents="echo '0 1000003'" \
        pread="echo B >>$tmp/log; sleep 0.01
               tail -c +\$((\$4 + 1)) $tmp/disk | head -c \$3
               echo E >>$tmp/log" || exit 1
    one=False
    [ $model = serialize_connections ] && one=True
    check "$model: reads, writes and caching are right" \
        timeout 120 "$PYTHON_NBD" -c "import nbd
tmp = '$tmp'
one = $one
exec (open ('$tmp/t.py').read ())"
    most=$(awk '/B/ { if (++n > m) m = n } /E/ { n-- } END { print m }' \
               "$tmp/log")
    case $model in
        parallel|serialize_requests) limit=64 ;;
        *) limit=1 ;;
    esac
    diag "$model: at most $most calls at once"
    check "$model: at most $limit calls at once" test "$most" -le $limit
    kill "$nbdkit_pid"
    wait "$nbdkit_pid" 2>/dev/null; rm -f "$tmp/sock"
done
done_testing
