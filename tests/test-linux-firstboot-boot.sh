# SPDX-License-Identifier: BSD-3-Clause
# The guest of test-linux-guest.sh boots twice: what was left to the first
# boot is done once.
exec bash "$(dirname "$0")/test-linux-guest.sh" --boot
