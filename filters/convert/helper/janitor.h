/* SPDX-License-Identifier: BSD-3-Clause */

/* A small process that removes directories when we are gone, however we
 * went.  Needed because libguestfs, when it runs as root, keeps its sockets
 * in /tmp whatever it is told, and a program that is killed outright
 * removes nothing.
 */

#ifndef V2V_JANITOR_H
#define V2V_JANITOR_H

#include <sys/types.h>

/* Start it; call before there are threads.  Return 0 or -1 with errno. */
extern int janitor_start (void);

/* Have DIR (absolute) removed with all that is in it once this process has
 * ended or janitor_end is called.  Any thread.
 */
extern void janitor_add (const char *dir);

/* Have it remove everything now, and wait until it has. */
extern void janitor_end (void);

/* Its process, 0 = none. */
extern pid_t janitor_pid (void);

/* Remove DIR and what is in it; nothing on other file systems. */
extern void remove_tree (const char *dir);

#endif /* V2V_JANITOR_H */
