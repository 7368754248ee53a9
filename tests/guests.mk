# SPDX-License-Identifier: BSD-3-Clause
# Test guests, and the tests that boot them.
EXTRA_DIST += \
	boot.sh \
	guest-diff.py \
	guests \
	$(NULL)

TESTS += test-convert-boot.sh test-convert-rhel.sh
ALL_TESTS += test-guests.sh
