# SPDX-License-Identifier: BSD-3-Clause
# Included by filters/convert/helper/Makefile.am.
noinst_LTLIBRARIES += libtarget.la

libtarget_la_SOURCES = \
	target/documents.c \
	target/error.c \
	target/json.c \
	target/jsonutil.h \
	target/kubevirt.c \
	target/libvirt.c \
	target/model-disks.c \
	target/model.c \
	target/model.h \
	target/nbd-uri.c \
	target/openstack.c \
	target/options.c \
	target/os.c \
	target/ovf.c \
	target/ovirt-os.c \
	target/ovirt-os.h \
	target/qemu-firmware.c \
	target/qemu-script.c \
	target/qemu.c \
	target/qemu.h \
	target/target.h \
	target/text.c \
	target/xml.c \
	target/xml.h \
	$(NULL)
libtarget_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/common/vm \
	-I$(srcdir)/target
libtarget_la_CFLAGS = $(AM_CFLAGS) $(LIBXML2_CFLAGS) $(JSON_C_CFLAGS) \
	$(LIBYAML_CFLAGS) $(LIBOSINFO_CFLAGS)
libtarget_la_LIBADD = $(LIBXML2_LIBS) $(JSON_C_LIBS) $(LIBYAML_LIBS) \
	$(LIBOSINFO_LIBS)
