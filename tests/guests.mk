# SPDX-License-Identifier: BSD-3-Clause
# Test guests, and the tests that boot them.
EXTRA_DIST += \
	boot.sh \
	guests/lib.sh \
	guests/make-debian.sh \
	$(NULL)

TESTS += test-convert-boot.sh
