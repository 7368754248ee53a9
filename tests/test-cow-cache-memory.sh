#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# The memory of the map follows what is used, not the size: a sparse
# terabyte stays below 48 MiB, also when it is trimmed all over.
source "$V2V_SRCDIR/tests/functions.sh"
requires nbdcopy --version

start_nbdkit "$tmp/sock" --filter=v2v-cow-cache memory 1T || exit 1
check "nbdcopy of 1 TiB" \
    nbdcopy "nbd+unix:///?socket=$tmp/sock" null:
hwm () { awk '/^VmHWM/ { print $2 }' "/proc/$nbdkit_pid/status"; }
kb=$(hwm)
diag "VmHWM $kb kB"
check "less than 48 MiB resident" test "$kb" -lt $((48 * 1024))
done_testing
