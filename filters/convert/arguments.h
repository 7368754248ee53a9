/* SPDX-License-Identifier: BSD-3-Clause */

/* The command line of v2v-convert-helper for one conversion. */

#ifndef V2V_ARGUMENTS_H
#define V2V_ARGUMENTS_H

#include "conversion.h"

/* The arguments, NULL-ended, allocated.  What must not be seen in a list
 * of processes, and the description of the source (NULL if there is none),
 * is written into files of WORKDIR.  SOCKET is the endpoint's, OUTDIR gets
 * the documents.  NULL with errno on error.
 */
extern char **helper_arguments (const struct convert_config *config,
                                const char *workdir, const char *outdir,
                                const char *socket, const char *source_json);
extern void helper_arguments_free (char **argv);

#endif /* V2V_ARGUMENTS_H */
