/* SPDX-License-Identifier: BSD-3-Clause */

/* The program without its main(), so that tests can link it with another
 * conversion.
 */

#ifndef V2V_RUN_H
#define V2V_RUN_H

/* The exit status: 0 = converted, 1 = failed, 2 = wrong command line. */
extern int run_helper (int argc, char *argv[]);

#endif /* V2V_RUN_H */
