#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# The model test of the overlay engine with a million operations each: four
# connections, the same with eviction, and a persistent store that is
# killed and reopened.
source "$V2V_SRCDIR/tests/functions.sh"

model=$V2V_BUILDDIR/tests/test-overlay-model
[ -x "$model" ] || skip_all "the model test is not built (no cmocka)"

export OVERLAY_MODEL_OPS=${OVERLAY_MODEL_OPS:-1000000}
for t in copy_on_read eviction crash crash_eviction; do
    OVERLAY_MODEL_ONLY="test_$t" check "$t, $OVERLAY_MODEL_OPS operations" \
        "$model"
    diag "$(grep -a rounds "$tmp/check.out")"
done
done_testing
