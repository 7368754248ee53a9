#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The script for QEMU of a machine with secure boot and a TPM: QEMU has what
# it asks for (test-target-secureboot.sh boots such a guest), what is missing
# is said, and swtpm does not stay behind.

. "$V2V_SRCDIR/tests/functions.sh"
requires qemu-system-x86_64 --version
requires swtpm --version
requires test -r /usr/share/OVMF/OVMF_CODE_4M.ms.fd
cat >"$tmp/case.json" <<'END'
{ "source": { "version": 1, "name": "-a, 'b' $(x)", "memory": 268435456,
    "vcpus": 1, "disks": [], "nics": [], "removables": [],
    "firmware": "uefi", "secure_boot": true,
    "tpm": { "model": "tpm-crb", "version": "2.0" } },
  "facts": { "type": "linux", "arch": "x86_64", "virtio_1_0": true,
    "machine": "q35", "rtc_utc": true,
    "disks": [ { "path": "disk.img", "size": 1048576 } ] } }
END
check "written" "$V2V_BUILDDIR/tests/test-target-write" "$tmp/case.json" "$tmp"
truncate -s 1M "$tmp/disk.img"
aux=$(sed -n 's/^vars=\(.*\)_VARS.fd$/\1/p' "$tmp/qemu.sh")

export V2V_ACCEL=tcg V2V_DISPLAY=none V2V_SERIAL=none
gone () {
    local i
    for ((i = 0; i < 100; i++)); do
        pgrep -f "swtpm socket.*dir=$aux.tpm" >/dev/null || return 0
        sleep 0.1
    done
    pgrep -af swtpm
    return 1
}
# It is asked before the machine runs.
ask () {
    printf '%s\n' '{"execute":"qmp_capabilities"}' \
           '{"execute":"query-tpm","id":"tpm"}' \
           '{"execute":"qom-get","id":"smm","arguments":{"path":"/machine","property":"smm"}}' \
           '{"execute":"query-named-block-nodes","id":"nodes"}' \
           '{"execute":"quit"}' |
        timeout 120 bash "$tmp/qemu.sh" -S -qmp stdio >"$tmp/qmp" 2>"$tmp/err"
    local rc=$?
    [ $rc = 0 ] || { echo "exit $rc"; cat "$tmp/qmp" "$tmp/err"; return 1; }
}
answer () { jq -se "map(select(.id == \"$1\"))[0].return | $2" "$tmp/qmp" || { cat "$tmp/qmp"; return 1; }; }
check "QEMU starts it" ask
check "it has the TPM" answer tpm '.[0] | .model == "tpm-crb" and .options.type == "emulator"'
check "and system management mode" answer smm '. == "on"'
check "the firmware is the one that has keys" answer nodes \
      'any(.[]; .file == "/usr/share/OVMF/OVMF_CODE_4M.ms.fd" and .ro)'
check "so are the variables" cmp /usr/share/OVMF/OVMF_VARS_4M.ms.fd \
      "$tmp/${aux}_VARS.fd"
check "swtpm is gone" gone

no_qemu () { ! QEMU=false bash "$tmp/qemu.sh"; }
check "QEMU that does not start" no_qemu
check "swtpm is gone then, too" gone

# A PATH with all that the script needs, but swtpm.
mkdir "$tmp/bin"
for p in bash dirname stat cp chmod mv mkdir rm sleep tail; do
    ln -s "$(type -P $p)" "$tmp/bin/$p"
done
refuses () {                    # refuses TEXT
    PATH=$tmp/bin QEMU=true bash "$tmp/qemu.sh" >"$tmp/said" 2>&1
    local rc=$?
    [ $rc = 1 ] && grep -qF "$1" "$tmp/said" && return 0
    echo "exit $rc"; cat "$tmp/said"
    return 1
}
check "without swtpm it says what to install" refuses "install swtpm"
printf '#!/bin/bash\nexit 1\n' >"$tmp/bin/swtpm"
chmod +x "$tmp/bin/swtpm"
check "swtpm that does not start" refuses "swtpm did not start"
truncate -s 1M "$tmp/${aux}_VARS.fd"
check "variables of another firmware" refuses "belongs to another UEFI firmware"
check "are kept" [ "$(stat -c %s "$tmp/${aux}_VARS.fd")" = 1048576 ]
done_testing
