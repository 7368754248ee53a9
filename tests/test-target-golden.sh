#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Every writer, every case of target-data: the documents are those
# that are stored beside the case, and the tools that read such documents
# accept them.  V2V_UPDATE_GOLDENS=1 stores them anew.

. "$V2V_SRCDIR/tests/functions.sh"
data="$V2V_SRCDIR/tests/target-data"
bin="$V2V_BUILDDIR/tests"

have () { command -v "$1" >/dev/null; }

compare () {
    if [ -n "${V2V_UPDATE_GOLDENS-}" ]; then
        rm -rf "$data/$1"
        cp -r "$tmp/$1" "$data/$1"
    fi
    diff -ru "$data/$1" "$tmp/$1"
}

# The definition that libvirt makes of ours has what we said.
round_trip () {
    local a=$tmp/$1/domain.xml b=$tmp/define.xml x uri=test:///default
    virsh -q -c $uri "define --validate '$a'; dumpxml --inactive \
          --security-info '$2'" >"$tmp/define.out" || return 1
    sed -n '/<domain/,$p' "$tmp/define.out" >"$b"
    for x in '//name' '//memory' '//vcpu/text()' '//genid' '//os/@firmware' \
             '//os/type/@arch' '//cpu/@mode' '//cpu/model' \
             '//cpu/topology/@sockets' '//cpu/topology/@cores' '//cpu/topology/@threads' '//clock/@offset' \
             '//disk/@device' '//disk/@model' '//disk/driver/@type' \
             '//disk/source/@file' '//disk/source/@name' \
             '//disk/source/host/@*' '//disk/target/@dev' \
             '//disk/target/@bus' '//disk/boot/@order' '//disk/serial' \
             '//disk/blockio/@*' \
             '//interface/mac/@address' '//interface/source/@*' \
             '//interface/model/@type' '//interface/boot/@order' \
             '//graphics/@type' '//graphics/@keymap' '//graphics/@passwd' \
             '//sound/@model' '//tpm/@model' '//tpm/backend/@version' \
             '//rng/@model' '//memballoon/@model' '//vsock/@model' \
             '//controller[@type="scsi"]/@model'; do
        # Without an address of its own libvirt makes one up.
        if ! diff <(xmllint --xpath "$x" "$a" 2>/dev/null | sort) \
                  <(xmllint --xpath "$x" "$b" 2>/dev/null | sort) \
                  >"$tmp/diff"; then
            # libvirt adds MACs, and a cpu element of its own.
            [ "$x" = //interface/mac/@address ] &&
                ! grep -q '^<' "$tmp/diff" && continue
            echo "$x:"; cat "$tmp/diff"; return 1
        fi
    done
}

# A shell that runs the upload commands (as the manual page says) passes the
# words of the document, and runs nothing else.
commands () {
    openstack () { printf '%s\0' openstack "$@"; }
    jq -r '.commands[]|@sh' "$1" >"$tmp/commands"
    (. "$tmp/commands") | tr '\0' '\n' >"$tmp/words" || return 1
    jq -r '.commands[][]' "$1" | diff - "$tmp/words"
}

for c in "$data"/*.json; do
    n=$(basename "$c" .json)
    mkdir "$tmp/$n"
    check "$n: written" "$bin/test-target-write" "$c" "$tmp/$n"
    check "$n: as stored" compare "$n"

    if have virt-xml-validate; then
        check "$n: valid for libvirt" \
              virt-xml-validate "$tmp/$n/domain.xml" domain
    else
        skip "$n: valid for libvirt" "no virt-xml-validate (libvirt-clients)"
    fi
    if have virsh && have xmllint; then
        name=$(xmllint --xpath 'string(/domain/name)' "$tmp/$n/domain.xml")
        case "$name" in
            -*) # virsh would take it for an option; --validate is enough
                check "$n: libvirt's test driver defines it" virsh -q \
                      -c test:///default define --validate \
                      "$tmp/$n/domain.xml" ;;
            *)  check "$n: define and dumpxml give it back" \
                      round_trip "$n" "$name" ;;
        esac
    else
        skip "$n: libvirt's test driver" "no virsh or xmllint"
    fi
    check "$n: bash can parse the script" bash -n "$tmp/$n/qemu.sh"
    if have shellcheck; then
        check "$n: shellcheck has no warning" \
              shellcheck -S warning -s bash "$tmp/$n/qemu.sh"
    else
        skip "$n: shellcheck" "no shellcheck"
    fi
    check "$n: YAML is what KubeVirt's API takes" \
          "$bin/test-target-schema" \
          "$V2V_SRCDIR/docs/kubevirt-vm.schema.json" "$tmp/$n/kubevirt.yaml"
    check "$n: OVF is what oVirt's engine takes" xmllint --nonet --noout \
          --relaxng "$V2V_SRCDIR/docs/ovirt-ovf.rng" "$tmp/$n/vm.ovf"
    check "$n: OVF's references find each other" "$PYTHON_NBD" \
          "$V2V_SRCDIR/tests/check-ovf-references.py" "$tmp/$n/vm.ovf"
    if have jq; then
        check "$n: commands to upload" commands "$tmp/$n/openstack.json"
    else
        skip "$n: commands to upload" "no jq"
    fi
    check "$n: vm.json follows its schema" \
          "$bin/test-target-schema" \
          "$V2V_SRCDIR/docs/target.schema.json" "$tmp/$n/vm.json"
done
done_testing
