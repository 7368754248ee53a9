# SPDX-License-Identifier: BSD-3-Clause
# However the helper ends, its QEMU is gone and no file is left.  How long
# that took is printed: it is meant to be less than two seconds, which a
# busy machine need not keep.

. "$V2V_SRCDIR/tests/functions.sh"
. "$V2V_SRCDIR/tests/helper-functions.sh"

make_root "$tmp/root"
make_fs "$tmp/fs" "$tmp/root" 48M
make_disk "$tmp/disk" "$tmp/fs"
serve "$tmp/disk"
leftover=

# Process ids whose command line has our socket, besides the helper's own.
appliances () { pgrep -f "guestfs.*socket.*$(basename "$tmp")|qemu.*$(basename "$tmp")"; }

# wait_for SECONDS CMD...
wait_for () {
    local i n=$(($1 * 20)) t0; shift
    t0=$(date +%s%N)
    for ((i = 0; i < n; i++)); do
        if "$@"; then
            echo "# $*: after $((($(date +%s%N) - t0) / 1000000)) ms"
            return 0
        fi
        sleep 0.05
    done
    return 1
}
qemu_runs () { [ -n "$(appliances | grep -vx "$pid")" ]; }
qemu_gone () { ! qemu_runs; }
helper_gone () { ! kill -0 $pid 2>/dev/null; }
files_gone () { [ "$(temporary_files)" = "$leftover" ]; }

start () {
    rm -rf "$tmp/out" "$tmp/mark"
    "${helper[@]}" "${disk_args[@]}" --output "$tmp/out" --progress-fd 7 "$@" \
        7>"$tmp/lines" 2>"$tmp/stderr" &
    pid=$!
    cleanup_fn "kill -9 $pid 2>/dev/null"
}

start
wait_for 60 qemu_runs
kill -TERM $pid
check "SIGTERM while launching: it ends" wait_for 60 helper_gone
wait $pid; status=$?
check "SIGTERM while launching: status" [ $status = 1 ]
check "SIGTERM while launching: QEMU is gone" qemu_gone
check "SIGTERM while launching: no files" files_gone
check "SIGTERM while launching: code" [ "$(result code)" = cancelled ]
check "SIGTERM while launching: no work directory" \
    [ "$(ls -A "$tmp/out")" = report.json ]

start --option hang="$tmp/mark"
wait_for 120 test -e "$tmp/mark"
check "the appliance runs" qemu_runs
kill -TERM $pid
check "SIGTERM while working: it ends" wait_for 60 helper_gone
wait $pid; status=$?
check "SIGTERM while working: status" [ $status = 1 ]
check "SIGTERM while working: QEMU is gone" qemu_gone
check "SIGTERM while working: no files" files_gone
check "SIGTERM while working: code" [ "$(result code)" = cancelled ]

start --option hang="$tmp/mark"
wait_for 120 test -e "$tmp/mark"
kill -KILL $pid
wait $pid 2>/dev/null
check "SIGKILL: QEMU ends by itself" wait_for 60 qemu_gone
check "SIGKILL: files are removed" wait_for 60 files_gone
check "SIGKILL: no work directory" [ -z "$(ls -A "$tmp/out")" ]

# The supervisor dies.
rm -f "$tmp/mark" "$tmp/pid"
bash -c "\"\$@\" 7>/dev/null 2>/dev/null & echo \$! >$tmp/pid; wait" - \
    "${helper[@]}" "${disk_args[@]}" --output "$tmp/out" --progress-fd 7 \
    --option hang="$tmp/mark" &
parent=$!
wait_for 120 test -e "$tmp/mark"
pid=$(cat "$tmp/pid")
kill -KILL $parent
wait $parent 2>/dev/null
check "the supervisor dies: helper ends" wait_for 60 helper_gone
check "the supervisor dies: QEMU ends" wait_for 60 qemu_gone
check "the supervisor dies: no files" wait_for 60 files_gone
done_testing
