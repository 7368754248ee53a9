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
TESTS += test-convert-unused.sh test-helper-convert.sh test-helper-stop.sh
ALL_TESTS += test-helper-errors.sh test-helper-kvm.sh

# Its parsers, under ASan and UBSan.
check_PROGRAMS += test-helper-parsers
TESTS += test-helper-parsers
test_helper_parsers_SOURCES = \
	test-helper-parsers.c \
	../filters/convert/helper/devices.c \
	../filters/convert/helper/devnames.c \
	../filters/convert/helper/fstab.c \
	../filters/convert/helper/identity.c \
	../filters/convert/helper/kernel.c \
	../filters/convert/helper/keys.c \
	$(NULL)
test_helper_parsers_CPPFLAGS = $(helper_cppflags)
test_helper_parsers_CFLAGS = $(ASAN_CFLAGS) $(CMOCKA_CFLAGS) \
	$(LZMA_CFLAGS) $(ZLIB_CFLAGS) $(ZSTD_CFLAGS) $(LZ4_CFLAGS)
test_helper_parsers_LDFLAGS =
test_helper_parsers_LDADD = $(CMOCKA_LIBS) \
	$(LZMA_LIBS) $(ZLIB_LIBS) $(ZSTD_LIBS) $(LZ4_LIBS)

check_PROGRAMS += test-helper-unused
TESTS += test-helper-unused
test_helper_unused_SOURCES = \
	test-helper-unused.c ../filters/convert/helper/unused.c
test_helper_unused_CPPFLAGS = $(helper_cppflags)
test_helper_unused_CFLAGS = $(ASAN_CFLAGS) $(CMOCKA_CFLAGS)
test_helper_unused_LDFLAGS =
test_helper_unused_LDADD = $(CMOCKA_LIBS)
