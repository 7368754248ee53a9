/* SPDX-License-Identifier: BSD-3-Clause */

/* The /sbin/init of the guests of test-initrd-boot*.sh: statically linked,
 * says on the console where / came from and whether the kernel is content
 * with the modules that were loaded, and switches off.
 */

#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <unistd.h>

int
main (void)
{
  char line[1024], device[256] = "?", dir[256], tainted[32] = "?";
  FILE *f;

  /* It may be mounted already. */
  mount ("proc", "/proc", "proc", 0, NULL);
  f = fopen ("/proc/mounts", "r");
  if (f) {
    while (fgets (line, sizeof line, f)) {
      char d[256];

      if (sscanf (line, "%255s %255s", d, dir) == 2 &&
          strcmp (dir, "/") == 0 && strncmp (d, "/dev/", 5) == 0)
        strcpy (device, d);
    }
    fclose (f);
  }
  f = fopen ("/proc/sys/kernel/tainted", "r");
  if (f) {
    if (fgets (tainted, sizeof tainted, f))
      tainted[strcspn (tainted, "\n")] = '\0';
    fclose (f);
  }
  printf ("\nV2V-TEST root %s tainted %s\n", device, tainted);
  fflush (stdout);
  sync ();
  reboot (RB_POWER_OFF);
  return 0;
}
