# SPDX-License-Identifier: BSD-3-Clause
# Sourced by every shell test.  Prints TAP.

set -u
set -o pipefail

# Numbers the test points.
tap_n=0
tap_failed=0

# A private directory that goes away with the test.
tmp=$(mktemp -d "${TMPDIR:-/tmp}/v2vtest.XXXXXX")
cleanup_fns=()
cleanup () {
    local i
    for ((i = ${#cleanup_fns[@]} - 1; i >= 0; i--)); do
        eval "${cleanup_fns[i]}"
    done
    rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP
# cleanup_fn CMD: run CMD at the end, last registered first.
cleanup_fn () { cleanup_fns+=("$*"); }

ok () { tap_n=$((tap_n + 1)); echo "ok $tap_n - $*"; }
not_ok () {
    tap_n=$((tap_n + 1)); tap_failed=$((tap_failed + 1))
    echo "not ok $tap_n - $*"
}
diag () { sed 's/^/# /' <<<"$*"; }
# check DESCRIPTION CMD...: one test point: CMD must succeed.
check () {
    local what=$1; shift
    if "$@" >"$tmp/check.out" 2>&1; then
        ok "$what"
    else
        not_ok "$what (exit $?): $*"
        sed 's/^/# /' "$tmp/check.out" | tail -n 40
    fi
}
# check_fails DESCRIPTION CMD...: CMD must fail.
check_fails () {
    local what=$1; shift
    if "$@" >"$tmp/check.out" 2>&1; then
        not_ok "$what: unexpected success: $*"
        sed 's/^/# /' "$tmp/check.out" | tail -n 40
    else
        ok "$what"
    fi
}
skip () {                       # skip DESCRIPTION REASON
    tap_n=$((tap_n + 1)); echo "ok $tap_n - $1 # SKIP $2"
}
skip_all () { echo "1..0 # SKIP $*"; exit 0; }
# Last line of every test.
done_testing () {
    echo "1..$tap_n"
    exit $((tap_failed > 0))
}
requires () {
    "$@" >/dev/null 2>&1 || skip_all "'$*' does not work here"
}

nbdkit () { "$V2V_BUILDDIR/run" nbdkit "$@"; }
nbdsh () { "$PYTHON_NBD" -m nbd "$@"; }

# start_nbdkit SOCKET ARGS...: run nbdkit in the background until the
# test ends.  Sets nbdkit_pid.  Its messages go to SOCKET.log.
start_nbdkit () {
    local sock=$1 i; shift
    rm -f "$sock.pid"
    "$V2V_BUILDDIR/run" nbdkit -f -U "$sock" -P "$sock.pid" "$@" \
        2>>"$sock.log" &
    nbdkit_pid=$!
    cleanup_fn "kill $nbdkit_pid 2>/dev/null; wait $nbdkit_pid 2>/dev/null"
    for ((i = 0; i < 300; i++)); do
        [ -s "$sock.pid" ] && return 0
        kill -0 $nbdkit_pid 2>/dev/null || { cat "$sock.log" >&2; return 1; }
        sleep 0.1
    done
    echo "nbdkit did not start" >&2
    return 1
}

# store_bytes PID DIR: what the unlinked files in DIR that process PID has
# open occupy, in bytes; fails if there is none.
store_bytes () {
    local fd sum=0 files=0
    for fd in "/proc/$1/fd"/*; do
        case $(readlink "$fd") in
            "$2"/*) sum=$((sum + $(stat -L -c '%b * %B' "$fd")))
                    files=$((files + 1)) ;;
        esac
    done
    echo $sum
    [ $files -gt 0 ]
}
