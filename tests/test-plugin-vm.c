/* SPDX-License-Identifier: BSD-3-Clause */

/* struct vm: what goes through the JSON form comes back, and bad text is
 * refused with the key.
 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vm.h"

static struct vm *
full (void)
{
  struct vm *vm = vm_new ();
  struct vm_disk *d;
  struct vm_removable *r;
  struct vm_nic *n;

  assert_non_null (vm);
  vm->hypervisor = strdup ("vmware");
  vm->name = strdup ("w\xc3\xa4hrung \"q\" \\ /\n");
  vm->uuid = strdup ("564d8b2c-0000-1111-2222-333344445555");
  vm->genid = strdup ("8312995e-57b8-f814-4013-c1ba795f05ba");
  vm->os_hint = strdup ("debian10-64");
  vm->memory = UINT64_C (12297829382473034410);
  vm->vcpus = 4294967295u;
  vm->cpu_vendor = strdup ("Intel");
  vm->cpu_model = strdup ("Skylake");
  vm->cpu_sockets = 2;
  vm->cpu_cores = 3;
  vm->cpu_threads = 4;
  assert_int_equal (vm_add_feature (vm, "acpi"), 0);
  assert_int_equal (vm_add_feature (vm, "apic"), 0);
  assert_int_equal (vm_add_feature (vm, "acpi"), 0);
  vm->firmware = VM_FIRMWARE_UEFI;
  vm->secure_boot = VM_NO;
  vm->nvram = strdup ("/vm/x.nvram");
  vm->tpm_model = strdup ("tpm-crb");
  vm->tpm_version = strdup ("2.0");
  vm->rtc_utc = VM_YES;
  vm->sound = strdup ("ich6");
  vm->display.type = strdup ("vnc");
  vm->display.keymap = strdup ("de");
  vm->display.password = strdup ("secret");
  vm->display.listen = strdup ("0.0.0.0");
  vm->display.listen_type = strdup ("address");
  vm->display.port = 5901;
  d = vm_add_disk (vm);
  d->size = UINT64_C (1) << 40;
  d->controller = VM_CONTROLLER_SCSI;
  d->controller_model = strdup ("pvscsi");
  d->serial = strdup ("S1");
  d->sector_size = 4096;
  d->boot_order = 1;
  d = vm_add_disk (vm);
  d->controller = VM_CONTROLLER_NVME;
  r = vm_add_removable (vm);
  r->kind = VM_FLOPPY;
  r->controller = VM_CONTROLLER_FLOPPY;
  r->slot = 0;
  vm_add_removable (vm);
  n = vm_add_nic (vm);
  n->mac = strdup ("00:0c:29:aa:bb:cc");
  n->model = strdup ("vmxnet3");
  n->kind = VM_NIC_BRIDGE;
  n->vnet = strdup ("br0");
  n->boot_order = 2;
  vm_add_nic (vm);
  return vm;
}

/* Both directions, and every member that the second form could lose. */
static void
test_round_trip (void **state)
{
  struct vm *vm = full (), *vm2;
  char *error, *json, *json2;

  (void)state;
  json = vm_to_json (vm, &error);
  assert_non_null (json);
  vm2 = vm_from_json (json, strlen (json), &error);
  assert_non_null (vm2);
  json2 = vm_to_json (vm2, &error);
  assert_string_equal (json, json2);

  assert_string_equal (vm2->name, vm->name);
  assert_true (vm2->memory == vm->memory);
  assert_true (vm2->vcpus == vm->vcpus);
  assert_int_equal (vm2->cpu_threads, 4);
  assert_int_equal (vm2->firmware, VM_FIRMWARE_UEFI);
  assert_int_equal (vm2->secure_boot, VM_NO);
  assert_int_equal (vm2->rtc_utc, VM_YES);
  assert_string_equal (vm2->features[0], "acpi");
  assert_string_equal (vm2->features[1], "apic");
  assert_null (vm2->features[2]);
  assert_int_equal (vm2->display.port, 5901);
  assert_string_equal (vm2->display.password, "secret");
  assert_int_equal (vm2->nr_disks, 2);
  assert_string_equal (vm2->disks[1].name, "disk1");
  assert_string_equal (vm2->disks[0].controller_model, "pvscsi");
  assert_true (vm2->disks[0].size == UINT64_C (1) << 40);
  assert_int_equal (vm2->disks[0].boot_order, 1);
  assert_int_equal (vm2->disks[0].sector_size, 4096);
  assert_int_equal (vm2->disks[1].controller, VM_CONTROLLER_NVME);
  assert_int_equal (vm2->nr_removables, 2);
  assert_int_equal (vm2->removables[0].kind, VM_FLOPPY);
  assert_int_equal (vm2->removables[0].slot, 0);
  assert_int_equal (vm2->removables[1].slot, -1);
  assert_int_equal (vm2->nr_nics, 2);
  assert_int_equal (vm2->nics[0].kind, VM_NIC_BRIDGE);
  assert_int_equal (vm2->nics[0].boot_order, 2);
  free (json);
  free (json2);
  vm_free (vm);
  vm_free (vm2);
}

/* An empty machine has nothing but the version and the empty arrays. */
static void
test_empty (void **state)
{
  struct vm *vm = vm_new ();
  char *error, *json;

  (void)state;
  json = vm_to_json (vm, &error);
  assert_non_null (json);
  assert_null (strstr (json, "memory"));
  assert_null (strstr (json, "display"));
  assert_non_null (strstr (json, "\"disks\": ["));
  vm_free (vm);
  vm = vm_from_json (json, strlen (json), &error);
  assert_non_null (vm);
  assert_int_equal (vm->display.port, -1);
  assert_int_equal (vm->secure_boot, VM_UNKNOWN);
  vm_free (vm);
  free (json);
}

static void
refused (const char *text, size_t len, const char *part)
{
  char *error = NULL;
  struct vm *vm = vm_from_json (text, len, &error);

  if (vm != NULL)
    fail_msg ("accepted: %s", text);
  assert_non_null (error);
  if (strstr (error, part) == NULL)
    fail_msg ("%s: message \"%s\" lacks \"%s\"", text, error, part);
  free (error);
}

#define REFUSED(text, part) refused (text, sizeof (text) - 1, part)

static void
test_refused (void **state)
{
  (void)state;
  REFUSED ("", "byte 0");
  REFUSED ("[]", "not an object");
  REFUSED ("{\"name\": }", "byte 9");
  REFUSED ("{} x", "text after");
  REFUSED ("{\"version\": 2}", "version");
  REFUSED ("{\"name\": 3}", "name: a string");
  REFUSED ("{\"name\": \"a\\u0000b\"}", "name: the text");
  REFUSED ("{\"memory\": -1}", "memory: the number");
  REFUSED ("{\"memory\": 1.5}", "memory: a whole number");
  REFUSED ("{\"vcpus\": 4294967296}", "vcpus: the number");
  REFUSED ("{\"firmware\": \"cfe\"}", "firmware: not one");
  REFUSED ("{\"secure_boot\": \"yes\"}", "secure_boot: true or");
  REFUSED ("{\"cpu\": 1}", "cpu: object");
  REFUSED ("{\"cpu\": {\"cores\": \"2\"}}", "cpu.cores: a whole");
  REFUSED ("{\"disks\": {}}", "disks: array");
  REFUSED ("{\"disks\": [1]}", "disks[0]: an object");
  REFUSED ("{\"disks\": [{}, {\"size\": true}]}", "disks[1].size");
  REFUSED ("{\"nics\": [{\"kind\": \"x\"}]}", "nics[0].kind");
  REFUSED ("{\"features\": [1]}", "features[0]");
}

/* Null and unknown keys are as good as absent; a disk gets its name. */
static void
test_lenient (void **state)
{
  static const char text[] = "{\"name\": null, \"later\": {\"x\": []}, "
    "\"disks\": [{}, {\"name\": \"root\"}]}\n";
  char *error;
  struct vm *vm = vm_from_json (text, sizeof text - 1, &error);

  (void)state;
  assert_non_null (vm);
  assert_null (vm->name);
  assert_string_equal (vm->disks[0].name, "disk0");
  assert_string_equal (vm->disks[1].name, "root");
  vm_free (vm);
}

static void
test_not_utf8 (void **state)
{
  struct vm *vm = vm_new ();
  char *error;

  (void)state;
  vm->name = strdup ("caf\xe9");
  assert_null (vm_to_json (vm, &error));
  assert_non_null (strstr (error, "name"));
  free (error);
  vm_free (vm);
  assert_true (vm_utf8_valid ("\xe2\x82\xac", 3));
  assert_false (vm_utf8_valid ("\xe2\x82", 2));
  assert_false (vm_utf8_valid ("\xc0\x80", 2));
  assert_false (vm_utf8_valid ("\xed\xa0\x80", 3));
  assert_false (vm_utf8_valid ("\xf4\x90\x80\x80", 4));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_round_trip),
    cmocka_unit_test (test_empty),
    cmocka_unit_test (test_refused),
    cmocka_unit_test (test_lenient),
    cmocka_unit_test (test_not_utf8),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
