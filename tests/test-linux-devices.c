/* SPDX-License-Identifier: BSD-3-Clause */

/* Device names: which disk a name means, and every file that is edited. */

#include <config.h>

#include "test-linux.h"

#include "devedit.h"
#include "devmap.h"
#include "v2v-utils.h"

struct part {
  unsigned disk, part;
  const char *uuid, *partuuid, *fstype;
};

static const struct part *table;
static char unknown_names[1024];

static int
identify (void *opaque, unsigned disk, unsigned part, bool want,
          struct devid *id)
{
  const struct part *p;

  (void) opaque;
  (void) want;
  for (p = table; p->fstype; p++)
    if (p->disk == disk && p->part == part) {
      snprintf (id->uuid, sizeof id->uuid, "%s", p->uuid);
      snprintf (id->partuuid, sizeof id->partuuid, "%s", p->partuuid);
      snprintf (id->fstype, sizeof id->fstype, "%s", p->fstype);
      return 1;
    }
  return 0;
}

static void
unknown (void *opaque, struct span name)
{
  const size_t n = strlen (unknown_names);

  (void) opaque;
  snprintf (unknown_names + n, sizeof unknown_names - n, "%.*s ",
            (int)name.n, name.p);
}

static const char *console = "ttyS0";

static struct devmap
make_map (const struct part *parts, unsigned nr_disks)
{
  struct devmap map = {
    .nr_disks = nr_disks, .root_disk = -1, .root_part = -1,
    .console = console, .identify = identify, .unknown = unknown,
  };

  table = parts;
  unknown_names[0] = '\0';
  return map;
}

/* One disk, as the Debian installer makes it. */
static const struct part one[] = {
  { 0, 0, "", "", "" },
  { 0, 1, "1111-root", "dddd-01", "ext4" },
  { 0, 2, "", "dddd-02", "" },
  { 0, 5, "5555-swap", "dddd-05", "swap" },
  { 0, 6, "6666-luks", "dddd-06", "crypto_LUKS" },
  { 0, 7, "", "dddd-07", "" },
  { 0, 0, NULL, NULL, NULL }
};

static void
edit_is (devedit_fn *fn, const char *in, const char *want)
{
  struct devmap map = make_map (one, 1);
  struct text out = TEXT_INIT, again = TEXT_INIT;

  map.root_disk = 0;
  map.root_part = 1;
  devmap_solve (&map, fn == edit_fstab ? span_of (in) : span_of (""));
  fn (span_of (in), &map, &out);
  same_text ("edited", &out, want);
  /* Invariant 3: edited text does not change when edited again. */
  fn ((struct span) { out.data ? out.data : "", out.len }, &map, &again);
  same_text ("edited twice", &again, want);
  text_free (&out);
  text_free (&again);
}

static void
test_names (void **state)
{
  static const struct { const char *s; int family; unsigned i, p; } good[] = {
    { "/dev/sda", DEV_SD, 0, 0 }, { "/dev/sda1", DEV_SD, 0, 1 },
    { "/dev/sdz15", DEV_SD, 25, 15 }, { "/dev/sdaa2", DEV_SD, 26, 2 },
    { "/dev/hdc3", DEV_HD, 2, 3 }, { "/dev/vdb", DEV_VD, 1, 0 },
    { "/dev/xvda2", DEV_XVD, 0, 2 }, { "/dev/xvde", DEV_XVD, 4, 0 },
    { "/dev/nvme0n1", DEV_NVME, 0, 0 },
    { "/dev/nvme1n1p3", DEV_NVME, 1, 3 },
    { "/dev/nvme0n2p1", DEV_NVME, 1, 1 },
    { "/dev/cciss/c0d1p2", DEV_CCISS, 1, 2 },
    { "/dev/disk/by-path/pci-0000:00:10.0-scsi-0:0:1:0-part3",
      DEV_PATH, 1, 3 },
    { "/dev/disk/by-path/pci-0000:00:10.0-scsi-0:0:8:0", DEV_PATH, 7, 0 },
    { "/dev/disk/by-path/pci-0000:02:01.0-ata-1-part2", DEV_PATH, 0, 2 },
    { "/dev/disk/by-id/scsi-36000c29ab-part1", DEV_ID, 0, 1 },
    { "/dev/disk/by-id/ata-VMware_Virtual_IDE_Hard_Drive_01", DEV_ID, 0, 0 },
    { "/dev/disk/by-id/wwn-0x6000c29-part12", DEV_ID, 0, 12 },
    { "/dev/mapper/mpatha", DEV_ID, 0, 0 },
    { "/dev/mapper/mpathb2", DEV_ID, 0, 2 },
    { "/dev/mapper/mpathap1", DEV_ID, 0, 1 },
    { "/dev/mapper/mpathaa-part3", DEV_ID, 0, 3 },
    { "/dev/mapper/36000c29aabbccddee0011_part1", DEV_ID, 0, 1 },
    { "/dev/mapper/36000c29aabbccddee0011p2", DEV_ID, 0, 2 },
    { "/dev/mapper/36000c29aabbccddee0011", DEV_ID, 0, 0 },
  };
  static const char *const bad[] = {
    "", "/dev/", "/dev/sd", "/dev/sda0", "/dev/sda1x", "/dev/sdA",
    "/dev/sda/1", "sda1", "/dev/sr0", "/dev/cdrom", "/dev/md0", "/dev/dm-0",
    "/dev/mapper/vg-root", "/dev/vg/root", "/dev/disk/by-uuid/1111",
    "/dev/disk/by-label/x", "/dev/disk/by-partuuid/x", "/dev/sdaaaa",
    "/dev/nvme0", "/dev/nvme0n1p", "/dev/nvme0n0", "/dev/cciss/c0",
    "/dev/disk/by-id/dm-uuid-LVM-x", "/dev/disk/by-id/md-uuid-x",
    "/dev/disk/by-id/lvm-pv-uuid-x",
    "/dev/disk/by-id/ata-VMware_Virtual_SATA_CDRW_Drive_CDROM",
    "/dev/disk/by-path/pci-0000:00:1a.0-usb-0:1:1.0-scsi-0:0:0:0-part1",
    "/dev/sda99999", "/dev/fd0", "/dev/disk/by-id/-part1",
    "UUID=abc", "LABEL=/", "/dev/sdab-part1",
    "/dev/mapper/", "/dev/mapper/mpath", "/dev/mapper/mpath1",
    "/dev/mapper/mpatha-root", "/dev/mapper/mpathabcde", "/dev/mapper/3",
    "/dev/mapper/36000-vg", "/dev/mapper/control", "/dev/mapper/mpatha0",
  };
  struct devname d;
  size_t i;

  (void) state;
  for (i = 0; i < V2V_ARRAY_SIZE (good); i++) {
    print_message ("# %s\n", good[i].s);
    assert_true (devname_parse (span_of (good[i].s), &d));
    assert_int_equal (d.family, good[i].family);
    assert_int_equal (d.index, good[i].i);
    assert_int_equal (d.part, good[i].p);
  }
  for (i = 0; i < V2V_ARRAY_SIZE (bad); i++) {
    print_message ("# not %s\n", bad[i]);
    assert_false (devname_parse (span_of (bad[i]), &d));
  }
}

static void
test_fstab (void **state)
{
  (void) state;
  /* Comments, tabs, order and the missing last newline stay. */
  edit_is (edit_fstab,
           "# /etc/fstab: /dev/sda1 was here\n"
           "/dev/sda1\t/\text4 errors=remount-ro\t0  1\n"
           "\n"
           "  /dev/sda5 none swap sw 0 0\n"
           "/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0\n"
           "proc /proc proc defaults 0 0\n"
           "UUID=1234 /home ext4 defaults 0 2 # /dev/sda1\n"
           "/dev/mapper/vg-x /x xfs defaults 0 0",
           "# /etc/fstab: /dev/sda1 was here\n"
           "UUID=1111-root\t/\text4 errors=remount-ro\t0  1\n"
           "\n"
           "  UUID=5555-swap none swap sw 0 0\n"
           "/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0\n"
           "proc /proc proc defaults 0 0\n"
           "UUID=1234 /home ext4 defaults 0 2 # /dev/sda1\n"
           "/dev/mapper/vg-x /x xfs defaults 0 0");
  /* Any family of names, one disk. */
  edit_is (edit_fstab, "/dev/hda1 / ext3 defaults 1 1\r\n",
           "UUID=1111-root / ext3 defaults 1 1\r\n");
  edit_is (edit_fstab, "/dev/xvda1 / ext4 defaults 1 1\n",
           "UUID=1111-root / ext4 defaults 1 1\n");
  edit_is (edit_fstab, "/dev/xvde1 / ext4 defaults 1 1\n",
           "UUID=1111-root / ext4 defaults 1 1\n");
  edit_is (edit_fstab, "/dev/nvme0n1p1 / ext4 defaults 1 1\n",
           "UUID=1111-root / ext4 defaults 1 1\n");
  edit_is (edit_fstab, "/dev/cciss/c0d0p1 / ext4 defaults 1 1\n",
           "UUID=1111-root / ext4 defaults 1 1\n");
  edit_is (edit_fstab,
           "/dev/disk/by-path/pci-0000:00:10.0-scsi-0:0:0:0-part1 / ext4 "
           "defaults 1 1\n", "UUID=1111-root / ext4 defaults 1 1\n");
  edit_is (edit_fstab,
           "/dev/disk/by-id/scsi-36000c29abc-part1 / ext4 defaults 1 1\n",
           "UUID=1111-root / ext4 defaults 1 1\n");
  /* No file system: the partition's own UUID. */
  edit_is (edit_fstab, "/dev/sda7 /raw none noauto 0 0\n",
           "PARTUUID=dddd-07 /raw none noauto 0 0\n");
  /* Options name devices too. */
  edit_is (edit_fstab,
           "UUID=1 /x xfs noatime,logdev=/dev/sda7,device=/dev/sda1 0 0\n",
           "UUID=1 /x xfs noatime,logdev=/dev/disk/by-partuuid/dddd-07,"
           "device=/dev/disk/by-partuuid/dddd-01 0 0\n");
  /* A CD-ROM that was hdc is no disk; a line of one word is no mount. */
  edit_is (edit_fstab, "/dev/hdc /mnt/cdrom udf,iso9660 noauto 0 0\n/dev/sda1",
           "/dev/hdc /mnt/cdrom udf,iso9660 noauto 0 0\n/dev/sda1");
  edit_is (edit_fstab, "", "");
}

static void
test_fstab_unknown (void **state)
{
  (void) state;
  /* A disk that is not there: as it was, and reported. */
  edit_is (edit_fstab, "/dev/sda1 / ext4 x 0 0\n/dev/sdb1 /b ext4 x 0 0\n",
           "UUID=1111-root / ext4 x 0 0\n/dev/sdb1 /b ext4 x 0 0\n");
  assert_non_null (strstr (unknown_names, "/dev/sdb1"));
  edit_is (edit_fstab, "/dev/sda9 /b ext4 x 0 0\n",
           "/dev/sda9 /b ext4 x 0 0\n");
  assert_non_null (strstr (unknown_names, "/dev/sda9"));
}

static void
test_crypttab (void **state)
{
  (void) state;
  edit_is (edit_crypttab,
           "# target source key options\n"
           "sda6_crypt /dev/sda6 none luks,discard\n"
           "swap\t/dev/sda7\t/dev/urandom\tswap,cipher=aes\n"
           "swap2 /dev/sda5 /dev/urandom swap\n"
           "x UUID=6666-luks /dev/sda1:/keys/x luks\n"
           "y /dev/md0 none\n",
           "# target source key options\n"
           "sda6_crypt UUID=6666-luks none luks,discard\n"
           "swap\t/dev/disk/by-partuuid/dddd-07\t/dev/urandom\t"
           "swap,cipher=aes\n"
           "swap2 /dev/disk/by-partuuid/dddd-05 /dev/urandom swap\n"
           "x UUID=6666-luks /dev/disk/by-uuid/1111-root:/keys/x luks\n"
           "y /dev/md0 none\n");
}

static void
test_grub_cfg (void **state)
{
  (void) state;
  edit_is (edit_bootconf,
           "# root=/dev/sda1\n"
           "set root='hd0,msdos1'\n"
           "  search --no-floppy --fs-uuid --set=root 1111-root\n"
           "menuentry 'Debian' {\n"
           "\tset root='hd0,msdos1'\n"
           "\tlinux\t/boot/vmlinuz-6.1 root=/dev/sda1 ro quiet "
           "resume=/dev/sda5 console=hvc0\n"
           "\tinitrd\t/boot/initrd.img-6.1\n"
           "}\n"
           "menuentry 'no initrd' {\n"
           "\tlinux16 /boot/vmlinuz root=/dev/sda1 ro\n"
           "}\n"
           "menuentry 'lvm' {\n"
           "\tlinuxefi /vmlinuz root=/dev/mapper/vg-root resume=UUID=5\n"
           "\tinitrdefi /initrd\n"
           "}\n"
           "set kernelopts=\"root=/dev/sda1 ro\"\n",
           "# root=/dev/sda1\n"
           "set root='hd0,msdos1'\n"
           "  search --no-floppy --fs-uuid --set=root 1111-root\n"
           "menuentry 'Debian' {\n"
           "\tset root='hd0,msdos1'\n"
           "\tlinux\t/boot/vmlinuz-6.1 root=UUID=1111-root ro quiet "
           "resume=UUID=5555-swap console=ttyS0\n"
           "\tinitrd\t/boot/initrd.img-6.1\n"
           "}\n"
           "menuentry 'no initrd' {\n"
           "\tlinux16 /boot/vmlinuz root=PARTUUID=dddd-01 ro\n"
           "}\n"
           "menuentry 'lvm' {\n"
           "\tlinuxefi /vmlinuz root=/dev/mapper/vg-root resume=UUID=5\n"
           "\tinitrdefi /initrd\n"
           "}\n"
           "set kernelopts=\"root=UUID=1111-root ro\"\n");
  /* GRUB legacy, with what steers Debian's update-grub in comments. */
  edit_is (edit_bootconf,
           "default 0\n# kopt=root=/dev/hda1 ro\n"
           "title Debian\nroot (hd0,0)\n"
           "kernel /boot/vmlinuz root=/dev/hda1 ro console=xvc0,9600\n"
           "initrd /boot/initrd\n",
           "default 0\n# kopt=root=UUID=1111-root ro\n"
           "title Debian\nroot (hd0,0)\n"
           "kernel /boot/vmlinuz root=UUID=1111-root ro "
           "console=ttyS0,9600\n"
           "initrd /boot/initrd\n");
  /* BLS: the order of the lines is free. */
  edit_is (edit_bootconf,
           "title X\nversion 1\nlinux /vmlinuz\n"
           "options root=/dev/sda1 ro $tuned_params\ninitrd /initrd\n",
           "title X\nversion 1\nlinux /vmlinuz\n"
           "options root=UUID=1111-root ro $tuned_params\ninitrd /initrd\n");
  edit_is (edit_bootconf,
           "title X\ninitrd /initrd\noptions root=/dev/sda1\n",
           "title X\ninitrd /initrd\noptions root=UUID=1111-root\n");
  /* extlinux, and Arch's encrypted root. */
  edit_is (edit_bootconf,
           "LABEL linux\n  LINUX /vmlinuz\n"
           "  APPEND root=/dev/sda1 initrd=/initrd\n",
           "LABEL linux\n  LINUX /vmlinuz\n"
           "  APPEND root=UUID=1111-root initrd=/initrd\n");
  edit_is (edit_bootconf,
           "options cryptdevice=/dev/sda6:root root=/dev/mapper/root\n"
           "initrd /initrd\n",
           "options cryptdevice=UUID=6666-luks:root root=/dev/mapper/root\n"
           "initrd /initrd\n");
}

static void
test_default_grub (void **state)
{
  (void) state;
  edit_is (edit_assignments,
           "GRUB_DEFAULT=0\n"
           "#GRUB_CMDLINE_LINUX=\"root=/dev/sda1\"\n"
           "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet console=hvc0 "
           "resume=/dev/sda5\"\n"
           "GRUB_CMDLINE_LINUX='root=/dev/sda1'\n"
           "export GRUB_CMDLINE_XEN=\"console=tty0 \\\n"
           " resume=/dev/sda5\"\n"
           "GRUB_DEVICE=/dev/sda1\n",
           "GRUB_DEFAULT=0\n"
           "#GRUB_CMDLINE_LINUX=\"root=/dev/sda1\"\n"
           "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet console=ttyS0 "
           "resume=UUID=5555-swap\"\n"
           "GRUB_CMDLINE_LINUX='root=UUID=1111-root'\n"
           "export GRUB_CMDLINE_XEN=\"console=tty0 \\\n"
           " resume=UUID=5555-swap\"\n"
           "GRUB_DEVICE=/dev/sda1\n");
  edit_is (edit_assignments, "boot=/dev/sda\nforcelba=0\n",
           "boot=/dev/vda\nforcelba=0\n");
  edit_is (edit_assignments, "kernel_cmdline=\"root=/dev/sda1\"\n",
           "kernel_cmdline=\"root=UUID=1111-root\"\n");
}

static void
test_cmdline (void **state)
{
  (void) state;
  edit_is (edit_cmdline, "root=/dev/sda1 ro quiet\n",
           "root=UUID=1111-root ro quiet\n");
  edit_is (edit_cmdline, "ro root=/dev/sda1", "ro root=UUID=1111-root");
  edit_is (edit_cmdline, "xroot=/dev/sda1 root=/dev/sda1x",
           "xroot=/dev/sda1 root=/dev/sda1x");
  edit_is (edit_cmdline, "console=hvc01 console=tty0\n",
           "console=hvc01 console=tty0\n");
}

static void
test_grubenv (void **state)
{
  char in[1025], want[1025];
  const char *a = "# GRUB Environment Block\nsaved_entry=x\n"
                  "kernelopts=root=/dev/sda1 ro \n";
  const char *b = "# GRUB Environment Block\nsaved_entry=x\n"
                  "kernelopts=root=UUID=1111-root ro \n";

  (void) state;
  memset (in, '#', 1024);
  memcpy (in, a, strlen (a));
  in[1024] = '\0';
  memset (want, '#', 1024);
  memcpy (want, b, strlen (b));
  want[1024] = '\0';
  edit_is (edit_grubenv, in, want);

  /* No room for it: nothing is changed, and it is said. */
  memset (in, 'x', 1024);
  memcpy (in, a, strlen (a));
  in[1023] = '\n';
  edit_is (edit_grubenv, in, in);
  assert_non_null (strstr (unknown_names, "grubenv"));
  /* Not a grubenv. */
  edit_is (edit_grubenv, "kernelopts=root=/dev/sda1\n",
           "kernelopts=root=/dev/sda1\n");
}

static void
test_other_files (void **state)
{
  (void) state;
  edit_is (edit_device_map,
           "# this device map was generated by anaconda\n"
           "(fd0)\t/dev/fd0\n(hd0)     /dev/sda\n",
           "# this device map was generated by anaconda\n"
           "(fd0)\t/dev/fd0\n(hd0)     /dev/vda\n");
  edit_is (edit_installdevice, "/dev/sda\n/dev/sda1\nactivate\ngeneric_mbr\n",
           "/dev/vda\n/dev/vda1\nactivate\ngeneric_mbr\n");
  edit_is (edit_mdadm_conf,
           "DEVICE /dev/sda1 /dev/sdb* containers\n"
           "ARRAY /dev/md0 UUID=1:2 devices=/dev/sda1,/dev/sdb1\n"
           "ARRAY /dev/md1 devices=/dev/sda7\n"
           "MAILADDR root\n",
           "DEVICE partitions containers\n"
           "ARRAY /dev/md0 UUID=1:2\n"
           "ARRAY /dev/md1 devices=/dev/disk/by-partuuid/dddd-07\n"
           "MAILADDR root\n");
  edit_is (edit_mdadm_conf, "DEVICE partitions containers\n",
           "DEVICE partitions containers\n");
  edit_is (edit_lvm_conf,
           "devices {\n"
           "    # filter = [ \"a|/dev/sda|\" ]\n"
           "    filter = [ \"a|^/dev/sda[0-9]*$|\", \"r|.*|\" ]\n"
           "    global_filter = [ \"a|/dev/nvme.*|\",\n"
           "        \"r/.*/\" ]  # /dev/sd\n"
           "    dir = \"/dev\"\n"
           "}\n",
           "devices {\n"
           "    # filter = [ \"a|/dev/sda|\" ]\n"
           "    filter = [ \"a|^/dev/sda[0-9]*$|\", "
           "\"a|^/dev/vda[0-9]*$|\", \"r|.*|\" ]\n"
           "    global_filter = [ \"a|/dev/nvme.*|\", "
           "\"a|^/dev/[sv]d.*|\",\n"
           "        \"r/.*/\" ]  # /dev/sd\n"
           "    dir = \"/dev\"\n"
           "}\n");
  /* Volumes on multipath devices, which the new machine has not. */
  edit_is (edit_lvm_conf,
           "global_filter = [ \"a|/dev/mapper/mpath.*|\", \"r|.*|\" ]\n",
           "global_filter = [ \"a|/dev/mapper/mpath.*|\", "
           "\"a|^/dev/[sv]d.*|\", \"r|.*|\" ]\n");
  edit_is (edit_resume_conf, "RESUME=/dev/sda5\n", "RESUME=UUID=5555-swap\n");
  edit_is (edit_resume_conf, "RESUME=\"/dev/sda5\"\n",
           "RESUME=\"UUID=5555-swap\"\n");
  edit_is (edit_resume_conf, "RESUME=none\n", "RESUME=none\n");
}

static void
test_add_resume (void **state)
{
  const char *in =
    "menuentry 'a' {\n\tlinux\t/vmlinuz root=UUID=1 ro \n\tinitrd /i\n}\n"
    "linux /vmlinuz root=UUID=1 resume=UUID=2\n"
    "linux /vmlinuz root=UUID=1 noresume\nlinux16 /memtest\n";
  const char *want =
    "menuentry 'a' {\n\tlinux\t/vmlinuz root=UUID=1 ro resume=UUID=5\n"
    "\tinitrd /i\n}\n"
    "linux /vmlinuz root=UUID=1 resume=UUID=2\n"
    "linux /vmlinuz root=UUID=1 noresume\nlinux16 /memtest\n";
  struct text out = TEXT_INIT, again = TEXT_INIT;

  (void) state;
  edit_add_resume (span_of (in), "UUID=5", &out);
  same_text ("resume", &out, want);
  edit_add_resume (span_of (want), "UUID=5", &again);
  same_text ("resume twice", &again, want);
  text_free (&out);
  text_free (&again);
}

static void
test_consoles (void **state)
{
  (void) state;
  edit_is (edit_inittab,
           "1:2345:respawn:/sbin/mingetty tty1\n"
           "co:2345:respawn:/sbin/agetty xvc0 9600 vt100-nav\n",
           "1:2345:respawn:/sbin/mingetty tty1\n"
           "co:2345:respawn:/sbin/agetty ttyS0 9600 vt100-nav\n");
  edit_is (edit_inittab,
           "s0:2345:respawn:/sbin/agetty ttyS0\n"
           "h0:2345:respawn:/sbin/agetty hvc0\n",
           "s0:2345:respawn:/sbin/agetty ttyS0\n"
           "#h0:2345:respawn:/sbin/agetty hvc0\n");
  edit_is (edit_securetty, "console\nxvc0\nhvc0\ntty1\n",
           "console\nttyS0\nhvc0\ntty1\n");

  console = "ttyAMA0";
  edit_is (edit_inittab, "co:2345:respawn:/sbin/agetty hvc0 9600\n",
           "co:2345:respawn:/sbin/agetty ttyAMA0 9600\n");
  edit_is (edit_securetty, "xvc0\n", "ttyAMA0\n");
  edit_is (edit_cmdline, "console=tty0 console=hvc0,9600 quiet\n",
           "console=tty0 console=ttyAMA0,9600 quiet\n");

  console = NULL;
  edit_is (edit_inittab, "co:2345:respawn:/sbin/agetty hvc0 9600\n",
           "co:2345:respawn:/sbin/agetty hvc0 9600\n");
  edit_is (edit_securetty, "hvc0\n", "hvc0\n");
  edit_is (edit_cmdline, "console=hvc0 quiet\n", "console=hvc0 quiet\n");
  console = "ttyS0";
}

/* Two disks that the description gives in the other order than the guest
 * saw them.
 */
static const struct part two[] = {
  { 0, 0, "", "", "" }, { 1, 0, "", "", "" },
  { 0, 1, "data", "d-1", "xfs" },
  { 1, 1, "boot", "b-1", "ext4" },
  { 1, 2, "root", "b-2", "ext4" },
  { 0, 0, NULL, NULL, NULL }
};

static void
fstab_is (struct devmap *map, const char *in, const char *want)
{
  struct text out = TEXT_INIT;

  devmap_solve (map, span_of (in));
  edit_fstab (span_of (in), map, &out);
  same_text ("fstab", &out, want);
  text_free (&out);
}

static void
test_order_by_evidence (void **state)
{
  struct devmap map = make_map (two, 2);

  (void) state;
  map.root_disk = 1;
  map.root_part = 2;
  fstab_is (&map,
            "/dev/sda2 / ext4 x 0 0\n/dev/sda1 /boot ext4 x 0 0\n"
            "/dev/sdb1 /data xfs x 0 0\n",
            "UUID=root / ext4 x 0 0\nUUID=boot /boot ext4 x 0 0\n"
            "UUID=data /data xfs x 0 0\n");
}

static void
test_order_per_bus (void **state)
{
  struct devmap map = make_map (two, 2);

  (void) state;
  /* nvme0n1 and sda are both number 0, each of its own bus. */
  map.bus[0] = DEVBUS_SCSI;
  map.bus[1] = DEVBUS_NVME;
  fstab_is (&map,
            "/dev/nvme0n1p2 / ext4 x 0 0\n/dev/sda1 /data xfs x 0 0\n",
            "UUID=root / ext4 x 0 0\nUUID=data /data xfs x 0 0\n");
}

static const struct part twins[] = {
  { 0, 0, "", "", "" }, { 1, 0, "", "", "" },
  { 2, 0, "", "", "" }, { 2, 1, "os", "o-1", "ext4" },
  { 0, 1, "one", "1-1", "xfs" }, { 1, 1, "two", "2-1", "xfs" },
  { 0, 0, NULL, NULL, NULL }
};

static void
test_order_ambiguous (void **state)
{
  struct devmap map = make_map (twins, 3);
  const char *in = "/dev/sda1 / ext4 x 0 0\n/dev/sdb1 /b xfs x 0 0\n"
                   "/dev/sdc1 /c xfs x 0 0\n";

  (void) state;
  /* "/" is on the third disk, and which of the others is sdb cannot be
   * told: nothing is guessed.
   */
  map.root_disk = 2;
  map.root_part = 1;
  fstab_is (&map, in, in);
  assert_non_null (strstr (unknown_names, "/dev/sdb1"));
}

static void
test_order_by_path (void **state)
{
  struct devmap map = make_map (two, 2);
  const char *in =
    "/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:1:0-part1 /data xfs x 0 0\n";

  (void) state;
  /* Without proof that targets are ranks, nothing is guessed. */
  fstab_is (&map, in, in);
  map = make_map (two, 2);
  map.root_disk = 1;
  map.root_part = 2;
  fstab_is (&map,
            "/dev/disk/by-path/pci-0-scsi-0:0:1:0-part2 / ext4 x 0 0\n"
            "/dev/disk/by-path/pci-0-scsi-0:0:0:0-part1 /data xfs x 0 0\n",
            "UUID=root / ext4 x 0 0\nUUID=data /data xfs x 0 0\n");
}

/* Names by id, and of multipath, with several disks: serial numbers, the
 * line for "/", and elimination where all disks are named.
 */
static void
test_order_by_id (void **state)
{
  struct devmap map = make_map (two, 2);
  const char *in =
    "/dev/disk/by-id/scsi-36000c29aaaa0001-part1 /data xfs x 0 0\n";

  (void) state;
  /* One of two disks: perhaps of a disk that was left behind. */
  fstab_is (&map, in, in);
  assert_non_null (strstr (unknown_names, "/dev/disk/by-id/scsi-"));

  map = make_map (two, 2);
  map.serial[0] = "6000C29A-AAA0001";
  map.serial[1] = "6000C29B-BBB0002";
  fstab_is (&map, in, "UUID=data /data xfs x 0 0\n");

  /* Both: only one way fits. */
  map = make_map (two, 2);
  map.root_disk = 1;
  map.root_part = 2;
  fstab_is (&map,
            "/dev/disk/by-id/scsi-3b-part2 / ext4 x 0 0\n"
            "/dev/disk/by-id/scsi-3b-part1 /boot ext4 x 0 0\n"
            "/dev/disk/by-id/wwn-0xa-part1 /data xfs x 0 0\n",
            "UUID=root / ext4 x 0 0\nUUID=boot /boot ext4 x 0 0\n"
            "/dev/disk/by-id/wwn-0xa-part1 /data xfs x 0 0\n");
  map = make_map (two, 2);
  fstab_is (&map,
            "/dev/mapper/mpathb2 /x ext4 x 0 0\n"
            "/dev/mapper/mpatha1 /data xfs x 0 0\n",
            "UUID=root /x ext4 x 0 0\nUUID=data /data xfs x 0 0\n");
  map = make_map (twins, 3);
  fstab_is (&map,
            "/dev/mapper/mpatha1 /a ext4 x 0 0\n"
            "/dev/mapper/mpathb1 /b xfs x 0 0\n"
            "/dev/mapper/mpathc1 /c xfs x 0 0\n",
            "/dev/mapper/mpatha1 /a ext4 x 0 0\n"
            "/dev/mapper/mpathb1 /b xfs x 0 0\n"
            "/dev/mapper/mpathc1 /c xfs x 0 0\n");
}

static void
test_multipath_aliases (void **state)
{
  struct devmap map = make_map (one, 1);
  struct text aliases = TEXT_INIT;

  (void) state;
  multipath_aliases (span_of (
    "multipaths {\n  multipath {\n    wwid 36000c29\n    alias osdisk\n  }\n"
    "  multipath {\n    alias \"lun7\"\n    # alias no\n    alias ../x\n"
    "  }\n}\n"), false, &aliases);
  multipath_aliases (span_of ("# Multipath bindings\nmpatha 36000c29\n"
                              "fast 36000c30\n"), true, &aliases);
  same_text ("aliases", &aliases, "osdisk\nlun7\nmpatha\nfast\n");
  map.aliases = (struct span) { aliases.data, aliases.len };
  map.root_disk = 0;
  map.root_part = 1;
  fstab_is (&map,
            "/dev/mapper/osdisk1 / ext4 x 0 0\n"
            "/dev/mapper/lun7p5 none swap x 0 0\n"
            "/dev/mapper/fast-part5 none swap x 0 0\n"
            "/dev/mapper/lun75 /no ext4 x 0 0\n"
            "/dev/mapper/vg-root /lv ext4 x 0 0\n",
            "UUID=1111-root / ext4 x 0 0\n"
            "UUID=5555-swap none swap x 0 0\n"
            "UUID=5555-swap none swap x 0 0\n"
            "/dev/mapper/lun75 /no ext4 x 0 0\n"
            "/dev/mapper/vg-root /lv ext4 x 0 0\n");
  text_free (&aliases);
}

static void
test_hostile_uuid (void **state)
{
  static const struct part evil[] = {
    { 0, 0, "", "", "" },
    { 0, 1, "a b\nc", "d;e", "ext4" },
    { 0, 0, NULL, NULL, NULL }
  };
  struct devmap map = make_map (evil, 1);

  (void) state;
  /* What would break out of a field is not used. */
  fstab_is (&map, "/dev/sda1 / ext4 x 0 0\n", "/dev/vda1 / ext4 x 0 0\n");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_names),
    cmocka_unit_test (test_fstab),
    cmocka_unit_test (test_fstab_unknown),
    cmocka_unit_test (test_crypttab),
    cmocka_unit_test (test_grub_cfg),
    cmocka_unit_test (test_default_grub),
    cmocka_unit_test (test_cmdline),
    cmocka_unit_test (test_grubenv),
    cmocka_unit_test (test_other_files),
    cmocka_unit_test (test_add_resume),
    cmocka_unit_test (test_consoles),
    cmocka_unit_test (test_order_by_evidence),
    cmocka_unit_test (test_order_per_bus),
    cmocka_unit_test (test_order_ambiguous),
    cmocka_unit_test (test_order_by_path),
    cmocka_unit_test (test_order_by_id),
    cmocka_unit_test (test_multipath_aliases),
    cmocka_unit_test (test_hostile_uuid),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
