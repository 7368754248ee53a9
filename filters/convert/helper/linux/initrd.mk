# SPDX-License-Identifier: BSD-3-Clause
# The initrd engine, and v2v-initrd, the command for people.  Included by
# filters/convert/helper/Makefile.am; names are relative to that folder.

noinst_LTLIBRARIES += libinitrd.la

libinitrd_la_SOURCES = \
	linux/cpio-read.c \
	linux/cpio-read.h \
	linux/cpio-write.c \
	linux/cpio-write.h \
	linux/initrd-buf.h \
	linux/initrd-build-index.c \
	linux/initrd-build-internal.h \
	linux/initrd-build.c \
	linux/initrd-build.h \
	linux/initrd-closure.c \
	linux/initrd-closure.h \
	linux/initrd-codec.c \
	linux/initrd-codec.h \
	linux/initrd-edit.c \
	linux/initrd-edit.h \
	linux/initrd-image.c \
	linux/initrd-image.h \
	linux/initrd-join.c \
	linux/initrd-join.h \
	linux/initrd-lookup.c \
	linux/initrd-lookup.h \
	linux/initrd-module.c \
	linux/initrd-module.h \
	linux/initrd-plan.c \
	linux/initrd-tree-apply.c \
	linux/initrd-tree-internal.h \
	linux/initrd-tree.c \
	linux/initrd-tree.h \
	linux/initrd-verify.c \
	linux/initrd.h \
	linux/kmod-index.c \
	linux/kmod-index.h \
	$(NULL)
libinitrd_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/linux
libinitrd_la_CFLAGS = \
	$(AM_CFLAGS) $(ZLIB_CFLAGS) $(LZMA_CFLAGS) $(ZSTD_CFLAGS) $(LZ4_CFLAGS)
libinitrd_la_LIBADD = \
	$(ZLIB_LIBS) $(LZMA_LIBS) $(ZSTD_LIBS) $(LZ4_LIBS) $(BZ2_LIBS)

bin_PROGRAMS += v2v-initrd
v2v_initrd_SOURCES = \
	linux/initrd-tool-add.c \
	linux/initrd-tool.c \
	linux/initrd-tool.h \
	$(NULL)
v2v_initrd_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/linux
v2v_initrd_LDADD = libinitrd.la

EXTRA_DIST += linux/v2v-initrd.pod
if HAVE_POD
man_MANS += linux/v2v-initrd.1
endif
