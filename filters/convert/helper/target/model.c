/* SPDX-License-Identifier: BSD-3-Clause */

/* From the source's description and the facts to one machine: everything
 * but its disks and drives (model-disks.c).
 *
 * Invariant: sockets * cores * threads = vcpus, or all three are 0.
 */

#include <config.h>

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model.h"
#include "v2v-utils.h"

#define MiB (UINT64_C (1) << 20)
#define DEFAULT_MEMORY (2048 * MiB)
#define MAX_MEMORY (UINT64_C (1) << 52)

void
model_warn (const struct model *m, const char *code, const char *fmt, ...)
{
  CLEANUP_FREE char *msg = NULL;
  va_list ap;

  if (m->facts->warn == NULL)
    return;
  va_start (ap, fmt);
  if (vasprintf (&msg, fmt, ap) == -1)
    msg = NULL;
  va_end (ap);
  if (msg)
    m->facts->warn (m->facts->warn_opaque, code, msg);
}

/* Firmware and machine. */

static const char *
normal_arch (const char *arch)
{
  static const char *const known[] = {
    "x86_64", "aarch64", "ppc64le", "ppc64", "s390x", "riscv64",
  };
  size_t i;

  if (arch == NULL)
    return "x86_64";
  if (strlen (arch) == 4 && arch[0] == 'i' && strcmp (arch + 2, "86") == 0)
    return "i686";
  for (i = 0; i < V2V_ARRAY_SIZE (known); ++i)
    if (strcmp (arch, known[i]) == 0)
      return known[i];
  if (strcmp (arch, "arm64") == 0)
    return "aarch64";
  return "x86_64";
}

static void
set_firmware (struct model *m, const struct vm *source)
{
  const struct target_facts *f = m->facts;
  enum vm_firmware fw = source ? source->firmware : VM_FIRMWARE_UNKNOWN;
  enum vm_tristate sb = f->secure_boot, tpm = f->tpm;

  m->arch = normal_arch (f->arch);
  m->x86 = strcmp (m->arch, "x86_64") == 0 || strcmp (m->arch, "i686") == 0;
  m->machine = m->x86 ? f->machine : TARGET_MACHINE_VIRT;
  if (m->x86 && m->machine == TARGET_MACHINE_VIRT)
    m->machine = TARGET_MACHINE_Q35;

  if (fw == VM_FIRMWARE_UNKNOWN)
    fw = f->firmware;
  m->uefi = fw == VM_FIRMWARE_UEFI;
  if (strcmp (m->arch, "aarch64") == 0 || strcmp (m->arch, "riscv64") == 0)
    m->uefi = true; /* these machines have nothing else */
  else if (!m->x86)
    m->uefi = false; /* and these have no UEFI */

  if (sb == VM_UNKNOWN && source)
    sb = source->secure_boot;
  m->secure_boot = m->uefi && sb == VM_YES;
  if (m->secure_boot && !m->x86) {
    model_warn (m, "target-secure-boot",
                "Machines of %s have no secure boot here: it is off.", m->arch);
    m->secure_boot = false;
  }
  if (m->secure_boot && m->machine == TARGET_MACHINE_I440FX) {
    model_warn (m, "target-machine",
                "Secure boot needs the machine type q35, which is used "
                "instead of i440fx.");
    m->machine = TARGET_MACHINE_Q35;
  }
  /* On i440fx every virtio device is a transitional one anyway. */
  m->transitional = !f->virtio_1_0 && m->machine == TARGET_MACHINE_Q35;

  if (tpm == VM_UNKNOWN && source && (source->tpm_model || source->tpm_version))
    tpm = VM_YES;
  if (tpm == VM_YES && !m->x86 && strcmp (m->arch, "aarch64") != 0)
    model_warn (m, "target-tpm", "This machine has no TPM: it is left out.");
  else if (tpm == VM_YES) {
    m->tpm_version = source && source->tpm_version &&
                         strcmp (source->tpm_version, "1.2") == 0
                       ? "1.2"
                       : "2.0";
    m->tpm_model = strcmp (m->tpm_version, "1.2") == 0 || !m->uefi || !m->x86 ||
                       (source && source->tpm_model &&
                        strcmp (source->tpm_model, "tpm-tis") == 0)
                     ? "tpm-tis"
                     : "tpm-crb";
    model_warn (m, "target-tpm",
                "The virtual TPM starts empty: keys that were sealed in the "
                "source's TPM (BitLocker) ask for their recovery key.");
  }
}

static bool
is_one_byte_repeated (const char *uuid)
{
  char a[3] = { uuid[0], uuid[1], 0 };
  size_t i;

  for (i = 0; i < 36; i += 2) {
    if (uuid[i] == '-')
      i++;
    if (strncasecmp (uuid + i, a, 2) != 0)
      return false;
  }
  return true;
}

static char *
copy_uuid (const char *s, bool *oom)
{
  char *ret, *p;

  /* libvirt refuses all-equal bytes, and they identify nothing. */
  if (!text_is_uuid (s) || is_one_byte_repeated (s))
    return NULL;
  ret = strdup (s);
  if (ret == NULL)
    *oom = true;
  else
    for (p = ret; *p; ++p)
      *p = tolower ((unsigned char)*p);
  return ret;
}

/* Only names that every hypervisor's command line can take. */
char *
model_copy_word (const char *s, bool *oom)
{
  char *ret;

  if (s == NULL || *s == '\0' || strlen (s) > 64 || !isalnum (*s & 0x7f) ||
      s[strspn (s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                   "0123456789_-.")] != '\0')
    return NULL;
  ret = strdup (s);
  if (ret == NULL)
    *oom = true;
  return ret;
}

static void
set_cpu (struct model *m, const struct vm *source, bool *oom)
{
  uint64_t product;

  m->memory = source && source->memory ? source->memory : DEFAULT_MEMORY;
  if (m->memory > MAX_MEMORY)
    m->memory = MAX_MEMORY;
  m->memory = v2v_round_up (m->memory, MiB);
  m->vcpus = source ? source->vcpus : 0;
  if (source) {
    m->sockets = source->cpu_sockets;
    m->cores = source->cpu_cores;
    m->threads = source->cpu_threads;
    m->cpu_model = model_copy_word (source->cpu_model, oom);
    if (source->cpu_model && *source->cpu_model && !m->cpu_model && !*oom)
      model_warn (m, "target-cpu",
                  "The source's CPU model is not a name that a hypervisor "
                  "accepts: the host's is used.");
    if (m->cpu_model)
      m->cpu_vendor = model_copy_word (source->cpu_vendor, oom);
  }
  product = (uint64_t)m->sockets * m->cores;
  product = product <= UINT32_MAX ? product * m->threads : 0;
  if (m->vcpus == 0 && product <= UINT16_MAX)
    m->vcpus = product;
  if (m->vcpus == 0)
    m->vcpus = 1;
  if (product != m->vcpus) {
    if (product != 0)
      model_warn (m, "target-topology",
                  "The CPU topology %ux%ux%u does not give %u CPUs: it is "
                  "left out.",
                  m->sockets, m->cores, m->threads, m->vcpus);
    m->sockets = m->cores = m->threads = 0;
  }
}

static void
set_sound (struct model *m, const char *sound)
{
  static const char *const known[] = {
    "ac97", "es1370", "ich6", "ich9", "pcspk", "sb16", "usb",
  };
  size_t i;

  if (sound == NULL)
    return;
  for (i = 0; i < V2V_ARRAY_SIZE (known); ++i)
    if (strcmp (sound, known[i]) == 0)
      m->sound = known[i];
  if (m->sound && !m->x86 && strcmp (m->sound, "usb") != 0)
    m->sound = NULL;
  if (m->sound == NULL)
    model_warn (m, "target-sound",
                "The source's sound card has no "
                "counterpart: the machine has none.");
}

static void
set_display (struct model *m, const struct vm *source, bool *oom)
{
  const struct vm_display *d = source ? &source->display : NULL;
  const char *type = d ? d->type : NULL;

  m->display_port = -1;
  if (type == NULL ||
      (strcmp (type, "vnc") != 0 && strcmp (type, "spice") != 0 &&
       strcmp (type, "window") != 0)) {
    if (type)
      model_warn (m, "target-display",
                  "The source's kind of display is not "
                  "known: VNC is used.");
    type = "vnc";
  }
  m->display_type = strdup (type);
  if (m->display_type == NULL)
    *oom = true;
  if (d == NULL)
    return;
  m->display_keymap = model_copy_word (d->keymap, oom);
  m->display_password = text_utf8 (d->password, oom);
  if (d->listen && *d->listen && strlen (d->listen) < 256 &&
      d->listen[0] != '-' &&
      d->listen[strspn (d->listen,
                        "abcdefghijklmnopqrstuvwxyz"
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-_")] == '\0')
    m->display_listen = text_utf8 (d->listen, oom);
  m->display_listen_type = model_copy_word (d->listen_type, oom);
  if (d->port > 0 && d->port < 65536)
    m->display_port = d->port;
}

/* NICs. */

static char *
copy_mac (const struct model *m, const char *s, bool *oom)
{
  unsigned b[6];
  char *ret, tail;

  if (s == NULL || *s == '\0')
    return NULL;
  if (strlen (s) != 17 ||
      sscanf (s, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3], &b[4],
              &b[5], &tail) != 6 ||
      s[strspn (s, "0123456789abcdefABCDEF:")] != '\0' || (b[0] & 1) != 0) {
    model_warn (m, "target-mac",
                "The MAC address of a NIC is not one that a "
                "machine can have: the target makes one up.");
    return NULL;
  }
  if ((b[0] | b[1] | b[2] | b[3] | b[4] | b[5]) == 0)
    return NULL;
  if (asprintf (&ret, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3],
                b[4], b[5]) == -1) {
    *oom = true;
    return NULL;
  }
  return ret;
}

static void
set_nic (struct model *m, struct model_nic *d, const struct vm_nic *n,
         bool *oom)
{
  const struct target_facts *f = m->facts;
  const char *vnet = n->vnet && *n->vnet ? n->vnet : "default";
  enum target_map_kind kind = n->kind == VM_NIC_BRIDGE ? TARGET_MAP_BRIDGE
                                                       : TARGET_MAP_NETWORK;
  const struct target_map *best = NULL;
  size_t i;

  for (i = 0; i < f->nr_maps; ++i) {
    const struct target_map *t = &f->maps[i];

    if (t->kind == TARGET_MAP_MAC) {
      if (n->mac && t->from && strcasecmp (n->mac, t->from) == 0) {
        best = t;
        break;
      }
    }
    else if (t->kind == kind) {
      if (t->from == NULL ? best == NULL : strcmp (t->from, vnet) == 0)
        best = t;
    }
  }
  d->kind = n->kind;
  if (best) {
    vnet = best->to;
    if (best->kind == TARGET_MAP_MAC)
      d->kind = best->to_kind;
  }
  d->vnet = text_utf8 (vnet, oom);
  d->mac = copy_mac (m, n->mac, oom);
}

static void
set_nics (struct model *m, const struct vm *source, bool *oom)
{
  const struct vm_nic one = { .kind = VM_NIC_NETWORK };
  const struct vm_nic *nics = source ? source->nics : &one;
  size_t i, n = source ? source->nr_nics : 1;

  m->nics = calloc (n + 1, sizeof *m->nics);
  if (m->nics == NULL) {
    *oom = true;
    return;
  }
  m->nr_nics = n;
  for (i = 0; i < n; ++i)
    set_nic (m, &m->nics[i], &nics[i], oom);
}

const char *
model_nic_model (const struct model *m)
{
  switch (m->facts->net) {
  case TARGET_NET_E1000:
    return "e1000";
  case TARGET_NET_RTL8139:
    return "rtl8139";
  case TARGET_NET_VIRTIO:
  default:
    return "virtio";
  }
}

struct model *
model_new (const struct vm *source, const struct target_facts *facts,
           char **error)
{
  struct model *m = calloc (1, sizeof *m);
  const char *name = facts->name;
  bool oom = false;
  int r;

  if (m == NULL) {
    target_error (error, "out of memory");
    return NULL;
  }
  m->facts = facts;
  if ((name == NULL || *name == '\0') && source)
    name = source->name;
  m->name = target_name_domain (name);
  m->title = text_utf8 (name && *name ? name : "unnamed", &oom);
  if (m->name == NULL)
    oom = true;
  else if (name && strcmp (m->name, name) != 0)
    model_warn (m, "target-name",
                "The name of the machine has characters "
                "that targets do not allow: \"%s\" is used.",
                m->name);
  if (source) {
    m->uuid = copy_uuid (source->uuid, &oom);
    m->genid = copy_uuid (source->genid, &oom);
    m->hypervisor = text_utf8 (source->hypervisor, &oom);
  }
  m->windows = facts->type && strcmp (facts->type, "windows") == 0;
  set_firmware (m, source);
  set_cpu (m, source, &oom);
  set_sound (m, source ? source->sound : NULL);
  set_display (m, source, &oom);
  r = model_set_disks (m, source, &oom, error);
  set_nics (m, source, &oom);
  if (oom) {
    if (r == 0 || *error == NULL)
      target_error (error, "out of memory");
    r = -1;
  }
  if (r == -1) {
    model_free (m);
    return NULL;
  }
  model_set_boot_order (m, source);
  return m;
}

void
model_free (struct model *m)
{
  size_t i;

  if (m == NULL)
    return;
  for (i = 0; m->disks && i < m->nr_disks; ++i) {
    free (m->disks[i].path);
    free (m->disks[i].pool);
    free (m->disks[i].serial);
  }
  for (i = 0; m->nics && i < m->nr_nics; ++i) {
    free (m->nics[i].mac);
    free (m->nics[i].vnet);
  }
  free (m->disks);
  free (m->removables);
  free (m->nics);
  free (m->name);
  free (m->title);
  free (m->uuid);
  free (m->genid);
  free (m->hypervisor);
  free (m->cpu_model);
  free (m->cpu_vendor);
  free (m->display_type);
  free (m->display_keymap);
  free (m->display_password);
  free (m->display_listen);
  free (m->display_listen_type);
  free (m);
}

void
model_derive_uuid (const struct model *m, const char *what, unsigned i,
                   char out[37])
{
  /* Four digests over different prefixes: enough to tell the parts of one
   * machine and two machines apart.  Version 8: made by our own rules.
   */
  unsigned h[4], k;

  for (k = 0; k < 4; ++k) {
    CLEANUP_FREE char *s = NULL;

    if (asprintf (&s, "%u/%s/%u/%s/%s/%s", k, what, i, m->uuid ? m->uuid : "",
                  m->nr_nics > 0 && m->nics[0].mac ? m->nics[0].mac : "",
                  m->title) == -1) {
      s = NULL;
      h[k] = k + i;
    }
    else
      h[k] = text_digest (s);
  }
  snprintf (out, 37, "%08x-%04x-8%03x-%04x-%04x%08x", h[0], h[1] >> 16,
            h[1] & 0xfff, 0x8000 | (h[2] >> 18), h[2] & 0xffff, h[3]);
}
