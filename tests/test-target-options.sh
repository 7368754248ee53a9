#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What the user says about the target, through the filter: it is in every
# document that can say it, and mistakes are found before the server starts.

. "$V2V_SRCDIR/tests/functions.sh"
requires nbdcopy --version
export TMPDIR="$tmp"
export V2V_CONVERT_HELPER="$V2V_SRCDIR/tests/fake-helper"
export FAKE_LOG="$tmp/fake.log"
export FAKE_DOCUMENTS="$V2V_BUILDDIR/tests/test-target-write"
export FAKE_MACHINE='{ "version": 1, "name": "from the source",
  "memory": 268435456, "vcpus": 1, "disks": [], "removables": [], "nics": [
    { "mac": "52:54:00:00:00:01", "kind": "network", "vnet": "VM Network" },
    { "mac": "52:54:00:00:00:02", "kind": "network", "vnet": "VM Network" },
    { "mac": "52:54:00:00:00:03", "kind": "bridge", "vnet": "vmbr7" },
    { "mac": "52:54:00:00:00:04", "kind": "network", "vnet": "elsewhere" } ] }'
truncate -s 8M "$tmp/disk.img"

start_nbdkit "$tmp/sock" --filter=v2v-convert file "$tmp/disk.img" \
    v2v-quiet=yes v2v-name='new name' \
    v2v-network='VM Network:lab-net' v2v-network=rest-net \
    v2v-bridge=vmbr7:br-seven v2v-mac=52:54:00:00:00:02:bridge:br-two \
    v2v-output-dir=/srv/images v2v-output-format=qcow2 || exit 1
check "converted" nbdcopy "nbd+unix:///?socket=$tmp/sock" "$tmp/out.img"
for d in domain.xml qemu.sh kubevirt.yaml openstack.json vm.ovf vm.json; do
    check "$d" nbdcopy "nbd+unix:///v2v/$d?socket=$tmp/sock" "$tmp/$d"
done
has () {                        # has FILE STRING...
    local f=$tmp/$1 s; shift
    for s; do grep -qF -e "$s" "$f" || { echo "no $s:"; cat "$f"; return 1; }; done
}
for d in domain.xml qemu.sh kubevirt.yaml vm.ovf vm.json; do
    check "$d: each network" has $d lab-net br-two br-seven rest-net
    check_fails "$d: none of the source's" \
          grep -e 'VM Network' -e vmbr7 -e elsewhere "$tmp/$d"
done
for d in domain.xml qemu.sh openstack.json vm.json; do
    check "$d: name, place and format of the disk" has $d "new name" \
          "/srv/images/new name-disk0.qcow2" qcow2
done
check "kubevirt.yaml: name and place" has kubevirt.yaml new-name \
      "/srv/images/new name-disk0.qcow2"
check "vm.ovf: name and format" has vm.ovf "new name-disk0.qcow2" \
      'volume-format="COW"'
# To which NIC each network belongs.
nic () {                        # nic MAC KIND NAME
    [ "$(jq -r ".nics[] | select(.mac == \"$1\") | .vnet_type + \" \" + .vnet" "$tmp/vm.json")" = "$2 $3" ] &&
        [ "$(xmllint --xpath "string(//interface[@type='$2' and mac/@address='$1']/source/@$2)" "$tmp/domain.xml")" = "$3" ]
}
check "by network" nic 52:54:00:00:00:01 network lab-net
check "by MAC, which wins" nic 52:54:00:00:00:02 bridge br-two
check "by bridge" nic 52:54:00:00:00:03 bridge br-seven
check "all others" nic 52:54:00:00:00:04 network rest-net

# Mistakes.
refused () {                    # refused TEXT PARAMETER...
    local text=$1; shift
    nbdkit -U - --filter=v2v-convert file "$tmp/disk.img" "$@" \
           --run "touch '$tmp/started'" >"$tmp/said" 2>&1 && return 1
    cat "$tmp/said"
    grep -qF -e "$text" "$tmp/said" && [ ! -e "$tmp/started" ]
}
check "a network to nowhere" refused "v2v-network: expected" v2v-network=a:
check "a network from nowhere" refused "v2v-network: expected" v2v-network=:a
check "a network twice" refused "mapped twice" v2v-network=a:b v2v-network=a:c
check "a bridge twice" refused "mapped twice" v2v-bridge=b v2v-bridge=c
check "no MAC" refused "v2v-mac: expected MAC" v2v-mac=52:54:network:x
check "a MAC to what?" refused "v2v-mac: expected MAC" \
      v2v-mac=52:54:00:00:00:02:net:x
check "another format" refused "expected raw or qcow2" v2v-output-format=vmdk
check "another allocation" refused "expected sparse or preallocated" \
      v2v-output-allocation=thin
done_testing
