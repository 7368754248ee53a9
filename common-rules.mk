# SPDX-License-Identifier: BSD-3-Clause
# Included by every Makefile.am.

NULL =

AM_CPPFLAGS = \
	-D_GNU_SOURCE \
	-I$(top_srcdir)/common/utils \
	$(NULL)

AM_CFLAGS = $(WARN_CFLAGS) $(HARDEN_CFLAGS)
AM_LDFLAGS = $(HARDEN_LDFLAGS)

# A module shows nbdkit one symbol; everything else of it is hidden,
# because nbdkit loads all modules into one namespace.
MODULE_FLAGS = \
	-module -avoid-version -shared -no-undefined \
	-Wl,--version-script=$(top_srcdir)/filters/filter.syms \
	$(NULL)

# Engines are also built into their unit tests under sanitizers.
ASAN_CFLAGS = $(WARN_CFLAGS) -g -O1 -fno-omit-frame-pointer \
	-fsanitize=address,undefined -fno-sanitize-recover=undefined
TSAN_CFLAGS = $(WARN_CFLAGS) -g -O1 -fno-omit-frame-pointer -fsanitize=thread

# Man pages: add X.1 to man_MANS and X.pod to EXTRA_DIST.
SUFFIXES = .pod .1
.pod.1:
	$(AM_V_GEN)$(PODCHECKER) -warnings $< 2>$@.err || { cat $@.err; rm -f $@.err; exit 1; }; \
	rm -f $@.err; \
	$(POD2MAN) -u -s 1 -c "nbdkit-v2v" -r "nbdkit-v2v-$(VERSION)" $< $@.tmp && mv $@.tmp $@
