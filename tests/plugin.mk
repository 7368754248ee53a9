# SPDX-License-Identifier: BSD-3-Clause

if HAVE_CMOCKA
TESTS += test-plugin-vm
check_PROGRAMS += test-plugin-vm
endif
test_plugin_vm_SOURCES = test-plugin-vm.c ../common/vm/vm.c
test_plugin_vm_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/common/vm
test_plugin_vm_CFLAGS = $(ASAN_CFLAGS) $(JSON_C_CFLAGS) $(CMOCKA_CFLAGS)
test_plugin_vm_LDFLAGS =
test_plugin_vm_LDADD = $(JSON_C_LIBS) $(CMOCKA_LIBS)
