/* SPDX-License-Identifier: BSD-3-Clause */

/* Supervision of v2v-convert-helper.
 *
 * The helper parses hostile file systems and forks QEMU, so nothing that
 * it does may hurt the server: it runs in a process group of its own
 * with a pipe on fd 3, and whatever happens the group is killed at the
 * end, before its leader is reaped (so that the group's number cannot
 * have been given to somebody else).
 *
 * To stop it: SIGTERM to the group, and SIGKILL KILL_AFTER later.
 * Together with the polling interval that is well below the 2 seconds in
 * which nbdkit is to end.
 *
 * The protocol (v2v-convert-helper(1)): one JSON object per line.  Lines
 * longer than MAX_LINE and lines that are not JSON are reported once and
 * skipped; the outcome only depends on the final "result" and the exit
 * status, which must agree.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <json-c/json.h>

#include "supervisor.h"
#include "v2v-utils.h"

#define PROGRESS_FD 3
#define MAX_LINE (256 * 1024)
#define POLL_MS 100
#define KILL_AFTER 1.0 /* seconds */

extern char **environ;

struct run {
  const struct supervisor_options *opts;
  pid_t pid;
  int fd;     /* read end, non-blocking */
  char *line; /* MAX_LINE bytes */
  size_t len;
  bool skipping; /* the line is too long */
  bool complained;
  double last_line; /* when the last line came */
  char step[64];    /* the step that it is in */
  /* First error, and the final result. */
  char *error_code, *error_message;
  int status; /* -1 none, 0 failed, 1 ok */
};

static double
now (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static const char *
get_string (json_object *o, const char *key)
{
  json_object *v;

  if (!json_object_object_get_ex (o, key, &v) ||
      !json_object_is_type (v, json_type_string))
    return "";
  return json_object_get_string (v);
}

static double
get_number (json_object *o, const char *key)
{
  json_object *v;

  return json_object_object_get_ex (o, key, &v) ? json_object_get_double (v)
                                                : 0;
}

static void
keep_error (struct run *run, const char *code, const char *message)
{
  if (run->error_code != NULL)
    return;
  run->error_code = strdup (*code ? code : "conversion-failed");
  run->error_message = strdup (*message ? message : "the conversion failed");
}

static void
send_event (struct run *run, const struct helper_event *ev)
{
  if (run->opts->event)
    run->opts->event (run->opts->opaque, ev);
}

static void
complain (struct run *run)
{
  const struct helper_event ev = {
    .type = HELPER_WARNING,
    .name = "",
    .code = "helper-protocol",
    .message = "the conversion helper sent a line that is not understood",
  };

  if (!run->complained)
    send_event (run, &ev);
  run->complained = true;
}

static void
handle_line (struct run *run, const char *line)
{
  json_object *o = json_tokener_parse (line);
  const char *type;
  struct helper_event ev = { .name = "", .code = "", .message = "" };

  run->last_line = now ();
  if (!json_object_is_type (o, json_type_object)) {
    complain (run);
    json_object_put (o);
    return;
  }
  type = get_string (o, "type");
  ev.code = get_string (o, "code");
  ev.message = get_string (o, "message");

  if (strcmp (type, "step") == 0) {
    ev.type = strcmp (get_string (o, "event"), "end") == 0 ? HELPER_STEP_END
                                                           : HELPER_STEP;
    ev.name = get_string (o, "name");
    ev.message = get_string (o, "text");
    if (ev.type == HELPER_STEP)
      snprintf (run->step, sizeof run->step, "%s", ev.name);
  }
  else if (strcmp (type, "progress") == 0) {
    ev.type = HELPER_PROGRESS;
    ev.done = get_number (o, "done");
    ev.total = get_number (o, "total");
  }
  else if (strcmp (type, "info") == 0)
    ev.type = HELPER_INFO;
  else if (strcmp (type, "warning") == 0)
    ev.type = HELPER_WARNING;
  else if (strcmp (type, "error") == 0) {
    ev.type = HELPER_ERROR;
    keep_error (run, ev.code, ev.message);
  }
  else if (strcmp (type, "result") == 0) {
    run->status = strcmp (get_string (o, "status"), "ok") == 0;
    if (!run->status)
      keep_error (run, ev.code, ev.message);
    json_object_put (o);
    return;
  }
  else {
    complain (run);
    json_object_put (o);
    return;
  }
  send_event (run, &ev);
  json_object_put (o);
}

static void
handle_bytes (struct run *run, const char *buf, size_t n)
{
  size_t i;

  for (i = 0; i < n; ++i) {
    if (buf[i] == '\n') {
      run->line[run->len] = '\0';
      if (run->skipping)
        complain (run);
      else if (run->len > 0)
        handle_line (run, run->line);
      run->len = 0;
      run->skipping = false;
    }
    else if (run->len < MAX_LINE - 1)
      run->line[run->len++] = buf[i];
    else
      run->skipping = true;
  }
}

/* Read what is there.  False at end of file. */
static bool
read_lines (struct run *run)
{
  char buf[4096];

  for (;;) {
    ssize_t r = read (run->fd, buf, sizeof buf);

    if (r > 0)
      handle_bytes (run, buf, (size_t)r);
    else if (r == -1 && errno == EINTR)
      continue;
    else
      return r == -1 && errno == EAGAIN;
  }
}

/* The environment with TMPDIR replaced; only the array is allocated,
 * besides the one new string, which is returned too.
 */
static char **
make_environ (const char *tmpdir, char **new_string)
{
  size_t n = 0, i, j = 0;
  char **env;

  while (environ[n])
    n++;
  env = calloc (n + 2, sizeof *env);
  if (env == NULL)
    return NULL;
  for (i = 0; i < n; ++i) {
    if (strncmp (environ[i], "TMPDIR=", 7) != 0)
      env[j++] = environ[i];
  }
  if (asprintf (new_string, "TMPDIR=%s", tmpdir) == -1) {
    *new_string = NULL;
    free (env);
    return NULL;
  }
  env[j] = *new_string;
  return env;
}

/* In the child, after fork from a threaded process: only async-signal-
 * safe calls.
 */
static void __attribute__ ((noreturn))
exec_helper (const struct supervisor_options *opts, char **env, int fd,
             pid_t parent)
{
  const struct rlimit no_core = { 0, 0 };
  struct sigaction sa = { .sa_handler = SIG_DFL };
  sigset_t none;
  int i, null;

  setpgid (0, 0);
  for (i = 1; i < NSIG; ++i)
    sigaction (i, &sa, NULL);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  prctl (PR_SET_PDEATHSIG, SIGTERM);
  if (getppid () != parent)
    _exit (126);
  setrlimit (RLIMIT_CORE, &no_core);

  if (fd == PROGRESS_FD)
    fcntl (fd, F_SETFD, 0);
  else
    dup2 (fd, PROGRESS_FD);
  null = open ("/dev/null", O_RDONLY);
  if (null >= 0)
    dup2 (null, STDIN_FILENO);
  dup2 (STDERR_FILENO, STDOUT_FILENO);
  close_range (PROGRESS_FD + 1, ~0U, 0);
  execve (opts->argv[0], opts->argv, env);
  _exit (127);
}

/* Has the helper ended?  It stays a zombie, which holds its number. */
static bool
has_ended (pid_t pid)
{
  siginfo_t info = { .si_pid = 0 };

  return waitid (P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == -1 ||
         info.si_pid == pid;
}

static void
set_result (struct supervisor_result *result, const char *code, const char *fmt,
            ...) __attribute__ ((format (printf, 3, 4)));

static void
set_result (struct supervisor_result *result, const char *code, const char *fmt,
            ...)
{
  va_list args;

  if (result->code != NULL)
    return;
  result->code = strdup (code);
  va_start (args, fmt);
  if (vasprintf (&result->message, fmt, args) == -1)
    result->message = NULL;
  va_end (args);
}

/* Kill the group and collect the leader.  Returns its wait status. */
static int
finish (pid_t pid)
{
  int status = 0;
  siginfo_t info;

  while (waitid (P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == -1 &&
         errno == EINTR)
    ;
  kill (-pid, SIGKILL);
  while (waitpid (pid, &status, 0) == -1 && errno == EINTR)
    ;
  return status;
}

static void
watch (struct run *run, struct supervisor_result *result)
{
  const struct supervisor_options *opts = run->opts;
  const double start = now ();
  double term_sent = 0;
  bool eof = false;

  run->last_line = start;
  while (!has_ended (run->pid)) {
    struct pollfd pfd = { .fd = eof ? -1 : run->fd, .events = POLLIN };
    double t;

    poll (&pfd, 1, POLL_MS);
    if (!eof && pfd.revents)
      eof = !read_lines (run);

    t = now ();
    if (term_sent == 0) {
      if (opts->should_stop && opts->should_stop (opts->opaque))
        set_result (result, "interrupted",
                    "the conversion was interrupted because the server ends");
      else if (opts->timeout && t - start > opts->timeout)
        set_result (result, "conversion-timeout",
                    "the conversion took longer than v2v-timeout=%u seconds "
                    "(in step \"%s\")",
                    opts->timeout, run->step);
      else if (opts->step_timeout && t - run->last_line > opts->step_timeout)
        set_result (result, "step-timeout",
                    "nothing was heard from the conversion helper for "
                    "v2v-step-timeout=%u seconds (in step \"%s\")",
                    opts->step_timeout, run->step);
      if (result->code) {
        kill (-run->pid, SIGTERM);
        term_sent = t;
      }
    }
    else if (t - term_sent > KILL_AFTER)
      kill (-run->pid, SIGKILL);
  }
  if (!eof)
    read_lines (run);
}

void
supervisor_run (const struct supervisor_options *opts,
                struct supervisor_result *result)
{
  struct run run = { .opts = opts, .pid = -1, .fd = -1, .status = -1 };
  CLEANUP_FREE char *tmpdir_string = NULL;
  char **env = NULL;
  int fds[2] = { -1, -1 }, status;
  const pid_t parent = getpid ();

  memset (result, 0, sizeof *result);
  snprintf (run.step, sizeof run.step, "start");
  run.line = malloc (MAX_LINE);
  env = make_environ (opts->tmpdir, &tmpdir_string);
  if (run.line == NULL || env == NULL || pipe2 (fds, O_CLOEXEC) == -1 ||
      fcntl (fds[0], F_SETFL, O_NONBLOCK) == -1) {
    set_result (result, "helper-start-failed",
                "cannot start the conversion helper: %m");
    goto out;
  }

  run.fd = fds[0];
  run.pid = fork ();
  if (run.pid == -1) {
    set_result (result, "helper-start-failed",
                "cannot start the conversion helper: fork: %m");
    goto out;
  }
  if (run.pid == 0)
    exec_helper (opts, env, fds[1], parent);
  setpgid (run.pid, run.pid); /* whichever of the two is first */
  close (fds[1]);
  fds[1] = -1;

  watch (&run, result);
  status = finish (run.pid);

  if (result->code != NULL)
    ; /* we ended it and said why */
  else if (WIFSIGNALED (status))
    set_result (result, "helper-died",
                "the conversion helper was killed by signal %d (%s) in step "
                "\"%s\"",
                WTERMSIG (status), strsignal (WTERMSIG (status)), run.step);
  else if (WEXITSTATUS (status) == 127 && run.status == -1)
    set_result (result, "helper-start-failed",
                "cannot run the conversion helper %s: check that it is "
                "installed, or give its path with v2v-helper=PATH",
                opts->argv[0]);
  else if (run.error_code != NULL)
    set_result (result, run.error_code, "%s", run.error_message);
  else if (run.status != 1 || WEXITSTATUS (status) != 0)
    set_result (result, "helper-died",
                "the conversion helper ended without a result in step \"%s\" "
                "(exit status %d)",
                run.step, WEXITSTATUS (status));
  else
    result->ok = true;

out:
  if (fds[0] >= 0)
    close (fds[0]);
  if (fds[1] >= 0)
    close (fds[1]);
  free (run.line);
  free (run.error_code);
  free (run.error_message);
  free (env);
}

void
supervisor_result_free (struct supervisor_result *result)
{
  free (result->code);
  free (result->message);
  memset (result, 0, sizeof *result);
}
