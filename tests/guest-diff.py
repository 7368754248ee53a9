#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Which files of a guest a conversion changed, against what it said.

  guest-diff.py list REPORT IMAGE... >LIST
  guest-diff.py compare REPORT BEFORE AFTER [EXPECTED]
  guest-diff.py diff BEFORE AFTER

list     mounts the guest's file systems in the appliance as REPORT
         (v2v/report.json) says, and prints every file: kind and mode, owner,
         size, times, inode, target; and the digests of those that REPORT
         names.  LUKS is opened with the passphrase "v2v".
compare  every path that differs must be in REPORT, every path of REPORT must
         differ, with the digests that it says.  EXPECTED has a line for each
         change: "+" (new), "-" (gone) or "~" (changed), a blank, and a
         pattern as the shell's, in which * matches "/" too; it must match
         something, and nothing else may be changed; "#" begins a comment.
diff     prints the changes alone, as EXPECTED would have them.

Of a directory the times and the size count for nothing: they change with
what is in it; nor do inodes on FAT.  Exit status 1, with a line for each
deviation, if there is one.  The appliance sees copies and images read-only.
"""

import base64
import fnmatch
import gzip
import json
import os
import shlex
import subprocess
import sys

# Separated by NUL, so that no name can forge a line.
FIND = r"find . -printf '%y%m %U:%G %s %T@ %C@ %F:%i\0%l\0%P\0'"
UNLOCK = """for pass in 1 2 3; do
  for d in $(blkid -t TYPE=crypto_LUKS -o device); do
    u=$(blkid -s UUID -o value $d)
    [ -e /dev/mapper/luks-$u ] ||
      printf v2v | cryptsetup open --readonly --key-file=- $d luks-$u
  done
  lvm vgchange -ay >/dev/null 2>&1
done; true"""


def quoted(script):
    """guestfish's "debug sh" puts it between single quotes as it is."""
    return script.replace("'", "'\\''")


def changes_of(report):
    """path -> (digest before, digest after), of the whole conversion."""
    r = {}
    for c in report["changes"]:
        before = r[c["path"]][0] if c["path"] in r else c.get("before")
        r[c["path"]] = (before, c.get("after"))
    return r


def sectors(image):
    """The option of guestfish for the sectors that IMAGE's GPT counts in."""
    with open(image, "rb") as f:
        first = f.read(4104)
    large = first[4096:] == b"EFI PART" != first[512:520]
    return "--blocksize=4096" if large else "--blocksize"


def do_list(report, images):
    script = "cd /sysroot && { %s; " % FIND
    for path in changes_of(report):
        q = shlex.quote(path[1:])
        # Through one link, as the guest would, never out of the guest.
        script += ("f=%s; t=$(readlink \"$f\") && case $t in "
                   "/*) f=.$t;; *) f=$(dirname \"$f\")/$t;; esac; "
                   "[ ! -f \"$f\" ] || printf 'sha256 %%s\\0\\0%%s\\0' "
                   "$(sha256sum <\"$f\" | cut -c1-64) %s; " % (q, q))
    script += "} | gzip -1 | base64 -w0"
    cmd = ["guestfish", "--ro", "--format=raw"]
    for i in images:
        cmd += [sectors(i), "-a", i]
    cmd += ["run", ":", "debug", "sh", quoted(UNLOCK)]
    for m in report["mounts"]:
        device = m["device"]
        if device.startswith("/dev/md"):
            # Which number an array gets is chance.
            device = "/dev/disk/by-uuid/" + m["uuid"]
        cmd += [":", "mount-ro", device, m["mountpoint"]]
    cmd += [":", "debug", "sh", quoted(script)]
    # Emulation, because a /dev/kvm that opens may still not work.
    env = dict(os.environ, LIBGUESTFS_BACKEND="direct",
               LIBGUESTFS_BACKEND_SETTINGS="force_tcg")
    out = subprocess.run(cmd, stdout=subprocess.PIPE, check=True, env=env).stdout
    sys.stdout.buffer.write(gzip.decompress(base64.b64decode(out.split()[-1])))


def read_list(name):
    """path -> (attributes, target), path -> digest"""
    with open(name, "rb") as f:
        words = f.read().decode("utf-8", "replace").split("\0")
    files, digests = {}, {}
    for i in range(0, len(words) - 2, 3):
        attr, target, path = words[i:i + 3]
        if attr.startswith("sha256 "):
            digests[path] = attr[7:]
            continue
        if attr.startswith("d"):
            attr = " ".join(attr.split(" ")[:2])
        elif "vfat:" in attr:
            # The kernel counts these in the order in which it sees them.
            attr = attr.rsplit(" ", 1)[0]
        files["/" + path] = (attr, target)
    if len(files) < 100:
        sys.exit("%s: %d files are no guest" % (name, len(files)))
    return files, {"/" + p: d for p, d in digests.items()}


def follow(files, path):
    """PATH with the links in it followed, as the guest would."""
    todo, done = path.split("/"), []
    for _ in range(200):
        if not todo:
            break
        word = todo.pop(0)
        if word in ("", "."):
            continue
        if word == "..":
            done = done[:-1]
            continue
        done.append(word)
        attr, target = files.get("/" + "/".join(done), ("", ""))
        if attr.startswith("l"):
            done = [] if target.startswith("/") else done[:-1]
            todo = target.split("/") + todo
    return "/" + "/".join(done)


def differences(before, after):
    r = {}
    for p in before.keys() | after.keys():
        if p not in after:
            r[p] = "-"
        elif p not in before:
            r[p] = "+"
        elif before[p] != after[p]:
            r[p] = "~"
    return r


def do_compare(report, before, after, expected):
    old, old_sum = read_list(before)
    new, new_sum = read_list(after)
    diff = differences(old, new)
    said = changes_of(report)
    bad = []

    named = set()
    for p, (was, now) in said.items():
        parent, base = os.path.split(p)
        mine = {os.path.join(follow(old, parent), base), follow(old, p),
                os.path.join(follow(new, parent), base), follow(new, p)}
        named |= mine
        if not mine & diff.keys():
            bad.append("in the report, but not changed: " + p)
        if was and old_sum.get(p) != was:
            bad.append("digest before: " + p)
        if now and new_sum.get(p) != now:
            bad.append("digest after: " + p)
    for p in sorted(diff.keys() - named):
        bad.append("changed, but not in the report: %s %s" % (diff[p], p))

    if expected:
        with open(expected) as f:
            rules = [l.split(None, 1) for l in f.read().splitlines()
                     if l and not l.startswith("#")]
        for p in sorted(diff):
            if not any(k == diff[p] and fnmatch.fnmatchcase(p, pat)
                       for k, pat in rules):
                bad.append("not expected: %s %s" % (diff[p], p))
        for k, pat in rules:
            if not any(k == diff[p] and fnmatch.fnmatchcase(p, pat)
                       for p in diff):
                bad.append("expected, but not so: %s %s" % (k, pat))
    print("%d files before, %d after, %d changed, %d in the report" %
          (len(old), len(new), len(diff), len(said)))
    print("\n".join(bad))
    sys.exit(1 if bad else 0)


def main(argv):
    if len(argv) >= 4 and argv[1] in ("list", "compare"):
        with open(argv[2]) as f:
            report = json.load(f)
        if argv[1] == "list":
            do_list(report, argv[3:])
            return
        if len(argv) in (5, 6):
            do_compare(report, argv[3], argv[4],
                       argv[5] if len(argv) == 6 else None)
    elif len(argv) == 4 and argv[1] == "diff":
        old, new = read_list(argv[2])[0], read_list(argv[3])[0]
        diff = differences(old, new)
        for p in sorted(diff):
            print(diff[p], p)
        return
    sys.exit(__doc__)


main(sys.argv)
