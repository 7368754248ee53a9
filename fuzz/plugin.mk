# SPDX-License-Identifier: BSD-3-Clause
# The parsers of the plugin v2v.  The seeds of vmx, ovf and libvirt are the
# golden documents of tests/test-plugin-golden.

plugin_fuzzers = fuzz-vmx fuzz-ovf fuzz-libvirt fuzz-manifest fuzz-vmdk
check_PROGRAMS += $(plugin_fuzzers)
TESTS += $(plugin_fuzzers)

# Compiled once, with the sanitizers.
check_LTLIBRARIES = libfuzzplugin.la
libfuzzplugin_la_SOURCES = \
	$(vm_sources) \
	$(v2v_parsers) \
	../plugins/v2v/digest.c \
	../plugins/v2v/manifest.c
plugin_fuzz_cppflags = $(AM_CPPFLAGS) -I$(top_srcdir)/common/vm \
	-I$(top_srcdir)/plugins/v2v
plugin_fuzz_libs = $(JSON_C_LIBS) $(LIBXML2_LIBS) $(LIBARCHIVE_LIBS) \
	$(GNUTLS_LIBS)
libfuzzplugin_la_CPPFLAGS = $(plugin_fuzz_cppflags)
libfuzzplugin_la_CFLAGS = $(ASAN_CFLAGS) $(JSON_C_CFLAGS) \
	$(LIBXML2_CFLAGS) $(LIBARCHIVE_CFLAGS) $(GNUTLS_CFLAGS)
plugin_fuzz_ldadd = libfuzzplugin.la $(plugin_fuzz_libs)

fuzz_vmx_SOURCES = fuzz-vmx.c replay.c
fuzz_vmx_CPPFLAGS = $(plugin_fuzz_cppflags)
fuzz_vmx_LDADD = $(plugin_fuzz_ldadd)
fuzz_ovf_SOURCES = fuzz-ovf.c replay.c
fuzz_ovf_CPPFLAGS = $(plugin_fuzz_cppflags)
fuzz_ovf_LDADD = $(plugin_fuzz_ldadd)
fuzz_libvirt_SOURCES = fuzz-libvirt.c replay.c
fuzz_libvirt_CPPFLAGS = $(plugin_fuzz_cppflags)
fuzz_libvirt_LDADD = $(plugin_fuzz_ldadd)
fuzz_manifest_SOURCES = fuzz-manifest.c replay.c
fuzz_manifest_CPPFLAGS = $(plugin_fuzz_cppflags)
fuzz_manifest_LDADD = $(plugin_fuzz_ldadd)
fuzz_vmdk_SOURCES = fuzz-vmdk.c replay.c
fuzz_vmdk_CPPFLAGS = $(plugin_fuzz_cppflags)
fuzz_vmdk_LDADD = $(plugin_fuzz_ldadd)

# For libFuzzer the engine is compiled into the target.
plugin_fuzz_engine = $(addprefix $(srcdir)/,$(libfuzzplugin_la_SOURCES))
fuzz-vmx.libfuzzer fuzz-ovf.libfuzzer fuzz-libvirt.libfuzzer \
fuzz-manifest.libfuzzer fuzz-vmdk.libfuzzer: \
	FUZZ_CPPFLAGS = $(plugin_fuzz_cppflags) $(LIBXML2_CFLAGS)
fuzz-vmx.libfuzzer fuzz-ovf.libfuzzer fuzz-libvirt.libfuzzer \
fuzz-manifest.libfuzzer fuzz-vmdk.libfuzzer: \
	FUZZ_LIBS = $(plugin_fuzz_engine) $(plugin_fuzz_libs)
