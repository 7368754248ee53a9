# SPDX-License-Identifier: BSD-3-Clause
# The engine is compiled into its unit tests under sanitizers.

# linux_dir is from linux.mk: one name for the folder, one rule for its
# stamps.
initrd_sources = \
	$(linux_dir)/cpio-read.c \
	$(linux_dir)/cpio-write.c \
	$(linux_dir)/initrd-build-index.c \
	$(linux_dir)/initrd-build.c \
	$(linux_dir)/initrd-closure.c \
	$(linux_dir)/initrd-codec.c \
	$(linux_dir)/initrd-edit.c \
	$(linux_dir)/initrd-image.c \
	$(linux_dir)/initrd-join.c \
	$(linux_dir)/initrd-lookup.c \
	$(linux_dir)/initrd-module.c \
	$(linux_dir)/initrd-plan.c \
	$(linux_dir)/initrd-tree-apply.c \
	$(linux_dir)/initrd-tree.c \
	$(linux_dir)/initrd-verify.c \
	$(linux_dir)/kmod-index.c \
	$(NULL)
initrd_cppflags = $(AM_CPPFLAGS) -I$(linux_dir)
initrd_cflags = $(ASAN_CFLAGS) $(ZLIB_CFLAGS) $(LZMA_CFLAGS) $(ZSTD_CFLAGS) \
	$(LZ4_CFLAGS) $(CMOCKA_CFLAGS)
initrd_libs = $(ZLIB_LIBS) $(LZMA_LIBS) $(ZSTD_LIBS) $(LZ4_LIBS) $(BZ2_LIBS) \
	$(CMOCKA_LIBS)

if HAVE_CMOCKA
initrd_unit_tests = \
	test-initrd-codec \
	test-initrd-edit \
	test-initrd-fuzz \
	test-initrd-fuzz-index \
	test-initrd-index \
	test-initrd-plan \
	test-initrd-tree \
	$(NULL)
check_PROGRAMS += $(initrd_unit_tests)
TESTS += $(initrd_unit_tests)
endif

test_initrd_plan_SOURCES = \
	test-initrd-plan.c test-initrd-util.h $(initrd_sources)
test_initrd_plan_CPPFLAGS = $(initrd_cppflags)
test_initrd_plan_CFLAGS = $(initrd_cflags)
test_initrd_plan_LDADD = $(initrd_libs)

test_initrd_codec_SOURCES = \
	test-initrd-codec.c test-initrd-util.h $(initrd_sources)
test_initrd_codec_CPPFLAGS = $(initrd_cppflags)
test_initrd_codec_CFLAGS = $(initrd_cflags)
test_initrd_codec_LDADD = $(initrd_libs)

test_initrd_edit_SOURCES = \
	test-initrd-edit.c test-initrd-util.h $(initrd_sources)
test_initrd_edit_CPPFLAGS = $(initrd_cppflags)
test_initrd_edit_CFLAGS = $(initrd_cflags)
test_initrd_edit_LDADD = $(initrd_libs)

test_initrd_index_SOURCES = \
	test-initrd-index.c test-initrd-util.h $(initrd_sources)
test_initrd_index_CPPFLAGS = $(initrd_cppflags)
test_initrd_index_CFLAGS = $(initrd_cflags)
test_initrd_index_LDADD = $(initrd_libs)

test_initrd_tree_SOURCES = \
	test-initrd-tree.c test-initrd-util.h $(initrd_sources)
test_initrd_tree_CPPFLAGS = $(initrd_cppflags)
test_initrd_tree_CFLAGS = $(initrd_cflags)
test_initrd_tree_LDADD = $(initrd_libs)

test_initrd_fuzz_SOURCES = \
	test-initrd-fuzz.c test-initrd-util.h ../fuzz/fuzz-initrd.c \
	$(initrd_sources)
test_initrd_fuzz_CPPFLAGS = $(initrd_cppflags)
test_initrd_fuzz_CFLAGS = $(initrd_cflags)
test_initrd_fuzz_LDADD = $(initrd_libs)

test_initrd_fuzz_index_SOURCES = \
	test-initrd-fuzz.c test-initrd-util.h ../fuzz/fuzz-kmod-index.c \
	$(initrd_sources)
test_initrd_fuzz_index_CPPFLAGS = $(initrd_cppflags) -DFUZZ_INDEX=1
test_initrd_fuzz_index_CFLAGS = $(initrd_cflags)
test_initrd_fuzz_index_LDADD = $(initrd_libs)

# Booted with real kernels.
check_PROGRAMS += test-initrd-init
test_initrd_init_SOURCES = test-initrd-init.c
test_initrd_init_CFLAGS = $(WARN_CFLAGS)
test_initrd_init_LDFLAGS = -all-static
TESTS += test-initrd-boot.sh test-initrd-real.sh
EXTRA_DIST += test-initrd-functions.sh
ALL_TESTS += test-initrd-boot-all.sh
