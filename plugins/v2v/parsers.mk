# SPDX-License-Identifier: BSD-3-Clause
# What reads documents and images, without any server: the tests and fuzz
# targets compile it again, with sanitizers.  They are one directory below
# the top.
v2v_parsers = \
	../plugins/v2v/blob.c \
	../plugins/v2v/container.c \
	../plugins/v2v/container-archive.c \
	../plugins/v2v/container-copy.c \
	../plugins/v2v/container-dir.c \
	../plugins/v2v/diag.c \
	../plugins/v2v/domain.c \
	../plugins/v2v/domain-disk.c \
	../plugins/v2v/image.c \
	../plugins/v2v/image-common.c \
	../plugins/v2v/image-format.c \
	../plugins/v2v/image-qcow2.c \
	../plugins/v2v/image-vdi.c \
	../plugins/v2v/image-vhd.c \
	../plugins/v2v/image-vmdk.c \
	../plugins/v2v/machine.c \
	../plugins/v2v/ovf.c \
	../plugins/v2v/ovf-disk.c \
	../plugins/v2v/ovf-items.c \
	../plugins/v2v/plan.c \
	../plugins/v2v/units.c \
	../plugins/v2v/url.c \
	../plugins/v2v/vmdk.c \
	../plugins/v2v/vmx.c \
	../plugins/v2v/vmx-keys.c \
	../plugins/v2v/xml.c
