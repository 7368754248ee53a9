#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# The readahead filter among other filters, in the command lines that it
# must fit, with sources that fail, and at the end of a server.

. "${V2V_SRCDIR:-.}/tests/functions.sh"

requires nbdkit --version
requires nbdcopy --version
requires nbdsh -c 'import nbd'

size=$((32 * 1024 * 1024))
nbdkit -U - pattern $size --run "nbdcopy \"\$uri\" $tmp/disk" || exit 1
sync='nbdcopy --synchronous --connections=1 "$uri"'

# copy ARGS...: what a client gets through ARGS.
copy () {
    rm -f "$tmp/out"
    timeout -k 5 60 "$V2V_BUILDDIR/run" nbdkit -r -U - "$@" \
        --run "$sync $tmp/out" &&
    cmp "$tmp/disk" "$tmp/out"
}
copy_loud () {
    rm -f "$tmp/out" "$tmp/loud"
    timeout -k 5 60 "$V2V_BUILDDIR/run" nbdkit -v -r -U - "$@" \
        --run "$sync $tmp/out" 2>"$tmp/loud" &&
    cmp "$tmp/disk" "$tmp/out"
}
# How much the engine that ended last served from what it had fetched.
served () {
    sed -n 's/.*v2v-readahead: export.*, served \([0-9]*\),.*/\1/p' \
        "$tmp/loud" | tail -n 1
}
# The most memory that its buffers took.
held () {
    sed -n 's/.*v2v-readahead: export.*, held at most \([0-9]*\),.*/\1/p' \
        "$tmp/loud" | tail -n 1
}
most () { test "$(served)" -gt $((size / 2)); }
# The same, where the filter has to prove itself: a process that gets no CPU
# time for a tenth of a second makes it rest, but not thrice.
copy_ahead () {
    local i
    for i in 1 2 3; do
        copy_loud "$@" || return 1
        most && return 0
    done
    return 1
}

us=--filter=v2v-readahead

# ---- Parameters. ----
for p in memory=1K memory=x memory=-1 connections=0 connections=65 \
         connections=x max-request=3M max-request=1K max-request=1G; do
    check_fails "v2v-readahead-$p is refused" \
                nbdkit -U - $us null "v2v-readahead-$p" --run true
done
check "the limits are accepted" \
      nbdkit -U - $us null v2v-readahead-memory=256K \
      v2v-readahead-connections=64 v2v-readahead-max-request=4096 --run true
check "it describes itself" \
      sh -c "'$V2V_BUILDDIR/run' nbdkit $us null --help | grep v2v-readahead-memory"

# ---- Above and below other filters; every one makes it slow. ----
check "parallel" copy_loud $us --filter=delay file "$tmp/disk" rdelay=10ms
check "most was read ahead" most
check "above retry" copy_ahead $us --filter=retry --filter=delay \
      file "$tmp/disk" rdelay=10ms
check "most was read ahead" most
check "above cacheextents" copy_loud $us --filter=cacheextents \
      --filter=delay file "$tmp/disk" rdelay=10ms
check "most was read ahead" most
check "above blocksize" copy_loud $us --filter=blocksize --filter=delay \
      file "$tmp/disk" rdelay=10ms maxdata=128K
check "most was read ahead" most
check "below cow" copy_loud --filter=cow $us --filter=delay \
      file "$tmp/disk" rdelay=10ms
check "most was read ahead" most
check "below retry" copy_ahead --filter=retry $us --filter=delay \
      file "$tmp/disk" rdelay=10ms
check "most was read ahead" most
check "between two filters that shift and cut" copy_loud \
      --filter=offset $us --filter=truncate --filter=delay \
      file "$tmp/disk" offset=0 round-up=512 rdelay=10ms
check "most was read ahead" most
check "with a limit of 1M" copy_loud $us --filter=nocache --filter=delay \
      file "$tmp/disk" rdelay=10ms v2v-readahead-memory=1M cachemode=none
check "most was read ahead" most
check "the limit is kept" test "$(held)" -gt 0 -a "$(held)" -le $((1 << 20))
check_fails "twice is refused" nbdkit -U - $us $us null --run true

# The layer below says how long a request may be, and refuses longer ones.
check "the maximum of the layer below" copy_loud $us \
      --filter=blocksize-policy --filter=nocache --filter=delay \
      file "$tmp/disk" rdelay=10ms cachemode=none \
      blocksize-minimum=512 blocksize-preferred=4K blocksize-maximum=256K \
      blocksize-error-policy=error
check "most was read ahead" most
check "nothing was refused" grep -q 'v2v-readahead: export.* errors 0,' \
      "$tmp/loud"

# Beneath v2v-convert.  A stand-in for the helper changes some blocks.
FAKE_HELPER=ok FAKE_LOG=$tmp/fake.log
export FAKE_HELPER FAKE_LOG
convert () {                    # OUT ARGS...
    local out=$1; shift
    rm -f "$out"
    timeout -k 5 60 "$V2V_BUILDDIR/run" nbdkit -v -r -U - \
        --filter=v2v-convert "$@" --filter=nocache --filter=delay \
        file "$tmp/disk" cachemode=none rdelay=10ms \
        v2v-helper="$V2V_SRCDIR/tests/fake-helper" \
        --run "$sync $out" 2>"$tmp/loud"
}
check "a conversion" convert "$tmp/converted"
check_fails "it changes something" cmp -s "$tmp/disk" "$tmp/converted"
check "a conversion above readahead" convert "$tmp/converted2" $us
check "the same bytes" cmp "$tmp/converted" "$tmp/converted2"
check "most was read ahead" most

# ---- How KubeVirt's importer calls it: readahead above retry, curl. ----
if nbdkit curl --dump-plugin >/dev/null 2>&1; then
    check "as in front of curl, read-only" copy_ahead --foreground --readonly \
          --exit-with-parent --pidfile "$tmp/pid" $us --filter=retry \
          --filter=delay -r curl 'header=User-Agent: cdi-nbdkit-importer' \
          retry-exponential=no url="file://$tmp/disk" rdelay=10ms
    check "most was read ahead" most
    lanes=$(sed -n 's/.*v2v-readahead: export.*, lanes \([0-9]*\)/\1/p' \
                "$tmp/loud" | tail -n 1)
    check "on connections of its own" test "$lanes" -gt 1
else
    skip "as in front of curl" "nbdkit's curl plugin is not installed"
fi

# ---- How KubeVirt reads from VMware: one synchronous reader, block
# status with REQ_ONE in large steps, long reads.
truncate -s 96M "$tmp/sparse"
dd if="$tmp/disk" of="$tmp/sparse" bs=1M conv=notrunc count=20 status=none
dd if="$tmp/disk" of="$tmp/sparse" bs=1M conv=notrunc count=12 skip=20 \
   seek=70 status=none
cat >"$tmp/importer.py" <<'X'
import sys
size = h.get_size()
step, reads = 2 << 30, int(open(tmp + "/reads").read())
out = open(tmp + "/out", "wb")
out.truncate(size)
pos = 0
while pos < size:
    got = []
    def cb(ctx, off, entries, err):
        got.extend(entries)
    h.block_status(min(step, size - pos), pos, cb, nbd.CMD_FLAG_REQ_ONE)
    length, flags = got[0], got[1]
    end = min(size, pos + length)
    if flags & nbd.STATE_ZERO:
        pos = end
    while pos < end:
        n = min(reads, end - pos)
        out.seek(pos)
        out.write(h.pread(n, pos))
        pos += n
X
import_it () {                  # READS ARGS...
    echo "$1" >"$tmp/reads"; shift
    rm -f "$tmp/log"
    timeout -k 5 60 "$V2V_BUILDDIR/run" nbdkit -v -r -U - $us \
        --filter=log --filter=delay file "$tmp/sparse" rdelay=2ms \
        logfile="$tmp/log" "$@" \
        --run "'$PYTHON_NBD' -m nbd --base-allocation -u \"\$uri\" \
               -c 'tmp = \"$tmp\"' -c - <$tmp/importer.py" 2>"$tmp/loud" &&
    cmp "$tmp/sparse" "$tmp/out"
}
# What the source was asked: "offset count" in decimal.
source_reads () {
    sed -n 's/.* Read id=[0-9]* offset=\(0x[0-9a-f]*\) count=\(0x[0-9a-f]*\).*/\1 \2/p' \
        "$tmp/log" | while read -r o c; do echo $((o)) $((c)); done
}
in_holes () {
    source_reads | awk -v a=$((20 << 20)) -v b=$((70 << 20)) \
        -v c=$((82 << 20)) '($1 >= a && $1 + $2 <= b) || $1 >= c' | wc -l
}
for reads in $((2 << 20)) $((23 << 20)); do
    check "one reader, $((reads >> 20))M at a time, for VMware" \
          import_it $reads \
          v2v-readahead-connections=1 v2v-readahead-max-request=2M
    check "one connection" test "$(grep -c ' Connect ' "$tmp/log")" = 1
    check "no request is longer than 2M" \
          test "$(source_reads | awk '$2 > 2097152' | wc -l)" = 0
    check "no hole was read" test "$(in_holes)" = 0
    check "nothing was read twice" \
          test "$(source_reads | awk '{ n += $2 } END { print n }')" \
               -le $((32 << 20))
    check "one reader, $((reads >> 20))M at a time" import_it $reads
    check "no hole was read" test "$(in_holes)" = 0
    check "at most 1.02 times the bytes" \
          test "$(source_reads | awk '{ n += $2 } END { print n }')" \
               -le $(((32 << 20) / 50 * 51))
done

# ---- nbdcopy with four connections: at most 1.02 times the bytes. ----
for model in parallel requests; do
    args=(--filter=log --filter=delay file "$tmp/disk" rdelay=2ms
          logfile="$tmp/log")
    [ $model = requests ] &&
        args=(--filter=noparallel "${args[@]}" serialize=requests)
    rm -f "$tmp/out" "$tmp/log"
    check "nbdcopy, 4 connections, $model" timeout -k 5 60 \
          "$V2V_BUILDDIR/run" nbdkit -r -U - $us "${args[@]}" \
          --run "nbdcopy --connections=4 \"\$uri\" $tmp/out"
    check "data are right" cmp "$tmp/disk" "$tmp/out"
    check "at most 1.02 times the bytes" \
          test "$(source_reads | awk '{ n += $2 } END { print n }')" \
               -le $((size / 50 * 51))
done

# ---- Prefetching fails: the client never knows. ----
# Whatever is longer than a client's request fails.
check "every prefetch fails" copy_loud $us eval \
      thread_model="echo parallel" get_size="echo $size" \
      can_multi_conn="exit 0" \
      pread="[ \$3 -le 262144 ] || { echo EIO no >&2; exit 1; }
             sleep 0.002; dd if=$tmp/disk bs=512 skip=\$((\$4 / 512)) \
             count=\$((\$3 / 512)) status=none"
check "it had been tried" grep -q 'prefetching failed' "$tmp/loud"
# A second connection cannot be opened.
check "no connections of its own" copy_loud $us eval \
      thread_model="echo serialize_requests" get_size="echo $size" \
      can_multi_conn="exit 0" \
      open="mkdir $tmp/opened || { echo EBUSY only one >&2; exit 1; }" \
      pread="sleep 0.002; dd if=$tmp/disk bs=512 skip=\$((\$4 / 512)) \
             count=\$((\$3 / 512)) status=none"
check "it had been tried" grep -q 'prefetching failed' "$tmp/loud"
# One in ten fails, at random; the client's own reads are tried again.
check "a source that fails now and then" copy --filter=retry $us \
      --filter=error --filter=delay file "$tmp/disk" rdelay=2ms \
      error-pread-rate=10% retry-delay=1 retry-exponential=no retries=20

# ---- Writes are seen at once, by everybody. ----
cat >"$tmp/writes.py" <<'X'
import os, random
uri = os.environ["uri"]
rng = random.Random(5)
conns = [h]
if h.can_multi_conn():
    h2 = nbd.NBD()
    h2.connect_uri(uri)
    conns.append(h2)
size = h.get_size()
ref = bytearray(h.pread(size, 0))
pos = 0
for i in range(300):
    c = rng.choice(conns)
    n = 128 << 10
    if pos + n > size:
        pos = 0
    got = c.pread(n, pos)
    assert got == ref[pos:pos+n], "at %d" % pos
    pos += n
    # Into what was or is being read ahead.
    w = min(size - 8192, pos + rng.randrange(0, 4 << 20))
    k = rng.randrange(1, 8192)
    op = rng.randrange(4)
    c = rng.choice(conns)
    if op == 0:
        c.zero(k, w)
        ref[w:w+k] = bytes(k)
    elif op == 1 and c.can_trim():
        c.trim(4096, w & ~4095)
        a = w & ~4095
        ref[a:a+4096] = c.pread(4096, a)
    else:
        data = rng.randbytes(k)
        c.pwrite(data, w)
        ref[w:w+k] = data
X
for m in parallel requests all-requests; do
    for multi in auto disable; do
        args=(--filter=multi-conn --filter=delay)
        [ $m = parallel ] || args+=(--filter=noparallel)
        args+=(file "$tmp/rw" rdelay=1ms multi-conn-mode=$multi)
        [ $m = parallel ] || args+=(serialize=$m)
        cp "$tmp/disk" "$tmp/rw"
        check "reading ahead while writing, $m, multi-conn $multi" \
              timeout -k 5 60 "$V2V_BUILDDIR/run" nbdkit -U - $us "${args[@]}" \
              --run "uri=\"\$uri\" '$PYTHON_NBD' -m nbd -u \"\$uri\" -c - <$tmp/writes.py"
    done
done

# ---- The end. ----
# SIGTERM while fetches are in flight.  delay sleeps in nbdkit_nanosleep,
# which ends early on quit; the shell plugin does not.
cat >"$tmp/reader.py" <<'X'
for i in range(8):
    h.pread(65536, i * 65536)
open(tmp + "/ready", "w").close()
try:
    while True:
        h.poll(-1)
except nbd.Error:
    pass
X
quit () {                       # ARGS...
    local i status
    rm -f "$tmp/ready" "$tmp/sock" "$tmp/sock2"
    start_nbdkit "$tmp/sock" -r $us "$@" || return 1
    "$PYTHON_NBD" -m nbd -u "nbd+unix:///?socket=$tmp/sock" \
        -c "tmp = '$tmp'" -c - <"$tmp/reader.py" >"$tmp/reader.out" 2>&1 &
    local reader=$!
    for ((i = 0; i < 600; i++)); do
        [ -e "$tmp/ready" ] && break
        sleep 0.05
    done
    [ -e "$tmp/ready" ] || { cat "$tmp/reader.out"; return 1; }
    kill -TERM $nbdkit_pid
    # nbdkit waits for connections that are idle: end this one.
    kill $reader 2>/dev/null
    for ((i = 0; i < 600; i++)); do
        kill -0 $nbdkit_pid 2>/dev/null || break
        sleep 0.05
    done
    wait $nbdkit_pid
    status=$?
    wait $reader 2>/dev/null
    [ $status = 0 ] || { echo "status $status"; tail -n 5 "$tmp/sock.log"; }
    return $status
}
check "SIGTERM, parallel" quit --filter=delay file "$tmp/disk" rdelay=300ms
check "SIGTERM, serialize_requests" quit --filter=noparallel --filter=delay \
      file "$tmp/disk" rdelay=300ms serialize=requests
check "SIGTERM, serialize_all_requests" quit --filter=noparallel \
      --filter=delay file "$tmp/disk" rdelay=300ms serialize=all-requests
check "SIGTERM, a plugin that cannot be woken" quit eval \
      thread_model="echo serialize_requests" get_size="echo $size" \
      can_multi_conn="exit 0" \
      pread="sleep 0.3; dd if=$tmp/disk bs=512 skip=\$((\$4 / 512)) \
             count=\$((\$3 / 512)) status=none"

# A client that vanishes in the middle; the next one is served.
gone () {
    rm -f "$tmp/ready" "$tmp/sock" "$tmp/sock2"
    start_nbdkit "$tmp/sock2" -r $us "$@" || return 1
    timeout -k 5 60 "$PYTHON_NBD" -m nbd -u "nbd+unix:///?socket=$tmp/sock2" \
        -c 'for i in range (8): h.pread (65536, i * 65536)' \
        -c 'import os; os._exit (0)' || return 1
    rm -f "$tmp/out"
    timeout -k 5 60 nbdcopy "nbd+unix:///?socket=$tmp/sock2" "$tmp/out" &&
    cmp "$tmp/disk" "$tmp/out" || return 1
    kill -TERM $nbdkit_pid
    wait $nbdkit_pid
}
check "a client that vanishes, parallel" gone --filter=delay \
      file "$tmp/disk" rdelay=20ms
check "a client that vanishes, serialize_requests" gone --filter=noparallel \
      --filter=delay file "$tmp/disk" rdelay=20ms serialize=requests
check "a client that vanishes, serialize_all_requests" gone \
      --filter=noparallel --filter=delay file "$tmp/disk" rdelay=20ms \
      serialize=all-requests

done_testing
