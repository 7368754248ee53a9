/* SPDX-License-Identifier: BSD-3-Clause */

/* A main function for fuzz targets: runs them on the files of the
 * directories given, and on short, cut and bit-flipped forms of each.
 * Prints TAP.  With clang, -fsanitize=fuzzer gives a better one.
 */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static unsigned inputs;

/* An own copy of the exact size, so that ASan sees reads past the end. */
static void
run (const uint8_t *data, size_t size)
{
  uint8_t *copy = malloc (size ? size : 1);

  if (copy == NULL)
    abort ();
  memcpy (copy, data, size);
  LLVMFuzzerTestOneInput (copy, size);
  free (copy);
  inputs++;
}

static void
run_mutated (uint8_t *data, size_t size)
{
  size_t i, step = size / 64 + 1;

  run (data, size);
  for (i = 0; i < size; i += step) {
    run (data, i);
    data[i] ^= 0x80;
    run (data, size);
    data[i] ^= 0x81;
    run (data, size);
    data[i] ^= 0x01;
  }
}

static int
run_file (const char *path)
{
  FILE *f = fopen (path, "rb");
  static uint8_t buf[1024 * 1024];
  size_t n;

  if (f == NULL) {
    perror (path);
    return -1;
  }
  n = fread (buf, 1, sizeof buf, f);
  fclose (f);
  run_mutated (buf, n);
  return 0;
}

int
main (int argc, char *argv[])
{
  int i, points = 0;

  for (i = 1; i < argc; ++i) {
    struct dirent **names;
    int n = scandir (argv[i], &names, NULL, alphasort), j;

    if (n == -1) {
      perror (argv[i]);
      return 1;
    }
    for (j = 0; j < n; ++j) {
      char path[4096];

      snprintf (path, sizeof path, "%s/%s", argv[i], names[j]->d_name);
      if (names[j]->d_name[0] != '.') {
        if (run_file (path) == -1)
          return 1;
        printf ("ok %d - %s\n", ++points, names[j]->d_name);
        fflush (stdout);
      }
      free (names[j]);
    }
    free (names);
  }
  printf ("1..%d\n# %u inputs\n", points, inputs);
  return points == 0;
}
