/* SPDX-License-Identifier: BSD-3-Clause */

/* The kinds of source, for the table in source.c. */

#ifndef V2V_SOURCE_KINDS_H
#define V2V_SOURCE_KINDS_H

#include "source.h"

/* Fill in S from FILE, a path, URI or name.  0, or -1 with an error. */
typedef int source_fn (struct source *s, const struct source_options *opts,
                       const char *file, struct diag *d);
extern source_fn source_disks; /* all of opts->files */
extern source_fn source_vmx;
extern source_fn source_ova;     /* a directory or an archive */
extern source_fn source_ovf;     /* the .ovf, its directory is the package */
extern source_fn source_xml;     /* of libvirt */
extern source_fn source_libvirt; /* a domain's name or UUID */

#endif /* V2V_SOURCE_KINDS_H */
