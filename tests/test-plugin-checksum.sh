#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# The plugin v2v and virt-v2v's <checksum> of a disk: of the content that the
# guest sees, before anything is served.
. "${V2V_SRCDIR:-.}/tests/functions.sh"
. "$V2V_SRCDIR/tests/plugin-servers.sh"
requires nbdcopy --version

cd "$tmp" || exit 1
"$PYTHON_NBD" - <<'PY'
import random
random.seed(1)
open('a.raw', 'wb').write(random.randbytes(3 << 20) + bytes(1 << 20) + b'x' * 512)
PY
qemu-img convert -f raw -O qcow2 -c a.raw a.qcow2 || skip_all "no qemu-img"
sum () { ${1}sum a.raw | cut -d' ' -f1; }
domain () {                     # domain CHECKSUM [SOURCE-AND-TYPE]
    cat > g.xml <<XML
<domain type='kvm'><name>n</name><memory>65536</memory><devices>
<disk ${2:-"type='file'><source file='a.qcow2'/>"}<driver type='qcow2'/><target dev='vda'/>
$1</disk></devices></domain>
XML
}
same_quietly () { same "$@" 2>err && { cat err; ! grep warning err; }; }
same_warns () {
    local words=$1; shift
    same "$@" 2>err; local r=$?
    cat err
    [ $r = 0 ] && grep -F "warning: $words" err
}
for m in md5 sha1 sha224 sha256 sha384 sha512; do
    domain "<checksum method='$m' fail='error'>
      $(sum $m)
    </checksum>"
    check "$m of a qcow2's content" same_quietly g.xml
done
domain "<checksum method='SHA256' fail='error'>$(sum sha256 | tr a-f A-F)</checksum>"
check "upper case" same_quietly g.xml

wrong=$(sum sha256 | tr 0-9a-f 1-9a-f0)
domain "<checksum method='sha256' fail='error'>$wrong</checksum>"
check "a wrong one is refused" \
    refused "line 3 (disk0): the disk is damaged: its SHA256 is $(sum sha256), its <checksum> says $wrong" g.xml
check "unless verify=no" same_quietly g.xml verify=no
for f in '' "fail='warn'"; do
    domain "<checksum method='sha256' $f>$wrong</checksum>"
    check "a warning ${f:-by default}" same_warns "line 3 (disk0): the disk is damaged" g.xml
done
domain "<checksum method='sha256' fail='ignore'>$wrong</checksum>"
check "fail=ignore" same_quietly g.xml
domain "<checksum method='sha256' fail='print'/>"
check "fail=print" same_warns "disk0: its SHA256 is $(sum sha256)" g.xml
domain "<checksum method='crc32' fail='error'>00</checksum>"
check "an unknown method" refused 'the method "crc32" is not known' g.xml
domain "<checksum method='crc32'>00</checksum>"
check "of which is only warned" same_warns \
    'line 3 (disk0): checksum: the method "crc32" is not known' g.xml
domain "<checksum method='sha256' fail='error'>$(sum sha1)</checksum>"
check "the digits of another method" refused "not the 64 hexadecimal digits" g.xml
domain "<checksum method='sha256' fail='error'/>"
check "no digits" refused "not the 64 hexadecimal digits" g.xml

# On a server: read before the start, by children that then end.
start_https
domain "<checksum method='sha256' fail='error'>$(sum sha256)</checksum>" \
    "type='network'><source protocol='https' name='a.qcow2'><host name='localhost' port='$port'/></source>"
check "of a qcow2 over HTTPS" same_quietly g.xml cainfo=cert.pem
sed -i "s/$(sum sha256)/$wrong/" g.xml
check "a wrong one" refused "the disk is damaged" g.xml cainfo=cert.pem
done_testing
