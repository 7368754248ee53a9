/* SPDX-License-Identifier: BSD-3-Clause */

/* QEMU's guest agent, installed by the guest at its first boot: from the
 * package file that the option guest-agent=FILE gives, else from the
 * guest's own repositories.  guest-agent=no leaves it out.
 *
 * The script asks the guest which package manager it has; nothing of the
 * guest and no file name of the user is pasted into it.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "host.h"
#include "state.h"
#include "v2v-utils.h"

static const char head[] =
  "#!/bin/sh\n"
  "# Install QEMU's guest agent.\n"
  "export DEBIAN_FRONTEND=noninteractive LC_ALL=C\n"
  "have () { command -v \"$1\" >/dev/null 2>&1; }\n"
  "start () {\n"
  "    if have systemctl; then\n"
  "        systemctl enable qemu-guest-agent >/dev/null 2>&1\n"
  "        systemctl start qemu-guest-agent\n"
  "    elif have rc-service; then\n"
  "        rc-update add qemu-guest-agent default\n"
  "        rc-service qemu-guest-agent start\n"
  "    elif [ -x /etc/init.d/qemu-ga ]; then\n"
  "        /etc/init.d/qemu-ga start\n"
  "    elif [ -x /etc/init.d/qemu-guest-agent ]; then\n"
  "        /etc/init.d/qemu-guest-agent start\n"
  "    fi\n"
  "}\n"
  "have qemu-ga && { start; exit 0; }\n"
  "apt () {\n"
  "    apt-get -q -y -o DPkg::Lock::Timeout=300 \\\n"
  "        -o Dpkg::Options::=--force-confold \"$@\"\n"
  "}\n";

static const char from_repository[] =
  "if have apt-get; then apt update; apt install qemu-guest-agent\n"
  "elif have dnf; then dnf -y install qemu-guest-agent\n"
  "elif have yum; then yum -y install qemu-guest-agent\n"
  "elif have zypper; then zypper -n install -l qemu-guest-agent\n"
  "elif have pacman; then pacman -Sy --noconfirm qemu-guest-agent\n"
  "elif have apk; then apk add qemu-guest-agent\n"
  "elif have urpmi; then urpmi --auto qemu-guest-agent\n"
  "else echo 'no package manager that is known'; exit 1\n"
  "fi || exit 1\n"
  "start\n";

static const char from_file[] =
  "set -- " FIRSTBOOT_DIR "/files/guest-agent.*\n"
  "case $1 in\n"
  "*.deb) dpkg -i \"$1\" || apt -f install ;;\n"
  "*.rpm)\n"
  "    if have dnf; then dnf -y install \"$1\"\n"
  "    elif have zypper; then\n"
  "        zypper -n --no-gpg-checks install -l \"$1\"\n"
  "    elif have yum; then yum -y localinstall \"$1\"\n"
  "    else false\n"
  "    fi || rpm -U \"$1\" ;;\n"
  "*.apk) apk add --allow-untrusted \"$1\" ;;\n"
  "*) pacman -U --noconfirm \"$1\" ;;\n"
  "esac || exit 1\n"
  "start\n";

#define MAX_PACKAGE (64 * 1024 * 1024)

int
agent_plan (struct linux_state *st)
{
  static const char *const suffixes[] = {
    "deb", "rpm", "apk", "pkg.tar.zst", "pkg.tar.xz",
  };
  struct guest *gst = st->gst;
  const char *opt = linux_option (st, "guest-agent");
  const bool file = opt && opt[0] == '/';
  const bool no = !file && !linux_option_yes (st, "guest-agent", true);
  CLEANUP_TEXT struct text t = TEXT_INIT;
  CLEANUP_FREE char *data = NULL;
  char path[128];
  size_t size, i;

  if (no)
    return 0;
  if (guest_is_file (gst, "/usr/bin/qemu-ga") ||
      guest_is_file (gst, "/usr/sbin/qemu-ga"))
    return 0;

  text_adds (&t, head);
  text_adds (&t, file ? from_file : from_repository);
  if (t.failed) {
    linux_oom (st);
    return -1;
  }
  if (file) {
    for (i = 0; i < V2V_ARRAY_SIZE (suffixes); i++) {
      const size_t n = strlen (suffixes[i]), len = strlen (opt);

      if (len > n + 1 && opt[len - n - 1] == '.' &&
          strcmp (opt + len - n, suffixes[i]) == 0)
        break;
    }
    if (i == V2V_ARRAY_SIZE (suffixes)) {
      report_error (gst->report, "guest-agent-file",
                    "guest-agent=%s: the name must end in .deb, .rpm, .apk, "
                    ".pkg.tar.zst or .pkg.tar.xz",
                    opt);
      return -1;
    }
    if (host_read (st, "guest-agent", opt, MAX_PACKAGE, &data, &size, NULL) ==
        -1)
      return -1;
    snprintf (path, sizeof path, FIRSTBOOT_DIR "/files/guest-agent.%s",
              suffixes[i]);
    if (conf_put (st, path, data, size, 0644,
                  "QEMU's guest agent, to be installed at first boot") == -1)
      return -1;
  }
  report_info (gst->report, "QEMU's guest agent will be installed when the "
                            "guest boots first");
  return firstboot_job (st, "guest-agent", t.data, t.len, !file);
}
