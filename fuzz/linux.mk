# SPDX-License-Identifier: BSD-3-Clause
# Editors of a Linux guest's files.  Their sources are part of the targets,
# so that clang instruments them too (fuzz-NAME.libfuzzer).

linux_fuzzers = fuzz-devnames fuzz-confedit fuzz-netnames fuzz-selabel
check_PROGRAMS += $(linux_fuzzers)
TESTS += $(linux_fuzzers)
linux_fuzz_cppflags = $(AM_CPPFLAGS) -I$(top_builddir) \
	-I$(top_srcdir)/filters/convert/helper/linux

fuzz_devnames_SOURCES = fuzz-devnames.c replay.c
fuzz_devnames_CPPFLAGS = $(linux_fuzz_cppflags)
fuzz_confedit_SOURCES = fuzz-confedit.c replay.c
fuzz_confedit_CPPFLAGS = $(linux_fuzz_cppflags)
fuzz_netnames_SOURCES = fuzz-netnames.c replay.c
fuzz_netnames_CPPFLAGS = $(linux_fuzz_cppflags) $(LIBYAML_CFLAGS)
fuzz_netnames_LDADD = $(LIBYAML_LIBS)
fuzz_selabel_SOURCES = fuzz-selabel.c replay.c
fuzz_selabel_CPPFLAGS = $(linux_fuzz_cppflags) $(PCRE2_CFLAGS)
fuzz_selabel_LDADD = $(PCRE2_LIBS)

fuzz-devnames.libfuzzer fuzz-confedit.libfuzzer fuzz-netnames.libfuzzer \
fuzz-selabel.libfuzzer: \
	FUZZ_CPPFLAGS = $(linux_fuzz_cppflags)
fuzz-netnames.libfuzzer: FUZZ_LIBS = $(LIBYAML_LIBS)
fuzz-selabel.libfuzzer: FUZZ_LIBS = $(PCRE2_LIBS)
