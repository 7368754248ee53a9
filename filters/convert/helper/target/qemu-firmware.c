/* SPDX-License-Identifier: BSD-3-Clause */

/* UEFI and the TPM in the script for QEMU: what the machine keeps besides
 * its disks, and what must be installed for it.
 */

#include <config.h>

#include <stdio.h>
#include <string.h>

#include "qemu.h"

/* Pairs of code and template of the variables, as distributions ship
 * them.
 */
static const char *
firmware_list (const struct model *m)
{
  if (strcmp (m->arch, "aarch64") == 0)
    return "/usr/share/AAVMF/AAVMF_CODE.fd:/usr/share/AAVMF/AAVMF_VARS.fd\n"
           "/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw:"
           "/usr/share/edk2/aarch64/vars-template-pflash.raw\n"
           "/usr/share/qemu/aavmf-aarch64-code.bin:"
           "/usr/share/qemu/aavmf-aarch64-vars.bin\n";
  if (strcmp (m->arch, "riscv64") == 0)
    return "/usr/share/qemu-efi-riscv64/RISCV_VIRT_CODE.fd:"
           "/usr/share/qemu-efi-riscv64/RISCV_VIRT_VARS.fd\n"
           "/usr/share/edk2/riscv/RISCV_VIRT_CODE.fd:"
           "/usr/share/edk2/riscv/RISCV_VIRT_VARS.fd\n";
  if (strcmp (m->arch, "i686") == 0 && m->secure_boot)
    return "/usr/share/OVMF/OVMF32_CODE_4M.secboot.fd:"
           "/usr/share/OVMF/OVMF32_VARS_4M.fd\n"
           "/usr/share/edk2/ovmf-ia32/OVMF_CODE.secboot.fd:"
           "/usr/share/edk2/ovmf-ia32/OVMF_VARS.secboot.fd\n";
  if (strcmp (m->arch, "i686") == 0)
    return "/usr/share/OVMF/OVMF32_CODE_4M.fd:/usr/share/OVMF/OVMF32_VARS_4M.fd\n"
           "/usr/share/OVMF/OVMF32_CODE_4M.secboot.fd:"
           "/usr/share/OVMF/OVMF32_VARS_4M.fd\n"
           "/usr/share/edk2/ovmf-ia32/OVMF_CODE.fd:"
           "/usr/share/edk2/ovmf-ia32/OVMF_VARS.fd\n"
           "/usr/share/edk2/ia32/OVMF_CODE.4m.fd:"
           "/usr/share/edk2/ia32/OVMF_VARS.4m.fd\n";
  if (m->secure_boot)
    return "/usr/share/OVMF/OVMF_CODE_4M.ms.fd:/usr/share/OVMF/OVMF_VARS_4M.ms.fd\n"
           "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd:"
           "/usr/share/OVMF/OVMF_VARS_4M.ms.fd\n"
           "/usr/share/OVMF/OVMF_CODE.ms.fd:/usr/share/OVMF/OVMF_VARS.ms.fd\n"
           "/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd:"
           "/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd\n"
           "/usr/share/qemu/ovmf-x86_64-smm-ms-code.bin:"
           "/usr/share/qemu/ovmf-x86_64-smm-ms-vars.bin\n";
  return "/usr/share/OVMF/OVMF_CODE_4M.fd:/usr/share/OVMF/OVMF_VARS_4M.fd\n"
         "/usr/share/OVMF/OVMF_CODE.fd:/usr/share/OVMF/OVMF_VARS.fd\n"
         "/usr/share/edk2/ovmf/OVMF_CODE.fd:/usr/share/edk2/ovmf/OVMF_VARS.fd\n"
         "/usr/share/edk2/x64/OVMF_CODE.4m.fd:/usr/share/edk2/x64/OVMF_VARS.4m.fd\n"
         "/usr/share/qemu/ovmf-x86_64-code.bin:"
         "/usr/share/qemu/ovmf-x86_64-vars.bin\n";
}

static const char *
firmware_package (const struct model *m)
{
  if (strcmp (m->arch, "aarch64") == 0)
    return "qemu-efi-aarch64 (edk2-aarch64)";
  if (strcmp (m->arch, "riscv64") == 0)
    return "qemu-efi-riscv64 (edk2-riscv64)";
  if (strcmp (m->arch, "i686") == 0)
    return "ovmf-ia32 (edk2-ovmf-ia32)";
  return "ovmf (edk2-ovmf)";
}

void
qemu_firmware (struct script *s)
{
  const struct model *m = s->m;

  if (!m->uefi)
    return;
  qemu_put (s, "# UEFI.  The variables are kept between starts.\n");
  fprintf (s->fp, "vars=./%s_VARS.fd\n", s->aux);
  qemu_put (s, "code=\n"
               "while IFS=: read -r c v; do\n"
               "    if [ ! -r \"$c\" ] || [ ! -r \"$v\" ]; then continue; fi\n"
               "    if [ -s \"$vars\" ]; then\n"
               "        [ \"$(stat -L -c %s \"$vars\")\" = "
               "\"$(stat -L -c %s \"$v\")\" ] || continue\n"
               "    else\n"
               "        cp -- \"$v\" \"$vars.tmp\"\n"
               "        chmod u+w -- \"$vars.tmp\"\n"
               "        mv -- \"$vars.tmp\" \"$vars\"\n"
               "    fi\n"
               "    code=$c\n"
               "    break\n"
               "done <<'FIRMWARE'\n");
  qemu_put (s, firmware_list (m));
  qemu_put (s, "FIRMWARE\n"
               "if [ -z \"$code\" ]; then\n"
               "    if [ -s \"$vars\" ]; then\n"
               "        echo \"$0: $vars belongs to another UEFI firmware than"
               " those here: move it away to begin anew\" >&2\n"
               "    else\n"
               "        echo \"$0: there is no UEFI firmware");
  if (m->secure_boot)
    qemu_put (s, " with secure boot");
  fprintf (s->fp,
           ": install %s\" >&2\n"
           "    fi\n"
           "    exit 1\n"
           "fi\n",
           firmware_package (m));
  qemu_put (s, "args+=(-blockdev \"driver=file,node-name=code,read-only=on,"
               "filename=$code\")\n"
               "args+=(-blockdev \"driver=file,node-name=vars,"
               "filename=$vars\")\n\n");
}

/* swtpm ends with QEMU's connection; should QEMU not come so far, with the
 * process that is to become QEMU.
 */
void
qemu_tpm (struct script *s)
{
  const struct model *m = s->m;
  const char *tpm2;

  if (m->tpm_model == NULL)
    return;
  tpm2 = strcmp (m->tpm_version, "2.0") == 0 ? "--tpm2 " : "";
  qemu_put (s, "# The TPM, whose state is kept between starts.\n"
               "if ! command -v swtpm >/dev/null; then\n"
               "    echo \"$0: this machine has a TPM: install swtpm\" >&2\n"
               "    exit 1\n"
               "fi\n");
  fprintf (s->fp, "tpm=./%s.tpm\n", s->aux);
  qemu_put (s, "[ -d \"$tpm\" ] || mkdir -m 0700 -- \"$tpm\"\n"
               "rm -f -- \"$tpm/sock\"\n");
  /* Its --daemon would change to /, where relative paths end. */
  fprintf (s->fp,
           "swtpm socket %s--tpmstate \"dir=$tpm\" "
           "--ctrl \"type=unixio,path=$tpm/sock\" --terminate </dev/null &\n",
           tpm2);
  qemu_put (s, "swtpm=$!\n"
               "{ tail --pid=$$ -f /dev/null; kill \"$swtpm\"; } "
               ">/dev/null 2>&1 &\n"
               "for ((i = 0; i < 100; i++)); do\n"
               "    if [ -S \"$tpm/sock\" ]; then break; fi\n"
               "    if ! kill -0 \"$swtpm\" 2>/dev/null; then\n"
               "        echo \"$0: swtpm did not start: is the machine running"
               " already?\" >&2\n"
               "        exit 1\n"
               "    fi\n"
               "    sleep 0.1\n"
               "done\n");
  qemu_arg (s, "-chardev", "socket,id=tpm,path=./%s.tpm/sock", s->aux);
  qemu_args (s, "-tpmdev", "emulator,id=tpm0,chardev=tpm", NULL);
  /* aarch64 has no ISA bus. */
  qemu_arg (s, "-device", "%s%s,tpmdev=tpm0", m->tpm_model,
            m->x86 ? "" : "-device");
}
