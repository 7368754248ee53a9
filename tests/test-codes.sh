# SPDX-License-Identifier: BSD-3-Clause
# Every code that the helper can report is in its man page.

. "$V2V_SRCDIR/tests/functions.sh"

dir=$V2V_SRCDIR/filters/convert/helper
pod=$dir/v2v-convert-helper.pod
mapfile -t codes < <(
    for f in "$dir"/*.c "$dir"/linux/*.c; do
        tr '\n' ' ' <"$f" |
            grep -oE 'report_(error|warning) \([^;"]*"[a-z]+(-[a-z]+)+"' |
            grep -oE '"[a-z-]+"$' | tr -d '"'
    done | sort -u)
check "there are codes" [ "${#codes[@]}" -gt 30 ]
for c in "${codes[@]}"; do
    check "$c is documented" grep -qF "C<$c>" "$pod"
done
done_testing
