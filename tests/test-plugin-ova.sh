#!/bin/bash -
# SPDX-License-Identifier: BSD-3-Clause
# The plugin v2v with OVF packages: directory, tar in place, compressed tar,
# zip, the OVF alone; manifests; compressed and chunked disks; hostile ones.
. "${V2V_SRCDIR:-.}/tests/functions.sh"
requires qemu-img --version
requires qemu-storage-daemon --version
requires nbdcopy --version
requires xz --version
requires zstd --version

cd "$tmp" || exit 1
cat > lib.py <<'PY'
import gzip, hashlib, io, os, random, subprocess, sys, tarfile, zipfile

def ovf(files, disks, extra='', memory='<rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:VirtualQuantity>512</rasd:VirtualQuantity>'):
    """files: (id, href, attributes); disks: (id, fileref or None, attributes)"""
    r = '''<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vmw="http://www.vmware.com/schema/ovf">
<References>
'''
    for i, href, attr in files:
        r += '<File ovf:id="%s" ovf:href="%s" %s/>\n' % (i, href, attr)
    r += '</References>\n<DiskSection><Info/>\n'
    for i, ref, attr in disks:
        ref = 'ovf:fileRef="%s"' % ref if ref else ''
        if 'format' not in attr:
            attr += ' ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"'
        r += '<Disk ovf:diskId="%s" %s %s/>\n' % (i, ref, attr)
    r += '''</DiskSection>
<VirtualSystem ovf:id="id"><Info/><Name>guest</Name><VirtualHardwareSection><Info/>
<Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>2</rasd:VirtualQuantity></Item>
<Item><rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType>%s</Item>
<Item><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceType>6</rasd:ResourceType><rasd:ResourceSubType>lsilogic</rasd:ResourceSubType></Item>
''' % memory
    for n, (i, ref, attr) in enumerate(disks):
        r += '<Item><rasd:InstanceID>%d</rasd:InstanceID><rasd:ResourceType>17</rasd:ResourceType><rasd:HostResource>ovf:/disk/%s</rasd:HostResource><rasd:Parent>3</rasd:Parent></Item>\n' % (10 + n, i)
    return r + extra + '</VirtualHardwareSection></VirtualSystem></Envelope>\n'

def simple(href='guest-disk1.vmdk', fattr='', dattr=''):
    return ovf([('f1', href, fattr)], [('d1', 'f1', dattr)])

def write(name, data):
    os.makedirs(os.path.dirname(name) or '.', exist_ok=True)
    open(name, 'wb').write(data if isinstance(data, bytes) else data.encode())

def read(name):
    return open(name, 'rb').read()

def tar(name, members, fmt=tarfile.USTAR_FORMAT, mode='w', **kw):
    with tarfile.open(name, mode, format=fmt, **kw) as t:
        for n, data in members:
            data = data if isinstance(data, bytes) else data.encode()
            i = tarfile.TarInfo(n)
            i.size = len(data)
            t.addfile(i, io.BytesIO(data))

def manifest(members, algo='sha256', fmt='%s(%s)= %s\n', digest=lambda s: s):
    return ''.join(fmt % (algo.upper(), n, digest(hashlib.new(algo, d if isinstance(d, bytes) else d.encode()).hexdigest())) for n, d in members)
PY
py () { PYTHONPATH=$tmp "$PYTHON_NBD" -c "from lib import *
$1"; }
"$PYTHON_NBD" - <<'PY'
import random
random.seed(1)
with open('a.raw', 'wb') as f:
    f.truncate(8 << 20)
    for o in (0, 1 << 20, 5 << 20):
        f.seek(o)
        f.write(random.randbytes(66048))
PY
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized a.raw s.vmdk
qemu-img convert -f raw -O vmdk -o subformat=twoGbMaxExtentSparse a.raw split.vmdk
qemu-img convert -f raw -O vmdk -o subformat=monolithicFlat a.raw flat.vmdk

run_v2v () { timeout 60 "$V2V_BUILDDIR/run" nbdkit -U - v2v "$@"; }
same () {
    rm -f out.raw
    run_v2v "$@" --run 'nbdcopy $uri out.raw' && cmp a.raw out.raw
}
refused () {
    local reason=$1; shift
    if run_v2v "$@" --run 'nbdinfo $uri' >refused.out 2>&1; then
        cat refused.out; return 1
    fi
    grep -F -- "$reason" refused.out || { cat refused.out; return 1; }
}

# Containers.
py '
m = [("guest.ovf", simple()), ("guest-disk1.vmdk", read("s.vmdk"))]
m.insert(1, ("guest.mf", manifest(m)))
tar("g.ova", m)
tar("pax.ova", m, tarfile.PAX_FORMAT)
tar("gnu.ova", [("./" + n, d) for n, d in m], tarfile.GNU_FORMAT)
tar("g.tar.gz", m, mode="w:gz")
tar("g.tar.xz", m, mode="w:xz")
subprocess.check_call(["zstd", "-q", "g.ova", "-o", "g.tar.zst"])
with zipfile.ZipFile("g.zip", "w", zipfile.ZIP_DEFLATED) as z:
    for n, d in m: z.writestr(n, d)
for n, d in m: write("dir/" + n, d)
write("dir/._guest.ovf", "junk of macOS")
long = "x" * 150 + ".vmdk"
tar("longgnu.ova", [("guest.ovf", simple(long)), (long, read("s.vmdk"))], tarfile.GNU_FORMAT)
tar("longpax.ova", [("guest.ovf", simple(long)), (long, read("s.vmdk"))], tarfile.PAX_FORMAT)
tar("space.ova", [("a b.ovf", simple("my disk.vmdk")), ("my disk.vmdk", read("s.vmdk"))])
tar("dash.ova", [("--checkpoint-action=exec=touch pwned.ovf", simple("-disk.vmdk")), ("-disk.vmdk", read("s.vmdk"))])
tar("sub.ova", [("d/guest.ovf", simple()), ("d/guest-disk1.vmdk", read("s.vmdk"))])
'
for f in g.ova pax.ova gnu.ova g.tar.gz g.tar.xz g.tar.zst g.zip dir \
         dir/guest.ovf longgnu.ova longpax.ova space.ova dash.ova sub.ova; do
    check "$f" same $f
done
check "nothing ran" test ! -e pwned

describe () {
    run_v2v g.ova --run '
        nbdcopy "nbd+unix:///v2v/source.json?socket=$unixsocket" source.json' &&
    py '
import json
vm = json.load(open("source.json"))
assert vm["name"] == "guest" and vm["memory"] == 512 << 20 and vm["vcpus"] == 2, vm
assert vm["disks"] == [{"name": "disk0", "size": 8 << 20, "controller": "scsi", "controller_model": "lsilogic"}], vm'
}
check "the description" describe

# A tar is read where it is: nothing is written anywhere, not even what
# cannot be written.
check "tar in place needs no temporary space" \
    same g.ova tmpdir=/nonexistent unpack-limit=0
check "tar.gz needs it, and the limit holds" \
    refused "unpack-limit" g.tar.gz unpack-limit=64K

# Kinds of disks.
py '
tar("raw.ova", [("g.ovf", simple("d.img", dattr="ovf:format=\"http://en.wikipedia.org/wiki/Byte\"")), ("d.img", read("a.raw"))])
tar("vmdkraw.ova", [("g.ovf", simple("d.vmdk")), ("d.vmdk", read("a.raw"))])
tar("gz.ova", [("g.ovf", simple("d.vmdk.gz", "ovf:compression=\"gzip\"")), ("d.vmdk.gz", gzip.compress(read("s.vmdk")))])
tar("badgz.ova", [("g.ovf", simple("d.vmdk.gz", "ovf:compression=\"gzip\"")), ("d.vmdk.gz", gzip.compress(read("s.vmdk"))[:-20000])])
tar("nogz.ova", [("g.ovf", simple("d.vmdk", "ovf:compression=\"gzip\"")), ("d.vmdk", read("s.vmdk"))])
tar("bz2.ova", [("g.ovf", simple("d.vmdk", "ovf:compression=\"bzip2\"")), ("d.vmdk", read("s.vmdk"))])
tar("split.ova", [("g.ovf", simple("split.vmdk")), ("split.vmdk", read("split.vmdk")), ("split-s001.vmdk", read("split-s001.vmdk"))])
tar("flat.ova", [("g.ovf", simple("flat.vmdk")), ("flat.vmdk", read("flat.vmdk")), ("flat-flat.vmdk", read("flat-flat.vmdk"))])
os.mkdir("trap")
tar("trap/noextent.ova", [("g.ovf", simple("flat.vmdk")), ("flat.vmdk", read("flat.vmdk"))])
write("trap/flat-flat.vmdk", read("flat-flat.vmdk"))
blank = ovf([], [("d1", None, "ovf:capacity=\"8\" ovf:capacityAllocationUnits=\"byte * 2^20\"")])
tar("blank.ova", [("g.ovf", blank)])
s = read("s.vmdk")
n = 40000
chunks = [("d.vmdk.%09d" % i, s[i * n:(i + 1) * n]) for i in range((len(s) + n - 1) // n)]
assert len(chunks) > 3
o = simple("d.vmdk", "ovf:chunkSize=\"%d\"" % n)
tar("chunk.ova", [("g.ovf", o)] + chunks)
tar("chunkrev.ova", [("g.ovf", simple("d.vmdk"))] + chunks[::-1])
tar("hole.ova", [("g.ovf", o)] + chunks[:1] + chunks[2:])
tar("first.ova", [("g.ovf", o)] + chunks[1:])
tar("short.ova", [("g.ovf", o)] + [(a, b[:-1] if a.endswith("1") else b) for a, b in chunks])
for a, b in chunks: write("chunkdir/" + a, b)
write("chunkdir/g.ovf", o)
'
check "raw disk in a tar" same raw.ova
check "a raw disk that is called VMDK is refused" \
    refused "format=raw" vmdkraw.ova
check "and served if the user says so" same vmdkraw.ova format=raw
check "gzip-compressed disk" same gz.ova
check "which is damaged" refused "truncated" badgz.ova
check "a disk that should be compressed and is not" refused "gzip" nogz.ova
check "an unknown compression" refused "bzip2" bz2.ova
check "split VMDK in a tar" same split.ova
check "flat VMDK in a tar" same flat.ova
check "an extent beside the OVA is not taken for one in it" \
    refused "does not exist" trap/noextent.ova
check "a disk without a file is blank" run_v2v blank.ova \
    --run 'nbdcopy $uri out.raw && test $(stat -c %s out.raw) = 8388608'
check "chunks are joined" same chunk.ova
check "also without chunkSize, in any order" same chunkrev.ova
check "also in a directory" same chunkdir
check "a missing chunk is an error" refused "chunk 1 is missing" hole.ova
check "the first one too" refused "chunk 0 is missing" first.ova
check "a short one too" refused "chunk 1 of" short.ova

# Manifests.
py '
m = [("g.ovf", simple("d.vmdk")), ("d.vmdk", read("s.vmdk"))]
for a in "sha1", "sha256", "sha512":
    tar(a + ".ova", m + [("g.mf", manifest(m, a))])
    bad = [m[0], ("d.vmdk", m[1][1][:-1] + b"x")]
    tar(a + "bad.ova", bad + [("g.mf", manifest(m, a))])
tar("upper.ova", m + [("g.mf", manifest(m, "sha256", digest=str.upper))])
tar("blanks.ova", m + [("g.mf", manifest(m, "sha1", "%s (%s)  =   %s\r\n"))])
tar("none.ova", m + [("g.mf", manifest(m, "sha1", "%s(%s)=%s\n"))])
tar("missing.ova", m + [("g.mf", manifest(m + [("x", b"")]))])
tar("damaged.ova", m + [("g.mf", "SHA256(g.ovf)= 1234\n")])
tar("md4.ova", m + [("g.mf", "MD4(g.ovf)= 1234\n")])
tar("outside.ova", m + [("g.mf", "SHA1(../../etc/passwd)= " + "0" * 40 + "\n")])
for n, d in m: write("mdir/" + n, d)
write("mdir/g.mf", "SHA1(../a.raw)= " + "0" * 40 + "\n")
write("subdir/x/g.mf", manifest(m))
for n, d in m: write("subdir/x/" + n, d)
'
for f in sha1 sha256 sha512 upper blanks none; do
    check "manifest: $f" same $f.ova
done
for f in sha1 sha256 sha512; do
    check "damaged disk, $f: nothing is served" \
        refused "is damaged" ${f}bad.ova
done
check "the message has both digests" bash -c 'grep -E "is [0-9a-f]{128}, the manifest says [0-9a-f]{128}" refused.out'
check "verify=no serves it nevertheless" run_v2v sha1bad.ova verify=no \
    --run 'nbdinfo --size $uri'
check "a missing file" refused "is missing" missing.ova
check "a damaged manifest, with its line" refused "g.mf: line 1" damaged.ova
check "an unknown digest" refused "MD4" md4.ova
check "names of a manifest are confined in an archive" \
    refused "leads out" outside.ova
check "and in a directory" refused "outside of" mdir
check "a manifest's names are relative to it" same subdir

# Hostile packages.
mkdir pfx pfx-other; cp s.vmdk pfx-other/d.vmdk
ln -s ../pfx-other/d.vmdk pfx/link.vmdk
py '
write("pfx/a.ovf", simple("../pfx-other/d.vmdk"))
write("pfx2/a.ovf", simple("/etc/passwd"))
write("pfx3/a.ovf", simple("link.vmdk"))
os.symlink("../pfx-other/d.vmdk", "pfx3/link.vmdk")
tar("up.ova", [("g.ovf", simple("../d.vmdk")), ("d.vmdk", read("s.vmdk"))])
tar("memberup.ova", [("g.ovf", simple("d.vmdk")), ("../d.vmdk", read("s.vmdk"))])
tar("twice.ova", [("g.ovf", simple("d.vmdk")), ("d.vmdk", read("s.vmdk")), ("./d.vmdk", b"x")])
tar("two.ova", [("g.ovf", simple("d.vmdk")), ("h.ovf", simple("d.vmdk"))])
tar("no.ova", [("d.vmdk", read("s.vmdk"))])
tar("http.ova", [("g.ovf", simple("http://localhost/d.vmdk"))])
tar("gone.ova", [("g.ovf", simple("d.vmdk"))])
tar("doctype.ova", [("g.ovf", "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>" + simple("&a;"))])
tar("xml.ova", [("g.ovf", simple()[:-30])])
data = read("g.ova")
write("cut.ova", data[:len(data) - 60000])
write("junk.ova", os.urandom(5000))
write("empty.ova", b"")
t = tarfile.TarInfo("d.vmdk"); t.type = tarfile.SYMTYPE; t.linkname = "/etc/passwd"
with tarfile.open("symlink.ova", "w") as f:
    i = tarfile.TarInfo("g.ovf"); o = simple("d.vmdk").encode(); i.size = len(o)
    f.addfile(i, io.BytesIO(o)); f.addfile(t)
open("q.raw", "wb").truncate(1 << 20)
subprocess.check_call(["qemu-img", "create", "-q", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", "q.vmdk", "1M"])
tar("qcow2.ova", [("g.ovf", simple("q.vmdk")), ("q.vmdk", read("q.vmdk"))])
tar("qcow2b.ova", [("g.ovf", simple("q.vmdk", dattr="ovf:format=\"http://www.gnome.org/~markmc/qcow-image-format.html\"")), ("q.vmdk", read("q.vmdk"))])
'
check "a directory is a boundary, not a prefix" refused "outside of" pfx
check "an absolute href" refused "outside of" pfx2
check "a link that leads out" refused "outside of" pfx3
check "unless its target is allowed" same pfx3 allow-dir=pfx-other
check "an href out of the archive" refused "leads out" up.ova
check "a member out of the archive" refused "leads out" memberup.ova
check "a member that is there twice" refused "twice" twice.ova
check "a link in an archive is no disk" refused "does not exist" symlink.ova
check "two OVFs" refused "several .ovf" two.ova
check "no OVF" refused "no .ovf" no.ova
check "an href elsewhere" refused "elsewhere" http.ova
check "a disk that is not there" refused "does not exist" gone.ova
check "a document type" refused "document type" doctype.ova
check "damaged XML, with its line" refused "line 1" xml.ova
check "a tar that is cut" refused "" cut.ova
check "junk" refused "" junk.ova
check "an empty file" refused "" empty.ova
check "a qcow2 that is called VMDK" refused "not a vmdk image" qcow2.ova
check "a qcow2 with a backing file" refused "allow-backing" qcow2b.ova
check "which never gets out" refused "leads out" qcow2b.ova allow-backing=yes
done_testing
