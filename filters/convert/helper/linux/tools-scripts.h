/* SPDX-License-Identifier: BSD-3-Clause */

/* What tools.c leaves for the first boot.  Apart, so that the test runs it.
 */

#ifndef V2V_LINUX_TOOLS_SCRIPTS_H
#define V2V_LINUX_TOOLS_SCRIPTS_H

enum tool {
  VMWARE_TARBALL,
  VMWARE,
  VIRTUALBOX,
  CITRIX,
  PARALLELS,
  HYPERV,
  NUTANIX,
  NR_TOOLS
};

static const char tools_head[] =
  "#!/bin/sh\n"
  "# Remove the tools of the hypervisor that this machine came from.\n"
  "export DEBIAN_FRONTEND=noninteractive LC_ALL=C\n"
  "have () { command -v \"$1\" >/dev/null 2>&1; }\n"
  "# unmask NAME...: take back what kept the services from starting.\n"
  "unmask () {\n"
  "    for u; do\n"
  "        l=/etc/systemd/system/$u.service\n"
  "        [ \"$(readlink \"$l\")\" = /dev/null ] && rm -f \"$l\"\n"
  "        l=/etc/init/$u.override\n"
  "        [ \"$(cat \"$l\" 2>/dev/null)\" = manual ] && rm -f \"$l\"\n"
  "    done\n"
  "}\n"
  "# drop PATTERN...: remove the installed packages with such names.\n"
  "drop () {\n"
  "    found=\n"
  "    for p; do\n"
  "        if have dpkg-query; then\n"
  "            found=\"$found $(dpkg-query -W \\\n"
  "                -f '${db:Status-Status} ${Package}\\n' \"$p\" 2>/dev/null |\n"
  "                sed -n 's/^installed //p' | tr '\\n' ' ')\"\n"
  "        elif have rpm; then\n"
  "            found=\"$found $(rpm -qa --qf '%{NAME}\\n' \"$p\" | sort -u |\n"
  "                tr '\\n' ' ')\"\n"
  "        elif have pacman; then\n"
  "            pacman -Qq \"$p\" >/dev/null 2>&1 && found=\"$found $p\"\n"
  "        elif have apk; then\n"
  "            apk info -e \"$p\" >/dev/null 2>&1 && found=\"$found $p\"\n"
  "        fi\n"
  "    done\n"
  "    if have dpkg-query && [ \"$(dpkg-query -W -f '${db:Status-Status}' \\\n"
  "        ubuntu-server 2>/dev/null)\" = installed ]; then\n"
  "        found=$(echo \"$found\" | tr ' ' '\\n' |\n"
  "            grep -vx open-vm-tools | tr '\\n' ' ')\n"
  "    fi\n"
  "    set -- $found\n"
  "    [ $# -gt 0 ] || return 0\n"
  "    echo \"removing $*\"\n"
  "    if have apt-get && have dpkg-query; then\n"
  "        apt-get -q -y -o DPkg::Lock::Timeout=300 \\\n"
  "            -o Dpkg::Options::=--force-confold remove \"$@\"\n"
  "    elif have dnf; then\n"
  "        dnf -y --setopt=clean_requirements_on_remove=False remove \"$@\"\n"
  "    elif have yum; then\n"
  "        yum -y --setopt=clean_requirements_on_remove=False remove \"$@\"\n"
  "    elif have zypper; then zypper -n remove \"$@\"\n"
  "    elif have pacman; then pacman -R --noconfirm \"$@\"\n"
  "    elif have apk; then apk del \"$@\"\n"
  "    elif have rpm; then rpm -e \"$@\"\n"
  "    fi\n"
  "}\n";

static const char *const tools_scripts[NR_TOOLS] = {
  [VMWARE_TARBALL] =
    "unmask vmware-tools vmware-tools-thinprint\n"
    "if [ -x /usr/bin/vmware-uninstall-tools.pl ]; then\n"
    "    # Do not let it rebuild every initrd.\n"
    "    if [ -f /etc/vmware-tools/locations ]; then\n"
    "        for a in RESTORE_RAMDISK_CMD RESTORE_RAMDISK_KERNELS \\\n"
    "            RESTORE_RAMDISK_ONECALL; do\n"
    "            echo \"remove_answer $a\"\n"
    "        done >>/etc/vmware-tools/locations\n"
    "    fi\n"
    "    /usr/bin/vmware-uninstall-tools.pl\n"
    "fi\n",
  [VMWARE] =
    "drop 'open-vm-tools' 'open-vm-tools-*' 'vmware-tools-*' VMwareTools \\\n"
    "    'kmod-vmware-tools*'\n",
  [VIRTUALBOX] =
    "unmask vboxadd vboxadd-service vboxadd-x11\n"
    "dir=$(sed -n \"s/^INSTALL_DIR=['\\\"]*\\([^'\\\"]*\\)['\\\"]*$/\\1/p\" \\\n"
    "    /var/lib/VBoxGuestAdditions/config 2>/dev/null | tail -n 1)\n"
    "case $dir in /*) [ -x \"$dir/uninstall.sh\" ] && \"$dir/uninstall.sh\" ;;"
    " esac\n"
    "drop virtualbox-guest-additions 'virtualbox-guest-*'\n",
  [CITRIX] = "unmask xe-linux-distribution xe-daemon\n"
             "drop 'xe-guest-utilities*' xen-guest-agent\n",
  [PARALLELS] = "unmask prltoolsd prl-x11\n"
                "[ -x /usr/lib/parallels-tools/install ] &&\n"
                "    /usr/lib/parallels-tools/install -r\n",
  [HYPERV] =
    "drop hyperv-daemons 'hyperv-daemons-*' hypervkvpd hypervvssd hypervfcopyd \\\n"
    "    hyperv-tools 'linux-cloud-tools-*' walinuxagent WALinuxAgent \\\n"
    "    python-azure-agent\n",
  [NUTANIX] =
    "unmask ngt_guest_agent ngt_self_service_restore\n"
    "for py in /usr/local/nutanix/ngt/python36/bin/python3.6 \\\n"
    "    /usr/local/nutanix/ngt/python/bin/python2.7 python3; do\n"
    "    if command -v $py >/dev/null 2>&1; then\n"
    "        $py /usr/local/nutanix/ngt/python/bin/uninstall_ngt.py && break\n"
    "    fi\n"
    "done\n",
};

#endif /* V2V_LINUX_TOOLS_SCRIPTS_H */
