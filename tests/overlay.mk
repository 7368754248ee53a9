# SPDX-License-Identifier: BSD-3-Clause

# The engine is compiled into its tests, so that the sanitizers see it.
overlay_engine = \
	../common/overlay/engine.h \
	../common/overlay/evict.c \
	../common/overlay/extents.c \
	../common/overlay/fill.c \
	../common/overlay/holes.c \
	../common/overlay/map-file.c \
	../common/overlay/map.c \
	../common/overlay/overlay.c \
	../common/overlay/overlay.h \
	../common/overlay/persist.c \
	../common/overlay/prefetch.c \
	../common/overlay/store.c \
	../common/overlay/support.c \
	../common/overlay/write.c \
	$(NULL)
overlay_cppflags = $(AM_CPPFLAGS) -I$(top_srcdir)/common/overlay
overlay_model_cppflags = $(overlay_cppflags) -DOVERLAY_RACE_POINTS
overlay_unit_cppflags = $(overlay_cppflags) \
	-DOVERLAY_BOOT_ID_FILE=overlay_test_boot_id

if HAVE_CMOCKA
check_PROGRAMS += \
	test-overlay-model \
	test-overlay-model-asan \
	test-overlay-model-tsan \
	test-overlay-unit \
	test-overlay-unit-asan \
	test-overlay-unit-tsan \
	$(NULL)
TESTS += \
	test-overlay-model-asan \
	test-overlay-model-tsan \
	test-overlay-unit-asan \
	test-overlay-unit-tsan \
	$(NULL)
ALL_TESTS += test-overlay-million.sh

test_overlay_model_SOURCES = test-overlay-model.c $(overlay_engine)
test_overlay_model_CPPFLAGS = $(overlay_model_cppflags)
test_overlay_model_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
test_overlay_model_LDADD = $(CMOCKA_LIBS) -lpthread
test_overlay_unit_SOURCES = test-overlay-unit.c $(overlay_engine)
test_overlay_unit_CPPFLAGS = $(overlay_unit_cppflags)
test_overlay_unit_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
test_overlay_unit_LDADD = $(CMOCKA_LIBS) -lpthread
test_overlay_unit_asan_SOURCES = test-overlay-unit.c $(overlay_engine)
test_overlay_unit_asan_CPPFLAGS = $(overlay_unit_cppflags)
test_overlay_unit_asan_CFLAGS = $(ASAN_CFLAGS) $(CMOCKA_CFLAGS)
test_overlay_unit_asan_LDFLAGS = -fsanitize=address,undefined
test_overlay_unit_asan_LDADD = $(CMOCKA_LIBS) -lpthread
test_overlay_unit_tsan_SOURCES = test-overlay-unit.c $(overlay_engine)
test_overlay_unit_tsan_CPPFLAGS = $(overlay_unit_cppflags)
test_overlay_unit_tsan_CFLAGS = $(TSAN_CFLAGS) $(CMOCKA_CFLAGS)
test_overlay_unit_tsan_LDFLAGS = -fsanitize=thread
test_overlay_unit_tsan_LDADD = $(CMOCKA_LIBS) -lpthread
test_overlay_model_asan_SOURCES = test-overlay-model.c $(overlay_engine)
test_overlay_model_asan_CPPFLAGS = $(overlay_model_cppflags)
test_overlay_model_asan_CFLAGS = $(ASAN_CFLAGS) $(CMOCKA_CFLAGS)
test_overlay_model_asan_LDFLAGS = -fsanitize=address,undefined
test_overlay_model_asan_LDADD = $(CMOCKA_LIBS) -lpthread
test_overlay_model_tsan_SOURCES = test-overlay-model.c $(overlay_engine)
test_overlay_model_tsan_CPPFLAGS = $(overlay_model_cppflags)
test_overlay_model_tsan_CFLAGS = $(TSAN_CFLAGS) $(CMOCKA_CFLAGS)
test_overlay_model_tsan_LDFLAGS = -fsanitize=thread
test_overlay_model_tsan_LDADD = $(CMOCKA_LIBS) -lpthread
endif

TESTS += \
	test-cow-cache-basic.sh \
	test-cow-cache-copy-on-read.sh \
	test-cow-cache-enospc.sh \
	test-cow-cache-evict.sh \
	test-cow-cache-exports.sh \
	test-cow-cache-extents.sh \
	test-cow-cache-faults.sh \
	test-cow-cache-lost-write.sh \
	test-cow-cache-memory.sh \
	test-cow-cache-persist.sh \
	test-cow-cache-punch.sh \
	test-cow-cache-retry.sh \
	test-cow-cache-sizes.sh \
	test-cow-cache-thread-models.sh \
	$(NULL)
