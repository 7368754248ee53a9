# SPDX-License-Identifier: BSD-3-Clause

helper_dir = $(top_srcdir)/filters/convert/helper
helper_cppflags = $(AM_CPPFLAGS) -I$(helper_dir) -I$(top_srcdir)/common/vm

# The helper with a conversion made for the tests.
check_PROGRAMS += test-helper-conversion
test_helper_conversion_SOURCES = test-helper-conversion.c
test_helper_conversion_CPPFLAGS = $(helper_cppflags)
test_helper_conversion_CFLAGS = $(AM_CFLAGS) $(LIBGUESTFS_CFLAGS)
test_helper_conversion_LDADD = \
	$(top_builddir)/filters/convert/helper/libhelper.la

EXTRA_DIST += helper-functions.sh
TESTS += test-helper-convert.sh test-helper-stop.sh
ALL_TESTS += test-helper-errors.sh test-helper-kvm.sh
