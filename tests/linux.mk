# SPDX-License-Identifier: BSD-3-Clause
# The engines of the Linux conversion, under sanitizers.

linux_dir = ../filters/convert/helper/linux
linux_cppflags = $(AM_CPPFLAGS) -I$(top_builddir) -I$(srcdir)/$(linux_dir)
linux_cflags = $(ASAN_CFLAGS) $(CMOCKA_CFLAGS)

TESTS += test-linux-guest.sh test-codes.sh
ALL_TESTS += test-linux-firstboot-boot.sh
ALL_TESTS += test-linux-uki.sh
ALL_TESTS += test-linux-disks.sh

if HAVE_CMOCKA
linux_tests = \
	test-linux-devices \
	test-linux-firstboot \
	test-linux-confedit \
	test-linux-kernels \
	test-linux-netnames \
	test-linux-selabel \
	test-linux-tools \
	test-linux-uefi \
	$(NULL)
TESTS += $(linux_tests)
check_PROGRAMS += $(linux_tests)

test_linux_devices_SOURCES = \
	test-linux-devices.c test-linux.h \
	$(linux_dir)/consoleedit.c $(linux_dir)/devedit.c \
	$(linux_dir)/devmap.c $(linux_dir)/devname.c \
	$(linux_dir)/storageedit.c $(linux_dir)/text.c
test_linux_devices_CPPFLAGS = $(linux_cppflags)
test_linux_devices_CFLAGS = $(linux_cflags)
test_linux_devices_LDADD = $(CMOCKA_LIBS)

test_linux_confedit_SOURCES = \
	test-linux-confedit.c test-linux.h \
	$(linux_dir)/confedit.c $(linux_dir)/text.c
test_linux_confedit_CPPFLAGS = $(linux_cppflags)
test_linux_confedit_CFLAGS = $(linux_cflags)
test_linux_confedit_LDADD = $(CMOCKA_LIBS)

test_linux_firstboot_SOURCES = \
	test-linux-firstboot.c test-linux.h $(linux_dir)/text.c
test_linux_firstboot_CPPFLAGS = $(linux_cppflags)
test_linux_firstboot_CFLAGS = $(linux_cflags)
test_linux_firstboot_LDADD = $(CMOCKA_LIBS)

test_linux_kernels_SOURCES = \
	test-linux-kernels.c \
	$(linux_dir)/bootentries.c $(linux_dir)/kernels.c $(linux_dir)/text.c \
	$(linux_dir)/uki.c
test_linux_kernels_CPPFLAGS = $(linux_cppflags)
test_linux_kernels_CFLAGS = $(linux_cflags)
test_linux_kernels_LDADD = $(CMOCKA_LIBS)

test_linux_netnames_SOURCES = \
	test-linux-netnames.c test-linux.h \
	$(linux_dir)/netleases.c $(linux_dir)/netnames.c $(linux_dir)/text.c
test_linux_netnames_CPPFLAGS = $(linux_cppflags) $(LIBYAML_CFLAGS)
test_linux_netnames_CFLAGS = $(linux_cflags)
test_linux_netnames_LDADD = $(CMOCKA_LIBS) $(LIBYAML_LIBS)

test_linux_selabel_SOURCES = \
	test-linux-selabel.c test-linux.h \
	$(linux_dir)/selabel.c $(linux_dir)/text.c
test_linux_selabel_CPPFLAGS = $(linux_cppflags) $(PCRE2_CFLAGS)
test_linux_selabel_CFLAGS = $(linux_cflags)
test_linux_selabel_LDADD = $(CMOCKA_LIBS) $(PCRE2_LIBS)

test_linux_tools_SOURCES = \
	test-linux-tools.c test-linux.h $(linux_dir)/text.c
test_linux_tools_CPPFLAGS = $(linux_cppflags)
test_linux_tools_CFLAGS = $(linux_cflags)
test_linux_tools_LDADD = $(CMOCKA_LIBS)

test_linux_uefi_SOURCES = test-linux-uefi.c $(linux_dir)/uefi-loader.c
test_linux_uefi_CPPFLAGS = $(linux_cppflags)
test_linux_uefi_CFLAGS = $(linux_cflags)
test_linux_uefi_LDADD = $(CMOCKA_LIBS)
endif
