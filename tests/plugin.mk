# SPDX-License-Identifier: BSD-3-Clause

TESTS += test-plugin-disk.sh test-plugin-ova.sh test-plugin-remote.sh
TESTS += test-plugin-server.sh test-plugin-libvirt.sh
TESTS += test-plugin-checksum.sh test-plugin-children.sh
EXTRA_DIST += plugin-servers.sh
if HAVE_CMOCKA
TESTS += test-plugin-vm
check_PROGRAMS += test-plugin-vm
endif
test_plugin_vm_SOURCES = test-plugin-vm.c $(vm_sources)
test_plugin_vm_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/common/vm
test_plugin_vm_CFLAGS = $(ASAN_CFLAGS) $(JSON_C_CFLAGS) $(CMOCKA_CFLAGS)
test_plugin_vm_LDFLAGS =
test_plugin_vm_LDADD = $(JSON_C_LIBS) $(CMOCKA_LIBS)

if HAVE_CMOCKA
TESTS += test-plugin-url
check_PROGRAMS += test-plugin-url
endif
test_plugin_url_SOURCES = test-plugin-url.c $(v2v_parsers) $(vm_sources)
test_plugin_url_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/common/vm \
	-I$(top_srcdir)/plugins/v2v
test_plugin_url_CFLAGS = $(ASAN_CFLAGS) $(JSON_C_CFLAGS) $(CMOCKA_CFLAGS) \
	$(LIBXML2_CFLAGS) $(LIBARCHIVE_CFLAGS)
test_plugin_url_LDFLAGS =
test_plugin_url_LDADD = $(JSON_C_LIBS) $(LIBXML2_LIBS) $(LIBARCHIVE_LIBS) \
	$(CMOCKA_LIBS)

if HAVE_CMOCKA
TESTS += test-plugin-golden
endif
check_PROGRAMS += test-plugin-golden
test_plugin_golden_SOURCES = \
	test-plugin-golden.c \
	$(vm_sources) \
	$(v2v_parsers)
test_plugin_golden_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/common/vm \
	-I$(top_srcdir)/plugins/v2v
test_plugin_golden_CFLAGS = $(ASAN_CFLAGS) $(JSON_C_CFLAGS) \
	$(LIBXML2_CFLAGS) $(LIBARCHIVE_CFLAGS)
test_plugin_golden_LDFLAGS =
test_plugin_golden_LDADD = $(JSON_C_LIBS) $(LIBXML2_LIBS) $(LIBARCHIVE_LIBS)
EXTRA_DIST += $(srcdir)/plugin

check_LTLIBRARIES = test-plugin-vddk.la test-plugin-libvirt.la
test_plugin_vddk_la_SOURCES = test-plugin-vddk.c
test_plugin_vddk_la_CFLAGS = $(AM_CFLAGS) $(NBDKIT_CFLAGS)
test_plugin_vddk_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere
test_plugin_libvirt_la_SOURCES = test-plugin-libvirt.c
test_plugin_libvirt_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere
