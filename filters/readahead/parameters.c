/* SPDX-License-Identifier: BSD-3-Clause */

/* The parameters of the filter. */

#include <config.h>

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "filter.h"

struct parameters parameters = { .memory = UINT64_C (64) << 20 };

const char parameters_help[] =
  "v2v-readahead-memory=SIZE       Limit of all buffers (default 64M).\n"
  "v2v-readahead-connections=N     Most requests at a time (default 8, or\n"
  "                                4 if each needs its own connection).\n"
  "v2v-readahead-max-request=SIZE  Longest request of the source.";

static int
parse_bytes (const char *key, const char *value, uint64_t min, uint64_t max,
             uint64_t *ret)
{
  int64_t r = nbdkit_parse_size (value);

  if (r == -1)
    return -1;
  if ((uint64_t)r < min || (uint64_t)r > max) {
    nbdkit_error ("%s=%s: must be between %" PRIu64 " and %" PRIu64 " bytes",
                  key, value, min, max);
    return -1;
  }
  *ret = r;
  return 1;
}

int
parameters_config (const char *key, const char *value)
{
  uint64_t n;

  if (strcmp (key, "v2v-readahead-memory") == 0)
    return parse_bytes (key, value, 256 << 10, UINT64_C (1) << 40,
                        &parameters.memory);

  if (strcmp (key, "v2v-readahead-max-request") == 0) {
    if (parse_bytes (key, value, 4096, 64 << 20, &n) == -1)
      return -1;
    if (n & (n - 1)) {
      nbdkit_error ("%s=%s: must be a power of two", key, value);
      return -1;
    }
    parameters.max_request = n;
    return 1;
  }

  if (strcmp (key, "v2v-readahead-connections") == 0) {
    if (nbdkit_parse_unsigned (key, value, &parameters.connections) == -1)
      return -1;
    if (parameters.connections < 1 ||
        parameters.connections > MAX_CONNECTIONS) {
      nbdkit_error ("%s=%s: must be between 1 and %d", key, value,
                    MAX_CONNECTIONS);
      return -1;
    }
    return 1;
  }
  return 0;
}
