# SPDX-License-Identifier: BSD-3-Clause
TESTS += test-convert-states.sh
EXTRA_DIST += fake-helper
