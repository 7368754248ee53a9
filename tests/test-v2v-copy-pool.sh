#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# v2v-copy to a pool of libvirt, and --define, with a libvirt of the test's
# own: volumes that libvirt knows, gone again when something fails, a
# machine that refers to them, and is defined only when asked.

# Root would get the libvirt of the whole machine: as another user, in a
# user namespace, it gets one of its own, in a directory of the test.
if [ "$(id -u)" = 0 ] && unshare -U --map-user=1000 --map-group=1000 true \
                                 2>/dev/null; then
    exec unshare -U --map-user=1000 --map-group=1000 "$0" "$@"
fi
. "$V2V_SRCDIR/tests/functions.sh"
requires virsh --version
requires qemu-img --version
requires nbdcopy --version
[ "$(id -u)" != 0 ] || skip_all "root cannot become another user here (unshare)"
PATH=$PATH:/usr/sbin:/sbin
command -v libvirtd >/dev/null ||
    skip_all "no libvirtd (libvirt-daemon, libvirt-daemon-driver-qemu)"

# The path of a socket is short.
short=$(mktemp -d /tmp/v2vp.XXXXXX)
cleanup_fn "rm -rf '$short'"
mkdir -m 0700 "$short/home" "$short/run" "$tmp/pool" "$tmp/docs" "$short/t"
export HOME=$short/home XDG_RUNTIME_DIR=$short/run TMPDIR=$short/t
unset XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME
export LIBVIRT_DEFAULT_URI=qemu:///session
stop_libvirt () {
    local pid i
    pid=$(cat "$short/run/libvirt/libvirtd.pid" 2>/dev/null) || return 0
    kill "$pid"
    for ((i = 0; i < 100; i++)); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
}
cleanup_fn stop_libvirt
virsh -q uri >/dev/null 2>&1 || skip_all "libvirt does not start here"
pool="the pool"
virsh -q pool-define-as --name="$pool" --type=dir --target="$tmp/pool" &&
    virsh -q pool-start --pool="$pool" || exit 1

export V2V_CONVERT_HELPER="$V2V_SRCDIR/tests/fake-helper"
export FAKE_LOG="$tmp/fake.log"
export FAKE_DOCUMENTS="$V2V_BUILDDIR/tests/test-target-write"
export FAKE_MACHINE='{ "version": 1, "name": "web 1", "memory": 268435456,
    "vcpus": 1, "disks": [], "removables": [], "nics": [] }'

# libvirt counts qcow2 volumes in KiB: this size is none.
src="$tmp/one.img"
truncate -s $((24 * 1024 * 1024 + 512)) "$src"
dd if=/dev/urandom of="$src" bs=1M count=3 seek=5 conv=notrunc 2>/dev/null
sum=$(sha256sum <"$src")

copy () { v2v-copy --documents "$tmp/docs" "$@" "$src" "pool:$pool"; }
only () { copy --no-convert "$@"; }
status () {                     # status WANT CMD...
    local want=$1 rc; shift
    "$@" >"$tmp/said" 2>&1; rc=$?
    cat "$tmp/said"
    [ $rc -eq "$want" ] || { echo "exit $rc, not $want"; return 1; }
}
says () { grep -qF -e "$1" "$tmp/said" || { cat "$tmp/said"; return 1; }; }
volume () { virsh -q vol-dumpxml --pool="$pool" --vol="$1"; }
value () { xmllint --xpath "string($2)" - <<<"$1"; }
# What libvirt says, and what is there.
nothing () {
    local v
    v=$(virsh -q vol-list --pool="$pool"; ls -A "$tmp/pool" "$tmp/docs")
    [ "$v" = "$tmp/docs:

$tmp/pool:" ] || { echo "$v"; return 1; }
}
clean () {
    local v
    ls "$tmp/pool" | while read -r v; do
        virsh -q vol-delete --pool="$pool" --vol="$v" || return 1
    done
    rm -f "$tmp"/docs/*
}
is_volume () {                  # is_volume NAME FORMAT CAPACITY
    local x
    x=$(volume "$1") || return 1
    echo "$x"
    [ "$(value "$x" /volume/target/format/@type)" = "$2" ] &&
        [ "$(value "$x" /volume/capacity)" = "$3" ] &&
        [ "$(value "$x" /volume/target/path)" = "$tmp/pool/$1" ]
}

check "raw" only
check "the data" cmp "$src" "$tmp/pool/one-disk0.img"
check "libvirt knows the volume" is_volume one-disk0.img raw 25166336
sparse () { [ "$(stat -c %b "$1")" -lt 10240 ]; }
check "holes stay holes" sparse "$tmp/pool/one-disk0.img"
echo precious >"$tmp/pool/one-disk0.img"
check "an existing volume is refused" status 5 only
check "and is as before" [ "$(cat "$tmp/pool/one-disk0.img")" = precious ]
check "--force does not replace it" status 1 only --force
check "it says what does" says "virsh vol-delete"
clean
check "qcow2" only -f qcow2
check "qcow2: the data" qemu-img compare -f raw -F qcow2 "$src" \
      "$tmp/pool/one-disk0.qcow2"
check "qcow2: libvirt knows the volume" \
      is_volume one-disk0.qcow2 qcow2 25166336
clean
for f in raw:img qcow2:qcow2; do
    check "preallocated ${f%:*}" only -a preallocated -f "${f%:*}"
    check "preallocated ${f%:*}: the data" qemu-img compare -f raw \
          -F "${f%:*}" "$src" "$tmp/pool/one-disk0.${f#*:}"
    check "preallocated ${f%:*}: all of it" \
          [ "$(stat -c %b "$tmp/pool/one-disk0.${f#*:}")" -ge $((24 * 2048)) ]
    clean
done

# Names: virsh's own vol-create-as would paste them into XML.
for n in 'a&b' '</name><allocation>1' "q'u\"o" ü -x; do
    check "name $n" only --name "$n"
    check "name $n: one volume" [ "$(ls "$tmp/pool" | wc -l)" = 1 ]
    check "name $n: the data" cmp "$src" "$(echo "$tmp/pool/"*)"
    clean
done

# Documents.
refers () {                     # refers FILE VOLUME
    [ "$(xmllint --xpath 'string(//disk/@type)' "$1")" = volume ] &&
        [ "$(xmllint --xpath 'string(//disk/source/@pool)' "$1")" = "$pool" ] &&
        [ "$(xmllint --xpath 'string(//disk/source/@volume)' "$1")" = "$2" ] ||
        { cat "$1"; return 1; }
}
check "convert" copy -f qcow2 --name "a/b & c"
check "the machine refers to the volume" refers "$tmp/docs/a_b & c.xml" \
      "a_b & c-disk0.qcow2"
check "the script to its file" grep -qF "$tmp/pool/a_b & c-disk0.qcow2" \
      "$tmp/docs/a_b & c.sh"
check "the pool holds nothing else" [ "$(ls -A "$tmp/pool")" = "a_b & c-disk0.qcow2" ]
check "no machine was defined" [ -z "$(virsh -q list --all --name)" ]
clean
mkdir "$tmp/here"
here () ( cd "$tmp/here" && v2v-copy "$src" "pool:$pool" )
check "documents without --documents" here
check "they are in the current directory" [ -s "$tmp/here/one.xml" ]
clean

# --define.
virsh -q capabilities >"$tmp/capabilities"
if grep -q "<domain type='kvm'" "$tmp/capabilities"; then
    check "--define" status 0 copy -v --define
    check "-v shows how" says "+ virsh -q define"
    defined () { virsh -q dumpxml --domain=one >"$tmp/one.xml" && refers "$tmp/one.xml" one-disk0.img; }
    check "libvirt has the machine, with the volume" defined
    mv "$tmp/docs/one.xml" "$tmp/kept.xml"
    clean
    check "a second one of that name is refused" status 5 copy --define
    check "it says what to do" says "choose another --name"
    check "and nothing was copied" nothing
    uuid=$(virsh -q domuuid --domain=one)
    machine=$FAKE_MACHINE
    export FAKE_MACHINE=${machine/\"vcpus\"/\"uuid\": \"$uuid\", \"vcpus\"}
    check "a second one of that UUID is refused" status 5 \
          copy --define --name two
    check "it says so" says "with the UUID of this one"
    check "and nothing was copied" nothing
    FAKE_MACHINE=$machine
    mkdir "$tmp/refuse"
    printf '#!/bin/bash\n[[ " $* " = *" define "* ]] && exit 1\nexec %q "$@"\n' \
           "$(type -P virsh)" >"$tmp/refuse/virsh"
    chmod +x "$tmp/refuse/virsh"
    refusing () ( PATH=$tmp/refuse:$PATH; copy --define --name two )
    check "libvirt refuses the machine" status 5 refusing
    check "it says that all is there" says "are complete"
    check "the disk stays" [ -s "$tmp/pool/two-disk0.img" ]
    check "the documents stay" [ -s "$tmp/docs/two.xml" ]
    clean
    mkdir "$tmp/dir"
    check "--define of disks in a directory" v2v-copy --define --name three \
          "$src" "$tmp/dir"
    check "libvirt has it" virsh -q domuuid --domain=three
else
    skip "--define" "libvirt has no KVM here"
fi

# Failures leave nothing.
nothing_left () { check "$1: nothing is left" nothing; }
check "the source has a bad block" status 4 only --filter error \
      -p error-pread-rate=100% --filter noextents
nothing_left "bad block"
check "the same in qcow2" status 4 only -f qcow2 --filter error \
      -p error-pread-rate=100% --filter noextents
nothing_left "bad block, qcow2"
FAKE_HELPER=refuse check "the conversion fails" status 3 copy
nothing_left "the conversion fails"
for sig in INT TERM; do
    "$PYTHON_NBD" -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' v2v-copy --no-convert \
         --documents "$tmp/docs" --filter delay -p rdelay=30 \
         --filter noextents "$src" "pool:$pool" >"$tmp/slow" 2>&1 &
    pid=$!
    cleanup_fn "kill $pid 2>/dev/null"
    for ((i = 0; i < 300; i++)); do
        pgrep -P $pid nbdcopy >/dev/null && break
        sleep 0.1
    done
    check "SIG$sig: the volume was there" volume one-disk0.img
    kill -$sig $pid
    wait $pid
    check "SIG$sig ends it" [ $? = 130 ]
    nothing_left "SIG$sig"
done
# A signal while libvirt makes the volume.
mkdir "$tmp/slow-virsh"
cat >"$tmp/slow-virsh/virsh" <<'END'
#!/bin/bash
[[ " $* " = *" vol-create "* ]] || exec "$VIRSH" "$@"
trap 'exit 1' TERM
"$VIRSH" "$@" || exit
touch "$MADE"
sleep 2 & wait
END
chmod +x "$tmp/slow-virsh/virsh"
made () {
    local pid i
    export VIRSH MADE=$tmp/made
    VIRSH=$(type -P virsh)
    (PATH=$tmp/slow-virsh:$PATH; exec v2v-copy --no-convert --documents \
          "$tmp/docs" "$src" "pool:$pool") >"$tmp/said" 2>&1 &
    pid=$!
    for ((i = 0; i < 300; i++)); do [ -e "$MADE" ] && break; sleep 0.1; done
    kill $pid
    wait $pid
    [ $? = 130 ] || { cat "$tmp/said"; return 1; }
}
check "SIGTERM while the volume is made" made
nothing_left "SIGTERM while the volume is made"

# Another host's libvirt, whose pool has a path that exists here, too.
mkdir "$tmp/other"
cat >"$tmp/other/virsh" <<'END'
#!/bin/bash
case " $* " in *" vol-create "*|*" vol-delete "*) echo "$*" >>"$OTHER"; exit 0 ;; esac
exec "$VIRSH" "$@"
END
chmod +x "$tmp/other/virsh"
elsewhere () ( export OTHER=$tmp/asked VIRSH; VIRSH=$(type -P virsh); PATH=$tmp/other:$PATH; only )
check "the pool of another host" status 5 elsewhere
check "the pool of another host: it says so" says "on libvirt's host"
check "the pool of another host: the volume is removed there" \
      grep -qF 'vol-delete' "$tmp/asked"
nothing_left "the pool of another host"

check "no such pool" status 5 v2v-copy "$src" pool:nix
check "no such pool: it says where they are listed" says "virsh pool-list"
check "no such libvirt" status 5 v2v-copy --connect qemu+unix:///nix "$src" \
      "pool:$pool"
virsh -q pool-define-as --name=lv --type=logical --source-name=vg \
      --target=/dev/vg
check "a pool that has no files" status 5 v2v-copy "$src" pool:lv
check "a pool that has no files: it says so" says "only pools of files"
virsh -q pool-destroy --pool="$pool"
check "a pool that is not active" status 5 only
check "a pool that is not active: it says how to start it" \
      says "virsh pool-start"
check "the source is untouched" [ "$(sha256sum <"$src")" = "$sum" ]
check "no sockets stay" [ -z "$(ls -A "$TMPDIR")" ]
done_testing
