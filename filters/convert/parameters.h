/* SPDX-License-Identifier: BSD-3-Clause */

/* The parameters of the filter, and the callbacks that set them. */

#ifndef V2V_PARAMETERS_H
#define V2V_PARAMETERS_H

#include <stdbool.h>

#include <nbdkit-filter.h>

#include "conversion.h"

/* Complete after convert_get_ready, constant until convert_unload. */
extern struct convert_config convert_parameters;
/* v2v-start=server: do not wait for a client. */
extern bool convert_start_with_server;

extern int convert_config (nbdkit_next_config *next, nbdkit_backend *nxdata,
                           const char *key, const char *value);
extern int convert_config_complete (nbdkit_next_config_complete *next,
                                    nbdkit_backend *nxdata);
extern int convert_get_ready (int thread_model);
extern void convert_unload (void);

/* clang-format off */
#define convert_config_help \
  "v2v-bridge=[FROM:]TO        Where NICs on a bridge go (repeatable).\n" \
  "v2v-disk=NAME               Export that is a disk of the guest (repeatable).\n" \
  "v2v-firstboot=SCRIPT        Run it when the guest boots first (repeatable).\n" \
  "v2v-guest-agent=no|FILE     Do not install QEMU's guest agent, or from FILE.\n" \
  "v2v-helper=PATH             Path of v2v-convert-helper.\n" \
  "v2v-key=ID:key:.. | ID:file:..  Key of an encrypted volume (repeatable).\n" \
  "v2v-mac=MAC:network|bridge:TO  Where one NIC goes (repeatable).\n" \
  "v2v-memsize=MB, v2v-smp=N   Size of the appliance.\n" \
  "v2v-metadata-dir=DIR        Write the documents into this directory, too.\n" \
  "v2v-name=NAME               Name of the converted machine.\n" \
  "v2v-network=[FROM:]TO       Where NICs on a network go (repeatable).\n" \
  "v2v-output-dir=DIR          Where the documents say that the disks are.\n" \
  "v2v-output-pool=POOL        libvirt's pool, whose directory that is.\n" \
  "v2v-output-format=raw|qcow2, v2v-output-allocation=sparse|preallocated\n" \
  "v2v-quiet=yes               No progress lines on stderr.\n" \
  "v2v-rebuild-initrd=yes      Allow the guest's own initrd tool to run.\n" \
  "v2v-remove-tools=no         Leave the tools of the old hypervisor alone.\n" \
  "v2v-root=first|single|DEV   Which system of a multi-boot guest.\n" \
  "v2v-start=client|server     When the conversion starts.\n" \
  "v2v-step-timeout=SECS       Limit of silence of the helper.\n" \
  "v2v-timeout=SECS            Limit of the whole conversion.\n" \
  "v2v-tmpdir=DIR              Where the overlay and temporary files are.\n" \
  "v2v-trim=no                 Copy what nothing in the guest uses, too.\n" \
  "v2v-upload=FILE:PATH        Put a file into the guest (repeatable)."
/* clang-format on */

#endif /* V2V_PARAMETERS_H */
