# SPDX-License-Identifier: BSD-3-Clause
# Included by filters/convert/helper/Makefile.am.

# Everything but main() and what a conversion does.
noinst_LTLIBRARIES += libhelper.la
libhelper_la_SOURCES = \
	appliance.c appliance.h \
	children.c children.h \
	devices.c devices.h \
	devnames.c \
	disk-uri.c disk-uri.h \
	documents.c documents.h \
	fixed.c fixed.h \
	fstab.c fstab.h \
	guest.c guest.h guest-internal.h \
	guest-write.c \
	identity.c identity.h \
	inspection.c inspection.h \
	janitor.c janitor.h \
	kernel.c kernel.h \
	keys.c keys.h \
	linux/linux.h \
	mounts.c \
	options.c options.h \
	report.c report.h \
	roots.c roots.h \
	run.c run.h \
	scan.c scan.h \
	sectors.c sectors.h \
	trim.c \
	unused.c unused.h \
	$(NULL)
libhelper_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir) \
	-I$(top_srcdir)/common/vm
libhelper_la_CFLAGS = $(AM_CFLAGS) \
	$(LIBGUESTFS_CFLAGS) $(LIBXML2_CFLAGS) $(JSON_C_CFLAGS) \
	$(GNUTLS_CFLAGS) $(LZMA_CFLAGS) $(ZLIB_CFLAGS) $(ZSTD_CFLAGS) \
	$(LZ4_CFLAGS) $(LIBNBD_CFLAGS) -pthread
libhelper_la_LIBADD = \
	libtarget.la \
	$(top_builddir)/common/vm/libvm.la \
	$(LIBGUESTFS_LIBS) $(LIBXML2_LIBS) $(JSON_C_LIBS) $(GNUTLS_LIBS) \
	$(LZMA_LIBS) $(ZLIB_LIBS) $(ZSTD_LIBS) $(LZ4_LIBS) $(LIBNBD_LIBS) \
	-lpthread

# The helper calls linux/, which calls the helper's access to files: one
# archive, so that the order of linking does not matter.
noinst_LTLIBRARIES += libconversion.la
libconversion_la_SOURCES =
libconversion_la_LIBADD = \
	libhelper.la \
	liblinux.la \
	libinitrd.la \
	$(NULL)

libexec_PROGRAMS += v2v-convert-helper
v2v_convert_helper_SOURCES = main.c
v2v_convert_helper_LDADD = libconversion.la

EXTRA_DIST += v2v-convert-helper.pod
if HAVE_POD
man_MANS += v2v-convert-helper.1
endif
