#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# The plugin v2v with disks on servers: NBD, ssh, HTTPS with a login, VDDK (a
# stand-in), and domains and volumes of libvirt.
. "${V2V_SRCDIR:-.}/tests/functions.sh"
. "$V2V_SRCDIR/tests/plugin-servers.sh"
requires nbdcopy --version

cd "$tmp" || exit 1
"$PYTHON_NBD" - <<'PY'
import random
random.seed(1)
open('a.raw', 'wb').write(random.randbytes(6 << 20))
PY
qemu-img convert -f raw -O qcow2 a.raw a.qcow2 || skip_all "no qemu-img"
qemu-img convert -f raw -O vmdk -o subformat=monolithicFlat a.raw flat.vmdk
# NBD.
start_nbdkit nbd.sock file a.raw
check "an NBD URI" same "nbd+unix:///?socket=$tmp/nbd.sock"
cat > nbd.xml <<XML
<domain type='kvm'><name>n</name><memory>65536</memory><devices><disk type='network' device='disk'><driver name='qemu' type='raw'/><source protocol='nbd'><host transport='unix' socket='$tmp/nbd.sock'/></source><target dev='vda'/></disk></devices></domain>
XML
check "libvirt XML with an NBD disk" same nbd.xml
sed "s/type='raw'/type='qcow2'/" nbd.xml > nbdq.xml
check "a raw disk that is said to be qcow2" refused "not a qcow2" nbdq.xml
check "nbd+ssh is no NBD URI for us" refused "only nbd" "nbd+ssh://-oProxyCommand=touch%20pwned/"
check "nothing ran" test ! -e pwned
check "a server that is not there" refused "cannot be opened" \
    "nbd+unix:///?socket=$tmp/none.sock"

# libvirt XML with local disks.
cat > local.xml <<XML
<domain type='kvm'><name>n</name><memory>65536</memory><devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='$tmp/a.qcow2'/><target dev='vda'/></disk><disk type='block'><source dev='a.raw'/><target dev='vdb'/></disk></devices></domain>
XML
both () { run_v2v local.xml --run 'nbdcopy $uri out.raw && nbdcopy "nbd+unix:///disk1?socket=$unixsocket" out1.raw' && cmp a.raw out.raw && cmp a.raw out1.raw; }
check "libvirt XML with files, one relative" both
sed 's/a.qcow2/gone.qcow2/' local.xml > gone.xml
check "a disk that is not there, with its line" refused "line 1 (disk0)" gone.xml

# VMX, local.
printf 'displayName = "x"\nscsi0:0.fileName = "flat.vmdk"\nnvram = "x.nvram"\n' > x.vmx
check "a VMX" same x.vmx
printf 'scsi0:0.fileName = "/etc/passwd"\n' > out.vmx
check "a VMX with a disk elsewhere" refused "outside of" out.vmx

# ssh.
if start_sshd; then
    check "a raw disk over ssh" same $url/a.raw "${ssh[@]}"
    check "a VMX over ssh" same $url/x.vmx "${ssh[@]}"
    printf 'scsi0:0.fileName = "gone.vmdk"\n' > gone.vmx
    check "whose disk is missing" refused "gone.vmdk" $url/gone.vmx "${ssh[@]}"
    printf 'scsi0:0.fileName = "../flat.vmdk"\n' > up.vmx
    check "whose disk is elsewhere" refused "not in the directory" \
        $url/up.vmx "${ssh[@]}"
    sed 's/parentCID=ffffffff/parentCID=1/' flat.vmdk > snap.vmdk
    printf 'scsi0:0.fileName = "snap.vmdk"\n' > snap.vmx
    check "whose disk is a snapshot" refused "consolidate" \
        $url/snap.vmx "${ssh[@]}"
    check "a missing VMX" refused "cannot be read over ssh" \
        $url/nope.vmx "${ssh[@]}"
    check "an unknown host key" refused "" $url/a.raw identity=id \
        known-hosts=/dev/null
    check "a host that is an option" refused "no valid host" \
        ssh://-oProxyCommand=x/a.raw
    check "a password in the URL" refused "password=+FILE" \
        ssh://u:p@127.0.0.1/a.raw
    check "a password on the command line" refused "command line" \
        $url/a.raw password=secret
else
    skip "ssh" "needs root and sshd"
fi

# HTTPS.
printf 'se cret\n' > password
start_https
check "a raw disk over HTTPS" same https://localhost:$port/a.raw cainfo=cert.pem
check "an unknown certificate" refused "" https://localhost:$port/a.raw
check "unless that is asked for" same https://localhost:$port/a.raw sslverify=no
check "a URL that is not there" refused "" https://localhost:$port/b.raw cainfo=cert.pem
cat > login.py <<PY
#!$PYTHON_NBD
import base64, ssl, urllib.request
p = open('$tmp/password').readline().strip()
r = urllib.request.Request('https://localhost:$port/login', headers={'Authorization': 'Basic ' + base64.b64encode(('me:' + p).encode()).decode()})
print(urllib.request.urlopen(r, context=ssl.create_default_context(cafile='$tmp/cert.pem')).headers['Set-Cookie'])
PY
cat > esx.xml <<'XML'
<domain type='vmware' xmlns:vmware='http://libvirt.org/schemas/domain/vmware/1.0'><name>e</name><memory>65536</memory>
<devices><disk type='file' device='disk'><source file='[data store] dir/my guest.vmdk'/><target dev='sda' bus='scsi'/></disk>
<controller type='scsi' index='0' model='vmpvscsi'/></devices>
<vmware:datacenterpath>ha datacenter/x</vmware:datacenterpath><vmware:moref>vm-7</vmware:moref></domain>
XML
chmod +x login.py
check "a VMware disk without a server" refused "server=HOST" esx.xml
check "vCenter: a login, renewed when its cookie has expired" \
    same esx.xml server=localhost:$port cainfo=cert.pem \
    cookie-script="$tmp/login.py" cookie-script-renew=1
check "several logins were needed" test $(wc -l < logins) -gt 1
check "path quoted once, query twice" \
    grep -qFx '/folder/dir/my%20guest-flat.vmdk?dcPath=ha%2520datacenter%252Fx&dsName=data%2520store' requests

# VDDK: parameters, password by descriptor, requests that it takes.
vddk () {
    rm -f vddk.log
    V2V_VDDK_LOG=$tmp/vddk.log run_v2v esx.xml server=esx.example.com user=me \
        vddk-plugin="$V2V_BUILDDIR/tests/.libs/test-plugin-vddk.so" \
        vddk-libdir=/opt/vddk vddk-thumbprint=AA:BB \
        vddk-transports=file:nbdssl:nbd "$@" --run 'nbdcopy $uri out.raw'
}
vddk_ok () {
    vddk password=+password &&
    "$PYTHON_NBD" -c '
import struct
d = open("out.raw", "rb").read()
assert len(d) == 4 << 20
assert all(struct.unpack_from("<Q", d, o)[0] == o for o in range(0, len(d), 8))' &&
    diff - <(sort vddk.log) <<'WANT'
file=[data store] dir/my guest.vmdk
libdir=/opt/vddk
password=-4
server=esx.example.com
thumbprint=AA:BB
transports=file:nbdssl:nbd
user=me
vm=moref=vm-7
WANT
}
check "VDDK" vddk_ok
printf 'wrong\n' > wrong
check_fails "VDDK with a wrong password" vddk password=+wrong
check_fails "VDDK without a password" vddk
check_fails "an unknown vddk parameter" vddk password=+password vddk-file=x

# libvirt.
if "$PYTHON_NBD" -c 'import ctypes; ctypes.CDLL("libvirt.so.0")' 2>/dev/null
then
    cat > test.xml <<XML
<node>
<domain type='test'><name>guest</name><uuid>11111111-2222-3333-4444-555555555555</uuid><memory>65536</memory><os><type>hvm</type></os><devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='$tmp/a.qcow2'/><target dev='vda' bus='virtio'/></disk></devices></domain>
<domain type='test'><name>vol</name><memory>65536</memory><os><type>hvm</type></os><devices>
<disk type='volume' device='disk'><source pool='p' volume='a.qcow2'/><target dev='vda' bus='virtio'/></disk></devices></domain>
<pool type='dir'><name>p</name><target><path>$tmp</path></target>
<volume type='file'><name>a.qcow2</name><capacity>6291456</capacity><target><path>$tmp/a.qcow2</path><format type='qcow2'/></target></volume></pool>
</node>
XML
    uri=libvirt-uri=test://$tmp/test.xml
    check "a domain by name" same input=libvirt guest $uri
    check "a domain by UUID" same input=libvirt \
        11111111-2222-3333-4444-555555555555 $uri
    check "a volume of a pool" same input=libvirt vol $uri
    cat > vol.xml <<'XML'
<domain type='kvm'><name>v</name><memory>65536</memory><devices><disk type='volume' device='disk'><source pool='p' volume='a.qcow2'/><target dev='vda'/></disk></devices></domain>
XML
    check "a volume that a file names" same vol.xml $uri
    check "an unknown domain" refused 'domain "nope"' input=libvirt nope $uri
    check "an unknown libvirt" refused "libvirt-uri" input=libvirt nope \
        libvirt-uri=nonsense:///x
else
    skip "libvirt" "libvirt.so.0 is not installed"
fi
done_testing
