# SPDX-License-Identifier: BSD-3-Clause
# A /dev/kvm that can be opened and does not work is noticed.

. "$V2V_SRCDIR/tests/functions.sh"
. "$V2V_SRCDIR/tests/helper-functions.sh"

unset LIBGUESTFS_BACKEND_SETTINGS
[ -w /dev/kvm ] || skip_all "no /dev/kvm here"

make_root "$tmp/root"
make_fs "$tmp/fs" "$tmp/root" 48M
make_disk "$tmp/disk" "$tmp/fs"
serve "$tmp/disk"
warnings () {
    jq -c 'select(.type == "warning" and .code == "kvm-does-not-work")' \
        "$tmp/lines" | wc -l
}

# A processor that claims to have it, so that KVM is tried.
echo "flags : fpu vmx" >"$tmp/yes"
echo "flags : fpu" >"$tmp/no"

export V2V_TEST_CPUINFO=$tmp/no
run_helper --dry-run
check "without vmx and svm: works" [ $status = 0 ]
check "without vmx and svm: one warning" [ "$(warnings)" = 1 ]

export V2V_TEST_CPUINFO=$tmp/yes
run_helper --dry-run
check "with vmx: works" [ $status = 0 ]
if grep -qwE 'vmx|svm' /proc/cpuinfo; then
    skip "one warning" "KVM may well work here"
else
    check "with vmx, but it hangs: one warning" [ "$(warnings)" = 1 ]
fi

export LIBGUESTFS_BACKEND_SETTINGS=force_tcg
run_helper --dry-run
check "force_tcg: works" [ $status = 0 ]
check "force_tcg: no warning" [ "$(warnings)" = 0 ]
done_testing
