/* SPDX-License-Identifier: BSD-3-Clause */

/* The helper's parsers of what a guest or the appliance says: devices,
 * fstab, release files, keys, the kernel.
 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "devices.h"
#include "fstab.h"
#include "identity.h"
#include "kernel.h"
#include "keys.h"
#include "vm.h"

/* Two disks that the appliance's kernel numbered the other way round, its
 * own disk between them; LVM, LUKS, an array of two members.
 */
static const char scan[] =
    "disk sda 2:0:1:0 4194304\n"
    "part sda sda1 1 2048 409600\n"
    "part sda sda2 2 411648 3000000\n"
    "disk sdb 2:0:2:0 8388608\n"
    "disk sdc 2:0:0:0 2097152\n"
    "part sdc sdc1 1 2048 1000000\n"
    "part sdc sdc5 5 1004048 900000\n"
    "dm dm-0 my--vg-root LVM-"
    "abcdefghijklmnopqrstuvwxyz012345ABCDEFGHIJKLMNOPQRSTUVWXYZ012345\n"
    "dm dm-1 luks-aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb "
    "CRYPT-LUKS2-aaaaaaaa111122223333bbbbbbbbbbbb-luks-x\n"
    "dm dm-2 my--vg-thin_tdata LVM-"
    "abcdefghijklmnopqrstuvwxyz012345ABCDEFGHIJKLMNOPQRSTUVWXYZ012346-tdata\n"
    "md md127\n"
    "mdlink md-uuid-11111111:22222222:33333333:44444444 ../../md127\n"
    "mdname host:0 ../md127\n"
    "blkid\n"
    "DEVNAME=/dev/sda1\n"
    "UUID=c1\n"
    "TYPE=ext4\n"
    "USAGE=filesystem\n"
    "LABEL=my\\ boot\n"
    "PART_ENTRY_UUID=AAAA-01\n"
    "PART_ENTRY_NAME=boot\\x20part\n"
    "\n"
    "DEVNAME=/dev/sda2\n"
    "UUID=aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb\n"
    "TYPE=crypto_LUKS\n"
    "USAGE=crypto\n"
    "\n"
    "DEVNAME=/dev/sdb\n"
    "UUID=of-the-appliance\n"
    "\n"
    "DEVNAME=/dev/sdc5\n"
    "UUID=11111111-2222-3333-4444-555555555555\n"
    "TYPE=linux_raid_member\n"
    "USAGE=raid\n"
    "\n"
    "DEVNAME=/dev/mapper/my--vg-root\n"
    "UUID=root-uuid\n"
    "TYPE=xfs\n"
    "\n"
    "DEVNAME=/dev/mapper/luks-aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb\n"
    "UUID=inner\n"
    "TYPE=ext4\n"
    "\n"
    "DEVNAME=/dev/md127\n"
    "UUID=md-fs\n"
    "TYPE=ext4\n";

static struct devices devices;

static int
set_up (void **state)
{
  (void)state;
  return devices_parse (&devices, scan, 2);
}

static int
tear_down (void **state)
{
  (void)state;
  devices_free (&devices);
  return 0;
}

static const char *
what (const struct device_names *names, const char *spec)
{
  const struct device *v = devices_resolve (&devices, names, spec, NULL);

  return v ? v->name : "nothing";
}

/* libguestfs' names follow the order in which disks were given. */
static void
test_names (void **state)
{
  const struct device *v;

  (void)state;
  v = devices_find (&devices, "/dev/sdb1");
  assert_non_null (v);
  assert_string_equal (v->real, "/dev/sda1");
  assert_int_equal (v->disk, 1);
  assert_int_equal (v->part, 1);
  assert_int_equal (v->size, 409600);
  assert_string_equal (v->label, "my boot");
  assert_string_equal (v->partlabel, "boot part");
  v = devices_find (&devices, "/dev/sda5");
  assert_non_null (v);
  assert_string_equal (v->real, "/dev/sdc5");
  /* The appliance's own disk, and hidden parts of LVM. */
  assert_null (devices_find (&devices, "/dev/sdc"));
  assert_null (devices_find (&devices, "/dev/my-vg/thin_tdata"));
  v = devices_find (&devices, "/dev/my-vg/root");
  assert_non_null (v);
  assert_int_equal (v->kind, DEVICE_LV);
  assert_string_equal (v->type, "xfs");
}

static void
test_resolve (void **state)
{
  static const struct device_names none;

  (void)state;
  assert_string_equal (what (&none, "UUID=C1"), "/dev/sdb1");
  assert_string_equal (what (&none, "UUID=\"c1\""), "/dev/sdb1");
  assert_string_equal (what (&none, "LABEL=my boot"), "/dev/sdb1");
  assert_string_equal (what (&none, "LABEL=My boot"), "nothing");
  assert_string_equal (what (&none, "PARTUUID=aaaa-01"), "/dev/sdb1");
  assert_string_equal (what (&none, "PARTLABEL=boot part"), "/dev/sdb1");
  assert_string_equal (what (&none, "/dev/disk/by-uuid/c1"), "/dev/sdb1");
  assert_string_equal (what (&none, "/dev/disk/by-label/my\\x20boot"),
                       "/dev/sdb1");
  assert_string_equal (what (&none, "UUID="), "nothing");
  assert_string_equal (what (&none, "UUID=of-the-appliance"), "nothing");

  /* By ordinal. */
  assert_string_equal (what (&none, "/dev/sdb1"), "/dev/sdb1");
  assert_string_equal (what (&none, "/dev/hda5"), "/dev/sda5");
  assert_string_equal (what (&none, "/dev/vdb2"), "/dev/sdb2");
  assert_string_equal (what (&none, "/dev/xvda1"), "/dev/sda1");
  assert_string_equal (what (&none, "/dev/sda"), "/dev/sda");
  assert_string_equal (what (&none, "/dev/sdc1"), "nothing");
  assert_string_equal (what (&none, "/dev/sda9"), "nothing");
  assert_string_equal (what (&none, "/dev/sda1x"), "nothing");
  assert_string_equal (what (&none, "/dev/nvme0n1p1"), "/dev/sda1");
  assert_string_equal (what (&none, "/dev/nvme0n2p1"), "/dev/sdb1");
  assert_string_equal (what (&none, "/dev/nvme1n1p2"), "/dev/sdb2");
  assert_string_equal (what (&none, "/dev/cciss/c0d1p2"), "/dev/sdb2");
  assert_string_equal (what (&none, "/dev/mmcblk0p5"), "/dev/sda5");
  assert_string_equal (what (&none, "/dev/sdaaaaaaaaaaaaaaaaaaaaaaa1"),
                       "nothing");
  assert_string_equal (what (&none, "/dev/sda99999999999999999999"), "nothing");

  /* Device mapper. */
  assert_string_equal (what (&none, "/dev/mapper/my--vg-root"),
                       "/dev/my-vg/root");
  assert_string_equal (what (&none, "/dev/my-vg/root"), "/dev/my-vg/root");
  assert_string_equal (what (&none, "/dev/disk/by-id/dm-name-my--vg-root"),
                       "/dev/my-vg/root");
  assert_string_equal (
      what (&none, "/dev/disk/by-path/pci-0000:00:10.0-scsi-0:0:1:0-part2"),
      "/dev/sdb2");
  assert_string_equal (
      what (&none, "/dev/disk/by-path/pci-0000:00:1f.2-ata-1-part1"),
      "/dev/sda1");
  assert_string_equal (what (&none, "tmpfs"), "nothing");
  assert_string_equal (what (&none, ""), "nothing");
}

static void
test_resolve_tables (void **state)
{
  struct vm_disk disks[2] = { { .serial = (char *)"AAA" },
                              { .serial = (char *)"BBB" } };
  struct vm vm = { .disks = disks, .nr_disks = 2 };
  const struct device_names names = {
    .crypttab = "# name device\n"
                "root_crypt UUID=aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb none\n"
                "loop /dev/mapper/loop none\n",
    .mdadm_conf = "DEVICE partitions\n"
                  "ARRAY /dev/md7 level=1 "
                  "UUID=11111111:22222222:33333333:44444444\n"
                  "ARRAY /dev/md8 UUID=55555555:0:0:0\n",
    .source = &vm,
  };
  bool guessed;

  (void)state;
  assert_string_equal (what (&names, "/dev/mapper/root_crypt"),
                       "/dev/mapper/luks-aaaaaaaa-1111-2222-3333-"
                       "bbbbbbbbbbbb");
  assert_string_equal (what (&names, "/dev/mapper/loop"), "nothing");
  assert_string_equal (what (&names, "/dev/md7"), "/dev/md127");
  assert_string_equal (what (&names, "/dev/md8"), "nothing");
  assert_string_equal (what (NULL, "/dev/md0"), "/dev/md127");
  assert_string_equal (what (NULL, "/dev/md/0"), "/dev/md127");
  assert_string_equal (what (&names, "/dev/disk/by-id/scsi-0VM_BBB-part1"),
                       "/dev/sdb1");
  assert_string_equal (what (&names, "/dev/disk/by-id/scsi-0VM_CCC-part1"),
                       "nothing");
  devices_resolve (&devices, NULL, "UUID=c1", &guessed);
  assert_false (guessed);
  devices_resolve (&devices, NULL, "/dev/sda1", &guessed);
  assert_true (guessed);
}

static void
test_table_sector (void **state)
{
  uint8_t disk[8192] = { 0 };
  uint8_t *mbr = disk, *gpt = disk + 4096;

  (void)state;
  assert_int_equal (devices_table_sector (disk, sizeof disk), 0);
  memcpy (gpt, "EFI PART", 8);
  gpt[24] = 1;
  gpt[48 + 1] = 0x10; /* the last sector is 4096 */
  mbr[510] = 0x55;
  mbr[511] = 0xaa;
  mbr[446 + 16 + 4] = 0xee;
  assert_int_equal (devices_table_sector (disk, sizeof disk), 4096);
  assert_int_equal (devices_table_end (disk, sizeof disk), 4097 * 8);
  assert_int_equal (devices_table_sector (disk, 4096 + 91), 0);
  assert_int_equal (devices_table_end (disk, 4096 + 91), 0);

  /* An MBR of its own: what is at byte 4096 is left over. */
  mbr[446 + 16 + 4] = 0x83;
  mbr[446 + 16 + 12] = 8;
  assert_int_equal (devices_table_sector (disk, sizeof disk), 0);
  assert_int_equal (devices_table_end (disk, sizeof disk), 8);
  mbr[446 + 16 + 4] = 0xee;
  mbr[511] = 0;
  assert_int_equal (devices_table_sector (disk, sizeof disk), 0);
  mbr[511] = 0xaa;

  /* A copy of a header that is elsewhere: in sector 8 of 512 bytes. */
  gpt[24] = 8;
  assert_int_equal (devices_table_sector (disk, sizeof disk), 0);
  gpt[24] = 1;

  memcpy (mbr + 512, "EFI PART", 8);
  assert_int_equal (devices_table_sector (disk, sizeof disk), 512);
}

static void
test_table_end (void **state)
{
  uint8_t mbr[1024] = { 0 };

  (void)state;
  assert_int_equal (devices_table_end (mbr, sizeof mbr), 0);
  mbr[510] = 0x55;
  mbr[511] = 0xaa;
  mbr[446 + 4] = 0x83;
  mbr[446 + 8 + 1] = 8;  /* 2048 */
  mbr[446 + 12 + 2] = 1; /* 65536 */
  assert_int_equal (devices_table_end (mbr, sizeof mbr), 2048 + 65536);
  assert_int_equal (devices_table_end (mbr, 511), 0);
  /* A boot sector of a file system. */
  mbr[446 + 16] = 0x33;
  assert_int_equal (devices_table_end (mbr, sizeof mbr), 0);
  memcpy (mbr + 512, "EFI PART", 8);
  mbr[512 + 48 + 1] = 0x10;
  assert_int_equal (devices_table_end (mbr, sizeof mbr), 4097);
  memset (mbr + 512 + 48, 0xff, 8);
  assert_true (devices_table_end (mbr, sizeof mbr) > (uint64_t)1 << 60);
}

static void
test_fstab (void **state)
{
  static const char text[] = "# comment\n"
                             "\t UUID=1 / ext4 defaults 0 1\n"
                             "UUID=9 / ext4 defaults 0 1\n"
                             "UUID=2 /boot//efi/ vfat umask=0077\n"
                             "LABEL=a\\040b /mnt/my\\040disk ext4 noauto\r\n"
                             "UUID=3 /boot ext2\n"
                             "UUID=4 none swap sw\n"
                             "tmpfs /tmp tmpfs defaults\n"
                             "proc /proc proc defaults\n"
                             "server:/x /net nfs defaults\n"
                             "/dev/sr0 /media/cdrom udf,iso9660 user,noauto\n"
                             "/home/x /srv none bind\n"
                             "UUID=5 /a/../etc ext4\n"
                             "UUID=6 relative ext4\n"
                             "UUID=7 /dev/shm ext4\n"
                             "UUID=8\n"
                             "/dev/sda5 /home btrfs subvol=/@home,compress\n";
  struct fstab f;
  char *s;

  (void)state;
  assert_int_equal (fstab_parse (text, &f), 0);
  assert_int_equal (f.n, 5);
  assert_string_equal (f.v[0].mountpoint, "/");
  assert_string_equal (f.v[0].spec, "UUID=1");
  assert_string_equal (f.v[1].mountpoint, "/boot");
  assert_string_equal (f.v[1].options, "defaults");
  assert_string_equal (f.v[2].mountpoint, "/home");
  assert_string_equal (f.v[3].mountpoint, "/boot/efi");
  assert_string_equal (f.v[4].mountpoint, "/mnt/my disk");
  assert_string_equal (f.v[4].spec, "LABEL=a b");

  s = fstab_option (f.v[2].options, "subvol");
  assert_string_equal (s, "/@home");
  free (s);
  s = fstab_option (f.v[2].options, "compress");
  assert_string_equal (s, "");
  free (s);
  assert_null (fstab_option (f.v[2].options, "sub"));
  assert_null (fstab_option ("", "x"));
  fstab_free (&f);

  assert_int_equal (fstab_parse ("", &f), 0);
  assert_int_equal (f.n, 0);
  fstab_free (&f);

  assert_int_equal (fstab_parse (text, &f), 0);
  assert_int_equal (f.nr_swaps, 1);
  assert_string_equal (f.swaps[0], "UUID=4");
  fstab_free (&f);
  assert_int_equal (
    fstab_parse ("LABEL=a\\040b\tswap swap\r\n#UUID=1 none swap\n"
                 "UUID=2 none swap2\nswap\nUUID=3 swap\n"
                 "/swapfile none swap sw,pri=1",
                 &f),
    0);
  assert_int_equal (f.nr_swaps, 2);
  assert_string_equal (f.swaps[0], "LABEL=a b");
  assert_string_equal (f.swaps[1], "/swapfile");
  fstab_free (&f);
  assert_int_equal (fstab_parse ("", &f), 0);
  assert_int_equal (f.nr_swaps, 0);
  fstab_free (&f);
}

static void
identify (enum identity_file which, const char *text, enum identity_file which2,
          const char *text2, const char *distro, int major, int minor,
          const char *osinfo)
{
  const char *texts[IDENTITY_NR_FILES] = { NULL };
  struct identity id;

  texts[which] = text;
  if (text2 != NULL)
    texts[which2] = text2;
  assert_int_equal (identity_parse (texts, &id), 0);
  assert_string_equal (id.distro, distro);
  assert_int_equal (id.major, major);
  assert_int_equal (id.minor, minor);
  assert_string_equal (id.osinfo, osinfo);
  assert_non_null (id.product_name);
  identity_free (&id);
}

static void
test_identity (void **state)
{
  (void)state;
#define OS(text) IDENTITY_OS_RELEASE, text, 0, NULL
  identify (IDENTITY_OS_RELEASE, "ID=debian\nVERSION_ID=\"12\"\n",
            IDENTITY_DEBIAN_VERSION, "12.7\n", "debian", 12, 7, "debian12");
  identify (OS ("ID=ubuntu\nVERSION_ID=\"22.04\"\n"), "ubuntu", 22, 4,
            "ubuntu22.04");
  identify (OS ("ID=\"rhel\"\nVERSION_ID=\"9.2\"\n"), "rhel", 9, 2, "rhel9.2");
  identify (OS ("ID=\"centos\"\nVERSION_ID=\"9\"\n"
                "PRETTY_NAME=\"CentOS Stream 9\"\n"),
            "centos", 9, 0, "centos-stream9");
  identify (IDENTITY_OS_RELEASE, "ID=\"centos\"\nVERSION_ID=\"7\"\n",
            IDENTITY_CENTOS_RELEASE, "CentOS Linux release 7.9.2009 (Core)",
            "centos", 7, 9, "centos7.9");
  identify (OS ("ID='sles'\nVERSION_ID='15.4'\n"), "sles", 15, 4, "sles15sp4");
  identify (OS ("ID=\"opensuse-leap\"\nVERSION_ID=\"15.5\"\n"), "opensuse", 15,
            5, "opensuse15.5");
  identify (OS ("NAME=Arch\nID=arch\n"), "archlinux", 0, 0, "archlinux");
  identify (OS ("ID=alpine\nVERSION_ID=3.18.4\n"), "alpinelinux", 3, 18,
            "alpinelinux3.18");
  identify (OS ("ID=nobody-knows\nVERSION_ID=3\n"), "nobody-knows", 3, 0,
            "unknown");
  identify (OS ("ID=\"ol\"\nVERSION_ID=\"8.6\"\n"), "oraclelinux", 8, 6,
            "ol8.6");
  identify (IDENTITY_REDHAT_RELEASE,
            "Red Hat Enterprise Linux Server release 6.10 (Santiago)\n", 0,
            NULL, "rhel", 6, 10, "rhel6.10");
  identify (IDENTITY_REDHAT_RELEASE, "CentOS release 5.11 (Final)\n", 0, NULL,
            "centos", 5, 11, "centos5.11");
  identify (IDENTITY_SUSE_RELEASE,
            "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\n"
            "PATCHLEVEL = 4\n",
            0, NULL, "sles", 11, 4, "sles11sp4");
  identify (IDENTITY_DEBIAN_VERSION, "6.0.10\n", 0, NULL, "debian", 6, 0,
            "debian6");
  identify (IDENTITY_LSB_RELEASE, "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=10.04\n",
            0, NULL, "ubuntu", 10, 4, "ubuntu10.04");
  identify (OS (""), "unknown", 0, 0, "unknown");
  identify (OS ("ID=\"unterminated"), "unterminated", 0, 0, "unknown");
  identify (OS ("ID=debian\nVERSION_ID=99999999999999999999"), "debian", 0, 0,
            "unknown");
}

/* Every family of which the manual says that it is converted: what its
 * release files say, and that it is no unknown one.
 */
static void
test_families (void **state)
{
  static const struct {
    const char *text, *distro;
    int major, minor;
    const char *osinfo;
  } releases[] = {
    { "PRETTY_NAME=\"Debian GNU/Linux trixie/sid\"\nID=debian\n", "debian", 0,
      0, "unknown" },
    { "NAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nID=ubuntu\nID_LIKE=debian\n",
      "ubuntu", 24, 4, "ubuntu24.04" },
    { "NAME=\"Linux Mint\"\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"
      "VERSION_ID=\"21.3\"\n",
      "linuxmint", 21, 3, "unknown" },
    { "NAME=\"LMDE\"\nVERSION_ID=\"6\"\nID=linuxmint\nID_LIKE=debian\n",
      "linuxmint", 6, 0, "unknown" },
    { "NAME=\"Kali GNU/Linux\"\nVERSION_ID=\"2024.2\"\nID=kali\n"
      "ID_LIKE=debian\n",
      "kalilinux", 2024, 2, "unknown" },
    { "NAME=\"Red Hat Enterprise Linux\"\nID=\"rhel\"\nID_LIKE=\"fedora\"\n"
      "VERSION_ID=\"8.10\"\n",
      "rhel", 8, 10, "rhel8.10" },
    { "NAME=\"CentOS Linux\"\nID=\"centos\"\nVERSION_ID=\"8\"\n", "centos", 8,
      0, "centos8" },
    { "NAME=\"Rocky Linux\"\nID=\"rocky\"\nVERSION_ID=\"9.4\"\n", "rocky", 9, 4,
      "rocky9" },
    { "NAME=\"AlmaLinux\"\nID=\"almalinux\"\nVERSION_ID=\"9.4\"\n", "almalinux",
      9, 4, "almalinux9" },
    { "NAME=\"Oracle Linux Server\"\nID=\"ol\"\nID_LIKE=\"fedora\"\n"
      "VERSION_ID=\"9.4\"\n",
      "oraclelinux", 9, 4, "ol9.4" },
    { "NAME=\"EuroLinux\"\nID=\"eurolinux\"\nVERSION_ID=\"8.8\"\n", "eurolinux",
      8, 8, "eurolinux8" },
    { "NAME=\"Fedora Linux\"\nID=fedora\nVERSION_ID=40\n", "fedora", 40, 0,
      "fedora40" },
    { "NAME=\"Amazon Linux AMI\"\nID=\"amzn\"\nVERSION_ID=\"2018.03\"\n",
      "amazonlinux", 2018, 3, "unknown" },
    { "NAME=\"Amazon Linux\"\nID=\"amzn\"\nID_LIKE=\"fedora\"\n"
      "VERSION_ID=\"2023\"\n",
      "amazonlinux", 2023, 0, "unknown" },
    { "NAME=\"openEuler\"\nID=\"openEuler\"\nVERSION_ID=\"22.03\"\n",
      "openeuler", 22, 3, "unknown" },
    { "NAME=\"Anolis OS\"\nID=\"anolis\"\nVERSION_ID=\"8.8\"\n", "anolis", 8, 8,
      "unknown" },
    { "NAME=\"Kylin Linux Advanced Server\"\nID=\"kylin\"\n"
      "VERSION_ID=\"V10\"\n",
      "kylin", 10, 0, "unknown" },
    { "NAME=\"NeoKylin Linux Server\"\nID=\"neokylin\"\n"
      "VERSION_ID=\"V7Update6\"\n",
      "neokylin", 7, 0, "unknown" },
    { "NAME=\"SLES\"\nID=\"sles\"\nID_LIKE=\"suse\"\nVERSION_ID=\"12.5\"\n",
      "sles", 12, 5, "sles12sp5" },
    { "NAME=\"SLES_SAP\"\nID=\"sles_sap\"\nVERSION_ID=\"15.5\"\n", "sles", 15,
      5, "sles15sp5" },
    { "NAME=\"SLED\"\nID=\"sled\"\nVERSION_ID=\"15\"\n", "sles", 15, 0,
      "sled15" },
    { "NAME=\"openSUSE Leap\"\nID=\"opensuse-leap\"\nVERSION_ID=\"15.6\"\n",
      "opensuse", 15, 6, "opensuse15.6" },
    { "NAME=\"openSUSE Tumbleweed\"\nID=\"opensuse-tumbleweed\"\n"
      "VERSION_ID=\"20240912\"\n",
      "opensuse", 20240912, 0, "opensusetumbleweed" },
    { "NAME=\"Arch Linux\"\nID=arch\nBUILD_ID=rolling\n", "archlinux", 0, 0,
      "archlinux" },
    { "NAME=\"ALT Server\"\nVERSION=\"10.1\"\nID=altlinux\n"
      "VERSION_ID=10.1\n",
      "altlinux", 10, 1, "alt.p10" },
    { "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.20.3\n", "alpinelinux", 3,
      20, "alpinelinux3.20" },
  };
  static const struct {
    enum identity_file file;
    const char *text, *distro;
    int major, minor;
    const char *osinfo;
  } old[] = {
    { IDENTITY_REDHAT_RELEASE, "Fedora release 14 (Laughlin)\n", "fedora", 14,
      0, "fedora14" },
    { IDENTITY_REDHAT_RELEASE, "Scientific Linux release 6.4 (Carbon)\n",
      "scientificlinux", 6, 4, "scientificlinux6.4" },
    { IDENTITY_REDHAT_RELEASE,
      "Enterprise Linux Enterprise Linux Server release 5.8 (Carthage)\n",
      "oraclelinux", 5, 8, "ol5.8" },
    { IDENTITY_REDHAT_RELEASE, "NeoKylin Linux Server release V6\n", "neokylin",
      6, 0, "unknown" },
    { IDENTITY_REDHAT_RELEASE, "Somebody's Linux release 7.2\n", "redhat-based",
      7, 2, "unknown" },
    { IDENTITY_SUSE_RELEASE,
      "openSUSE 11.4 (x86_64)\nVERSION = 11.4\nCODENAME = Celadon\n",
      "opensuse", 11, 4, "opensuse11.4" },
    { IDENTITY_LSB_RELEASE,
      "DISTRIB_ID=LinuxMint\nDISTRIB_RELEASE=13\nDISTRIB_CODENAME=maya\n",
      "linuxmint", 13, 0, "unknown" },
    { IDENTITY_ALT_RELEASE, "ALT Linux 6.0.0 Centaurus (Kornet)\n", "altlinux",
      6, 0, "alt.p6" },
    { IDENTITY_ALPINE_RELEASE, "3.2.3\n", "alpinelinux", 3, 2,
      "alpinelinux3.2" },
    { IDENTITY_ARCH_RELEASE, "", "archlinux", 0, 0, "archlinux" },
  };
  size_t i;

  (void)state;
  for (i = 0; i < sizeof releases / sizeof releases[0]; ++i) {
    identify (OS (releases[i].text), releases[i].distro, releases[i].major,
              releases[i].minor, releases[i].osinfo);
    assert_true (identity_is_family (releases[i].distro));
  }
  for (i = 0; i < sizeof old / sizeof old[0]; ++i) {
    identify (old[i].file, old[i].text, 0, NULL, old[i].distro, old[i].major,
              old[i].minor, old[i].osinfo);
    assert_true (identity_is_family (old[i].distro));
  }
  assert_false (identity_is_family ("gentoo"));
  assert_false (identity_is_family ("nobody-knows"));
  assert_false (identity_is_family ("unknown"));
}

static void
test_arch (void **state)
{
  unsigned char elf[64] = "\177ELF\2\1\1";

  (void)state;
  elf[18] = 62;
  assert_string_equal (identity_elf_arch (elf, 64), "x86_64");
  elf[18] = 183;
  assert_string_equal (identity_elf_arch (elf, 20), "aarch64");
  assert_null (identity_elf_arch (elf, 19));
  elf[5] = 2;
  elf[18] = 0;
  elf[19] = 22;
  assert_string_equal (identity_elf_arch (elf, 64), "s390x");
  assert_null (identity_elf_arch ("#!/bin/sh\n           ", 20));
}

static void
bad_key (const char *selector)
{
  struct keys keys = { NULL, 0 };
  char *error;

  assert_int_equal (keys_add (&keys, selector, &error), -1);
  assert_non_null (error);
  assert_null (strstr (error, "secret"));
  free (error);
  keys_free (&keys);
}

static void
test_keys (void **state)
{
  char path[] = "/tmp/v2vtest.XXXXXX", selector[64];
  struct keys keys = { NULL, 0 };
  char *error;
  int fd = mkstemp (path);

  (void)state;
  bad_key ("secret");
  bad_key (":key:secret");
  bad_key ("all:secret");
  bad_key ("all:clevis");
  bad_key ("all:key:");
  bad_key ("all:file:/nonexistent");

  assert_true (fd >= 0);
  assert_int_equal (write (fd, "pass:word\n", 10), 10);
  assert_int_equal (keys_add (&keys, "/dev/mapper/a--b-c:key:x:y", &error), 0);
  assert_string_equal (keys.v[0].id, "/dev/a-b/c");
  assert_string_equal (keys.v[0].secret, "x:y");
  snprintf (selector, sizeof selector, "all:file:%s", path);
  assert_int_equal (keys_add (&keys, selector, &error), 0);
  assert_string_equal (keys.v[1].secret, "pass:word");
  assert_true (keys_match (&keys.v[0], "/dev/a-b/c", NULL));
  assert_false (keys_match (&keys.v[0], "/dev/sda1", "uuid"));
  assert_true (keys_match (&keys.v[1], "/dev/sda1", NULL));

  assert_int_equal (ftruncate (fd, 0), 0);
  assert_int_equal (lseek (fd, 0, SEEK_SET), 0);
  assert_int_equal (write (fd, "# c\n\nABC-1:key:k\n", 17), 17);
  assert_int_equal (keys_add_file (&keys, path, &error), 0);
  assert_int_equal (keys.n, 3);
  assert_true (keys_match (&keys.v[2], "/dev/sdb", "abc-1"));
  assert_int_equal (ftruncate (fd, 0), 0);
  assert_int_equal (lseek (fd, 0, SEEK_SET), 0);
  assert_int_equal (write (fd, "secret\n", 7), 7);
  assert_int_equal (keys_add_file (&keys, path, &error), -1);
  assert_null (strstr (error, "secret"));
  free (error);
  close (fd);
  unlink (path);
  keys_free (&keys);
}

/* A bzImage around KERNEL, gzip'd. */
static uint8_t *
make_image (const uint8_t *kernel, size_t kernel_size, size_t *size)
{
  uint8_t *image = calloc (1, 8192 + kernel_size * 2);
  z_stream z = { .next_in = (uint8_t *)kernel, .avail_in = kernel_size };
  size_t len;

  assert_non_null (image);
  z.next_out = image + 1024 + 16;
  z.avail_out = 8192 - 1040 + kernel_size * 2;
  assert_int_equal (deflateInit2 (&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, 0),
                    Z_OK);
  assert_int_equal (deflate (&z, Z_FINISH), Z_STREAM_END);
  len = z.total_out;
  deflateEnd (&z);
  image[0x1f1] = 1; /* code begins at 1024 */
  memcpy (image + 0x202, "HdrS", 4);
  image[0x206] = 0x0f;
  image[0x207] = 0x02;
  image[0x248] = 16;
  image[0x24c] = len;
  image[0x24d] = len >> 8;
  *size = 1040 + len;
  return image;
}

static void
test_kernel (void **state)
{
  static uint8_t elf[8192] = "\177ELF\2\1\1";
  uint8_t *image, *out;
  size_t size, out_size, i;
  const char *why = NULL;

  (void)state;
  elf[18] = 62;
  elf[32] = 64; /* program headers */
  elf[54] = 56;
  elf[56] = 1;
  elf[64] = 4;         /* PT_NOTE */
  elf[64 + 8 + 1] = 1; /* at 256 */
  elf[64 + 32] = 20;
  elf[256] = 4;
  elf[260] = 4;
  elf[264] = 18;
  memcpy (elf + 268, "Xen", 4);

  image = make_image (elf, sizeof elf, &size);
  assert_int_equal (kernel_unpack (image, size, &out, &out_size, &why), 0);
  assert_int_equal (out_size, sizeof elf);
  assert_memory_equal (out, elf, sizeof elf);
  free (out);
  /* Cut anywhere, nothing is read past the end. */
  for (i = 0; i < size; i += 7) {
    uint8_t *copy = malloc (i + 1);

    memcpy (copy, image, i);
    assert_int_equal (kernel_unpack (copy, i, &out, &out_size, &why), -1);
    assert_non_null (why);
    free (copy);
  }
  free (image);

  /* Without the note it cannot be entered. */
  elf[264] = 17;
  image = make_image (elf, sizeof elf, &size);
  assert_int_equal (kernel_unpack (image, size, &out, &out_size, &why), -1);
  free (image);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_names),          cmocka_unit_test (test_resolve),
    cmocka_unit_test (test_resolve_tables), cmocka_unit_test (test_table_end),
    cmocka_unit_test (test_table_sector),
    cmocka_unit_test (test_fstab),          cmocka_unit_test (test_identity),
    cmocka_unit_test (test_families),
    cmocka_unit_test (test_arch),           cmocka_unit_test (test_keys),
    cmocka_unit_test (test_kernel),
  };

  return cmocka_run_group_tests (tests, set_up, tear_down);
}
