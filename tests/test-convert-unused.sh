# SPDX-License-Identifier: BSD-3-Clause
# What no system can want is given back, and nothing else: of a disk full of
# random data, all that differs after the conversion is its root file system,
# the contents of swap spaces and the free extents of volume groups, which
# are zeros.  The conversion is that of the tests; the rest is the real one.

. "$V2V_SRCDIR/tests/functions.sh"
. "$V2V_SRCDIR/tests/helper-functions.sh"
requires guestfish --version
requires mkswap --version
MiB=1048576

# 1. The disk: / and partitions with random data, swap spaces in some.  Swap
# in a partition for swap, in one for data that fstab names (smaller than it,
# with pages of 64 KiB), in one that nothing names, and in two of which fstab
# names the label that both have.
swap=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F
data=0FC63DAF-8483-4772-8E79-3D69D8477DE4
lvm=E6D6D379-F507-44C2-A23C-238F2A3DF928
make_root "$tmp/root"
cat >>"$tmp/root/etc/fstab" <<'END'
LABEL=label-2 none swap sw 0 0
LABEL=twice none swap sw 0 0
/dev/vg/swap swap swap defaults 0 0
END
make_fs "$tmp/fs" "$tmp/root" 64M
truncate -s 97M "$tmp/disk"
head -c 84M /dev/urandom >>"$tmp/disk"
truncate -s 182M "$tmp/disk"
sfdisk -q "$tmp/disk" <<END
label: gpt
start=2048, size=64MiB, type=$data
size=8MiB, type=$swap
size=8MiB, type=$data
size=8MiB, type=$data
size=40MiB, type=$lvm
size=48MiB, type=$lvm
size=2MiB, type=$data
size=2MiB, type=$data
END
mapfile -t at < <(sfdisk -d "$tmp/disk" |
                  sed -n 's/.*start= *\([0-9]*\),.*/\1/p' |
                  while read -r n; do echo $((n / 2048)); done)
dd if="$tmp/fs" of="$tmp/disk" bs=1M seek="${at[0]}" conv=notrunc status=none
for p in "1 label-1 8192" "2 label-2 6144 -p 65536" "3 label-3 8192" \
         "6 twice 2048" "7 twice 2048"; do
    read -r i label kib options <<<"$p"
    head -c "${kib}K" /dev/urandom >"$tmp/part"
    # shellcheck disable=SC2086
    mkswap -L $label $options "$tmp/part" "$kib" >/dev/null 2>&1
    dd if="$tmp/part" of="$tmp/disk" bs=1M seek="${at[i]}" conv=notrunc \
        status=none
done

# A volume group on two of them, one with a second copy of the metadata at its
# end: a volume with a snapshot, a mirror, a thin pool, swap, the swap of a
# machine that the guest may run, and free extents before, between and behind
# them.
cat >"$tmp/lvm.sh" <<'END'
d=$(findmnt -n -o SOURCE /sysroot); d=${d%1}
{ lvm pvcreate --pvmetadatacopies 2 ${d}5 &&
  lvm pvcreate ${d}6 &&
  lvm vgcreate -s 1m vg ${d}5 ${d}6 &&
  lvm lvcreate -Wn -Zn -l 5 -n data vg ${d}5:3-7 &&
  lvm lvcreate -Wn -Zn -l 4 -n swap vg ${d}5:9-12 &&
  lvm lvcreate -Wn -Zn -l 2 -n machine vg ${d}5:14-15 &&
  lvm lvcreate -l 4 -s -n snap vg/data ${d}5:20-23 &&
  lvm lvcreate --type raid1 --nosync -y -m 1 -l 3 -n mirror vg &&
  lvm lvcreate --type thin-pool -l 6 -n pool vg ${d}6:20-35 &&
  lvm lvcreate -V 5m --thinpool vg/pool -n thin &&
  mkswap -L label /dev/vg/swap &&
  mkswap -L label-m /dev/vg/machine &&
  dd if=/dev/urandom of=/dev/vg/thin bs=1M count=4 conv=fsync &&
  dd if=/dev/urandom of=/dev/vg/data bs=1M count=2 conv=fsync &&
  lvm pvs --segments --noheadings --separator , \
      -o pv_name,pvseg_start,pvseg_size,lv_name >/sysroot/segments
} >/sysroot/log 2>&1 && sync || { cat /sysroot/log >&2; exit 1; }
END
check "a volume group is made" \
    env LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS=force_tcg \
    guestfish --format=raw -a "$tmp/disk" \
    run : mount /dev/sda1 / : upload "$tmp/lvm.sh" /lvm.sh : \
    debug sh "sh /sysroot/lvm.sh" : download /segments "$tmp/segments"
sed 's/^/# /' "$tmp/segments"
cp --sparse=always "$tmp/disk" "$tmp/kept"

# 2. What differs afterwards.
# is same|zero WHAT FROM SIZE [SKIP]: bytes of the result, from FROM MiB + SKIP.
is () {
    local from=$(($3 * MiB + ${5:-0})) n=$(($4 * MiB - ${5:-0}))
    if [ "$1" = same ]; then
        check "$2 is as it was" \
            cmp -i $from -n $n "$tmp/disk" "$tmp/result"
    else
        check "$2 is zeros" cmp -i $from:0 -n $n "$tmp/result" /dev/zero
    fi
}
header=65536
# is_swap WHAT FROM SIZE: all of it but the header is zeros.
is_swap () {
    check "$1 has its header" \
        cmp -i $(($2 * MiB)) -n $header "$tmp/disk" "$tmp/result"
    is zero "$1, behind the header," "$2" "$3" $header
    swaps=$((swaps + $3 * MiB - header))
}
fact () { jq -r ".facts.trim.$1" "$tmp/out/report.json"; }

before=$(sha256sum <"$tmp/disk")
mkdir "$tmp/out"
check "the disk is served" \
    nbdkit -U - --filter=v2v-convert file "$tmp/disk" \
    v2v-helper="$V2V_BUILDDIR/tests/test-helper-conversion" \
    v2v-metadata-dir="$tmp/out" --run 'nbdcopy "$uri" '"$tmp/result"
check "the source is untouched" [ "$(sha256sum <"$tmp/disk")" = "$before" ]
jq -c '.messages[]' "$tmp/out/report.json" | sed 's/^/# /'
swaps=0 free=0
is same "what is before /" 0 "${at[0]}"
is_swap "swap" "${at[1]}" 8
is_swap "swap with large pages" "${at[2]}" 6
is same "what is behind that swap" $((at[2] + 6)) 2
is same "swap that nothing names" "${at[3]}" 8
is same "the head of a PV" "${at[4]}" 1
is same "the end of a PV with metadata" $((at[4] + 39)) 1
is same "the head of the second PV" "${at[5]}" 1
is same "two swaps of the same label" "${at[6]}" 4
is same "what is behind the last partition" $((at[7] + 2)) 1
while IFS=, read -r pv start size lv; do
    from=$((at[${pv##*[a-z]} - 1] + 1 + start))
    case $lv in
        "") is zero "free extent ${pv##* }:$start" $from "$size"
            free=$((free + size * MiB)) ;;
        swap) is_swap "the volume swap" $from "$size" ;;
        # The kernel counts how often the mirror was assembled.
        *rmeta*) ;;
        *) is same "$lv" $from "$size" ;;
    esac
done <"$tmp/segments"
check "nothing else was to be said" \
    [ "$(jq '.messages + .warnings | map(tostring) | map(select(test("opied"))) |
             length' "$tmp/out/report.json")" = 0 ]
check "there were free extents" [ $free -gt $((30 * MiB)) ]
check "it says how much swap that was" [ "$(fact swap)" = $swaps ]
check "it says how much LVM that was" [ "$(fact free_extents)" = $free ]

# 3. All of it is kept if nothing is to be given back, or the guest is
# hibernated.
serve "$tmp/kept"
run_helper --no-trim
check "without trimming it is converted" [ $status = 0 ]
cp --sparse=always "$tmp/kept" "$tmp/result"
is same "swap" "${at[1]}" 24
while IFS=, read -r pv start size lv; do
    [ -n "$lv" ] || is same "free extent ${pv##* }:$start" \
        $((at[${pv##*[a-z]} - 1] + 1 + start)) $size
done <"$tmp/segments"

cp --sparse=always "$tmp/disk" "$tmp/kept"
printf S1SUSPEND | dd of="$tmp/kept" bs=1 seek=$((at[1] * MiB + 4086)) \
    conv=notrunc status=none
before=$(sha256sum <"$tmp/kept")
serve "$tmp/kept"
run_helper
check "a hibernated guest is refused" [ "$(result code)" = hibernated ]
check "it is as it was" [ "$(sha256sum <"$tmp/kept")" = "$before" ]
done_testing
