# SPDX-License-Identifier: BSD-3-Clause

target_srcdir = ../filters/convert/helper/target
target_sources = \
	$(target_srcdir)/documents.c \
	$(target_srcdir)/error.c \
	$(target_srcdir)/json.c \
	$(target_srcdir)/kubevirt.c \
	$(target_srcdir)/libvirt.c \
	$(target_srcdir)/model-disks.c \
	$(target_srcdir)/model.c \
	$(target_srcdir)/nbd-uri.c \
	$(target_srcdir)/openstack.c \
	$(target_srcdir)/options.c \
	$(target_srcdir)/os.c \
	$(target_srcdir)/ovf.c \
	$(target_srcdir)/ovirt-os.c \
	$(target_srcdir)/qemu-firmware.c \
	$(target_srcdir)/qemu-script.c \
	$(target_srcdir)/qemu.c \
	$(target_srcdir)/text.c \
	$(target_srcdir)/xml.c \
	$(vm_sources) \
	$(NULL)
target_cppflags = $(AM_CPPFLAGS) -I$(top_srcdir)/common/vm \
	-I$(top_srcdir)/filters/convert/helper/target
target_cflags = $(ASAN_CFLAGS) $(LIBXML2_CFLAGS) $(JSON_C_CFLAGS) \
	$(LIBYAML_CFLAGS) $(LIBOSINFO_CFLAGS)
target_libs = $(LIBXML2_LIBS) $(JSON_C_LIBS) $(LIBYAML_LIBS) \
	$(LIBOSINFO_LIBS)

# Writes all documents of a case: used by test-target-golden.sh and others.
check_PROGRAMS += test-target-write
test_target_write_SOURCES = test-target-write.c $(target_sources)
test_target_write_CPPFLAGS = $(target_cppflags)
test_target_write_CFLAGS = $(target_cflags)
test_target_write_LDFLAGS =
test_target_write_LDADD = $(target_libs)

check_PROGRAMS += test-target-schema
test_target_schema_SOURCES = test-target-schema.c
test_target_schema_CPPFLAGS = $(AM_CPPFLAGS)
test_target_schema_CFLAGS = $(ASAN_CFLAGS) $(JSON_C_CFLAGS) $(LIBYAML_CFLAGS)
test_target_schema_LDFLAGS =
test_target_schema_LDADD = $(JSON_C_LIBS) $(LIBYAML_LIBS)

TESTS += test-target-golden.sh test-target-options.sh test-target-tpm.sh

EXTRA_DIST += target-data check-ovf-references.py

if HAVE_CMOCKA
TESTS += test-target-names
check_PROGRAMS += test-target-names
endif
test_target_names_SOURCES = test-target-names.c $(target_sources)
test_target_names_CPPFLAGS = $(target_cppflags)
test_target_names_CFLAGS = $(target_cflags) $(CMOCKA_CFLAGS)
test_target_names_LDFLAGS =
test_target_names_LDADD = $(target_libs) $(CMOCKA_LIBS)

TESTS += test-v2v-copy.sh test-v2v-copy-pool.sh

# Boot machines without KVM: a few minutes each.
ALL_TESTS += test-target-boot.sh test-target-run.sh test-target-secureboot.sh

if HAVE_CMOCKA
TESTS += test-target-roundtrip
check_PROGRAMS += test-target-roundtrip
endif
test_target_roundtrip_SOURCES = test-target-roundtrip.c $(target_sources) \
	$(v2v_parsers)
test_target_roundtrip_CPPFLAGS = $(target_cppflags) \
	-I$(top_srcdir)/plugins/v2v
test_target_roundtrip_CFLAGS = $(target_cflags) $(CMOCKA_CFLAGS) \
	$(LIBARCHIVE_CFLAGS)
test_target_roundtrip_LDFLAGS =
test_target_roundtrip_LDADD = $(target_libs) $(CMOCKA_LIBS) $(LIBARCHIVE_LIBS)
