/* SPDX-License-Identifier: BSD-3-Clause */

/* Small edits of configuration files. */

#include <config.h>

#include "test-linux.h"

#include "confedit.h"

static char *const drivers[] = { (char *)"virtio_pci", (char *)"virtio_blk",
                                 NULL };

static void
lines_are (const char *in, const char *want)
{
  struct text out = TEXT_INIT, again = TEXT_INIT;

  edit_add_lines (span_of (in), "# why", drivers, &out);
  same_text ("lines", &out, want);
  edit_add_lines ((struct span) { out.data, out.len }, "# why", drivers,
                  &again);
  same_text ("lines twice", &again, want);
  text_free (&out);
  text_free (&again);
}

static void
test_add_lines (void **state)
{
  (void) state;
  lines_are ("# modules\n", "# modules\n# why\nvirtio_pci\nvirtio_blk\n");
  lines_are ("virtio_blk\nx", "virtio_blk\nx\n# why\nvirtio_pci\n");
  lines_are ("", "# why\nvirtio_pci\nvirtio_blk\n");
}

static void
words_are (const char *name, const char *in, const char *want)
{
  struct text out = TEXT_INIT, again = TEXT_INIT;

  edit_add_words (span_of (in), name, drivers, &out);
  same_text (name, &out, want);
  edit_add_words ((struct span) { out.data ? out.data : "", out.len }, name,
                  drivers, &again);
  same_text ("words twice", &again, want);
  text_free (&out);
  text_free (&again);
}

static void
test_add_words (void **state)
{
  (void) state;
  words_are ("INITRD_MODULES", "INITRD_MODULES=\"ata_piix virtio_blk\"\n",
             "INITRD_MODULES=\"ata_piix virtio_blk virtio_pci\"\n");
  words_are ("MODULES", "# MODULES=()\nMODULES=()\nHOOKS=(base udev)\n",
             "# MODULES=()\nMODULES=(virtio_pci virtio_blk)\n"
             "HOOKS=(base udev)\n");
  words_are ("MODULES", "MODULES=(ext4\n  xfs\n)\n",
             "MODULES=(ext4\n  xfs\nvirtio_pci virtio_blk)\n");
  words_are ("MODULES", "MODULES=\"x\"\n",
             "MODULES=\"x virtio_pci virtio_blk\"\n");
  /* Nothing of that name, an unquoted value, an open end: as it was. */
  words_are ("MODULES", "XMODULES=\"\"\n", "XMODULES=\"\"\n");
  words_are ("MODULES", "MODULES=most\n", "MODULES=most\n");
  words_are ("MODULES", "MODULES=\"x\n", "MODULES=\"x\n");
  words_are ("MODULES", "", "");
}

static void
edit_is (void (*fn) (struct span, struct text *), const char *in,
         const char *want)
{
  struct text out = TEXT_INIT, again = TEXT_INIT;

  fn (span_of (in), &out);
  same_text ("edited", &out, want);
  fn ((struct span) { out.data ? out.data : "", out.len }, &again);
  same_text ("edited twice", &again, want);
  text_free (&out);
  text_free (&again);
}

static void
test_suse_modules (void **state)
{
  (void) state;
  edit_is (edit_suse_modules,
           "# INITRD_MODULES=\"xennet\"\n"
           "INITRD_MODULES=\"xenblk ata_piix  xen-vbd ahci xennet\" # old\n"
           "DOMU_INITRD_MODULES=\"xennet xenblk\"\n",
           "# INITRD_MODULES=\"xennet\"\n"
           "INITRD_MODULES=\"ata_piix ahci\" # old\n"
           "DOMU_INITRD_MODULES=\"xennet xenblk\"\n");
  edit_is (edit_suse_modules, "INITRD_MODULES=\"xenblk\"",
           "INITRD_MODULES=\"\"");
  edit_is (edit_suse_modules, "INITRD_MODULES=\"xenblk\n",
           "INITRD_MODULES=\"xenblk\n");
  edit_is (edit_suse_modules, "INITRD_MODULES=\"a  b\"\n",
           "INITRD_MODULES=\"a  b\"\n");
}

static void
test_modprobe (void **state)
{
  (void) state;
  edit_is (edit_modprobe,
           "alias eth0 vmxnet3\nalias eth1 tg3\n"
           "alias scsi_hostadapter mptbase\n"
           "alias scsi_hostadapter1 mptspi\n"
           "alias scsi_hostadapter2 ata_piix\n"
           "blacklist virtio_blk\nblacklist pcspkr\n",
           "alias eth0 virtio_net\nalias eth1 tg3\n"
           "alias scsi_hostadapter virtio_blk\n"
           "alias scsi_hostadapter1 mptspi\n"
           "alias scsi_hostadapter2 ata_piix\n"
           "#blacklist virtio_blk\nblacklist pcspkr\n");
}

static void
test_xorg (void **state)
{
  (void) state;
  edit_is (edit_xorg,
           "Section \"InputDevice\"\n\tDriver \"vmware\"\nEndSection\n"
           "Section \"Device\"\n\tDriver      \"vmware\"  # x\n"
           "EndSection\nSection \"Device\"\n Driver \"nvidia\"\n"
           "EndSection\n",
           "Section \"InputDevice\"\n\tDriver \"vmware\"\nEndSection\n"
           "Section \"Device\"\n\tDriver      \"modesetting\"  # x\n"
           "EndSection\nSection \"Device\"\n Driver \"nvidia\"\n"
           "EndSection\n");
}

static void
test_repositories (void **state)
{
  (void) state;
  edit_is (edit_repo,
           "[vmw]\nname=x\nbaseurl=http://packages.vmware.com/tools\n"
           "enabled = 1\n"
           "[base]\nbaseurl=http://mirror.example.com/vmware.com/\n"
           "enabled=1\n"
           "[vmw2]\nbaseurl=https://packages.vmware.com/x\n",
           "[vmw]\nname=x\nbaseurl=http://packages.vmware.com/tools\n"
           "enabled =0\n"
           "[base]\nbaseurl=http://mirror.example.com/vmware.com/\n"
           "enabled=1\n"
           "[vmw2]\nenabled=0\nbaseurl=https://packages.vmware.com/x\n");
  edit_is (edit_sources_list,
           "deb http://packages.vmware.com/u x main\n"
           "deb http://deb.example.org/debian bookworm main\n"
           "deb http://notvmware.com/u x main\n",
           "# deb http://packages.vmware.com/u x main\n"
           "deb http://deb.example.org/debian bookworm main\n"
           "deb http://notvmware.com/u x main\n");
}

static void
test_repositories_more (void **state)
{
  (void) state;
  /* Only the key "enabled" itself, and lists of mirrors too. */
  edit_is (edit_repo,
           "[vmw]\nmirrorlist = https://packages.vmware.com/list\n"
           "enabled_metadata=1\nenabled=1\n"
           "[other]\n#baseurl=https://packages.vmware.com/x\nenabled=1\n",
           "[vmw]\nmirrorlist = https://packages.vmware.com/list\n"
           "enabled_metadata=1\nenabled=0\n"
           "[other]\n#baseurl=https://packages.vmware.com/x\nenabled=1\n");
  edit_is (edit_deb822,
           "Types: deb\nURIs: https://packages.vmware.com/tools\nSuites: x\n\n"
           "Types: deb\nURIs: https://deb.example.org/vmware.com\n\n"
           "Enabled: no\nURIs: http://packages.vmware.com/\n",
           "Enabled: no\n"
           "Types: deb\nURIs: https://packages.vmware.com/tools\nSuites: x\n\n"
           "Types: deb\nURIs: https://deb.example.org/vmware.com\n\n"
           "Enabled: no\nURIs: http://packages.vmware.com/\n");
}

static void
test_shared_folders (void **state)
{
  (void) state;
  /* systemd would wait for them, and go to emergency mode. */
  edit_is (edit_shared_folders,
           "UUID=1 / ext4 defaults 0 1\n"
           ".host:/ /mnt/hgfs\tfuse.vmhgfs-fuse  defaults,allow_other\t0 0\n"
           "share /srv vboxsf uid=0,nofail 0 0\n"
           "share /srv2 prl_fs\n"
           "# .host:/ /mnt vmhgfs defaults 0 0\n"
           ".host:/x /mnt/x vmhgfs defaults,noauto 0 0",
           "UUID=1 / ext4 defaults 0 1\n"
           ".host:/ /mnt/hgfs\tfuse.vmhgfs-fuse  defaults,allow_other,noauto"
           "\t0 0\n"
           "share /srv vboxsf uid=0,nofail 0 0\n"
           "share /srv2 prl_fs noauto\n"
           "# .host:/ /mnt vmhgfs defaults 0 0\n"
           ".host:/x /mnt/x vmhgfs defaults,noauto 0 0");
}

static void
test_inittab_gettys (void **state)
{
  (void) state;
  /* Citrix's tools turn the gettys into comments; all of them come back,
   * though the first comment is no getty.
   */
  edit_is (edit_inittab_gettys,
           "# Run gettys in standard runlevels\n"
           "#1:2345:respawn:/sbin/mingetty tty1\n"
           "# 2:2345:respawn:/sbin/mingetty tty2\n"
           "co:2345:respawn:/sbin/agetty hvc0\n",
           "# Run gettys in standard runlevels\n"
           "1:2345:respawn:/sbin/mingetty tty1\n"
           "2:2345:respawn:/sbin/mingetty tty2\n"
           "co:2345:respawn:/sbin/agetty hvc0\n");
}

static void
test_depend_start (void **state)
{
  const char *in = "TARGETS = rsyslog ssh\nINTERACTIVE = x\n";
  const char *want = "TARGETS = rsyslog ssh v2v\nINTERACTIVE = x\n";
  struct text out = TEXT_INIT, again = TEXT_INIT;

  (void) state;
  edit_depend_start (span_of (in), "v2v", &out);
  same_text ("depend", &out, want);
  edit_depend_start (span_of (want), "v2v", &again);
  same_text ("depend twice", &again, want);
  text_free (&out);
  text_free (&again);
}

static void
test_shell_var (void **state)
{
  const char *in = "ID=debian\nNAME=\"De Bian\"\nID='x'\nID_LIKE=y\n";
  char *s;

  (void) state;
  s = text_shell_var (in, strlen (in), "ID");
  assert_string_equal (s, "x");
  free (s);
  s = text_shell_var (in, strlen (in), "NAME");
  assert_string_equal (s, "De Bian");
  free (s);
  assert_null (text_shell_var (in, strlen (in), "NONE"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_add_lines),
    cmocka_unit_test (test_add_words),
    cmocka_unit_test (test_suse_modules),
    cmocka_unit_test (test_modprobe),
    cmocka_unit_test (test_xorg),
    cmocka_unit_test (test_repositories),
    cmocka_unit_test (test_repositories_more),
    cmocka_unit_test (test_shared_folders),
    cmocka_unit_test (test_inittab_gettys),
    cmocka_unit_test (test_depend_start),
    cmocka_unit_test (test_shell_var),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
