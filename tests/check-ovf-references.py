# SPDX-License-Identifier: BSD-3-Clause
"""check-ovf-references.py FILE: what refers to what in v2v/vm.ovf.

oVirt's engine finds the file of a disk by fileRef, and the disk of an item
by the last component of HostResource; a disk that nothing finds is lost.
"""
import collections
import sys
import xml.etree.ElementTree as ET

OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
RASD = ("{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
        "CIM_ResourceAllocationSettingData}")

root = ET.parse(sys.argv[1]).getroot()
files = [e.get(OVF + "id") for e in root.iter(OVF + "File")]
disks = list(root.iter(OVF + "Disk"))
items = list(root.iter(OVF + "Item"))
networks = [e.get(OVF + "name") for e in root.iter(OVF + "Network")]
drives = {}
problems = []


def once(what, values):
    for v, n in collections.Counter(values).items():
        if n != 1:
            problems.append("%s %r is used %d times" % (what, v, n))


once("the file", files)
once("the file name", [e.get(OVF + "href") for e in root.iter(OVF + "File")])
once("the disk", [d.get(OVF + "diskId") for d in disks])
once("the network", networks)
once("the InstanceID", [i.findtext(RASD + "InstanceID") for i in items])
for i in items:
    host = i.findtext(RASD + "HostResource")
    if host is not None:
        id_ = host.rpartition("/")[2]
        if id_ in drives:
            problems.append("two items are of the disk " + id_)
        drives[id_] = i
    net = i.findtext(RASD + "Connection")
    if net is not None and net not in networks:
        problems.append("the network %r is in no NetworkSection" % net)
if sorted(files) != sorted(d.get(OVF + "fileRef") for d in disks):
    problems.append("files and fileRefs differ")
if sorted(drives) != sorted(d.get(OVF + "diskId") for d in disks):
    problems.append("disks and HostResources differ")
else:
    for d in disks:
        i = drives[d.get(OVF + "diskId")]
        boot = d.get(OVF + "boot") == "true"
        if boot != (i.find(OVF + "BootOrder") is not None):
            problems.append("a disk and its item differ about booting")
        if i.findtext(RASD + "ResourceSubType") != d.get(OVF + "disk-interface"):
            problems.append("a disk and its item are on two buses")
if sum(d.get(OVF + "boot") == "true" for d in disks) != min(1, len(disks)):
    problems.append("not one disk boots")
for p in problems:
    print(p)
sys.exit(bool(problems))
