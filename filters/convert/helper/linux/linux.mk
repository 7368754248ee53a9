# SPDX-License-Identifier: BSD-3-Clause
# The conversion of Linux guests.  Included by ../Makefile.am.

noinst_LTLIBRARIES += liblinux.la

liblinux_la_SOURCES = \
	linux/agent.c \
	linux/bootentries.c \
	linux/bootentries.h \
	linux/conf.c \
	linux/confedit.c \
	linux/confedit.h \
	linux/consoleedit.c \
	linux/devedit.c \
	linux/devedit.h \
	linux/devices.c \
	linux/devmap.c \
	linux/devmap.h \
	linux/devname.c \
	linux/findkernels.c \
	linux/firstboot-dir.h \
	linux/firstboot-scripts.h \
	linux/firstboot.c \
	linux/host.h \
	linux/identity.c \
	linux/kernels.c \
	linux/kernels.h \
	linux/linux.c \
	linux/linux.h \
	linux/modindex.c \
	linux/modindex.h \
	linux/modprobe.c \
	linux/netleases.c \
	linux/netnames.c \
	linux/netnames.h \
	linux/network.c \
	linux/persist.c \
	linux/ramdisk.c \
	linux/rebuild.c \
	linux/selabel.c \
	linux/selabel.h \
	linux/selinux.c \
	linux/state.h \
	linux/storageedit.c \
	linux/text.c \
	linux/text.h \
	linux/tools-scripts.h \
	linux/tools.c \
	linux/uefi-loader.c \
	linux/uefi-loader.h \
	linux/uefi.c \
	linux/uki.c \
	linux/uki.h \
	linux/unified.c \
	linux/user.c \
	$(NULL)
liblinux_la_CPPFLAGS = \
	$(AM_CPPFLAGS) \
	-I$(top_builddir) \
	-I$(top_srcdir)/common/vm \
	-I$(srcdir) -I$(srcdir)/linux \
	$(NULL)
liblinux_la_CFLAGS = \
	$(AM_CFLAGS) $(LIBGUESTFS_CFLAGS) $(GNUTLS_CFLAGS) $(LIBYAML_CFLAGS) \
	$(PCRE2_CFLAGS)
liblinux_la_LIBADD = $(LIBGUESTFS_LIBS) $(GNUTLS_LIBS) $(LIBYAML_LIBS) \
	$(PCRE2_LIBS)
