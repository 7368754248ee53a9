#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# The readahead filter above plugins with several exports: each client gets
# its own disk whatever opens the plugin, and each disk is read ahead where
# that can be done.
. "${V2V_SRCDIR:-.}/tests/functions.sh"

requires nbdkit --version
requires nbdcopy --version

size=$((32 * 1024 * 1024))
mkdir "$tmp/dir"
nbdkit -U - pattern $size --run "nbdcopy \"\$uri\" $tmp/dir/a" || exit 1
# Every byte that is zero in the one is not in the other.
tr '\0' '\1' <"$tmp/dir/a" >"$tmp/dir/b"
us=--filter=v2v-readahead

# copy NAME-OF-A NAME-OF-B ARGS...: both, at the same time.
copy () {
    local a=$1 b=$2; shift 2
    rm -f "$tmp/out.a" "$tmp/out.b" "$tmp/log"
    timeout -k 5 60 "$V2V_BUILDDIR/run" nbdkit -v -r -U - $us "$@" --run "
        c='nbdcopy --synchronous --connections=1'
        \$c \"nbd+unix:///$a?socket=\$unixsocket\" $tmp/out.a & a=\$!
        \$c \"nbd+unix:///$b?socket=\$unixsocket\" $tmp/out.b || exit 1
        wait \$a" 2>"$tmp/loud" &&
    cmp "$tmp/dir/a" "$tmp/out.a" && cmp "$tmp/dir/b" "$tmp/out.b"
}
# Of every export (there are $1), most was served from what was fetched.
all_ahead () {
    sed -n 's/.*v2v-readahead: export.*, served \([0-9]*\),.*/\1/p' \
        "$tmp/loud" |
    awk -v half=$((size / 2)) -v wanted="$1" \
        '{ n++; if ($1 <= half) bad++ } END { exit n != wanted || bad > 0 }'
}
# copy_ahead ARGS: copy, and most of it was read ahead.  Where the filter
# has to prove itself, a process that gets no CPU time for a tenth of a
# second makes it rest: not thrice.
copy_ahead () {
    local i
    for i in 1 2 3; do
        copy "$@" || return 1
        all_ahead 2 && return 0
    done
    grep 'v2v-readahead: export' "$tmp/loud"
    return 1
}
# None was read ahead, and one message says so.
passive () {
    test "$(grep -c 'passes requests on unchanged' "$tmp/loud")" = 1 &&
        ! grep 'v2v-readahead: export.* served' "$tmp/loud"
}

# ---- A plugin that is not ours. ----
check "parallel" copy_ahead a b --filter=delay file dir="$tmp/dir" rdelay=2ms
# Where requests are serialized, a fetch thread could not say which export
# it means.
for m in requests all-requests; do
    check "serialize $m" copy a b --filter=noparallel \
          --filter=delay file dir="$tmp/dir" rdelay=2ms serialize=$m
    if test "$(nbdkit --version | sed 's/nbdkit 1\.\([0-9]*\).*/\1/')" -lt 44
    then check "it is passive, and says so" passive
    else check "most was read ahead" all_ahead 2; fi
    # retry opens the plugin again and again, in whichever thread.
    check "serialize $m, above retry" copy a b --filter=noparallel \
          --filter=retry --filter=error file dir="$tmp/dir" serialize=$m \
          error-pread-rate=10% retry-delay=1 retry-exponential=no retries=20
done
check "a list of exports" sh -c "'$V2V_BUILDDIR/run' nbdkit -r -U - $us \
      file dir='$tmp/dir' --run 'nbdinfo --list \"\$uri\"' |
      grep -c '^export=' | grep -qx 2"
check_fails "an export that is not there" nbdkit -r -U - $us \
      --filter=noparallel file dir="$tmp/dir" serialize=all-requests \
      --run 'nbdinfo "nbd+unix:///c?socket=$unixsocket"'

# ---- Ours: the disks of a guest. ----
guest=(v2v "$tmp/dir/a" "$tmp/dir/b" format=raw)
slow=(--filter=log --filter=nocache --filter=delay)
pslow=(rdelay=10ms cachemode=none logfile="$tmp/log")
# What the source was asked for: connections, requests.  The client makes
# one connection and 128 requests for each disk.
asked () { grep -c " $1 " "$tmp/log"; }

check "v2v, parallel" \
      copy_ahead disk0 disk1 "${slow[@]}" "${guest[@]}" "${pslow[@]}"
check "no connection but the clients'" test "$(asked Connect)" = 2
check "fewer requests" test "$(asked Read)" -lt 150
check "v2v, serialize_requests" \
      copy_ahead disk0 disk1 --filter=noparallel "${slow[@]}" \
      "${guest[@]}" "${pslow[@]}" serialize=requests
check "connections of its own" test "$(asked Connect)" -gt 2
check "fewer requests" test "$(asked Read)" -lt 150
check "v2v, serialize_all_requests" \
      copy_ahead disk0 disk1 --filter=noparallel "${slow[@]}" \
      "${guest[@]}" "${pslow[@]}" serialize=all-requests
check "no connection but the clients'" test "$(asked Connect)" = 2
check "fewer requests" test "$(asked Read)" -lt 150
# The empty name is that of the first disk: one engine for both.
check "v2v, the default export" \
      copy '' disk1 --filter=noparallel "${slow[@]}" "${guest[@]}" \
      "${pslow[@]}" serialize=requests
check "it is the first disk" grep -q 'v2v-readahead: export "disk0"' \
      "$tmp/loud"
for m in requests all-requests; do
    check "v2v, serialize $m, above retry" copy disk0 disk1 \
          --filter=noparallel --filter=retry --filter=error --filter=delay \
          "${guest[@]}" serialize=$m rdelay=2ms error-pread-rate=10% \
          retry-delay=1 retry-exponential=no retries=20
    check_fails "every context knew its export" \
                grep 'does not tell which export' "$tmp/loud"
done

done_testing
