# SPDX-License-Identifier: BSD-3-Clause
# check-all.sh TEST...: run each test, one after the other, and print a
# table.  Resumable: what passed is not run again (remove all/TEST.passed,
# or the directory, to run it again).  Called by `make check-all`.

cd "$(dirname "$0")" 2>/dev/null || exit 1
[ -n "$V2V_TESTS_DIR" ] && cd "$V2V_TESTS_DIR"
mkdir -p all
failed=0
count () { grep -c "^:test-result: $1" "$2" 2>/dev/null; }
printf '%-32s %6s %6s %6s %8s\n' test passed failed skipped seconds
for t in "$@"; do
    base=${t%.sh}
    if [ ! -e "all/$base.passed" ]; then
        t0=$(date +%s)
        make -s check TESTS="$t" >"all/$base.out" 2>&1
        status=$?
        printf '%-32s %6s %6s %6s %8s\n' "$base" \
            "$(count PASS "$base.trs")" \
            "$(count '\(FAIL\|ERROR\|XPASS\)' "$base.trs")" \
            "$(count SKIP "$base.trs")" $(($(date +%s) - t0)) >"all/$base.row"
        cp "$base.log" "all/$base.log" 2>/dev/null
        [ $status = 0 ] && mv "all/$base.row" "all/$base.passed"
    fi
    if [ -e "all/$base.passed" ]; then
        cat "all/$base.passed"
    else
        failed=$((failed + 1))
        cat "all/$base.row"
    fi
done
[ $failed = 0 ]
