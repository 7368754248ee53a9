/* SPDX-License-Identifier: BSD-3-Clause */

#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include "documents.h"
#include "v2v-utils.h"

int
documents_add (struct document_list *list, const char *name, char *data,
               size_t size)
{
  struct document *p;

  p = realloc (list->docs, (list->nr + 1) * sizeof *p);
  if (p == NULL) {
    free (data);
    return -1;
  }
  list->docs = p;
  p[list->nr].name = strdup (name);
  p[list->nr].data = data;
  p[list->nr].size = size;
  if (p[list->nr].name == NULL) {
    free (data);
    return -1;
  }
  list->nr++;
  return 0;
}

static bool
is_document_name (const char *name)
{
  static const char chars[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
  const size_t len = strlen (name);

  return len > 0 && len <= 64 && name[0] != '.' && name[0] != '-' &&
         strspn (name, chars) == len;
}

static int
load_one (struct document_list *list, int dirfd, const char *name)
{
  CLEANUP_CLOSE int fd = -1;
  struct stat st;
  char *data;
  size_t n = 0;

  fd = openat (dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd == -1)
    return errno == ELOOP ? 0 : -1;
  if (fstat (fd, &st) == -1)
    return -1;
  if (!S_ISREG (st.st_mode))
    return 0;
  if (st.st_size > DOCUMENT_MAX) {
    errno = EFBIG;
    return -1;
  }
  data = malloc ((size_t)st.st_size + 1);
  if (data == NULL)
    return -1;
  while (n < (size_t)st.st_size) {
    const ssize_t r = read (fd, data + n, (size_t)st.st_size - n);

    if (r == -1 && errno == EINTR)
      continue;
    if (r <= 0) {
      if (r == 0)
        errno = EIO;
      free (data);
      return -1;
    }
    n += (size_t)r;
  }
  data[n] = '\0';
  return documents_add (list, name, data, n);
}

int
documents_load (struct document_list *list, const char *dir)
{
  DIR *d = opendir (dir);
  const struct dirent *e;
  int r = 0, saved;

  if (d == NULL)
    return -1;
  while (r == 0 && (errno = 0, e = readdir (d)) != NULL) {
    if (is_document_name (e->d_name))
      r = load_one (list, dirfd (d), e->d_name);
  }
  if (r == 0 && errno != 0)
    r = -1;
  saved = errno;
  closedir (d);
  errno = saved;
  return r;
}

static int
save_one (const struct document *doc, int dirfd)
{
  CLEANUP_FREE char *tmp = NULL;
  int fd, saved;
  size_t n = 0;

  if (asprintf (&tmp, ".%s.%ld", doc->name, (long)getpid ()) == -1) {
    tmp = NULL;
    errno = ENOMEM;
    return -1;
  }
  fd = openat (dirfd, tmp,
               O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd == -1)
    return -1;
  while (n < doc->size) {
    const ssize_t r = write (fd, doc->data + n, doc->size - n);

    if (r == -1 && errno == EINTR)
      continue;
    if (r == -1)
      goto error;
    n += (size_t)r;
  }
  if (fsync (fd) == -1)
    goto error;
  if (close (fd) == -1) {
    fd = -1;
    goto error;
  }
  fd = -1;
  if (renameat (dirfd, tmp, dirfd, doc->name) == -1)
    goto error;
  return 0;

error:
  saved = errno;
  if (fd >= 0)
    close (fd);
  unlinkat (dirfd, tmp, 0);
  errno = saved;
  return -1;
}

int
documents_save (const struct document_list *list, const char *dir)
{
  CLEANUP_CLOSE int fd = -1;
  size_t i;

  fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd == -1)
    return -1;
  for (i = 0; i < list->nr; ++i) {
    if (save_one (&list->docs[i], fd) == -1)
      return -1;
  }
  return fsync (fd);
}

const struct document *
documents_find (const struct document_list *list, const char *name)
{
  size_t i;

  for (i = 0; i < list->nr; ++i) {
    if (strcmp (list->docs[i].name, name) == 0)
      return &list->docs[i];
  }
  return NULL;
}

void
documents_free (struct document_list *list)
{
  size_t i;

  for (i = 0; i < list->nr; ++i) {
    free (list->docs[i].name);
    free (list->docs[i].data);
  }
  free (list->docs);
  list->docs = NULL;
  list->nr = 0;
}
