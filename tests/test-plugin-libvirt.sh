#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# The plugin v2v with domains of a libvirt on another host (a stand-in for the
# library; the disks are read from a real sshd and a real HTTPS server).
. "${V2V_SRCDIR:-.}/tests/functions.sh"
. "$V2V_SRCDIR/tests/plugin-servers.sh"
requires nbdcopy --version

cd "$tmp" || exit 1
"$PYTHON_NBD" - <<'PY'
import random
random.seed(1)
open('a.raw', 'wb').write(random.randbytes(3 << 20))
PY
mkdir 'xen images' lib
cp a.raw 'xen images/a.img'
qemu-img convert -f raw -O qcow2 -c a.raw b.qcow2 || skip_all "no qemu-img"
ln -s "$V2V_BUILDDIR/tests/.libs/test-plugin-libvirt.so" lib/libvirt.so.0
export V2V_LIBVIRT_XML=$tmp/guest.xml
export LD_LIBRARY_PATH=$tmp/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
guest () {                      # guest DISKS: the domain
    cat > guest.xml <<XML
<domain type='xen'><name>guest</name><memory>65536</memory><os><type>hvm</type><nvram>/var/lib/nvram/guest.fd</nvram></os><devices>$1</devices></domain>
XML
}
file="<disk type='file'><driver name='file' type='aio'/><source file='$tmp/xen images/a.img'/><target dev='xvda'/></disk>"
qcow2="<disk type='file'><driver name='qemu' type='qcow2'/><source file='$tmp/b.qcow2'/><target dev='xvdb'/></disk>"
block="<disk type='block'><driver name='phy'/><source dev='/dev/vg/guest'/><target dev='xvda'/></disk>"
nbd="<disk type='network'><driver name='qemu' type='raw'/><source protocol='nbd'><host transport='unix' socket='/run/nbd.sock'/></source><target dev='vda'/></disk>"
https="<disk type='network'><driver name='qemu' type='raw'/><source protocol='https' name='a.raw'><host name='localhost' port='PORT'/></source><target dev='vda'/></disk>"
lv=(input=libvirt guest)

if start_sshd; then
    xen=xen+ssh://root@127.0.0.1:$port/
    guest "$file$qcow2"
    both () { run_v2v "${lv[@]}" "$@" --run 'nbdcopy $uri out.raw && nbdcopy "nbd+unix:///disk1?socket=$unixsocket" out1.raw && nbdcopy "nbd+unix:///v2v/source.json?socket=$unixsocket" source.json' && cmp a.raw out.raw && cmp a.raw out1.raw; }
    check "Xen over ssh: a raw disk and a qcow2" \
        both libvirt-uri=$xen "${ssh[@]}"
    check_fails "the other host's NVRAM is not ours" \
        grep -q guest.fd source.json
    check "key and known hosts by libvirt's URI" \
        both "libvirt-uri=$xen?keyfile=$tmp/id&known_hosts=$tmp/known"
    check "which parameters override" refused "" "${lv[@]}" \
        "libvirt-uri=$xen?keyfile=$tmp/id&known_hosts=$tmp/known" \
        known-hosts=/dev/null
    check "no_verify=1" both "libvirt-uri=$xen?keyfile=$tmp/id&no_verify=1" \
        known-hosts=/dev/null
    check "KVM over ssh, too" \
        both libvirt-uri=qemu+ssh://root@127.0.0.1:$port/system "${ssh[@]}"
    guest "$block"
    check "a block device there" refused "sftp does not tell its size" \
        "${lv[@]}" libvirt-uri=$xen "${ssh[@]}"
    # The file of that name on this host must not be taken for the other's.
    guest "$file"
    run_ssh () { run_v2v "${lv[@]}" "libvirt-uri=$xen" "${ssh[@]}" --run 'nbdinfo $uri'; }
    kill $(cat sshd.pid)
    check_fails "what is there is not read here" run_ssh
else
    skip "ssh" "needs root and sshd"
fi
guest "$file"
for uri in qemu+tls://host.example/system qemu+tcp://host.example/system \
           'qemu://host.example/system?x=+ssh:' xen://host.example/; do
    check "a file that lies elsewhere: $uri" \
        refused "lies on host.example" "${lv[@]}" "libvirt-uri=$uri"
done
guest "$nbd"
check "a socket that lies elsewhere" refused "lies on host.example" \
    "${lv[@]}" libvirt-uri=qemu+ssh://host.example/system
guest "$file"
check "libvirt on this host" same "${lv[@]}" libvirt-uri=xen:///
start_https
guest "${https/PORT/$port}"
check "a disk on the network, whatever the transport" same "${lv[@]}" \
    libvirt-uri=qemu+tls://host.example/system cainfo=cert.pem

# VMware: server and verification by libvirt's URI.
cat > guest.xml <<'XML'
<domain type='vmware' xmlns:vmware='http://libvirt.org/schemas/domain/vmware/1.0'><name>e</name><memory>65536</memory>
<devices><disk type='file' device='disk'><source file='[store] dir/guest.vmdk'/><target dev='sda' bus='scsi'/></disk></devices>
<vmware:datacenterpath>DC</vmware:datacenterpath></domain>
XML
cat > login.py <<PY
#!$PYTHON_NBD
import base64, ssl, urllib.request
r = urllib.request.Request('https://localhost:$port/login', headers={'Authorization': 'Basic ' + base64.b64encode(b'me:se cret').decode()})
print(urllib.request.urlopen(r, context=ssl.create_default_context(cafile='$tmp/cert.pem')).headers['Set-Cookie'])
PY
chmod +x login.py
vpx=vpx://me@localhost:$port/DC/esxi
check "VMware: the server by libvirt's URI" same "${lv[@]}" \
    libvirt-uri=$vpx cainfo=cert.pem cookie-script="$tmp/login.py"
check "an unknown certificate" refused "" "${lv[@]}" libvirt-uri=$vpx \
    cookie-script="$tmp/login.py"
check "no_verify=1" same "${lv[@]}" "libvirt-uri=$vpx?no_verify=1" \
    cookie-script="$tmp/login.py"
done_testing
