#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# nbdkit-retry-filter above and below: it opens the layers again whenever
# it likes; what was written stays.  Every third read of the source fails.
source "$V2V_SRCDIR/tests/functions.sh"
requires "$PYTHON_NBD" -c 'import nbd'
requires nbdkit --filter=retry eval --version

head -c 1000000 /dev/urandom >"$tmp/disk"
cat >"$tmp/t.py" <<'PY'
disk = bytearray (open (tmp + "/disk", "rb").read ())
h = nbd.NBD ()
h.connect_unix (tmp + "/sock")
for i in range (40):
    o = (i * 190000) % 900000
    h.pwrite (bytes ([i]) * 1001, o)
    disk[o:o+1001] = bytes ([i]) * 1001
    assert h.pread (50000, o) == disk[o:o+50000], i
assert h.pread (len (disk), 0) == disk
PY
for order in "retry v2v-cow-cache" "v2v-cow-cache retry"; do
    set -- $order
    rm -f "$tmp/n"
    start_nbdkit "$tmp/sock" --filter=$1 --filter=$2 eval \
        retry-delay=1 retries=10 get_size='echo 1000000' \
        open="echo o >>$tmp/opens" \
        pread="echo r >>$tmp/n
               if test \$((\$(wc -l <$tmp/n) % 3)) = 0; then
                   echo EIO again >&2; exit 1
               fi
               tail -c +\$((\$4 + 1)) $tmp/disk | head -c \$3" || exit 1
    : >"$tmp/opens"
    check "--filter=$1 --filter=$2" timeout 60 "$PYTHON_NBD" -c "import nbd
tmp = '$tmp'
exec (open ('$tmp/t.py').read ())"
    check "it was opened more than once" \
        test "$(wc -l <"$tmp/opens")" -gt 1
    kill "$nbdkit_pid"
    wait "$nbdkit_pid" 2>/dev/null; rm -f "$tmp/sock"
done
done_testing
