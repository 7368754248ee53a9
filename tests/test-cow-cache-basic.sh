#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# The filter makes a read-only source writable, says what it can do, never
# changes the source, and refuses wrong parameters before it serves.
source "$V2V_SRCDIR/tests/functions.sh"
requires qemu-io --version
requires nbdinfo --version

f="--filter=v2v-cow-cache"
disk=$tmp/disk
truncate -s 10M "$disk"
printf 'source' | dd of="$disk" bs=1 seek=1000000 conv=notrunc status=none
before=$(sha256sum <"$disk")
chmod a-w "$disk"

check "nbdkit finds the filter" \
    nbdkit --dump-plugin $f null
check "it is writable, trims, zeroes fast, caches and allows many clients" \
    nbdkit -r -U - $f file "$disk" --run 'nbdinfo --is readonly "$uri"'
nbdkit -U - $f file "$disk" --run 'nbdinfo --json "$uri"' >"$tmp/info"
for can in fast_zero flush fua multi_conn trim zero cache; do
    check "can $can" grep -q "\"can_$can\": true" "$tmp/info"
done
check "is not read-only" grep -q '"is_read_only": false' "$tmp/info"
check "what is written, zeroed and trimmed is read back" \
    nbdkit -U - $f file "$disk" --run \
    'qemu-io -f raw -c "write -P 3 1000 5000" -c "read -P 3 1000 5000" \
        -c "write -z 2M 1M" -c "read -P 0 2M 1M" \
        -c "write -P 7 2100000 3" -c "read -P 7 2100000 3" \
        -c "discard 1M 64k" -c "flush" \
        -c "write -f -P 9 9M 1M" -c "read -P 9 9M 1M" "$uri" >'"$tmp/io"'
     ! grep -i -e "pattern verif" -e error '"$tmp/io"
check "the source is as before" \
    test "$before" = "$(sha256sum <"$disk")"

for bad in max-size=1 max-size=x fetch-unit=5000 fetch-unit=1k \
           max-request=0 max-request=100000000000 copy-on-read=maybe \
           dir=/nonexistent store=/nonexistent unknown=1 \
           identity=x; do
    check_fails "v2v-cow-cache-$bad is refused" \
        timeout 10 "$V2V_BUILDDIR/run" nbdkit -U - $f null \
        v2v-cow-cache-$bad --run true
done
timeout 10 "$V2V_BUILDDIR/run" nbdkit -U - $f null v2v-cow-cache-memory=1 \
    v2v-cow-cache-store="$tmp" --run true 2>"$tmp/err"
check "a store and memory at once are refused" test $? -ne 0
check "the message says why" grep -q 'can only be in one place' "$tmp/err"
done_testing
