/* SPDX-License-Identifier: BSD-3-Clause */

/* KubeVirt's VirtualMachine, version kubevirt.io/v1.
 *
 * The shape follows KubeVirt's API types (core/v1, schema.go): clock,
 * features and cpu are children of domain; a network is "pod" or
 * "multus"; efi.secureBoot is true unless it is written, and needs smm;
 * exactly one of running and runStrategy must be there.  What matters of
 * it is written down in docs/kubevirt-vm.schema.json, against which the
 * tests check every document.
 *
 * Everything goes through libyaml's emitter.  Strings are quoted unless
 * they are plain words that no version of YAML reads as something else.
 */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <yaml.h>

#include "model.h"
#include "v2v-utils.h"

struct doc {
  yaml_document_t d;
  bool failed;
};

static int
check (struct doc *doc, int node)
{
  if (node == 0)
    doc->failed = true;
  return node;
}

static int
map_new (struct doc *doc)
{
  return check (
    doc, yaml_document_add_mapping (&doc->d, NULL, YAML_BLOCK_MAPPING_STYLE));
}

static int
seq_new (struct doc *doc)
{
  return check (
    doc, yaml_document_add_sequence (&doc->d, NULL, YAML_BLOCK_SEQUENCE_STYLE));
}

static int
scalar (struct doc *doc, const char *s, yaml_scalar_style_t style)
{
  return check (
    doc, yaml_document_add_scalar (&doc->d, NULL, (yaml_char_t *)s, -1, style));
}

static bool
is_plain (const char *s)
{
  static const char *const special[] = {
    "true", "false", "yes", "no", "on", "off", "y", "n", "null",
  };
  size_t i, n = strlen (s);

  if (n == 0 || n > 60 || strchr ("0123456789._-", s[0]) ||
      s[strspn (s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                   "0123456789_./-")] != '\0')
    return false;
  for (i = 0; i < V2V_ARRAY_SIZE (special); ++i)
    if (strcasecmp (s, special[i]) == 0)
      return false;
  return true;
}

static int
string (struct doc *doc, const char *s)
{
  return scalar (doc, s,
                 is_plain (s) ? YAML_PLAIN_SCALAR_STYLE
                              : YAML_DOUBLE_QUOTED_SCALAR_STYLE);
}

static void
put (struct doc *doc, int map, const char *key, int value)
{
  int k;

  if (doc->failed)
    return;
  k = string (doc, key);
  if (k == 0 || value == 0 ||
      !yaml_document_append_mapping_pair (&doc->d, map, k, value))
    doc->failed = true;
}

static void
push (struct doc *doc, int seq, int value)
{
  if (!doc->failed && !yaml_document_append_sequence_item (&doc->d, seq, value))
    doc->failed = true;
}

static void
put_str (struct doc *doc, int map, const char *key, const char *s)
{
  put (doc, map, key, string (doc, s));
}

static void
put_uint (struct doc *doc, int map, const char *key, uint64_t n)
{
  char s[32];

  snprintf (s, sizeof s, "%llu", (unsigned long long)n);
  put (doc, map, key, scalar (doc, s, YAML_PLAIN_SCALAR_STYLE));
}

static void
put_bool (struct doc *doc, int map, const char *key, bool b)
{
  put (doc, map, key,
       scalar (doc, b ? "true" : "false", YAML_PLAIN_SCALAR_STYLE));
}

static int
put_map (struct doc *doc, int map, const char *key)
{
  int n = map_new (doc);

  put (doc, map, key, n);
  return n;
}

static int
put_seq (struct doc *doc, int map, const char *key)
{
  int n = seq_new (doc);

  put (doc, map, key, n);
  return n;
}

static int
push_map (struct doc *doc, int seq)
{
  int n = map_new (doc);

  push (doc, seq, n);
  return n;
}

static void
put_firmware (struct doc *doc, int domain, const struct model *m)
{
  int fw = put_map (doc, domain, "firmware"), boot, efi;

  if (m->uuid)
    put_str (doc, fw, "uuid", m->uuid);
  boot = put_map (doc, fw, "bootloader");
  if (!m->uefi) {
    put_map (doc, boot, "bios");
    return;
  }
  efi = put_map (doc, boot, "efi");
  put_bool (doc, efi, "secureBoot", m->secure_boot);
  put_bool (doc, efi, "persistent", true);
}

static void
put_cpu (struct doc *doc, int domain, const struct model *m)
{
  int cpu = put_map (doc, domain, "cpu");

  if (m->cpu_model)
    put_str (doc, cpu, "model", m->cpu_model);
  put_uint (doc, cpu, "sockets", m->sockets ? m->sockets : 1);
  put_uint (doc, cpu, "cores", m->sockets ? m->cores : m->vcpus);
  put_uint (doc, cpu, "threads", m->sockets ? m->threads : 1);
}

static void
put_clock (struct doc *doc, int domain, const struct model *m)
{
  const struct target_facts *f = m->facts;
  int clock, timer, t;

  clock = put_map (doc, domain, "clock");
  if (f->rtc_utc)
    put_map (doc, clock, "utc");
  else if (f->timezone && is_plain (f->timezone))
    put_str (doc, clock, "timezone", f->timezone);
  else {
    put_map (doc, clock, "utc");
    model_warn (m, "target-clock",
                "The guest keeps its clock in local time, "
                "which KubeVirt can only say with the name of a time zone: "
                "set clock.timezone, or the clock will be off.");
  }
  timer = put_map (doc, clock, "timer");
  t = put_map (doc, timer, "hpet");
  put_bool (doc, t, "present", false);
  t = put_map (doc, timer, "pit");
  put_str (doc, t, "tickPolicy", "delay");
  t = put_map (doc, timer, "rtc");
  put_str (doc, t, "tickPolicy", "catchup");
  if (m->windows)
    put_map (doc, timer, "hyperv");
}

static void
put_features (struct doc *doc, int domain, const struct model *m)
{
  int features = put_map (doc, domain, "features"), h, t;

  put_map (doc, features, "acpi");
  if (m->x86)
    put_map (doc, features, "apic");
  if (m->secure_boot) {
    t = put_map (doc, features, "smm");
    put_bool (doc, t, "enabled", true);
  }
  if (m->windows && m->x86) {
    h = put_map (doc, features, "hyperv");
    put_map (doc, h, "relaxed");
    put_map (doc, h, "vapic");
    t = put_map (doc, h, "spinlocks");
    put_uint (doc, t, "spinlocks", 8191);
  }
}

/* KubeVirt refuses a CD-ROM drive without a medium (its admission webhook:
 * "cannot define an empty CD-ROM disk"), unless it is 1.6 or later with a
 * feature gate: a document that only some clusters take helps nobody.
 */
static void
warn_removables (const struct model *m)
{
  unsigned cdroms = 0, floppies = 0;
  size_t i;

  for (i = 0; i < m->nr_removables; ++i)
    if (m->removables[i].kind == VM_CDROM)
      cdroms++;
    else
      floppies++;
  if (cdroms > 0)
    model_warn (m, "target-drive",
                "KubeVirt takes empty CD-ROM drives only with the feature "
                "gate DeclarativeHotplugVolumes: %u left out.  Where it is "
                "on, add \"- {name: cdrom-0, cdrom: {bus: sata}}\" to "
                "devices.disks.",
                cdroms);
  if (floppies > 0)
    model_warn (m, "target-floppy",
                "KubeVirt has no floppy drives: %u left out.", floppies);
}

static void
put_disks (struct doc *doc, int devices, const struct model *m)
{
  int disks = put_seq (doc, devices, "disks"), d, t;
  size_t i;
  char name[32];

  for (i = 0; i < m->nr_disks; ++i) {
    d = push_map (doc, disks);
    snprintf (name, sizeof name, "disk-%zu", i);
    put_str (doc, d, "name", name);
    t = put_map (doc, d, "disk");
    put_str (doc, t, "bus",
             m->disks[i].bus == BUS_VIRTIO ? "virtio"
             : m->disks[i].bus == BUS_SCSI ? "scsi"
                                           : "sata");
    put_uint (doc, d, "bootOrder", m->disks[i].boot);
    if (m->disks[i].sector) {
      t = put_map (doc, put_map (doc, d, "blockSize"), "custom");
      put_uint (doc, t, "logical", m->disks[i].sector);
      put_uint (doc, t, "physical", m->disks[i].sector);
    }
    if (m->disks[i].serial)
      put_str (doc, d, "serial", m->disks[i].serial);
  }
  warn_removables (m);
}

/* The pod's own network can be used once; the others are Multus'. */
static bool
is_pod_network (const struct model *m, size_t i)
{
  const struct model_nic *n = &m->nics[i];
  size_t j;

  if (n->kind != VM_NIC_NETWORK ||
      (strcmp (n->vnet, "default") != 0 && strcmp (n->vnet, "pod") != 0))
    return false;
  for (j = 0; j < i; ++j)
    if (is_pod_network (m, j))
      return false;
  return true;
}

/* "name" or "namespace/name". */
static char *
network_name (const char *vnet)
{
  const char *slash = strchr (vnet, '/');
  CLEANUP_FREE char *ns = NULL, *name = NULL;
  char *ret;

  if (slash && slash > vnet && slash[1] && strchr (slash + 1, '/') == NULL) {
    CLEANUP_FREE char *raw = strndup (vnet, slash - vnet);

    ns = raw ? target_name_dns (raw) : NULL;
    name = target_name_dns (slash + 1);
    if (ns == NULL || name == NULL || asprintf (&ret, "%s/%s", ns, name) == -1)
      return NULL;
    return ret;
  }
  return target_name_dns (vnet);
}

static void
put_nics (struct doc *doc, int devices, int spec, const struct model *m)
{
  int interfaces, networks, i, n;
  size_t k;
  char name[32];

  if (m->nr_nics == 0) {
    /* Or else KubeVirt adds one. */
    put_bool (doc, devices, "autoattachPodInterface", false);
    return;
  }
  interfaces = put_seq (doc, devices, "interfaces");
  networks = put_seq (doc, spec, "networks");
  for (k = 0; k < m->nr_nics; ++k) {
    bool pod = is_pod_network (m, k);

    snprintf (name, sizeof name, "net-%zu", k);
    i = push_map (doc, interfaces);
    put_str (doc, i, "name", name);
    put_str (doc, i, "model", model_nic_model (m));
    put_map (doc, i, pod ? "masquerade" : "bridge");
    if (m->nics[k].mac)
      put_str (doc, i, "macAddress", m->nics[k].mac);
    if (m->nics[k].boot)
      put_uint (doc, i, "bootOrder", m->nics[k].boot);

    n = push_map (doc, networks);
    put_str (doc, n, "name", name);
    if (pod)
      put_map (doc, n, "pod");
    else {
      CLEANUP_FREE char *net = network_name (m->nics[k].vnet);
      int multus = put_map (doc, n, "multus");

      if (net == NULL)
        doc->failed = true;
      else
        put_str (doc, multus, "networkName", net);
      if (net && strcmp (net, m->nics[k].vnet) != 0)
        model_warn (m, "target-network",
                    "\"%s\" is not a name of a "
                    "Kubernetes network: \"%s\" is used.",
                    m->nics[k].vnet, net);
    }
  }
}

static void
put_devices (struct doc *doc, int domain, int spec, const struct model *m)
{
  const struct target_facts *f = m->facts;
  int devices = put_map (doc, domain, "devices"), inputs, n;

  put_disks (doc, devices, m);
  put_nics (doc, devices, spec, m);
  if (!f->virtio_1_0)
    put_bool (doc, devices, "useVirtioTransitional", true);
  if (f->rng)
    put_map (doc, devices, "rng");
  if (!f->balloon)
    put_bool (doc, devices, "autoattachMemBalloon", false);
  if (m->tpm_model) {
    n = put_map (doc, devices, "tpm");
    put_bool (doc, n, "persistent", true);
  }
  if (m->sound) {
    const char *model = strcmp (m->sound, "ac97") == 0      ? "ac97"
                        : strncmp (m->sound, "ich", 3) == 0 ? "ich9"
                                                            : NULL;

    if (model) {
      n = put_map (doc, devices, "sound");
      put_str (doc, n, "name", "sound");
      put_str (doc, n, "model", model);
    }
    else
      model_warn (m, "target-sound",
                  "KubeVirt has no sound card %s: the "
                  "machine has none.",
                  m->sound);
  }
  inputs = put_seq (doc, devices, "inputs");
  n = push_map (doc, inputs);
  put_str (doc, n, "name", "tablet");
  put_str (doc, n, "type", "tablet");
  put_str (doc, n, "bus", "usb");
}

static void
put_volumes (struct doc *doc, int spec, const struct model *m, const char *dns)
{
  int volumes = put_seq (doc, spec, "volumes"), v, s;
  size_t i;
  char name[32];

  for (i = 0; i < m->nr_disks; ++i) {
    const struct model_disk *d = &m->disks[i];

    v = push_map (doc, volumes);
    snprintf (name, sizeof name, "disk-%zu", i);
    put_str (doc, v, "name", name);
    if (d->facts->claim == NULL && !d->uri && d->path[0] == '/') {
      s = put_map (doc, v, "hostDisk");
      put_str (doc, s, "path", d->path);
      put_str (doc, s, "type", "Disk");
    }
    else {
      CLEANUP_FREE char *derived = NULL, *claim = NULL;

      /* A file that has no place on a node yet: it goes into a claim. */
      if (asprintf (&derived, "%s-%s", dns, name) == -1)
        derived = NULL;
      claim = derived
                ? target_name_dns (d->facts->claim ? d->facts->claim : derived)
                : NULL;
      s = put_map (doc, v, "persistentVolumeClaim");
      if (claim)
        put_str (doc, s, "claimName", claim);
      else
        doc->failed = true;
    }
  }
}

static void
put_metadata (struct doc *doc, int root, const struct model *m, const char *dns)
{
  const struct target_facts *f = m->facts;
  int meta = put_map (doc, root, "metadata"), labels, notes;
  CLEANUP_FREE char *os = NULL, *hv = NULL;

  put_str (doc, meta, "name", dns);
  labels = put_map (doc, meta, "labels");
  put_str (doc, labels, "nbdkit-v2v/version", PACKAGE_VERSION);
  if (f->osinfo) {
    os = target_name_label (f->osinfo);
    if (os)
      put_str (doc, labels, "nbdkit-v2v/osinfo", os);
  }
  if (m->hypervisor) {
    hv = target_name_label (m->hypervisor);
    if (hv)
      put_str (doc, labels, "nbdkit-v2v/source", hv);
  }
  notes = put_map (doc, meta, "annotations");
  put_str (doc, notes, "nbdkit-v2v/name", m->title);
  if (m->genid) {
    put_str (doc, notes, "nbdkit-v2v/genid", m->genid);
    model_warn (m, "target-genid",
                "KubeVirt has no place for the "
                "generation id: it is kept as an annotation.");
  }
}

static int
append (void *opaque, unsigned char *data, size_t n)
{
  return fwrite (data, 1, n, opaque) == n;
}

static int
emit (struct doc *doc, char **text, size_t *len, char **error)
{
  FILE *fp = open_memstream (text, len);
  yaml_emitter_t e;
  int r = -1;

  if (fp == NULL || !yaml_emitter_initialize (&e)) {
    if (fp) {
      fclose (fp);
      free (*text);
    }
    return target_error (error, "out of memory");
  }
  yaml_emitter_set_output (&e, append, fp);
  yaml_emitter_set_unicode (&e, 1);
  yaml_emitter_set_width (&e, -1);
  yaml_emitter_set_indent (&e, 2);
  /* yaml_emitter_dump frees the document, also when it fails. */
  if (yaml_emitter_open (&e) && yaml_emitter_dump (&e, &doc->d) &&
      yaml_emitter_close (&e))
    r = 0;
  else
    target_error (error, "libyaml could not write the document: %s",
                  e.problem ? e.problem : "out of memory");
  yaml_emitter_delete (&e);
  if (fclose (fp) == EOF && r == 0)
    r = target_error (error, "out of memory");
  if (r == -1) {
    free (*text);
    *text = NULL;
  }
  return r;
}

int
target_write_kubevirt (const struct vm *source, const struct target_facts *f,
                       char **text, size_t *len, char **error)
{
  struct model *m = model_new (source, f, error);
  CLEANUP_FREE char *dns = NULL;
  struct doc doc = { .failed = false };
  int root, spec, tmpl, meta, domain, n;
  char mib[32];

  if (m == NULL)
    return -1;
  dns = target_name_dns (m->title);
  if (dns == NULL ||
      !yaml_document_initialize (&doc.d, NULL, NULL, NULL, 1, 1)) {
    model_free (m);
    return target_error (error, "out of memory");
  }
  if (m->machine == TARGET_MACHINE_I440FX)
    model_warn (m, "target-machine",
                "KubeVirt does not offer the machine "
                "type i440fx, for which this guest was set up: q35 is used.");

  root = map_new (&doc);
  put_str (&doc, root, "apiVersion", "kubevirt.io/v1");
  put_str (&doc, root, "kind", "VirtualMachine");
  put_metadata (&doc, root, m, dns);
  spec = put_map (&doc, root, "spec");
  put_str (&doc, spec, "runStrategy", "Halted");
  tmpl = put_map (&doc, spec, "template");
  meta = put_map (&doc, tmpl, "metadata");
  n = put_map (&doc, meta, "labels");
  put_str (&doc, n, "kubevirt.io/domain", dns);
  spec = put_map (&doc, tmpl, "spec");
  /* Long enough for a guest to shut down. */
  put_uint (&doc, spec, "terminationGracePeriodSeconds", 180);
  if (!m->x86)
    put_str (&doc, spec, "architecture",
             strcmp (m->arch, "aarch64") == 0 ? "arm64" : m->arch);
  domain = put_map (&doc, spec, "domain");
  n = put_map (&doc, domain, "machine");
  put_str (&doc, n, "type",
           m->x86                           ? "q35"
           : strcmp (m->arch, "s390x") == 0 ? "s390-ccw-virtio"
                                            : "virt");
  put_firmware (&doc, domain, m);
  put_cpu (&doc, domain, m);
  snprintf (mib, sizeof mib, "%lluMi", (unsigned long long)(m->memory >> 20));
  n = put_map (&doc, domain, "memory");
  put_str (&doc, n, "guest", mib);
  n = put_map (&doc, domain, "resources");
  n = put_map (&doc, n, "requests");
  put_str (&doc, n, "memory", mib);
  if (m->x86) {
    put_clock (&doc, domain, m);
    put_features (&doc, domain, m);
  }
  put_devices (&doc, domain, spec, m);
  put_volumes (&doc, spec, m, dns);
  model_free (m);
  if (doc.failed) {
    yaml_document_delete (&doc.d);
    return target_error (error, "out of memory");
  }
  return emit (&doc, text, len, error);
}
