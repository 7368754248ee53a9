# SPDX-License-Identifier: BSD-3-Clause
# For tests of v2v-convert-helper: small guests made without root and
# without an appliance.  Source after functions.sh.

# As root libguestfs keeps its sockets in /tmp.  Give the helper one of its
# own, so that what others leave there does not disturb; then $tmp must be
# elsewhere.
tmp2=$(mktemp -d /var/tmp/v2vtest.XXXXXX)
cleanup_fn "rm -rf $tmp2"
rm -rf "$tmp"; tmp=$tmp2
mkdir -m 1777 "$tmp/tmp"
helper=("$V2V_BUILDDIR/tests/test-helper-conversion")
if unshare -m mount --bind "$tmp/tmp" /tmp 2>/dev/null; then
    helper=(unshare -m sh -c "mount --bind $tmp/tmp /tmp && exec \"\$@\"" -
            "${helper[@]}")
fi
PATH=$PATH:/sbin:/usr/sbin

requires sfdisk --version
requires mke2fs -V
requires jq --version

# make_root DIR: a tree that looks like an installed Debian.
make_root () {
    mkdir -p "$1"/{etc,boot,usr/bin,usr/lib,var/lib/dpkg,opt,home}
    cat > "$1/etc/os-release" <<'END'
PRETTY_NAME="Test GNU/Linux 12"
ID=debian
VERSION_ID="12"
END
    echo 12.7 > "$1/etc/debian_version"
    echo testhost > "$1/etc/hostname"
    echo "/dev/sda1 / ext4 errors=remount-ro 0 1" > "$1/etc/fstab"
    touch "$1/var/lib/dpkg/status" "$1/usr/bin/apt-get"
    head -c 64 /proc/self/exe > "$1/usr/bin/bash"
    echo "old text" > "$1/etc/v2v-target"
    chmod 640 "$1/etc/v2v-target"
    ln -s v2v-target "$1/etc/v2v-link"
    echo same > "$1/etc/v2v-same"
    echo gone > "$1/etc/v2v-remove"
}

# make_fs FILE DIR SIZE [mke2fs options]
make_fs () {
    local file=$1 dir=$2 size=$3; shift 3
    rm -f "$file"
    mke2fs -q -t ext4 -E root_owner=0:0 -d "$dir" "$@" "$file" "$size" \
        2>/dev/null
}

# make_disk FILE FS...: an MBR disk with the file systems as partitions,
# each beginning at a multiple of 1 MiB.
make_disk () {
    local file=$1 fs start=1 size; shift
    rm -f "$file"
    local table="label: dos"$'\n'
    for fs in "$@"; do
        size=$(( ($(stat -c %s "$fs") + 1048575) / 1048576 ))
        table+="start=$((start * 2048)),size=$((size * 2048)),type=83"$'\n'
        truncate -s $(( (start + size + 1) * 1048576 )) "$file"
        dd if="$fs" of="$file" bs=1M seek=$start conv=notrunc,sparse \
            status=none
        start=$((start + size))
    done
    truncate -s $(( (start + 1) * 1048576 )) "$file"
    sfdisk -q "$file" <<<"$table"
}

# serve DISK...: sets disk_args for the helper.  The files are written.
serve () {
    disk_args=()
    local f sock
    for f in "$@"; do
        sock=$(mktemp -u "$tmp/s.XXXXXX")
        start_nbdkit "$sock" file "$f"
        disk_args+=(--disk "nbd+unix:///?socket=$sock")
    done
}

# run_helper ARGS...: sets status; lines of the progress in $tmp/lines.
run_helper () {
    rm -rf "$tmp/out"
    timeout 300 "${helper[@]}" "${disk_args[@]}" --output "$tmp/out" \
        --progress-fd 7 "$@" 7>"$tmp/lines" 2>"$tmp/stderr"
    status=$?
    sed 's/^/# /' "$tmp/stderr"
}
result () { tail -n 1 "$tmp/lines" | jq -r ".$1"; }
message () { result message; }

# What is left behind in the temporary directories.
temporary_files () { ls -A "$tmp/tmp"; }
