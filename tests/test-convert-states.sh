# SPDX-License-Identifier: BSD-3-Clause
# The state machine and the supervisor of v2v-convert, with a stand-in for
# the helper: who is served what, when, and what is left behind.

. "$V2V_SRCDIR/tests/functions.sh"
requires test "$PYTHON_NBD" != no

export FAKE_HELPER=ok FAKE_LOG=$tmp/fake.log
work=$tmp/work
mkdir "$work"
disk=$tmp/disk.img
# 8 MiB: data, a hole, an odd tail.
truncate -s $((8 * 1024 * 1024 + 777)) "$disk"
dd if=/dev/urandom of="$disk" bs=1M count=4 conv=notrunc status=none
printf tail | dd of="$disk" bs=1 seek=$((8 * 1024 * 1024)) conv=notrunc status=none
sum=$(sha256sum <"$disk")
# What the stand-in makes of it.
cp --sparse=always "$disk" "$tmp/expected.img"
printf 'V2V!%.0s' {1..16384} |
    dd of="$tmp/expected.img" bs=1M seek=1 conv=notrunc iflag=fullblock status=none
dd if=/dev/zero of="$tmp/expected.img" bs=64k count=1 seek=48 conv=notrunc status=none

args=(--filter=v2v-convert)
# Parameters come after the plugin's name.
nbdkit () {
    "$V2V_BUILDDIR/run" nbdkit "$@" \
        v2v-helper="$V2V_SRCDIR/tests/fake-helper" v2v-tmpdir="$work"
}
params=(v2v-helper="$V2V_SRCDIR/tests/fake-helper" v2v-tmpdir="$work")

empty () { [ -z "$(ls -A "$1")" ]; }
# runs N: the helper was started N times.
runs () { [ "$(grep -c ^run "$FAKE_LOG")" -eq "$1" ]; }
# Wait until a command succeeds.
until_ok () {
    local i
    for ((i = 0; i < 200; i++)); do "$@" && return 0; sleep 0.05; done
    return 1
}
gone () { ! kill -0 "$1" 2>/dev/null; }
reset () { rm -f "$FAKE_LOG" "$tmp/err"; touch "$FAKE_LOG"; }

# One conversion, one client.
reset
check "nbdcopy of a converted disk" \
    nbdkit -U - "${args[@]}" file "$disk" --run 'nbdcopy "$uri" '"$tmp/out.img"
check "it is the converted one" cmp "$tmp/out.img" "$tmp/expected.img"
check "the source is as it was" test "$(sha256sum <"$disk")" = "$sum"
check "nothing is left in v2v-tmpdir" empty "$work"
check "with -r as well" \
    nbdkit -r -U - "${args[@]}" file "$disk" --run 'nbdcopy "$uri" '"$tmp/out2.img"
check "the same bytes" cmp "$tmp/out2.img" "$tmp/expected.img"

# A source that takes whole blocks of 4096 bytes only.
check "sectors of 512 bytes above a source of 4096" \
    nbdkit -U - "${args[@]}" --filter=blocksize-policy pattern 8M \
    blocksize-minimum=4k blocksize-preferred=4k blocksize-maximum=64k \
    blocksize-error-policy=error --run 'qemu-io -f raw -c "read 512 1024" \
        -c "write -P 7 7340544 512" -c "read -P 7 7340544 512" "$uri"'

# The source is opened read-only, even if the client may write.
chmod 0444 "$disk"
cat >"$tmp/ro.sh" <<EOF2
case "\$1" in
    open) echo "\$2" >>$tmp/opens; touch $tmp/h ;;
    get_size) echo 8M ;;
    can_write) exit 0 ;;
    pread) dd if=/dev/zero bs=1 count=\$3 status=none ;;
    pwrite|trim|zero) echo "\$1" >>$tmp/writes; exit 1 ;;
    *) exit 2 ;;
esac
EOF2
chmod +x "$tmp/ro.sh"
check "a client's writes go to the overlay" \
    nbdkit -U - "${args[@]}" sh "$tmp/ro.sh" --run 'qemu-io -f raw -c "write -P 7 0 64k" -c "read -P 7 0 64k" -c "flush" -c "write -z 0 4k" -c "read -P 0 0 4k" "$uri"'
check "no write reached the layer below" test ! -e "$tmp/writes"
check "it was opened read-only" sh -c "! grep -v true $tmp/opens"

# One conversion for many clients, and it goes on without the first.
reset
export FAKE_HELPER=wait FAKE_WAIT=$tmp/go
rm -f "$FAKE_WAIT"
start_nbdkit "$tmp/sock" "${args[@]}" file "$disk" "${params[@]}"
server=$nbdkit_pid
pids=()
for i in 1 2 3 4; do
    nbdcopy "nbd+unix:///?socket=$tmp/sock" "$tmp/many$i" 2>"$tmp/many$i.err" &
    pids+=($!)
done
check "the helper waits" until_ok grep -q waiting "$FAKE_LOG"
kill -9 "${pids[0]}"; wait "${pids[0]}" 2>/dev/null
touch "$FAKE_WAIT"
for i in 2 3 4; do
    check "client $i" wait "${pids[i - 1]}"
    check "client $i got the converted disk" cmp "$tmp/many$i" "$tmp/expected.img"
done
check "a later client, too" \
    nbdcopy "nbd+unix:///?socket=$tmp/sock" "$tmp/many5"
check "one conversion for all of them" runs 1
check "the export list" sh -c "nbdinfo --list --json 'nbd+unix:///?socket=$tmp/sock' | grep -q 'v2v/report.json'"
check "a document" sh -c "nbdcopy 'nbd+unix:///v2v/report.json?socket=$tmp/sock' - | grep -q version"
check "the list of changes" sh -c "nbdcopy 'nbd+unix:///v2v/changes.json?socket=$tmp/sock' - >$tmp/changes.json"
check "it has the changed extents" "$PYTHON_NBD" - "$tmp/changes.json" <<'EOF2'
import json, sys
d = json.load(open(sys.argv[1]))["disks"][0]
assert d["size"] == 8 * 1024 * 1024 + 777
assert d["extents"] == [
    {"offset": 1 << 20, "length": 65536, "type": "data"},
    {"offset": 3 << 20, "length": 65536, "type": "zero"}], d
EOF2
check_fails "a document that was not made" \
    nbdinfo "nbd+unix:///v2v/vm.nothing?socket=$tmp/sock"
check_fails "a name that is not a disk" nbdinfo "nbd+unix:///other?socket=$tmp/sock"
check "the trimmed range is a hole" sh -c "nbdinfo --map 'nbd+unix:///?socket=$tmp/sock' | awk '\$1 <= 3145728 && \$1 + \$2 >= 3211264 && \$3 == 3' | grep -q ."
check "a qemu client" sh -c "qemu-img convert -f raw -O raw 'nbd+unix:///?socket=$tmp/sock' $tmp/qemu.img && cmp -n 8388608 $tmp/qemu.img $tmp/expected.img"
kill "$server"
check "the server ends" until_ok gone "$server"
check "nothing is left behind" empty "$work"

# Failures: the client is refused, says why, nothing stays.
refused () {                    # refused MODE CODE DESCRIPTION
    reset
    export FAKE_HELPER=$1
    check_fails "$3: the client is refused" \
        nbdkit -U - "${args[@]}" file "$disk" --run 'nbdcopy "$uri" '"$tmp/never.img 2>$tmp/client.err"
    nbdkit -U - "${args[@]}" file "$disk" --run 'nbdinfo "$uri"; nbdinfo "$uri"' >/dev/null 2>"$tmp/err"
    check "$3: code $2 on stderr" grep -q "(code: $2)" "$tmp/err"
    check "$3: no bytes of it were served" test ! -s "$tmp/never.img"
    check "$3: one run per server" runs 2
    check "$3: nothing is left behind" empty "$work"
}
refused refuse no-operating-system "no operating system"
refused late late "a late failure"
refused lie helper-died "a result that disagrees with the exit status"
refused silent helper-died "no result"
refused abort helper-died "a helper that dies"
check "the signal is named" grep -q "signal 6" "$tmp/err"

# kill -9 of the helper while it works.
reset
export FAKE_HELPER=hang
start_nbdkit "$tmp/sock9" "${args[@]}" file "$disk" "${params[@]}"
server=$nbdkit_pid
nbdinfo "nbd+unix:///?socket=$tmp/sock9" >/dev/null 2>&1 &
client=$!
check "the helper runs" until_ok grep -q child "$FAKE_LOG"
helper=$(awk '/^run/ {print $3}' "$FAKE_LOG")
child=$(awk '/^child/ {print $2}' "$FAKE_LOG")
kill -9 "$helper"
check_fails "the waiting client is refused" wait "$client"
check "its child is gone, too" until_ok gone "$child"
check "the server lives on and refuses" grep -q "code: helper-died" "$tmp/sock9.log"
check_fails "the next client is refused" nbdinfo "nbd+unix:///?socket=$tmp/sock9"
check "nothing is left behind" empty "$work"
kill "$server"
until_ok gone "$server"

# SIGTERM to the server while the helper (deaf to SIGTERM) works.
reset
start_nbdkit "$tmp/sock15" "${args[@]}" file "$disk" "${params[@]}"
server=$nbdkit_pid
nbdinfo "nbd+unix:///?socket=$tmp/sock15" >/dev/null 2>&1 &
client=$!
check "the helper runs" until_ok grep -q child "$FAKE_LOG"
helper=$(awk '/^run/ {print $3}' "$FAKE_LOG")
child=$(awk '/^child/ {print $2}' "$FAKE_LOG")
t0=$(date +%s%N)
kill "$server"
check "SIGTERM ends the server" until_ok gone "$server"
t1=$(date +%s%N)
diag "it took $(((t1 - t0) / 1000000)) ms"
check_fails "the client is refused" wait "$client"
check "the helper is gone" gone "$helper"
check "its child is gone" until_ok gone "$child"
check "nothing is left behind" empty "$work"

# Odd lines of the protocol are survived.
reset
export FAKE_HELPER=garbage
nbdkit -U - "${args[@]}" file "$disk" --run 'nbdcopy "$uri" '"$tmp/g.img" 2>"$tmp/err"
check "lines that are not understood" cmp "$tmp/g.img" "$tmp/expected.img"
check "are reported once" test "$(grep -c helper-protocol "$tmp/err")" -eq 1
check "a line in two pieces" grep -q '\] in two pieces$' "$tmp/err"
check "step lines look as documented" \
    grep -qE '^\[ +[0-9]+\.[0-9]\] Launching the appliance$' "$tmp/err"
check "warnings carry their code" \
    grep -qE '^\[ +[0-9]+\.[0-9]\] warning: something is odd \(something-odd\)$' "$tmp/err"

# Time limits.
reset
export FAKE_HELPER=hang
nbdkit -U - "${args[@]}" file "$disk" v2v-timeout=1 --run 'nbdinfo "$uri"' >/dev/null 2>"$tmp/err"
check "v2v-timeout" grep -q "code: conversion-timeout" "$tmp/err"
nbdkit -U - "${args[@]}" file "$disk" v2v-step-timeout=1 --run 'nbdinfo "$uri"' >/dev/null 2>"$tmp/err"
check "v2v-step-timeout" grep -q "code: step-timeout" "$tmp/err"
check "nothing is left behind" empty "$work"

# Start with the server; metadata directory; keys never in argv.
reset
export FAKE_HELPER=ok
mkdir "$tmp/meta"
printf secret2 >"$tmp/keyfile"
start_nbdkit "$tmp/socks" "${args[@]}" file "$disk" "${params[@]}" v2v-start=server v2v-quiet=yes \
    v2v-metadata-dir="$tmp/meta" v2v-key=all:key:s3cret \
    v2v-key=/dev/sda2:file:"$tmp/keyfile" v2v-rebuild-initrd=no \
    v2v-trim=no
check "v2v-start=server needs no client" until_ok grep -q '^run' "$FAKE_LOG"
check "documents in v2v-metadata-dir" until_ok test -s "$tmp/meta/report.json"
check "and the list of changes" until_ok test -s "$tmp/meta/changes.json"
check "keys travel in a file" grep -qF "keys all:key:s3cret|/dev/sda2:file:$tmp/keyfile|" "$FAKE_LOG"
check_fails "not in argv" grep -q '^run.*s3cret' "$FAKE_LOG"
check "options are passed on" grep -q -- '--option rebuild-initrd=no' "$FAKE_LOG"
check "v2v-trim=no" grep -q '^run.* --no-trim' "$FAKE_LOG"
check "v2v-quiet" sh -c "! grep -q Launching $tmp/socks.log"

# Every thread model, with a plugin that says what it was asked.
for model in parallel serialize_requests serialize_all_requests serialize_connections; do
    reset
    export FAKE_HELPER=read
    check "thread model $model" \
        nbdkit -U - "${args[@]}" eval thread_model="echo $model" \
        get_size='echo 8M' can_extents='exit 3' \
        pread="dd if=$disk bs=1 skip=\$4 count=\$3 iflag=skip_bytes,count_bytes bs=64k status=none" \
        --run 'nbdcopy "$uri" '"$tmp/model.img"
    check "thread model $model: bytes" cmp -n 8388608 "$tmp/model.img" "$tmp/expected.img"
done
check "above retry and cacheextents" \
    nbdkit -U - "${args[@]}" --filter=retry --filter=cacheextents file "$disk" --run 'nbdcopy "$uri" '"$tmp/retry.img"
check "bytes" cmp "$tmp/retry.img" "$tmp/expected.img"
# retry opens the plugin anew in whatever thread calls it, also while the
# helper reads; each disk must stay the same one.
reset
tr '\0' '\1' <"$disk" >"$tmp/disk2.img"
check "two disks above retry, of a source that fails" \
    nbdkit -U - "${args[@]}" --filter=retry --filter=error \
    v2v "$disk" "$tmp/disk2.img" format=raw error-pread-rate=30% \
    retry-delay=1 retry-exponential=no retries=20 \
    --run "nbdcopy \"nbd+unix:///disk0?socket=\$unixsocket\" $tmp/retry0.img &&
        nbdcopy \"nbd+unix:///disk1?socket=\$unixsocket\" $tmp/retry1.img"
check "the first" cmp "$tmp/retry0.img" "$tmp/expected.img"
tail -c +$((4 * 1024 * 1024 + 1)) "$tmp/disk2.img" >"$tmp/tail2"
check "the second" \
    cmp -i $((4 * 1024 * 1024)):0 "$tmp/retry1.img" "$tmp/tail2"
check "beneath another filter" \
    nbdkit -U - --filter=log "${args[@]}" file "$disk" logfile=/dev/null --run 'nbdcopy "$uri" '"$tmp/log.img"
check "bytes" cmp "$tmp/log.img" "$tmp/expected.img"

# Errors of the source.
reset
check_fails "a source that cannot be opened" \
    nbdkit -U - "${args[@]}" eval open='echo EIO no such volume >&2; exit 1' get_size='echo 1M' --run 'nbdinfo "$uri"'
nbdkit -U - "${args[@]}" eval open='echo EIO no such volume >&2; exit 1' get_size='echo 1M' --run 'nbdinfo "$uri"' >/dev/null 2>"$tmp/err"
check "says so" grep -q "code: source-open-failed" "$tmp/err"
nbdkit -U - "${args[@]}" null 0 --run 'nbdinfo "$uri"' >/dev/null 2>"$tmp/err"
check "an empty disk" grep -q "code: empty-disk" "$tmp/err"
check "nothing is left behind" empty "$work"

# Wrong parameters fail before the server starts.
bad () {                        # bad MESSAGE PARAMETERS...
    local what=$1; shift
    "$V2V_BUILDDIR/run" nbdkit -U - "${args[@]}" file "$disk" \
        "${params[@]}" "$@" --run true >"$tmp/bad.out" 2>&1
    check "refused at once: $* ($what)" \
        sh -c "test $? -eq 1 && grep -q '$what' $tmp/bad.out || { cat $tmp/bad.out; false; }"
}
bad 'unknown parameter "v2v-nothing"' v2v-nothing=1
bad "cannot run the conversion helper" v2v-helper=/nonexistent
bad "v2v-tmpdir: /nonexistent: No such" v2v-tmpdir=/nonexistent
bad "v2v-tmpdir: /etc/passwd is not a directory" v2v-tmpdir=/etc/passwd
bad "v2v-metadata-dir: /nonexistent: No such" v2v-metadata-dir=/nonexistent
bad "v2v-start: expected" v2v-start=never
bad "v2v-key: expected ID" v2v-key=:key:x
bad "v2v-key: expected ID" v2v-key=all
bad "/nonexistent" v2v-key=all:file:/nonexistent
bad "v2v-memsize: must be greater" v2v-memsize=0
bad "v2v-smp" v2v-smp=many
bad "given twice" v2v-disk= v2v-disk=
bad "generated documents" v2v-disk=v2v/x
bad "nbdkit 1.44 or later" v2v-disk=disk1
bad "too long" v2v-tmpdir="$(mkdir -p "$tmp/$(printf 'x%.0s' {1..80})"; echo "$tmp/$(printf 'x%.0s' {1..80})")"
"$V2V_BUILDDIR/run" nbdkit -U - "${args[@]}" file dir="$tmp" "${params[@]}" --run true >"$tmp/bad.out" 2>&1
check "file dir= is refused (nbdkit before 1.44)" grep -q "nbdkit 1.44 or later" "$tmp/bad.out"
check "help is there" sh -c "'$V2V_BUILDDIR/run' nbdkit --filter=v2v-convert null --help | grep -q v2v-metadata-dir"
check "the source is as it was" test "$(sha256sum <"$disk")" = "$sum"

done_testing
