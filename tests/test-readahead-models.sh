#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# The readahead filter under every thread model: data are right, the
# plugin is never called in a way that its model forbids, and the source
# gets fewer, longer requests.
. "${V2V_SRCDIR:-.}/tests/functions.sh"

requires nbdkit --version
requires nbdcopy --version
requires nbdkit eval --dump-plugin
requires nbdsh -c 'import nbd'

size=$((24 * 1024 * 1024))
# Every 8 bytes differ.
nbdkit -U - pattern $size --run "nbdcopy \"\$uri\" $tmp/disk" || exit 1

# A plugin in shell.  Each call notes where it begins and ends.  FLAG
# files are made with mkdir, which fails if the other call still runs.
cat >"$tmp/pread" <<'X'
calls=$tmp/calls
echo "b $$ pread $3 $4" >>$calls
sleep 0.01
dd if=$tmp/disk bs=512 skip=$(($4 / 512)) count=$(($3 / 512)) status=none
echo "e $$ pread" >>$calls
X
cat >"$tmp/other" <<'X'
# The name of the callback, then what it does.
calls=$tmp/calls
echo "b $$ $1" >>$calls
sleep 0.005
echo "e $$ $1" >>$calls
X

# overlaps: how many calls began while another one ran.
overlaps () {
    awk '$1 == "b" { if (n > 0) o++; n++ } $1 == "e" { n-- }
         END { print o + 0 }' "$tmp/calls"
}
preads () { grep -c '^b .* pread' "$tmp/calls"; }

# serve MODEL CLIENT [ARGS]: one client above the shell plugin.
serve () {
    local model=$1 client=$2; shift 2
    : >"$tmp/calls"
    export tmp
    timeout -k 5 120 "$V2V_BUILDDIR/run" nbdkit -r -U - "${filter[@]}" \
        eval thread_model="echo $model" get_size="echo $size" \
        open="bash $tmp/other open; echo x" \
        close="bash $tmp/other close" \
        can_multi_conn="exit $multi" \
        pread="bash $tmp/pread pread \"\$2\" \"\$3\" \"\$4\"" \
        "$@" --run "$client" 2> >(tee "$tmp/serve.err" >&2)
}
export tmp

filter=(--filter=v2v-readahead)
for model in serialize_all_requests serialize_requests parallel; do
    for multi in 0 3; do
        rm -f "$tmp/out"
        check "$model, can_multi_conn exits $multi: copy" \
              serve $model "nbdcopy --synchronous --connections=1 \"\$uri\" $tmp/out"
        check "data are right" cmp "$tmp/disk" "$tmp/out"
        n=$(preads)
        # nbdcopy makes 96 requests of 256K.
        if [ $n -lt 60 ]; then ok "$n requests of the source"
        else not_ok "$n requests of the source"; fi
        o=$(overlaps)
        if [ $model = serialize_all_requests ]; then
            check "no two calls at once" test "$o" = 0
        fi
        if [ $model$multi = serialize_requests3 ]; then
            check "no two calls at once on the only connection" \
                  test "$(awk '/ open/ { if ($1 == "b") n++ } END { print n }' "$tmp/calls")" = 1
            check "which is used by one call at a time" test "$o" = 0
        fi
    done
done

# Several clients at once while one reads ahead: opening and closing are
# calls of the plugin too.
multi=0
rm -f "$tmp/out"*
check "serialize_all_requests, three clients come and go" \
      serve serialize_all_requests "
        nbdcopy --synchronous --connections=1 \"\$uri\" $tmp/out1 &
        for i in 1 2 3 4 5; do nbdinfo --size \"\$uri\" >/dev/null || exit 1; done
        nbdcopy --connections=2 \"\$uri\" $tmp/out2 || exit 1
        wait %1"
check "data are right" cmp "$tmp/disk" "$tmp/out1"
check "data are right" cmp "$tmp/disk" "$tmp/out2"
check "no two calls at once" test "$(overlaps)" = 0

# A client that leaves in the middle, and at once the end of the server:
# whatever was begun was waited for.
multi=0
for model in serialize_all_requests serialize_requests parallel; do
    check "$model, a client reads a part" serve $model \
          "'$PYTHON_NBD' -m nbd -u \"\$uri\" \
           -c 'for i in range (60): h.pread (65536, i * 65536)'"
    check "it was read ahead" awk '$3 == "pread" && $4 > 65536 { n++ }
                                   END { exit n == 0 }' "$tmp/calls"
    check "no call is left" test "$(awk '$1 == "b" { n++ } $1 == "e" { n-- }
                                     END { print n + 0 }' "$tmp/calls")" = 0
done

# serialize_connections: passed on, one message.
check "serialize_connections: passive" \
      serve serialize_connections \
      "nbdcopy --synchronous \"\$uri\" $tmp/out3 && nbdinfo --size \"\$uri\""
check "it says so once" \
      test "$(grep -c 'passes requests on unchanged' "$tmp/serve.err")" = 1
check "data are right" cmp "$tmp/disk" "$tmp/out3"
check "as many requests as the client made" test "$(preads)" = 96

done_testing
