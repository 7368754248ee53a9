# SPDX-License-Identifier: BSD-3-Clause

readahead_engine = \
	$(top_srcdir)/filters/readahead/control.c \
	$(top_srcdir)/filters/readahead/engine.h \
	$(top_srcdir)/filters/readahead/extmap.c \
	$(top_srcdir)/filters/readahead/extmap.h \
	$(top_srcdir)/filters/readahead/lanes.c \
	$(top_srcdir)/filters/readahead/plan.c \
	$(top_srcdir)/filters/readahead/readahead.c \
	$(top_srcdir)/filters/readahead/readahead.h \
	$(top_srcdir)/filters/readahead/segments.c \
	$(top_srcdir)/filters/readahead/segments.h \
	$(top_srcdir)/filters/readahead/streams.c \
	$(top_srcdir)/filters/readahead/streams.h \
	$(NULL)

readahead_programs = \
	test-readahead-engine \
	test-readahead-engine-tsan \
	test-readahead-extmap \
	test-readahead-safety \
	test-readahead-safety-tsan \
	$(NULL)

if HAVE_CMOCKA
TESTS += $(readahead_programs)
check_PROGRAMS += $(readahead_programs)
endif

readahead_disk = test-readahead-disk.c test-readahead-disk.h
readahead_cppflags = \
	$(AM_CPPFLAGS) -I$(top_srcdir)/filters/readahead $(CMOCKA_CFLAGS)

test_readahead_extmap_SOURCES = test-readahead-extmap.c \
	$(top_srcdir)/filters/readahead/extmap.c \
	$(top_srcdir)/filters/readahead/extmap.h
test_readahead_extmap_CPPFLAGS = $(readahead_cppflags)
test_readahead_extmap_CFLAGS = $(ASAN_CFLAGS)
test_readahead_extmap_LDADD = $(CMOCKA_LIBS)

test_readahead_engine_SOURCES = \
	test-readahead-engine.c $(readahead_disk) $(readahead_engine)
test_readahead_engine_CPPFLAGS = $(readahead_cppflags)
test_readahead_engine_CFLAGS = $(ASAN_CFLAGS) -pthread
test_readahead_engine_LDFLAGS = -pthread
test_readahead_engine_LDADD = $(CMOCKA_LIBS)

test_readahead_engine_tsan_SOURCES = $(test_readahead_engine_SOURCES)
test_readahead_engine_tsan_CPPFLAGS = $(readahead_cppflags)
test_readahead_engine_tsan_CFLAGS = $(TSAN_CFLAGS) -pthread
test_readahead_engine_tsan_LDFLAGS = -pthread
test_readahead_engine_tsan_LDADD = $(CMOCKA_LIBS)

test_readahead_safety_SOURCES = \
	test-readahead-safety.c $(readahead_disk) $(readahead_engine)
test_readahead_safety_CPPFLAGS = $(readahead_cppflags)
test_readahead_safety_CFLAGS = $(ASAN_CFLAGS) -pthread
test_readahead_safety_LDFLAGS = -pthread
test_readahead_safety_LDADD = $(CMOCKA_LIBS)

test_readahead_safety_tsan_SOURCES = $(test_readahead_safety_SOURCES)
test_readahead_safety_tsan_CPPFLAGS = $(readahead_cppflags)
test_readahead_safety_tsan_CFLAGS = $(TSAN_CFLAGS) -pthread
test_readahead_safety_tsan_LDFLAGS = -pthread
test_readahead_safety_tsan_LDADD = $(CMOCKA_LIBS)

TESTS += \
	test-readahead-exports.sh \
	test-readahead-filter.sh \
	test-readahead-models.sh \
	$(NULL)
