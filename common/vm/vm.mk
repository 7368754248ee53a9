# SPDX-License-Identifier: BSD-3-Clause
# struct vm as sources, for the tests and fuzz targets that compile it with
# sanitizers.
vm_sources = \
	../common/vm/members.c \
	../common/vm/vm.c \
	../common/vm/vm-json.c \
	$(NULL)
