# SPDX-License-Identifier: BSD-3-Clause
exec bash "$V2V_SRCDIR/tests/lint.sh" format
