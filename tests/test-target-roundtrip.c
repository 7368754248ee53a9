/* SPDX-License-Identifier: BSD-3-Clause */

/* parse (write (x)) = x for libvirt's XML.
 *
 * Machines at random, over all kinds of firmware, buses, displays, sound
 * cards, drives and NICs.  What the writer of the target says, the reader
 * of the source (plugins/v2v) must read back; and writing that again must
 * give the same text, byte for byte.  Where libvirt's schema is installed
 * every document must be valid, too; and every other writer must accept
 * the machine.
 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libxml/relaxng.h>

#include "machine.h"
#include "model.h"
#include "target.h"
#include "v2v-utils.h"

#define ROUNDS 600
#define SCHEMA "/usr/share/libvirt/schemas/domain.rng"
#define MAX 12

static unsigned
rnd (unsigned n)
{
  return (unsigned)random () % n;
}

static bool
coin (void)
{
  return rnd (2) != 0;
}

static char *
copy_text (const char *s)
{
  char *r = s ? strdup (s) : NULL;

  assert_true (s == NULL || r != NULL);
  return r;
}

static const char *const names[] = {
  "web1", "a b", "B\xc3\xbcro", "$(x)", "<a&b>", "it's", "a\"b", "-x", "%s",
  "\xe4\xb8\xad\xe6\x96\x87",
};

static struct vm *
random_vm (size_t nr_disks)
{
  static const char *const sounds[] = {
    NULL, "ac97", "es1370", "ich6", "ich9", "pcspk", "sb16", "usb",
  };
  static const char *const displays[] = { "vnc", "spice", "window" };
  struct vm *vm = vm_new ();
  size_t i;

  assert_non_null (vm);
  vm->hypervisor = copy_text ("kvm");
  vm->name = copy_text (names[rnd (V2V_ARRAY_SIZE (names))]);
  if (coin ())
    vm->uuid = copy_text ("564d2c0f-1111-2222-3333-0123456789ab");
  if (coin ())
    vm->genid = copy_text ("8312995e-57b8-f814-4013-c1ba795f05ba");
  vm->memory = (uint64_t)(1 + rnd (1 << 20)) << 20;
  if (coin ()) {
    vm->cpu_sockets = 1 + rnd (4);
    vm->cpu_cores = 1 + rnd (4);
    vm->cpu_threads = 1 + rnd (2);
    vm->vcpus = vm->cpu_sockets * vm->cpu_cores * vm->cpu_threads;
  }
  else
    vm->vcpus = 1 + rnd (64);
  if (coin ()) {
    vm->cpu_model = copy_text ("Haswell-noTSX");
    if (coin ())
      vm->cpu_vendor = copy_text ("Intel");
  }
  vm->firmware = coin () ? VM_FIRMWARE_UEFI : VM_FIRMWARE_BIOS;
  if (vm->firmware == VM_FIRMWARE_UEFI)
    vm->secure_boot = coin () ? VM_YES : VM_NO;
  if (coin ()) {
    vm->tpm_version = copy_text (coin () ? "2.0" : "1.2");
    vm->tpm_model = copy_text (coin () ? "tpm-tis" : "tpm-crb");
  }
  vm->sound = copy_text (sounds[rnd (V2V_ARRAY_SIZE (sounds))]);

  vm->display.type = copy_text (displays[rnd (3)]);
  vm->display.port = -1;
  if (strcmp (vm->display.type, "window") != 0) {
    if (coin ())
      vm->display.keymap = copy_text ("en-us");
    if (coin ())
      vm->display.password = copy_text ("p'a\"s<&");
    if (coin ())
      vm->display.port = 5900 + (int)rnd (100);
    switch (rnd (3)) {
    case 0:
      vm->display.listen = copy_text (coin () ? "0.0.0.0" : "::1");
      vm->display.listen_type = copy_text ("address");
      break;
    case 1:
      vm->display.listen_type = copy_text ("none");
      vm->display.port = -1;
      break;
    default:
      break;
    }
  }

  vm->disks = calloc (nr_disks + 1, sizeof *vm->disks);
  vm->nr_disks = nr_disks;
  for (i = 0; i < nr_disks; ++i) {
    assert_true (asprintf (&vm->disks[i].name, "disk%zu", i) != -1);
    if (coin ())
      vm->disks[i].serial = copy_text ("WD-1234.5");
    if (coin ())
      vm->disks[i].boot_order = 1 + (int)rnd (20);
  }
  vm->nr_removables = rnd (4);
  vm->removables = calloc (5, sizeof *vm->removables);
  for (i = 0; i < vm->nr_removables; ++i) {
    vm->removables[i].kind = rnd (4) ? VM_CDROM : VM_FLOPPY;
    vm->removables[i].controller = coin () ? VM_CONTROLLER_SCSI :
      VM_CONTROLLER_IDE;
    vm->removables[i].slot = (int)rnd (6) - 1;
  }
  vm->nr_nics = rnd (4);
  vm->nics = calloc (5, sizeof *vm->nics);
  for (i = 0; i < vm->nr_nics; ++i) {
    assert_true (asprintf (&vm->nics[i].mac, "52:54:00:00:00:%02zx", i) != -1);
    vm->nics[i].kind = coin () ? VM_NIC_BRIDGE : VM_NIC_NETWORK;
    vm->nics[i].vnet = copy_text (vm->nics[i].kind == VM_NIC_BRIDGE ? "br-0.1"
                                  : names[rnd (V2V_ARRAY_SIZE (names))]);
    if (rnd (3) == 0)
      vm->nics[i].boot_order = 1 + (int)rnd (20);
  }
  return vm;
}

static void
same_text_at (const char *a, const char *b, const char *what)
{
  if (a == NULL ? b != NULL : b == NULL || strcmp (a, b) != 0) {
    fprintf (stderr, "%s: %s, read back as %s\n", what, a ? a : "(none)",
             b ? b : "(none)");
    fail ();
  }
}
#define same_text(a, b) same_text_at (a, b, #a)

/* What a source can say and every target can hold. */
static void
same_vm (const struct vm *a, const struct vm *b, const struct target_facts *f)
{
  static const enum vm_controller buses[] = {
    [TARGET_BLOCK_VIRTIO_BLK] = VM_CONTROLLER_VIRTIO_BLK,
    [TARGET_BLOCK_VIRTIO_SCSI] = VM_CONTROLLER_VIRTIO_SCSI,
  };
  size_t i;

  same_text (a->name, b->name);
  same_text (a->uuid, b->uuid);
  same_text (a->genid, b->genid);
  assert_int_equal (a->memory, b->memory);
  assert_int_equal (a->vcpus, b->vcpus);
  assert_int_equal (a->cpu_sockets, b->cpu_sockets);
  assert_int_equal (a->cpu_cores, b->cpu_cores);
  assert_int_equal (a->cpu_threads, b->cpu_threads);
  same_text (a->cpu_model, b->cpu_model);
  same_text (a->cpu_vendor, b->cpu_vendor);
  if (a->firmware == VM_FIRMWARE_UEFI) {
    assert_int_equal (a->firmware, b->firmware);
    assert_int_equal (a->secure_boot == VM_YES, b->secure_boot == VM_YES);
  }
  else
    assert_int_not_equal (b->firmware, VM_FIRMWARE_UEFI);
  same_text (a->tpm_version, b->tpm_version);
  same_text (a->sound, b->sound);
  same_text (a->display.type, b->display.type);
  same_text (a->display.keymap, b->display.keymap);
  same_text (a->display.password, b->display.password);
  assert_int_equal (V2V_MAX (a->display.port, -1),
                    b->display.port > 0 ? b->display.port : -1);
  assert_int_equal (b->rtc_utc == VM_YES, f->rtc_utc);

  assert_int_equal (a->nr_disks, b->nr_disks);
  for (i = 0; i < a->nr_disks; ++i) {
    same_text (a->disks[i].serial, b->disks[i].serial);
    assert_true (b->disks[i].boot_order >= 1 &&
                 b->disks[i].boot_order <= (int)b->nr_disks);
    if (f->block != TARGET_BLOCK_IDE)
      assert_int_equal (b->disks[i].controller, buses[f->block]);
  }
  if (f->boot_disk >= 0)
    assert_int_equal (b->disks[f->boot_disk].boot_order, 1);
  assert_true (b->nr_removables <= a->nr_removables);
  assert_int_equal (a->nr_nics, b->nr_nics);
  for (i = 0; i < a->nr_nics; ++i) {
    same_text (a->nics[i].mac, b->nics[i].mac);
    same_text (a->nics[i].vnet, b->nics[i].vnet);
    assert_int_equal (a->nics[i].kind, b->nics[i].kind);
    assert_int_equal (a->nics[i].boot_order > 0, b->nics[i].boot_order > 0);
  }
}

struct place {
  enum bus bus;
  unsigned unit;
  const char *dev;
};

/* The invariants of model-disks.c and model.c. */
static void
check_model (const struct vm *vm, const struct target_facts *f)
{
  char *error = NULL;
  struct model *m = model_new (vm, f, &error);
  struct place p[MAX + 8];
  bool boots[2 * MAX + 8] = { false };
  size_t i, j, n = 0, nr_boots = 0;

  assert_non_null (m);
  assert_int_equal (m->nr_disks, f->nr_disks);
  for (i = 0; i < m->nr_disks; ++i) {
    assert_ptr_equal (m->disks[i].facts, &f->disks[i]);
    p[n++] = (struct place) { m->disks[i].bus, m->disks[i].unit,
                              m->disks[i].dev };
    assert_true (m->disks[i].boot >= 1);
    assert_false (boots[m->disks[i].boot]);
    boots[m->disks[i].boot] = true;
    nr_boots++;
  }
  for (i = 0; i < m->nr_nics; ++i)
    if (m->nics[i].boot) {
      assert_false (boots[m->nics[i].boot]);
      boots[m->nics[i].boot] = true;
      nr_boots++;
    }
  for (i = 1; i <= nr_boots; ++i)
    assert_true (boots[i]);
  for (i = 0; i < m->nr_removables; ++i) {
    const struct model_removable *r = &m->removables[i];

    p[n++] = (struct place) { r->bus, r->unit, r->dev };
    /* Never where the guest may lack the driver. */
    assert_true (r->bus != BUS_VIRTIO);
    assert_true (r->bus != BUS_SCSI || f->block == TARGET_BLOCK_VIRTIO_SCSI);
    assert_int_equal (r->kind == VM_FLOPPY, r->bus == BUS_FLOPPY);
  }
  for (i = 0; i < n; ++i) {
    if (p[i].bus == BUS_IDE)
      assert_int_equal (m->machine, TARGET_MACHINE_I440FX);
    for (j = 0; j < i; ++j) {
      assert_false (p[i].bus == p[j].bus && p[i].unit == p[j].unit);
      assert_string_not_equal (p[i].dev, p[j].dev);
    }
  }
  if (m->sockets)
    assert_int_equal (m->sockets * m->cores * m->threads, m->vcpus);
  else
    assert_int_equal (m->cores + m->threads, 0);
  model_free (m);
}

static int
drop (void *opaque, const struct target_document *d, const char *text,
      size_t len, char **error)
{
  (void)d;
  (void)error;
  *(size_t *)opaque += strlen (text) == len;
  return 0;
}

static void
check_valid (xmlRelaxNG *schema, const char *text, size_t len)
{
  xmlDoc *doc = xmlReadMemory (text, (int)len, "domain.xml", NULL,
                               XML_PARSE_NONET);
  xmlRelaxNGValidCtxt *ctxt = xmlRelaxNGNewValidCtxt (schema);

  assert_non_null (doc);
  if (xmlRelaxNGValidateDoc (ctxt, doc) != 0) {
    fprintf (stderr, "%s\n", text);
    fail ();
  }
  xmlRelaxNGFreeValidCtxt (ctxt);
  xmlFreeDoc (doc);
}

static void
test_round_trip (void **state)
{
  xmlRelaxNG *schema = NULL;
  xmlRelaxNGParserCtxt *parser;
  struct target_disk disks[MAX];
  char paths[MAX][64];
  int round;
  size_t i;

  (void)state;
  if (access (SCHEMA, R_OK) == 0) {
    parser = xmlRelaxNGNewParserCtxt (SCHEMA);
    schema = xmlRelaxNGParse (parser);
    xmlRelaxNGFreeParserCtxt (parser);
    assert_non_null (schema);
  }
  srandom (7);
  for (round = 0; round < ROUNDS; ++round) {
    size_t nr_disks = 1 + rnd (MAX - 1), len, len2, written = 0;
    struct vm *vm = random_vm (nr_disks);
    struct machine m = { .vm = NULL };
    struct diag d = { .error = NULL };
    char *text, *text2, *error = NULL;
    struct target_facts f = {
      .type = coin () ? "linux" : "windows", .distro = "debian", .major = 12,
      .arch = rnd (4) ? "x86_64" : "i686",
      .block = (enum target_block)rnd (3), .net = (enum target_net)rnd (3),
      .rng = coin (), .balloon = coin (), .pvpanic = coin (),
      .vsock = coin (), .machine = (enum target_machine)rnd (2),
      .virtio_1_0 = coin (), .rtc_utc = coin (),
      .boot_disk = (int)rnd ((unsigned)nr_disks + 1) - 1,
      .disks = disks, .nr_disks = nr_disks,
    };

    memset (disks, 0, sizeof disks);
    for (i = 0; i < nr_disks; ++i) {
      snprintf (paths[i], sizeof paths[i], "/img/%s-%zu",
                names[rnd (V2V_ARRAY_SIZE (names))], i);
      disks[i].path = paths[i];
      disks[i].format = coin () ? "qcow2" : "raw";
      disks[i].size = 1 << 30;
      disks[i].sector_size = i % 3 == 1 ? 4096 : 0;
    }

    check_model (vm, &f);
    assert_int_equal (target_write_libvirt (vm, &f, &text, &len, &error), 0);
    if (schema && round % 5 == 0)
      check_valid (schema, text, len);
    if (domain_parse (text, len, &m, &d) == -1) {
      fprintf (stderr, "%s\n%s\n", d.error, text);
      fail ();
    }
    /* The reader takes SDL for something of the source's host. */
    if (strcmp (vm->display.type, "window") == 0) {
      assert_null (m.vm->display.type);
      m.vm->display.type = copy_text ("window");
    }
    same_vm (vm, m.vm, &f);
    assert_int_equal (m.nr_refs, nr_disks);
    for (i = 0; i < nr_disks; ++i) {
      assert_string_equal (m.refs[i].location, paths[i]);
      assert_string_equal (m.refs[i].format, disks[i].format);
      assert_int_equal (m.vm->disks[i].sector_size,
                        f.block == TARGET_BLOCK_IDE ? 0 :
                        disks[i].sector_size);
    }
    assert_int_equal (target_write_libvirt (m.vm, &f, &text2, &len2, &error),
                      0);
    /* A drive's unit is read from its name, which says less if drives on
     * SATA and disks on SCSI share the names.
     */
    if ((f.block != TARGET_BLOCK_VIRTIO_SCSI || vm->nr_removables == 0) &&
        strcmp (text, text2) != 0) {
      for (i = 0; text[i] && text[i] == text2[i]; ++i)
        ;
      i -= V2V_MIN (i, 100);
      fprintf (stderr, "round %d: first:\n%.300s\nsecond:\n%.300s\n", round,
               text + i, text2 + i);
      fail ();
    }

    assert_int_equal (target_write_all (vm, &f, drop, &written, &error), 0);
    assert_int_equal (written, target_nr_documents);
    free (text);
    free (text2);
    machine_free (&m);
    diag_clear (&d);
    vm_free (vm);
  }
  xmlRelaxNGFree (schema);
  xmlRelaxNGCleanupTypes ();
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_round_trip),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
