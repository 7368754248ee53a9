# SPDX-License-Identifier: BSD-3-Clause
# check-all.sh TEST...: run each test, one after the other, and print a
# table.  Resumable: what passed is not run again (remove all/TEST.passed,
# or the directory, to run it again).  test-guests.sh, which takes more than
# an hour, is a row for each guest: guest-NAME.  Called by `make check-all`.

cd "$(dirname "$0")" 2>/dev/null || exit 1
guests=$PWD/guests
[ -n "$V2V_TESTS_DIR" ] && cd "$V2V_TESTS_DIR"
mkdir -p all
failed=0
count () { grep -c "^:test-result: $1" "$2" 2>/dev/null; }
# row NAME TEST: run TEST unless it passed as NAME before.
row () {
    local name=$1 base=${2%.sh} t0 status
    if [ ! -e "all/$name.passed" ]; then
        t0=$(date +%s)
        make -s check TESTS="$2" >"all/$name.out" 2>&1
        status=$?
        printf '%-32s %6s %6s %6s %8s\n' "$name" \
            "$(count PASS "$base.trs")" \
            "$(count '\(FAIL\|ERROR\|XPASS\)' "$base.trs")" \
            "$(count SKIP "$base.trs")" $(($(date +%s) - t0)) >"all/$name.row"
        cp "$base.log" "all/$name.log" 2>/dev/null
        [ $status = 0 ] && mv "all/$name.row" "all/$name.passed"
    fi
    if [ -e "all/$name.passed" ]; then
        cat "all/$name.passed"
    else
        failed=$((failed + 1))
        cat "all/$name.row"
    fi
}
printf '%-32s %6s %6s %6s %8s\n' test passed failed skipped seconds
for t in "$@"; do
    if [ "$t" = test-guests.sh ] && [ "$(id -u)" = 0 ]; then
        for g in $("$guests/make-linux.sh" --list); do
            V2V_TEST_GUESTS=$g row "guest-$g" "$t"
        done
    else
        row "${t%.sh}" "$t"
    fi
done
[ $failed = 0 ]
