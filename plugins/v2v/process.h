/* SPDX-License-Identifier: BSD-3-Clause */

/* Processes that we start, watch, and take with us when we end. */

#ifndef V2V_PROCESS_H
#define V2V_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_LINE 512

/* The owner fills in the first part, zeroes the rest, and keeps it until
 * after process_remove.
 */
struct process {
  char *name; /* in messages */
  char **argv, **envp;
  char *listen_pid; /* in envp: where the process writes its id; or NULL */
  int *fds;         /* become 4, 5, ...; has room for nr_fds + 1 more */
  size_t nr_fds;
  int *rewind_fds; /* of these: positioned at 0 before a start */
  size_t nr_rewind_fds;
  uint64_t memory; /* RLIMIT_AS, bytes, and no writing of files; 0 = neither */

  /* Under the supervisor's lock. */
  pid_t pid; /* 0 = not running */
  int err_fd;
  char line[PROCESS_LINE], last[PROCESS_LINE];
  size_t line_len;
  int listen_fd; /* of a start that is asked for */
  bool start, started;
  int start_errno;
  struct process *next;
};

/* The thread that starts processes and reads what they print.  Must be
 * called after nbdkit has forked, or stopped before.  LOG gets each line that
 * a process prints, and may be called from that thread.  0, or -1 and errno.
 */
extern int supervisor_start (void (*log) (const char *message));
/* Kill all processes and end the thread.  Idempotent. */
extern void supervisor_stop (void);
/* Sleep.  False if the supervisor was told to stop. */
extern bool supervisor_sleep (unsigned ms);

extern void process_add (struct process *p);
/* Ends it. */
extern void process_remove (struct process *p);
/* Start it with LISTEN_FD as descriptor 3.  It must not be running.  0, or -1
 * and errno.
 */
extern int process_start (struct process *p, int listen_fd);
/* Kill it, if it runs. */
extern void process_end (struct process *p);
/* It was started, and not ended by us since. */
extern bool process_started (struct process *p);
/* The last line that it printed; "" if none.  The caller frees. */
extern char *process_last_words (struct process *p);

#endif /* V2V_PROCESS_H */
