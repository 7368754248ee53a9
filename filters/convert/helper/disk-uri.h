/* SPDX-License-Identifier: BSD-3-Clause */

/* The NBD URIs by which the helper is told its disks. */

#ifndef V2V_DISK_URI_H
#define V2V_DISK_URI_H

/* As libguestfs takes them. */
struct disk_uri {
  char *server; /* "unix:/path", "host:port" */
  char *export;
};

/* nbd+unix:///NAME?socket=PATH or nbd://host[:port]/NAME.  Return 0, or -1
 * with *why static.
 */
extern int
disk_uri_parse (const char *text, struct disk_uri *out, const char **why);
extern void disk_uri_free (struct disk_uri *uri);

#endif /* V2V_DISK_URI_H */
