/* SPDX-License-Identifier: BSD-3-Clause */

/* v2v-copy: see v2v-copy.c for how the parts work together. */

#ifndef V2V_COPY_H
#define V2V_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/types.h>

/* Exit status, also in v2v-copy(1). */
enum {
  EXIT_OK = 0,
  EXIT_USAGE = 1,
  EXIT_SOURCE = 2,  /* the source cannot be opened or read */
  EXIT_CONVERT = 3, /* the conversion failed */
  EXIT_COPY = 4,    /* copying or checking failed */
  EXIT_OUTPUT = 5,  /* the target cannot be written */
  EXIT_INTERRUPTED = 130,
};

/* options.c */

struct strings {
  char **v; /* NULL-terminated once not empty */
  size_t n;
};
/* A copy of S is appended.  Exits when out of memory: so do x-functions. */
extern void strings_add (struct strings *l, const char *s);
extern void strings_addf (struct strings *l, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));
extern void strings_free (struct strings *l);
extern char *xstrdup (const char *s);
extern char *
xasprintf (const char *fmt, ...) __attribute__ ((format (printf, 1, 2)));
extern void *xrealloc (void *p, size_t n);

struct options {
  const char *source, *target; /* target "-" = standard output */
  const char *pool;            /* of libvirt, if the target is one, or NULL */
  const char *documents;       /* directory; NULL = none are written */
  const char *connect;         /* URI of libvirt, NULL = virsh's own */
  const char *plugin;          /* NULL = by the source */
  const char *name, *export;
  struct strings params;        /* for nbdkit, after those of ours */
  struct strings target_params; /* "network=..." and so on */
  struct strings filters;       /* below v2v-convert */
  bool convert, readahead, define;
  bool qcow2, preallocated, force, dry_run, json, quiet, verbose;
  unsigned jobs;
};
/* Exits on a mistake, --help and --version. */
extern void options_parse (struct options *o, int argc, char *argv[]);

/* show.c: what the user sees.  People get lines on standard error, and a
 * bar if that is a terminal; --json gets one object a line on standard
 * output (standard error if the target is "-").
 */
extern void show_init (const struct options *o);
extern void show_command (char *const argv[]);
/* A file that a command reads, as a command that writes it. */
extern void show_file (const char *path, const char *text);
extern void
show_message (const char *fmt, ...) __attribute__ ((format (printf, 1, 2)));
extern void show_error (const char *code, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));
/* A line from the standard error of a program that we run. */
extern void show_child_line (const char *line);
/* PERCENT of all disks together, 0 to 100. */
extern void show_progress (double percent, uint64_t total);
extern void show_progress_end (void);
struct json_object;
/* Takes OBJ over.  Nothing without --json. */
extern void show_json (const char *event, struct json_object *obj);
/* The last error that a child reported with a code, or NULL. */
extern const char *show_last_code (void);
extern bool show_first_error (void); /* no error was shown so far */

/* child.c: programs that we run.  Everything is called by one thread. */

struct child {
  pid_t pid;        /* 0 = not running */
  const char *what; /* "nbdcopy" */
  bool ended;
  int status; /* of waitpid, once ended */
};
extern int children_init (void);
/* Standard input is /dev/null; standard output OUT_FD or, if that is -1,
 * the pipe that also gets standard error.  PASS_FD, unless -1, is
 * inherited under its number.  The child gets a process group of its own
 * (so that Ctrl-C reaches only us) and dies with us.  0 or -1 (shown).
 */
extern int child_start (struct child *c, const char *what, char *const argv[],
                        int out_fd, int pass_fd);
extern bool child_ok (const struct child *c);
/* Ask it to end; after five seconds no longer ask. */
extern void child_stop (struct child *c);
/* Wait for whatever comes first, at most TIMEOUT ms: signals, lines of
 * children (shown), ends of children, or one of the N fds of FDS becoming
 * readable (READY[i] is set).  Return false if we were told to end.
 */
extern bool children_wait (struct child *const *children, size_t nr_children,
                           const int *fds, bool *ready, size_t n, int timeout);
extern bool interrupted (void);
/* Run a program to its end; *OUT is what it wrote to standard output
 * (always allocated).  Return 0, EXIT_INTERRUPTED if we were told to end,
 * or EXIT_OUTPUT if it failed (its message was shown).  Unless HEED, or
 * once we were told to end (it cleans up), it runs on for a minute at most.
 */
extern int
child_run (const char *what, char *const argv[], bool heed, char **out);

/* pool.c: libvirt, through virsh. */

struct pool {
  char *path; /* directory on this host */
};
/* These return 0 or an exit status (shown). */

/* The pool O->pool, which must be active and writable from here. */
extern int pool_open (struct pool *pool, const struct options *o);
extern void pool_close (struct pool *pool);
/* Make an empty volume of SIZE bytes, sparse; PATH is in the pool. */
struct session;
extern int
pool_create (const struct session *h, const char *path, uint64_t size);
extern void pool_delete (const struct options *o, const char *path);
/* libvirt has no machine of this name (as the source has it), or with this
 * UUID unless it is NULL, so far.
 */
extern int
domain_check (const struct options *o, const char *name, const char *uuid);
extern int domain_define (const struct options *o, const char *xml);

/* One run of the program: what its parts share. */
struct session {
  struct options opt;
  char *tmpdir; /* private, 0700: all sockets are there */
  char *socket; /* the server's */
  struct pool pool;
  struct child server;
};

/* held.c: the files that the server reads. */

struct held {
  struct {
    dev_t dev;
    ino_t ino;
  } * v;
  size_t n;
};
/* Add what SERVER and its children have open now. */
extern void held_add (struct held *h, pid_t server);
/* PATH exists and is one of them, whatever its name. */
extern bool held_has (const struct held *h, const char *path);
extern void held_clear (struct held *h);

/* survey.c: what the server offers. */

struct document {
  char *name; /* without "v2v/" */
  char *data;
  size_t size;
};
struct survey {
  char *socket;
  pid_t server;
  /* Results. */
  char **exports; /* of disks, in order */
  uint64_t *sizes;
  size_t nr_disks;
  struct document *docs;
  size_t nr_docs;
  struct held held; /* open while the disks were */
  char *error;
};
/* Blocks until the conversion is done; runs in a thread of its own.
 * S->error tells if it failed.
 */
extern void survey_run (struct survey *s);
extern void survey_clear (struct survey *s);
extern const struct document *
survey_document (const struct survey *s, const char *name);
/* The URI of an export. */
extern char *survey_uri (const char *socket, const char *export);

/* outputs.c: files of the target. */

struct disk {
  const char *export;
  uint64_t size;
  char *path; /* final name */
  char *part; /* "PATH.part" while it is incomplete; a volume: PATH */
  bool created;
  struct child copy, qemu;
  char *qemu_socket;
  int progress_fd; /* -1 = none */
  double percent;
  char line[64];
  size_t line_len;
  bool started, done;
};
struct outputs {
  struct disk *disks;
  size_t nr_disks;
  char *name;          /* of the machine, as its source has it */
  char *base;          /* stem of names */
  struct strings docs; /* documents that were written */
};
/* Choose names; refuse what exists.  0 or an exit status (shown). */
extern int outputs_plan (struct outputs *out, const struct session *h,
                         const struct survey *s);
/* Make room for a disk. */
extern int outputs_create (struct disk *d, const struct session *h);
/* The file has the size that it must have. */
extern int outputs_check (struct disk *d, const struct options *o);
/* Everything is there: give all files their names, write documents. */
extern int outputs_finish (struct outputs *out, const struct options *o,
                           const struct survey *s);
/* The path of the document NAME ("domain.xml"), if it was written. */
extern const char *outputs_document (const struct outputs *out,
                                     const struct options *o, const char *name);
/* Remove what is incomplete. */
extern void outputs_discard (struct outputs *out, const struct options *o);
extern void outputs_clear (struct outputs *out);

/* place.c: files get their final names, all or none.  Begin with all 0. */

struct places {
  struct {
    char *part, *path;
    bool exchanged; /* PATH existed, and is now called PART */
  } * v;
  size_t n;
};
/* Call PART, which is ours, PATH.  A regular file of that name is kept
 * until the end if REPLACE; else it is an error that something is there.
 * 0 or an exit status (shown).
 */
extern int
place (struct places *p, const char *part, const char *path, bool replace);
/* Take everything back, or make it final.  Both free P. */
extern void place_undo (struct places *p);
extern void place_done (struct places *p);

/* server.c: nbdkit.  Both return 0 or an exit status (shown). */
#define TICK 50 /* ms between looks at a file that a child will make */

/* Start it, and return once it listens on H->socket. */
extern int server_start (struct session *h);
/* Run the survey, which waits for the conversion. */
extern int server_survey (struct session *h, struct survey *s);

/* transfer.c: nbdcopy and qemu-nbd. */
#define MAX_RUNNING 32

/* Copy all disks, H->opt.jobs at once.  Return 0 or an exit status (shown);
 * then some may still run.
 */
extern int transfer (struct session *h, struct outputs *out);
extern void transfer_stop (struct outputs *out);

#endif /* V2V_COPY_H */
