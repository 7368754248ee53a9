#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# What the conversion of a Linux guest leaves in it, file by file: first-boot
# jobs, uploads, the agent's package, names of cards, labels, software of
# the old hypervisor; and that report.json tells all of it with the right
# digests, and nothing else.
#
#   test-linux-guest.sh [--boot]
#
# With --boot the converted guest boots (twice): its jobs run once, in their
# order, and leave nothing but their log.

. "$(dirname "$0")/functions.sh"

PATH=$PATH:/sbin:/usr/sbin
requires debugfs -V
requires jq --version
requires dpkg-deb --version
[ "$(id -u)" = 0 ] || skip_all "making a guest needs root"
if [ "${1:-}" = --boot ]; then
    requires qemu-system-x86_64 --version
fi

made=$("$(dirname "$0")/guests/make-debian.sh" 2>"$tmp/make.log") || {
    cat "$tmp/make.log" >&2; exit 1; }
guest=$tmp/guest.img
cp --sparse=always "$made" "$guest"
fs="?offset=1048576"
in_image () { debugfs -R "$2" "$1$fs" 2>/dev/null; }
edit_image () { debugfs -w -R "$2" "$1$fs" >/dev/null 2>&1; }

# put PATH [MODE]: standard input becomes a file of the source.
put () {
    cat >"$tmp/put"
    printf 'rm %s\nwrite %s %s\nsif %s mode 0%o\n' \
        "$1" "$tmp/put" "$1" "$1" $((0${2:-100644})) >"$tmp/cmds"
    debugfs -w -f "$tmp/cmds" "$guest$fs" >/dev/null 2>&1
}
dirs () { for d; do edit_image "$guest" "mkdir $d"; done; }
label=system_u:object_r

# 1. A guest with more of VMware in it, a static address, and SELinux.
in_image "$guest" "cat /etc/fstab" >"$tmp/fstab"
echo '.host:/ /mnt/hgfs fuse.vmhgfs-fuse defaults 0 0' >>"$tmp/fstab"
put /etc/fstab <"$tmp/fstab"
put /etc/network/interfaces <<'END'
auto lo ens192
iface lo inet loopback
iface ens192 inet static
    address 10.0.2.77/24
END
echo 'deb https://packages.vmware.com/tools/x y main' |
    put /etc/apt/sources.list.d/vmware.list
# A tarball's service.
printf '#!/bin/sh\ntouch /var/log/vmware-tools-started\n' |
    put /etc/init.d/vmware-tools 100755
dirs /etc/vmware-tools
put /usr/bin/vmware-uninstall-tools.pl 100755 <<'END'
#!/bin/sh
echo "uninstalled, $(grep -c remove_answer /etc/vmware-tools/locations) answers"
rm -f /usr/bin/vmware-uninstall-tools.pl /etc/init.d/vmware-tools
END
echo 'answer X y' | put /etc/vmware-tools/locations
dirs /etc/selinux /etc/selinux/targeted /etc/selinux/targeted/contexts \
     /etc/selinux/targeted/contexts/files
printf 'SELINUX=permissive\nSELINUXTYPE=targeted\n' | put /etc/selinux/config
put /etc/selinux/targeted/contexts/files/file_contexts <<END
/.*	$label:default_t:s0
/etc/.*	$label:etc_t:s0
/usr/lib/.*	$label:lib_t:s0
/etc/systemd/system(/.*)?	$label:systemd_unit_file_t:s0
/etc/udev/rules\\.d/.*	--	$label:udev_rules_t:s0
/opt	-d	$label:usr_t:s0
/opt/.*	--	$label:usr_t:s0
END
echo "/opt/site(/.*)?	$label:site_t:s0" |
    put /etc/selinux/targeted/contexts/files/file_contexts.local
for f in /etc /etc/fstab /etc/hostname; do
    edit_image "$guest" "ea_set $f security.selinux $label:old_t:s0"
done

# 2. What the user gives.
cat >"$tmp/one.sh" <<'END'
#!/bin/sh
echo one >>/root/order
echo "one says hello"
END
cat >"$tmp/two.sh" <<'END'
echo two >>/root/order
exit 7
END
cat >"$tmp/three.sh" <<'END'
#!/bin/sh
echo three >>/root/order
END
head -c 300000 /dev/urandom >"$tmp/data"
printf '#!/bin/sh\n' >"$tmp/prog"
chmod +x "$tmp/prog"
mkdir -p "$tmp/deb/DEBIAN" "$tmp/deb/usr/sbin"
cat >"$tmp/deb/DEBIAN/control" <<'END'
Package: qemu-guest-agent
Version: 1:0
Architecture: all
Maintainer: test <test@localhost>
Description: stands in for the agent
END
printf '#!/bin/sh\n' >"$tmp/deb/usr/sbin/qemu-ga"
chmod 755 "$tmp/deb/usr/sbin/qemu-ga"
dpkg-deb --root-owner-group -b "$tmp/deb" "$tmp/agent.deb" >/dev/null

mkdir "$tmp/meta"
before=$(sha256sum <"$guest")
out=$tmp/out.img
check "the guest is converted" \
    nbdkit -U - --filter=v2v-convert file "$guest" \
    v2v-firstboot="$tmp/one.sh" v2v-firstboot="$tmp/two.sh" \
    v2v-firstboot="$tmp/three.sh" \
    v2v-upload="$tmp/data:/opt/site/a/data" v2v-upload="$tmp/prog:/opt/prog" \
    v2v-guest-agent="$tmp/agent.deb" v2v-metadata-dir="$tmp/meta" \
    --run 'nbdcopy "$uri" '"$out" || { done_testing; exit; }
check "the source is untouched" [ "$(sha256sum <"$guest")" = "$before" ]
r=$tmp/meta/report.json

# 3. What is in it.
have () { [ "$(in_image "$out" "cat $1" | sha256sum)" = "$(sha256sum <"$2")" ]; }
grep_in () { in_image "$out" "cat $1" | grep -q -e "$2"; }
mode_is () { in_image "$out" "stat $1" | grep -q "Mode:  $2"; }
labelled () {
    local got
    got=$(in_image "$out" "ea_get -V $1 security.selinux" | tr -d '\0')
    [ "$got" = "$2" ] || { echo "$1: $got"; false; }
}
absent () { ! in_image "$out" "stat $1" | grep -q Inode; }
jobs=$(in_image "$out" "ls -p /usr/lib/v2v-firstboot/jobs" |
           cut -d/ -f6 | grep '^0' | sort | tr '\n' ' ')
diag "jobs: $jobs"
check "jobs in their order: ours, then the user's" [ "$jobs" = \
    "0001-remove-tools 0002-guest-agent 0003-one-sh 0004-two-sh 0005-three-sh " ]
check "a script of the user is as it was" \
    have /usr/lib/v2v-firstboot/jobs/0004-two-sh "$tmp/two.sh"
check "jobs can be run" mode_is /usr/lib/v2v-firstboot/jobs/0004-two-sh 0755
check "the service is enabled" sh -c "debugfs -R \
    'stat /etc/systemd/system/multi-user.target.wants/v2v-firstboot.service' \
    '$out$fs' 2>/dev/null | grep -q symlink"
check "the agent's package" \
    have /usr/lib/v2v-firstboot/files/guest-agent.deb "$tmp/agent.deb"
check "a file is uploaded into new directories" \
    have /opt/site/a/data "$tmp/data"
check "its mode" mode_is /opt/site/a/data 0644
check "a program stays one" mode_is /opt/prog 0755
check "fstab by UUID" grep_in /etc/fstab '^UUID=[-0-9a-f]*  *[\t ]*/ '
check "a shared folder is not mounted at boot" \
    grep_in /etc/fstab '^\.host:/ /mnt/hgfs fuse.vmhgfs-fuse defaults,noauto 0 0'
check "the card keeps its name (link)" \
    grep_in /etc/systemd/network/10-v2v-ens192.link '^Name=ens192$'
check "the card keeps its name (rule)" \
    grep_in /etc/udev/rules.d/70-v2v-net.rules 'NAME="ens192"'
check "the address is as it was" \
    grep_in /etc/network/interfaces 'address 10.0.2.77/24'
check "vmware.com is no longer asked" \
    grep_in /etc/apt/sources.list.d/vmware.list '^# deb https://packages.vmware'
check "the tarball's service is masked" sh -c "debugfs -R \
    'stat /etc/systemd/system/vmware-tools.service' '$out$fs' 2>/dev/null |
    grep -q 'Fast link dest: \"/dev/null\"'"
check "the host name is kept" sh -c "
    [ \"\$(debugfs -R 'cat /etc/hostname' '$out$fs' 2>/dev/null)\" = \
      \"\$(debugfs -R 'cat /etc/hostname' '$guest$fs' 2>/dev/null)\" ]"

# Labels: of the policy for what is new, its own for what was there.
check "label: a unit" labelled /etc/systemd/system/v2v-firstboot.service \
    $label:systemd_unit_file_t:s0
check "label: a link to it" labelled \
    /etc/systemd/system/multi-user.target.wants/v2v-firstboot.service \
    $label:systemd_unit_file_t:s0
check "label: a directory" labelled /usr/lib/v2v-firstboot/jobs $label:lib_t:s0
check "label: a rule" labelled /etc/udev/rules.d/70-v2v-net.rules \
    $label:udev_rules_t:s0
check "label: file_contexts.local" labelled /opt/site/a/data $label:site_t:s0
check "label: an upload" labelled /opt/prog $label:usr_t:s0
check "label: a changed file keeps its own" labelled /etc/fstab $label:old_t:s0
check "no relabelling" absent /.autorelabel

# 4. The report: all that differs in these directories, and no more.
for side in guest out; do
    mkdir "$tmp/$side"
    for d in /etc /opt /boot /usr/lib/v2v-firstboot; do
        mkdir -p "$tmp/$side$(dirname $d)"
        in_image "${!side}" "rdump $d $tmp/$side$(dirname $d)"
    done
    (cd "$tmp/$side" && find . -type f -exec sha256sum {} + |
         sed 's/^\([0-9a-f]*\)  \./\1 /' | sort -k2) >"$tmp/$side.sums"
done
diff "$tmp/guest.sums" "$tmp/out.sums" | sed -n 's/^[<>] [0-9a-f]* //p' |
    sort -u >"$tmp/differ"
jq -r '.changes[] | select(.action != "symlink" and .action != "mkdir") |
       .path | select(test("^/(etc|opt|boot|usr/lib/v2v-firstboot)/"))' "$r" |
    sort -u >"$tmp/reported"
check "files that differ are those that are reported" \
    diff "$tmp/differ" "$tmp/reported"
check "they are some" [ "$(wc -l <"$tmp/reported")" -gt 12 ]
jq -r '.changes[] | select(.after != null) | "\(.after) \(.path)"' "$r" |
    grep -E ' /(etc|opt|boot|usr/lib/v2v-firstboot)/' | sort -k2 >"$tmp/after"
check "digests after are those of the files" sh -c \
    "[ -s '$tmp/after' ] && ! grep -vxFf '$tmp/out.sums' '$tmp/after'"
jq -r '.changes[] | select(.before != null) | "\(.before) \(.path)"' "$r" |
    grep -E ' /(etc|opt|boot)/' | sort -k2 >"$tmp/before"
check "digests before are those of the source" sh -c \
    "[ -s '$tmp/before' ] && ! grep -vxFf '$tmp/guest.sums' '$tmp/before'"
check "every change has its reason" \
    jq -e '[.changes[] | .why | select(. == null or . == "")] == []' "$r"
diag "warnings: $(jq -c '[.warnings[]?.code]' "$r")"
# Of the machine that the test runs on, not of the guest.
check "no warning" jq -e \
    '[.warnings[]?.code] - ["kvm-does-not-work"] == []' "$r"
check "the file system is clean" e2fsck -f -n "$out$fs"

# 5. A policy that cannot be read: what is new is labelled as its neighbours,
# and the guest has to label all files, unless it has switched SELinux off.
cp --sparse=always "$guest" "$tmp/no-policy.img"
edit_image "$tmp/no-policy.img" \
    "rm /etc/selinux/targeted/contexts/files/file_contexts"
cp --sparse=always "$tmp/no-policy.img" "$tmp/disabled.img"
for f in /etc/systemd/system /etc/systemd/system/multi-user.target.wants \
         /etc/systemd/network /etc/udev/rules.d /usr/lib /var/lib/systemd; do
    edit_image "$tmp/no-policy.img" "ea_set $f security.selinux $label:old_t:s0"
done
echo SELINUX=disabled >"$tmp/config"
edit_image "$tmp/disabled.img" "rm /etc/selinux/config"
edit_image "$tmp/disabled.img" "write $tmp/config /etc/selinux/config"
for g in no-policy disabled; do
    mkdir "$tmp/meta-$g"
    check "$g: the guest is converted" \
        nbdkit -U - --filter=v2v-convert file "$tmp/$g.img" \
        v2v-metadata-dir="$tmp/meta-$g" --run 'nbdcopy "$uri" '"$tmp/$g.out"
    check "$g: it is told" \
        grep -q '"selinux-policy-unreadable"' "$tmp/meta-$g/report.json"
    check "$g: the file system is clean" e2fsck -f -n "$tmp/$g.out$fs"
done
out=$tmp/no-policy.out
check "no-policy: label: a unit" \
    labelled /etc/systemd/system/v2v-firstboot.service $label:old_t:s0
check "no-policy: label: a job" \
    labelled /usr/lib/v2v-firstboot/jobs/0001-remove-tools $label:old_t:s0
check "no-policy: relabelling" mode_is /.autorelabel 0644
check "no-policy: it is told of that" \
    grep -q '"selinux-relabel"' "$tmp/meta-no-policy/report.json"
out=$tmp/disabled.out
check "disabled: no relabelling" absent /.autorelabel
out=$tmp/out.img

[ "${1:-}" = --boot ] || { done_testing; exit; }

# 6. The first boot, and another.
boot () {
    "$(dirname "$0")/boot.sh" --bus virtio --nic virtio-net-pci --write \
        "$@" "$out"
}
check "the first boot does what was left to it" boot \
    --run 'timeout 300 sh -c "until grep -q \"first boot is done\" /var/log/v2v-firstboot.log; do sleep 1; done"; r=$?; cat /var/log/v2v-firstboot.log; [ $r = 0 ]' \
    --run 'cat /root/order; [ "$(tr "\n" " " </root/order)" = "one two three " ]' \
    --run 'grep -q "one says hello" /var/log/v2v-firstboot.log' \
    --run 'grep -q "0004-two-sh: exit status 7" /var/log/v2v-firstboot.log' \
    --run 'grep -q "uninstalled, 3 answers" /var/log/v2v-firstboot.log' \
    --run '! dpkg-query -W -f "\${db:Status-Status}" open-vm-tools 2>/dev/null | grep -qx installed' \
    --run '[ -x /usr/sbin/qemu-ga ]' \
    --run '[ ! -e /var/log/vmware-tools-started ]' \
    --run '[ ! -e /etc/systemd/system/v2v-firstboot.service ] && [ ! -e /usr/lib/v2v-firstboot ]' \
    --run 'ip -4 addr show dev ens192; ip -4 addr show dev ens192 | grep -q 10.0.2.77' \
    --run 'state=$(timeout 240 systemctl is-system-running --wait); systemctl --failed --no-legend; [ "$state" = running ]' \
    --run 'sync'
check "the second boot does nothing of it again" boot \
    --run 'state=$(timeout 240 systemctl is-system-running --wait); systemctl --failed --no-legend; [ "$state" = running ]' \
    --run '[ "$(tr "\n" " " </root/order)" = "one two three " ]' \
    --run '[ "$(grep -c "first boot is done" /var/log/v2v-firstboot.log)" = 1 ]'
done_testing
