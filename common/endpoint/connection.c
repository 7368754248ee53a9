/* SPDX-License-Identifier: BSD-3-Clause */

/* Whole messages on the socket of a connection, and the endpoint's log. */

#include <config.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <sys/socket.h>

#include "connection.h"

void
endpoint_message (struct endpoint *ep, const char *fmt, ...)
{
  char msg[256];
  va_list args;

  if (ep->log == NULL)
    return;
  va_start (args, fmt);
  vsnprintf (msg, sizeof msg, fmt, args);
  va_end (args);
  ep->log (ep->log_opaque, msg);
}

int
connection_recv (int fd, void *buf, size_t len)
{
  char *p = buf;

  while (len > 0) {
    ssize_t r = recv (fd, p, len, 0);

    if (r == -1 && errno == EINTR)
      continue;
    if (r <= 0)
      return -1;
    p += r;
    len -= (size_t)r;
  }
  return 0;
}

int
connection_send (int fd, const void *buf, size_t len, int flags)
{
  const char *p = buf;

  while (len > 0) {
    ssize_t r = send (fd, p, len, flags | MSG_NOSIGNAL);

    if (r == -1 && errno == EINTR)
      continue;
    if (r <= 0)
      return -1;
    p += r;
    len -= (size_t)r;
  }
  return 0;
}
