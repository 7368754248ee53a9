/* SPDX-License-Identifier: BSD-3-Clause */

/* The parameters of the plugin. */

#ifndef V2V_PARAMETERS_H
#define V2V_PARAMETERS_H

#include "source.h"

/* nbdkit's .config and .config_complete. */
extern int parameters_set (const char *key, const char *value);
extern int parameters_complete (void);
/* Valid until parameters_free. */
extern const struct source_options *parameters_get (void);
extern void parameters_free (void);

#define PARAMETERS_HELP \
  "[file=]<FILE>...    (required) Disk images, OVA, OVF, VMX, libvirt XML.\n" \
  "input=disk|vmx|ova|ovf|libvirt-xml|libvirt  What FILE is.\n" \
  "format=raw|qcow2|vmdk|vdi|vhd|vhdx  Format of all disks.\n" \
  "name=<NAME>         Name of the machine.\n" \
  "allow-backing=true  Read images that depend on others.\n" \
  "allow-dir=<DIR>     Files may also be there (may be repeated).\n" \
  "verify=false        Do not check manifests and checksums.\n" \
  "tmpdir=<DIR>        Where archives are unpacked.\n" \
  "unpack-limit=<SIZE> Refuse to unpack more.\n" \
  "timeout=<SECONDS>   A server that takes longer for a request is replaced.\n" \
  "libvirt-uri=<URI>   Where input=libvirt finds the domain.\n" \
  "user=, password=+<FILE>, cookie=+<FILE>, cookie-script=, server=,\n" \
  "known-hosts=, identity=, cainfo=, sslverify=, vddk-libdir=, ...\n" \
  "                    Disks on other hosts: see nbdkit-v2v-plugin(1)."

#endif /* V2V_PARAMETERS_H */
