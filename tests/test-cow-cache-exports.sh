#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# Exports do not share their overlays; connections to one export do; the
# overlay outlives them; the default export is the same by both names.
source "$V2V_SRCDIR/tests/functions.sh"
requires "$PYTHON_NBD" -c 'import nbd'
requires nbdkit eval --version

mkdir "$tmp/dir"
truncate -s 1M "$tmp/dir/a"
truncate -s 2M "$tmp/dir/b"
start_nbdkit "$tmp/sock" --filter=v2v-cow-cache file dir="$tmp/dir" || exit 1
cat >"$tmp/t.py" <<'PY'
def connect (name):
    h = nbd.NBD ()
    h.set_export_name (name)
    h.connect_unix (tmp + "/sock")
    return h
a, b = connect ("a"), connect ("b")
assert a.get_size () == 1 << 20 and b.get_size () == 2 << 20
a.pwrite (b"A" * 4096, 4096)
b.pwrite (b"B" * 4096, 4096)
b.pwrite (b"b" * 4096, 0)
assert a.pread (8192, 0) == bytes (4096) + b"A" * 4096
assert b.pread (8192, 0) == b"b" * 4096 + b"B" * 4096
assert connect ("a").pread (4096, 4096) == b"A" * 4096
a.shutdown ()
assert connect ("a").pread (4096, 4096) == b"A" * 4096
try:
    connect ("nothing")
    raise AssertionError ("an export that is not there")
except nbd.Error:
    pass
PY
check "two exports" "$PYTHON_NBD" -c "import nbd
tmp = '$tmp'
exec (open ('$tmp/t.py').read ())"
check "the files were not written" \
    cmp "$tmp/dir/a" <(head -c 1M /dev/zero)
kill "$nbdkit_pid"
wait "$nbdkit_pid" 2>/dev/null; rm -f "$tmp/sock"

start_nbdkit "$tmp/sock" --filter=v2v-cow-cache eval \
    default_export='echo disk0' open='echo "$3"' get_size='echo 65536' \
    pread='head -c $3 /dev/zero' || exit 1
cat >"$tmp/t.py" <<'PY'
def connect (name):
    h = nbd.NBD ()
    h.set_export_name (name)
    h.connect_unix (tmp + "/sock")
    return h
a = connect ("")
a.pwrite (b"x" * 10, 5)
assert connect ("disk0").pread (10, 5) == b"x" * 10
assert connect ("disk1").pread (10, 5) == bytes (10)
assert connect ("").pread (10, 5) == b"x" * 10
PY
check "the empty name is the default export" "$PYTHON_NBD" -c "import nbd
tmp = '$tmp'
exec (open ('$tmp/t.py').read ())"
kill "$nbdkit_pid"
wait "$nbdkit_pid" 2>/dev/null; rm -f "$tmp/sock"

# A source whose size changes is refused, not served wrongly.
echo 65536 >"$tmp/size"
start_nbdkit "$tmp/sock" --filter=v2v-cow-cache eval \
    get_size="cat $tmp/size" pread='head -c $3 /dev/zero' || exit 1
uri="nbd+unix:///?socket=$tmp/sock"
check "the first size" nbdinfo --size "$uri"
echo 131072 >"$tmp/size"
check_fails "another size is refused" nbdinfo --size "$uri"
check "with a reason" grep -q 'had 65536 bytes and now has 131072' \
    "$tmp/sock.log"
done_testing
