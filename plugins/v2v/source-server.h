/* SPDX-License-Identifier: BSD-3-Clause */

/* Files on other hosts, each as a disk that a server of ours serves as it is.
 * All return NULL with an error.  Nothing is started.  NR_CONNECTIONS: 1, or 2
 * if an image's driver is to stand on it.
 */

#ifndef V2V_SOURCE_SERVER_H
#define V2V_SOURCE_SERVER_H

#include "source.h"
#include "url.h"

/* PATH on the host of U. */
extern struct disk *
server_ssh (struct source *s, const struct source_options *opts,
            const struct url *u, const char *path, unsigned nr_connections,
            struct diag *d);
/* An http or https URL. */
extern struct disk *
server_curl (struct source *s, const struct source_options *opts,
             const char *url, unsigned nr_connections, bool no_proxy,
             struct diag *d);
extern struct disk *
server_nbd (const struct source_options *opts, const char *uri,
            unsigned nr_connections, struct diag *d);
/* "[datastore] dir/name.vmdk" of the machine s->machine. */
extern struct disk *
server_vddk (struct source *s, const struct source_options *opts,
             const char *location, struct diag *d);

#endif /* V2V_SOURCE_SERVER_H */
