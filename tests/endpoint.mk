# SPDX-License-Identifier: BSD-3-Clause
# The private endpoint: under ASan and UBSan, and under TSan.
endpoint_sources = \
	test-endpoint.c \
	../common/endpoint/connection.c \
	../common/endpoint/connection.h \
	../common/endpoint/endpoint.c \
	../common/endpoint/endpoint.h \
	../common/endpoint/handshake.c \
	../common/endpoint/transmission.c
endpoint_cppflags = \
	$(AM_CPPFLAGS) -I$(top_srcdir)/common/endpoint

check_PROGRAMS += test-endpoint-asan test-endpoint-tsan
TESTS += test-endpoint-asan test-endpoint-tsan

test_endpoint_asan_SOURCES = $(endpoint_sources)
test_endpoint_asan_CPPFLAGS = $(endpoint_cppflags)
test_endpoint_asan_CFLAGS = $(ASAN_CFLAGS) $(CMOCKA_CFLAGS) $(LIBNBD_CFLAGS)
test_endpoint_asan_LDADD = $(CMOCKA_LIBS) $(LIBNBD_LIBS) -lpthread

test_endpoint_tsan_SOURCES = $(endpoint_sources)
test_endpoint_tsan_CPPFLAGS = $(endpoint_cppflags)
test_endpoint_tsan_CFLAGS = $(TSAN_CFLAGS) $(CMOCKA_CFLAGS) $(LIBNBD_CFLAGS)
test_endpoint_tsan_LDADD = $(CMOCKA_LIBS) $(LIBNBD_LIBS) -lpthread
