/* SPDX-License-Identifier: BSD-3-Clause */

/* What a source document says: the machine, and where its disks are. */

#ifndef V2V_MACHINE_H
#define V2V_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diag.h"
#include "vm.h"

enum disk_ref_kind {
  REF_FILE,   /* a name that the container must confine */
  REF_PATH,   /* a path that the user's document gives */
  REF_BLANK,  /* an empty disk of CAPACITY bytes */
  REF_VOLUME, /* of the pool POOL of libvirt */
  REF_NBD,    /* an NBD URI */
  REF_HTTP,   /* an http or https URL */
  REF_SSH,    /* an ssh or sftp URL */
  REF_VDDK,   /* "[datastore] dir/file.vmdk" */
};

/* What virt-v2v's <checksum> asks for when the disk differs. */
enum checksum_fail {
  CHECKSUM_NONE = 0, /* it asks for nothing */
  CHECKSUM_ERROR,
  CHECKSUM_WARN,
  CHECKSUM_PRINT, /* what it is, and no comparison */
};

struct checksum {
  enum checksum_fail fail;
  char *method, *text; /* as they are written, or NULL */
  unsigned line;
};

struct disk_ref {
  enum disk_ref_kind kind;
  char *location;
  char *pool;
  char *format;        /* as image_format gives it; NULL = by name */
  bool block;          /* REF_PATH: a block device */
  bool gzip;           /* compressed as a whole */
  uint64_t chunk_size; /* > 0: LOCATION.000000000, ... */
  uint64_t capacity;   /* bytes; 0 = not known */
  unsigned line;       /* of the document, for messages */
  struct checksum checksum;
};

struct machine {
  struct vm *vm;
  struct disk_ref *refs; /* parallel to vm->disks */
  size_t nr_refs;
  char *datacenter, *moref; /* of VMware, from libvirt's XML */
};

/* All parsers return 0, or -1 with an error that names the line or key, and
 * leave something that machine_free can free.  FALLBACK is the name of a
 * machine that has none.
 */
extern int vmx_parse (const char *text, size_t len, const char *fallback,
                      struct machine *m, struct diag *d);
extern int ovf_parse (const char *text, size_t len, const char *fallback,
                      struct machine *m, struct diag *d);
extern int
domain_parse (const char *text, size_t len, struct machine *m, struct diag *d);

extern int machine_init (struct machine *m, struct diag *d);
extern void machine_free (struct machine *m);
/* One more disk and its reference; NULL with an error. */
extern struct vm_disk *
machine_add_disk (struct machine *m, struct disk_ref **ref, struct diag *d);

/* Helpers of the parsers.  Strings may be NULL where it says so. */

/* Replace *P by a copy of S without blanks around it (NULL if nothing is
 * left of it); invalid UTF-8 is an error that names WHAT.
 */
extern int
set_string (char **p, const char *s, const char *what, struct diag *d);
/* The same, and free S. */
extern int take_string (char **p, char *s, const char *what, struct diag *d);
/* "00:0C:29:..." in lower case into *P; NULL if it is no MAC or all zero. */
extern int set_mac (char **p, const char *s, struct diag *d);
/* Lower case copy. */
extern int
set_lower (char **p, const char *s, const char *what, struct diag *d);
/* 32 hexadecimal digits with any separators as a UUID, or false. */
extern bool uuid_text (const char *s, char r[37]);
/* A whole number, blanks around allowed, no sign. */
extern bool whole_number (const char *s, uint64_t *r);
/* sockets = vcpus / cores; warns and sets none if that is no whole number. */
extern void set_topology (struct vm *vm, uint64_t cores_per_socket,
                          const char *what, struct diag *d);

#endif /* V2V_MACHINE_H */
